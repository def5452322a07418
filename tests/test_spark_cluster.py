"""A company taken in, scored and published by two workers of a real Spark cluster, as by DuckDB."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from benchmarks.spark.cluster import QUICK_JAVA, Cluster, free_port, standalone
from configs.child import child_environment
from configs.errors import ConfigError
from configs.files import live_generation
from configs.load import load
from configs.schema import Config
from features.build import question_of
from features.catalogue import with_inputs
from features.intake import take_in
from features.sources import last_day, open_records
from features.spark import ranges
from features.spark.matrix import written_of
from features.spark.session import require_master
from features.stored.generation import parts_of, read_rows
from features.stored.report import IntakeReport
from serving.pipeline import score
from serving.scores.publication import Publication, open_live
from tests.companies import own_copy
from tests.engines import duckdb

pytestmark = [pytest.mark.slow, pytest.mark.spark, pytest.mark.xdist_group("spark-cluster")]
TABLES = ("customers", "transactions", "satisfaction")
"""Some of the small company's, with numbers, moments and texts: each costs some jobs."""
LOSING = ("reading transactions", "features", "publish")
"""Steps in which a worker is lost."""
MISSING = pa.array([None], pa.string())
DRIVER = """
import sys
from pathlib import Path
from configs.load import load
from features.spark import intake as spark_intake
from configs.files import live_generation
from features.build import write_matrix
from features.catalogue import with_inputs
from features.intake import take_in
from features.sources import last_day, open_engine, open_records
from features.spark import pieces, ranges
from serving.pipeline import score

def tell(step, share):
    print(step, share, flush=True)

pieces.ROWS_A_PIECE, spark_intake.EVENTS_A_PART, ranges.ROWS_A_RANGE = 1_000, 2_000, 2_000
config = load(Path(sys.argv[1]), {})
few = config.serving.model_copy(update={"score_rows_at_once": 20})  # many batches, to lose one
config = config.model_copy(update={"serving": few})
for told in (None, tell):
    print(take_in(config, told).model_dump_json(), flush=True)
records = open_records(open_engine(config.engine), live_generation(config.stores.records))
target, some = config.stores.root / "matrix", with_inputs(["spend_trend_84d"])
write_matrix(records, some, [last_day(records)], target, config.engine, progress=tell)
score(config, tell)
"""


@dataclass(frozen=True)
class Done:
    """What one engine made of the lake."""

    config: Config
    report: IntakeReport
    publication: Publication
    quiet: IntakeReport | None = None
    """What intake reported before any worker was lost."""

    @property
    def records(self) -> Path:
        folder = live_generation(self.config.stores.records)
        assert folder is not None
        return folder

    def quarantine(self, table: str) -> str:
        return (self.config.stores.quarantine / f"{table}.csv").read_text("utf-8")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Return a master with two workers; what they said is printed where a test fails."""
    java = {"JDK_JAVA_OPTIONS": QUICK_JAVA}
    with standalone(tmp_path_factory.mktemp("cluster"), java=java) as running:
        yield running


@pytest.fixture(scope="module")
def lake(small_company: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of Parquet: purchases in Hive's layout by category, some of them bad."""
    folder = tmp_path_factory.mktemp("lake")
    exports = Path(yaml.safe_load(small_company.read_text("utf-8"))["data"])
    for file in exports.glob("*.parquet"):
        if file.stem != "transactions":
            (folder / file.name).symlink_to(file)
    bought = pq.read_table(exports / "transactions.parquet")
    bad = bought.slice(0, 1).set_column(0, "customer_id", MISSING)
    again = bought.slice(5, 3)
    whole = pa.concat_tables([bought, bad, again])
    pq.write_to_dataset(whole, folder / "transactions", partition_cols=["category"])
    (folder / "transactions" / "_delta_log").mkdir()
    pq.write_table(pa.table({"x": [1]}), folder / "transactions" / "_delta_log" / "1.parquet")
    return folder


def company_on(lake: Path, small_company: Path, folder: Path, engine: dict[str, object]) -> Path:
    """Return the configuration of the small company with its records in the lake."""
    given = yaml.safe_load(small_company.read_text("utf-8"))["sources"]
    sources = {name: given[name] for name in TABLES}
    (bought,) = sources["transactions"]
    bought["path"] = "transactions"
    changes = {"data": str(lake), "sources": sources, "engine": engine}
    return own_copy(small_company, folder, changes)


@pytest.fixture(scope="module")
def by_duckdb(lake: Path, small_company: Path, tmp_path_factory: pytest.TempPathFactory) -> Done:
    path = company_on(lake, small_company, tmp_path_factory.mktemp("duckdb"), {"name": "duckdb"})
    config = load(path, {})
    report = take_in(config)
    score(config)
    return Done(config, report, open_live(config.stores.publications))


@pytest.fixture(scope="module")
def by_spark(
    cluster: Cluster, lake: Path, small_company: Path, tmp_path_factory: pytest.TempPathFactory
) -> Done:
    """Return what the cluster makes of the lake.

    It is taken in twice; a worker is killed in the second intake, another while it computes
    features, and a third while it scores.
    """
    engine = {
        "name": "spark",
        "spark_master": cluster.url,
        "spark_driver_host": "127.0.0.1",
        "spark_executor_memory_gib": 0.75,
        "memory_limit_gib": 1,
    }
    path = company_on(lake, small_company, tmp_path_factory.mktemp("spark"), engine)
    conf = tmp_path_factory.mktemp("conf")
    (conf / "spark-defaults.conf").write_text("spark.sql.codegen.wholeStage false\n")  # few rows
    quick = {"SPARK_CONF_DIR": str(conf), "JDK_JAVA_OPTIONS": QUICK_JAVA}
    command = [sys.executable, "-c", DRIVER, str(path)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env=child_environment() | quick
    ) as driver:
        assert driver.stdout is not None
        said, lost = [], []
        for line in driver.stdout:
            said.append(line)
            step, _, share = line.rpartition(" ")
            if step in LOSING and step not in lost and 0 < float(share) < 0.9:
                lost.append(step)
                killed = cluster.kill_worker(0)  # the older one, which is at work
                assert len(killed) > 2, "a worker, its executor and a Python process"
                cluster.workers.pop(0)
                if lost != list(LOSING):
                    cluster.add_worker()
    config = load(path, {})
    assert driver.returncode == 0, f"{''.join(said)}\n{cluster.logs()}"
    assert lost == list(LOSING), f"no worker was lost: {''.join(said)}"
    quiet, report = (IntakeReport.model_validate_json(one) for one in said if one[0] == "{")
    return Done(config, report, open_live(config.stores.publications), quiet)


@pytest.fixture(scope="module")
def both(by_duckdb: Done, by_spark: Done) -> tuple[Done, Done]:
    return by_duckdb, by_spark


def test_intake_reports_the_same(both: tuple[Done, Done]) -> None:
    duckdb, spark = (done.report.model_dump(exclude={"generation"}) for done in both)
    assert spark == duckdb
    table = both[1].report.tables["transactions"]
    assert table.quarantined == {"missing_customer_id": 1, "duplicate_row": 3}
    assert table.read == table.accepted + 4


def test_a_worker_lost_in_the_middle_of_intake_leaves_the_same_files(by_spark: Done) -> None:
    assert by_spark.report == by_spark.quiet, "a generation is named by the bytes of its files"


def test_what_is_refused_stands_in_quarantine_by_the_same_file_and_line(
    both: tuple[Done, Done],
) -> None:
    duckdb, spark = (done.quarantine("transactions") for done in both)
    assert spark == duckdb
    assert "category=" in spark


def test_records_are_the_same_in_sorted_parts(both: tuple[Done, Done]) -> None:
    for name in TABLES:
        duckdb, spark = (read_rows(parts_of(done.records, name)) for done in both)
        assert spark.equals(duckdb.cast(spark.schema)), name  # DuckDB says what is never null
    assert len(parts_of(both[1].records, "transactions")) > 1


def test_a_worker_lost_in_the_middle_of_features_leaves_the_same_files(
    by_spark: Done, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ranges, "ROWS_A_RANGE", 2_000)
    records = open_records(duckdb(), by_spark.records)
    assert records.files is not None
    day = last_day(records)
    ask = partial(question_of, features=with_inputs(["spend_trend_84d"]), cutoffs=[day])
    found = by_spark.config.stores.root / "matrix"
    expected = {}
    for number, part in enumerate(ranges.ranges(records.files)):
        (file,) = written_of(part, ask, [day], tmp_path / str(number)).folder.rglob("*.parquet")
        expected[f"cutoff={day}/part-{number:05}.parquet"] = file.read_bytes()
    assert len(expected) > 3
    files = (one for one in found.rglob("*") if one.is_file())
    assert {one.relative_to(found).as_posix(): one.read_bytes() for one in files} == expected


def test_scores_are_the_same_though_a_worker_was_lost(both: tuple[Done, Done]) -> None:
    duckdb, spark = (done.publication.scores() for done in both)
    assert_same(spark, duckdb)


def test_reasons_are_the_same_in_both_languages(both: tuple[Done, Done]) -> None:
    duckdb, spark = (done.publication.reasons() for done in both)
    assert_same(spark, duckdb)


def test_features_are_the_same(both: tuple[Done, Done]) -> None:
    duckdb, spark = (done.publication.features() for done in both)
    assert spark.equals(duckdb)


def test_the_endpoint_answers_the_same(both: tuple[Done, Done]) -> None:
    duckdb, spark = (done.publication for done in both)
    ids = duckdb.examples(5)
    for customer in ids:
        one, other = duckdb.customer(customer), spark.customer(customer)
        assert one["tier"] == other["tier"]
        assert [r["text"] for r in one["reasons"]] == [r["text"] for r in other["reasons"]]
    spark.check()


def assert_same(one: pa.Table, other: pa.Table) -> None:
    """Check that tables are equal: floats to 1e-9, all else exactly."""
    assert one.schema.equals(other.schema)
    assert len(one) == len(other)
    for name in one.column_names:
        assert_same_values(one[name].combine_chunks(), other[name].combine_chunks(), name)


def assert_same_values(left: pa.Array, right: pa.Array, name: str) -> None:
    if pa.types.is_list(left.type):
        assert left.value_lengths().equals(right.value_lengths()), name
        assert_same_values(left.flatten(), right.flatten(), name)
    elif pa.types.is_struct(left.type):
        for number, field in enumerate(left.type):
            assert_same_values(left.field(number), right.field(number), f"{name}.{field.name}")
    elif pa.types.is_floating(left.type):
        numbers = (one.to_numpy(zero_copy_only=False) for one in (left, right))
        np.testing.assert_allclose(*numbers, rtol=1e-9, atol=1e-9, err_msg=name)
    else:
        assert left.equals(right), name


def test_a_master_that_is_not_there_is_said_at_once() -> None:
    with pytest.raises(ConfigError, match=r"no Spark master answers.*engine\.spark_master"):
        require_master(f"spark://127.0.0.1:{free_port()}")
