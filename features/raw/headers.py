"""Which contract column a header means, judged by its words and by what stands below it."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

import pyarrow as pa

from features.contracts import CUSTOMERS, TABLES, Column, Table
from features.raw.columns import clean_moments, clean_numbers, clean_texts
from features.raw.localtime import UTC

_BRACKETS = re.compile(r"[(（\[【].*?[)）\]】]")
_MARKS = re.compile(r"[\s_\-.:#/]+")
_TAILS: dict[str, tuple[str, ...]] = {
    "id": ("identifier", "number", "code", "key", "num", "id", "no", "编号", "号码", "代码", "号"),
    "timestamp": ("timestamp", "datetime", "time", "date", "at", "on", "时间", "日期", "日"),
    "date": ("timestamp", "datetime", "time", "date", "at", "on", "时间", "日期", "日"),
    "number": ("amount", "value", "seconds", "s", "金额", "额", "元"),
}
_PERSONAL = re.compile(
    r"name|phone|mobile|mail|address|birth|passport|姓名|名称|电话|手机|邮箱|地址|身份证|生日", re.I
)
_MOSTLY = 0.8
FILE_WORDS: dict[str, tuple[str, ...]] = {
    "customers": ("customer", "client", "member", "user", "household", "客户", "会员", "档案"),
    "transactions": ("transaction", "order", "sale", "purchase", "invoice", "交易", "订单", "销售"),
    "interactions": (
        *("interaction", "contact", "ticket", "visit", "event", "session", "call", "campaign"),
        *("互动", "工单", "联系", "访问", "拜访", "投诉", "服务"),
    ),
    "satisfaction": (
        *("satisfaction", "survey", "csat", "nps", "review", "rating", "comment", "feedback"),
        *("满意", "调查", "评价", "评论", "问卷"),
    ),
    "attributes": ("attribute", "fact", "属性", "指标"),
}


@dataclass(frozen=True)
class Match:
    """A file taken for a table: header by contract column, and how well it fits."""

    table: Table
    columns: dict[str, str]
    score: float
    guessed: tuple[str, ...] = ()


def best_table(file_name: str, sample: pa.Table) -> Match | None:
    """Return the table that the sample of a file fits best, or ``None`` if it lacks what any needs.

    >>> sample = pa.table({"会员号": ["a"], "下单时间": ["2024-03-01"], "实付金额": ["¥5"]})
    >>> best_table("明细.csv", sample).columns["amount"]
    '实付金额'
    """
    matches = [_matched(table, file_name, sample) for table in TABLES.values()]
    fitting = [match for match in matches if match is not None]
    return max(fitting, key=lambda match: match.score, default=None)


def likeness(header: str, column: Column) -> float:
    """Return how much ``header`` reads like ``column``: 3 for its name, 0 for nothing like it.

    >>> by_name = TABLES["transactions"].column
    >>> likeness("金额(元)", by_name("amount")), likeness("Customer No.", by_name("customer_id"))
    (3.0, 2.5)
    >>> likeness("customer_name", by_name("customer_id"))
    0.0
    """
    said, words = folded(header), [folded(word) for word in (column.name, column.zh, *column.names)]
    if said in words[:2]:
        return 3.0
    if said in words:
        return 2.7
    kind = "id" if column.name.endswith("_id") else column.type
    bare = _without_tail(said, kind)
    if bare and bare in {_without_tail(word, kind) for word in words}:
        return 2.5
    if kind not in ("id", "text") and any(_is_part(word, said) for word in words):
        return 1.0
    return 0.0


def folded(header: str) -> str:
    """Return a header without case, marks, units in brackets and camel case.

    >>> folded("Invoice_Date"), folded("金额（元）")
    ('invoicedate', '金额')
    """
    plain = _BRACKETS.sub("", unicodedata.normalize("NFKC", header))
    return _MARKS.sub("", plain).lower() or header.lower()


def is_personal(header: str) -> bool:
    """Return whether a column seems to name or locate a person."""
    return _PERSONAL.search(header) is not None


def _matched(table: Table, file_name: str, sample: pa.Table) -> Match | None:
    candidates = sorted(
        (
            (-likeness(header, column), position, header, column)
            for position, column in enumerate(table.columns)
            for header in sample.column_names
            if likeness(header, column) > 0
        ),
        key=lambda candidate: candidate[:2],
    )
    columns: dict[str, str] = {}
    score = 0.0
    for negative, _, header, column in candidates:
        taken = column.name in columns or header in columns.values()
        if not taken and _fits(sample[header].combine_chunks(), column):
            columns[column.name] = header
            score -= negative
    guessed = _guess_customer(sample, columns)
    if any(name not in columns and name != "amount" for name in table.required):
        return None
    named = any(word in file_name.lower() for word in FILE_WORDS[table.name])
    if columns.get("amount") == (unit_price(sample, columns) or ""):
        del columns["amount"]
    if "amount" in table.required and "amount" not in columns:
        counted = named and "order_id" in columns
        if not counted and not unit_price(sample, columns):
            return None
    if table is CUSTOMERS and not _describes_customers(sample, columns, file_name):
        return None
    score += (3.0 if named else 0.0) + _typical(table, columns)
    return Match(table, columns, score, guessed)


def unit_price(sample: pa.Table, columns: dict[str, str]) -> str | None:
    """Return the column of unit prices that makes an amount with the mapped quantity, if any."""
    if "quantity" not in columns:
        return None
    for header in sample.column_names:
        if folded(header) in ("unitprice", "priceperunit", "单价", "商品单价", "price"):
            return header
    return None


def _guess_customer(sample: pa.Table, columns: dict[str, str]) -> tuple[str, ...]:
    """Take a repeated id of no known word for the customer's, where something else is dated."""
    if "customer_id" in columns or not {"occurred_at", "observed_at"} & set(columns):
        return ()
    for header in sample.column_names:
        is_id = folded(header).endswith(("id", "编号", "号"))
        if is_id and header not in columns.values() and not _is_one_row_each(sample[header]):
            columns["customer_id"] = header
            return ("customer_id",)
    return ()


def _is_one_row_each(ids: pa.ChunkedArray) -> bool:
    return len(ids.unique()) >= 0.9 * len(ids)


def _describes_customers(sample: pa.Table, columns: dict[str, str], file_name: str) -> bool:
    """Return whether there is one row per customer and the file's name says nothing else."""
    others = [word for table, words in FILE_WORDS.items() if table != "customers" for word in words]
    named = any(word in file_name.lower() for word in FILE_WORDS["customers"])
    elsewhere = any(word in file_name.lower() for word in others)
    return _is_one_row_each(sample[columns["customer_id"]]) and (named or not elsewhere)


def _typical(table: Table, columns: dict[str, str]) -> float:
    """Return a bonus for the column that tells this table from the others."""
    if table is CUSTOMERS:
        return 0.5 if "signed_up_on" in columns else 0.0
    telling = {"transactions": "amount", "satisfaction": "score", "attributes": "value"}
    return 2.0 if telling.get(table.name) in columns else 0.0


def _fits(values: pa.Array, column: Column) -> bool:
    """Return whether most values can be what ``column`` holds."""
    given = len(values) - clean_texts(values).values.null_count
    if given == 0:
        return not column.required
    if column.type == "number":
        understood = clean_numbers(values).values
    elif column.type in ("timestamp", "date"):
        cleaned = clean_moments(values, UTC)
        ambiguous = cleaned.refused.get("ambiguous_date")
        extra = 0 if ambiguous is None else int(ambiguous.sum())
        return len(values) - cleaned.values.null_count + extra >= _MOSTLY * given
    else:
        return True
    return len(values) - understood.null_count >= _MOSTLY * given


def _without_tail(word: str, kind: str) -> str:
    for tail in _TAILS.get(kind, ()):
        if word.endswith(tail) and len(word) > len(tail):
            return word.removesuffix(tail)
    return word


def _is_part(word: str, said: str) -> bool:
    return len(word) >= (4 if word.isascii() else 2) and word in said
