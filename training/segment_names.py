"""What segments are called and said to be: words that stand out, rules from a small tree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.tree import DecisionTreeClassifier

from configs.section import Text
from training.bounds import above, at_most
from training.segments import Axis

Vector = NDArray[np.float64]
Codes = NDArray[np.int64]
STANDS_OUT = 0.5


@dataclass(frozen=True)
class Words:
    """What high and low values along an axis are called: code, Chinese, English."""

    high: tuple[str, str, str]
    low: tuple[str, str, str]


WORDS: dict[str, Words] = {
    "order_count_364d": Words(("loyal", "忠诚", "loyal"), ("occasional", "偶尔购买", "occasional")),
    "days_since_last_purchase": Words(("dormant", "沉睡", "dormant"), ("active", "活跃", "active")),
    "average_order_value_364d": Words(
        ("big_baskets", "大单", "big baskets"), ("small_baskets", "小单", "small baskets")
    ),
    "order_count_trend_182d": Words(
        ("growing", "增长", "growing"), ("declining", "下滑", "declining")
    ),
    "interaction_count_84d": Words(("engaged", "常互动", "engaged"), ("quiet", "少互动", "quiet")),
    "csat_mean_364d": Words(
        ("satisfied", "满意", "satisfied"), ("dissatisfied", "不满", "dissatisfied")
    ),
    "complaint_count_364d": Words(
        ("complaining", "常投诉", "complaining"), ("content", "无投诉", "no complaints")
    ),
    "discount_share_364d": Words(
        ("bargain", "爱优惠", "bargain hunters"), ("full_price", "少优惠", "full price")
    ),
}


def names_of(
    axes: Sequence[Axis], centres: Vector, labels: Mapping[str, Mapping[str, str]]
) -> list[tuple[str, Text]]:
    """Return code and name of each centre: the fewest words that tell it from the others."""
    names: list[tuple[str, Text]] = []
    for centre in centres:
        order = np.argsort(-np.abs(centre))
        standing = [i for i in order if abs(centre[i]) >= STANDS_OUT] or [int(order[0])]
        for count in range(min(2, len(standing)), len(axes) + 1):
            picked = sorted((standing if count <= len(standing) else list(order))[:count])
            name = _name([_words(axes[i], centre[i], labels) for i in picked])
            if name[0] not in {code for code, _ in names}:
                break
        else:
            name = (f"{name[0]}_{len(names) + 1}", name[1])
        names.append(name)
    return names


def _words(
    axis: Axis, place: float, labels: Mapping[str, Mapping[str, str]]
) -> tuple[str, str, str]:
    if axis.feature in WORDS:
        words = WORDS[axis.feature]
        return words.high if place > 0 else words.low
    label = labels[axis.feature]
    slug = "".join(c if c.isascii() and c.isalnum() else "_" for c in axis.feature.lower())
    if place > 0:
        return f"high_{slug}", f"{label['zh']}高", f"high {label['en']}"
    return f"low_{slug}", f"{label['zh']}低", f"low {label['en']}"


def _name(words: Sequence[tuple[str, str, str]]) -> tuple[str, Text]:
    code = "_".join(word[0] for word in words)
    english = ", ".join(word[2] for word in words)
    zh = "".join(word[1] for word in words) + "客户"
    return code, Text(zh=zh, en=english[0].upper() + english[1:])


def in_words(
    axes: Sequence[Axis],
    points: Vector,
    groups: Codes,
    labels: Mapping[str, Mapping[str, str]],
    units: Mapping[str, str],
    seed: int,
) -> tuple[dict[int, Text], float]:
    """Return each group's rule, from a tree with one leaf per group, and how often it is right."""
    count = int(groups.max()) + 1
    if count < 2:
        return {}, 1.0
    tree = DecisionTreeClassifier(max_leaf_nodes=count, random_state=seed).fit(points, groups)
    described: dict[int, Text] = {}
    for group, bounds in _leaves(tree):
        if group not in described:
            described[group] = _sentence(axes, bounds, labels, units)
    return described, float((tree.predict(points) == groups).mean())


def _leaves(tree: DecisionTreeClassifier) -> list[tuple[int, dict[int, tuple[float, float]]]]:
    """Return group and bounds per axis of every leaf, the fullest first."""
    inner = tree.tree_
    found: list[tuple[int, int, dict[int, tuple[float, float]]]] = []
    waiting: list[tuple[int, dict[int, tuple[float, float]]]] = [(0, {})]
    while waiting:
        node, bounds = waiting.pop()
        axis, edge = int(inner.feature[node]), float(inner.threshold[node])
        if axis < 0:
            group = int(tree.classes_[inner.value[node][0].argmax()])
            found.append((int(inner.n_node_samples[node]), group, bounds))
            continue
        low, high = bounds.get(axis, (-np.inf, np.inf))
        waiting.append((int(inner.children_left[node]), {**bounds, axis: (low, min(high, edge))}))
        waiting.append((int(inner.children_right[node]), {**bounds, axis: (max(low, edge), high)}))
    return [(group, bounds) for _, group, bounds in sorted(found, key=lambda leaf: -leaf[0])]


def _sentence(
    axes: Sequence[Axis],
    bounds: Mapping[int, tuple[float, float]],
    labels: Mapping[str, Mapping[str, str]],
    units: Mapping[str, str],
) -> Text:
    zh, en = [], []
    for i, (low, high) in sorted(bounds.items()):
        name = axes[i].feature
        label, unit = labels[name], units.get(name, "")
        if np.isfinite(low):
            from_there = above(_raw(axes[i], low), unit)
            zh.append(f"{label['zh']}{from_there.zh}")
            en.append(f"{label['en']} {from_there.en}")
        if np.isfinite(high):
            most = at_most(_raw(axes[i], high), unit)
            zh.append(f"{label['zh']}{most.zh}")
            en.append(f"{label['en']} {most.en}")
    return Text(zh="，".join(zh), en="; ".join(en))


def _raw(axis: Axis, place: float) -> float:
    """Return a place along an axis in the feature's own unit."""
    scaled_value = axis.middle + axis.spread * place
    is_logged = axis.is_logged
    return float(np.sign(scaled_value) * np.expm1(abs(scaled_value)) if is_logged else scaled_value)
