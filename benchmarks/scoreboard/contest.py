"""Methods side by side on the same customers, with paired bootstraps of the customers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from benchmarks.scoreboard.bars import BEST_KNOWN, digits
from benchmarks.scoreboard.records import Better, Row, best_of, judged

Vector = NDArray[np.float64]
DRAWS = 1_000
SEED = 20101208
OURS = "ours"


@dataclass(frozen=True)
class Metric:
    """A figure of outcomes and predictions.

    Attributes:
        reads_order_only: whether scores that only order customers have it.
    """

    name: str
    of: Callable[[Vector, Vector], float]
    better: Better
    reads_order_only: bool = False


@dataclass(frozen=True)
class Contest:
    """Customers at one cutoff: what happened, and what each method had said.

    Attributes:
        customers: who they are, so that a customer is drawn at all cutoffs at once.
        peers: method → predictions; ``None`` where it was not run.
        orders: methods whose scores only order customers.
    """

    customers: Sequence[str]
    y: Vector
    ours: Vector
    peers: Mapping[str, Vector | None]
    orders: frozenset[str] = frozenset()

    def said_by(self, method: str) -> Vector | None:
        """Return the predictions of ``method``."""
        return self.ours if method == OURS else self.peers[method]

    def figure(self, method: str, metric: Metric, rows: NDArray[np.int64]) -> float:
        """Return the figure of ``method`` on the customers at ``rows``."""
        said = self.said_by(method)
        assert said is not None
        return metric.of(self.y[rows], said[rows])


class Contests:
    """The contests of one protocol and data set, by cutoff, and rows made of them.

    Args:
        drawn: the contests that intervals of the mean and the worst are drawn on; default: all.
            Where the same customers are predicted many times over, once is enough.
    """

    def __init__(
        self,
        protocol: str,
        dataset: str,
        by_cutoff: Mapping[str, Contest],
        drawn: Sequence[str] | None = None,
        draws: int = DRAWS,
    ) -> None:
        self.protocol = protocol
        self.dataset = dataset
        self.by_cutoff = by_cutoff
        self.drawn = frozenset(by_cutoff if drawn is None else drawn)
        self.draws = draws
        self._resampled: dict[tuple[str, str, str], Vector] = {}

    def at(self, cutoff: str, metric: Metric, shown: str | None) -> Row:
        """Return the row of one cutoff, called ``shown`` in it."""
        return self._row([cutoff], metric, shown, np.mean, None)

    def mean(self, metric: Metric, shown: str | None = "mean") -> Row:
        """Return the row of the mean over all cutoffs."""
        return self._row(list(self.by_cutoff), metric, shown, np.mean, self._bar(metric, np.mean))

    def worst(self, metric: Metric) -> Row:
        """Return the row of the worst of all cutoffs, each method's own."""
        worst = np.min if metric.better == "higher" else np.max
        return self._row(list(self.by_cutoff), metric, "worst", worst, self._bar(metric, worst))

    def _row(
        self,
        cutoffs: Sequence[str],
        metric: Metric,
        shown: str | None,
        taken: Callable[..., ArrayLike],
        bar: str | None,
    ) -> Row:
        everybody = {c: np.arange(len(self.by_cutoff[c].y)) for c in cutoffs}

        def figure(method: str) -> float:
            of_each = [self.by_cutoff[c].figure(method, metric, everybody[c]) for c in cutoffs]
            return float(np.asarray(taken(of_each)))

        peers = {
            method: figure(method) if self._was_run(method, cutoffs) else None
            for method in self._peers(metric)
        }
        best = best_of(peers, metric.better)
        differences = None
        drawn = [c for c in cutoffs if c in self.drawn]
        if best is not None and drawn:
            ours, theirs = (
                np.asarray(taken([self._draws(c, method, metric) for c in drawn], axis=0))
                for method in (OURS, best)
            )
            differences = ours - theirs
        head = self.protocol, self.dataset, shown, metric.name, metric.better
        return judged(*head, figure(OURS), peers, differences, bar)

    def _peers(self, metric: Metric) -> list[str]:
        first = next(iter(self.by_cutoff.values()))
        return [m for m in first.peers if metric.reads_order_only or m not in first.orders]

    def _was_run(self, method: str, cutoffs: Sequence[str]) -> bool:
        return all(self.by_cutoff[c].said_by(method) is not None for c in cutoffs)

    def _draws(self, cutoff: str, method: str, metric: Metric) -> Vector:
        """Return the figure in every bootstrap."""
        key = cutoff, method, metric.name
        if key not in self._resampled:
            contest = self.by_cutoff[cutoff]
            rows = np.arange(len(contest.y))
            place = np.searchsorted(self._customers, np.asarray(contest.customers))
            self._resampled[key] = np.array(
                [contest.figure(method, metric, np.repeat(rows, n[place])) for n in self._counts]
            )
        return self._resampled[key]

    @cached_property
    def _customers(self) -> NDArray[np.str_]:
        return np.unique(np.concatenate([np.asarray(c.customers) for c in self.by_cutoff.values()]))

    @cached_property
    def _counts(self) -> NDArray[np.int64]:
        """Return how often each customer is in each bootstrap, draws × customers."""
        rng, n = np.random.default_rng(SEED), len(self._customers)
        draws = (np.bincount(rng.integers(n, size=n), minlength=n) for _ in range(self.draws))
        return np.array([draw.astype(np.int16) for draw in draws])

    def _bar(self, metric: Metric, taken: Callable[..., ArrayLike]) -> str | None:
        """Return the bars of all cutoffs taken together; ``None`` where one has none."""
        known = [BEST_KNOWN.get((self.protocol, self.dataset, c), {}) for c in self.by_cutoff]
        bars = [bar[metric.name] for bar in known if metric.name in bar]
        if not bars or len(bars) < len(self.by_cutoff):
            return None
        figure = float(np.asarray(taken([float(bar) for bar in bars])))
        return f"{figure:.{max(map(digits, bars))}f}"
