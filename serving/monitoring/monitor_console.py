"""What monitoring found, in the terminal."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text as Line

from configs.section import Language, Text
from serving.monitoring import monitor_words as words
from serving.monitoring.found import Monitoring
from serving.monitoring.outcome import BESIDE, MAIN, Outcome
from serving.scores.numbers import number, percent

TITLE = Text(
    zh="{publication} · 模型{model} · {n}位客户，对照{reference}",
    en="{publication} · model {model} · {n} customers, compared with {reference}",
)
TRAINING = Text(zh="训练时", en="its training")
QUIET = Text(
    zh="没有警报：{n}项特征、评分与等级构成都未明显变化",
    en="no alarm: none of {n} features, neither scores nor tiers, has moved by much",
)
OUTCOMES = Text(zh="预期与实际", en="Expected and actual")
NONE_CLOSED = Text(
    zh="还没有哪次发布的预测期已经结束", en="no publication's horizon has closed yet"
)
COLUMNS = (
    Text(zh="模型", en="model"),
    Text(zh="截至", en="as of"),
    Text(zh="目标", en="target"),
    Text(zh="客户", en="customers"),
    Text(zh="预期", en="expected"),
    Text(zh="实际", en="actual"),
    Text(zh="若预期正确，95% 在", en="95 % if right"),
    Text(zh="偏差", en="bias"),
    Text(zh="指标（训练时）", en="figures (at training)"),
)


def render(found: Monitoring, language: Language) -> RenderableType:
    """Return alarms with what to do, further changes, and expected against actual."""
    reference = found.since or TRAINING[language]
    title = TITLE[language].format(
        publication=found.publication,
        model=found.model,
        n=f"{found.customers:,}",
        reference=reference,
    )
    parts: list[RenderableType] = [Line(title, style="bold")]
    for place, one in enumerate(found.findings):
        after = found.findings[place + 1 : place + 2]
        style = "bold red" if one.is_alarm else "dim"
        mark = "▲" if one.is_alarm else "·"
        parts.append(Line(f"{mark} {one.text[language]}", style=style))
        if not after or after[0].advice != one.advice:
            parts.append(Line(f"  → {one.advice[language]}", style="dim"))
    if not found.alarms:
        parts.append(Line(QUIET[language].format(n=len(found.features)), style="green"))
    parts.append(_outcomes(found, language))
    return Group(*parts)


def _outcomes(found: Monitoring, language: Language) -> RenderableType:
    if not found.outcomes:
        colon = "：" if language == "zh" else ": "
        return Line(f"{OUTCOMES[language]}{colon}{NONE_CLOSED[language]}", style="dim")
    table = Table(*(name[language] for name in COLUMNS), title=OUTCOMES[language], box=None)
    for one in found.outcomes:
        table.add_row(*_cells(one, language))
    return table


def _cells(one: Outcome, language: Language) -> tuple[str, ...]:
    bias = one.bias
    return (
        one.model,
        one.as_of.isoformat(),
        words.TARGETS[one.target][language],
        f"{one.n:,}",
        number(one.expected, language),
        number(one.actual, language),
        f"{number(one.actual_low, language)} – {number(one.actual_high, language)}",
        "–" if bias is None else f"{'+' if bias > 0 else ''}{percent(bias, language, 1)}",
        "  ".join(figure(one, name) for name in (MAIN[one.target], BESIDE[one.target])),
    )


def figure(one: Outcome, name: str) -> str:
    """Return a figure then and at training: ``auc 0.801 (0.815)``."""
    now, then = one.figures.get(name), one.then.get(name)
    shown = "–" if now is None else f"{now:.3f}"
    return f"{name} {shown}" + ("" if then is None else f" ({then:.3f})")
