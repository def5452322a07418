"""Who moved between tiers since an earlier publication: a matrix whose margins are the counts."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from configs.section import Text
from serving.console.book import book
from serving.scores.publication import SCORES_FILE, Manifest, Publication, open_publication

if TYPE_CHECKING:
    from serving.endpoint.served import Served

Counts = npt.NDArray[np.int64]
Rows = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Migration:
    """Tiers then against tiers now.

    Attributes:
        id: of the earlier publication.
        since: its day.
        before: code → name of the tiers then, the highest first.
        now: of those now.
        counts: shape (tiers then + 1, tiers now + 1); the last row are customers who were not
            published then, the last column those who are not published now.
        up, down: rows in the book of who rose and who fell, most value moved first.
    """

    id: str
    since: dt.date
    before: dict[str, Text]
    now: dict[str, Text]
    counts: Counts
    up: Rows
    down: Rows

    @property
    def lines(self) -> list[tuple[str | None, Text | None, list[int]]]:
        """The matrix by rows: code and name of the tier then, and the counts; newcomers last."""
        codes = [*self.before.items(), (None, None)]
        pairs = zip(codes, self.counts.tolist(), strict=True)
        return [(code, name, cells) for (code, name), cells in pairs]

    @property
    def sums(self) -> list[int]:
        """The columns' sums."""
        return [int(n) for n in self.counts.sum(axis=0)]

    @property
    def same(self) -> int:
        """How many are in the tier of the same code."""
        own = list(self.now)
        return sum(
            int(self.counts[place, own.index(code)])
            for place, code in enumerate(self.before)
            if code in own
        )

    @property
    def shared(self) -> frozenset[str]:
        """Codes of the tiers that there were then and are now; only between them one moves."""
        return frozenset(self.before) & frozenset(self.now)

    @property
    def new(self) -> int:
        """How many were not published then."""
        return int(self.counts[-1].sum())

    @property
    def gone(self) -> int:
        """How many are not published now."""
        return int(self.counts[:, -1].sum())


class Migrations:
    """How customers moved since each earlier publication that anybody asks about.

    Args:
        served: what is published now.
    """

    def __init__(self, served: Served) -> None:
        self._served = served
        self._found: dict[str, Migration] = {}

    def since(self, earlier: Manifest) -> Migration:
        """Return how customers moved since ``earlier``, of the same store."""
        if earlier.id not in self._found:
            store = self._served.publication.folder.parent
            self._found[earlier.id] = migration(self._served, open_publication(store / earlier.id))
        return self._found[earlier.id]


def choices(served: Served, manifests: list[Manifest]) -> list[Manifest]:
    """Return the publications with tiers to compare with: of each earlier day the last.

    The first is the one that tiers were held against, where it is known.
    """
    present = served.publication.manifest
    of_days: dict[dt.date, Manifest] = {}
    for one in manifests:
        has_tiers = any(name.startswith("tier:") for name in one.counts)
        if one.as_of < present.as_of and has_tiers:
            of_days.setdefault(one.as_of, one)
    found = sorted(of_days.values(), key=lambda one: one.id, reverse=True)
    return sorted(found, key=lambda one: one.id != present.previous)


def migration(served: Served, earlier: Publication) -> Migration:
    """Return how customers moved between tiers since ``earlier``."""
    own, now = book(served), served.publication.manifest.terms.tier_names
    before = earlier.manifest.terms.tier_names
    names = ["customer_id", "tier", "clv_expected"]
    then = pq.read_table(earlier.folder / SCORES_FILE, columns=names)
    place = pc.index_in(own.customer_ids, then["customer_id"].combine_chunks())
    known = place.is_valid().to_numpy(zero_copy_only=False)
    at = place.fill_null(0).to_numpy()
    codes = _places(then["tier"].combine_chunks(), list(before))
    was = np.where(known, codes[at] if len(codes) else -1, len(before))
    own_place = {code: i for i, code in enumerate(now)}
    words = np.array([own_place[word] for word in own.tier.words] + [-1], dtype=np.int64)
    is_now = words[own.tier.codes]
    counts = np.zeros((len(before) + 1, len(now) + 1), dtype=np.int64)
    tiered = (was >= 0) & (is_now >= 0)
    np.add.at(counts, (was[tiered], is_now[tiered]), 1)
    counts[:-1, -1] = np.bincount(codes[codes >= 0], minlength=len(before)) - counts[:-1].sum(1)
    moved = _moved(list(before), list(now), np.where(known, was, -1), is_now)
    value_then = then["clv_expected"].fill_null(0.0).to_numpy()
    change = np.abs(own.value - (value_then[at] if len(value_then) else 0.0))
    return Migration(
        id=earlier.manifest.id,
        since=earlier.manifest.as_of,
        before=before,
        now=now,
        counts=counts,
        up=_by_size(moved > 0, change),
        down=_by_size(moved < 0, change),
    )


def _places(tiers: pa.Array, codes: list[str]) -> npt.NDArray[np.int64]:
    """Return each tier's place among ``codes``, −1 for none."""
    found = pc.index_in(tiers, pa.array(codes, pa.string()))
    return found.fill_null(-1).to_numpy().astype(np.int64)


def _moved(before: list[str], now: list[str], was: Rows, is_now: Rows) -> Rows:
    """Return how many tiers each customer rose; 0 for tiers that only one policy has."""
    shared = {code: len(now) - place for place, code in enumerate(now)}
    then = np.array([shared.get(code, 0) for code in before] + [0], dtype=np.int64)[was]
    after = np.array([shared[code] for code in now] + [0], dtype=np.int64)[is_now]
    return np.where((then > 0) & (after > 0), after - then, 0)


def _by_size(who: npt.NDArray[np.bool_], change: npt.NDArray[np.float64]) -> Rows:
    rows = np.flatnonzero(who)
    return rows[np.argsort(-np.nan_to_num(change[rows]), kind="stable")]
