"""What if certain events came, and the cheapest ways to a goal: from a form to the answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter, ValidationError

from configs.events import LONGEST_DAYS, AnyEvent
from configs.section import Text
from serving.console.customer.asked import Asked
from serving.suppositions.paths import Goal, find_paths
from serving.suppositions.supposed import NotSupposableError
from serving.suppositions.what_if import IN_DAYS, suppose_published, what_if

EVENTS: TypeAdapter[tuple[AnyEvent, ...]] = TypeAdapter(tuple[AnyEvent, ...])
ORDERS_AT_MOST = 10
Query = Mapping[str, str]


@dataclass(frozen=True)
class Answered:
    """The answer to a question, or why there is none.

    Attributes:
        facts: what the models say, as the endpoint would answer; ``None`` where it could not.
        wrong: what is wrong with the question.
        is_asked: whether there was a question at all.
    """

    facts: Mapping[str, Any] | None = None
    wrong: Text | None = None
    is_asked: bool = True


class WrongQuestionError(Exception):
    """A form cannot be read.

    Args:
        text: what is wrong.
    """

    def __init__(self, text: Text) -> None:
        super().__init__(text.en)
        self.text = text


NOT_ASKED = Answered(is_asked=False)
NO_EVENT = Text(zh="请至少选择一个事件", en="Choose at least one event")
NO_NUMBER = Text(zh="“{given}”不是可用的数", en="“{given}” is no number that can be used")
OFF_LIMITS = Text(
    zh="请填写合理的金额、评分和天数", en="Give an amount, a score and days that can be"
)


def supposed_events(query: Query) -> tuple[tuple[AnyEvent, ...], int]:
    """Return the events that a form asks about, and the days until the later day.

    Raises:
        WrongQuestionError: a field is no number or out of bounds, or no event is chosen.

    >>> events, in_days = supposed_events({"orders": "2", "amount": "300", "days": "28"})
    >>> events[0].count, events[0].amount, in_days
    (2, 300.0, 28)
    """
    given: list[dict[str, Any]] = []
    orders = _whole(query, "orders", 0, ORDERS_AT_MOST)
    if orders:
        amount = query.get("amount", "").strip()
        given.append(
            {"event": "order", "count": orders, "amount": _number(amount) if amount else None}
        )
    if query.get("resolved"):
        given.append({"event": "complaint_resolved"})
    if query.get("contact"):
        direction, _, kind = query["contact"].partition(":")
        given.append({"event": "contact", "kind": kind, "direction": direction})
    if query.get("survey") and query.get("score", "").strip():
        score = _number(query["score"])
        given.append({"event": "survey", "instrument": query["survey"], "score": score})
    if not given:
        raise WrongQuestionError(NO_EVENT)
    try:
        return EVENTS.validate_python(tuple(given)), _days(query)
    except ValidationError:
        raise WrongQuestionError(OFF_LIMITS) from None


def _days(query: Query) -> int:
    return _whole(query, "days", IN_DAYS, LONGEST_DAYS) or IN_DAYS


def _whole(query: Query, name: str, default: int, most: int) -> int:
    text = query.get(name, "").strip()
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 10 and int(text) <= most):
        raise WrongQuestionError(_said(NO_NUMBER, text))
    return int(text)


def _number(text: str) -> float:
    try:
        return float(text.replace(",", "").strip())
    except ValueError:
        raise WrongQuestionError(_said(NO_NUMBER, text)) from None


def _said(text: Text, given: str) -> Text:
    shown = given[:40]
    return Text(zh=text.zh.format(given=shown), en=text.en.format(given=shown))


FIELDS = ("orders", "resolved", "contact", "survey")


def answer_what_if(asked: Asked, query: Query) -> Answered:
    """Return what the models say if the events of the form came."""
    if not any(query.get(name) for name in FIELDS):
        return NOT_ASKED
    try:
        events, in_days = supposed_events(query)
        supposed = suppose_published(asked.served, asked.customer_id)
        return Answered(_as_seen(asked, what_if(supposed, events, in_days)))
    except WrongQuestionError as error:
        return Answered(wrong=error.text)
    except NotSupposableError as error:
        return Answered(wrong=error.what)


def _as_seen(asked: Asked, facts: Mapping[str, Any]) -> Mapping[str, Any]:
    return {**facts, "customer_id": asked.shown}


GOALS: dict[Goal, Text] = {
    "next_tier": Text(zh="升到更高等级", en="Reach a higher tier"),
    "below_churn": Text(zh="降低流失概率", en="Lower the churn probability"),
}


def answer_paths(asked: Asked, query: Query) -> Answered:
    """Return the cheapest sets of actions that reach the goal of the form."""
    goal: Goal = "below_churn" if query.get("goal") == "below_churn" else "next_tier"
    if "goal" not in query:
        return NOT_ASKED
    try:
        in_days, below = _days(query), _below(query) if goal == "below_churn" else None
        supposed = suppose_published(asked.served, asked.customer_id)
        return Answered(_as_seen(asked, find_paths(supposed, goal, below, in_days)))
    except WrongQuestionError as error:
        return Answered(wrong=error.text)
    except NotSupposableError as error:
        return Answered(wrong=error.what)


def _below(query: Query) -> float | None:
    """Return the probability to get below, given in per cent; ``None`` where none is."""
    text = query.get("below", "").removesuffix("%").strip()
    if not text:
        return None
    percent = _number(text)
    if not 0 < percent <= 100:
        raise WrongQuestionError(_said(NO_NUMBER, text))
    return percent / 100


def with_rest(
    concepts: Sequence[Mapping[str, Any]], n: int
) -> tuple[Sequence[Mapping[str, Any]], float]:
    """Return the strongest ``n`` concepts, and the points of all others together."""
    return concepts[:n], sum(one["points"] for one in concepts[n:])
