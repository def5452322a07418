"""A letter for each target: what the model adds to the best rule that anyone could apply.

``skill = (metric − rule) / (1 − rule)`` on the metric of order (AUC for churn, normalised Gini for
value): the part of what the rule leaves to perfection that the model gains. Its interval is of
1,000 resamples of customers on which model and rule are measured together (Efron and Tibshirani
1993, ch. 13). The rule is the one that did best on these very customers, so its luck counts
against the model.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from configs.section import Text
from training import metrics
from training.anchor import TargetName
from training.resample import resampled_auc, resampled_gini

Vector = NDArray[np.float64]
Letter = Literal["A", "B", "C", "D", "N"]

RESAMPLES = 1_000
LEVEL = 0.95
MOST_CUSTOMERS = 10_000
"""More are thinned to as many, and their spread is drawn in as it shrinks: by a root."""
FEWEST_CUSTOMERS = 100
FEWEST_OF_EACH = 20
"""Of the rarer outcome: with fewer, an AUC is known to ±.12 at best (Hanley and McNeil 1982)."""
SKILL_OF_AN_A = 0.05
"""A twentieth of what the rule leaves. Among many customers less can be proven, and is not worth
the trouble that a model is."""
CALIBRATION_OF_AN_A = 0.05
"""Of a hundred customers told 30 %, between 25 and 35 leave."""
BIAS_OF_AN_A = 0.10
"""The total comes within a tenth: what budgets are made of."""
CHANCE = {"churn": 0.5, "clv": 0.0}
MAIN_METRIC = {"churn": "auc", "clv": "ngini"}


def _formula(zh: str, en: str, zh_level: str, en_level: str, level: float) -> Text:
    """Return how letters are given; ``zh`` and ``en`` name the metric, the others the level."""
    resamples = f"{RESAMPLES:,}"
    skill, level_shown = f"{SKILL_OF_AN_A:.0%}", f"{level:.0%}"
    return Text(
        zh=f"技能＝（模型{zh}－最佳规则{zh}）÷（1－最佳规则{zh}），{LEVEL:.0%}区间来自{resamples}次"
        f"客户配对重抽样。A：区间高于0、技能不低于{skill}、{zh_level}不超过{level_shown}；"
        "B：区间高于0；C：优于规则，但未获证实；D：不优于规则，或排序不优于随机；"
        "N：数据太少，无法评级",
        en=f"skill = (model's {en} - best rule's) / (1 - best rule's), {LEVEL:.0%} interval of "
        f"{resamples} paired resamples of customers. A: interval above 0, skill at least {skill}, "
        f"{en_level} at most {level_shown}; B: interval above 0; C: better than the rule, not "
        "proven; D: no better than the rule, or its order no better than chance; N: too little "
        "to tell",
    )


FORMULA: dict[TargetName, Text] = {
    "churn": _formula("AUC", "AUC", "校准误差", "calibration error", CALIBRATION_OF_AN_A),
    "clv": _formula("归一化基尼", "nGini", "总量偏差", "bias of the total", BIAS_OF_AN_A),
}
WHY: dict[str, Text] = {
    "A": Text(
        zh="优于最佳规则，已获证实，水平可靠", en="better than any rule, and well calibrated"
    ),
    "B": Text(zh="优于最佳规则，已获证实", en="better than any rule"),
    "C": Text(zh="优于最佳规则，但未获证实", en="better than any rule, but not proven to be"),
    "D": Text(zh="不优于最佳规则", en="no better than the best rule"),
    "chance": Text(zh="排序不优于随机", en="its order is no better than chance"),
}


class Grade(BaseModel):
    """How a target's model is graded; JSON by ``model_dump_json``.

    Attributes:
        letter: A to D, or N where there is too little to tell.
        skill: the part of what the rule leaves that the model gains, at most 1; ``None`` for N.
        low, high: its 95 % interval.
        rule: the best rule, which it is compared with.
        formula: how letters are given.
        why: why this letter.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    letter: Letter
    skill: float | None = None
    low: float | None = None
    high: float | None = None
    rule: str | None = None
    formula: Text
    why: Text


def grade(
    target: TargetName, y: Vector, served: Vector, rules: Mapping[str, Vector], seed: int = 0
) -> Grade:
    """Return the grade of the forecast ``served``.

    Args:
        target: ``churn`` or ``clv``.
        y: what happened: 1 for churned, or money.
        served: probabilities or money that the model gave beforehand.
        rules: rule → its scores of the same customers, in any unit.
        seed: of the resamples.
    """
    y = np.maximum(y, 0.0)
    too_few = _too_few(y)
    if too_few is not None or not rules:
        return not_graded(target, too_few or NO_RULES)
    by_rule = {name: _metric(target, y, scores) for name, scores in rules.items()}
    rule = max(by_rule, key=lambda name: by_rule[name])
    own = _metric(target, y, served)
    skill = float(_skill(np.array(own), np.array(by_rule[rule])))
    drawn = _resampled(target, y, [served, rules[rule]], seed)
    low, high = _interval(_skill(drawn[:, 0], drawn[:, 1]), skill, len(y))
    least, _ = _interval(drawn[:, 0], own, len(y))
    off = _off_level(target, y, served)
    letter, why = _letter(skill, low, least > CHANCE[target], off is None)
    return Grade(
        letter=letter,
        skill=skill,
        low=low,
        high=high,
        rule=rule,
        formula=FORMULA[target],
        why=why if off is None else Text(zh=f"{why.zh}；{off.zh}", en=f"{why.en}; {off.en}"),
    )


def not_graded(target: TargetName, why: Text) -> Grade:
    """Return the grade N."""
    return Grade(letter="N", formula=FORMULA[target], why=why)


NO_RULES = Text(zh="没有可比较的规则", en="there is no rule to compare with")


def _too_few(y: Vector) -> Text | None:
    happened = int((y > 0).sum())
    rarer = min(happened, len(y) - happened) if len(np.unique(y)) <= 2 else happened
    if len(y) < FEWEST_CUSTOMERS:
        return Text(
            zh=f"只有{len(y)}位客户可供衡量，少于{FEWEST_CUSTOMERS}位",
            en=f"{len(y)} customers to measure on, fewer than {FEWEST_CUSTOMERS}",
        )
    if rarer < FEWEST_OF_EACH:
        return Text(
            zh=f"结果较少的一类只有{rarer}位客户，少于{FEWEST_OF_EACH}位",
            en=f"{rarer} customers of the rarer outcome, fewer than {FEWEST_OF_EACH}",
        )
    return None


def _metric(target: TargetName, y: Vector, scores: Vector) -> float:
    measure = metrics.auc if target == "churn" else metrics.normalised_gini
    return measure(y, scores)


def _skill(own: Vector, rule: Vector) -> Vector:
    """Return the part of 1 − rule that is gained; a rule at 1 leaves nothing to gain."""
    gained: Vector = (own - rule) / np.maximum(1.0 - rule, np.finfo(float).eps)
    return gained


def _resampled(
    target: TargetName, y: Vector, forecasts: list[Vector], seed: int
) -> NDArray[np.float64]:
    if len(y) > MOST_CUSTOMERS:
        rows = np.random.default_rng(seed).choice(len(y), MOST_CUSTOMERS, replace=False)
        y, forecasts = y[rows], [scores[rows] for scores in forecasts]
    draw = resampled_auc if target == "churn" else resampled_gini
    return draw(y, forecasts, RESAMPLES, seed)


def _interval(drawn: Vector, at: float, n: int) -> tuple[float, float]:
    """Return the percentile interval; of thinned customers, its spread drawn in around ``at``."""
    drawn = drawn[np.isfinite(drawn)]
    tail = (1.0 - LEVEL) / 2.0
    low, middle, high = np.quantile(drawn, (tail, 0.5, 1.0 - tail))
    if n <= MOST_CUSTOMERS:
        return float(low), float(high)
    share = np.sqrt(MOST_CUSTOMERS / n)
    return float(at + (low - middle) * share), float(at + (high - middle) * share)


def _off_level(target: TargetName, y: Vector, served: Vector) -> Text | None:
    """Return how far the forecast's level was off; ``None`` where it is right enough for an A."""
    if target == "churn":
        error = metrics.calibration_error(y, served)
        return None if error <= CALIBRATION_OF_AN_A else _probabilities_off(error)
    bias = metrics.bias(y, served)
    return None if abs(bias) <= BIAS_OF_AN_A else _total_off(bias)


def _probabilities_off(error: float) -> Text:
    points = f"{100 * error:.0f}"
    return Text(
        zh=f"概率水平不准，平均相差{points}个百分点",
        en=f"its probabilities were {points} percentage points off on average",
    )


def _total_off(bias: float) -> Text:
    share = f"{abs(bias):.0%}"
    return Text(
        zh=f"预测总量比实际{'高' if bias > 0 else '低'}{share}，金额不宜直接用于预算",
        en=f"its total was {share} too {'high' if bias > 0 else 'low'}: no amounts to budget by",
    )


def _letter(skill: float, low: float, orders: bool, is_level: bool) -> tuple[Letter, Text]:
    if skill <= 0:
        return "D", WHY["D"]
    if not orders:
        return "D", WHY["chance"]
    if low <= 0:
        return "C", WHY["C"]
    return ("A", WHY["A"]) if skill >= SKILL_OF_AN_A and is_level else ("B", WHY["B"])
