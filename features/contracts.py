"""The five record tables: their columns, types and meaning.

Intake turns whatever a company has into these. After intake every event table also has

``day``
    local day of ``occurred_at`` as days since 1970-01-01 (int32);
``known_day``
    first local day on which the row was known: the later of ``occurred_at`` and ``recorded_at``.

Features and labels count in these whole days only, so that every engine agrees.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import pyarrow as pa

ColumnType = Literal["text", "number", "integer", "timestamp", "date"]

ARROW_TYPES: dict[ColumnType, pa.DataType] = {
    "text": pa.string(),
    "number": pa.float64(),
    "integer": pa.int64(),
    "timestamp": pa.timestamp("us"),
    "date": pa.date32(),
}
LARGEST_NUMBER = 1e9
"""Numbers beyond ±this are quarantined: features sum in fixed point, see ``features/build.py``."""


DERIVED_COLUMNS: dict[str, dict[str, pa.DataType]] = {
    "interactions": {
        "response_hours": pa.float64(),
        "resolution_hours": pa.float64(),
        "responded_day": pa.int32(),
        "resolved_day": pa.int32(),
    },
}
"""Columns that intake computes, beside ``day`` and ``known_day``, by table."""


@dataclass(frozen=True)
class Column:
    """One column of a record table; ``names`` are words people use for it, for ``echelon init``."""

    name: str
    type: ColumnType
    zh: str
    required: bool = False
    default: str | None = None
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Table:
    """One record table; ``time`` names the column that places a row in time."""

    name: str
    zh: str
    time: str
    columns: tuple[Column, ...]

    def column(self, name: str) -> Column:
        """Return the column called ``name``.

        Raises:
            KeyError: the table has no such column.
        """
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(name)

    @property
    def required(self) -> tuple[str, ...]:
        """Names of the columns that every source must map."""
        return tuple(column.name for column in self.columns if column.required)

    def arrow_schema(self, attributes: tuple[str, ...] = ()) -> pa.Schema:
        """Return the Arrow schema after intake, with ``attributes`` as extra text columns."""
        fields = [pa.field(column.name, ARROW_TYPES[column.type]) for column in self.columns]
        fields += [pa.field(name, pa.string()) for name in attributes]
        fields += [pa.field(*item) for item in DERIVED_COLUMNS.get(self.name, {}).items()]
        return pa.schema([*fields, pa.field("day", pa.int32()), pa.field("known_day", pa.int32())])


CUSTOMER_ID = Column(
    "customer_id",
    "text",
    "客户编号",
    required=True,
    names=(
        "customer",
        "client",
        "user",
        "userid",
        "member",
        "household",
        "客户",
        "客户号",
        "会员",
        "会员号",
        "用户",
        "用户ID",
    ),
)
OCCURRED_AT = Column(
    "occurred_at",
    "timestamp",
    "发生时间",
    required=True,
    names=(
        "date",
        "time",
        "timestamp",
        "datetime",
        "ordered_at",
        "created_at",
        "日期",
        "时间",
        "下单时间",
        "交易时间",
        "联系时间",
        "评价时间",
    ),
)
RECORDED_AT = Column(
    "recorded_at",
    "timestamp",
    "入账时间",
    names=("loaded_at", "ingested_at", "录入时间", "入库时间"),
)

CUSTOMERS = Table(
    "customers",
    "客户",
    "signed_up_on",
    (
        CUSTOMER_ID,
        Column(
            "signed_up_on",
            "date",
            "注册日期",
            names=("signup", "joined", "registered", "created", "注册时间", "入会日期", "建档日期"),
        ),
        Column(
            "ended_on",
            "date",
            "合同终止日期",
            names=("churned_on", "cancelled", "end", "终止日期", "销户日期"),
        ),
    ),
)
TRANSACTIONS = Table(
    "transactions",
    "交易",
    "occurred_at",
    (
        CUSTOMER_ID,
        OCCURRED_AT,
        Column(
            "amount",
            "number",
            "金额",
            required=True,
            names=(
                "sales",
                "value",
                "total",
                "price",
                "revenue",
                "spend",
                "交易金额",
                "订单金额",
                "消费金额",
                "实付金额",
            ),
        ),
        Column(
            "order_id",
            "text",
            "订单编号",
            names=("order", "invoice", "basket", "receipt", "订单号", "单号", "流水号"),
        ),
        Column("margin", "number", "毛利", names=("profit", "利润")),
        Column("discount", "number", "优惠金额", names=("rebate", "coupon", "折扣", "优惠")),
        Column("quantity", "number", "数量", names=("qty", "units", "件数")),
        Column(
            "product_id",
            "text",
            "产品编号",
            names=("product", "sku", "item", "stockcode", "商品", "商品编号", "产品"),
        ),
        Column("category", "text", "产品类别", names=("department", "品类", "类别", "商品类别")),
        Column(
            "kind",
            "text",
            "交易类型",
            default="purchase",
            names=("type", "status", "类型", "交易类别"),
        ),
        RECORDED_AT,
    ),
)
INTERACTIONS = Table(
    "interactions",
    "互动",
    "occurred_at",
    (
        CUSTOMER_ID,
        OCCURRED_AT,
        Column("channel", "text", "互动渠道", names=("medium", "渠道")),
        Column(
            "kind",
            "text",
            "互动类型",
            default="visit",
            names=("type", "event", "action", "activity", "类型", "互动类别"),
        ),
        Column("direction", "text", "方向", names=("inbound", "outbound", "呼入呼出")),
        Column("duration_seconds", "number", "时长(秒)", names=("duration", "length", "时长")),
        Column(
            "responded_at",
            "timestamp",
            "首次响应时间",
            names=("first_response", "response", "响应时间"),
        ),
        Column(
            "resolved_at",
            "timestamp",
            "解决时间",
            names=("closed", "resolution", "关闭时间", "办结时间"),
        ),
        Column(
            "text", "text", "互动内容", names=("content", "message", "note", "body", "内容", "备注")
        ),
        RECORDED_AT,
    ),
)
SATISFACTION = Table(
    "satisfaction",
    "满意度",
    "occurred_at",
    (
        CUSTOMER_ID,
        OCCURRED_AT,
        Column(
            "instrument",
            "text",
            "调查类型",
            default="csat",
            names=("survey", "kind", "问卷", "类型"),
        ),
        Column(
            "score",
            "number",
            "评分",
            required=True,
            names=("rating", "stars", "满意度评分", "分数", "打分"),
        ),
        Column("scale_min", "number", "最低分", names=("minimum", "min")),
        Column("scale_max", "number", "最高分", names=("maximum", "max")),
        Column(
            "comment", "text", "评价内容", names=("review", "feedback", "反馈意见", "评语", "评论")
        ),
        RECORDED_AT,
    ),
)
ATTRIBUTES = Table(
    "attributes",
    "属性",
    "observed_at",
    (
        CUSTOMER_ID,
        Column(
            "observed_at",
            "timestamp",
            "观测时间",
            required=True,
            names=("date", "as_of", "日期", "统计时间"),
        ),
        Column("name", "text", "属性名", required=True, names=("attribute", "key", "属性", "指标")),
        Column("value", "text", "属性值", required=True, names=("val", "值", "数值")),
        Column("number", "number", "属性数值"),
        RECORDED_AT,
    ),
)

TABLES = {
    table.name: table for table in (CUSTOMERS, TRANSACTIONS, INTERACTIONS, SATISFACTION, ATTRIBUTES)
}


@dataclass(frozen=True)
class LaterSource:
    """A fact that comes later than its row: the rows again, dated by the day it came.

    ``table`` itself is seen without ``columns``, for at a cutoff in between nobody knew them.
    ``day`` is the local day of ``moment`` that intake noted; where it is missing, ``moment`` is
    taken as local.
    """

    table: str
    moment: str
    columns: tuple[str, ...]
    day: str | None = None


LATER_SOURCES = {
    "responses": LaterSource(
        "interactions",
        "responded_at",
        ("responded_at", "response_hours", "responded_day"),
        day="responded_day",
    ),
    "resolutions": LaterSource(
        "interactions",
        "resolved_at",
        ("resolved_at", "resolution_hours", "resolved_day"),
        day="resolved_day",
    ),
    "endings": LaterSource("customers", "ended_on", ("ended_on",)),
}
