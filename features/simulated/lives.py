"""What nobody sees: who the customers are, how content, when they begin to drift and leave.

A customer buys at a rate of their own (Gamma between customers, lognormal over time) until they
leave. Leaving has two steps. A *drift* sets in at random, sooner for the discontent, or with an
unresolved complaint; from then on contacts and satisfaction fall, and ``drift_days`` later the
customer is gone. Purchases alone show it only afterwards: contacts and surveys carry the warning.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from features.simulated.calendar import Calendar, Flags, Floats, Ints

NEVER = np.int64(10**7)
ENGAGEMENT_SIGMA = 0.6
ENGAGEMENT_MEMORY = 0.88
"""Correlation of a customer's engagement between one 28-day period and the next."""
UNRESOLVED_SHARE = 0.3
DRIFT_AFTER_UNRESOLVED = 0.5
FUTURE_DAYS = 365


@dataclass(frozen=True)
class Span:
    """The days that records cover, as day numbers, both included."""

    first_day: int
    last_day: int

    @property
    def days_with_future(self) -> int:
        """Days lived: the recorded ones and the year after, which only the truth knows."""
        return self.last_day - self.first_day + 1 + FUTURE_DAYS


@dataclass(frozen=True)
class Traits:
    """What stays the same about each customer; every array has one entry per customer."""

    signed_up: Ints
    first_order: Ints
    """Day of the order that opens the relation; before the span for those already known."""
    purchases_per_day: Floats
    """Mean rate over the seasons while a customer; 0 for those who never buy."""
    visits_per_day: Floats
    mean_spend: Floats
    """Expected amount of an order at ``first_order``."""
    spend_growth: Floats
    """Yearly growth of the order amount, in logs."""
    satisfaction: Floats
    """Hidden contentment before any drift: mean 0, standard deviation 1."""
    failure_share: Floats
    """Share of orders that go wrong and end in a complaint."""
    base_drift_per_day: Floats
    drift_days: Ints
    speaks_english: Flags
    is_business: Flags
    persuadable: Floats
    """Probability that a retention action ends a drift."""
    irritable: Flags
    """Claims that a retention action itself may start a drift."""

    @property
    def drift_per_day(self) -> Floats:
        """Hazard of drifting from all causes, complaints included."""
        complaints = self.purchases_per_day * self.failure_share * UNRESOLVED_SHARE
        return self.base_drift_per_day + complaints * DRIFT_AFTER_UNRESOLVED


@dataclass(frozen=True)
class Complaints:
    """Orders gone wrong: one entry per complaint, sorted by customer and day."""

    customer: Ints
    day: Ints
    is_resolved: Flags

    def before(self, day: Ints) -> Complaints:
        """Return the complaints made before each customer's ``day``."""
        kept = self.day < day[self.customer]
        return Complaints(self.customer[kept], self.day[kept], self.is_resolved[kept])


@dataclass(frozen=True)
class Lives:
    """Customers over the span and the year after it."""

    span: Span
    calendar: Calendar
    traits: Traits
    engagement: Floats
    """Factor on rates, shape (n_customers, n_periods), mean 1."""
    drifted: Ints
    by_complaint: Flags
    """Claims that a complaint left open began the drift."""
    left: Ints
    """First day as a customer no more; NEVER or later than the span for those who stay."""
    order_customer: Ints
    order_day: Ints
    complaints: Complaints

    @property
    def n_customers(self) -> int:
        """Number of customers."""
        return len(self.left)

    def presence(self, customer: Ints, day: Ints) -> Floats:
        """Return the share of usual contacts a customer keeps up: 1, falling to 0.1, then 0."""
        falling = 1.0 - 0.9 * self.drift_progress(customer, day)
        return np.where(day < self.left[customer], falling, 0.0)

    def drift_progress(self, customer: Ints, day: Ints) -> Floats:
        """Return how far the drift has gone, from 0 (none) to 1 (about to leave)."""
        done = (day - self.drifted[customer]) / self.traits.drift_days[customer]
        return np.clip(done, 0.0, 1.0)

    def mood(self, customer: Ints, day: Ints) -> Floats:
        """Return hidden satisfaction on ``day``: lower in a drift and after complaints."""
        mood = self.traits.satisfaction[customer] - 1.8 * self.drift_progress(customer, day)
        return mood - self._soreness(customer, day)

    def _soreness(self, customer: Ints, day: Ints) -> Floats:
        told = self.complaints
        if len(told.day) == 0:
            return np.zeros(len(day))
        last = np.searchsorted(_key(told.customer, told.day), _key(customer, day), "right") - 1
        last = np.maximum(last, 0)
        age = day - told.day[last]
        sore = (told.customer[last] == customer) & (age >= 0) & (age < 90)
        return np.where(sore, np.where(told.is_resolved[last], 0.3, 1.2), 0.0)


def _key(customer: Ints, day: Ints) -> Ints:
    return customer * NEVER + day


def live(rng: np.random.Generator, n_customers: int, span: Span, calendar: Calendar) -> Lives:
    """Return the lives of ``n_customers``; every draw comes from ``rng``."""
    traits = draw_traits(rng, n_customers, span)
    engagement = _engagement(rng, n_customers, calendar.n_periods)
    customer, day = _orders_if_never_left(rng, traits, engagement, calendar)
    complaints, resentful = _complaints(rng, traits, customer, day)
    drifted, by_complaint = _drift(rng, traits, span, complaints, resentful)
    left = drifted + traits.drift_days
    stays = day < left[customer]
    orders = customer[stays], day[stays]
    heard = complaints.before(left)
    return Lives(span, calendar, traits, engagement, drifted, by_complaint, left, *orders, heard)


def draw_traits(rng: np.random.Generator, n: int, span: Span) -> Traits:
    """Return who ``n`` customers are."""
    signed_up = _sign_ups(rng, n, span)
    is_new = signed_up >= span.first_day
    buys = rng.random(n) < 0.93
    rate = np.where(buys, rng.gamma(1.7, 5.8 / 1.7 / 365, n) + 0.4 / 365, 0.0)
    satisfaction = rng.normal(0.0, 1.0, n)
    return Traits(
        signed_up=signed_up,
        first_order=np.where(is_new, signed_up + rng.geometric(0.25, n) - 1, span.first_day - 1),
        purchases_per_day=rate,
        visits_per_day=rate * rng.gamma(4.0, 1.25 / 4.0, n) + 1.0 / 365,
        mean_spend=np.exp(rng.normal(5.2, 0.7, n)),
        spend_growth=rng.normal(0.03, 0.12, n),
        satisfaction=satisfaction,
        failure_share=1.0 / (1.0 + np.exp(3.0 + 0.6 * satisfaction)),
        base_drift_per_day=rng.gamma(3.0, 1.0 / 3.0, n) * 0.2 / 365 * np.exp(-1.0 * satisfaction),
        drift_days=rng.integers(40, 100, n),
        speaks_english=rng.random(n) < 0.2,
        is_business=rng.random(n) < 0.12,
        persuadable=rng.beta(2.0, 3.0, n),
        irritable=rng.random(n) < 0.08,
    )


def _sign_ups(rng: np.random.Generator, n: int, span: Span) -> Ints:
    """Return sign-up days: a quarter in the three years before, the rest evenly until the end."""
    length = span.last_day - span.first_day + 1
    before = span.first_day - 1 - np.floor(rng.random(n) * 1095).astype(np.int64)
    within = span.first_day + np.floor(rng.random(n) * length).astype(np.int64)
    return np.where(rng.random(n) < 0.25, before, within)


def _engagement(rng: np.random.Generator, n: int, n_periods: int) -> Floats:
    """Return exp of a stationary AR(1) per customer, scaled to mean 1."""
    level = np.empty((n, n_periods))
    shocks = rng.normal(0.0, ENGAGEMENT_SIGMA, (n, n_periods))
    level[:, 0] = shocks[:, 0]
    fresh = np.sqrt(1.0 - ENGAGEMENT_MEMORY**2)
    for period in range(1, n_periods):
        level[:, period] = ENGAGEMENT_MEMORY * level[:, period - 1] + fresh * shocks[:, period]
    return np.exp(level - ENGAGEMENT_SIGMA**2 / 2)


def _orders_if_never_left(
    rng: np.random.Generator, traits: Traits, engagement: Floats, calendar: Calendar
) -> tuple[Ints, Ints]:
    """Return (customer, day) of orders, sorted: the opening one and a Poisson process after it."""
    customer, day = calendar.draw(rng, traits.purchases_per_day[:, None] * engagement)
    after = day > traits.first_order[customer]
    opens = (traits.first_order >= calendar.first_day) & (traits.purchases_per_day > 0)
    opener = np.flatnonzero(opens)
    customer = np.concatenate([opener, customer[after]])
    day = np.concatenate([traits.first_order[opener], day[after]])
    order = np.argsort(_key(customer, day), kind="stable")
    return customer[order], day[order]


def _complaints(
    rng: np.random.Generator, traits: Traits, customer: Ints, day: Ints
) -> tuple[Complaints, Flags]:
    """Return complaints about orders, and which of them turn into a drift."""
    failed = rng.random(len(customer)) < traits.failure_share[customer]
    who, when = customer[failed], day[failed] + rng.integers(1, 8, int(failed.sum()))
    order = np.argsort(_key(who, when), kind="stable")
    resolved = rng.random(len(who)) >= UNRESOLVED_SHARE
    resentful = ~resolved & (rng.random(len(who)) < DRIFT_AFTER_UNRESOLVED)
    return Complaints(who[order], when[order], resolved), resentful


def _drift(
    rng: np.random.Generator, traits: Traits, span: Span, told: Complaints, resentful: Flags
) -> tuple[Ints, Flags]:
    """Return the first day of each drift, and whether a complaint was its earliest cause."""
    begins = np.maximum(traits.first_order, span.first_day)
    wait = rng.exponential(1.0, len(begins)) / traits.base_drift_per_day
    by_itself = begins + np.minimum(wait, float(NEVER)).astype(np.int64) + 1
    drifted = by_itself.copy()
    np.minimum.at(drifted, told.customer[resentful], told.day[resentful] + 1)
    return drifted, drifted < by_itself
