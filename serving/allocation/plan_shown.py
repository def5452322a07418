"""A plan for the terminal."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.table import Table

from configs.section import Language, Text
from serving.allocation.plan import Plan
from serving.allocation.plan_words import RULES, missing_said, summary, worth_said
from serving.console.staff.team import SKILL_NAMES
from serving.scores.numbers import money, number

ASSUMED = Text(
    zh="行动的效果是假设值（见 actions 的 effect），不是实测。",
    en="Effects of actions are assumptions (`effect` of actions), not measured.",
)


def render(plan: Plan, currency: str, language: Language) -> RenderableType:
    """Return the plan's figures as terminal output."""
    parts: list[RenderableType] = [summary(plan, currency, language)]
    parts += [missing_said(plan, one, currency, language) for one in plan.missing]
    parts += [_values(plan, currency, language), _people(plan, language)]
    parts += [worth_said(plan, one, currency, language) for one in plan.worths]
    if not all(option.is_measured for option in plan.options[:-1]):
        parts.append(ASSUMED[language])
    return Group(*parts)


def _values(plan: Plan, currency: str, language: Language) -> Table:
    table = Table(Text(zh="办法", en="By")[language], Text(zh="净值", en="Net value")[language])
    table.add_row(
        Text(zh="本计划", en="This plan")[language], money(plan.value, currency, language)
    )
    for rule, value in plan.rules.items():
        table.add_row(RULES[rule][language], money(value, currency, language))
    table.add_row(Text(zh="什么都不做", en="Doing nothing")[language], money(0, currency, language))
    return table


def _people(plan: Plan, language: Language) -> Table:
    heads = (
        Text(zh="员工", en="Employee"),
        Text(zh="技能", en="Skill"),
        Text(zh="工时", en="Hours"),
        Text(zh="已用", en="Used"),
        Text(zh="客户", en="Customers"),
    )
    table = Table(*(head[language] for head in heads))
    for one in plan.people:
        figures = (number(one.hours, language), number(one.used, language), str(one.customers))
        who = one.name if one.code.startswith("+") else f"{one.code} {one.name}"
        table.add_row(who, SKILL_NAMES[one.skill][language], *figures)
    return table
