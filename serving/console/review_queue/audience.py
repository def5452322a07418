"""The audience of the queue: who is asked for, in which order, and what working them would bring.

Every question is one comparison over a column of the book; an audience of a million customers is
found, ordered and summed without looking at anybody alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from configs.section import Text
from configs.team import Team
from serving.console.book import Book, Flags, Numbers, Places, Rows
from serving.console.review_queue.asked import NOBODY, Asked
from serving.console.review_queue.worked import Worked

CURVE_POINTS = 24


@dataclass(frozen=True)
class Order:
    """One way to order customers.

    Attributes:
        name: for readers.
        of: a number per customer, the least first; the unknown come last either way round.
        is_kept: it depends on the publication alone.
    """

    name: Text
    of: Callable[[Book, Worked], Numbers]
    is_kept: bool = True


ORDERS: Mapping[str, Order] = {
    "risk": Order(Text(zh="流失风险价值", en="Value at risk"), lambda book, done: -book.rank_by),
    "churn": Order(Text(zh="流失概率", en="Churn probability"), lambda book, done: -book.churn),
    "change": Order(
        Text(zh="流失概率变化", en="Change of churn"),
        lambda book, done: book.churn_before - book.churn,
    ),
    "value": Order(Text(zh="预期价值", en="Expected value"), lambda book, done: -book.value),
    "tier": Order(
        Text(zh="等级", en="Tier"),
        lambda book, done: np.where(done.tier.codes < 0, np.nan, done.tier.codes),
        is_kept=False,
    ),
    "order": Order(Text(zh="下次下单", en="Next order"), lambda book, done: book.due_in_days),
    "contact": Order(
        Text(zh="上次联系", en="Last contact"), lambda book, done: -book.last_contact_days
    ),
    "complaint": Order(
        Text(zh="未决投诉", en="Open complaints"), lambda book, done: -book.open_complaints
    ),
    "due": Order(Text(zh="截止日", en="Due"), lambda book, done: done.due, is_kept=False),
    "id": Order(
        Text(zh="客户", en="Customer"), lambda book, done: np.arange(len(book), dtype=np.float64)
    ),
}
USUAL_ORDER = "risk"


@dataclass(frozen=True)
class Audience:
    """Whom a reader asked for.

    Attributes:
        rows: of the book, those worked first in front.
        matching: how many match but for the limit on their number.
    """

    rows: Places
    matching: int

    def __len__(self) -> int:
        return len(self.rows)


@dataclass(frozen=True)
class Figures:
    """What working an audience would bring.

    Attributes:
        customers: in it.
        caught: of those expected to leave, how many are in it: the sum of churn probabilities.
        leavers: expected among all customers.
        false_alarms: of the audience, how many would stay anyhow.
        hours: to contact each of them once.
        value: they are expected to bring, money; ``None`` without a value model.
        at_risk: of it, what is lost if they leave as likely as forecast.
    """

    customers: int
    caught: float
    leavers: float
    false_alarms: float
    hours: float
    value: float | None
    at_risk: float | None

    @property
    def caught_share(self) -> float | None:
        """Share of all expected losses that are caught."""
        return self.caught / self.leavers if self.leavers > 0 else None


def audience(
    book: Book, done: Worked, asked: Asked, found: npt.NDArray[np.int64] | None
) -> Audience:
    """Return whom ``asked`` asks for; an id is searched for among everybody.

    Args:
        book: everybody.
        done: where they stand.
        asked: the filters.
        found: rows of those whose ids are searched for; ``None`` where none are.
    """
    order = ordered(book, done, USUAL_ORDER)
    rows = order[matching(book, done, asked, found)[order]]
    is_cut = asked.most is not None and not asked.search
    return Audience(rows[: asked.most] if is_cut else rows, len(rows))


def listed(
    book: Book, done: Worked, sort: str, whom: Audience, equals: Rows | None = None
) -> Places:
    """Return the rows of an audience in the order of the list.

    Args:
        book: everybody.
        done: where they stand.
        sort: name of the order.
        whom: the audience.
        equals: all rows, in the order in which equals stand; ``None`` for that of ids. It takes
            the place of the order by id, too.
    """
    if sort in ("", USUAL_ORDER) and equals is None:
        return whom.rows
    order = ordered(book, done, sort) if equals is None else equals
    is_in = np.zeros(len(book), dtype=bool)
    is_in[whom.rows] = True
    rows = order[is_in[order]].astype(np.int32)
    return rows if equals is None else _again(book, done, sort, rows)


def _again(book: Book, done: Worked, sort: str, rows: Places) -> Places:
    """Return ``rows`` by ``sort``, equals as they stand in ``rows``."""
    if sort.removeprefix("-") == "id":
        return rows[::-1] if sort.startswith("-") else rows
    order = ORDERS[sort.removeprefix("-") or USUAL_ORDER]
    way = -1.0 if sort.startswith("-") else 1.0
    keys = (way * order.of(book, done))[rows]
    return rows[np.argsort(keys, kind="stable")]


def matching(
    book: Book, done: Worked, asked: Asked, found: npt.NDArray[np.int64] | None = None
) -> Flags:
    """Return who passes every filter."""
    flags = np.ones(len(book), dtype=bool)
    for passed in filters(book, done, asked):
        flags &= passed
    if found is not None:
        is_found = np.zeros(len(book), dtype=bool)
        is_found[found] = True
        flags &= is_found
    return flags


def filters(book: Book, done: Worked, asked: Asked) -> Iterator[Flags]:
    """Yield who passes, for each filter that is asked for."""
    if asked.churn > 0 and not asked.search:
        yield book.churn >= asked.churn
    if asked.worth > 0:
        yield book.value >= asked.worth
    if asked.tiers:
        yield done.tier.are(asked.tiers)
    for column, word in (
        (book.band, asked.band),
        (book.lifecycle, asked.stage),
        (book.segment, asked.segment),
    ):
        if word:
            yield column.are([word])
    if asked.owner:
        yield done.owner.codes < 0 if asked.owner == NOBODY else done.owner.are([asked.owner])
    if asked.late == "order":
        yield book.due_in_days < 0
    if asked.late == "due":
        yield done.due < done.day.toordinal()
    if asked.complaint:
        yield book.open_complaints > 0
    if asked.done:
        yield done.is_worked == (asked.done == "yes")
    if not asked.hidden and not asked.search:
        yield ~done.is_hidden


def ordered(book: Book, done: Worked, sort: str) -> Places:
    """Return all rows by ``sort``, equals by id; the unknown come last either way round."""
    order = ORDERS[sort.removeprefix("-") or USUAL_ORDER]
    way = -1.0 if sort.startswith("-") else 1.0
    if order.is_kept:
        return book.order(sort, lambda one: way * order.of(one, done))
    return np.argsort(way * order.of(book, done), kind="stable").astype(np.int32)


def figures(book: Book, done: Worked, team: Team, rows: Places) -> Figures:
    """Return what working ``rows`` would bring."""
    churn = book.churn[rows]
    caught = float(np.nansum(churn))
    return Figures(
        customers=len(rows),
        caught=caught,
        leavers=book.leavers,
        false_alarms=int(np.count_nonzero(~np.isnan(churn))) - caught,
        hours=float(minutes(done, team, rows).sum()) / 60,
        value=float(np.nansum(book.value[rows])) if book.has_value else None,
        at_risk=float(np.nansum(book.at_risk[rows])) if book.has_value else None,
    )


def minutes(done: Worked, team: Team, rows: Places | Flags) -> Numbers:
    """Return how long one contact with each of ``rows`` takes, by the tier that counts."""
    by_tier = np.array([*(team.minutes(tier) for tier in done.tier.words), team.minutes(None)])
    return np.asarray(by_tier[done.tier.codes[rows]], dtype=np.float64)


def fitting(done: Worked, team: Team, rows: Places, within: float) -> int:
    """Return how many of ``rows``, from the first on, can be contacted in so many minutes.

    Contacts that are assigned and due in this week are planned for already and take no more.
    """
    more = np.where(done.is_due_this_week[rows], 0.0, minutes(done, team, rows))
    return int(np.searchsorted(np.cumsum(more), within, side="right"))


@dataclass(frozen=True)
class Point:
    """A point of the curve: what working the first ``customers`` would bring."""

    customers: int
    caught: float
    false_alarms: float
    hours: float


def curve(book: Book, done: Worked, team: Team, rows: Places) -> list[Point]:
    """Return what working more and more of ``rows``, from the first on, would bring."""
    if not len(rows):
        return []
    ends = np.unique(np.linspace(1, len(rows), min(CURVE_POINTS, len(rows))).astype(np.int64))
    churn = book.churn[rows]
    caught = np.cumsum(np.nan_to_num(churn))[ends - 1]
    known = np.cumsum(~np.isnan(churn))[ends - 1]
    hours = np.cumsum(minutes(done, team, rows))[ends - 1] / 60
    return [
        Point(int(end), float(one), float(all_ - one), float(time))
        for end, one, all_, time in zip(ends, caught, known, hours, strict=True)
    ]
