"""S4: Hillstrom's Womens E-Mail against no e-mail, who visits because of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks.scoreboard import plain
from benchmarks.scoreboard.contest import Contest, Contests, Metric, Vector
from benchmarks.scoreboard.records import Row
from benchmarks.scoreboard.setting import Setting
from configs.progress import Progress
from training.uplift import UpliftModel
from training.uplift_metrics import qini, uplift_at

DATASET = "hillstrom"
SEEDS, FOLDS = range(10), 3
NUMBERS = ["recency", "history", "mens", "womens", "newbie"]
CATEGORIES = ["zip_code", "channel"]


def _qini(outcome: Vector, effect: Vector) -> float:
    return qini(outcome % 2, effect, outcome >= 2)


def _uplift(outcome: Vector, effect: Vector) -> float:
    return uplift_at(outcome % 2, effect, outcome >= 2, 0.3)


METRICS = (
    Metric("Qini", _qini, "higher", reads_order_only=True),
    Metric("uplift at 30 %", _uplift, "higher", reads_order_only=True),
)
"""Their outcome is ``visit + 2 · treated``: one number a customer."""


def run(setting: Setting, progress: Progress) -> list[Row]:
    """Return Qini and uplift, the mean over thirty folds, beside usual learners.

    Intervals are of the first seed: its folds predict every customer once.
    """
    X, treated, y = _trial(setting.data / "hillstrom.parquet")
    customers = np.array([f"{i:05d}" for i in range(len(y))])
    contests: dict[str, Contest] = {}
    for seed in SEEDS:
        progress(f"splits of seed {seed}", 0.5 * seed / len(SEEDS))
        folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
        for fold, (learn, rest) in enumerate(folds.split(X, 2 * y + treated)):
            side = X[learn], treated[learn], y[learn], X[rest], setting.threads
            contests[f"{seed}/{fold}"] = Contest(
                customers=customers[rest],
                y=y[rest] + 2.0 * treated[rest],
                ours=_ours(*side),
                peers={name: learner(*side) for name, learner in PEERS.items()},
            )
    progress("bootstraps", 0.5)
    of_one_seed = [name for name in contests if name.startswith("0/")]
    together = Contests("S4", DATASET, contests, drawn=of_one_seed)
    return [together.mean(metric, shown=None) for metric in METRICS]


def _trial(path: Path) -> tuple[Vector, Vector, Vector]:
    """Return features, who got the e-mail, and who visited."""
    rows = pd.read_parquet(path)
    rows = rows[rows.segment.isin(["Womens E-Mail", "No E-Mail"])]
    one_hot = pd.get_dummies(rows[CATEGORIES])
    X = pd.concat([rows[NUMBERS], one_hot], axis=1).to_numpy(dtype=float)
    treated = (rows.segment == "Womens E-Mail").to_numpy(dtype=float)
    return X, treated, rows.visit.to_numpy(dtype=float)


def _ours(X: Vector, treated: Vector, y: Vector, later: Vector, threads: int) -> Vector:
    return UpliftModel(threads=threads).fit(X, treated, y).predict(later)


def _response(X: Vector, treated: Vector, y: Vector, later: Vector, threads: int) -> Vector:
    """Return who visits, with or without the e-mail: what targeting by propensity does."""
    return plain.lightgbm_probability(X, y, later, threads)


def _two_lightgbms(X: Vector, treated: Vector, y: Vector, later: Vector, threads: int) -> Vector:
    """Return the difference of one LightGBM a group (T-learner)."""
    with_it, without = (
        plain.lightgbm_probability(X[treated == side], y[treated == side], later, threads)
        for side in (1, 0)
    )
    return with_it - without


def _logistic(X: Vector, treated: Vector, y: Vector, later: Vector, threads: int) -> Vector:
    """Return the effect by logistic regression with every interaction with the treatment."""
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2_000))
    model.fit(_with_interactions(X, treated), y)
    with_it, without = (
        model.predict_proba(_with_interactions(later, np.full(len(later), side)))[:, 1]
        for side in (1.0, 0.0)
    )
    return np.asarray(with_it - without)


def _with_interactions(X: Vector, treated: Vector) -> Vector:
    return np.column_stack([X, treated, X * treated[:, None]])


Learner = Callable[[Vector, Vector, Vector, Vector, int], Vector]
PEERS: dict[str, Learner] = {
    "response model (LightGBM)": _response,
    "two LightGBMs": _two_lightgbms,
    "logistic regression": _logistic,
}
