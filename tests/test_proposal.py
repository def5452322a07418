"""`echelon init`: what it makes of other people's files."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from configs.errors import RecordsError
from configs.load import load
from configs.records import Mapped
from configs.schema import Config, Stores
from features.intake import take_in
from features.raw.proposal import propose, write_proposal

pytestmark = pytest.mark.filterwarnings(
    "ignore:fetch_arrow_table:DeprecationWarning"  # Ibis 12 on DuckDB 2
)


def proposed(folder: Path) -> tuple[Config, str]:
    """Return the proposal for ``folder`` as a configuration and as text."""
    out = folder.parent / "echelon.yaml"
    out.unlink(missing_ok=True)
    write_proposal(folder, out)
    config = load(out, {"ECHELON_STORES__ROOT": str(folder.parent / "store")})
    return config, out.read_text(encoding="utf-8")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "exports").mkdir()
    return tmp_path / "exports"


def test_chinese_exports_are_mapped_and_taken_in_as_proposed(folder):
    people = "客户编号,姓名,注册日期,地区\nA1,张三,2020年1月1日,北京\nA2,李四,2021年2月3日,上海\n"
    (folder / "客户档案.csv").write_bytes(people.encode("gb18030"))
    orders = [f"A{n % 2 + 1};2024/3/{n + 1} 10:00;¥1,{n:03}.50;D{n};购买" for n in range(20)]
    header = "会员号;下单时间;实付金额(元);订单号;交易类型"
    (folder / "交易明细.csv").write_text("\n".join([header, *orders]), encoding="utf-8-sig")
    (folder / "满意度.csv").write_text("客户号,评价时间,评分,评语\nA1,2024-03-01,5,很好\n")
    (folder / "工单.csv").write_text(
        "客户号,联系时间,渠道,类型,解决时间\nA1,2024-03-01,电话,投诉,\n"
    )
    config, text = proposed(folder)
    (transactions,) = config.sources.transactions
    assert transactions.columns == {
        "customer_id": "会员号",
        "occurred_at": "下单时间",
        "amount": "实付金额(元)",
        "order_id": "订单号",
        "kind": "交易类型",
    }
    (customers,) = config.sources.customers
    assert customers.attributes == ("地区",)
    assert "not mapped: 姓名" in text
    assert "GB18030" in text
    assert config.currency == "CNY"
    report = take_in(config)
    counts = {name: table.accepted for name, table in report.tables.items()}
    assert counts == {"customers": 2, "transactions": 20, "interactions": 1, "satisfaction": 1}
    assert report.quarantined == 0


def test_an_amount_is_made_of_quantity_and_unit_price(folder):
    lines = [f"{n},C{n % 3},0{n + 1}/12/2010 08:26,{n},£2.55" for n in range(9)]
    lines.append("9,C1,25/12/2010 08:26,1,£3")
    header = "InvoiceNo,Customer ID,InvoiceDate,Quantity,UnitPrice"
    (folder / "sales.csv").write_text("\n".join([header, *lines]), encoding="utf-8")
    config, _ = proposed(folder)
    (source,) = config.sources.transactions
    assert source.columns["amount"] == Mapped(product=("Quantity", "UnitPrice"))
    assert source.columns["customer_id"] == "Customer ID"
    assert take_in(config).tables["transactions"].accepted == 10


def test_dates_that_tell_nothing_get_a_format_and_a_comment(folder):
    (folder / "orders.csv").write_text("customer,date,amount\na,03/04/2024,$5\nb,05/06/2024,$6\n")
    config, text = proposed(folder)
    assert config.sources.transactions[0].columns["occurred_at"] == Mapped(
        column="date", format="%d/%m/%Y"
    )
    assert "nothing tells day from month" in text
    assert config.currency == "USD"


def test_unknown_kinds_are_listed_for_translation(folder):
    rows = "a,2024-03-01,5,购买\na,2024-03-02,5,赠品: 无\n"
    (folder / "orders.csv").write_text("customer,date,amount,类型\n" + rows, encoding="utf-8")
    config, text = proposed(folder)
    kind = config.sources.transactions[0].columns["kind"]
    assert isinstance(kind, Mapped)
    assert kind.values == {"赠品: 无": "赠品: 无"}
    assert "translate each into one of: purchase, refund" in text


def test_orders_without_money_are_counted_and_other_files_listed(folder):
    when = pa.array([dt.datetime(2024, 3, n + 1) for n in range(4)], pa.timestamp("us"))
    orders = pa.table({"userid": [1, 1, 2, 2], "orderTime": when, "orderid": [1, 2, 3, 4]})
    pq.write_table(orders, folder / "orders.parquet")
    (folder / "weather.csv").write_text("city,rain\nLondon,yes\n")
    config, text = proposed(folder)
    assert config.sources.transactions[0].columns["amount"] == Mapped(constant=1)
    assert "weather.csv fits no table; its columns: city, rain" in text


def test_one_row_per_customer_with_a_label_is_a_snapshot(folder):
    rows = [f"{n},{n * 1.5},{'a' if n % 2 else 'b'},{'Yes' if n % 3 else 'No'}" for n in range(40)]
    (folder / "telco.csv").write_text("\n".join(["customerID,fee,plan,Churn", *rows]))
    config, _ = proposed(folder)
    snapshot = config.sources.snapshot
    assert snapshot is not None
    assert (snapshot.customer_id, snapshot.label, snapshot.positive) == (
        "customerID",
        "Churn",
        "Yes",
    )
    assert (snapshot.numbers, snapshot.categories) == (("fee",), ("plan",))
    assert take_in(config).tables["snapshot"].accepted == 40


def test_files_of_which_none_fits_are_said_with_their_columns(folder):
    (folder / "weather.csv").write_text("city,rain\nLondon,yes\n")
    with pytest.raises(RecordsError, match=r"weather\.csv has city, rain"):
        propose(folder)


def test_a_proposal_never_overwrites_a_file(folder, tmp_path):
    out = tmp_path / "echelon.yaml"
    out.write_text("mine")
    with pytest.raises(RecordsError, match="exists already"):
        write_proposal(folder, out)
    assert out.read_text() == "mine"


@pytest.mark.data
@pytest.mark.parametrize("name", ["complete_journey", "higuides"])
def test_real_folders_get_a_proposal_that_loads(echelon_data, tmp_path, name):
    write_proposal(echelon_data / name, tmp_path / "echelon.yaml")
    assert load(tmp_path / "echelon.yaml", {}).sources.transactions


def test_the_hidden_truth_of_a_simulated_company_is_no_record(folder):
    (folder / "orders.csv").write_text("customer_id,occurred_at,amount\nA1,2024-01-05,9\n")
    truth = {"customer_id": ["A1"], "signed_up_on": [dt.date(2024, 1, 1)], "spend_next": [7.0]}
    pq.write_table(pa.table(truth), folder / "truth.parquet")
    config, text = proposed(folder)
    assert list(config.sources.tables) == ["transactions"]
    assert "# truth.parquet is left out: what a simulated company hides" in text


def test_a_store_that_stands_among_the_exports_is_not_proposed(folder):
    (folder / "orders.csv").write_text("customer_id,occurred_at,amount\nA1,2024-01-05,9\n")
    before, _ = proposed(folder)
    take_in(before.model_copy(update={"stores": Stores(root=folder / "var")}))
    after, _ = proposed(folder)
    assert after.sources == before.sources
