"""Raw rows taken into a table: mapped, cleaned, checked, mended, staged, and every one counted."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from configs.errors import RecordsError, did_you_mean
from features.raw.checks import Clock, contract_table
from features.raw.columns import as_text
from features.raw.mapping import Mapper, Rows
from features.raw.mending import Mends, mended_rows, with_first_fingerprints
from features.raw.reading import RawTable, Refusal
from features.stored.staging import BETWEEN, Staging


@dataclass
class Tally:
    """Counts of one table's rows while they are taken in."""

    read: int = 0
    accepted: int = 0
    left_out: int = 0
    quarantined: Counter[str] = field(default_factory=Counter)
    repaired: Counter[str] = field(default_factory=Counter)
    future_day: int | None = None
    """The first day that a row refused for lying in the future waits for."""

    def check(self, table: str) -> None:
        """Check that no row was lost.

        Raises:
            RecordsError: accepted, quarantined and left out do not add up to read.
        """
        total = self.accepted + sum(self.quarantined.values()) + self.left_out
        if total != self.read:
            raise RecordsError(
                f"{table}: {self.read} rows were read, but {self.accepted} accepted, "
                f"{sum(self.quarantined.values())} quarantined and {self.left_out} left out make "
                f"{total}. This is a fault of Echelon; nothing was published"
            )


@dataclass(frozen=True)
class Taker:
    """Takes in the raw tables of one source.

    Attributes:
        mapper: makes the company's columns the contract's.
        number: which source of its table it is; duplicates are looked for within one source.
        clock: the last day that is possible.
        mends: what people mended of refused rows; those used are noted in it.
    """

    mapper: Mapper
    number: int
    clock: Clock
    mends: Mends

    def take(self, raw: RawTable, staging: Staging, tally: Tally) -> None:
        """Stage the rows of ``raw``, accepted or refused, and count them in ``tally``."""
        tally.read += _rows_in(raw, self.mapper)
        refusals = self._stage(raw, staging, tally)
        rest, mended = mended_rows(raw, refusals, _applicable(self.mends, self.mapper))
        tally.quarantined += staging.refuse(rest)
        if mended is not None:
            tally.repaired["mended"] += len(mended.lines)
            again = self._stage(mended, staging, tally)
            tally.quarantined += staging.refuse(with_first_fingerprints(again, refusals))

    def _stage(self, raw: RawTable, staging: Staging, tally: Tally) -> list[Refusal]:
        """Stage what can be accepted of ``raw`` and return what cannot."""
        refusals = list(raw.refused)
        raw, left_out = self.mapper.prepared(raw)
        tally.left_out += left_out
        rows = Rows.of(raw)
        table = contract_table(rows, self.mapper, self.clock)
        if rows.future_day is not None:
            tally.future_day = min(rows.future_day, tally.future_day or rows.future_day)
        good = ~rows.refused
        for what, mask in rows.repaired:
            tally.repaired[what] += int((mask & good).sum())
        self._accept(rows, table, good, staging)
        tally.accepted += int(good.sum())
        return [*refusals, *rows.refusals()]

    def _accept(self, rows: Rows, table: pa.Table, good: np.ndarray, staging: Staging) -> None:
        kept = table.filter(pa.array(good))
        where = np.flatnonzero(good)
        source, number = self.mapper.source, self.number
        of = (rows.raw.source, rows.raw.lines[where])
        is_customer = self.mapper.table.name == "customers"
        all_stay = not (is_customer or source.unique_by or source.duplicates == "quarantine")
        nothing = pa.nulls(len(where), pa.string())
        raw = nothing if all_stay else rows.raw.raw_texts(where)
        if all_stay:
            staging.accept(kept, *of, nothing, raw)
        elif is_customer:
            staging.accept(kept, *of, kept["customer_id"].combine_chunks(), raw)
        elif source.unique_by:
            keys = _keyed(kept, rows.raw.table.filter(pa.array(good)), source.unique_by, number)
            staging.accept(kept, *of, keys, raw)
        elif source.unpivot is not None:
            staging.accept(kept, *of, _unpivoted_keys(raw, rows, good, number), raw)
        else:
            staging.accept_by_text(kept, *of, number, raw)


def _rows_in(raw: RawTable, mapper: Mapper) -> int:
    unpivot = mapper.source.unpivot
    return len(raw.lines) * (len(unpivot.columns) if unpivot else 1) + len(raw.refused)


def _applicable(mends: Mends, mapper: Mapper) -> Mends:
    """Return the mends; none for an unpivoted source, whose lines are several rows each."""
    return mends if mapper.source.unpivot is None else Mends({})


def _unpivoted_keys(raw: pa.Array, rows: Rows, good: np.ndarray, number: int) -> pa.Array:
    names = as_text(rows.raw.table["name"].filter(pa.array(good)).combine_chunks())
    return pc.binary_join_element_wise(pa.repeat(str(number), len(raw)), raw, names, BETWEEN)


def _keyed(kept: pa.Table, raw: pa.Table, unique_by: tuple[str, ...], number: int) -> pa.Array:
    """Return the key that ``unique_by`` makes of contract columns, or else of raw ones."""
    parts = [pa.repeat(str(number), len(kept))]
    for name in unique_by:
        if name not in kept.column_names and name not in raw.column_names:
            known = [*kept.column_names, *raw.column_names]
            raise RecordsError(f"unique_by names {name!r}; {did_you_mean(name, known)}")
        table = kept if name in kept.column_names else raw
        parts.append(pc.fill_null(as_text(table[name].combine_chunks()), ""))
    return pc.binary_join_element_wise(*parts, BETWEEN)
