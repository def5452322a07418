"""Trials on the simulator's truth: who stays, and what they spend, with and without an action."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from serving.scores.publication import FEATURES_FILE, SCORES_FILE, Publication
from training.trial_effects import Arms

Vector = NDArray[np.float64]


@dataclass(frozen=True)
class Company:
    """Customers with what the product says of them and what is true, row by row.

    Attributes:
        tier: code.
        churn, value: published.
        stays: true probability to be a customer in 90 days, left alone.
        moved: true change of it by the action.
        spends: money of the year that follows, left alone, as it came.
        gains: true expected change of it by the action.
        X: features, shape (n, n_features).
    """

    tier: NDArray[np.str_]
    churn: Vector
    value: Vector
    stays: Vector
    moved: Vector
    spends: Vector
    gains: Vector
    X: Vector

    def __len__(self) -> int:
        return len(self.churn)

    def of(self, rows: NDArray[np.intp]) -> Company:
        """Return some of the customers."""
        return Company(*(column[rows] for column in vars(self).values()))


@dataclass(frozen=True)
class Planted:
    """An effect that is the same share of the churn probability for all: known by design."""

    share: float

    def of(self, company: Company) -> Company:
        """Return the company with this action instead of the simulator's."""
        moved = self.share * (1.0 - company.stays)
        gains = moved * company.value
        return Company(*{**vars(company), "moved": moved, "gains": gains}.values())


def company_of(publication: Publication, truth: Path) -> Company:
    """Return the customers of ``publication`` who have a tier and have not left unseen."""
    told = pq.read_table(truth)
    scores = pq.read_table(publication.folder / SCORES_FILE)
    features = pq.read_table(publication.folder / FEATURES_FILE)
    names = [name for name in features.column_names if name not in ("customer_id", "cutoff")]
    both = scores.select(["customer_id", "tier", "churn_probability", "clv_expected", "lifecycle"])
    both = both.join(told, "customer_id", join_type="inner").sort_by("customer_id")
    built = features.sort_by("customer_id")
    assert both["customer_id"].to_pylist() == built["customer_id"].to_pylist()
    X = np.column_stack([built[name].cast("float64").to_numpy() for name in names])
    found = Company(
        tier=np.array([code or "" for code in both["tier"].to_pylist()]),
        churn=_column(both["churn_probability"]),
        value=_column(both["clv_expected"]),
        stays=_column(both["survival_90d"]),
        moved=_column(both["action_effect_on_survival_90d"]),
        spends=_column(both["spend_next_365d"]),
        gains=_column(both["action_effect_on_value_365d"]),
        X=X,
    )
    is_scored = ~np.isnan(found.churn) & ~np.isnan(found.value) & (found.tier != "")
    return found.of(np.flatnonzero(is_scored))


def retained(company: Company, held_out: NDArray[np.bool_], rng: np.random.Generator) -> Arms:
    """Return a trial whose outcome is who stayed, drawn from the truth."""
    chance = np.clip(company.stays + np.where(held_out, 0.0, company.moved), 0.0, 1.0)
    y = (rng.random(len(company)) < chance).astype(float)
    return Arms(y, held_out, company.tier, 1.0 - company.churn)


def spent(company: Company, held_out: NDArray[np.bool_]) -> Arms:
    """Return a trial whose outcome is the money of the year after."""
    y = company.spends + np.where(held_out, 0.0, company.gains)
    return Arms(y, held_out, company.tier, company.value)


def audience(company: Company, n: int, rng: np.random.Generator) -> Company:
    """Return ``n`` customers drawn at random, with replacement where there are too few."""
    return company.of(rng.choice(len(company), n, replace=n > len(company)))


def _column(column: object) -> Vector:
    return np.asarray(column.fill_null(float("nan")).to_numpy(), dtype=np.float64)  # type: ignore[attr-defined]
