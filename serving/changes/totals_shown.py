"""What customers bring together, for the terminal: everybody and each tier, with intervals."""

from __future__ import annotations

from rich.table import Table

from configs.section import Language, Text
from serving.scores.numbers import compact_money, number, percent
from serving.scores.publication import Manifest
from training.portfolio import Sum

TITLE = Text(
    zh="未来{days}天的预期价值：{total}（{level}的可能在{low}至{high}之间）",
    en="Expected value in {days} days: {total} ({level} likely {low} to {high})",
)
HEADERS = {
    "zh": ("等级", "客户", "预期价值", "下限", "上限", "流失风险下的价值"),
    "en": ("tier", "customers", "expected value", "low", "high", "at risk of churn"),
}


def show_totals(manifest: Manifest, language: Language) -> Table | None:
    """Return the sums of a publication as a table; ``None`` where they are not known."""
    totals, currency = manifest.totals, manifest.terms.currency
    if totals is None:
        return None

    def money(value: float) -> str:
        return compact_money(value, currency, language)

    def row(name: str, one: Sum) -> tuple[str, ...]:
        at_risk = "" if one.at_risk is None else money(one.at_risk)
        shown = (money(one.expected), money(one.low), money(one.high))
        return (name, number(one.customers, language), *shown, at_risk)

    title = TITLE[language].format(
        days=totals.horizon_days,
        total=money(totals.total.expected),
        level=percent(totals.level, language),
        low=money(totals.total.low),
        high=money(totals.total.high),
    )
    table = Table(title=title, title_justify="left", box=None, header_style="dim")
    for place, header in enumerate(HEADERS[language]):
        table.add_column(header, justify="right" if place else "left")
    names = manifest.terms.tier_names
    for code, one in totals.tiers.items():
        table.add_row(*row(names[code][language], one))
    return table
