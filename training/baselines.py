"""Rules that anyone could apply, measured beside every model at the same cutoff.

Rules that need to learn (which limit, which rates, what share came again) learn from the training
cutoffs, never from the customers they are measured on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import logit
from sklearn.linear_model import LogisticRegression

from configs.section import Text
from training.anchor import FREQUENCY, VALUE_INPUTS, TargetName
from training.dataset import Dataset
from training.evaluate import churn_figures, value_figures
from training.metrics import auc
from training.rules import (
    MONEY,
    RECENCY,
    SMALLEST_MONEY,
    Inactivity,
    LastPeriod,
    LearntRule,
    LogitLine,
    Same,
    SpendRate,
    facts_of,
    logged,
)

Vector = NDArray[np.float64]
HALVINGS = 5
SPEND_WINDOWS = (28, 84, 182, 364)
"""Windows of the declared features ``spend_<days>d``; the last period is the nearest of them."""

RULES: dict[str, Text] = {
    "recency": Text(
        zh="距上次购买的天数，越久越可能流失",
        en="days since the last purchase: the longer, the likelier lost",
    ),
    "no_purchase_rule": Text(
        zh="最近 horizon/2ⁿ 天未购买即视为流失；n 与两边的比率取自训练数据",
        en="no purchase in the last horizon/2ⁿ days; n and both rates from training",
    ),
    "rfm_logit": Text(
        zh="以近度、频次、金额的对数做逻辑回归",
        en="logistic regression on the logarithms of recency, frequency and money",
    ),
    "purchase_model": Text(
        zh="仅用购买模型，不加树模型", en="the purchase model alone, without trees"
    ),
    "spend_rate": Text(
        zh="首次购买以来的月均消费，乘以月数，再乘以整体留存率（训练中再次到来的金额比例）",
        en="average monthly spend times months times overall retention: the share of such money "
        "that came again in training",
    ),
    "last_period": Text(
        zh="上一期的消费重现，按训练中再次到来的比例",
        en="spend in the last period repeats, by the share that came again in training",
    ),
    "model_not_served": Text(
        zh="购买模型加树模型；不优于规则，未采用",
        en="the purchase model corrected by trees; no better than the rule, so not served",
    ),
    "base_rate": Text(
        zh="人人相同：训练数据的平均值", en="the same for everybody: the mean of training"
    ),
    "logistic_regression": Text(
        zh="对全部特征做逻辑回归", en="logistic regression on all features"
    ),
    "full_value": Text(
        zh="月价值乘以月数，假设无人流失", en="monthly value times months, as if nobody left"
    ),
}


@dataclass(frozen=True)
class Rule:
    """A rule's scores of the measured customers; ``is_money_or_probability`` or an order only."""

    scores: Vector
    is_money_or_probability: bool = True


def learnt_rules(target: TargetName, train: Dataset, horizon_days: int) -> dict[str, LearntRule]:
    """Return the rules of ``target``, by name, learnt from the buyers ``train``.

    Without anybody to learn from, churn has none, and money is taken to come again in full.
    """
    if target == "churn":
        return _churn_rules(train, horizon_days) if len(train) else {}
    return _value_rules(train, horizon_days)


def scored(target: TargetName, rules: Mapping[str, LearntRule], test: Dataset) -> dict[str, Rule]:
    """Return what ``rules`` say of the buyers ``test``; silence orders them whatever was learnt."""
    facts = _facts(test)
    given = {name: Rule(rule.number(facts)) for name, rule in rules.items()}
    if target == "churn" and "recency" not in given:
        given["recency"] = Rule(facts[RECENCY], is_money_or_probability=False)
    return given


def figures_of(
    target: TargetName, y: Vector, rules: Mapping[str, Rule]
) -> dict[str, dict[str, float]]:
    """Return rule → metric → figure."""
    return {name: _figures(target, y, rule) for name, rule in rules.items()}


def rules_in_words(names: Sequence[str]) -> dict[str, Text]:
    """Return each rule in words."""
    return {name: RULES[name] for name in names}


def reference_facts(buyers: Dataset) -> dict[str, float]:
    """Return the median of every fact, the customer that contributions start from."""
    known = {name: values[~np.isnan(values)] for name, values in _facts(buyers).items()}
    return {name: float(np.median(v)) if len(v) else 0.0 for name, v in known.items()}


def _facts(data: Dataset) -> dict[str, Vector]:
    windows = [f"spend_{days}d" for days in SPEND_WINDOWS]
    names = [name for name in windows if name in data.names]
    return facts_of(data.columns([*VALUE_INPUTS, *names]))


def _churn_rules(train: Dataset, horizon_days: int) -> dict[str, LearntRule]:
    facts, y = _facts(train), train.y
    return {
        "recency": _logit_line(y, facts, (RECENCY,)),
        "no_purchase_rule": _best_inactivity(y, facts[RECENCY], horizon_days),
        "rfm_logit": _logit_line(y, facts, (RECENCY, FREQUENCY, MONEY)),
        "base_rate": Same(value=_rate(y, np.ones(len(y), dtype=bool), 0.5)),
    }


def _best_inactivity(y: Vector, silence: Vector, horizon_days: int) -> Inactivity:
    """Return the limit horizon/2ⁿ that ordered training best, with the rate on each side."""
    limits = [horizon_days / 2**n for n in range(HALVINGS)]
    areas = np.nan_to_num([auc(y, silence >= limit) for limit in limits])
    limit = limits[int(np.argmax(areas))]
    is_silent, overall = silence >= limit, float(y.mean())
    return Inactivity(
        limit_days=limit,
        active_rate=_rate(y, ~is_silent, overall),
        silent_rate=_rate(y, is_silent, overall),
    )


def _rate(y: Vector, rows: NDArray[np.bool_], overall: float) -> float:
    """Return the mean of some rows, drawn to the overall mean by one customer's weight."""
    return float((y[rows].sum() + overall) / (rows.sum() + 1.0))


def _logit_line(y: Vector, facts: Mapping[str, Vector], names: tuple[str, ...]) -> LogitLine:
    if y.sum() in (0.0, len(y)):
        rate = _rate(y, np.ones(len(y), dtype=bool), 0.5)
        return LogitLine(intercept=float(logit(rate)), slopes=dict.fromkeys(names, 0.0))
    X = np.column_stack([logged(facts[name]) for name in names])
    model = LogisticRegression(max_iter=500).fit(X, y)
    slopes = dict(zip(names, model.coef_[0].tolist(), strict=True))
    return LogitLine(intercept=float(model.intercept_[0]), slopes=slopes)


def _value_rules(train: Dataset, horizon_days: int) -> dict[str, LearntRule]:
    rate = SpendRate(horizon_days=horizon_days)
    rate = rate.model_copy(update={"share": _share(train, rate)})
    rules: dict[str, LearntRule] = {"spend_rate": rate}
    windows = [days for days in SPEND_WINDOWS if f"spend_{days}d" in train.names]
    if windows:
        days = min(windows, key=lambda window: abs(window - horizon_days))
        last = LastPeriod(column=f"spend_{days}d", factor=horizon_days / days)
        factor = last.factor * _share(train, last)
        rules["last_period"] = last.model_copy(update={"factor": factor})
    if len(train):
        mean = float(np.maximum(train.y, 0.0).mean())
        rules["base_rate"] = Same(value=max(mean, SMALLEST_MONEY))
    return rules


def _share(train: Dataset, rule: LearntRule) -> float:
    """Return the share of what ``rule`` promised that came; all of it where nothing is known."""
    if len(train) == 0:
        return 1.0
    came, promised = np.maximum(train.y, 0.0).sum(), rule.number(_facts(train)).sum()
    return float(came / promised) if came > 0 else 1.0


def _figures(target: TargetName, y: Vector, rule: Rule) -> dict[str, float]:
    if target == "clv":
        return value_figures(y, rule.scores)
    return churn_figures(y, rule.scores, is_probability=rule.is_money_or_probability)
