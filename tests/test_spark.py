"""Spark's workers write the very features that one machine computes, range by range."""

from __future__ import annotations

import errno
import math
import re
import socket
import subprocess
import sys
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from configs.errors import ConfigError, EchelonError, FeatureError
from features.build import feature_matrix, question_of, write_matrix
from features.catalogue import FEATURES
from features.labels import MARGIN, NO_PURCHASE, SPEND, label_table, write_labels
from features.sentiment import SentimentModel
from features.sources import Records, open_records
from features.spark import parts
from features.spark import ranges as cut
from features.spark.matrix import written_of
from features.spark.ranges import ranges
from features.spark.sentiment import _write_scored
from features.spark.session import open_session
from tests.engines import arrow_tables, duckdb, settings
from tests.histories import CUTOFFS, histories, together
from tests.reference import reference_matrix
from tests.test_build import feature
from tests.test_point_in_time import Matrix, cases, catalogue

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
    found = checked(catalogue())
    few = {customer for customer, _ in found}
    tables = {
        name: [row for row in rows if row["customer_id"] in few]
        for name, rows in cases()[1].items()
    }
    assert differences(reference_matrix(tables, FEATURES, CUTOFFS), found) == []


def laid_out(folder: Path, tables: dict[str, pa.Table], rows_a_group: int) -> Records:
    """Return records in files as intake writes them, with small groups of rows."""
    generation = folder / "records" / "g1"
    generation.mkdir(parents=True)
    for name, table in tables.items():
        target = generation / f"{name}.parquet"
        pq.write_table(table.sort_by("customer_id"), target, row_group_size=rows_a_group)
    return open_records(duckdb(), generation)


@pytest.fixture
def in_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Records:
    """Return the records of a hundred customers, that are cut into three ranges."""
    tables = arrow_tables(together(histories(100, seed=3)))
    rows = sum(map(len, tables.values()))
    monkeypatch.setattr(cut, "ROWS_A_RANGE", rows // 3 + 1)
    return laid_out(tmp_path, tables, 50)


def test_every_customer_is_in_one_range(in_files: Records) -> None:
    assert in_files.files is not None
    found = [part.records(duckdb()) for part in ranges(in_files.files)]
    assert len(found) == 3
    for name in ("customers", "transactions", "interactions"):
        everybody = ids(in_files, name)
        assert [one for records in found for one in ids(records, name)] == everybody, name


def ids(records: Records, name: str) -> list[str]:
    table = records.tables[name].order_by("customer_id")
    return list(table.customer_id.to_pyarrow().to_pylist())


def test_sentiment_written_beside_the_records_changes_no_range(
    in_files: Records, tmp_path: Path
) -> None:
    assert in_files.files is not None
    one = tmp_path / "satisfaction.parquet"
    pq.write_table(pq.read_table(in_files.files["satisfaction"][0]), one)
    scored = {**in_files.files, "satisfaction": (one,)}
    before, after = ([(p.first, p.end) for p in ranges(f)] for f in (in_files.files, scored))
    assert before == after


def test_sentiment_is_written_the_same_in_whatever_order_rows_of_a_customer_lie(
    tmp_path: Path,
) -> None:
    tables = arrow_tables(together(histories(10, seed=3)))
    written = []
    for number in range(2):
        rows = tables["satisfaction"]
        mixed = rows.take(pa.array(sorted(range(len(rows)), reverse=number == 1)))
        (tmp_path / str(number)).mkdir()
        records = laid_out(tmp_path / str(number), {**tables, "satisfaction": mixed}, 50)
        (part,) = ranges(records.files or {})
        path = tmp_path / f"{number}.parquet"
        _write_scored(part, "satisfaction", SentimentModel(), path)
        written.append(path.read_bytes())
    assert written[0] == written[1]


@pytest.fixture(scope="module")
def workers() -> None:
    """Start Spark once for all that need it, or skip where there is none."""
    pytest.importorskip("pyspark")
    open_session(settings("spark"))


@pytest.mark.slow
@pytest.mark.spark
@pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
def test_workers_write_what_one_machine_computes(
    workers: None, in_files: Records, tmp_path: Path
) -> None:
    own = feature("own", lambda t: (t.amount * 2).sum(where=t.kind == "purchase"), window_days=84)
    features, engine = [*FEATURES, own], settings("spark")
    matrix = write_matrix(in_files, features, CUTOFFS, tmp_path / "matrix", engine)
    assert matrix.table().equals(feature_matrix(in_files, features, CUTOFFS))
    names = ["part-00000.parquet", "part-00001.parquet", "part-00002.parquet"]
    left = sorted(one.relative_to(matrix.folder) for one in matrix.folder.rglob("*.*"))
    assert left == [Path(f"cutoff={day}") / name for day in sorted(CUTOFFS) for name in names]

    ask = partial(question_of, features=features, cutoffs=CUTOFFS)
    for number, part in enumerate(ranges(in_files.files or {})):
        alone = written_of(part, ask, CUTOFFS, tmp_path / str(number)).folder
        for one in alone.rglob("*.parquet"):
            again = matrix.folder / one.parent.name / names[number]
            assert again.read_bytes() == one.read_bytes(), "whoever does it leaves the same file"

    asked = [NO_PURCHASE, SPEND, MARGIN]
    labels = write_labels(in_files, asked, CUTOFFS, 90, tmp_path / "labels", engine)
    assert labels.table().equals(label_table(in_files, asked, CUTOFFS, 90))
    pairs = zip(matrix.batches(["customer_id"]), labels.batches(["customer_id"]), strict=True)
    assert all(one.equals(other) for one, other in pairs)

    wrong = feature("wrong", lambda t: t.amounts.sum())
    with pytest.raises(FeatureError, match="no column or method 'amounts'"):
        write_matrix(in_files, [wrong], CUTOFFS, tmp_path / "wrong", engine)
    assert not (tmp_path / "wrong").exists()


def full(number: int) -> dict[str, object]:
    with Path("/dev/full").open("w") as file:
        file.write(str(number))
    return {}


@pytest.mark.slow
@pytest.mark.spark
@pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
def test_a_full_disk_of_a_worker_is_said_with_how_to_mend_it(workers: None) -> None:
    session = open_session(settings("spark"))
    says = rf"a disk of worker {socket.gethostname()} is full \(.*No space left.*TMPDIR.*is whole"
    with pytest.raises(EchelonError, match=says):
        parts.spread(session, 2, full)


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "a disk of worker .* is full"),
        (
            PermissionError(errno.EACCES, "Permission denied"),
            "must see the sources and stores.root",
        ),
        (MemoryError(), "too little memory .*MemoryError.*Give workers more memory"),
    ],
)
def test_what_a_worker_lacks_is_tried_elsewhere_before_it_is_said(
    error: Exception, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def work(number: int) -> dict[str, object]:
        raise error

    for attempt in (1, 2, 3):
        monkeypatch.setattr(parts, "_attempt", lambda now=attempt: now)
        with pytest.raises(type(error)):
            parts._tried(work, 0, tries=4)
    monkeypatch.setattr(parts, "_attempt", lambda: 4)
    assert re.search(says, parts._tried(work, 0, tries=4)["said"])


def test_without_pyspark_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyspark", None)
    with pytest.raises(ConfigError, match=r"PySpark.*pip install \.\[spark\]"):
        open_session(settings("spark"))


def test_without_java_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAVA_HOME", "/no/java/here")
    with pytest.raises(ConfigError, match=r"install Java 17 .*JAVA_HOME.*'duckdb'"):
        open_session(settings("spark"))


STARTED = """
from configs.errors import ConfigError
from features.spark.session import open_session
from tests.engines import settings
for changed in ({"spark_master": "nowhere"}, {"memory_limit_gib": 900_000}, {}):
    try:
        session = open_session(settings("spark").model_copy(update=changed))
        print(session.sql("SELECT 7 AS rows").collect()[0]["rows"])
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
