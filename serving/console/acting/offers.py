"""What may still be offered: a budget for each tier and a cap for each customer.

Both hold for one planning period of the team, counted back from now. They are read while nobody
else writes, so two who offer at once cannot spend the same money.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from configs.schema import Config
from configs.section import Text
from configs.team import Team
from serving.console.acting.events import EVENTS, Deed
from serving.console.page import PageError
from serving.scores.numbers import money

HALF_A_CENT = 0.005


@dataclass(frozen=True)
class Left:
    """What may still be offered to one customer; ``None`` where there is no limit.

    Attributes:
        budget: of their tier, for all its customers together.
        spent: of it.
        cap: for this customer.
        given: of it.
        weeks: that both are for, back from now.
    """

    budget: float | None
    spent: float
    cap: float | None
    given: float
    weeks: int

    @property
    def of_budget(self) -> float | None:
        """What is left for the tier."""
        return None if self.budget is None else max(self.budget - self.spent, 0.0)

    @property
    def of_cap(self) -> float | None:
        """What is left for the customer."""
        return None if self.cap is None else max(self.cap - self.given, 0.0)

    @property
    def at_most(self) -> float | None:
        """The largest offer that both allow."""
        limits = [one for one in (self.of_budget, self.of_cap) if one is not None]
        return min(limits) if limits else None


def left(
    connection: sa.Connection, team: Team, customer_id: str, tier: str | None, now: dt.datetime
) -> Left:
    """Return what may still be offered to a customer of ``tier``."""
    terms, since = team.terms(tier), now - dt.timedelta(weeks=team.weeks)
    in_tier = EVENTS.c.details["tier"].as_string() == (tier or "")
    return Left(
        terms.budget,
        _offered(connection, since, in_tier),
        terms.offer_cap,
        _offered(connection, since, EVENTS.c.customer_id == customer_id),
        team.weeks,
    )


def offered_by_tier(
    connection: sa.Connection, team: Team, tiers: Sequence[str], now: dt.datetime
) -> tuple[float, ...]:
    """Return what was offered to each tier within the planning period, back from ``now``."""
    since, tier = now - dt.timedelta(weeks=team.weeks), EVENTS.c.details["tier"].as_string()
    return tuple(_offered(connection, since, tier == code) for code in tiers)


def _offered(connection: sa.Connection, since: dt.datetime, which: sa.ColumnElement[bool]) -> float:
    withdrawing = EVENTS.alias("withdrawing")
    is_withdrawn = (
        sa.select(withdrawing.c.id)
        .where(withdrawing.c.customer_id == EVENTS.c.customer_id, withdrawing.c.kind == "withdraw")
        .where(withdrawing.c.details["event"].as_integer() == EVENTS.c.id)
        .exists()
    )
    amount = sa.func.sum(EVENTS.c.details["amount"].as_float())
    asked = sa.select(amount).where(EVENTS.c.kind == "offer", EVENTS.c.at > since)
    return float(connection.execute(asked.where(which, ~is_withdrawn)).scalar() or 0.0)


def check(
    connection: sa.Connection, config: Config, deeds: Sequence[Deed], now: dt.datetime
) -> None:
    """Refuse offers that a budget or a cap does not allow, before any of them is kept.

    Raises:
        PageError: 422, with what is left.
    """
    planned: dict[str, float] = {}
    for deed in deeds:
        if deed.kind != "offer":
            continue
        tier, amount = deed.details["tier"], deed.details["amount"]
        room = left(connection, config.team, deed.customer_id, tier, now)
        planned[tier] = planned.get(tier, 0.0) + amount
        if room.of_cap is not None and amount > room.of_cap + HALF_A_CENT:
            raise _refused(CAP, room.of_cap, config)
        if room.of_budget is not None and planned[tier] > room.of_budget + HALF_A_CENT:
            raise _refused(BUDGET, room.of_budget, config)


def _refused(title: Text, rest: float, config: Config) -> PageError:
    weeks, currency = config.team.weeks, config.currency
    zh, en = money(rest, currency, "zh"), money(rest, currency, "en")
    remedy = Text(
        zh=f"最近{weeks}周内还可用{zh}。请减少金额，或请管理员调整额度。",
        en=f"{en} is left of {weeks} weeks. Offer less, or ask an administrator for more.",
    )
    return PageError(422, title, remedy)


CAP = Text(zh="超出该客户的优惠上限", en="More than this customer may be offered")
BUDGET = Text(zh="超出该等级的优惠预算", en="More than is left of the tier's budget")
