"""Words of the comparison, for its page and for the terminal."""

from __future__ import annotations

from configs.section import Text
from serving.champions.differences import DATA_KEYS, Difference
from training.metric_names import METRIC_NAMES

TARGETS: dict[str, Text] = {
    "churn": Text(zh="流失", en="Churn"),
    "clv": Text(zh="价值", en="Value"),
}
LOWER_IS_BETTER = frozenset({"brier", "log_loss", "ece15", "mae"})
BETTER = Text(zh="挑战者更好", en="challenger better")
WORSE = Text(zh="冠军更好", en="champion better")
UNSURE = Text(zh="无法区分", en="cannot be told apart")
GATES: dict[str, Text] = {
    "meaning": Text(zh="预测的含义", en="What is predicted"),
    "ranking.churn": Text(zh="流失排序", en="Ranking of churn"),
    "ranking.clv": Text(zh="价值排序", en="Ranking of value"),
    "calibration": Text(zh="校准", en="Calibration"),
    "tiers": Text(zh="等级变动", en="Tier changes"),
    "grade.churn": Text(zh="流失模型评级", en="Grade of churn"),
    "grade.clv": Text(zh="价值模型评级", en="Grade of value"),
}
VERDICTS: dict[str, Text] = {
    "passed": Text(zh="通过", en="passed"),
    "failed": Text(zh="未通过", en="failed"),
    "not_judged": Text(zh="未判定", en="not judged"),
}


def metric_name(metric: str) -> Text:
    """Return what people call a metric."""
    return METRIC_NAMES[metric]


def outcome_of(metric: str, low: float, high: float) -> Text:
    """Return which model is better by the bounds of challenger minus champion.

    ``bias`` is better nearer zero, which its difference alone does not tell.
    """
    if metric == "bias" or not (low > 0.0 or high < 0.0):
        return UNSURE
    return BETTER if (low > 0.0) != (metric in LOWER_IS_BETTER) else WORSE


def data_key(difference: Difference) -> Text:
    """Return what a difference of data is of: ``rows.transactions`` → rows, transactions."""
    first, _, rest = difference.key.partition(".")
    name = DATA_KEYS.get(first, Text(zh=first, en=first))
    return Text(zh=f"{name.zh} {rest}".strip(), en=f"{name.en} {rest}".strip())
