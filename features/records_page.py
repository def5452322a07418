"""The page ``docs/records.md``, written from the contracts; ``python -m features.docs`` does it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from configs.section import Text
from features.contracts import LARGEST_NUMBER, TABLES, Column, ColumnType, Table
from features.markdown import table
from features.raw.quarantine import REASONS
from features.raw.vocabulary import OPEN, SCALES, WORDS
from features.stored.report import REPAIRS

RECORDS_PAGE = Path(__file__).parent.parent / "docs" / "records.md"

INTRODUCTION = """\
# Records · 客户数据

Five tables, of which only transactions are needed. A company's own columns are mapped onto these
in the configuration; `echelon init DIR` proposes the mapping by the words below. **This page is
written from the contracts** in `features/contracts.py`: change those and run
`python -m features.docs`.

五张表，只有交易表是必需的。在配置中把公司自己的列映射到这些列；`echelon init DIR`
会按下列用词提出映射建议。**本页由契约自动生成**：修改 `features/contracts.py` 后运行
`python -m features.docs`。

{tables}

```yaml
sources:
  transactions:
    - path: 订单*.csv               # a file, a folder or a pattern; CSV or Parquet
      columns:
        customer_id: 会员号
        occurred_at: 下单时间
        amount: {{product: [数量, 单价]}}
        kind: {{column: 状态, values: {{已退: refund}}, otherwise: purchase}}
    - database: sqlite:///shop.db   # a DuckDB file, or what SQLAlchemy has a driver for
      query: SELECT customer, at, total FROM sales
      columns: {{customer_id: customer, occurred_at: at, amount: total}}
```

Contract customers whose history is already aggregated come as one `snapshot` source instead, a row
for each with a label: see `configs/datasets/telco.yaml`. There, `monotone: {{age: 1, tenure: -1}}`
names numbers with which churn only rises or only falls, where the company is sure of it.
合同制客户可改用一份带标签的快照数据；`monotone` 声明流失只随之上升（1）或下降（-1）的数值列。

## How to read it · 读法

- **Required · 必需** columns must be mapped, and a row without a value in one goes to quarantine.
  必需列必须映射；缺值的行进入隔离区。
- **text** is trimmed; **number** lies within ±{largest:,.0f}, and ¥, 万, %, separators and brackets
  are understood; **timestamp** is local time of the source's `timezone`, or carries an offset;
  **date** is a day. 文本去除首尾空白；数字可含 ¥、万、% 与千位分隔符；
  时间为数据源 `timezone` 的当地时间，或自带时区；日期精确到日。
- **Words · 用词** are headers that `echelon init` recognises beside the two names, whatever their
  case, blanks and brackets. `echelon init` 另外识别的列名，不区分大小写、空格与括号。
- A row counts at a cutoff only if it had happened and, where `recorded_at` is given, was recorded
  by then. 只有截止日前已发生且已入账的记录才会计入。
"""
TYPES: dict[ColumnType, str] = {
    "text": "文本 text",
    "number": "数字 number",
    "integer": "整数 integer",
    "timestamp": "时间 timestamp",
    "date": "日期 date",
}
ABOUT: dict[str, Text] = {
    "customers": Text(
        zh="每位客户一行。其他列可在 `attributes` 中列出，作为文本保留（地区、行业等）。",
        en="One row per customer. Further columns listed under the source's `attributes` are kept "
        "as text (region, industry).",
    ),
    "transactions": Text(
        zh="每笔订单或每条订单明细一行；金额以配置的货币计。退款金额写正数或负数均可。",
        en="One row per order or order line, in the configured currency. A refund is written as a "
        "positive or a negative amount.",
    ),
    "interactions": Text(
        zh="客户与公司的每次往来一行。", en="One row each time customer and company are in touch."
    ),
    "satisfaction": Text(
        zh="每个评分一行；量表未给出时按调查类型取默认值（见下）。",
        en="One row per score; where no scale is given, the instrument's own holds (below).",
    ),
    "attributes": Text(
        zh="带日期的事实，每个值一行；`number` 由系统从 `value` 读出，无需映射。特征使用的属性名："
        "`followers`、`membership_level`（0 至 3）、`points`、`credit_limit`、`credit_used`、"
        "`overdue_days`、`industry_growth`。",
        en="Dated facts, a row per value; `number` is read from `value` and needs no mapping. "
        "Features use those named `followers`, `membership_level` (0 to 3), `points`, "
        "`credit_limit`, `credit_used`, `overdue_days` and `industry_growth`.",
    ),
}
COLUMNS = ("column", "列", "type", "required", "if absent", "words")


def records_page() -> str:
    """Return the Markdown of ``docs/records.md``."""
    tables = "\n".join(
        f"- [{name}](#{name}--{one.zh}) · {one.zh}: {ABOUT[name].en} {ABOUT[name].zh}"
        for name, one in TABLES.items()
    )
    return "\n".join(
        [
            INTRODUCTION.format(tables=tables, largest=LARGEST_NUMBER),
            *(_table(one) for one in TABLES.values()),
            *_vocabularies(),
            _scales(),
            _codes("## Why rows are quarantined · 隔离原因", "code", REASONS),
            _codes("## What is repaired · 自动修正", "repair", REPAIRS),
        ]
    )


def _table(one: Table) -> str:
    rows = (_row(column) for column in one.columns)
    return table(f"## {one.name} · {one.zh}", COLUMNS, rows)


def _row(column: Column) -> tuple[str, ...]:
    return (
        f"**`{column.name}`**" if column.required else f"`{column.name}`",
        column.zh,
        TYPES[column.type],
        "✓" if column.required else "",
        "" if column.default is None else f"`{column.default}`",
        _listed(column.names),
    )


def _vocabularies() -> Iterator[str]:
    yield (
        "## Words for kinds · 类型用语\n\n"
        "Values are read whatever their case. A word that is not listed is quarantined as\n"
        "`unknown_kind` until the mapping's `values` translate it; "
        + ", ".join(f"`{name}.{column}`" for name, column in sorted(OPEN))
        + " alone takes any word.\n"
        "取值不区分大小写；未列出的用语进入隔离区，可在映射的 `values` 中翻译。\n"
    )
    for (name, column), words in WORDS.items():
        names = TABLES[name].column(column).zh
        rows = ((f"`{word}`", _listed(synonyms)) for word, synonyms in words.items())
        yield table(f"### {name}.{column} · {names}", ("value", "also read as"), rows)


def _scales() -> str:
    rows = ((f"`{name}`", f"{low:g}", f"{high:g}") for name, (low, high) in SCALES.items())
    title = "### Scales where none is given · 默认量表"
    return table(title, ("instrument", "lowest", "highest"), rows)


def _codes(title: str, head: str, codes: Mapping[str, Text]) -> str:
    rows = ((f"`{code}`", text.en, text.zh) for code, text in codes.items())
    return table(title, (head, "meaning", "含义"), rows)


def _listed(words: Sequence[str]) -> str:
    return ", ".join(words)
