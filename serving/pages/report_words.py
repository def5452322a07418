"""Words of the report: metrics, rules and protocols as a manager reads them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from configs.section import Text
from training.metric_names import METRIC_NAMES

Form = Literal["score", "percent", "signed", "money", "times"]


@dataclass(frozen=True)
class Metric:
    """A metric's name, what it says in plain words, and how it is written."""

    name: Text
    meaning: Text
    form: Form


METRICS: dict[str, Metric] = {
    "auc": Metric(
        METRIC_NAMES["auc"],
        Text(
            zh="随机取一位流失与一位未流失客户，前者得分更高的概率；0.5 等于随机，1 为完美",
            en="chance that a leaver scores above a stayer; 0.5 is chance, 1 perfect",
        ),
        "score",
    ),
    "brier": Metric(
        METRIC_NAMES["brier"],
        Text(
            zh="概率与结果之差的平方均值，越低越好",
            en="mean squared error of probabilities; lower is better",
        ),
        "score",
    ),
    "ece15": Metric(
        METRIC_NAMES["ece15"],
        Text(
            zh="预测概率与实际比例的平均差距，越低越好",
            en="mean gap between predicted and actual rates; lower is better",
        ),
        "percent",
    ),
    "top_decile_lift": Metric(
        METRIC_NAMES["top_decile_lift"],
        Text(
            zh="得分最高的10%客户中，流失率是平均的几倍",
            en="churn rate of the top tenth over the average",
        ),
        "times",
    ),
    "ngini": Metric(
        METRIC_NAMES["ngini"],
        Text(
            zh="归一化基尼系数：0 等于随机，1 为完美", en="normalised Gini: 0 is chance, 1 perfect"
        ),
        "score",
    ),
    "mae": Metric(
        METRIC_NAMES["mae"],
        Text(zh="每位客户的平均误差，越低越好", en="mean error per customer; lower is better"),
        "money",
    ),
    "bias": Metric(
        METRIC_NAMES["bias"],
        Text(
            zh="预测总额与实际总额之差，越接近零越好",
            en="predicted over actual total, less one; nearer zero is better",
        ),
        "signed",
    ),
    "dmape": Metric(
        METRIC_NAMES["dmape"],
        Text(
            zh="按预测分十档，各档均值误差的平均，越低越好",
            en="mean error of the means of ten bins; lower is better",
        ),
        "percent",
    ),
}

PROTOCOLS: dict[str, Text] = {
    "out_of_time": Text(
        zh="在训练之后的时段上衡量：模型从未见过这些天",
        en="measured on later days that the model never saw",
    ),
    "cross_validated": Text(
        zh="交叉验证：每位客户由未见过他的模型评分",
        en="cross-validated: each customer scored by a model that never saw them",
    ),
    "none": Text(zh="尚无法衡量", en="not measurable yet"),
}

OBJECTIVES: dict[str, Text] = {
    "revenue": Text(zh="收入", en="revenue"),
    "margin": Text(zh="毛利", en="margin"),
    "retention": Text(zh="客户保留", en="retention"),
}
