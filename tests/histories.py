"""Invented customer histories, and the same ones with everything after a cutoff changed."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

from features.sources import EPOCH, date_of
from tests.engines import day_of

Row = dict[str, Any]
Tables = dict[str, list[Row]]
FIRST_DAY, LAST_DAY = 18_900, 19_800
CUTOFFS = (19_400, 19_456, 19_700)

KINDS = {
    "transactions": ("purchase", "purchase", "purchase", "refund"),
    "interactions": ("visit", "enquiry", "support", "complaint", "event", "campaign", "click"),
}
CHANNELS = ("phone", "email", "chat", "web", "app", "store", "social", "sms", "wechat", None)
INSTRUMENTS = ("csat", "csat", "nps", "ces", "review")
ATTRIBUTES = ("membership_level", "points", "followers", "credit_limit", "credit_used")
EVENTS = ("transactions", "interactions", "satisfaction", "attributes")


def histories(n_customers: int, seed: int) -> dict[str, Tables]:
    """Return the tables of each customer, by customer."""
    random = Random(seed)
    return {f"c{number:04}": history(random) for number in range(n_customers)}


def history(random: Random) -> Tables:
    tables = {
        name: [event(name, random, FIRST_DAY, LAST_DAY) for _ in range(random.randrange(6))]
        for name in EVENTS
    }
    if random.random() < 0.7:
        tables["customers"] = [customer(random)]
    return tables


def together(customers: Mapping[str, Tables], prefix: str = "") -> Tables:
    """Return the tables of all customers as one set of tables."""
    merged: Tables = {}
    for customer_id, tables in customers.items():
        for name, rows in tables.items():
            merged.setdefault(name, [])
            merged[name] += [{"customer_id": prefix + customer_id, **row} for row in rows]
    return merged


def event(name: str, random: Random, first: int, last: int) -> Row:
    """Return a row of an event table that occurred on ``first`` … ``last``."""
    occurred = moment(random, first, last)
    row = {"occurred_at": occurred, "recorded_at": None, **MAKE[name](random, occurred)}
    if random.random() < 0.3:
        row["recorded_at"] = later(random, occurred, 60)
    return dated(row)


def customer(random: Random) -> Row:
    day = random.choice((None, random.randint(FIRST_DAY, LAST_DAY)))
    ended = random.choice((None, random.randint(day or FIRST_DAY, LAST_DAY)))
    signed_up_on = None if day is None else date_of(day)
    ended_on = None if ended is None else date_of(ended)
    return {"signed_up_on": signed_up_on, "ended_on": ended_on, "day": day, "known_day": day}


def dated(row: Row) -> Row:
    day = day_of(row["occurred_at"])
    recorded = row["recorded_at"]
    known = day if recorded is None else max(day, day_of(recorded))
    return {**row, "day": day, "known_day": known}


def transaction(random: Random, occurred: dt.datetime) -> Row:
    return {
        "kind": random.choice(KINDS["transactions"]),
        "amount": round(random.lognormvariate(3, 1), 2),
        "order_id": random.choice((None, *(f"o{n}" for n in range(20)))),
        "margin": random.choice((None, round(random.uniform(0, 9), 2))),
        "discount": random.choice((None, 0.0, round(random.uniform(0, 9), 2))),
        "quantity": random.choice((None, 0.0, 1.0, 3.0)),
        "product_id": random.choice((None, *(f"p{n}" for n in range(5)))),
        "category": random.choice((None, "tea", "cup", "pot")),
    }


def interaction(random: Random, occurred: dt.datetime) -> Row:
    responded, resolved = later(random, occurred, 3), later(random, occurred, 60)
    answer = random.random() < 0.7
    solved = random.random() < 0.7
    return {
        "kind": random.choice(KINDS["interactions"]),
        "channel": random.choice(CHANNELS),
        "direction": random.choice(("inbound", "outbound", None)),
        "duration_seconds": random.choice((None, round(random.uniform(1, 900), 1))),
        "sentiment": random.choice((None, round(random.random(), 4))),
        **answered(occurred, responded if answer else None),
        **resolution(occurred, resolved if solved else None),
    }


def answered(occurred: dt.datetime, responded: dt.datetime | None) -> Row:
    return {
        "responded_at": responded,
        "response_hours": hours(occurred, responded),
        "responded_day": None if responded is None else day_of(responded),
    }


def resolution(occurred: dt.datetime, resolved: dt.datetime | None) -> Row:
    return {
        "resolved_at": resolved,
        "resolution_hours": hours(occurred, resolved),
        "resolved_day": None if resolved is None else day_of(resolved),
    }


def answer(random: Random, occurred: dt.datetime) -> Row:
    return {
        "instrument": random.choice(INSTRUMENTS),
        "score": float(random.randint(0, 10)),
        "scale_min": random.choice((None, 0.0)),
        "scale_max": random.choice((None, 10.0)),
        "comment": random.choice((None, "好", "slow")),
        "sentiment": random.choice((None, round(random.random(), 4))),
    }


def fact(random: Random, occurred: dt.datetime) -> Row:
    number = float(random.randint(0, 50))
    name = random.choice(ATTRIBUTES)
    return {"name": name, "value": str(number), "number": number, "observed_at": occurred}


MAKE = {
    "transactions": transaction,
    "interactions": interaction,
    "satisfaction": answer,
    "attributes": fact,
}


def moment(random: Random, first: int, last: int) -> dt.datetime:
    midnight = dt.datetime.combine(EPOCH, dt.time()) + dt.timedelta(random.randint(first, last))
    return midnight + dt.timedelta(seconds=random.choice((0, 1, 43_200, 86_399)))


def later(random: Random, occurred: dt.datetime, days: int) -> dt.datetime:
    return occurred + dt.timedelta(hours=random.randint(0, 24 * days))


def hours(start: dt.datetime, end: dt.datetime | None) -> float | None:
    return None if end is None else (end - start) / dt.timedelta(hours=1)


# ---- another future


def with_another_future(tables: Tables, cutoff: int, random: Random) -> Tables:
    """Return the history with what came to be known after ``cutoff`` added, altered, removed."""
    changed = {}
    for name in EVENTS:
        rows = [another_future(name, row, cutoff, random) for row in tables[name]]
        changed[name] = [row for row in rows if row] + news(name, cutoff, random)
        random.shuffle(changed[name])
    if "customers" in tables:
        changed["customers"] = [ending_moved(row, cutoff, random) for row in tables["customers"]]
    return changed


def another_future(name: str, row: Row, cutoff: int, random: Random) -> Row | None:
    if row["known_day"] > cutoff:
        altered = {**row, **MAKE[name](random, row["occurred_at"])}
        return random.choice((None, row, altered))
    if name != "interactions":
        return row
    moved = moment(random, cutoff + 1, LAST_DAY + 90)
    moved = random.choice((None, moved))
    if row["responded_at"] is None or day_of(row["responded_at"]) > cutoff:
        row = {**row, **answered(row["occurred_at"], moved)}
    if row["resolved_at"] is None or day_of(row["resolved_at"]) > cutoff:
        row = {**row, **resolution(row["occurred_at"], moved)}
    return row


def news(name: str, cutoff: int, random: Random) -> list[Row]:
    """Return rows that occurred after the cutoff, or before but were recorded after it."""
    after = [event(name, random, cutoff + 1, LAST_DAY + 90) for _ in range(random.randrange(3))]
    before = [event(name, random, FIRST_DAY, cutoff) for _ in range(random.randrange(3))]
    late = [dated({**r, "recorded_at": moment(random, cutoff + 1, LAST_DAY + 90)}) for r in before]
    return after + late


def ending_moved(row: Row, cutoff: int, random: Random) -> Row:
    if row["ended_on"] is not None and day_of(row["ended_on"]) <= cutoff:
        return row
    return {**row, "ended_on": random.choice((None, date_of(random.randint(cutoff + 1, LAST_DAY))))}


def other_futures(customers: Mapping[str, Tables], cutoffs: Sequence[int], seed: int) -> Any:
    """Return each customer's cutoff and the same history with another future after it."""
    random = Random(seed)
    at = {customer_id: random.choice(cutoffs) for customer_id in customers}
    changed = {
        customer_id: with_another_future(tables, at[customer_id], random)
        for customer_id, tables in customers.items()
    }
    return at, changed
