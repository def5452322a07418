"""Words of monitoring, in both languages."""

from __future__ import annotations

from configs.section import Text
from serving.scores.numbers import number, percent

SCORES: dict[str, Text] = {
    "churn_probability": Text(zh="流失概率", en="Churn probability"),
    "clv_expected": Text(zh="预期价值", en="Expected value"),
}
TARGETS: dict[str, Text] = {
    "churn": Text(zh="流失客户数", en="Leavers"),
    "clv": Text(zh="客户价值合计", en="Total value"),
}
KINDS: dict[str, Text] = {
    "feature": Text(zh="特征", en="feature"),
    "missing": Text(zh="缺失", en="missing values"),
    "category": Text(zh="类别", en="category"),
    "score": Text(zh="评分", en="score"),
    "tier": Text(zh="等级构成", en="tier mix"),
    "outcome": Text(zh="预期与实际", en="expected and actual"),
}
ADVICE: dict[str, Text] = {
    "feature": Text(
        zh="先查这项记录的来源：单位、导出方式、是否漏了几天；若变化属实，请重新训练",
        en="first check where these records come from: units, the export, days left out; if the "
        "change is real, train again",
    ),
    "missing": Text(
        zh="查看导入报告与隔离区，确认来源表是否仍在更新",
        en="look at the intake report and the quarantine: is the source still being filled?",
    ),
    "category": Text(
        zh="若只是改名，请在配置的映射中对应到原名；若是新事物，请重新训练",
        en="if it is only renamed, map it to the old name in the configuration; if it is new, "
        "train again",
    ),
    "score": Text(
        zh="先看下列特征变化；若客户确实变了，请重新训练并比较",
        en="look at the features below first; if customers have really changed, train again and "
        "compare",
    ),
    "tier": Text(
        zh="门槛是训练时冻结的：请确认名额与预算，必要时重新训练以重定门槛",
        en="thresholds were frozen at training: check budgets, and train again to set them anew",
    ),
    "outcome": Text(
        zh="预测已与事实不符：请重新训练，并在此之前谨慎使用绝对数值",
        en="forecasts no longer fit what happens: train again, and until then trust the order of "
        "customers more than the amounts",
    ),
}
NO_ALARM = Text(
    zh="无须处理：所用模型不读取它，或它本就随时间增长",
    en="nothing to do: no served model reads it, or it grows with time by its nature",
)


def moved(label: Text, before: float | None, now: float | None, factor: float, psi: float) -> Text:
    """Return how a feature's values have changed."""
    zh, en = (
        f"{'–' if before is None else number(before, language)} → "
        f"{'–' if now is None else number(now, language)}"
        for language in ("zh", "en")
    )
    return Text(
        zh=f"{label.zh}：典型值 {zh}，非零值的一般水平为原来的{factor:.2f}倍（PSI {psi:.2f}）",
        en=f"{label.en}: typical value {en}, usual level of what is not 0 ×{factor:.2f} "
        f"(PSI {psi:.2f})",
    )


def missing(label: Text, before: float, now: float) -> Text:
    """Return how the share of customers without a value has changed."""
    return Text(
        zh=f"{label.zh}：缺失此值的客户占比由{_pct(before)}变为{_pct(now)}",
        en=f"{label.en}: missing for {_pct(before)} of customers before, {_pct(now)} now",
    )


def score_moved(label: Text, factor: float, psi: float) -> Text:
    """Return how the scores of all customers have changed."""
    return Text(
        zh=f"{label.zh}整体{_direction(factor).zh}："
        f"平均值为训练时的{factor:.2f}倍（PSI {psi:.2f}）",
        en=f"{label.en} {_direction(factor).en} overall: mean ×{factor:.2f} of that at "
        f"training (PSI {psi:.2f})",
    )


def tier_moved(label: Text, before: float, now: float) -> Text:
    """Return how a tier's share of customers has changed."""
    return Text(
        zh=f"{label.zh}的客户占比由{_pct(before)}变为{_pct(now)}",
        en=f"{label.en} holds {_pct(now)} of customers, {_pct(before)} at training",
    )


def category(column: str, category: str, before: float, now: float) -> Text:
    """Return that a category is new, or has vanished."""
    if before == 0.0:
        return Text(
            zh=f"{column}出现了训练时没有的类别“{category}”，占{_pct(now)}",
            en=f"{column} has a category that training never saw: '{category}', {_pct(now)}",
        )
    return Text(
        zh=f"{column}的类别“{category}”消失了，训练时占{_pct(before)}",
        en=f"{column} no longer has the category '{category}', {_pct(before)} at training",
    )


def level_off(target: str, bias: float, day: str) -> Text:
    """Return that what came differs from what was expected."""
    zh, en = ("偏高", "too high") if bias > 0 else ("偏低", "too low")
    name = TARGETS[target]
    return Text(
        zh=f"{day}的预测：{name.zh}比实际{zh}{_pct(abs(bias))}",
        en=f"forecast of {day}: {name.en.lower()} {en} by {_pct(abs(bias))}",
    )


def order_lost(target: str, metric: str, then: float, now: float, day: str) -> Text:
    """Return that customers are ordered worse than at training."""
    return Text(
        zh=f"{day}的预测：{TARGETS[target].zh}的排序能力 {metric} 由{then:.3f}降至{now:.3f}",
        en=f"forecast of {day}: {TARGETS[target].en.lower()} ordered worse, {metric} {now:.3f}, "
        f"{then:.3f} at training",
    )


def _direction(factor: float) -> Text:
    if factor > 1.02:
        return Text(zh="上升", en="has risen")
    return Text(zh="下降", en="has fallen") if factor < 0.98 else Text(zh="改变", en="has changed")


def _pct(share: float) -> str:
    return percent(share, "en", 1)
