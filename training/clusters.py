"""Finds segments: axes, their number, names from what stands out, rules in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score, silhouette_score
from sklearn.tree import DecisionTreeClassifier
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from configs.schema import Text
from features.spec import Feature
from training.anchor import FREQUENCY, Columns
from training.segments import Axis, Segment, Segments, nearest, scaled, standardised

Vector = NDArray[np.float64]
Codes = NDArray[np.int64]

SAMPLE = 4_000
RESAMPLES = 10
FEWEST_TO_DIVIDE = 60
SMALLEST_SHARE = 0.04
STABLE = 0.90
COMPARED = 1_500
"""Customers whose distances are all compared, for the silhouette."""
KNOWN_SHARE = 0.3
"""An axis needs a value for at least this share of customers."""
LOGGED_UNITS = frozenset({"currency", "orders", "times", "days", "products", "items", "hours"})
STANDS_OUT = 0.5
AXES_AT_MOST = 8


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
PROSPECTS = Segment(
    code="not_yet_bought",
    name=Text(zh="尚未购买客户", en="Not yet bought"),
    description=Text(zh="没有购买记录", en="No purchase so far"),
    centre=(),
    share=0.0,
)


def find_segments(
    columns: Columns,
    features: Sequence[Feature],
    expected_values: Vector,
    at_most: int,
    seed: int,
) -> Segments:
    """Return segments of the customers, the highest mean expected value first.

    Of the numbers up to ``at_most`` whose smallest group holds 4 % and whose bootstrap agreement
    (adjusted Rand index) is at least .9, the one with the best silhouette is taken, two only where
    nothing else is left; failing that, the most repeatable number.
    Customers without a purchase form a group of their own.
    """
    n = len(expected_values)
    bought = ~np.isnan(columns[FREQUENCY]) if FREQUENCY in columns else np.ones(n, dtype=bool)
    buyers = {name: values[bought] for name, values in columns.items()}
    axes = choose_axes(buyers, features)
    prospects = _prospects(bought)
    if int(bought.sum()) < FEWEST_TO_DIVIDE or not axes:
        return Segments(segments=(_everybody(bought),), prospects=prospects)
    points = standardised(axes, buyers)
    rng = np.random.default_rng(seed)
    sample = points[np.sort(rng.permutation(len(points))[:SAMPLE])]
    with threadpool_limits(1):
        centres, stability = _centres(sample, at_most, seed)
    value = expected_values[bought]
    groups = nearest(points, centres)
    mean_value = [
        value[groups == i].mean() if (groups == i).any() else 0.0 for i in range(len(centres))
    ]
    centres = centres[np.argsort(mean_value)[::-1]]
    groups = nearest(points, centres)
    labels = {feature.name: feature.label for feature in features}
    descriptions, agreement = _in_words(axes, points, groups, labels, seed)
    names = _names(axes, centres, labels)
    segments = tuple(
        Segment(
            code=names[i][0],
            name=names[i][1],
            description=descriptions.get(i, names[i][1]),
            centre=tuple(round(float(x), 9) for x in centre),
            share=float(bought.mean() * (groups == i).mean()),
        )
        for i, centre in enumerate(centres)
    )
    return Segments(
        axes=axes, segments=segments, prospects=prospects, stability=stability, agreement=agreement
    )


def choose_axes(columns: Columns, features: Sequence[Feature]) -> tuple[Axis, ...]:
    """Return axes: the features with words of their own; for contract customers, the numbers."""
    by_name = {feature.name: feature for feature in features}
    wanted = [by_name[name] for name in WORDS if name in by_name]
    if not wanted:
        wanted = [f for f in features if f.family == "snapshot" and "=" not in f.name]
    axes = [_axis(feature, columns[feature.name]) for feature in wanted]
    return tuple(axis for axis in axes if axis is not None)[:AXES_AT_MOST]


def _axis(feature: Feature, values: Vector) -> Axis | None:
    known = values[~np.isnan(values)]
    if len(known) == 0 or len(known) < KNOWN_SHARE * len(values) or len(np.unique(known)) < 3:
        return None
    low, high = (float(q) for q in np.quantile(known, (0.01, 0.99)))
    is_logged = feature.unit in LOGGED_UNITS or float(known.max()) > 100.0
    inside = scaled(is_logged, np.clip(known, low, high))
    if float(inside.std()) < 1e-9:
        return None
    return Axis(
        feature=feature.name,
        is_logged=is_logged,
        middle=float(inside.mean()),
        spread=float(inside.std()),
        low=low,
        high=high,
    )


@dataclass(frozen=True)
class _Trial:
    """One number of segments, and how repeatable and how well apart they are."""

    centres: Vector
    stability: float
    separation: float


def _centres(points: Vector, at_most: int, seed: int) -> tuple[Vector, float]:
    """Return the centres and the stability of the best number of segments."""
    trials: list[_Trial] = []
    for k in range(2, min(at_most, len(points) // 30) + 1):
        fit = KMeans(k, n_init=4, random_state=seed).fit(points)
        if np.bincount(fit.labels_, minlength=k).min() >= SMALLEST_SHARE * len(points):
            stability = _stability(points, fit.labels_, k, seed)
            separation = silhouette_score(points[:COMPARED], fit.labels_[:COMPARED])
            trials.append(_Trial(fit.cluster_centers_, stability, float(separation)))
    if not trials:
        return points.mean(axis=0, keepdims=True), 1.0
    stable = [trial for trial in trials if trial.stability >= STABLE]
    several = [trial for trial in stable if len(trial.centres) > 2]
    if several or stable:
        best = max(several or stable, key=lambda trial: trial.separation)
    else:
        best = max(trials, key=lambda trial: trial.stability)
    return best.centres, best.stability


def _stability(points: Vector, labels: Codes, k: int, seed: int) -> float:
    rng = np.random.default_rng(seed)
    scores = []
    for _ in range(RESAMPLES):
        rows = rng.integers(len(points), size=len(points))
        fit = KMeans(k, n_init=2, random_state=seed).fit(points[rows])
        scores.append(adjusted_rand_score(labels, nearest(points, fit.cluster_centers_)))
    return float(np.mean(scores))


def _names(
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


def _in_words(
    axes: Sequence[Axis],
    points: Vector,
    groups: Codes,
    labels: Mapping[str, Mapping[str, str]],
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
            described[group] = _sentence(axes, bounds, labels)
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
) -> Text:
    zh, en = [], []
    for i, (low, high) in sorted(bounds.items()):
        label = labels[axes[i].feature]
        least, most = (_raw(axes[i], edge) for edge in (low, high))
        if np.isfinite(low):
            zh.append(f"{label['zh']}高于{least}")
            en.append(f"{label['en']} above {least}")
        if np.isfinite(high):
            zh.append(f"{label['zh']}不高于{most}")
            en.append(f"{label['en']} at most {most}")
    return Text(zh=",".join(zh), en="; ".join(en))


def _raw(axis: Axis, place: float) -> str:
    if not np.isfinite(place):
        return ""
    scaled_value = axis.middle + axis.spread * place
    value = np.sign(scaled_value) * np.expm1(abs(scaled_value)) if axis.is_logged else scaled_value
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _prospects(bought: NDArray[np.bool_]) -> Segment | None:
    if bought.all():
        return None
    return PROSPECTS.model_copy(update={"share": float((~bought).mean())})


def _everybody(bought: NDArray[np.bool_]) -> Segment:
    return Segment(
        code="all_customers",
        name=Text(zh="全部客户", en="All customers"),
        description=Text(zh="客户太少,不再细分", en="Too few customers to divide"),
        centre=(),
        share=float(bought.mean()) if len(bought) else 1.0,
    )
