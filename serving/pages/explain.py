"""One customer in the terminal: tier, value and churn, and why."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text as Line

from configs.section import Language, Text
from serving.hints import with_config
from serving.scores.answers import Answer
from serving.scores.lead import BANDS, lead
from serving.scores.numbers import money, percent, signed
from serving.scores.wording import FALLBACKS
from training.lifecycle import STAGES

BAR_CELLS = 16
BAND_STYLES = {"high": "bold red", "medium": "yellow", "low": "green"}
TRENDS: dict[str, Text] = {
    "rising": Text(zh="上升", en="rising"),
    "steady": Text(zh="平稳", en="steady"),
    "falling": Text(zh="下降", en="falling"),
}
CHURN = Text(zh="流失概率", en="Churn")
VALUE = Text(zh="预期价值", en="Expected value")
TIER = Text(zh="等级", en="Tier")
TRACE = Text(zh="等级依据", en="Why this tier")
SINCE = Text(zh="自{day}起", en="since {day}")
STAYS = Text(zh="，保持概率{chance}", en=", {chance} to stay")
STAYS_OR_RISES = Text(zh="，保持或升级的概率{chance}", en=", {chance} to stay or rise")
DAYS = Text(zh="未来{days}天", en="next {days} days")
RANGE = Text(
    zh="{low}至{high}（此类区间覆盖同级客户的{level}）",
    en="{low} to {high} (such intervals hold for {level} of the tier)",
)
NOTHING = Text(zh="有{level}以上的可能不再消费", en="more than {level} likely to bring nothing")
POINTS = Text(zh="个百分点", en="pp")
FROM = Text(zh="从典型客户的{base}到{shown}", en="from a typical customer's {base} to {shown}")
AS_OF = Text(
    zh="截至{day} · 模型{model} · 策略{policy}", en="as of {day} · model {model} · policy {policy}"
)
ACTIONABLE = Text(zh="（可改善）", en="(can be acted on)")
UNSTABLE = Text(zh="（排序不稳定）", en="(place not certain)")
UNKNOWN = Text(zh="无", en="none")
GRADE = Text(zh="评级", en="Grade")
GRADES: dict[str, Text] = {
    "A": Text(zh="模型优于任何简单规则，水平可靠", en="beats any simple rule, well calibrated"),
    "B": Text(zh="模型优于任何简单规则", en="beats any simple rule"),
    "C": Text(zh="优于简单规则，但未获证实", en="better than simple rules, not proven"),
    "D": Text(zh="不优于简单规则", en="no better than a simple rule"),
    "N": Text(zh="数据太少，无法评级", en="too little to tell"),
}


def render(
    answer: Answer,
    language: Language,
    trace: Mapping[str, Any] | None = None,
    config: Path | None = None,
) -> RenderableType:
    """Return one customer as a panel for the terminal.

    First the sentence to act on, then the reasons, then the figures and where they come from.

    Args:
        answer: about the customer.
        language: of the words.
        trace: of the tier, shown where given.
        config: as it was given, for commands that are named.
    """
    parts: list[RenderableType] = [Line(with_config(lead(answer, language), config), style="bold")]
    for target in ("churn", "clv"):
        if answer[target] is not None:
            parts += [Line(), _reasons(answer, target, language)]
    parts += [Line(), _facts(answer, language, trace is None)]
    if trace is not None:
        parts += [Line(), _trace(trace, language)]
    return Panel(
        Group(*parts),
        title=_title(answer, language),
        title_align="left",
        subtitle=Line(_provenance(answer, language), style="dim"),
        subtitle_align="right",
        padding=(1, 2),
    )


def _title(answer: Answer, language: Language) -> Line:
    stage = STAGES[answer["lifecycle"]][language]
    return Line.assemble((answer["customer_id"], "bold"), "  ", stage)


def _provenance(answer: Answer, language: Language) -> str:
    versions = answer["versions"]
    return AS_OF[language].format(
        day=answer["as_of"], model=versions["model"], policy=versions["policy"]
    )


def _facts(answer: Answer, language: Language, with_edges: bool) -> Table:
    """Return the figures; how far the tier's edges are only where no trace tells it below."""
    facts = Table.grid(padding=(0, 2))
    facts.add_column(style="dim", no_wrap=True)
    facts.add_column()
    if answer["tier"] is not None:
        facts.add_row(TIER[language], _tier(answer["tier"], language, with_edges))
    if answer["clv"] is not None:
        facts.add_row(VALUE[language], _value(answer["clv"], language))
    if answer["churn"] is not None:
        facts.add_row(CHURN[language], _churn(answer["churn"], language))
    grade = answer["confidence"].get("grade")
    if grade is not None:
        facts.add_row(
            GRADE[language], Line.assemble((grade, "bold"), f"  {GRADES[grade][language]}")
        )
    fallback = answer["confidence"]["fallback"]
    if fallback is not None:
        facts.add_row("", Line(FALLBACKS[fallback][language], style="yellow"))
    return facts


def _tier(tier: Mapping[str, Any], language: Language, with_edges: bool) -> Line:
    since = SINCE[language].format(day=dt.date.fromisoformat(tier["since"]))
    name, stays = tier["name"][language], _stays(tier, language)
    line = Line.assemble((name, "bold"), f"  {since}", stays)
    return line.append(f"\n{tier['text'][language]}", style="dim") if with_edges else line


def _stays(tier: Mapping[str, Any], language: Language) -> str:
    """Return the chance of a value that keeps this tier, or rises above it, in the next horizon."""
    outlook = tier["outlook"]
    if outlook is None:
        return ""
    codes = list(outlook)
    place = codes.index(tier["code"])
    if place == len(codes) - 1:
        words, chance = STAYS, outlook[tier["code"]]
    else:
        words = STAYS if place == 0 else STAYS_OR_RISES
        chance = min(sum(outlook[code] for code in codes[: place + 1]), 1.0)
    return words[language].format(chance=percent(chance, language))


def _trace(trace: Mapping[str, Any], language: Language) -> Table:
    """Return the policy's rules line by line, then both boundaries and the outlook.

    Everybody reaches the lowest tier, which is no outlook.
    """
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column()
    for place, line in enumerate(trace["lines"]):
        style = "yellow" if line["moved"] else ""
        head = TRACE[language] if place == 0 else ""
        table.add_row(head, Line(line["text"][language], style=style))
    sides = ("above", "below", "outlook")
    for side in sides if trace["below"] is not None else sides[:1]:
        if trace[side] is not None:
            table.add_row("", Line(trace[side]["text"][language], style="dim"))
    return table


def _value(clv: Mapping[str, Any], language: Language) -> Line:
    line = Line.assemble(
        (money(clv["expected"], clv["currency"], language), "bold"),
        "  " + DAYS[language].format(days=clv["horizon_days"]),
    )
    if clv["interval"] is not None:
        low, high = (
            money(clv["interval"][end], clv["currency"], language) for end in ("low", "high")
        )
        level = percent(clv["interval"]["level"], language)
        words = RANGE if clv["interval"]["high"] > 0 else NOTHING
        line.append("  " + words[language].format(level=level, low=low, high=high), style="dim")
    return line


def _churn(churn: Mapping[str, Any], language: Language) -> Line:
    line = Line.assemble(
        (percent(churn["probability"], language, 1), "bold"),
        "  " + DAYS[language].format(days=churn["horizon_days"]) + "  ",
        (BANDS[churn["band"]][language], BAND_STYLES[churn["band"]]),
    )
    if churn["trend"] is not None:
        line.append(f"  {TRENDS[churn['trend']][language]}", style="dim")
    return line


def _reasons(answer: Answer, target: str, language: Language) -> Group:
    own = [reason for reason in answer["reasons"] if reason["target"] == target]
    longest = max((abs(reason["points"]) for reason in own), default=1.0)
    table = Table(box=None, show_header=False, padding=(0, 1), pad_edge=False)
    table.add_column(justify="right", no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for reason in own:
        is_bad = (reason["points"] > 0) == (target == "churn")
        style = "red" if is_bad else "green"
        text = Line(reason["text"][language])
        if reason["actionable"]:
            text.append(f"  {ACTIONABLE[language]}", style="dim")
        if reason.get("stable") is False:
            text.append(f"  {UNSTABLE[language]}", style="dim")
        table.add_row(
            Line(_points(reason["points"], answer, target, language), style=style),
            Line(_bar(reason["points"], longest), style=style),
            text,
        )
    head = (CHURN if target == "churn" else VALUE)[language]
    return Group(Line(f"{head}  {_way(answer, target, language)}", style="dim"), table)


def _way(answer: Answer, target: str, language: Language) -> str:
    if target == "churn":
        ends = [percent(answer["churn"][end], language, 1) for end in ("base", "probability")]
    else:
        clv = answer["clv"]
        ends = [money(clv[end], clv["currency"], language) for end in ("base", "expected")]
    return FROM[language].format(base=ends[0], shown=ends[1])


def _points(points: float, answer: Answer, target: str, language: Language) -> str:
    if target == "clv":
        return signed(money(abs(points), answer["clv"]["currency"], language), points)
    return signed(f"{abs(points):.1f}{_unit(language)}", round(points, 1))


def _unit(language: Language) -> str:
    return POINTS[language] if language == "zh" else f" {POINTS[language]}"


def _bar(points: float, longest: float) -> str:
    cells = round(BAR_CELLS * abs(points) / longest) if longest else 0
    return "█" * max(cells, 1)


def summary(answers: Sequence[Answer], language: Language) -> Table:
    """Return customers as rows of a table: tier, value, churn and the strongest reason of each."""
    headers = {
        "zh": ("客户", "等级", "预期价值", "流失概率", "最主要的依据"),
        "en": ("customer", "tier", "expected value", "churn", "strongest reason"),
    }[language]
    table = Table(*headers, box=None, header_style="dim")
    for answer in answers:
        table.add_row(
            answer["customer_id"],
            UNKNOWN[language] if answer["tier"] is None else answer["tier"]["name"][language],
            ""
            if answer["clv"] is None
            else money(answer["clv"]["expected"], answer["clv"]["currency"], language),
            "" if answer["churn"] is None else percent(answer["churn"]["probability"], language),
            answer["reasons"][0]["text"][language] if answer["reasons"] else "",
        )
    return table
