"""The cheapest ways to a goal: sets of actions, each scored through the whole pipeline.

Nothing is estimated: a set of actions becomes records of a hypothetical customer, and all sets of a
wave are scored in one feature build. Sets are tried from the cheapest on. Costs add up, so a set
that holds a path found already costs more and is never looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, Literal

from configs.errors import RecordsError
from configs.events import AnyEvent
from configs.schema import Action
from configs.section import Text
from features.sources import date_of
from serving.scores.tier_trace import LANGUAGES
from serving.suppositions.scenarios import Placed
from serving.suppositions.what_if import IN_DAYS, NOTE, Supposed, outcome, told_event
from training.policy import Policy

Goal = Literal["next_tier", "below_churn"]
Counts = tuple[int, ...]
Row = dict[str, Any]
Reached = Callable[[Mapping[str, Any]], bool]

PATHS = 3
STEPS_AT_MOST = 4
SETS_AT_MOST = 256
"""Sets of actions that are tried; beyond it the answer says that the search was cut off."""
WAVE = 64


@dataclass(frozen=True)
class Target:
    """What is to be reached.

    Attributes:
        goal: the next tier, or a churn probability.
        at: tier code, or the probability to be below; ``None`` where nothing is above or below.
        reached: whether a row of scores reaches it.
    """

    goal: Goal
    at: str | float | None
    reached: Reached


def find_paths(
    supposed: Supposed, goal: Goal = "next_tier", below: float | None = None, in_days: int = IN_DAYS
) -> Row:
    """Return up to three cheapest sets of actions that reach the goal, JSON-safe.

    Args:
        supposed: the customer.
        goal: ``next_tier``: a higher tier than today's; ``below_churn``: a probability under
            ``below``.
        below: default: where the customer's present churn band begins.
        in_days: days until the goal is to be reached.

    Returns:
        ``status``: ``paths``; ``no_path``; ``already`` where doing nothing reaches the goal;
        ``at_the_end`` where there is nothing to reach. ``paths``, the cheapest first, each with
        its ``actions``, ``cost``, ``events`` and ``outcome``; ``tried``, how many sets of
        actions were scored, and ``is_whole``, whether none was left out.
    """
    policy = supposed.served.publication.manifest.terms.policy
    target = _target(policy, supposed.today, goal, below)
    if target.at is None:
        return _answer(supposed, target, in_days, "at_the_end", [], Search(None, [], 0, True))
    menu = possible(supposed, in_days)
    search = _search(supposed, menu, target, in_days)
    if search.idle is not None and target.reached(search.idle):
        return _answer(supposed, target, in_days, "already", [], search)
    paths = [_path(supposed, menu, one, in_days) for one in search.found]
    return _answer(supposed, target, in_days, "paths" if paths else "no_path", paths, search)


def possible(supposed: Supposed, in_days: int) -> tuple[Action, ...]:
    """Return the actions of the menu that can be supposed of this customer."""
    return tuple(a for a in supposed.served.actions if _is_possible(supposed, a, in_days))


def _is_possible(supposed: Supposed, action: Action, in_days: int) -> bool:
    if any((event.in_days or 1) > in_days for event in action.events):
        return False
    try:
        supposed.scene.check(supposed.scene.place(action.events, in_days))
    except RecordsError:
        return False
    return True


def _target(policy: Policy, today: Mapping[str, Any], goal: Goal, below: float | None) -> Target:
    if goal == "next_tier":
        rank = None if today["tier"] is None else policy.codes.index(today["tier"])
        if rank is None or rank + 1 == len(policy.codes):
            return Target(goal, None, lambda score: False)
        return Target(
            goal,
            policy.codes[rank + 1],
            lambda score: policy.codes.index(score["tier"]) > rank,
        )
    edge = _band_edge(policy, today["churn_probability"]) if below is None else below
    if edge is None or today["churn_probability"] is None:
        return Target(goal, None, lambda score: False)
    return Target(goal, edge, lambda score: bool(score["churn_probability"] < edge))


def _band_edge(policy: Policy, churn: float | None) -> float | None:
    """Return where the churn band of ``churn`` begins; ``None`` in the lowest."""
    bands = policy.churn_bands
    edges = [edge for edge in (bands.medium, bands.high) if churn is not None and churn >= edge]
    return edges[-1] if edges else None


@dataclass(frozen=True)
class Search:
    """What a search came to.

    Attributes:
        idle: the scores of doing nothing; ``None`` where nothing was searched for.
        found: sets of actions that reach the goal, with their scores, the cheapest first.
        tried: how many sets were scored.
        is_whole: whether no set was left out for there being too many.
    """

    idle: Mapping[str, Any] | None
    found: list[tuple[Counts, Mapping[str, Any]]]
    tried: int
    is_whole: bool


def _search(supposed: Supposed, menu: Sequence[Action], target: Target, in_days: int) -> Search:
    """Try doing nothing, and then sets of actions from the cheapest on, wave by wave."""
    sets = candidates(menu)
    kept: list[Counts] = [(0,) * len(menu), *sets[:SETS_AT_MOST]]
    idle: Mapping[str, Any] | None = None
    found: list[tuple[Counts, Mapping[str, Any]]] = []
    tried = -1
    while kept and len(found) < PATHS:
        wave, kept = kept[:WAVE], kept[WAVE:]
        placed = [supposed.scene.place(events_of(menu, one), in_days) for one in wave]
        scores = supposed.score(placed, supposed.scene.as_of + in_days)[1].to_pylist()
        tried += len(wave)
        if idle is None:
            idle, wave, scores = scores[0], wave[1:], scores[1:]
            if target.reached(idle):
                return Search(idle, [], 0, True)
        found = _with_new(found, zip(wave, scores, strict=True), target)
        kept = [one for one in kept if not _holds_any(one, found)]
    return Search(idle, found, tried, len(sets) <= SETS_AT_MOST)


def _with_new(
    found: list[tuple[Counts, Mapping[str, Any]]],
    scored: Iterator[tuple[Counts, Mapping[str, Any]]],
    target: Target,
) -> list[tuple[Counts, Mapping[str, Any]]]:
    for counts, score in scored:
        if len(found) < PATHS and target.reached(score) and not _holds_any(counts, found):
            found = [*found, (counts, score)]
    return found


def _holds_any(counts: Counts, found: Sequence[tuple[Counts, Any]]) -> bool:
    """Return whether a set has all the actions of a path found before, and more."""
    return any(all(a >= b for a, b in zip(counts, path, strict=True)) for path, _ in found)


def candidates(menu: Sequence[Action]) -> list[Counts]:
    """Return how often each action is taken, for all sets of at most four steps, cheapest first.

    Of equal cost, fewer steps come first, then the order of the menu.
    """
    ways = product(*(range(action.at_most + 1) for action in menu))
    sets = [counts for counts in ways if 0 < sum(counts) <= STEPS_AT_MOST]
    return sorted(sets, key=lambda counts: (cost_of(menu, counts), sum(counts), _reverse(counts)))


def _reverse(counts: Counts) -> Counts:
    return tuple(-count for count in counts)


def cost_of(menu: Sequence[Action], counts: Counts) -> float:
    """Return the money that a set of actions costs."""
    return sum(action.cost * count for action, count in zip(menu, counts, strict=True))


def events_of(menu: Sequence[Action], counts: Counts) -> list[AnyEvent]:
    """Return the events that a set of actions stands for."""
    return [
        event
        for action, count in zip(menu, counts, strict=True)
        for _ in range(count)
        for event in action.events
    ]


def _path(
    supposed: Supposed,
    menu: Sequence[Action],
    one: tuple[Counts, Mapping[str, Any]],
    in_days: int,
) -> Row:
    counts, score = one
    placed: tuple[Placed, ...] = supposed.scene.place(events_of(menu, counts), in_days)
    return {
        "actions": [
            {"code": action.code, "name": action.name.model_dump(), "count": count}
            for action, count in zip(menu, counts, strict=True)
            if count
        ],
        "cost": cost_of(menu, counts),
        "events": [told_event(event, supposed.scene) for event in placed],
        "outcome": outcome(score),
    }


def _answer(
    supposed: Supposed,
    target: Target,
    in_days: int,
    status: str,
    paths: list[Row],
    search: Search,
) -> Row:
    terms = supposed.served.publication.manifest.terms
    return {
        "customer_id": supposed.scene.customer_id,
        "as_of": date_of(supposed.scene.as_of).isoformat(),
        "until": date_of(supposed.scene.as_of + in_days).isoformat(),
        "versions": terms.versions,
        "currency": terms.currency,
        "goal": {"kind": target.goal, "at": target.at},
        "today": outcome(supposed.today),
        "idle": None if search.idle is None else outcome(search.idle),
        "status": status,
        "text": _said(status, search).model_dump(),
        "paths": paths,
        "tried": search.tried,
        "is_whole": search.is_whole,
        "note": NOTE.model_dump(),
    }


def _said(status: str, search: Search) -> Text:
    """Return the status in words; where sets were left out, none of those tried is all to say."""
    if status != "no_path" or search.is_whole:
        return STATUSES[status]
    zh, en = (NONE_OF_TRIED[language].format(tried=search.tried) for language in LANGUAGES)
    return Text(zh=zh, en=en)


NONE_OF_TRIED = Text(
    zh="未找到路径，所试的{tried}种组合都达不到目标",
    en="no path found, for none of the {tried} sets tried reaches the goal",
)
STATUSES = {
    "paths": Text(zh="找到以下路径，费用由低到高", en="paths found, the cheapest first"),
    "no_path": Text(
        zh="没有路径，可选行动的任何组合都达不到目标",
        en="no path, for no set of the actions on the menu reaches the goal",
    ),
    "already": Text(
        zh="无需行动，什么都不做也会达到目标", en="nothing to do, the goal is reached by waiting"
    ),
    "at_the_end": Text(zh="已在最好的一级", en="there is nothing better to reach"),
}
