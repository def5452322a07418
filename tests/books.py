"""Books of customers that nobody published, for what is said of lists of any size."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pyarrow as pa

from serving.console.book import Book, Coded, Numbers

TIERS = ("vip", "potential", "general", "low")
BANDS = ("high", "medium", "low")


def made_up(n: int, seed: int = 0, by_churn_alone: bool = False) -> Book:
    """Return ``n`` customers drawn at random, some of whom little is known."""
    rng = np.random.default_rng(seed)
    churn, value = rng.beta(1, 2, n), rng.lognormal(6, 1.5, n)

    def some(values: Numbers) -> Numbers:
        return np.where(rng.uniform(size=n) < 0.2, np.nan, values)

    def words(*known: str) -> Coded:
        return Coded(rng.integers(-1, len(known), n).astype(np.int16), known)

    return Book(
        as_of=dt.date(2026, 6, 30),
        by_churn_alone=by_churn_alone,
        customer_ids=pa.array([f"C{number:07d}" for number in range(n)], pa.string()),
        churn=churn,
        churn_before=some(rng.beta(1, 2, n)),
        value=value,
        value_before=some(value * rng.uniform(0.5, 2.0, n)),
        low=value * 0.4,
        high=value * 2.0,
        tier=words(*TIERS),
        tier_before=words(*TIERS),
        band=Coded(np.digitize(-churn, (-0.6, -0.3)).astype(np.int16), BANDS),
        trend=words("rising", "steady", "falling"),
        lifecycle=words("new", "mature", "lost"),
        segment=words("loyal", "declining"),
        fallback=words("no_purchases"),
        tier_held=rng.uniform(size=n) < 0.1,
        completeness=rng.uniform(size=n),
        last_purchase_days=some(rng.integers(0, 800, n).astype(np.float64)),
        usual_interval_days=some(rng.uniform(5, 90, n)),
        last_contact_days=some(rng.integers(0, 366, n).astype(np.float64)),
        last_survey_days=some(rng.integers(0, 366, n).astype(np.float64)),
        nps=some(rng.integers(0, 11, n).astype(np.float64)),
        csat=some(rng.integers(1, 6, n).astype(np.float64)),
        open_complaints=rng.integers(0, 3, n).astype(np.float64),
    )
