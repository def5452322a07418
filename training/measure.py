"""Measures one fitted model, and the simple rules beside it, on a later cutoff."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from features.sources import date_of
from training.baselines import Rule, churn_rules, figures_of, rules_in_words, value_rules
from training.boosting import FittedTarget
from training.dataset import Dataset
from training.evaluate import TargetEvaluation, calibration_curve, figures, lift_curve

Vector = NDArray[np.float64]


def measured(
    fitted: FittedTarget, train: Dataset, test: Dataset
) -> tuple[TargetEvaluation, Vector]:
    """Return the evaluation on the buyers ``test`` of one later cutoff, and the predictions.

    Args:
        fitted: the model, learnt from ``train``.
        train: the buyers at the training cutoffs, for the rules that learn.
        test: the buyers at the evaluation cutoff, with what came after.
    """
    model, y = fitted.model, test.y
    columns = test.columns(model.inputs)
    predicted = model.predict(columns)
    find = churn_rules if model.target == "churn" else value_rules
    rules = find(train, test, model.horizon_days)
    alone = replace(model, trees=None, tree_inputs=(), intercept=0.0, slope=1.0)
    rules["purchase_model"] = Rule(alone.predict(columns))
    evaluation = TargetEvaluation(
        target=model.target,
        horizon_days=model.horizon_days,
        protocol="out_of_time",
        cutoff=date_of(test.cutoffs[0]),
        n=len(y),
        base_rate=float(y.mean()),
        model=figures(model.target, y, predicted),
        baselines=figures_of(model.target, y, rules),
        rules=rules_in_words(tuple(rules)),
        calibration=calibration_curve(y, predicted),
        lift=lift_curve(y, predicted),
        rule_lifts={name: lift_curve(y, rule.scores) for name, rule in rules.items()},
        training_cutoffs=tuple(map(date_of, train.cutoffs)),
        notes=fitted.notes,
    )
    return evaluation, predicted
