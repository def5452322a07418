"""How good the models are, beside what any rule would have given at the same cutoff."""

from __future__ import annotations

import datetime as dt
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from pydantic import BaseModel, ConfigDict

from configs.section import Text
from training import metrics
from training.anchor import TargetName
from training.coverage import Coverage
from training.grade import MAIN_METRIC, Grade, Letter
from training.outlook_quality import OutlookEvaluation

Protocol = Literal["out_of_time", "cross_validated", "none"]

CHURN_METRICS = ("auc", "brier", "log_loss", "ece15", "top_decile_lift", "empc")
VALUE_METRICS = ("ngini", "mae", "rmse", "dmape", "bias", "top5", "top10", "top20")
HIGHER_IS_BETTER = frozenset({"auc", "top_decile_lift", "empc", "ngini", "top5", "top10", "top20"})
LIFT_SHARES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
CALIBRATION_BINS = 10
NOT_SERVED = "model_not_served"
"""Name of the model's figures where a rule beat it and is served."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class CalibrationBin(_Frozen):
    """One tenth of the customers, ordered by prediction: means of prediction and outcome."""

    n: int
    predicted: float
    actual: float


class LiftPoint(_Frozen):
    """The share of all churners, or of all money, among the highest ``share`` of predictions."""

    share: float
    captured: float


class SliceFigure(_Frozen):
    """The main figure of one part of the customers, never seen at training.

    Attributes:
        axis, level: such as tier and VIP.
        n: customers.
        figure: AUC of churn, normalised Gini of value; ``low`` and ``high`` hold 90 % of resamples.
        predicted, actual: means.
    """

    axis: Text
    level: Text
    n: int
    figure: float
    low: float
    high: float
    predicted: float
    actual: float


class TargetEvaluation(_Frozen):
    """One target, measured on customers and days that its models never saw.

    Attributes:
        protocol: ``out_of_time``; ``cross_validated`` for contract customers; ``none`` where
            no horizon has closed after training, then all figures are empty.
        cutoff: the day predictions were made for; outcomes are of the horizon after it.
        n: customers with a purchase by the cutoff.
        base_rate: share of churners, or mean money per customer.
        model: metric → figure of the served form.
        baselines: rule → metric → figure; rules that only order customers lack the others.
        rules: rule → the rule in words.
        calibration, lift: the model's curves.
        rule_lifts: rule → its lift curve.
        training_cutoffs: what the measured model learnt from.
        notes: what a reader must know, such as how it was calibrated.
        coverage: how many customers value intervals cover; ``None`` where it was not counted.
        grade: what the model adds to the best rule, as a letter.
        served_rule: the rule that is served as it beat the model; then ``model`` holds the rule's
            figures, and ``baselines`` those of the model under ``model_not_served``.
        slices: the main figure of parts of the customers; empty where they were not told apart.
    """

    target: TargetName
    horizon_days: int
    protocol: Protocol
    cutoff: dt.date | None = None
    n: int = 0
    base_rate: float | None = None
    model: dict[str, float] = {}
    baselines: dict[str, dict[str, float]] = {}
    rules: dict[str, Text] = {}
    calibration: tuple[CalibrationBin, ...] = ()
    lift: tuple[LiftPoint, ...] = ()
    rule_lifts: dict[str, tuple[LiftPoint, ...]] = {}
    training_cutoffs: tuple[dt.date, ...] = ()
    notes: tuple[Text, ...] = ()
    coverage: Coverage | None = None
    grade: Grade | None = None
    served_rule: str | None = None
    slices: tuple[SliceFigure, ...] = ()

    @property
    def main_metric(self) -> str:
        """The metric that decides: ``auc`` for churn, ``ngini`` for value."""
        return MAIN_METRIC[self.target]

    @property
    def best_rule(self) -> str | None:
        """The rule with the best main metric."""
        rules = {rule: m for rule, m in self.baselines.items() if rule != NOT_SERVED}
        rated = {rule: m[self.main_metric] for rule, m in rules.items() if self.main_metric in m}
        return max(rated, key=lambda rule: rated[rule]) if rated else None


class Evaluation(_Frozen):
    """The evaluation of every target; JSON by ``model_dump_json``."""

    targets: dict[str, TargetEvaluation]
    outlook: OutlookEvaluation | None = None

    @property
    def grades(self) -> dict[TargetName, Letter]:
        """The letter of every target that is graded."""
        graded = ((one.target, one.grade) for one in self.targets.values())
        return {target: grade.letter for target, grade in graded if grade is not None}


def churn_figures(y: ArrayLike, p: ArrayLike, is_probability: bool = True) -> dict[str, float]:
    """Return the churn metrics; only those of order where p is no probability.

    Figures that cannot be computed (one class only) are left out.
    """
    figures = {
        "auc": metrics.auc(y, p),
        "top_decile_lift": metrics.top_decile_lift(y, p),
        "empc": metrics.expected_maximum_profit(y, p),
    }
    if is_probability:
        figures |= {
            "brier": metrics.brier(y, p),
            "log_loss": metrics.log_loss(y, p),
            "ece15": metrics.calibration_error(y, p),
        }
    return _known(figures, CHURN_METRICS)


def value_figures(y: ArrayLike, p: ArrayLike) -> dict[str, float]:
    """Return the value metrics; figures that cannot be computed (no money) are left out."""
    figures = {
        "ngini": metrics.normalised_gini(y, p),
        "mae": metrics.mean_absolute_error(y, p),
        "rmse": metrics.root_mean_squared_error(y, p),
        "dmape": metrics.decile_error(y, p),
        "bias": metrics.bias(y, p),
        "top5": metrics.captured(y, p, 0.05),
        "top10": metrics.captured(y, p, 0.10),
        "top20": metrics.captured(y, p, 0.20),
    }
    return _known(figures, VALUE_METRICS)


def figures(target: TargetName, y: ArrayLike, p: ArrayLike) -> dict[str, float]:
    """Return the metrics of ``target``."""
    return churn_figures(y, p) if target == "churn" else value_figures(y, p)


def calibration_curve(y: ArrayLike, p: ArrayLike) -> tuple[CalibrationBin, ...]:
    """Return mean prediction and outcome in ten equal-count bins, the lowest first."""
    y, p = np.asarray(y, dtype=float), np.asarray(p, dtype=float)
    return tuple(
        CalibrationBin(n=len(i), predicted=float(p[i].mean()), actual=float(y[i].mean()))
        for i in metrics.equal_bins(p, CALIBRATION_BINS)
    )


def lift_curve(y: ArrayLike, p: ArrayLike) -> tuple[LiftPoint, ...]:
    """Return what the highest predictions hold, at fixed shares of customers."""
    return tuple(LiftPoint(share=s, captured=metrics.captured(y, p, s)) for s in LIFT_SHARES)


def _known(figures: dict[str, float], order: tuple[str, ...]) -> dict[str, float]:
    return {name: figures[name] for name in order if np.isfinite(figures.get(name, np.nan))}
