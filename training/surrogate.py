"""A small tree that says in rules anyone can read what the tiers come to, with its fidelity.

The tree does not serve anything: it imitates the served tiers, and is told with the share of other
customers whom it places as they were served.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from configs.section import Text
from training.bounds import WHOLE, above, at_most

Vector = NDArray[np.float64]
Columns = Mapping[str, Vector]
FEWEST_IN_LEAF = 20
FIDELITY = Text(
    zh="这些规则由一棵小树模仿等级得出，仅供阅读，并不用于分层：在另一半客户中，{right}与所给等级一致，"
    "若一律猜最常见的等级则为{commonest}。",
    en="Read off a small tree that imitates the tiers and sets none: of the customers it did not "
    "see, {right} get the tier that they have, against {commonest} by always naming the commonest.",
)


class Node(BaseModel):
    """A question, or, with no feature, an answer.

    Attributes:
        feature: ``feature <= threshold`` goes left; ``None`` in a leaf.
        left, right: indices of the nodes below.
        label: the commonest label of the customers here.
        n: customers here at the fit.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    feature: str | None = None
    threshold: float = 0.0
    left: int = -1
    right: int = -1
    label: str
    n: int


class SurrogateTree(BaseModel):
    """A tree that imitates labels; JSON by ``model_dump_json``.

    Attributes:
        nodes: the first is the root.
        labels: every label there is.
        stand_in: feature → what a missing value counts as, its median at the fit.
        fidelity: share of customers kept apart whom the tree labels right.
        commonest: share of them that the commonest label alone would.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    nodes: tuple[Node, ...]
    labels: tuple[str, ...]
    stand_in: dict[str, float]
    fidelity: float
    commonest: float

    @property
    def inputs(self) -> tuple[str, ...]:
        """Features that some question asks about."""
        return tuple(dict.fromkeys(node.feature for node in self.nodes if node.feature))

    @property
    def fidelity_in_words(self) -> Text:
        """How often the rules are right, and what naming the commonest label comes to."""
        right, commonest = f"{self.fidelity:.0%}", f"{self.commonest:.0%}"
        return Text(
            zh=FIDELITY.zh.format(right=right, commonest=commonest),
            en=FIDELITY.en.format(right=right, commonest=commonest),
        )

    def assign(self, columns: Columns, n: int) -> NDArray[np.object_]:
        """Return the label of each of ``n`` customers."""
        labels = np.full(n, None, dtype=object)
        waiting = [(0, np.arange(n))]
        while waiting:
            place, rows = waiting.pop()
            node = self.nodes[place]
            if node.feature is None:
                labels[rows] = node.label
                continue
            values = columns[node.feature][rows]
            values = np.where(np.isnan(values), self.stand_in[node.feature], values)
            goes_left = values <= node.threshold
            waiting += [(node.left, rows[goes_left]), (node.right, rows[~goes_left])]
        return labels

    def rules(
        self, features: Mapping[str, Mapping[str, str]], units: Mapping[str, str]
    ) -> list[tuple[str, int, Text]]:
        """Return label, customers and conditions in words of every leaf, the fullest first.

        Args:
            features: name → label by language.
            units: name → key of ``features.units``.
        """
        found: list[tuple[str, int, Text]] = []
        waiting: list[tuple[int, tuple[tuple[str, str, float], ...]]] = [(0, ())]
        while waiting:
            place, asked = waiting.pop()
            node = self.nodes[place]
            if node.feature is None:
                found.append((node.label, node.n, _in_words(asked, features, units)))
                continue
            edge = node.threshold
            waiting.append((node.left, (*asked, (node.feature, "<=", edge))))
            waiting.append((node.right, (*asked, (node.feature, ">", edge))))
        return sorted(found, key=lambda leaf: -leaf[1])


def fit_surrogate(
    columns: Columns, labels: Sequence[str], leaves: int = 8, seed: int = 0
) -> SurrogateTree:
    """Return a tree of at most ``leaves`` leaves that imitates ``labels``.

    It is learnt from a random half of the customers; its fidelity is that on the other half.

    Args:
        columns: features, NaN where missing.
        labels: one per customer, such as tiers as served.
        leaves: at most.
        seed: of the halves.
    """
    from sklearn.tree import DecisionTreeClassifier

    names = [name for name, values in columns.items() if not np.isnan(values).all()]
    stand_in = {name: float(np.nanmedian(columns[name])) for name in names}
    X = np.column_stack([np.nan_to_num(columns[name], nan=stand_in[name]) for name in names])
    y = np.asarray(labels, dtype=object)
    order = np.random.default_rng(seed).permutation(len(y))
    learnt, apart = order[: (len(y) + 1) // 2], order[(len(y) + 1) // 2 :]
    least = max(1, min(FEWEST_IN_LEAF, len(learnt) // 10))
    tree = DecisionTreeClassifier(max_leaf_nodes=leaves, min_samples_leaf=least, random_state=seed)
    tree.fit(X[learnt], y[learnt].astype(str))
    nodes = _nodes(tree, names)
    used = {node.feature for node in nodes if node.feature}
    found = SurrogateTree(
        nodes=nodes,
        labels=tuple(sorted(set(y.tolist()))),
        stand_in={name: value for name, value in stand_in.items() if name in used},
        fidelity=0.0,
        commonest=0.0,
    )
    placed = found.assign({name: columns[name][apart] for name in names}, len(apart))
    commonest = max((y[apart] == label).mean() for label in found.labels)
    right = float((placed == y[apart]).mean())
    return found.model_copy(update={"fidelity": right, "commonest": float(commonest)})


def _nodes(tree: object, names: Sequence[str]) -> tuple[Node, ...]:
    inner, classes = tree.tree_, tree.classes_  # type: ignore[attr-defined]
    return tuple(
        Node(
            feature=None if inner.feature[i] < 0 else names[inner.feature[i]],
            threshold=float(inner.threshold[i]) if inner.feature[i] >= 0 else 0.0,
            left=int(inner.children_left[i]),
            right=int(inner.children_right[i]),
            label=str(classes[inner.value[i][0].argmax()]),
            n=int(inner.n_node_samples[i]),
        )
        for i in range(inner.node_count)
    )


def _in_words(
    asked: Sequence[tuple[str, str, float]],
    features: Mapping[str, Mapping[str, str]],
    units: Mapping[str, str],
) -> Text:
    """Return the conditions of a leaf, each feature's bounds drawn together."""
    bounds: dict[tuple[str, str], float] = {}
    for name, way, edge in asked:
        held = bounds.get((name, way), edge)
        bounds[name, way] = min(held, edge) if way == "<=" else max(held, edge)
    told: dict[str, list[Text]] = {}
    for (name, way), edge in sorted(bounds.items(), key=lambda one: one[0][1] == "<="):
        words = above if way == ">" else at_most
        told.setdefault(name, []).append(words(edge, _unit(units.get(name, ""), edge)))
    zh = [features[name]["zh"] + "且".join(one.zh for one in both) for name, both in told.items()]
    en = [
        f"{features[name]['en']} {' and '.join(one.en for one in both)}"
        for name, both in told.items()
    ]
    return Text(zh="，".join(zh) or "全部客户", en="; ".join(en) or "all customers")


def _unit(unit: str, edge: float) -> str:
    """Return the unit; none of whole numbers where no half lies between two: means are asked of."""
    return "" if unit in WHOLE and edge % 1.0 != 0.5 else unit
