"""How many groups, and where: K-means whose groups a few rules can state.

Plain K-means cuts aslant, and a tree with one leaf a group then places one customer in seven
elsewhere. So tree and centres take turns: the tree states the groups, the centres move to the
middle of its leaves, customers go to the nearest, and the tree is grown again.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score, silhouette_score
from sklearn.tree import DecisionTreeClassifier
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from training.segments import nearest

Vector = NDArray[np.float64]
Codes = NDArray[np.int64]

SAMPLE, SETTLED_ON = 2_000, 20_000
"""Customers that divisions are tried on, and that the one taken is settled on."""
RESAMPLES = 50
SCREENED = 3
"""Resamples that every number of groups is tried on; only what seems sound gets all."""
STABLE = 0.90
"""Adjusted Rand index with the groups that refits on resamples lead to, on average."""
AGREED = 0.90
"""Share of customers whom a tree with one leaf a group places as the centres do."""
SMALLEST_SHARE = 0.04
COMPARED = 1_500
"""Customers whose distances are all compared, for the silhouette."""
WORTH_MORE_WORDS = 0.75
"""Part of two groups' silhouette that three or more must reach to be taken instead."""
TURNS = 8
STARTS = 4


@dataclass(frozen=True)
class Partition:
    """Centres of groups, and how repeatable, plain and well apart the groups are."""

    centres: Vector
    stability: float
    agreement: float = 1.0
    separation: float = 0.0

    @property
    def is_sound(self) -> bool:
        """Whether the groups would come again, and a few rules state them."""
        return self.stability >= STABLE and self.agreement >= AGREED


def partition(points: Vector, at_most: int, seed: int, start: Vector | None = None) -> Partition:
    """Return the best division of ``points`` (customers × axes) into 2 to ``at_most`` groups.

    Every group holds at least 4 %. Sound are those with an adjusted Rand index of .9 over 50
    resamples and .9 agreement with a tree of one leaf a group; of these the one with the best
    silhouette is taken, two groups only where more are far less apart, and where none is sound,
    the one nearest to it. One group where none is large enough.

    Args:
        points: standardised.
        at_most: groups.
        seed: of samples and starts.
        start: centres in use: if they lead to sound groups, these are taken.
    """
    order = np.random.default_rng(seed).permutation(len(points))
    sample, wide = (points[np.sort(order[:n])] for n in (SAMPLE, SETTLED_ON))
    with threadpool_limits(1):
        found = _found(sample, at_most, seed, start)
        return replace(found, centres=_stated(wide, found.centres, seed))


def _found(points: Vector, at_most: int, seed: int, start: Vector | None) -> Partition:
    """Return the best division of a sample."""
    if start is not None and (kept := _tried(points, start, seed)) and kept.is_sound:
        kept = _confirmed(points, kept, seed)
        if kept.is_sound:
            return kept
    trials = [
        _tried(points, _centres(points, k, seed), seed)
        for k in range(2, min(at_most, len(points) // 30) + 1)
    ]
    known = [trial for trial in trials if trial is not None]
    if not known:
        return Partition(points.mean(axis=0, keepdims=True), 1.0)
    return _best(points, known, seed)


def _best(points: Vector, trials: list[Partition], seed: int) -> Partition:
    """Return the most preferred that is sound on all resamples, else the one nearest to it."""
    two = [trial.separation for trial in trials if len(trial.centres) == 2]
    enough = WORTH_MORE_WORDS * max(two, default=0.0)

    def preference(trial: Partition) -> tuple[bool, float]:
        return len(trial.centres) > 2 and trial.separation >= enough, trial.separation

    for trial in sorted(trials, key=preference, reverse=True):
        if trial.is_sound and (sure := _confirmed(points, trial, seed)).is_sound:
            return sure
    nearest_to_sound = max(trials, key=lambda trial: min(trial.stability, trial.agreement))
    return _confirmed(points, nearest_to_sound, seed)


def _confirmed(points: Vector, trial: Partition, seed: int) -> Partition:
    """Return the division with its stability over all resamples."""
    return replace(trial, stability=_stability(points, trial.centres, seed, RESAMPLES))


def _tried(points: Vector, start: Vector, seed: int) -> Partition | None:
    """Return the division that ``start`` leads to; ``None`` where a group is too small."""
    centres = _refitted(points, start, seed)
    groups = nearest(points, centres)
    if np.bincount(groups, minlength=len(start)).min() < SMALLEST_SHARE * len(points):
        return None
    separation = 0.0
    if len(np.unique(groups[:COMPARED])) > 1:
        separation = float(silhouette_score(points[:COMPARED], groups[:COMPARED]))
    agreement = float((_tree(points, groups, seed).predict(points) == groups).mean())
    stability = _stability(points, centres, seed, SCREENED)
    return Partition(centres, stability, agreement, separation)


def _centres(points: Vector, k: int, seed: int) -> Vector:
    """Return K-means centres, the best of a few starts."""
    fit = KMeans(k, n_init=STARTS, random_state=seed).fit(points)
    return np.asarray(fit.cluster_centers_)


def _stated(points: Vector, centres: Vector, seed: int) -> Vector:
    """Return centres moved, turn by turn, to the middle of the leaves that state their groups."""
    groups = nearest(points, centres)
    for _ in range(TURNS):
        leaves = _tree(points, groups, seed).predict(points)
        centres = np.array(
            [
                points[leaves == i].mean(axis=0) if (leaves == i).any() else centres[i]
                for i in range(len(centres))
            ]
        )
        moved = nearest(points, centres)
        if np.array_equal(moved, groups):
            break
        groups = moved
    return centres


def _tree(points: Vector, groups: Codes, seed: int) -> DecisionTreeClassifier:
    count = max(int(groups.max()) + 1, 2)
    return DecisionTreeClassifier(max_leaf_nodes=count, random_state=seed).fit(points, groups)


def _stability(points: Vector, centres: Vector, seed: int, resamples: int) -> float:
    """Return the mean adjusted Rand index with the groups that resamples lead to.

    Each starts from ``centres``, as a refit starts from the centres in use.
    """
    rng, groups = np.random.default_rng(seed), nearest(points, centres)
    scores = []
    for _ in range(resamples):
        drawn = points[rng.integers(len(points), size=len(points))]
        scores.append(adjusted_rand_score(groups, nearest(points, _refitted(drawn, centres, seed))))
    return float(np.mean(scores))


def _refitted(points: Vector, start: Vector, seed: int) -> Vector:
    """Return the centres that K-means from ``start``, then the turns with the tree, lead to."""
    fit = KMeans(len(start), init=start, n_init=1, random_state=seed).fit(points)
    return _stated(points, np.asarray(fit.cluster_centers_), seed)
