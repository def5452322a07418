"""Spark, DuckDB and the plain reference give the same for every feature of the catalogue."""

from __future__ import annotations

import math
import subprocess
import sys

import pytest

from configs.errors import ConfigError
from features.catalogue import FEATURES
from features.labels import MARGIN, NO_PURCHASE, SPEND, label_table
from features.sources import open_engine
from tests.engines import records_on, settings
from tests.histories import CUTOFFS, histories, together
from tests.reference import reference_matrix
from tests.test_point_in_time import Matrix, cases, catalogue_on

pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
WHOLE = {"times", "orders", "days", "items", "products", "categories", "channels"}
N_CHECKED = 60


def differences(one: Matrix, other: Matrix) -> list[tuple[str, int, str]]:
    """Return where two matrices differ: at all in whole numbers, beyond 1e-9 in others."""
    assert one.keys() == other.keys()
    return [
        (*key, feature.name)
        for key, row in one.items()
        for feature in FEATURES
        if not same(row[feature.name], other[key][feature.name], feature.unit in WHOLE)
    ]


def same(one: float | None, other: float | None, is_whole: bool) -> bool:
    if one is None or other is None:
        return one is other
    is_whole = is_whole and float(one).is_integer()
    return one == other if is_whole else math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-9)


def checked(matrix: Matrix) -> Matrix:
    """Return the rows of the first customers, few enough for the reference."""
    few = {f"{side}/c{number:04}" for side in "ab" for number in range(N_CHECKED // 2)}
    return {key: row for key, row in matrix.items() if key[0] in few}


@pytest.mark.slow
def test_duckdb_agrees_with_the_plain_reference() -> None:
    found = checked(catalogue_on("duckdb"))
    few = {customer for customer, _ in found}
    tables = {
        name: [row for row in rows if row["customer_id"] in few]
        for name, rows in cases()[1].items()
    }
    assert differences(reference_matrix(tables, FEATURES, CUTOFFS), found) == []


@pytest.mark.slow
@pytest.mark.spark
def test_spark_agrees_with_duckdb_on_every_feature() -> None:
    assert differences(catalogue_on("duckdb"), catalogue_on("spark")) == []


@pytest.mark.slow
@pytest.mark.spark
def test_spark_agrees_with_duckdb_on_labels() -> None:
    tables = together(histories(100, seed=3))
    labels = [NO_PURCHASE, SPEND, MARGIN]
    duckdb, spark = (
        label_table(records_on(engine, tables), labels, CUTOFFS, 90)
        for engine in ("duckdb", "spark")
    )
    assert duckdb.equals(spark)


def test_without_pyspark_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyspark", None)
    with pytest.raises(ConfigError, match=r"PySpark.*pip install \.\[spark\]"):
        open_engine(settings("spark"))


def test_without_java_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAVA_HOME", "/no/java/here")
    with pytest.raises(ConfigError, match=r"install Java 17 .*JAVA_HOME.*'duckdb'"):
        open_engine(settings("spark"))


STARTED = """
from configs.errors import ConfigError
from features.sources import open_engine
from tests.engines import settings
for changed in ({"spark_master": "nowhere"}, {"memory_limit_gib": 900_000}, {}):
    try:
        rows = open_engine(settings("spark").model_copy(update=changed)).sql("SELECT 7 AS rows")
        print(rows.execute()["rows"][0])
    except ConfigError as error:
        print(error)
"""


@pytest.mark.slow
@pytest.mark.spark
def test_spark_writes_nothing_on_the_terminal_and_says_why_it_does_not_start() -> None:
    done = subprocess.run([sys.executable, "-c", STARTED], capture_output=True, text=True)
    assert done.stderr == ""
    no_master, no_memory, rows = done.stdout.splitlines()
    assert "spark_master 'nowhere'" in no_master
    assert "Master must" in no_master
    assert "Could not reserve enough space" in no_memory
    assert rows == "7"
