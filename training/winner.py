"""Where a simple rule beats the model, the rule is served.

It wins where it is proven to order customers better (the whole interval of the model's skill lies
below 0); or where it orders them no worse *and* its numbers are no further off (Brier score, or
decile error of money), for then the model adds nothing to something simpler.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from training.additive import AdditiveModel
from training.anchor import TargetName
from training.baselines import learnt_rules, reference_facts
from training.dataset import Dataset
from training.grade import Grade
from training.models import Model
from training.rule_model import RuleModel

LOSS: dict[TargetName, str] = {"churn": "brier", "clv": "dmape"}
"""What tells how far off the numbers themselves are; the lower, the better."""
PURCHASE_MODEL = "purchase_model"


def rule_that_wins(
    target: TargetName,
    graded: Grade,
    model: Mapping[str, float],
    rules: Mapping[str, Mapping[str, float]],
) -> str | None:
    """Return the rule to serve instead of the model; ``None`` where the model stays.

    Args:
        target: ``churn`` or ``clv``.
        graded: names the best rule, and how the model compares with it.
        model: metric → figure of the model.
        rules: rule → metric → figure; a rule that only orders customers cannot be served.
    """
    if graded.rule is None or graded.skill is None or graded.high is None:
        return None
    loss, figures = LOSS[target], rules[graded.rule]
    if loss not in figures or loss not in model:
        return None
    is_as_near = figures[loss] <= model[loss]
    wins = graded.high < 0 or (graded.skill <= 0 and is_as_near)
    return graded.rule if wins else None


def served_form(rule: str | None, model: AdditiveModel, train: Dataset, present: Dataset) -> Model:
    """Return what is served: the model, or the rule that beat it.

    Args:
        rule: a rule of ``training/baselines.py``; ``None`` for the model.
        model: gives the horizon, and the number of customers without purchases.
        train: the customers at every training cutoff, for what the rule learns.
        present: the customers to score, whose typical buyer contributions start from.
    """
    if rule is None:
        return model
    if rule == PURCHASE_MODEL:
        return purchase_model_of(model)
    return RuleModel(
        target=model.target,
        horizon_days=model.horizon_days,
        rule=learnt_rules(model.target, train.buyers(), model.horizon_days)[rule],
        reference=reference_facts(present.buyers()),
        without_purchases=model.anchor.without_purchases,
    )


def purchase_model_of(model: AdditiveModel) -> AdditiveModel:
    """Return the purchase model of ``model`` alone, as it is before trees and calibration."""
    return replace(model, trees=None, tree_inputs=(), intercept=0.0, slope=1.0)
