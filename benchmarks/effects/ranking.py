"""What customers are worth who are chosen by their own uplift, by average effects, by risk."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.effects.truth import Company, retained
from training.uplift_trial import judged

Vector = NDArray[np.float64]
CHOSEN = 0.1
"""Share of customers that there are hours for."""
COST = 40.0
MOVED = 0.4
"""Of the persuadable, the share of the churn probability that the action takes away."""
LEARNT_SHARE = 0.5
"""Of the company's customers, the share whose trials are learnt from; the rest is chosen among."""


@dataclass(frozen=True)
class Chosen:
    """What one choice of customers brings.

    Attributes:
        by: what customers were ranked by.
        value: true gain less cost, money, the mean over runs.
        low, high: the mean less and plus 1.96 of its standard errors; with few runs, rough.
        share: of what the truth itself would have chosen.
    """

    by: str
    value: float
    low: float
    high: float
    share: float


@dataclass(frozen=True)
class Contest:
    """Choices, and how often the model was let rank at all."""

    chosen: tuple[Chosen, ...]
    qini: float
    used: float
    rows: int


def contest(company: Company, quarters: int, share: float, runs: int, seed: int) -> Contest:
    """Return what choices bring by truth, on customers that nothing was learnt from."""
    gains: dict[str, list[float]] = {}
    qinis, used, rows = [], 0, 0
    for run in range(runs):
        rng = np.random.default_rng([seed, run])
        order = rng.permutation(len(company))
        cut = int(LEARNT_SHARE * len(company))
        past, now = company.of(np.sort(order[:cut])), company.of(np.sort(order[cut:]))
        many = past.of(np.tile(np.arange(len(past)), quarters))
        ids = np.tile(np.arange(len(past)), quarters).astype(str)
        held = rng.random(len(many)) < share
        trial = retained(many, held, rng)
        found = judged(many.X, (~held).astype(float), trial.y, ids, run, threads=1)
        rows = len(many)
        average = float(trial.y[~held].mean() - trial.y[held].mean())
        by_uplift = average * now.value
        if found is not None:
            qinis.append(found.qini)
            used += int(found.is_better_than_chance)
            by_uplift = found.model.predict(now.X) * now.value
        leaves = max(1 - float(trial.y[held].mean()), 1e-9)
        by_average = average / leaves * now.churn * now.value - COST
        is_used = found is not None and found.is_better_than_chance
        orders = {
            "the product's choice of the two below": by_uplift - COST if is_used else by_average,
            "each customer's own uplift": by_uplift - COST,
            "average effect": by_average,
            "churn probability": now.churn,
            "at random": rng.random(len(now)),
            "the truth": now.gains - COST,
        }
        for name, score in orders.items():
            top = np.argsort(-score)[: int(CHOSEN * len(now))]
            if name not in ("churn probability", "at random"):
                top = top[score[top] > 0]
            gains.setdefault(name, []).append(float((now.gains[top] - COST).sum()))
    best = float(np.mean(gains["the truth"]))
    chosen = tuple(_chosen(name, np.array(values), best) for name, values in gains.items())
    return Contest(chosen, float(np.mean(qinis)) if qinis else float("nan"), used / runs, rows)


def persuadable(company: Company, seed: int) -> Company:
    """Return the company with an action that moves some customers by much, the others by nothing.

    Who is moved depends on what is seen, as it mostly does: on a risk neither low nor high. A
    customer kept is worth what they are expected to bring, were it sure that they stay.
    """
    rng = np.random.default_rng(seed)
    lately = company.churn + rng.normal(0, 0.1, len(company))
    is_moved = (lately > np.quantile(lately, 0.35)) & (lately < np.quantile(lately, 0.65))
    moved = np.where(is_moved, MOVED * (1 - company.stays), 0.0)
    own = {
        **vars(company),
        "moved": moved,
        "gains": moved * company.value / np.maximum(1 - company.churn, 0.1),
    }
    return Company(*own.values())


def _chosen(name: str, values: Vector, best: float) -> Chosen:
    mean, error = float(values.mean()), float(values.std(ddof=1)) / len(values) ** 0.5
    return Chosen(name, mean, mean - 1.96 * error, mean + 1.96 * error, mean / best)
