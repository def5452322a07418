"""From a form to a deed: what each kind of action asks for, checked field by field."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from starlette.datastructures import FormData

from configs.schema import Config
from configs.section import Text
from serving.console.acting import fields
from serving.console.acting.choices import (
    CHANNELS,
    DISMISSALS,
    MISTAKES,
    OUTCOMES,
    OVERRIDES,
)
from serving.console.acting.events import Deed, Kind
from serving.console.acting.standing import Standing
from serving.scores.answers import Answer
from training.policy import Policy

DUE_DAYS = 366
SNOOZE_DAYS = 366
OVERRIDE_DAYS = 366
OVERRIDE_LASTS = dt.timedelta(days=90)
"""What the form proposes; at most a year, since nothing that a person said holds for ever."""
ANY = "other:"
"""A reason that is not among those shown."""

OWNER = Text(zh="负责人", en="Owner")
DUE = Text(zh="截止日期", en="Due")
UNTIL = Text(zh="截至日期", en="Until")
CHANNEL = Text(zh="渠道", en="Channel")
OUTCOME = Text(zh="结果", en="Outcome")
REASON = Text(zh="原因", en="Reason")
TIER = Text(zh="等级", en="Tier")
OFFER = Text(zh="优惠", en="Offer")
MISTAKE = Text(zh="错在哪里", en="What is wrong")

Details = Mapping[str, Any]


@dataclass(frozen=True)
class Asked:
    """A form about one customer, and what is known of them.

    Attributes:
        form: as it was sent.
        config: the company.
        today: the company's local day.
        policy: whose tiers are in force.
        owners: names of those who can be assigned, by code.
        answer: what is published of the customer.
        standing: after all that people did.
        left_out: whether of an action a customer is left out at random.
    """

    form: FormData
    config: Config
    today: dt.date
    policy: Policy
    owners: Mapping[str, str]
    answer: Answer
    standing: Standing
    left_out: Callable[[str, str], bool]

    @cached_property
    def published(self) -> str | None:
        """The code of the tier that is published."""
        tier = self.answer["tier"]
        return None if tier is None else str(tier["code"])

    @cached_property
    def effective(self) -> str | None:
        """The code of the tier that counts today."""
        return self.standing.effective_tier(self.published, self.today, self.policy)


class HeldOutError(Exception):
    """An offer goes to somebody who is left out of that action at random; say so first."""


def deed(kind: Kind, asked: Asked) -> Deed:
    """Return what the form of ``kind`` says.

    Raises:
        PageError: a field is missing or wrong; it says which, and how to mend it.
        HeldOutError: they are left out of that action, and the form does not say "despite".
    """
    return Deed(str(asked.answer["customer_id"]), kind, READERS[kind](asked))


def _assign(asked: Asked) -> Details:
    owner = fields.chosen(asked.form, "owner", OWNER, asked.owners)
    return {"owner": owner, "name": asked.owners[owner], "due": _due(asked)}


def _contact(asked: Asked) -> Details:
    return {
        "channel": fields.chosen(asked.form, "channel", CHANNEL, CHANNELS),
        "outcome": fields.chosen(asked.form, "outcome", OUTCOME, OUTCOMES),
        "note": fields.note(asked.form),
    }


def _offer(asked: Asked) -> Details:
    codes = [action.code for action in asked.config.actions]
    action = fields.chosen(asked.form, "action", OFFER, ["", *codes]) or None
    is_held_out = action is not None and asked.left_out(action, str(asked.answer["customer_id"]))
    if is_held_out and asked.form.get("despite") != "hold-out":
        raise HeldOutError
    return {
        "action": action,
        "amount": fields.amount(asked.form),
        "currency": asked.config.currency,
        "tier": asked.effective or "",
        "held_out": is_held_out,
        "note": fields.note(asked.form),
    }


def _task(asked: Asked) -> Details:
    owner = fields.chosen(asked.form, "owner", OWNER, ["", *asked.owners]) or None
    return {
        "title": fields.title(asked.form),
        "owner": owner,
        "name": None if owner is None else asked.owners[owner],
        "due": _due(asked),
        "note": fields.note(asked.form),
    }


def _snooze(asked: Asked) -> Details:
    tomorrow = asked.today + dt.timedelta(days=1)
    return {"until": _iso(fields.day(asked.form, "until", UNTIL, tomorrow, SNOOZE_DAYS))}


def _dismiss(asked: Asked) -> Details:
    first = asked.today + dt.timedelta(days=1)
    until = fields.day(asked.form, "until", UNTIL, first, 3 * DUE_DAYS, is_needed=False)
    return {
        "reason": fields.chosen(asked.form, "reason", REASON, DISMISSALS),
        "note": fields.note(asked.form),
        "until": _iso(until),
    }


def _override(asked: Asked) -> Details:
    codes = [tier.code for tier in asked.policy.tiers]
    until = fields.day(asked.form, "until", UNTIL, asked.today, OVERRIDE_DAYS)
    return {
        "tier": fields.chosen(asked.form, "tier", TIER, codes),
        "published": asked.published,
        "reason": fields.chosen(asked.form, "reason", REASON, OVERRIDES),
        "note": fields.note(asked.form),
        "until": _iso(until),
    }


def _wrong_reason(asked: Asked) -> Details:
    shown = [f"{one['target']}:{one['concept']}" for one in asked.answer["reasons"]]
    target, _, concept = fields.chosen(asked.form, "reason", REASON, [*shown, f"{ANY}"]).partition(
        ":"
    )
    return {
        "concept": concept or None,
        "target": None if target == "other" else target,
        "mistake": fields.chosen(asked.form, "mistake", MISTAKE, MISTAKES),
        "note": fields.note(asked.form, is_needed=True),
    }


def _about_event(asked: Asked) -> Details:
    about = fields.number(asked.form, "event", Text(zh="记录", en="Entry"))
    return {"event": about, "note": fields.note(asked.form)}


def _due(asked: Asked) -> str | None:
    return _iso(fields.day(asked.form, "due", DUE, asked.today, DUE_DAYS, is_needed=False))


def _iso(day: dt.date | None) -> str | None:
    return None if day is None else day.isoformat()


READERS: Mapping[Kind, Callable[[Asked], Details]] = {
    "assign": _assign,
    "contact": _contact,
    "offer": _offer,
    "task": _task,
    "task_done": _about_event,
    "task_cancelled": _about_event,
    "snooze": _snooze,
    "dismiss": _dismiss,
    "override": _override,
    "approve": _about_event,
    "reject": _about_event,
    "wrong_reason": _wrong_reason,
    "withdraw": _about_event,
}
SEVERAL: frozenset[Kind] = frozenset({"assign", "contact", "snooze", "dismiss", "task"})
"""What can be done about several customers by one form."""
