"""Measures one fitted model, and the simple rules beside it, on a later cutoff."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from features.sources import date_of
from training import notes as words
from training.additive import AdditiveModel
from training.baselines import RULES, Rule, figures_of, learnt_rules, rules_in_words, scored
from training.boosting import FittedTarget
from training.dataset import Dataset
from training.evaluate import NOT_SERVED, TargetEvaluation, calibration_curve, lift_curve
from training.grade import Grade, grade, not_graded
from training.winner import PURCHASE_MODEL, rule_that_wins

Vector = NDArray[np.float64]


def measured(
    fitted: FittedTarget, train: Dataset, test: Dataset, seed: int = 0
) -> tuple[TargetEvaluation, Vector]:
    """Return the evaluation on the buyers ``test`` of one later cutoff, and what is served there.

    Args:
        fitted: the model, learnt from ``train``.
        train: the buyers at the training cutoffs, for the rules that learn.
        test: the buyers at the evaluation cutoff, with what came after.
        seed: of the resamples that the grade rests on.
    """
    model, y = fitted.model, test.y
    rules = scored(model.target, learnt_rules(model.target, train, model.horizon_days), test)
    rules[PURCHASE_MODEL] = Rule(test.each(model.inputs, fitted.alone.predict))
    own = Rule(test.each(model.inputs, model.predict))
    graded = _graded(model, y, own, rules, seed)
    known = figures_of(model.target, y, {NOT_SERVED: own, **rules})
    winner = rule_that_wins(model.target, graded, known[NOT_SERVED], known)
    served = own if winner is None else rules[winner]
    beside = rules if winner is None else {NOT_SERVED: own, **rules}
    evaluation = TargetEvaluation(
        target=model.target,
        horizon_days=model.horizon_days,
        protocol="out_of_time",
        cutoff=date_of(test.cutoffs[0]),
        n=len(y),
        base_rate=float(y.mean()),
        model=known[winner or NOT_SERVED],
        baselines={name: known[name] for name in beside},
        rules=rules_in_words(tuple(beside)),
        calibration=calibration_curve(y, served.scores),
        lift=lift_curve(y, served.scores),
        rule_lifts={name: lift_curve(y, rule.scores) for name, rule in beside.items()},
        training_cutoffs=tuple(map(date_of, train.cutoffs)),
        notes=fitted.notes if winner is None else (words.rule_wins(RULES[winner]), *fitted.notes),
        grade=graded,
        served_rule=winner,
    )
    return evaluation, served.scores


def _graded(
    model: AdditiveModel, y: Vector, own: Rule, rules: Mapping[str, Rule], seed: int
) -> Grade:
    if model.is_rules_only:
        return not_graded(model.target, words.RULES_ONLY)
    scores = {name: rule.scores for name, rule in rules.items()}
    return grade(model.target, y, own.scores, scores, seed)
