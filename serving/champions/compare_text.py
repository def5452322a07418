"""A comparison as the terminal shows it."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text as Line

from configs.schema import Config
from configs.section import Language, Text
from serving.champions.compare_words import (
    GATES,
    TARGETS,
    VERDICTS,
    data_key,
    metric_name,
    outcome_of,
)
from serving.champions.comparison import Comparison
from serving.champions.contest import Contest
from serving.champions.differences import Difference, FeatureChanges
from serving.champions.gates import judged
from serving.champions.moves import Moves
from serving.scores.numbers import money
from training.paired import Duel

CHAMPION = Text(zh="冠军", en="champion")
CHALLENGER = Text(zh="挑战者", en="challenger")
DIFFERENCE = Text(zh="差（90% 配对区间）", en="difference (90% paired interval)")
JUDGED_ON = Text(zh="{target}：{day}，{n} 位共同客户", en="{target}: {day}, {n} customers of both")
NOT_COMPARABLE = Text(zh="{target}：数字不可比：{why}", en="{target}: not comparable: {why}")
MOVED = Text(
    zh="{changed:,} 位客户（共 {n:,} 位，{share:.1%}）会换等级",
    en="{changed:,} of {n:,} customers ({share:.1%}) would change tier",
)
SETTINGS = Text(zh="配置", en="Settings")
DATA = Text(zh="数据", en="Data")
FEATURES = Text(zh="特征", en="Features")
ADDED = Text(zh="新增 {n} 个特征：{names}", en="{n} features added: {names}")
REMOVED = Text(zh="去除 {n} 个特征：{names}", en="{n} features removed: {names}")
SAME = Text(zh="{title}：没有不同", en="{title}: no difference")
OF = Text(zh="{name}（{n:,}）", en="{name} ({n:,})")
GATES_TITLE = Text(zh="关卡", en="Gates")
WHY = Text(zh="贡献变化最大的方面", en="aspect whose part changed most")
CUSTOMER = Text(zh="客户", en="customer")
TIER = Text(zh="等级", en="tier")
VALUE = Text(zh="预期价值", en="expected value")


def render(config: Config, comparison: Comparison, language: Language) -> RenderableType:
    """Return the whole comparison in ``language``."""
    told = comparison.features
    return Group(
        _differences(SETTINGS, ((d.key, d) for d in comparison.config), language),
        _differences(DATA, ((data_key(d)[language], d) for d in comparison.data), language),
        *_features(told, language),
        *(_contest(one, language) for one in comparison.contests.values()),
        *_moves(comparison.moves, config.currency, language),
        _gates(config, comparison, language),
    )


def _differences(
    title: Text, rows: Iterable[tuple[str, Difference]], language: Language
) -> RenderableType:
    rows = list(rows)
    if not rows:
        return Line(SAME[language].format(title=title[language]))
    table = Table("", CHAMPION[language], CHALLENGER[language], title=title[language], box=None)
    for key, one in rows:
        table.add_row(key, _or_dash(one.champion), _or_dash(one.challenger))
    return table


def _features(changes: FeatureChanges, language: Language) -> list[RenderableType]:
    """Return the features declared otherwise, added and removed, or that none differs."""
    named = _named(changes, language)
    if named and not changes.changed:
        return named
    changed = ((one.key, one) for one in changes.changed)
    return [_differences(FEATURES, changed, language), *named]


def _named(changes: FeatureChanges, language: Language) -> list[RenderableType]:
    lines: list[RenderableType] = []
    for text, features in ((ADDED, changes.added), (REMOVED, changes.removed)):
        if features:
            names = ", ".join(feature.name for feature in features)
            lines.append(Line(text[language].format(n=len(features), names=names)))
    return lines


def _contest(contest: Contest, language: Language) -> RenderableType:
    target = TARGETS[contest.target][language]
    if contest.why_not is not None:
        why = contest.why_not[language]
        return Line(NOT_COMPARABLE[language].format(target=target, why=why), style="yellow")
    title = JUDGED_ON[language].format(target=target, day=contest.day, n=f"{contest.n:,}")
    notes = "\n".join(note[language] for note in contest.notes)
    table = Table(title=title, caption=notes, title_justify="left", caption_justify="left")
    for name in ("", CHAMPION[language], CHALLENGER[language], DIFFERENCE[language], ""):
        table.add_column(name)
    for one in contest.duels:
        table.add_row(metric_name(one.metric)[language], *_cells(one, language))
    table.add_section()
    for part in contest.slices:
        name = OF[language].format(name=f"{part.axis[language]} {part.level[language]}", n=part.n)
        table.add_row(name, *_cells(part.duel, language))
    return table


def _cells(one: Duel, language: Language) -> tuple[str, ...]:
    digits = 1 if abs(one.champion) >= 10 else 3
    gap = f"{one.difference:+.{digits}f} ({one.low:+.{digits}f} … {one.high:+.{digits}f})"
    shown = outcome_of(one.metric, one.low, one.high)[language]
    return f"{one.champion:.{digits}f}", f"{one.challenger:.{digits}f}", gap, shown


def _count(n: int) -> str:
    return f"{n:,}" if n else "·"


def _moves(moves: Moves, currency: str, language: Language) -> list[RenderableType]:
    said = MOVED[language].format(changed=moves.changed, n=moves.n, share=moves.share)
    corner = f"{CHAMPION[language]} ↓ {CHALLENGER[language]} →"
    matrix = Table(corner, *(name[language] for name in moves.names.values()))
    for before, name in moves.names.items():
        counts = (_count(moves.counts.get((before, now), 0)) for now in moves.names)
        matrix.add_row(name[language], *counts)
    if not moves.movers:
        return [Line(said), matrix]
    movers = Table(CUSTOMER[language], TIER[language], VALUE[language], WHY[language])
    for one in moves.movers:
        tiers = " → ".join(
            moves.names[code][language] if code in moves.names else "–"
            for code in (one.tier_before, one.tier_now)
        )
        values = (one.value_before, one.value_now, one.points_before, one.points_now)
        before, now, part, part_now = (money(value, currency, language) for value in values)
        why = f"{one.concept[language]} {part} → {part_now}"
        movers.add_row(one.customer_id, tiers, f"{before} → {now}", why)
    return [Line(said), matrix, movers]


def _gates(config: Config, comparison: Comparison, language: Language) -> RenderableType:
    table = Table("", "", "", title=GATES_TITLE[language], box=None, title_justify="left")
    for gate in judged(config.promotion, comparison):
        name = GATES[gate.gate][language]
        table.add_row(name, VERDICTS[gate.verdict][language], gate.said[language])
    return table


def _or_dash(value: str | None) -> str:
    return "–" if value is None else value
