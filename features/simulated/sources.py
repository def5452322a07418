"""How the files of a simulated company look, and the configuration that maps them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from features.contracts import TABLES

COMPANY = {"zh": "云杉生活", "en": "Spruce Living"}


@dataclass(frozen=True)
class FileLayout:
    """How one table is written; ``headers`` and ``words`` say only what is called otherwise."""

    table: str
    file: str
    encoding: str = "utf-8"
    starts_with: bytes = b""
    delimiter: str = ","
    line_ends: tuple[str, ...] = ("\n",)
    blank_columns: int = 0
    """Columns without a name or a value at the end of every line, as spreadsheets leave them."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Canonical name → the file's header."""
    words: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Canonical column → canonical word → the file's word."""

    def header(self, column: str) -> str:
        """Return what the file calls a column."""
        return self.headers.get(column, column)

    def source(self, columns: list[str]) -> dict[str, Any]:
        """Return the source section that reads the file, whose columns are ``columns``."""
        contract = {column.name for column in TABLES[self.table].columns}
        section: dict[str, Any] = {
            "path": self.file,
            "columns": {name: self._mapped(name) for name in columns if name in contract},
        }
        others = [self.header(name) for name in columns if name not in contract]
        return section | ({"attributes": others} if others else {})

    def _mapped(self, column: str) -> str | dict[str, Any]:
        if column not in self.words:
            return self.header(column)
        values = {theirs: ours for ours, theirs in self.words[column].items()}
        return {"column": self.header(column), "values": values}


def clean_layouts(suffix: str) -> dict[str, FileLayout]:
    """Return the layouts of files that are as the contract has them."""
    return {name: FileLayout(name, f"{name}.{suffix}") for name in TABLES}


def dirty_layouts() -> dict[str, FileLayout]:
    """Return the layouts of exports as a company's systems write them: no two alike."""
    return {layout.table: layout for layout in DIRTY_LAYOUTS}


def company_config(
    out: Path, layouts: Mapping[str, FileLayout], columns: Mapping[str, list[str]], end: dt.date
) -> str:
    """Return the YAML text of a configuration that reads the files in ``out``.

    ``data`` and the stores are under ``out`` as it was given: a relative ``out`` holds for whoever
    runs Echelon from the same folder.
    """
    content = {
        "name": "simulated",
        "company": COMPANY,
        "timezone": "Asia/Shanghai",
        "currency": "CNY",
        "data": str(out),
        "as_of": end,
        "sources": {name: [layouts[name].source(columns[name])] for name in TABLES},
        "team": {"employees": "employees.csv", "owners": "owners.csv"},
        "stores": {"root": str(out / "var")},
    }
    return yaml.safe_dump(content, allow_unicode=True, sort_keys=False)


DIRTY_LAYOUTS = (
    FileLayout(
        "customers",
        "客户档案.csv",
        encoding="gb18030",
        headers={
            "customer_id": "客户编号",
            "signed_up_on": "注册日期",
            "region": "地区",
            "source": "来源",
            "segment": "客户性质",
            "industry": "行业",
        },
    ),
    FileLayout(
        "transactions",
        "交易明细.csv",
        starts_with=b"\xef\xbb\xbf",
        line_ends=("\r\n", "\r\n", "\r\n", "\n"),
        headers={
            "customer_id": "会员号",
            "occurred_at": "下单时间",
            "amount": "实付金额",
            "order_id": "订单号",
            "margin": "毛利",
            "discount": "优惠金额",
            "quantity": "数量",
            "product_id": "商品编号",
            "category": "品类",
            "kind": "交易类型",
            "recorded_at": "入账时间",
        },
        words={"kind": {"purchase": "购买", "refund": "退款"}},
    ),
    FileLayout(
        "interactions",
        "crm_contacts.csv",
        delimiter=";",
        headers={
            "customer_id": "client",
            "occurred_at": "contact_time",
            "channel": "medium",
            "kind": "activity",
            "duration_seconds": "length_s",
            "responded_at": "first_response",
            "resolved_at": "closed",
            "text": "message",
            "recorded_at": "loaded_at",
        },
    ),
    FileLayout(
        "satisfaction",
        "满意度调查.csv",
        line_ends=("\r\n",),
        headers={
            "customer_id": "客户编号",
            "occurred_at": "评价时间",
            "instrument": "问卷",
            "score": "评分",
            "scale_min": "最低分",
            "scale_max": "最高分",
            "comment": "评价内容",
            "recorded_at": "录入时间",
        },
        words={"instrument": {"csat": "满意度", "nps": "推荐意愿", "review": "商品评价"}},
    ),
    FileLayout("attributes", "attributes.csv", blank_columns=2),
)
