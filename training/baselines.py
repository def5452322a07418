"""Rules that anyone could apply, measured beside every model at the same cutoff.

Rules that need to learn (which one of several, a rate per group) learn from the training
cutoffs, never from the customers they are measured on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from configs.schema import Text
from features.spec import Feature
from training.anchor import VALUE_INPUTS, TargetName
from training.dataset import Dataset
from training.evaluate import churn_figures, value_figures
from training.metrics import auc

Vector = NDArray[np.float64]
HALVINGS = 4
GROUPS = 5
SHORTEST_TENURE_DAYS = 28
LAST_PERIOD = "spend_last_period"

RULES: dict[str, Text] = {
    "recency": Text(
        zh="距上次购买的天数，越久越可能流失",
        en="days since the last purchase: the longer, the likelier lost",
    ),
    "no_purchase_rule": Text(
        zh="最近 horizon/2ⁿ 天未购买即视为流失；n 与两边的比率取自训练数据",
        en="no purchase in the last horizon/2ⁿ days; n and both rates from training",
    ),
    "rfm": Text(
        zh="近度、频次、金额各分五档求和，取训练中该分数的平均结果",
        en="recency, frequency and money in fifths, summed; mean outcome per sum from training",
    ),
    "purchase_model": Text(
        zh="仅用购买模型，不加树模型", en="the purchase model alone, without trees"
    ),
    "spend_rate": Text(
        zh="首次购买以来的日均消费乘以预测期",
        en="spend so far per day since the first purchase, times the horizon",
    ),
    "last_period": Text(zh="上一期的消费重现", en="spend in the last horizon repeats"),
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


def last_period_feature(horizon_days: int) -> Feature:
    """Return the spend of the last ``horizon_days``: for a rule, not for models."""

    def spend(t: Any) -> Any:
        return t.amount.sum(where=t.kind == "purchase")

    return Feature(
        name=LAST_PERIOD,
        source="transactions",
        window_days=horizon_days,
        value=spend,
        when_empty=0,
        family="behaviour",
        concept="spend",
        unit="currency",
        label={"zh": "上一周期消费金额", "en": "Spend in the last period"},
        stationary=False,
    )


def churn_rules(train: Dataset, test: Dataset, horizon_days: int) -> dict[str, Rule]:
    """Return the churn rules' scores of the buyers ``test``; rules that learn need ``train``."""
    before, after = _days_since(train), _days_since(test)
    rules = {"recency": Rule(after, is_money_or_probability=False)}
    if len(train):
        rules["no_purchase_rule"] = Rule(_best_inactivity(train.y, before, after, horizon_days))
        rules["rfm"] = Rule(_rfm(train, test))
    return rules


def value_rules(train: Dataset, test: Dataset, horizon_days: int) -> dict[str, Rule]:
    """Return the value rules' scores, in money, of the buyers ``test``."""
    c = test.columns(VALUE_INPUTS)
    total = c["monetary_value"] * (c["frequency"] + 1.0)
    rules = {"spend_rate": Rule(_rate_so_far(total, c["tenure_days"], horizon_days))}
    if len(train):
        rules["rfm"] = Rule(_rfm(train, test))
    if LAST_PERIOD in test.matrix.column_names:
        rules["last_period"] = Rule(test.columns([LAST_PERIOD])[LAST_PERIOD])
    return rules


def figures_of(
    target: TargetName, y: Vector, rules: Mapping[str, Rule]
) -> dict[str, dict[str, float]]:
    """Return rule → metric → figure."""
    return {name: _figures(target, y, rule) for name, rule in rules.items()}


def _rate_so_far(total: Vector, tenure_days: Vector, horizon_days: int) -> Vector:
    """Return spend at the rate so far; tenures under four weeks count as four weeks."""
    rate: Vector = np.nan_to_num(total / np.maximum(tenure_days, SHORTEST_TENURE_DAYS))
    return rate * horizon_days


def _figures(target: TargetName, y: Vector, rule: Rule) -> dict[str, float]:
    if target == "clv":
        return value_figures(y, rule.scores)
    return churn_figures(y, rule.scores, is_probability=rule.is_money_or_probability)


def _days_since(data: Dataset) -> Vector:
    c = data.columns(VALUE_INPUTS[1:3])
    return c["tenure_days"] - c["recency_days"]


def _best_inactivity(y: Vector, before: Vector, after: Vector, horizon_days: int) -> Vector:
    """Return training's churn rate on each side of the limit that ordered training best."""
    limits = [horizon_days / 2**n for n in range(HALVINGS)]
    areas = [auc(y, before >= limit) for limit in limits]
    limit = limits[int(np.nanargmax(areas))] if not np.isnan(areas).all() else limits[0]
    return _rates(y, (before >= limit).astype(int), (after >= limit).astype(int))


def _rfm(train: Dataset, test: Dataset) -> Vector:
    """Return training's mean outcome per RFM sum, 3 (worst) to 15 (best)."""
    sides = []
    for data in (train, test):
        c = data.columns(VALUE_INPUTS)
        sides.append((-_days_since(data), c["frequency"], np.nan_to_num(c["monetary_value"])))
    cells = [np.zeros(len(train), dtype=int), np.zeros(len(test), dtype=int)]
    for before, after in zip(*sides, strict=True):
        edges = np.quantile(before, np.arange(1, GROUPS) / GROUPS)
        for side, values in enumerate((before, after)):
            cells[side] += np.searchsorted(edges, values, side="right") + 1
    return _rates(train.y, *cells)


def _rates(y: Vector, before: NDArray[np.int64], after: NDArray[np.int64]) -> Vector:
    """Return the mean of y per group, drawn to the overall mean by one customer's weight."""
    size = int(max(before.max(), after.max(initial=0))) + 1
    total = np.bincount(before, weights=y, minlength=size) + y.mean()
    rates: Vector = (total / (np.bincount(before, minlength=size) + 1.0))[after]
    return rates


def rules_in_words(names: Sequence[str]) -> dict[str, Text]:
    """Return each rule in words."""
    return {name: RULES[name] for name in names}
