"""The rows of one page of the queue: what the book, the look-up and people say of each customer."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from configs.schema import Action
from configs.section import Text
from serving.console.acting.standing import NONE_YET, Standing
from serving.console.book import Book, Numbers, book
from serving.console.customer.sentence import weighing
from serving.console.masking import is_masked, mask
from serving.console.page import Visit
from serving.console.review_queue.advised import Adviser
from serving.console.review_queue.recommended import Recommended
from serving.console.review_queue.worked import Worked
from serving.endpoint.served import Served
from serving.scores.answers import Answer
from serving.scores.lead import advice
from serving.scores.reasons import REST_CONCEPT
from training.lifecycle import STAGES

REASONS = 3
CAPPED_DAYS = 365
"""Days since the last contact or survey are counted so far."""
IDS_AT_ONCE = 500


@dataclass(frozen=True)
class Reason:
    """Why a customer is likely to leave, or to stay.

    Attributes:
        text: in the reader's language.
        points: of the churn probability, in hundredths.
        is_stable: it stays among the reasons when the model is learnt again.
    """

    text: str
    points: float
    is_stable: bool | None


@dataclass(frozen=True)
class Row:
    """What the queue says of one customer; ``None`` where it is not known.

    Attributes:
        shown_id: the id as this person may see it.
        tier, tier_before: names; the tier that counts, and the one published before.
        move: 1 where the tier rose since the publication before, −1 where it fell.
        is_held: by hysteresis.
        is_overridden: a person gave the tier.
        stage: of the relationship.
        churn, churn_change, value, value_change, low, high, at_risk: figures.
        band: of risk.
        raising: what raises the risk most, in the reader's language; empty where nothing does.
        reasons: the strongest of the churn probability.
        advice: what to do first, in a sentence without its full stop.
        next_order: day on which the next is expected.
        overdue_days: past that day.
        contact_on: the last contact; on or before that day where ``is_long_ago``.
        nps, csat, asked_days: the latest answers and days since.
        open_complaints: not yet resolved.
        owner, due: who looks after them, and by when; ``is_late`` where that has passed.
        is_hidden: snoozed or dismissed.
        is_worked: something was done lately.
        recommended: an action.
        task: what was last handed out and is not done; empty to whom it is not for.
        instead_of: the action that would be, were the customer not left out of it at random.
        completeness, fallback: how much the figures rest on.
        is_new: not published before.
    """

    shown_id: str
    tier: Text | None
    tier_code: str | None
    tier_before: Text | None
    move: int
    is_held: bool
    is_overridden: bool
    stage: Text | None
    segment: Text | None
    churn: float | None
    churn_change: float | None
    value: float | None
    value_change: float | None
    low: float | None
    high: float | None
    at_risk: float | None
    band: str | None
    raising: str
    reasons: tuple[Reason, ...]
    advice: str
    next_order: dt.date | None
    overdue_days: int | None
    contact_on: dt.date | None
    is_long_ago: bool
    nps: float | None
    csat: float | None
    asked_days: int | None
    open_complaints: int
    owner: str | None
    due: dt.date | None
    is_late: bool
    is_hidden: bool
    is_worked: bool
    recommended: Recommended | None
    task: str
    instead_of: Action | None
    completeness: float | None
    fallback: str | None
    is_new: bool


def rows(visit: Visit, served: Served, done: Worked, chosen: Sequence[int]) -> Iterator[Row]:
    """Yield what the queue says of the ``chosen`` rows of the book, in their order."""
    teller = _Teller(visit, served, done)
    for start in range(0, len(chosen), IDS_AT_ONCE):
        part = [int(row) for row in chosen[start : start + IDS_AT_ONCE]]
        ids = [teller.book.id_of(row) for row in part]
        answers = served.publication.find_many(ids)
        for row, customer_id in zip(part, ids, strict=True):
            yield teller.row(row, customer_id, answers[customer_id])


class _Teller:
    """Says what is known of customers, for one visit."""

    def __init__(self, visit: Visit, served: Served, done: Worked) -> None:
        manifest = served.publication.manifest
        self.visit = visit
        self.served = served
        self.done = done
        self.book: Book = book(served)
        self.adviser = Adviser(visit, served)
        self.tiers = manifest.terms.tier_names
        self.segments = {one.code: one.name for one in manifest.segments}

    def row(self, row: int, customer_id: str, answer: Answer) -> Row:
        """Return what the queue says of one customer."""
        of, done = self.book, self.done
        standing = done.standings.get(customer_id, NONE_YET)
        shown_id = mask(self.visit, customer_id)
        tier = done.tier.at(row)
        due = _day(done.due[row])
        advised = self.adviser.of(row, customer_id)
        contact_on, is_long_ago = self._contact(row, standing)
        return Row(
            shown_id=shown_id,
            tier=None if tier is None else self.tiers[tier],
            tier_code=tier,
            tier_before=self.tiers.get(of.tier_before.at(row) or ""),
            move=self._move(row),
            is_held=bool(of.tier_held[row]),
            is_overridden=tier != of.tier.at(row),
            stage=STAGES.get(of.lifecycle.at(row) or ""),
            segment=self.segments.get(of.segment.at(row) or ""),
            churn=_known(of.churn, row),
            churn_change=_difference(of.churn, of.churn_before, row),
            value=_known(of.value, row),
            value_change=_difference(of.value, of.value_before, row),
            low=_known(of.low, row),
            high=_known(of.high, row),
            at_risk=_known(of.at_risk, row),
            band=of.band.at(row),
            raising=weighing(answer, self.served.bundle.features, self.visit.language),
            reasons=tuple(self._reasons(answer)),
            advice=advice({**answer, "customer_id": shown_id}, self.visit.language),
            next_order=self._next_order(row),
            overdue_days=self._overdue(row),
            contact_on=contact_on,
            is_long_ago=is_long_ago,
            nps=_known(of.nps, row),
            csat=_known(of.csat, row),
            asked_days=_whole(of.last_survey_days, row),
            open_complaints=_whole(of.open_complaints, row) or 0,
            owner=done.owners.get(done.owner.at(row) or ""),
            due=due,
            is_late=due is not None and due < done.day,
            is_hidden=bool(done.is_hidden[row]),
            is_worked=bool(done.is_worked[row]),
            recommended=advised.recommended,
            task=self._task(standing),
            instead_of=advised.instead_of,
            completeness=_known(of.completeness, row),
            fallback=of.fallback.at(row),
            is_new=math.isnan(of.churn_before[row]) and math.isnan(of.value_before[row]),
        )

    def _task(self, standing: Standing) -> str:
        if not standing.tasks or is_masked(self.visit):
            return ""
        return str(standing.tasks[-1].details["title"])

    def _move(self, row: int) -> int:
        """Return 1 where the published tier rose, −1 where it fell, 0 else."""
        before, now = self.book.tier_before.at(row), self.book.tier.at(row)
        words = self.book.tier.words
        if before not in words or now is None:
            return 0
        return (words.index(before) > words.index(now)) - (words.index(before) < words.index(now))

    def _reasons(self, answer: Answer) -> Iterator[Reason]:
        told = [
            one
            for one in answer["reasons"]
            if one["target"] == "churn" and one["concept"] != REST_CONCEPT
        ]
        for one in told[:REASONS]:
            yield Reason(one["text"][self.visit.language], one["points"], one["stable"])

    def _next_order(self, row: int) -> dt.date | None:
        days = _whole(self.book.due_in_days, row)
        return None if days is None else self.book.as_of + dt.timedelta(days=days)

    def _overdue(self, row: int) -> int | None:
        days = _whole(self.book.due_in_days, row)
        return -days if days is not None and days < 0 else None

    def _contact(self, row: int, standing: Standing) -> tuple[dt.date | None, bool]:
        """Return the day of the last contact, and whether it was then or before."""
        if standing.last_contact is not None:
            return standing.last_contact.at.astimezone(self.served.zone).date(), False
        days = _whole(self.book.last_contact_days, row)
        if days is None:
            return None, False
        return self.book.as_of - dt.timedelta(days=days), days >= CAPPED_DAYS


def _known(values: Numbers, row: int) -> float | None:
    value = float(values[row])
    return None if math.isnan(value) else value


def _whole(values: Numbers, row: int) -> int | None:
    value = float(values[row])
    return None if math.isnan(value) else round(value)


def _difference(now: Numbers, before: Numbers, row: int) -> float | None:
    change = float(now[row] - before[row])
    return None if math.isnan(change) else change


def _day(ordinal: float) -> dt.date | None:
    return None if math.isnan(ordinal) else dt.date.fromordinal(int(ordinal))
