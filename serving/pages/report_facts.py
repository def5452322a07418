"""The figures of the report, worked out from a publication and the one before it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from configs.section import Text
from serving.scores.answers import Answer
from serving.scores.population import Array
from serving.scores.population import column as numbers
from serving.scores.publication import (
    FEATURES_FILE,
    REASONS_FILE,
    SCORES_FILE,
    Publication,
)
from serving.scores.reasons import REST_CONCEPT

PAST_YEAR = "spend_364d"
BANDS = ("high", "medium", "low")
WATCHED = 15
MOVERS = 5


@dataclass(frozen=True)
class Headline:
    """The company in a few figures; money over the horizon of value.

    Attributes:
        expected_leavers: sum of churn probabilities.
        at_risk: expected value of customers in the high band.
    """

    customers: int
    value: float | None
    past_revenue: float | None
    expected_leavers: float | None
    high_risk: int
    at_risk: float | None
    completeness: float


@dataclass(frozen=True)
class Group:
    """Customers of one tier, segment or stage, as totals and means."""

    code: str
    name: Text
    customers: int
    share: float
    value: float | None
    value_share: float | None
    mean_value: float | None
    past_revenue: float | None
    past_share: float | None
    mean_churn: float | None
    bands: dict[str, int]
    value_in_band: dict[str, float]
    description: Text | None = None
    floor: float | None = None


@dataclass(frozen=True)
class Mover:
    """A customer whose expected value changed since the publication before."""

    customer_id: str
    before: float
    now: float
    tier_before: Text | None
    tier_now: Text | None


@dataclass(frozen=True)
class Migration:
    """How customers moved between tiers since the publication before.

    Attributes:
        rows: tier before → tier now → customers.
        up, down, same, new, gone: customers; ``gone`` are no longer published.
    """

    since: Any
    rows: dict[str, dict[str, int]]
    up: int
    down: int
    same: int
    new: int
    gone: int
    risers: tuple[Mover, ...]
    fallers: tuple[Mover, ...]


class Facts:
    """Figures of one publication; each is worked out once, when asked for.

    Args:
        publication: what is reported on.
        stages: names of lifecycle stages, by code.
    """

    def __init__(self, publication: Publication, stages: dict[str, Text]) -> None:
        self.publication = publication
        self.terms = publication.manifest.terms
        self.scores = publication.scores()
        self._stages = stages

    def __len__(self) -> int:
        return len(self.scores)

    @cached_property
    def value(self) -> Array:
        """Expected value of each customer, NaN without a value model."""
        return numbers(self.scores, "clv_expected")

    @cached_property
    def churn(self) -> Array:
        """Churn probability of each customer, NaN without a churn model."""
        return numbers(self.scores, "churn_probability")

    @cached_property
    def past(self) -> Array:
        """Spend of the past year, NaN where that is no feature."""
        path = self.publication.folder / FEATURES_FILE
        if PAST_YEAR not in pq.read_schema(path).names:
            return np.full(len(self), np.nan)
        return numbers(pq.read_table(path, columns=[PAST_YEAR]), PAST_YEAR)

    @property
    def headline(self) -> Headline:
        """The company in a few figures."""
        high = self._is("churn_band", "high")
        return Headline(
            customers=len(self),
            value=_total(self.value),
            past_revenue=_total(self.past),
            expected_leavers=_total(self.churn),
            high_risk=int(high.sum()),
            at_risk=_total(self.value[high]) if high.any() else 0.0,
            completeness=float(np.mean(numbers(self.scores, "completeness"))),
        )

    @cached_property
    def tiers(self) -> list[Group]:
        """The tiers, the highest first."""
        if np.isnan(self.value).all():
            return []
        floors = (*reversed(self.terms.policy.thresholds), None)
        named = zip(self.terms.policy.tiers, floors, strict=True)
        return [self._group("tier", tier.code, tier.name, floor=floor) for tier, floor in named]

    @cached_property
    def segments(self) -> list[Group]:
        """The segments with anybody in them, in their own order."""
        return [
            group
            for text in self.publication.manifest.segments
            if (group := self._group("segment", text.code, text.name, text.description)).customers
        ]

    @cached_property
    def stages(self) -> list[Group]:
        """The lifecycle stages with anybody in them."""
        return [
            group
            for code, name in self._stages.items()
            if (group := self._group("lifecycle", code, name)).customers
        ]

    @property
    def most_at_stake(self) -> list[Answer]:
        """Customers of medium or high risk with most value times probability of leaving.

        Where the policy's objective is retention, the likeliest to leave, whatever their value.
        """
        counts_alike = np.isnan(self.value) | (self.terms.policy.objective == "retention")
        stake = np.nan_to_num(self.churn * np.where(counts_alike, 1.0, self.value))
        stake[self._is("churn_band", "low")] = 0.0
        order = np.argsort(-stake, kind="stable")[:WATCHED]
        ids = [self._id(row) for row in order if stake[row] > 0]
        found = self.publication.find_many(ids)
        return [found[customer_id] for customer_id in ids]

    @property
    def concepts(self) -> list[tuple[str, float]]:
        """What weighs most on churn: concept and mean size of its points over all customers.

        Counted where a concept is among a customer's strongest, the largest first.
        """
        told = (pc.field("target") == "churn") & (pc.field("concept") != REST_CONCEPT)
        path = self.publication.folder / REASONS_FILE
        reasons = pq.read_table(path, columns=["concept", "points"], filters=told)
        sizes = reasons.append_column("size", pc.abs(reasons["points"]))
        totals = sizes.group_by("concept").aggregate([("size", "sum")]).to_pylist()
        rows = [(row["concept"], row["size_sum"] / max(len(self), 1)) for row in totals]
        return sorted(rows, key=lambda row: (-row[1], row[0]))

    def migration(self, earlier: Publication | None) -> Migration | None:
        """Return how customers moved since ``earlier``; ``None`` without one."""
        if earlier is None or not self.tiers:
            return None
        codes = list(self.terms.policy.codes)
        before, now = self._ranks("previous_tier"), self._ranks("tier")
        known = before >= 0
        moved = np.where(known, now - before, 0)
        rows = {
            codes[one]: {
                codes[other]: int(((before == one) & (now == other)).sum())
                for other in range(len(codes))[::-1]
            }
            for one in range(len(codes))[::-1]
        }
        ids_before = pq.read_table(earlier.folder / SCORES_FILE, columns=["customer_id"])
        stayed = pc.is_in(ids_before["customer_id"], self.scores["customer_id"].combine_chunks())
        gone = len(stayed) - (pc.sum(stayed).as_py() or 0)
        change = self.value - numbers(self.scores, "previous_clv_expected")
        return Migration(
            since=earlier.manifest.as_of,
            rows=rows,
            up=int((moved > 0).sum()),
            down=int((moved < 0).sum()),
            same=int((known & (moved == 0)).sum()),
            new=int((~known).sum()),
            gone=gone,
            risers=self._movers(change, -1),
            fallers=self._movers(change, 1),
        )

    def _movers(self, change: Array, direction: int) -> tuple[Mover, ...]:
        signed = np.where(np.isnan(change), 0.0, change * direction)
        order = np.argsort(signed, kind="stable")[:MOVERS]
        return tuple(self._mover(int(row)) for row in order if signed[row] < 0)

    def _mover(self, row: int) -> Mover:
        score = self.scores.slice(row, 1).to_pylist()[0]
        names = self.terms.tier_names
        return Mover(
            customer_id=score["customer_id"],
            before=score["previous_clv_expected"],
            now=score["clv_expected"],
            tier_before=names.get(score["previous_tier"]),
            tier_now=names.get(score["tier"]),
        )

    def _is(self, name: str, code: str) -> npt.NDArray[np.bool_]:
        """Return whose ``name`` is ``code``."""
        return np.asarray(pc.equal(self.scores[name].fill_null(""), code).to_numpy())

    def _ranks(self, name: str) -> npt.NDArray[np.int64]:
        """Return the place of each customer's tier among those of the policy, -1 for others."""
        codes = pa.array(self.terms.policy.codes, pa.string())
        places = pc.index_in(self.scores[name], codes).fill_null(-1).to_numpy()
        return np.asarray(places, dtype=np.int64)

    def _id(self, row: int) -> str:
        return str(self.scores["customer_id"][int(row)].as_py())

    def _group(
        self,
        axis: str,
        code: str,
        name: Text,
        description: Text | None = None,
        floor: float | None = None,
    ) -> Group:
        rows = self._is(axis, code)
        bands = {band: self._is("churn_band", band)[rows] for band in BANDS}
        value, past, n = self.value[rows], self.past[rows], int(rows.sum())
        return Group(
            code=code,
            name=name,
            customers=n,
            share=n / max(len(self), 1),
            value=_total(value),
            value_share=_share(value, self.value),
            mean_value=_mean(value),
            past_revenue=_total(past),
            past_share=_share(past, self.past),
            mean_churn=_mean(self.churn[rows]),
            bands={band: int(among.sum()) for band, among in bands.items()},
            value_in_band={band: _total(value[among]) or 0.0 for band, among in bands.items()},
            description=description,
            floor=floor,
        )


def _total(values: Array) -> float | None:
    return None if len(values) == 0 or np.isnan(values).all() else float(np.nansum(values))


def _mean(values: Array) -> float | None:
    return None if len(values) == 0 or np.isnan(values).all() else float(np.nanmean(values))


def _share(part: Array, whole: Array) -> float | None:
    total = _total(whole)
    return None if not total else (_total(part) or 0.0) / total


def histogram(probabilities: Array, bins: int = 20) -> Sequence[int]:
    """Return how many probabilities fall in each of ``bins`` equal parts of 0 to 1."""
    known = probabilities[~np.isnan(probabilities)]
    return [int(n) for n in np.histogram(known, bins=bins, range=(0.0, 1.0))[0]]
