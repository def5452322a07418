"""What a reader must know about how a model was fitted and measured, in both languages."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence
from typing import Literal

from configs.section import Text

NOBODY_WITHOUT_PURCHASES = Text(
    zh="训练数据中没有从未购买的客户：此类客户按平均水平评分",
    en="training has nobody without purchases: who has none is scored as the average",
)
NOT_CALIBRATED = Text(
    zh="未再校准：训练之外没有已结束的预测期",
    en="not calibrated afterwards: no closed horizon outside training",
)
CALIBRATED = Text(
    zh="已在较晚的截止日上做 Platt 校准，其预测期与训练互不重叠",
    en="calibrated (Platt) on a later cutoff that shares no horizon with training",
)
NO_HORIZON_CLOSED = Text(
    zh="尚未评估：截止日之后还没有完整的预测期",
    en="not measured: no horizon after a cutoff has closed yet",
)
NOBODY_AT_CUTOFF = Text(
    zh="尚未评估：评估截止日之前无人购买",
    en="not measured: nobody had bought by the evaluation cutoff",
)
TOO_FEW_LABELS = Text(
    zh="尚未评估：较少的一类不足两位客户",
    en="not measured: fewer than two customers of the rarer label",
)
CONTRACT_VALUE = Text(
    zh="实际价值：留下的客户为月价值乘以月数，离开的客户为零",
    en="actual value: monthly value times months for who stayed, nothing for who left",
)
RULES_ONLY = Text(
    zh="仅用规则：客户或历史太少，没有可评级的模型",
    en="rules only: too few customers, or too short a history, for a model to grade",
)
ALARM_IS_DEAF = Text(
    zh="未能检查单个特征是否泄露结果：客户太少，或过去本身几乎决定了结果",
    en="whether a single feature gives the outcome away could not be checked: too few customers, "
    "or the past alone nearly decides",
)


def tells_much(name: str, told: float, past: float) -> Text:
    """Return the warning that a feature tells the outcome better than its past explains."""
    return Text(
        zh=f"请核对特征 {name}：单凭它即可排出{told:.3f}的次序，远高于过去所能解释的{past:.3f}",
        en=f"look at feature {name}: it alone orders outcomes to {told:.3f}, far above the "
        f"{past:.3f} that the past explains; make sure that it was known then",
    )


def rule_wins(rule: Text) -> Text:
    """Return the note that a rule is served in the model's place."""
    return Text(
        zh=f"简单规则不逊于模型，故采用规则：{rule.zh}",
        en=f"the model does not beat a simple rule, so the rule is served: {rule.en}",
    )


def moved(names: Sequence[str]) -> Text:
    """Return the note that features were left out because their values have moved."""
    return Text(
        zh=f"取值已整体偏移，未进入树模型：{'、'.join(names)}",
        en=f"left out of the trees, as their values have moved: {', '.join(names)}",
    )


def rules_only(reason: Text) -> Text:
    """Return the note that no trees were grown, and why."""
    return Text(zh=f"仅用规则：{reason.zh}", en=f"rules only: {reason.en}")


def alike(n: int) -> Text:
    """Return the note that ``n`` customers are equal to another in every feature."""
    return Text(
        zh=f"{n}位客户与他人各项特征完全相同，交叉验证时归入同一折",
        en=f"{n} customers equal another in every feature; such customers share a fold",
    )


def drawn(n: int, of: int) -> Text:
    """Return the note that not all customers were learnt from."""
    return Text(
        zh=f"从{of:,}位客户中按编号摘要抽取{n:,}位用于学习与评估；评分仍覆盖所有客户",
        en=f"learnt and measured on {n:,} of {of:,} customers, drawn by a digest of their ids; "
        "all are scored",
    )


def kept_out(columns: Sequence[str]) -> Text:
    """Return the note that sensitive columns became no features."""
    return Text(
        zh=f"敏感属性，不参与评分，只用于分组对照：{'、'.join(columns)}",
        en=f"sensitive, kept to split figures by and not scored with: {', '.join(columns)}",
    )


def level(target: Literal["churn", "clv"], moved: float, cutoff: dt.date) -> Text:
    """Return the note on the level: the factor on values, or on the odds of churn."""
    times = f"{math.exp(moved):.2f}"
    zh, en = ("流失几率（odds）", "the odds of churn") if target == "churn" else ("价值", "values")
    return Text(
        zh=f"季节水平：{cutoff}之后的预测期，{zh}乘以{times}，客户排序不变",
        en=f"level of the season: for the horizon after {cutoff}, {en} times {times}; "
        "the order of customers stays",
    )


def served(note: Text) -> Text:
    """Return ``note`` as one on the model that is served, not the measured one."""
    return Text(zh=f"上线模型：{note.zh}", en=f"served: {note.en}")
