"""What one would try first: two rules, LightGBM and logistic regression on the same rows."""

from __future__ import annotations

import lightgbm as lgb
import numpy as np
from numpy.typing import NDArray
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from training.anchor import VALUE_INPUTS
from training.dataset import Dataset

Vector = NDArray[np.float64]
SHORTEST_TENURE_DAYS = 28


def spend_rate(buyers: Dataset, horizon_days: int) -> Vector:
    """Return the spend so far per day, times the horizon; tenures are 28 days at least."""
    c = buyers.columns(VALUE_INPUTS)
    so_far = c["monetary_value"] * (c["frequency"] + 1.0)
    return so_far / np.maximum(c["tenure_days"], SHORTEST_TENURE_DAYS) * horizon_days


def lightgbm_probability(X: Vector, y: Vector, later: Vector, threads: int) -> Vector:
    """Return P(y = 1) by LightGBM's classifier as it comes."""
    model = lgb.LGBMClassifier(n_jobs=threads, random_state=0, verbosity=-1).fit(X, y)
    return np.asarray(model.booster_.predict(later, num_threads=threads))


def lightgbm_money(X: Vector, y: Vector, later: Vector, threads: int) -> Vector:
    """Return E[y] by LightGBM's Tweedie regressor, otherwise as it comes."""
    model = lgb.LGBMRegressor(
        objective="tweedie", n_jobs=threads, random_state=0, verbosity=-1
    ).fit(X, np.maximum(y, 0.0))
    return np.asarray(model.booster_.predict(later, num_threads=threads))


def logistic_probability(X: Vector, y: Vector, later: Vector) -> Vector:
    """Return P(y = 1) by logistic regression on standardised columns, medians for missing."""
    known = ~np.isnan(X).all(axis=0)
    model = make_pipeline(
        SimpleImputer(strategy="median"), StandardScaler(), LogisticRegression(max_iter=2_000)
    ).fit(X[:, known], y)
    return np.asarray(model.predict_proba(later[:, known])[:, 1])
