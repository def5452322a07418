"""What a deed about an earlier event needs: that the event is there, open, and theirs to change."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from configs.section import Text
from serving.console.acting.events import Deed, Event, Kind, events_of
from serving.console.acting.standing import fold
from serving.console.page import PageError
from serving.console.visitors.people import Person
from training.policy import Policy

WITHDRAWABLE: frozenset[Kind] = frozenset(
    {"assign", "contact", "offer", "task_done", "snooze", "dismiss", "override", "approve",
     "reject", "wrong_reason"}
)  # fmt: skip
"""A task is cancelled instead, since others may have been told of it."""


@dataclass(frozen=True)
class Case:
    """One deed about an earlier event, with everything that happened to its customer."""

    deed: Deed
    events: Sequence[Event]
    person: Person
    today: dt.date
    policy: Policy

    @property
    def about(self) -> Event | None:
        """The earlier event."""
        meant = self.deed.details["event"]
        return next((one for one in self.events if one.id == meant), None)


def check(
    connection: sa.Connection,
    deeds: Sequence[Deed],
    person: Person,
    today: dt.date,
    policy: Policy,
) -> None:
    """Refuse a deed about an event that does not allow it.

    Raises:
        PageError: 403 or 409, with why.
    """
    for deed in deeds:
        checked = CHECKS.get(deed.kind)
        if checked is not None:
            events = events_of(connection, deed.customer_id)
            checked(Case(deed, events, person, today, policy))


def _task(case: Case) -> None:
    if case.deed.details["event"] not in {one.id for one in fold(case.events).tasks}:
        raise PageError(409, OVER, LOOK_AGAIN)


def _second(case: Case) -> None:
    """Only a second person decides, and only about what waits."""
    pending = {
        one.event.id: one.event
        for one in fold(case.events).overrides
        if one.is_pending(case.today, case.policy)
    }
    about = pending.get(case.deed.details["event"])
    if about is None:
        raise PageError(409, OVER, LOOK_AGAIN)
    if about.person == case.person.id:
        raise PageError(403, SAME_PERSON, ASK_ANOTHER)


def _withdrawn(case: Case) -> None:
    about = case.about
    if about is None or about.kind not in WITHDRAWABLE:
        raise PageError(409, OVER, LOOK_AGAIN)
    if any(one.kind == "withdraw" and one.details["event"] == about.id for one in case.events):
        raise PageError(409, OVER, LOOK_AGAIN)
    if about.person != case.person.id and case.person.role != "admin":
        raise PageError(403, NOT_YOURS, ASK_THEM)


CHECKS: Mapping[Kind, Callable[[Case], None]] = {
    "task_done": _task,
    "task_cancelled": _task,
    "approve": _second,
    "reject": _second,
    "withdraw": _withdrawn,
}

OVER = Text(zh="此事项已处理或已撤销", en="That was settled or taken back already")
LOOK_AGAIN = Text(zh="请查看下方最新情况。", en="Look at where it stands now.")
SAME_PERSON = Text(zh="升至最高等级须由另一人批准", en="The top tier needs a second person")
ASK_ANOTHER = Text(
    zh="提出调整的人不能批准自己的调整，请另一位经理批准。",
    en="Who proposed it cannot approve it; ask another manager.",
)
NOT_YOURS = Text(zh="这是他人的记录", en="Somebody else put that on record")
ASK_THEM = Text(zh="请本人或管理员撤销。", en="Ask them, or an administrator, to take it back.")
