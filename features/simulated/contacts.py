"""Interactions of simulated customers: visits, enquiries, tickets, campaigns, events, referrals.

Everything a customer does of their own accord thins out with :meth:`Lives.presence`; what the
company sends (campaigns) goes on for a year after they left, as the company does not know.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import pyarrow as pa

from features.simulated.calendar import Flags, Floats, Ints
from features.simulated.comments import Texts, enquiry_texts, ticket_texts
from features.simulated.export import (
    DAY_SECONDS,
    as_table,
    coded,
    exported,
    numbers,
    recorded,
    seconds_on,
    stamps,
)
from features.simulated.lives import Lives

KINDS = (
    "visit", "enquiry", "support", "complaint", "campaign", "click", "event", "share", "referral",
)  # fmt: skip
CHANNELS = ("app", "web", "wechat", "store", "phone", "chat", "email", "sms", "social")
CHANNELS_OF = {
    "visit": ("app", "web", "wechat", "store"),
    "enquiry": ("chat", "phone", "wechat", "email"),
    "support": ("chat", "phone", "wechat", "email"),
    "complaint": ("phone", "chat", "email", "social"),
    "campaign": ("sms", "email", "wechat", "app"),
    "click": ("sms", "email", "wechat", "app"),
    "event": ("store", "app", "wechat", "social"),
    "share": ("wechat", "social", "app", "web"),
    "referral": ("wechat", "app", "social", "store"),
}
VISITS_SEASON = 0.5
"""How far visits follow the shopping season: the power of its weights."""
FAVOURITE_SHARE = 0.72
"""Probability that a customer uses their favourite of the four channels of a kind."""
MEDIAN_SECONDS = {"visit": 210, "enquiry": 260, "support": 420, "complaint": 640, "event": 5400}


@dataclass(frozen=True)
class Contacts:
    """Interactions of one kind; ``answered`` and ``resolved`` are seconds, 0 where never."""

    kind: Ints
    customer: Ints
    occurred: Ints
    answered: Ints
    resolved: Ints
    seconds: Floats


def draw_contacts(rng: np.random.Generator, lives: Lives) -> Contacts:
    """Return every interaction of the span, kind by kind."""
    campaigns = _campaigns(rng, lives)
    kinds = [
        _visits(rng, lives),
        _of_kind(rng, "enquiry", *_own_accord(rng, lives, lives.traits.visits_per_day * 0.09)),
        _support(rng, lives),
        _complaints(rng, lives),
        campaigns,
        _clicks(rng, lives, campaigns),
        *_gestures(rng, lives),
    ]
    return Contacts(
        **{
            part.name: np.concatenate([getattr(kind, part.name) for kind in kinds])
            for part in fields(Contacts)
        }
    )


def _of_kind(
    rng: np.random.Generator,
    kind: str,
    customer: Ints,
    day: Ints,
    median_hours: float = 0.0,
    is_resolved: Flags | None = None,
) -> Contacts:
    """Return contacts of ``kind``, with answer times where ``median_hours`` are given."""
    n = len(day)
    occurred = seconds_on(rng, day)
    wait = 3600.0 * np.exp(rng.normal(0.0, 0.9, n))
    answered = occurred + (wait * (median_hours or 0.6) * 0.08).astype(np.int64)
    done = answered + (wait * median_hours * np.exp(rng.normal(0.0, 0.4, n))).astype(np.int64)
    has_answer = kind in ("enquiry", "support", "complaint")
    length = MEDIAN_SECONDS.get(kind, 0) * np.exp(rng.normal(0.0, 0.8, n))
    return Contacts(
        kind=np.full(n, KINDS.index(kind)),
        customer=customer,
        occurred=occurred,
        answered=answered * has_answer,
        resolved=done * (is_resolved if is_resolved is not None else np.zeros(n, np.int64)),
        seconds=np.round(length),
    )


def _own_accord(
    rng: np.random.Generator, lives: Lives, rate: Floats, season: float = VISITS_SEASON
) -> tuple[Ints, Ints]:
    """Return (customer, day) of what customers do themselves, at ``rate`` a day in good times."""
    calendar = lives.calendar.flattened(season).until(lives.span.last_day)
    customer, day = calendar.draw(rng, rate[:, None] * lives.engagement[:, : calendar.n_periods])
    present = rng.random(len(day)) < lives.presence(customer, day)
    kept = present & _in_reach(lives, customer, day)
    return customer[kept], day[kept]


def _in_reach(lives: Lives, customer: Ints, day: Ints) -> Flags:
    """Return whether a day lies in the span and not before the customer signed up."""
    return (day >= lives.traits.signed_up[customer]) & (day <= lives.span.last_day)


def _observed_orders(lives: Lives) -> tuple[Ints, Ints]:
    kept = lives.order_day <= lives.span.last_day
    return lives.order_customer[kept], lives.order_day[kept]


def _visits(rng: np.random.Generator, lives: Lives) -> Contacts:
    """Return visits: browsing, and a look at the shop up to three days before an order."""
    customer, day = _own_accord(rng, lives, lives.traits.visits_per_day)
    buyer, bought = _observed_orders(lives)
    looked = bought - np.minimum(rng.geometric(0.5, len(bought)) - 1, 3)
    kept = (rng.random(len(bought)) < 0.4) & _in_reach(lives, buyer, looked)
    return _of_kind(
        rng,
        "visit",
        np.concatenate([customer, buyer[kept]]),
        np.concatenate([day, looked[kept]]),
    )


def _support(rng: np.random.Generator, lives: Lives) -> Contacts:
    buyer, bought = _observed_orders(lives)
    asks = rng.random(len(bought)) < 0.08
    day = bought[asks] + rng.integers(0, 10, int(asks.sum()))
    kept = _in_reach(lives, buyer[asks], day) & (day < lives.left[buyer[asks]])
    is_resolved = rng.random(int(kept.sum())) < 0.93
    return _of_kind(rng, "support", buyer[asks][kept], day[kept], 9.0, is_resolved)


def _complaints(rng: np.random.Generator, lives: Lives) -> Contacts:
    told = lives.complaints
    kept = _in_reach(lives, told.customer, told.day)
    resolved = told.is_resolved[kept]
    return _of_kind(rng, "complaint", told.customer[kept], told.day[kept], 30.0, resolved)


def _campaigns(rng: np.random.Generator, lives: Lives) -> Contacts:
    rate = np.where(rng.random(lives.n_customers) < 0.85, 3.0 / 365, 0.0)
    calendar = lives.calendar.flattened(0.3).until(lives.span.last_day)
    customer, day = calendar.draw(rng, np.repeat(rate[:, None], calendar.n_periods, axis=1))
    kept = _in_reach(lives, customer, day) & (day < lives.left[customer] + 365)
    return _of_kind(rng, "campaign", customer[kept], day[kept])


def _clicks(rng: np.random.Generator, lives: Lives, campaigns: Contacts) -> Contacts:
    day = campaigns.occurred // DAY_SECONDS + np.minimum(
        rng.geometric(0.6, len(campaigns.kind)) - 1, 5
    )
    keen = lives.engagement[campaigns.customer, lives.calendar.period_of(day)]
    chance = np.clip(0.2 * keen, 0.0, 0.8) * lives.presence(campaigns.customer, day)
    kept = (rng.random(len(day)) < chance) & _in_reach(lives, campaigns.customer, day)
    return _of_kind(rng, "click", campaigns.customer[kept], day[kept])


def _gestures(rng: np.random.Generator, lives: Lives) -> list[Contacts]:
    """Return events attended, shares and referrals: the content do more of the latter two."""
    fans = np.exp(0.5 * lives.traits.satisfaction) * rng.gamma(0.7, 1.0 / 0.7, lives.n_customers)
    yearly = {"event": np.full(lives.n_customers, 0.3), "share": 0.6 * fans, "referral": 0.2 * fans}
    return [
        _of_kind(rng, kind, *_own_accord(rng, lives, rate / 365.0, season=0.0))
        for kind, rate in yearly.items()
    ]


def interactions(rng: np.random.Generator, lives: Lives, customer_ids: list[str]) -> pa.Table:
    """Return the interactions that the span's export holds, sorted by customer and time."""
    drawn = draw_contacts(rng, lives)
    known = recorded(rng, drawn.occurred)
    span = lives.span
    rows = exported(drawn.customer, drawn.occurred, known, span.last_day, span.first_day)
    contacts = Contacts(**{p.name: getattr(drawn, p.name)[rows] for p in fields(Contacts)})
    midnight = (span.last_day + 1) * DAY_SECONDS
    unknown = {
        moment: (getattr(contacts, moment) == 0) | (getattr(contacts, moment) >= midnight)
        for moment in ("answered", "resolved")
    }
    is_sent = np.isin(contacts.kind, [KINDS.index("campaign")])
    texts = _texts(rng, lives, contacts)
    return as_table(
        {
            "customer_id": coded(contacts.customer, customer_ids),
            "occurred_at": stamps(contacts.occurred),
            "channel": coded(_channels(rng, lives, contacts), CHANNELS),
            "kind": coded(contacts.kind, KINDS),
            "direction": coded(is_sent.astype(np.int64), ("inbound", "outbound")),
            "duration_seconds": numbers(contacts.seconds, contacts.seconds == 0),
            "responded_at": stamps(contacts.answered, unknown["answered"]),
            "resolved_at": stamps(contacts.resolved, unknown["resolved"]),
            "text": coded(texts.index, texts.texts, texts.index < 0),
            "recorded_at": stamps(known[rows]),
        }
    )


def _channels(rng: np.random.Generator, lives: Lives, contacts: Contacts) -> Ints:
    """Return a channel per contact: mostly the customer's favourite of the kind's four."""
    menu = np.array([[CHANNELS.index(name) for name in CHANNELS_OF[kind]] for kind in KINDS])
    favourite = rng.choice(4, lives.n_customers, p=[0.4, 0.2, 0.3, 0.1])[contacts.customer]
    any_of_them = rng.integers(0, 4, len(contacts.kind))
    faithful = rng.random(len(contacts.kind)) < FAVOURITE_SHARE
    return menu[contacts.kind, np.where(faithful, favourite, any_of_them)]


def _texts(rng: np.random.Generator, lives: Lives, contacts: Contacts) -> Texts:
    """Return what was said in tickets and enquiries, in the customer's language."""
    index = np.full(len(contacts.kind), -1)
    texts: list[str] = []
    spoken = rng.random(len(index)) < 0.8
    for kind, write in (
        ("enquiry", enquiry_texts),
        ("support", ticket_texts),
        ("complaint", ticket_texts),
    ):
        rows = np.flatnonzero(spoken & (contacts.kind == KINDS.index(kind)))
        customer = contacts.customer[rows]
        mood = lives.mood(customer, contacts.occurred[rows] // DAY_SECONDS) - 1.5 * (
            kind == "complaint"
        )
        index[rows] = len(texts) + np.arange(len(rows))
        texts += write(rng, mood, lives.traits.speaks_english[customer])
    return Texts(index, texts)
