"""The figures that protocols are judged on, as the product computes them."""

from __future__ import annotations

import numpy as np

from benchmarks.scoreboard.contest import Metric, Vector
from training import metrics


def correlation(y: Vector, p: Vector) -> float:
    """Return Pearson's r."""
    return float(np.corrcoef(y, p)[0, 1])


def _absolute_bias(y: Vector, p: Vector) -> float:
    return abs(metrics.bias(y, p))


def _captured_by_a_fifth(y: Vector, p: Vector) -> float:
    return metrics.captured(y, p, 0.2)


VALUE = (
    Metric("value nGini", metrics.normalised_gini, "higher", reads_order_only=True),
    Metric("value MAE", metrics.mean_absolute_error, "lower"),
    Metric("value RMSE", metrics.root_mean_squared_error, "lower"),
    Metric("value dMAPE", metrics.decile_error, "lower"),
    Metric("value |bias|", _absolute_bias, "lower"),
    Metric("value top20", _captured_by_a_fifth, "higher", reads_order_only=True),
)
INACTIVITY = (
    Metric("inactivity AUC", metrics.auc, "higher", reads_order_only=True),
    Metric("inactivity Brier", metrics.brier, "lower"),
    Metric("inactivity ECE15", metrics.calibration_error, "lower"),
    Metric("inactivity logloss", metrics.log_loss, "lower"),
)
TRANSACTIONS = (
    Metric("transactions r", correlation, "higher"),
    Metric("transactions nGini", metrics.normalised_gini, "higher", reads_order_only=True),
    Metric("transactions MAE", metrics.mean_absolute_error, "lower"),
)
CONTRACT = (
    Metric("AUC", metrics.auc, "higher", reads_order_only=True),
    Metric("logloss", metrics.log_loss, "lower"),
    Metric("EMPC", metrics.expected_maximum_profit, "higher", reads_order_only=True),
)
