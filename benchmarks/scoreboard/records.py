"""One line of the scoreboard."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from benchmarks.scoreboard.bars import BEST_KNOWN, meets

Vector = NDArray[np.float64]
Better = Literal["higher", "lower"]
Verdict = Literal["win", "loss", "level", "unknown"]


@dataclass(frozen=True)
class Row:
    """One figure of one protocol.

    Attributes:
        cutoff: the day predicted from; ``mean`` or ``worst`` over several; ``None`` where there
            is no time.
        peers: method → its figure; ``None`` where it was not run.
        best_known: of any method, published or measured before; ``None`` where nobody said.
        met: at least as good as the best known; where none is known, as the best peer.
        difference_low, difference_high: 95 % interval of ours less the best peer, in the
            metric's own units; ``None`` where there are no figures per customer.
    """

    protocol: str
    dataset: str
    cutoff: str | None
    metric: str
    ours: float
    peers: Mapping[str, float | None]
    best_known: float | None
    better: Better
    met: bool
    difference_low: float | None = None
    difference_high: float | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the row as JSON values."""
        return asdict(self)

    @property
    def best_peer(self) -> str | None:
        """The peer with the best figure of those that were run."""
        return best_of(self.peers, self.better)

    @property
    def verdict(self) -> Verdict:
        """What the interval says of ours against the best peer."""
        if self.difference_low is None or self.difference_high is None:
            return "unknown"
        if self.difference_low <= 0.0 <= self.difference_high:
            return "level"
        return "win" if (self.difference_low > 0.0) == (self.better == "higher") else "loss"


def best_of(peers: Mapping[str, float | None], better: Better) -> str | None:
    """Return the name of the best figure; the first of equals, ``None`` where there is none."""
    known = {name: value for name, value in peers.items() if value is not None}
    if not known:
        return None
    return (max if better == "higher" else min)(known, key=lambda name: known[name])


def judged(
    protocol: str,
    dataset: str,
    cutoff: str | None,
    metric: str,
    better: Better,
    ours: float,
    peers: Mapping[str, float | None],
    differences: Vector | None = None,
    bar: str | None = None,
) -> Row:
    """Return the row of one figure, held against its bar.

    Args:
        protocol, dataset, cutoff, metric, better, ours, peers: as in :class:`Row`.
        differences: ours less the best peer in every bootstrap.
        bar: the best known, with its digits; default: what ``bars`` lists.
    """
    bar = BEST_KNOWN.get((protocol, dataset, cutoff), {}).get(metric) if bar is None else bar
    best = best_of(peers, better)
    beside = peers[best] if best is not None else None
    if bar is not None:
        met = meets(ours, bar, better)
    else:
        met = beside is None or (ours >= beside if better == "higher" else ours <= beside)
    ends = (None, None) if differences is None else _interval(differences)
    known = None if bar is None else float(bar)
    return Row(protocol, dataset, cutoff, metric, ours, peers, known, better, met, *ends)


def _interval(differences: Vector) -> tuple[float, float]:
    low, high = np.quantile(differences, [0.025, 0.975])
    return float(low), float(high)
