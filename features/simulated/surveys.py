"""Satisfaction of simulated customers: CSAT after orders, reviews, NPS twice a year.

A score is hidden satisfaction on that day plus noise, rounded to the scale; those who drift away
answer less often.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, fields

import numpy as np
import pyarrow as pa

from features.simulated.calendar import EPOCH, Floats, Ints
from features.simulated.comments import comments
from features.simulated.export import (
    as_table,
    coded,
    exported,
    numbers,
    recorded,
    seconds_on,
    stamps,
)
from features.simulated.lives import Lives, Span

INSTRUMENTS = ("csat", "review", "nps")
SCALE_MIN = np.array([1.0, 1.0, 0.0])
SCALE_MAX = np.array([5.0, 5.0, 10.0])
CENTRE = np.array([3.9, 4.0, 7.3])
"""Score of a customer of average satisfaction."""
STEP = np.array([0.8, 0.8, 1.8])
"""Points per standard deviation of satisfaction."""
COMMENT_SHARE = np.array([0.4, 1.0, 0.35])
NPS_DATES = ((4, 10), (10, 15))


@dataclass(frozen=True)
class Answers:
    """Surveys answered."""

    instrument: Ints
    customer: Ints
    day: Ints


def draw_answers(rng: np.random.Generator, lives: Lives) -> Answers:
    """Return every survey answered: who, when and which."""
    parts = [
        _after_orders(rng, lives, "csat", 0.28),
        _after_orders(rng, lives, "review", 0.07),
        _nps(rng, lives),
    ]
    return Answers(
        *(np.concatenate([getattr(p, field.name) for p in parts]) for field in fields(Answers))
    )


def _after_orders(rng: np.random.Generator, lives: Lives, instrument: str, share: float) -> Answers:
    observed = lives.order_day <= lives.span.last_day
    customer, day = lives.order_customer[observed], lives.order_day[observed]
    day = day + rng.integers(2, 12, len(day))
    answers = rng.random(len(day)) < share * (0.3 + 0.7 * lives.presence(customer, day))
    answers &= day < lives.left[customer]
    n = int(answers.sum())
    return Answers(np.full(n, INSTRUMENTS.index(instrument)), customer[answers], day[answers])


def _nps(rng: np.random.Generator, lives: Lives) -> Answers:
    waves = np.array(nps_days(lives.span), np.int64)
    customer = np.repeat(np.arange(lives.n_customers), len(waves))
    day = np.tile(waves, lives.n_customers) + rng.integers(0, 9, len(customer))
    answers = rng.random(len(day)) < 0.3 * lives.presence(customer, day)
    answers &= day >= np.maximum(lives.traits.first_order, lives.traits.signed_up)[customer]
    n = int(answers.sum())
    return Answers(np.full(n, INSTRUMENTS.index("nps")), customer[answers], day[answers])


def nps_days(span: Span) -> list[int]:
    """Return the day numbers on which the NPS question goes out."""
    first, last = (EPOCH + dt.timedelta(day) for day in (span.first_day, span.last_day))
    dates = [dt.date(y, *date) for y in range(first.year, last.year + 1) for date in NPS_DATES]
    return [(date - EPOCH).days for date in dates if first <= date <= last]


def scores(mood: Floats, instrument: Ints) -> Floats:
    """Return the whole-numbered score that ``mood`` gives on each instrument's scale."""
    exact = CENTRE[instrument] + STEP[instrument] * mood
    return np.clip(np.round(exact), SCALE_MIN[instrument], SCALE_MAX[instrument])


def satisfaction(rng: np.random.Generator, lives: Lives, customer_ids: list[str]) -> pa.Table:
    """Return the satisfaction answers that the span's export holds, by customer and time."""
    drawn = draw_answers(rng, lives)
    occurred = seconds_on(rng, drawn.day)
    known = recorded(rng, occurred)
    span = lives.span
    rows = exported(drawn.customer, occurred, known, span.last_day, span.first_day)
    customer, instrument = drawn.customer[rows], drawn.instrument[rows]
    felt = lives.mood(customer, drawn.day[rows]) + rng.normal(0.0, 0.45, len(rows))
    comment, has_comment = _comments(rng, lives, customer, instrument, felt)
    return as_table(
        {
            "customer_id": coded(customer, customer_ids),
            "occurred_at": stamps(occurred[rows]),
            "instrument": coded(instrument, INSTRUMENTS),
            "score": numbers(scores(felt, instrument)),
            "scale_min": numbers(SCALE_MIN[instrument]),
            "scale_max": numbers(SCALE_MAX[instrument]),
            "comment": coded(comment, has_comment, comment < 0),
            "recorded_at": stamps(known[rows]),
        }
    )


def _comments(
    rng: np.random.Generator, lives: Lives, customer: Ints, instrument: Ints, felt: Floats
) -> tuple[Ints, list[str]]:
    """Return an index into the texts per answer, -1 for none, and the texts."""
    speaks = rng.random(len(customer)) < COMMENT_SHARE[instrument]
    index = np.where(speaks, np.cumsum(speaks) - 1, -1)
    is_english = lives.traits.speaks_english[customer[speaks]]
    return index, comments(rng, felt[speaks], is_english)
