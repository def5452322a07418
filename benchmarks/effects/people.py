"""Whether equal employees are told as equal though their customers are not, and others apart."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.effects.truth import Company
from training.adjusted import attained

EMPLOYEES = 12
BETTER_BY = 0.06
"""Share of customers that the better half keeps beyond the others, in the second kind of run."""


@dataclass(frozen=True)
class Fairness:
    """What many companies showed.

    Attributes:
        raw_flagged: share of equal employees whom plain rates call better or worse.
        flagged: share of equal employees whom adjusted ones do.
        covered: share of intervals that hold the true difference.
        raw_gap: correlation of plain retention with the risk of an employee's customers.
        gap: the same of the adjusted difference.
        right_side: of employees truly apart and told apart, the share told on the right side.
        told_apart: share of employees truly apart who are told apart.
    """

    raw_flagged: float
    flagged: float
    covered: float
    raw_gap: float
    gap: float
    right_side: float
    told_apart: float


def fairness(company: Company, runs: int, seed: int) -> Fairness:
    """Return how employees are told whose customers differ in risk."""
    raw, own, covered, raw_gap, gap, right, apart = ([] for _ in range(7))
    for run in range(runs):
        rng = np.random.default_rng([seed, run])
        group = _by_risk(company, rng)
        risk = np.array([1 - company.stays[group == g].mean() for g in range(EMPLOYEES)])
        y = (rng.random(len(company)) < company.stays).astype(float)
        told = _told(company, y, group)
        rates = np.array([y[group == g].mean() for g in range(EMPLOYEES)])
        spread = np.array(
            [(y[group == g].std() / (group == g).sum() ** 0.5) for g in range(EMPLOYEES)]
        )
        raw.append(np.mean(np.abs(rates - y.mean()) > 1.96 * spread))
        own.append(np.mean([low > 0 or high < 0 for _, low, high in told]))
        covered.append(np.mean([low <= 0 <= high for _, low, high in told]))
        raw_gap.append(np.corrcoef(rates, risk)[0, 1])
        gap.append(np.corrcoef([one for one, _, _ in told], risk)[0, 1])
        skill = np.where(np.arange(EMPLOYEES) < EMPLOYEES // 2, BETTER_BY, -BETTER_BY) / 2
        lifted = np.clip(company.stays + skill[group], 0, 1)
        y = (rng.random(len(company)) < lifted).astype(float)
        for (_, low, high), truly in zip(_told(company, y, group), skill, strict=True):
            is_told = low > 0 or high < 0
            apart.append(is_told)
            if is_told:
                right.append((low > 0) == (truly > 0))
    means = [float(np.mean(one)) for one in (raw, own, covered, raw_gap, gap, right, apart)]
    return Fairness(*means)


def _by_risk(company: Company, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return an owner for each customer: the first look after the safest, the last the riskiest."""
    noisy = company.churn + rng.normal(0, 0.25, len(company))
    return np.argsort(np.argsort(noisy)) * EMPLOYEES // len(company)


def _told(
    company: Company, y: NDArray[np.float64], group: NDArray[np.int64]
) -> list[tuple[float, float, float]]:
    codes = np.unique(company.tier)[1:]
    known = np.column_stack(
        [*((company.tier == code).astype(float) for code in codes), company.churn, company.churn**2]
    )
    told = attained(y, known, group, EMPLOYEES)
    return [(one.difference, one.low, one.high) for one in told if one is not None]
