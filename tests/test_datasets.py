"""The shipped mappings on the real data: exactly the customers and days of the scoreboard."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from configs.files import live_generation
from configs.load import load
from configs.schema import Config
from features.intake import take_in
from features.stored.report import IntakeReport

pytestmark = [
    pytest.mark.data,
    pytest.mark.filterwarnings(
        "ignore:fetch_arrow_table:DeprecationWarning"  # Ibis 12 on DuckDB 2
    ),
]
CONFIGS = Path(__file__).parent.parent / "configs" / "datasets"


def taken(path: Path, data: Path, root: Path) -> tuple[Config, IntakeReport, Path]:
    config = load(path, {"ECHELON_DATA": str(data), "ECHELON_STORES__ROOT": str(root)})
    report = take_in(config)
    folder = live_generation(config.stores.records)
    assert folder is not None
    return config, report, folder


def lines_meant(path: Path) -> int:
    """Return how many lines have a customer and a price and are no repeat of the other sheet."""
    with duckdb.connect() as connection:
        return connection.execute(
            "SELECT count(*) FROM read_parquet($1) WHERE CustomerID IS NOT NULL AND UnitPrice > 0 "
            "AND NOT (sheet = 'Year 2009-2010' AND InvoiceDate >= '2010-12-01')",
            [str(path)],
        ).fetchall()[0][0]


@pytest.mark.slow
def test_online_retail_has_the_customers_and_customer_days_of_the_scoreboard(
    echelon_data, tmp_path
):
    _, report, folder = taken(CONFIGS / "online_retail_ii.yaml", echelon_data, tmp_path)
    rows = pq.read_table(folder / "transactions.parquet")
    bought = rows.filter(pc.equal(rows["kind"], "purchase"))
    assert len(bought["customer_id"].unique()) == 5_878
    assert len(bought.group_by(["customer_id", "day"]).aggregate([])) == 33_107
    assert pc.min(rows["amount"]).as_py() >= 0
    table = report.tables["transactions"]
    assert (table.read, table.quarantined) == (1_067_370, {})
    assert table.accepted + table.left_out == 1_067_370
    assert all(item.possible for item in report.trainable)
    assert len(rows) == lines_meant(echelon_data / "online_retail_II.parquet")
    keys = list(zip(rows["customer_id"].to_pylist(), rows["day"].to_pylist(), strict=True))
    assert keys == sorted(keys)


def test_cdnow_is_the_sample_of_the_literature(echelon_data, tmp_path):
    config, report, _ = taken(CONFIGS / "cdnow.yaml", echelon_data, tmp_path)
    table = report.tables["transactions"]
    assert (table.accepted, table.customers) == (6_919, 2_357)
    assert config.churn.horizon_days == 273
    assert str(config.snapshots.evaluation_cutoff) == "1997-09-30"
    assert "purchase model alone" in report.trainable[0].reason.en


def test_complete_journey_joins_campaign_days_and_departments(echelon_data, tmp_path):
    _, report, folder = taken(CONFIGS / "complete_journey.yaml", echelon_data, tmp_path)
    counts = {name: table.accepted for name, table in report.tables.items()}
    assert counts == {"customers": 801, "transactions": 75_000, "interactions": 8_691}
    assert report.tables["transactions"].customers == 2_377
    kinds = pq.read_table(folder / "interactions.parquet", columns=["kind"])["kind"]
    assert sorted(pair["values"] for pair in kinds.value_counts().to_pylist()) == [
        "campaign",
        "click",
    ]
    assert report.tables["transactions"].completeness["category"] > 0.99
    assert all(item.possible for item in report.trainable)


def test_higuides_keeps_only_comments_on_known_orders(echelon_data, tmp_path):
    path = Path(__file__).parent / "higuides.yaml"
    _, report, folder = taken(path, echelon_data, tmp_path)
    tables = report.tables
    assert (tables["satisfaction"].accepted, tables["satisfaction"].left_out) == (7_023, 5_314)
    assert tables["transactions"].customers == 13_323
    assert tables["interactions"].accepted == 118_117
    hours = pq.read_table(folder / "interactions.parquet")["duration_seconds"]
    assert pc.max(hours).as_py() > 3_600
    assert report.quarantined == 0
    assert all(item.possible for item in report.trainable)


def test_telco_is_taken_in_with_its_blank_charges_missing(echelon_data, tmp_path):
    _, report, folder = taken(CONFIGS / "telco.yaml", echelon_data, tmp_path)
    table = pq.read_table(folder / "snapshot.parquet")
    assert table.num_rows == 7_043
    assert pc.sum(table["label"]).as_py() == 1_869
    assert table["TotalCharges"].null_count == 11
    assert table.column_names[:3] == ["customer_id", "label", "value_per_month"]
    assert [item.possible for item in report.trainable] == [True, True]
