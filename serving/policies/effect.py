"""What a policy would do to the customers of a publication, before it is anybody's policy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from configs.section import Text
from serving.policies.freezing import Basis
from training.policy import Policy, TierAssignment

MOVERS = 12
"""Customers whose move is told, those of most value first."""
Flags = npt.NDArray[np.bool_]
Ranks = npt.NDArray[np.int64]


@dataclass(frozen=True)
class TierSum:
    """A tier's customers and what they are expected to bring; ``at_risk`` is lost if they leave."""

    customers: int
    value: float
    at_risk: float


@dataclass(frozen=True)
class Mover:
    """A customer in another tier under the policy.

    Attributes:
        customer_id: as in the records.
        before, after: tier codes.
        value: expected.
        held: whether hysteresis or the minimum stay has a say in the tier after.
        guard: the guard rule that sets the tier after, if one does.
    """

    customer_id: str
    before: str
    after: str
    value: float
    held: bool
    guard: Text | None


@dataclass(frozen=True)
class Effect:
    """Tiers as published and under a policy.

    Attributes:
        policy: with its amounts frozen.
        codes_before, codes_after: tier codes of both policies, the highest first.
        names: tier code → name as published, and by the policy (which wins).
        counts: (tier as published, tier by the policy) → customers.
        sums_before, sums_after: by tier code.
        bands_before, bands_after: churn band → customers.
        kept: customers kept where they are only by hysteresis or minimum stay.
        held: customers whose tier by the policy is another than value alone gives.
        guarded: guard rule's place → customers whose tier it sets.
        movers: those of most value who would be in another tier.
    """

    policy: Policy
    codes_before: tuple[str, ...]
    codes_after: tuple[str, ...]
    names: Mapping[str, Text]
    counts: Mapping[tuple[str, str], int]
    sums_before: Mapping[str, TierSum]
    sums_after: Mapping[str, TierSum]
    bands_before: Mapping[str, int]
    bands_after: Mapping[str, int]
    kept: int
    held: int
    guarded: Mapping[int, int]
    movers: tuple[Mover, ...]

    @property
    def customers(self) -> int:
        """Customers of the publication."""
        return sum(self.counts.values())

    @property
    def moved(self) -> int:
        """Customers who would be in another tier."""
        return sum(n for (before, after), n in self.counts.items() if before != after)

    @property
    def up(self) -> int:
        """Customers who would rise, of those whose tiers are in both policies."""
        return self._moved_by(1)

    @property
    def down(self) -> int:
        """Customers who would fall, of those whose tiers are in both policies."""
        return self._moved_by(-1)

    def _moved_by(self, direction: int) -> int:
        place = {code: -i for i, code in enumerate(self.codes_after)}
        return sum(
            n
            for (before, after), n in self.counts.items()
            if before in place and (place[after] - place[before]) * direction > 0
        )


def effect_of(basis: Basis, policy: Policy) -> Effect:
    """Return what publishing the customers of ``basis`` by ``policy`` would do to them."""
    published = basis.publication.manifest.terms.policy
    before, given = ranks_of(basis.scores["tier"], published.codes), basis.tiers(policy)
    moved = _in_terms_of(policy, published)[before] != given.ranks
    by_value = _without_memory(basis, policy)
    return Effect(
        policy=policy,
        codes_before=tuple(reversed(published.codes)),
        codes_after=tuple(reversed(policy.codes)),
        names={one.code: one.name for one in (*published.tiers, *policy.tiers)},
        counts=counts_of(before, published.codes, given.ranks, policy.codes),
        sums_before=_sums(basis, before, published.codes),
        sums_after=_sums(basis, given.ranks, policy.codes),
        bands_before=_bands(basis, published),
        bands_after=_bands(basis, policy),
        kept=int((~moved & (by_value != given.ranks)).sum()),
        held=int((by_value != given.ranks).sum()),
        guarded={i: int((given.guard == i).sum()) for i in range(len(policy.guards))},
        movers=_movers(basis, policy, before, given, moved, by_value != given.ranks),
    )


def ranks_of(tiers: pa.ChunkedArray, codes: Sequence[str]) -> Ranks:
    """Return the place of each tier among ``codes``, the lowest first; −1 for none."""
    found = pc.fill_null(pc.index_in(tiers, pa.array(codes, pa.string())), -1)
    return np.asarray(found.to_numpy()).astype(np.int64)


def _in_terms_of(policy: Policy, published: Policy) -> Ranks:
    """Return for each published rank, and −1, the rank of that code by ``policy``; −1 for none."""
    place = {code: rank for rank, code in enumerate(policy.codes)}
    return np.array([*(place.get(code, -1) for code in published.codes), -1], dtype=np.int64)


def _without_memory(basis: Basis, policy: Policy) -> Ranks:
    """Return the tiers by ``policy`` if nobody had a past: value and guards alone."""
    past = ["previous_tier", "previous_tier_since"]
    scores = basis.scores
    for name in past:
        place = scores.column_names.index(name)
        nobody = pa.nulls(len(scores), scores.schema.field(name).type)
        scores = scores.set_column(place, name, nobody)
    return replace(basis, scores=scores).tiers(policy).ranks


def counts_of(
    before: Ranks, codes_before: Sequence[str], after: Ranks, codes_after: Sequence[str]
) -> dict[tuple[str, str], int]:
    """Return (tier before, tier after) → customers, of those who have both."""
    width, both = len(codes_after), (before >= 0) & (after >= 0)
    n = np.bincount(before[both] * width + after[both], minlength=len(codes_before) * width)
    return {
        (codes_before[place // width], codes_after[place % width]): count
        for place, count in enumerate(n.tolist())
        if count
    }


def _sums(basis: Basis, ranks: Ranks, codes: Sequence[str]) -> dict[str, TierSum]:
    value = np.nan_to_num(basis.value)
    at_risk = value * np.nan_to_num(basis.churn)
    known, n = ranks >= 0, len(codes)
    counts, values, risks = (
        np.bincount(ranks[known], weights=one, minlength=n).tolist()
        for one in (None, value[known], at_risk[known])
    )
    sums = [TierSum(int(a), b, c) for a, b, c in zip(counts, values, risks, strict=True)]
    return dict(zip(reversed(codes), reversed(sums), strict=True))


def _bands(basis: Basis, policy: Policy) -> dict[str, int]:
    known = basis.churn[np.isfinite(basis.churn)]
    bands = policy.churn_band(known)
    return {name: int((bands == name).sum()) for name in ("high", "medium", "low")}


def _movers(
    basis: Basis, policy: Policy, before: Ranks, given: TierAssignment, moved: Flags, held: Flags
) -> tuple[Mover, ...]:
    value = np.nan_to_num(basis.value)
    codes = (*basis.publication.manifest.terms.policy.codes, "")
    rows = np.flatnonzero(moved)
    rows = rows[np.argsort(-value[rows], kind="stable")][:MOVERS]
    return tuple(
        Mover(
            customer_id=basis.scores["customer_id"][row].as_py(),
            before=codes[before[row]],
            after=str(given.codes[row]),
            value=float(value[row]),
            held=bool(held[row]),
            guard=policy.guards[given.guard[row]].name if given.guard[row] >= 0 else None,
        )
        for row in rows.tolist()
    )
