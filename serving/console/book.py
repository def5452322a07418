"""Everybody who is published, as columns in memory: what the console's lists are made from.

A list of a million customers is filtered, sorted and summed in milliseconds, since every step is
one numpy operation over a column. What one customer's row says further comes from the look-up.
"""

from __future__ import annotations

import datetime as dt
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from serving.scores.publication import FEATURES_FILE, SCORES_FILE, Publication

if TYPE_CHECKING:
    from serving.endpoint.served import Served

Numbers = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]
Places = npt.NDArray[np.int32]
Flags = npt.NDArray[np.bool_]

CODED = (
    "churn_band",
    "churn_trend",
    "tier",
    "previous_tier",
    "lifecycle",
    "segment",
    "fallback",
)
SCORED = (
    "churn_probability",
    "previous_churn_probability",
    "clv_expected",
    "clv_low",
    "clv_high",
    "previous_clv_expected",
    "completeness",
)
BUILT = (
    "recency_days",
    "tenure_days",
    "usual_interval_days",
    "days_since_last_interaction",
    "days_since_last_survey",
    "nps_latest_364d",
    "csat_latest_364d",
    "open_complaint_count",
)


@dataclass(frozen=True)
class Coded:
    """A column of few words.

    Attributes:
        codes: place of each customer's word in ``words``, −1 where there is none.
        words: the words that occur.
    """

    codes: npt.NDArray[np.int16]
    words: tuple[str, ...]

    def at(self, row: int) -> str | None:
        """Return the word of one customer."""
        code = int(self.codes[row])
        return None if code < 0 else self.words[code]

    def are(self, words: Iterable[str]) -> Flags:
        """Return whose word is one of ``words``."""
        asked = set(words)
        wanted = np.array([*(word in asked for word in self.words), False])
        return np.asarray(wanted[self.codes])

    def among(self, words: Sequence[str]) -> Coded:
        """Return the same in terms of ``words``; what is not one of them counts as none."""
        place = {word: code for code, word in enumerate(words)}
        codes = np.array([*(place.get(word, -1) for word in self.words), -1], dtype=np.int16)
        return Coded(codes[self.codes], tuple(words))


@dataclass(frozen=True)
class Book:
    """All customers of one publication, a row each, sorted by id; NaN where nothing is known.

    Attributes:
        as_of: the day that figures hold for.
        by_churn_alone: the likeliest to leave come first, whatever their value: where tiers are
            for retention, or nothing forecasts value.
        customer_ids: rising.
        churn, churn_before: probability to leave, now and by the publication before.
        value, value_before: expected value, money.
        low, high: of the value's interval, money.
        tier: the policy's tiers are its words, the highest first.
        tier_before, band, trend, lifecycle, segment, fallback: words.
        tier_held: the tier is kept by hysteresis.
        completeness: share of the models' inputs that are known, 0 to 1.
        last_purchase_days: since the last purchase.
        usual_interval_days: between purchases so far.
        last_contact_days, last_survey_days: since the last, 365 where longer.
        nps, csat: the latest answer of the past year.
        open_complaints: not yet resolved.
    """

    as_of: dt.date
    by_churn_alone: bool
    customer_ids: pa.StringArray
    churn: Numbers
    churn_before: Numbers
    value: Numbers
    value_before: Numbers
    low: Numbers
    high: Numbers
    tier: Coded
    tier_before: Coded
    band: Coded
    trend: Coded
    lifecycle: Coded
    segment: Coded
    fallback: Coded
    tier_held: Flags
    completeness: Numbers
    last_purchase_days: Numbers
    usual_interval_days: Numbers
    last_contact_days: Numbers
    last_survey_days: Numbers
    nps: Numbers
    csat: Numbers
    open_complaints: Numbers

    def __len__(self) -> int:
        return len(self.customer_ids)

    def id_of(self, row: int) -> str:
        """Return the id of one row."""
        return str(self.customer_ids[int(row)].as_py())

    def ids_of(self, rows: Rows) -> list[str]:
        """Return the ids of ``rows``, in their order."""
        return list(self.customer_ids.take(pa.array(rows)).to_pylist())

    def row_of(self, customer_id: str) -> int | None:
        """Return the row of one customer, ``None`` where nobody of that id is published."""
        row = self._first_from(customer_id)
        return row if row < len(self) and self.id_of(row) == customer_id else None

    def rows_of(self, customer_ids: Iterable[str]) -> dict[str, int]:
        """Return the rows of those of ``customer_ids`` who are published."""
        found = ((customer_id, self.row_of(customer_id)) for customer_id in customer_ids)
        return {customer_id: row for customer_id, row in found if row is not None}

    def starting_with(self, prefix: str) -> tuple[int, int]:
        """Return the first row whose id begins with ``prefix``, and the first after them."""
        return self._first_from(prefix), self._first_from(prefix + chr(0x10FFFF))

    @cached_property
    def at_risk(self) -> Numbers:
        """Probability to leave times expected value, money; NaN where either is not known."""
        return self.churn * self.value

    @cached_property
    def leavers(self) -> float:
        """How many are expected to leave: the sum of churn probabilities."""
        return float(np.nansum(self.churn))

    @cached_property
    def has_value(self) -> bool:
        """Whether anything forecasts value."""
        return not bool(np.isnan(self.value).all())

    @property
    def rank_by(self) -> Numbers:
        """What customers are worked by, the most first: what can be lost, or churn alone."""
        return self.churn if self.by_churn_alone else self.at_risk

    def order(self, name: str, of: Callable[[Book], Numbers]) -> Places:
        """Return all rows by ``of``, the least first, the unknown last, equals by id.

        Args:
            name: of the order, kept under it.
            of: a number per customer.
        """
        if name not in self._orders:
            self._orders[name] = np.argsort(of(self), kind="stable").astype(np.int32)
        return self._orders[name]

    @cached_property
    def _orders(self) -> dict[str, Places]:
        return {}

    @cached_property
    def due_in_days(self) -> Numbers:
        """Days from ``as_of`` until the next order is expected; negative where it is overdue.

        It is expected a usual interval after the last purchase.
        """
        return self.usual_interval_days - self.last_purchase_days

    def _first_from(self, customer_id: str) -> int:
        """Return the first row at or after ``customer_id``, in the order of code points."""
        return bisect_left(range(len(self)), customer_id, key=self.id_of)


def book(served: Served) -> Book:
    """Return the customers of what is served; read once per publication."""
    return served.book


def read_book(publication: Publication) -> Book:
    """Return the customers of ``publication``, from its files."""
    scores = _read(publication, SCORES_FILE, ("customer_id", "tier_held", *CODED, *SCORED))
    built = _read(publication, FEATURES_FILE, BUILT)
    policy = publication.manifest.terms.policy
    value = _numbers(scores, "clv_expected")
    return Book(
        as_of=publication.manifest.as_of,
        by_churn_alone=policy.objective == "retention" or bool(np.isnan(value).all()),
        customer_ids=scores["customer_id"].combine_chunks(),
        churn=_numbers(scores, "churn_probability"),
        churn_before=_numbers(scores, "previous_churn_probability"),
        value=value,
        value_before=_numbers(scores, "previous_clv_expected"),
        low=_numbers(scores, "clv_low"),
        high=_numbers(scores, "clv_high"),
        tier=_coded(scores, "tier").among([tier.code for tier in policy.tiers]),
        tier_before=_coded(scores, "previous_tier"),
        band=_coded(scores, "churn_band"),
        trend=_coded(scores, "churn_trend"),
        lifecycle=_coded(scores, "lifecycle"),
        segment=_coded(scores, "segment"),
        fallback=_coded(scores, "fallback"),
        tier_held=scores["tier_held"].fill_null(False).to_numpy(),
        completeness=_numbers(scores, "completeness"),
        last_purchase_days=_numbers(built, "tenure_days") - _numbers(built, "recency_days"),
        usual_interval_days=_numbers(built, "usual_interval_days"),
        last_contact_days=_numbers(built, "days_since_last_interaction"),
        last_survey_days=_numbers(built, "days_since_last_survey"),
        nps=_numbers(built, "nps_latest_364d"),
        csat=_numbers(built, "csat_latest_364d"),
        open_complaints=_numbers(built, "open_complaint_count"),
    )


def _read(publication: Publication, file: str, names: Iterable[str]) -> pa.Table:
    """Return those of the columns that the file has; a company may leave features out."""
    path = publication.folder / file
    there = set(pq.read_schema(path).names)
    return pq.read_table(path, columns=[name for name in names if name in there])


def _numbers(table: pa.Table, name: str) -> Numbers:
    if name not in table.column_names:
        return np.full(len(table), np.nan)
    return np.ascontiguousarray(table[name].cast(pa.float64()).to_numpy(), dtype=np.float64)


def _coded(table: pa.Table, name: str) -> Coded:
    encoded = table[name].combine_chunks().dictionary_encode()
    codes = encoded.indices.fill_null(-1).to_numpy().astype(np.int16)
    return Coded(codes, tuple(encoded.dictionary.to_pylist()))
