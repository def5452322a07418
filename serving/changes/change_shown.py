"""What changed, in the terminal: one customer, or the whole portfolio."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text as Line

from configs.section import Language, Text
from serving.scores.numbers import compact_money, money, number, percent, signed
from serving.scores.phrases import counted
from serving.scores.publication import Manifest
from serving.scores.wording import REST

Facts = Mapping[str, Any]
Write = Callable[[float], str]

PART_NAMES = {
    "data": Text(zh="数据", en="data"),
    "model": Text(zh="模型", en="model"),
    "policy": Text(zh="策略", en="policy"),
}
HEAD = Text(
    zh="与{since}的发布相比（模型{model}，策略{policy}）",
    en="Since the publication of {since} (model {model}, policy {policy})",
)
CHURN = Text(zh="流失概率", en="Churn")
LEAVERS = Text(zh="预计流失人数", en="Expected leavers")
VALUE = Text(zh="预期价值", en="Expected value")
TIER = Text(zh="等级", en="Tier")
RECORDS = Text(zh="期间新增记录", en="New records")
NO_RECORDS = Text(zh="无；变化只来自时间推移", en="none; only time has passed")
RECORDS_GONE = Text(zh="该批记录已不在", en="these records are no longer kept")
NOT_SPLIT = Text(zh="无法拆分为三部分：{why}", en="Cannot be split into its three parts: {why}")
WITHIN_DATA = Text(zh="数据部分按方面拆分", en="the data part by subject")
NEW = Text(zh="此前尚未发布", en="not published before")
GONE = Text(zh="现已不在发布中", en="no longer published")
SAME_TIER = Text(zh="仍为{tier}", en="still {tier}")
MOVED = Text(zh="{before} → {after}（{part}）", en="{before} → {after} ({part})")
CUSTOMERS = Text(
    zh="两次都在{both}人，新增{new}人，离开{gone}人", en="{both} in both, {new} new, {gone} gone"
)
MOVED_BY = Text(zh="等级变动人数：{counts}", en="Tier changed by: {counts}")
FROM_TO = Text(zh="之前 ＼ 现在", en="before \\ now")
MOVERS = Text(zh="变动最大的客户", en="Who changed most")
EVENTS = {
    ("transactions", "purchase"): Text(zh="消费明细", en="purchase lines"),
    ("transactions", "refund"): Text(zh="退款明细", en="refund lines"),
    ("interactions", "visit"): Text(zh="到访", en="visits"),
    ("interactions", "enquiry"): Text(zh="咨询", en="enquiries"),
    ("interactions", "support"): Text(zh="服务请求", en="support cases"),
    ("interactions", "support_resolved"): Text(zh="服务请求已解决", en="closed support cases"),
    ("interactions", "complaint"): Text(zh="投诉", en="complaints"),
    ("interactions", "complaint_resolved"): Text(zh="投诉已解决", en="resolved complaints"),
    ("interactions", "event"): Text(zh="参加活动", en="attended events"),
    ("interactions", "campaign"): Text(zh="营销触达", en="campaign contacts"),
    ("interactions", "click"): Text(zh="营销点击", en="clicks"),
    ("interactions", "referral"): Text(zh="推荐", en="referrals"),
    ("interactions", "share"): Text(zh="分享", en="shares"),
}
CONCEPTS_SHOWN = 4


def render_customer(facts: Facts, language: Language) -> RenderableType:
    """Return what changed for one customer."""
    table = _grid()
    for key, heading in (("churn", CHURN), ("clv", VALUE)):
        if facts[key] is not None:
            writes = _points(language) if key == "churn" else _money(facts, language)
            table.add_row(heading[language], _number(facts[key], writes, language))
    if facts["tier"] is not None:
        table.add_row(TIER[language], tier_text(facts, language))
    table.add_row(RECORDS[language], records_text(facts, language))
    return Group(_head(facts, language), *_notes(facts, language), table)


def render_portfolio(facts: Facts, language: Language) -> RenderableType:
    """Return what changed for all customers together."""
    table = _grid()
    for key, heading in (("churn", LEAVERS), ("clv", VALUE)):
        if facts[key] is not None:
            writes = _count(language) if key == "churn" else _compact(facts, language)
            table.add_row(heading[language], _number(facts[key], writes, language))
    counts = {name: f"{n:,}" for name, n in facts["customers"].items()}
    parts: list[RenderableType] = [
        _head(facts, language),
        *_notes(facts, language),
        Line(CUSTOMERS[language].format(**counts)),
        table,
    ]
    if facts["migration"]:
        parts += [Line(), _migration(facts, language)]
    if facts["moved_by"] is not None:
        joint = "，" if language == "zh" else ", "
        told = joint.join(
            f"{PART_NAMES[part][language]} {n:,}" for part, n in facts["moved_by"].items()
        )
        parts.append(Line(MOVED_BY[language].format(counts=told)))
    if facts["movers"]:
        parts += [Line(), _movers(facts, language)]
    return Group(*parts)


def render_publications(manifests: Sequence[Manifest], live: str | None) -> Table:
    """Return every publication as a row, the newest first."""
    table = Table("publication", "as of", "model", "policy", "customers", "", box=None)
    for manifest in manifests:
        terms = manifest.terms
        mark = "live" if manifest.id == live else ""
        count = f"{manifest.counts['customers']:,}"
        cells = (manifest.as_of.isoformat(), terms.model, terms.policy.name, count, mark)
        table.add_row(manifest.id, *cells)
    return table


def _grid() -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    return table


def _head(facts: Facts, language: Language) -> Line:
    since = facts["since"]
    versions = since["versions"]
    text = HEAD[language].format(
        since=since["as_of"], model=versions["model"], policy=versions["policy"]
    )
    return Line(text, style="bold")


def _notes(facts: Facts, language: Language) -> list[Line]:
    notes = []
    if facts["why_not_split"] is not None:
        why = NOT_SPLIT[language].format(why=facts["why_not_split"][language])
        notes.append(Line(why, style="yellow"))
    for key, text in (("is_new", NEW), ("is_gone", GONE)):
        if facts.get(key):
            notes.append(Line(text[language], style="yellow"))
    return notes


def _number(change: Facts, writes: tuple[Write, Write], language: Language) -> Line:
    """Return before → after, the three parts, and the data part by concept.

    Args:
        change: facts of one number.
        writes: how the number is written, and how a change of it.
        language: of the words.
    """
    level, write = writes
    line = Line.assemble(
        f"{level(change['before'])} → ",
        (level(change["after"]), "bold"),
        f"  {signed(write(abs(change['change'])), change['change'])}",
    )
    if change["parts"] is not None:
        line.append("\n" + _joined(change["parts"], write, language))
    moved = [one for one in change["concepts"] or () if one["points"]]
    if moved:
        points = {one["name"][language]: one["points"] for one in moved[:CONCEPTS_SHOWN]}
        if moved[CONCEPTS_SHOWN:]:
            points[REST[language]] = sum(one["points"] for one in moved[CONCEPTS_SHOWN:])
        colon = "：" if language == "zh" else ": "
        rest = WITHIN_DATA[language] + colon + _pairs(points, write, language)
        line.append("\n" + rest, style="dim")
    return line


def _joined(parts: Mapping[str, float], write: Write, language: Language) -> str:
    named = {PART_NAMES[part][language]: value for part, value in parts.items()}
    return _pairs(named, write, language)


def _pairs(values: Mapping[str, float], write: Write, language: Language) -> str:
    joint = "，" if language == "zh" else ", "
    return joint.join(f"{name} {signed(write(abs(v)), v)}" for name, v in values.items())


def tier_text(facts: Facts, language: Language) -> str:
    """Return which part of the change moved the tier, in words."""
    tier, names = facts["tier"], facts["tier_names"]

    def name(code: str | None) -> str:
        return "–" if code is None else str(names[code][language])

    if tier["before"] == tier["after"] and not tier["path"]:
        return SAME_TIER[language].format(tier=name(tier["after"]))
    if tier["path"] is None:
        return f"{name(tier['before'])} → {name(tier['after'])}"
    joint = "，" if language == "zh" else ", "
    return joint.join(
        MOVED[language].format(
            before=name(step["before"]),
            after=name(step["after"]),
            part=PART_NAMES[step["part"]][language],
        )
        for step in tier["path"]
    )


def records_text(facts: Facts, language: Language) -> str:
    """Return which records became known in between, in words."""
    if facts["records"] is None:
        return RECORDS_GONE[language]
    if not facts["records"]:
        return NO_RECORDS[language]
    joint = "，" if language == "zh" else ", "
    return joint.join(_event(one, facts["currency"], language) for one in facts["records"])


def _event(one: Facts, currency: str, language: Language) -> str:
    name = EVENTS.get((one["table"], one["kind"]))
    word = str(one["kind"]).upper() if name is None else name[language]
    count = str(one["count"])
    measure = "行" if one["table"] == "transactions" else "次"
    text = f"{word}{count}{measure}" if language == "zh" else f"{count} {counted(word, count)}"
    if "total" in one:
        amount = money(one["total"], currency, language)
        text += f"（{amount}）" if language == "zh" else f" ({amount})"
    if "latest" in one:
        score = number(one["latest"], language)
        text += f"（最近{score}分）" if language == "zh" else f" (latest {score})"
    return text


def _migration(facts: Facts, language: Language) -> Table:
    names = facts["tier_names"]
    found = facts["migration"]
    used = {code for row in found.values() for code in row} | set(found)
    codes = [code for code in names if code in used]
    table = Table(FROM_TO[language], box=None, header_style="dim")
    for code in codes:
        table.add_column(names[code][language], justify="right")
    for before in codes:
        cells = [found.get(before, {}).get(after, 0) for after in codes]
        shown = [
            Line(f"{n:,}" if n else "·", style="bold" if before == after else "")
            for after, n in zip(codes, cells, strict=True)
        ]
        table.add_row(names[before][language], *shown)
    return table


def _movers(facts: Facts, language: Language) -> Table:
    write, _ = _money(facts, language)
    heads = [PART_NAMES[part][language] for part in PART_NAMES]
    table = Table(MOVERS[language], VALUE[language], *heads, TIER[language], box=None)
    names = facts["tier_names"]
    for one in facts["movers"]:
        parts = one["parts"] or dict.fromkeys(PART_NAMES)
        cells = ["" if v is None else signed(write(abs(v)), v) for v in parts.values()]
        tiers = dict.fromkeys(code for code in (one["tier_before"], one["tier_after"]) if code)
        shown = " → ".join(names[code][language] for code in tiers)
        total = signed(write(abs(one["change"])), one["change"])
        table.add_row(one["customer_id"], total, *cells, shown)
    return table


def _points(language: Language) -> tuple[Write, Write]:
    unit = "个百分点" if language == "zh" else " pp"

    def level(points: float) -> str:
        return percent(points / 100.0, language, 1)

    def difference(points: float) -> str:
        return f"{points:.1f}{unit}"

    return level, difference


def _money(facts: Facts, language: Language) -> tuple[Write, Write]:
    def write(amount: float) -> str:
        return money(amount, facts["currency"], language)

    return write, write


def _compact(facts: Facts, language: Language) -> tuple[Write, Write]:
    def write(amount: float) -> str:
        return compact_money(amount, facts["currency"], language)

    return write, write


def _count(language: Language) -> tuple[Write, Write]:
    def write(count: float) -> str:
        return number(count, language)

    return write, write
