"""The report of effects as the terminal shows it: a line for each action."""

from __future__ import annotations

from rich.table import Table

from configs.schema import Config
from configs.section import Language, Text
from serving.console.experiments.effect_words import RANKINGS, points, points_range
from serving.console.experiments.effects import ActionEffect, EffectsReport
from serving.scores.numbers import number

HEADERS = (
    Text(zh="行动", en="Action"),
    Text(zh="对象", en="Audiences"),
    Text(zh="已到期", en="Closed"),
    Text(zh="行动组/对照组", en="Offered/left out"),
    Text(zh="留存变化（百分点）", en="Retention, points"),
    Text(zh="排序依据", en="Ranked by"),
)


def shown(config: Config, report: EffectsReport) -> Table:
    """Return a table of what is known of every action."""
    language = config.language
    names = {action.code: action.name for action in config.actions}
    table = Table(*(header[language] for header in HEADERS))
    for one in report.actions:
        name = names[one.action][language] if one.action in names else one.action
        table.add_row(name, *_cells(one, language))
    return table


def _cells(one: ActionEffect, language: Language) -> list[str]:
    closed = [trial for trial in one.trials if trial.standing == "closed"]
    told = one.retained
    arms = (
        "–"
        if told is None
        else f"{number(told.n_offered, language)}/{number(told.n_held_out, language)}"
    )
    effect = "–"
    if told is not None:
        effect = f"{points(told.estimate, language)} [{points_range(told, language)}]"
    return [str(len(one.trials)), str(len(closed)), arms, effect, RANKINGS[one.ranking][language]]
