"""How far totals are off, before and after the level of the season, where truth is known.

    python -m benchmarks.level --companies=24 --first-seed=100

Companies of invented customers, half of them Pareto/NBD and half MBG/NBD: most had customers
before records begin, some have no season, some have customers who mostly buy in it. Cutoffs 372,
463 and 555 days into the records, 182 days ahead, as in the protocol on Online Retail II; purchase
model and level alone, no trees. Printed: mean and worst |log bias| of totals and buying shares.
"""

from __future__ import annotations

import argparse
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from training.level import levels_of
from training.purchase import KINDS, GammaGamma
from training.purchase_days import Days, PurchaseDays

Vector = NDArray[np.float64]
KIND = "pareto_nbd"
YEARS, BEFORE_DAYS, BEGIN = 2.6, 3 * 365, 10_000
CUTOFFS, HORIZON_DAYS = (372, 463, 555), 182


class Company(NamedTuple):
    """Purchase days from the day 10,000 on, and the height of the season in logs."""

    days: PurchaseDays
    season: float


def company(seed: int) -> Company:
    """Return an invented company."""
    rng = np.random.default_rng(seed)
    before = BEFORE_DAYS if rng.random() < 2 / 3 else 0
    length = before + int(365 * YEARS)
    height = float(rng.choice([0.0, 0.0, 0.6, 1.0, 1.6]))
    speed = _speed(rng, length, before, height)
    newcomers = speed ** rng.choice([0.0, 0.5, 1.0])
    newcomers *= np.exp(rng.normal(0, 0.2) * np.arange(length) / 365)
    born = np.repeat(np.arange(length), rng.poisson(4.0 * newcomers / newcomers.mean()))
    festive = rng.random(len(born)) < (rng.choice([0.0, 0.3]) if height else 0.0)
    shape = rng.uniform(0.5, 1.5)
    rate = rng.gamma(shape, rng.uniform(3, 12) / 365 / shape, len(born))
    life, chance = _leaving(rng, len(born))
    customer, day = [], []
    for who in range(len(born)):
        at = _purchases(rng, born[who], rate[who], speed**3 if festive[who] else speed)
        at = at[: rng.geometric(chance[who])]
        at = np.unique(at[at <= born[who] + life[who]])
        at = at[at >= before]
        customer.append(np.full(len(at), who))
        day.append((at - before + BEGIN).astype(np.int64))
    buyers, when = np.concatenate(customer), np.concatenate(day)
    spend = np.exp(rng.normal(5, 1.0, len(born)))[buyers] * rng.gamma(2, 0.5, len(buyers))
    return Company(PurchaseDays(_numbered(buyers), when, spend), height)


def _speed(rng: np.random.Generator, length: int, before: int, height: float) -> Vector:
    """Return how fast everybody buys by day: a peak a year, monthly shocks, a drift."""
    peak, width = rng.uniform(0, 365), rng.uniform(25, 60)
    day = np.arange(length) - before
    away = np.abs(day % 365 - peak)
    season = height * np.exp(-0.5 * (np.minimum(away, 365 - away) / width) ** 2)
    shocks = np.repeat(rng.normal(0, rng.choice([0.03, 0.08]), length // 28 + 1), 28)[:length]
    speed: Vector = np.exp(season) / np.exp(season).mean() * np.exp(shocks)
    return speed * np.exp(rng.normal(0, 0.08) * day / 365)


def _leaving(rng: np.random.Generator, n: int) -> tuple[Vector, Vector]:
    """Return days until each leaves (Pareto/NBD) and the chance to leave at a purchase (MBG)."""
    if rng.random() < 0.5:
        return np.full(n, np.inf), np.maximum(rng.beta(0.6, rng.uniform(2, 4), n), 1e-9)
    leaving = rng.gamma(0.7, rng.uniform(0.5, 2) / 365 / 0.7, n)
    return rng.exponential(1.0, n) / np.maximum(leaving, 1e-9), np.full(n, 1e-9)


def _purchases(rng: np.random.Generator, born: int, rate: float, speed: Vector) -> Days:
    ends = np.cumsum(speed[born:] / speed.mean())
    at = np.sort(rng.random(rng.poisson(rate * ends[-1]))) * ends[-1]
    return np.concatenate([[born], born + np.searchsorted(ends, at)])


def _numbered(who: Days) -> Days:
    return np.unique(who, return_inverse=True)[1].astype(np.int64)


def errors(days: PurchaseDays, cutoff: int) -> tuple[Vector, Vector, float]:
    """Return log bias of (value, buying share) without and with the level, and its weight."""
    past = days.day <= cutoff
    known_then = np.unique(days.customer[past])
    seen = PurchaseDays(_numbered(days.customer[past]), days.day[past], days.spend[past])
    later = ~past & (days.day <= cutoff + HORIZON_DAYS) & np.isin(days.customer, known_then)
    buying = len(np.unique(days.customer[later])) / len(known_then)
    actual = np.array([days.spend[later].sum(), buying])
    plain, found = _plain(seen, cutoff), levels_of(seen, cutoff, KIND)
    before = np.log(plain / actual)
    if found is None:
        return before, before, 0.0
    level = found.ahead(HORIZON_DAYS)
    after = np.log(np.array([level.value or plain[0], 1.0 - level.churn_rate]) / actual)
    return before, before + found.weight * (after - before), found.weight


def _plain(seen: PurchaseDays, cutoff: int) -> Vector:
    known = seen.at(cutoff)
    own = known.x, (known.last - known.first).astype(float), (cutoff - known.first).astype(float)
    model = KINDS[KIND].fit(*own)
    worth = GammaGamma.fit(known.x + 1.0, known.spend).expected_spend(known.x + 1.0, known.spend)
    none = model.probability_of_none(HORIZON_DAYS, *own)
    return np.array([model.expected_purchases(HORIZON_DAYS, *own) @ worth, 1.0 - none.mean()])


def main() -> None:
    """Print a line a company and cutoff, and the means."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--companies", type=int, default=24)
    parser.add_argument("--first-seed", type=int, default=100)
    chosen = parser.parse_args()
    rows = []
    print("seed  day season weight   value: before  after   buying: before  after")
    for seed in range(chosen.first_seed, chosen.first_seed + chosen.companies):
        one = company(seed)
        for day in CUTOFFS:
            before, after, weight = errors(one.days, BEGIN + day)
            rows.append((day, one.season, *before, *after))
            off = f"{before[0]:16.2f} {after[0]:6.2f} {before[1]:17.2f} {after[1]:6.2f}"
            print(f"{seed:4} {day:4} {one.season:6.1f} {weight:6.2f} {off}", flush=True)
    table = np.array(rows)
    for name, kept in (("season", table[:, 1] > 0), ("no season", table[:, 1] == 0)):
        for day in CUTOFFS:
            far = np.abs(table[kept & (table[:, 0] == day), 2:])
            told = [f"{o.mean():.3f} (worst {o.max():.2f})" for o in far.T]
            print(f"{name}, day {day}: value {told[0]} → {told[2]}, buying {told[1]} → {told[3]}")


if __name__ == "__main__":
    main()
