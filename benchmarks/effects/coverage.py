"""How often intervals hold the true effect, how far estimates are off, what is found at all."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.effects.truth import Company, audience, retained, spent
from training.pooled import pooled
from training.trial_effects import (
    Arms,
    Difference,
    look_level,
    mean_difference,
    rate_difference,
)

LEVELS = (0.9, 0.95)
SHARE = 0.1
QUARTERS = 4
Z_95 = 1.96


@dataclass(frozen=True)
class Row:
    """What many trials of one size showed.

    Attributes:
        what: outcome and group.
        n: customers of an audience.
        trials: how many gave an estimate.
        covered: level → share of intervals that hold the truth.
        bias: mean error of the estimate over its standard deviation.
        found: share of 95 % intervals on the true side of 0.
        width: mean half-width of the 95 % interval.
    """

    what: str
    n: int
    trials: int
    covered: dict[str, float]
    bias: float
    found: float
    width: float


def held_out(n: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Return who is left out, each with the default share."""
    return rng.random(n) < SHARE


def rows(company: Company, sizes: tuple[int, ...], trials: int, seed: int) -> Iterator[Row]:
    """Yield a row for retention, money and every tier, by size of the audience."""
    for n in sizes:
        rng = np.random.default_rng([seed, n])
        of_rates: list[_One] = []
        of_money: list[_One] = []
        by_tier: list[_One] = []
        drawn_together: list[_One] = []
        for _ in range(trials):
            some = audience(company, n, rng)
            left_out = held_out(n, rng)
            trial = retained(some, left_out, rng)
            of_rates += _one(trial, rate_difference, float(some.moved.mean()))
            money = spent(some, left_out)
            of_money += _one(money, mean_difference, float(some.gains.mean()))
            alone, together = _by_tier(trial, some)
            by_tier += alone
            drawn_together += together
        yield _row("retained, all tiers", n, of_rates)
        yield _row("retained, a tier alone", n, by_tier)
        yield _row("retained, a tier drawn to the others", n, drawn_together)
        yield _row("money of a year", n, of_money)


def every_look(company: Company, n: int, trials: int, seed: int) -> tuple[float, float]:
    """Return how often all of a year's quarterly intervals hold: at 95 % each, and by looks."""
    rng = np.random.default_rng([seed, n, QUARTERS])
    plain = wide = 0
    for _ in range(trials):
        some = audience(company, n * QUARTERS, rng)
        left_out = held_out(len(some), rng)
        trial = retained(some, left_out, rng)
        plain_holds = wide_holds = True
        for look in range(1, QUARTERS + 1):
            seen = np.arange(len(some)) < n * look
            truth = float(some.moved[seen].mean())
            plain_holds &= _holds(rate_difference(trial.of(seen)), truth)
            wide_holds &= _holds(rate_difference(trial.of(seen), look_level(look)), truth)
        plain, wide = plain + plain_holds, wide + wide_holds
    return plain / trials, wide / trials


@dataclass(frozen=True)
class _One:
    error: float
    covered: tuple[bool, ...]
    found: bool
    reach: float


def _one(trial: Arms, tell: Callable[[Arms, float], Difference | None], truth: float) -> list[_One]:
    told = [tell(trial, level) for level in LEVELS]
    if told[0] is None or told[1] is None:
        return []
    last = told[1]
    on_side = last.low > 0 if truth > 0 else last.high < 0
    holds = tuple(_holds(one, truth) for one in told)
    return [_One(last.estimate - truth, holds, on_side, (last.high - last.low) / 2)]


def _by_tier(trial: Arms, some: Company) -> tuple[list[_One], list[_One]]:
    """Return each tier's estimate by itself, and drawn to the others."""
    alone: list[_One] = []
    told: list[tuple[Difference, float]] = []
    for code in np.unique(trial.tier):
        which = trial.tier == code
        truth = float(some.moved[which].mean())
        alone += _one(trial.of(which), rate_difference, truth)
        found = rate_difference(trial.of(which))
        if found is not None:
            told.append((found, truth))
    if len(told) < 2:
        return alone, []
    mean, spread = pooled([d.estimate for d, _ in told], [d.standard_error for d, _ in told])
    together = []
    for m, s, (_, truth) in zip(mean, spread, told, strict=True):
        holds = abs(m - truth) <= 1.645 * s, abs(m - truth) <= Z_95 * s
        sure = m - Z_95 * s > 0 if truth > 0 else m + Z_95 * s < 0
        together.append(_One(float(m - truth), holds, bool(sure), float(Z_95 * s)))
    return alone, together


def _holds(told: Difference | None, truth: float) -> bool:
    return told is None or told.low <= truth <= told.high


def _row(what: str, n: int, ones: list[_One]) -> Row:
    errors = np.array([one.error for one in ones])
    covered = np.array([one.covered for one in ones])
    return Row(
        what=what,
        n=n,
        trials=len(ones),
        covered={f"{level:.0%}": float(covered[:, i].mean()) for i, level in enumerate(LEVELS)},
        bias=float(errors.mean() / errors.std()),
        found=float(np.mean([one.found for one in ones])),
        width=float(np.mean([one.reach for one in ones])),
    )
