"""Where a simple rule beats the model, the rule is served.

The best rule wins where it is proven to order customers better: the whole interval of the model's
skill lies below 0. Else any rule wins that orders them no worse *and* whose numbers are no further
off (Brier score, or decile error of money), for then the model adds nothing to something simpler.
"""

from __future__ import annotations

from collections.abc import Mapping

from training.anchor import TargetName
from training.baselines import learnt_rules, reference_facts
from training.boosting import FittedTarget
from training.dataset import Dataset
from training.evaluate import NOT_SERVED
from training.grade import MAIN_METRIC, Grade
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
    if graded.rule is None or graded.high is None:
        return None
    main, loss = MAIN_METRIC[target], LOSS[target]
    if not {main, loss} <= set(model):
        return None
    usable = {name: m for name, m in rules.items() if {main, loss} <= set(m) and name != NOT_SERVED}
    if graded.high < 0 and graded.rule in usable:
        return graded.rule
    as_good = {
        name: m[loss]
        for name, m in usable.items()
        if m[main] >= model[main] and m[loss] <= model[loss]
    }
    return min(as_good, key=lambda name: as_good[name], default=None)


def served_form(rule: str | None, fitted: FittedTarget, train: Dataset, present: Dataset) -> Model:
    """Return what is served: the model, or the rule that beat it.

    Args:
        rule: a rule of ``training/baselines.py``; ``None`` for the model.
        fitted: the model, its purchase model alone, and what it says of who never bought.
        train: the customers at every training cutoff, for what the rule learns.
        present: the customers to score, whose typical buyer contributions start from.
    """
    model = fitted.model
    if rule is None:
        return model
    if rule == PURCHASE_MODEL:
        return fitted.alone
    return RuleModel(
        target=model.target,
        horizon_days=model.horizon_days,
        rule=learnt_rules(model.target, train.buyers(), model.horizon_days)[rule],
        reference=reference_facts(present.buyers()),
        without_purchases=model.anchor.without_purchases,
    )
