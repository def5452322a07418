"""What a policy would do to the customers of a publication, before it is anybody's policy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from configs.section import Text
from serving.policies.freezing import Basis
from training.policy import Policy, TierAssignment

MOVERS = 12
"""Customers whose move is told, those of most value first."""
Flags = npt.NDArray[np.bool_]


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
    before = np.asarray(basis.scores["tier"].fill_null("").to_numpy(), dtype=object).astype(str)
    given = basis.tiers(policy)
    after, moved = given.codes, before != given.codes
    by_value = _without_memory(basis, policy)
    return Effect(
        policy=policy,
        codes_before=tuple(reversed(published.codes)),
        codes_after=tuple(reversed(policy.codes)),
        names={one.code: one.name for one in (*published.tiers, *policy.tiers)},
        counts=counts_of(before, after),
        sums_before=_sums(basis, before, published.codes),
        sums_after=_sums(basis, after, policy.codes),
        bands_before=_bands(basis, published),
        bands_after=_bands(basis, policy),
        kept=int((~moved & (by_value != after)).sum()),
        held=int((by_value != after).sum()),
        guarded={i: int((given.guard == i).sum()) for i in range(len(policy.guards))},
        movers=_movers(basis, policy, before, given, by_value != after),
    )


def _without_memory(basis: Basis, policy: Policy) -> npt.NDArray[np.str_]:
    """Return the tiers by ``policy`` if nobody had a past: value and guards alone."""
    past = ["previous_tier", "previous_tier_since"]
    scores = basis.scores
    for name in past:
        place = scores.column_names.index(name)
        nobody = pa.nulls(len(scores), scores.schema.field(name).type)
        scores = scores.set_column(place, name, nobody)
    return replace(basis, scores=scores).tiers(policy).codes


def counts_of(
    before: npt.NDArray[np.str_], after: npt.NDArray[np.str_]
) -> dict[tuple[str, str], int]:
    """Return (tier before, tier after) → customers."""
    codes_before, one = np.unique(before, return_inverse=True)
    codes_after, other = np.unique(after, return_inverse=True)
    n = np.bincount(one * len(codes_after) + other, minlength=len(codes_before) * len(codes_after))
    return {
        (str(codes_before[i // len(codes_after)]), str(codes_after[i % len(codes_after)])): int(k)
        for i, k in enumerate(n.tolist())
        if k
    }


def _sums(basis: Basis, tiers: npt.NDArray[np.str_], codes: tuple[str, ...]) -> dict[str, TierSum]:
    value = np.nan_to_num(basis.value)
    at_risk = value * np.nan_to_num(basis.churn)
    found = {}
    for code in reversed(codes):
        rows = tiers == code
        found[code] = TierSum(int(rows.sum()), float(value[rows].sum()), float(at_risk[rows].sum()))
    return found


def _bands(basis: Basis, policy: Policy) -> dict[str, int]:
    known = basis.churn[np.isfinite(basis.churn)]
    bands = policy.churn_band(known)
    return {name: int((bands == name).sum()) for name in ("high", "medium", "low")}


def _movers(
    basis: Basis,
    policy: Policy,
    before: npt.NDArray[np.str_],
    given: TierAssignment,
    held: Flags,
) -> tuple[Mover, ...]:
    value = np.nan_to_num(basis.value)
    rows = np.flatnonzero(before != given.codes)
    rows = rows[np.argsort(-value[rows], kind="stable")][:MOVERS]
    return tuple(
        Mover(
            customer_id=basis.scores["customer_id"][row].as_py(),
            before=str(before[row]),
            after=str(given.codes[row]),
            value=float(value[row]),
            held=bool(held[row]),
            guard=policy.guards[given.guard[row]].name if given.guard[row] >= 0 else None,
        )
        for row in rows.tolist()
    )
