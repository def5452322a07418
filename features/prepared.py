"""The feature build for a few raw records: planned once, run in some milliseconds, in NumPy.

It says what :func:`features.build.build` says, to the bit: a customer scored from a request and the
same customer in a publication have equal features. The two-grain plan is for millions of rows; for
those of some customers every window is looked at directly, and no query engine is asked, which
would spend a hundred milliseconds on getting ready.

The plan is written once, at training (``features/statement.py``), and stays in the bundle: a
process that only answers needs neither Ibis nor DuckDB.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from configs.errors import FeatureError
from features.contracts import LATER_SOURCES, TABLES, LaterSource
from features.evaluation import NONE, Program, Values, or_else
from features.layout import in_layout
from features.reductions import ANY_ROW, REDUCTIONS, Group
from features.sources import contract_schema

Numbers = npt.NDArray[Any]
Flags = npt.NDArray[np.bool_]
NEVER = np.iinfo(np.int64).max


class Asked(NamedTuple):
    """A reduction of a source's rows over a window.

    Attributes:
        answer: what the answer is called.
        reduction: key of ``REDUCTIONS``, or a count of rows.
        arg: place of the column that is reduced; ``None`` where rows are counted.
        where: place of the condition; ``None`` for all rows.
        days: length of the window; ``None`` for all before its end.
        lag_days: days from its end to the cutoff.
        whole: claims that the column is of whole numbers.
    """

    answer: str
    reduction: str
    arg: int | None
    where: int | None
    days: int | None
    lag_days: int
    whole: bool


class PreparedBuild:
    """Features declared once, computed for any small set of records; safe to share by threads.

    >>> from features.statement import statement
    >>> build = PreparedBuild(statement([]))
    >>> build({}, 19_813, pa.table({"customer_id": ["ada"]})).to_pylist()
    [{'customer_id': 'ada', 'cutoff': 19813}]
    """

    def __init__(self, statement: str) -> None:
        """Read the plan.

        Args:
            statement: what ``features.statement.statement`` wrote.

        Raises:
            FeatureError: it was written for other operations or record tables than there are.
        """
        try:
            plan = json.loads(statement)
            self._sources = {name: _SourceBuild(name, one) for name, one in plan["sources"].items()}
            self._outer, self._places = Program(plan["steps"]), plan["features"]
        except (ValueError, KeyError, TypeError) as error:
            raise FeatureError(
                "the features cannot be built from single customers' records as they were when "
                f"the model was trained ({type(error).__name__}: {error}); train again"
            ) from error

    def __call__(
        self, tables: Mapping[str, pa.Table], cutoff: int, customers: pa.Table
    ) -> pa.Table:
        """Return the features of ``customers`` at ``cutoff``, as ``feature_matrix`` lays them out.

        A customer with no known row gets what each feature is for no rows.

        Args:
            tables: record tables by name, with ``day`` and ``known_day``; the absent are empty.
            cutoff: day number.
            customers: table with ``customer_id``.
        """
        ids = pc.unique(customers["customer_id"].cast(pa.string())).sort()
        n = len(ids)
        given = {"cutoff": Values(np.full(n, cutoff))}
        rows = _rows_of({name: _Table(name, tables.get(name), ids) for name in TABLES})
        for name, source in self._sources.items():
            given |= source.answers(rows[name].counting_at(cutoff), cutoff, n)
        values = self._outer.run(given)
        columns = {name: _column(values[place], n) for name, place in self._places.items()}
        cutoffs = pa.array(np.full(n, cutoff), pa.int32())
        return in_layout(pa.table({"customer_id": ids, "cutoff": cutoffs, **columns}))


class _SourceBuild:
    """What is asked of one source."""

    def __init__(self, name: str, plan: Mapping[str, Any]) -> None:
        self._program = Program(plan["steps"])
        self._asked = [Asked(*one) for one in plan["asked"]]
        table = LATER_SOURCES[name].table if name in LATER_SOURCES else name
        for column in {*self._program.columns} - {"day"}:
            contract_schema(table).field(column)

    def answers(self, rows: _Rows, cutoff: int, n: int) -> dict[str, Values]:
        """Return what is asked, for each of ``n`` customers."""
        columns = {name: rows.column(name) for name in self._program.columns}
        values = self._program.run(columns)
        windows = {(one.days, one.lag_days) for one in self._asked}
        inside = {window: rows.inside(*window, cutoff) for window in windows}
        answers = {}
        for one in self._asked:
            taken = inside[one.days, one.lag_days]
            if one.where is not None:
                taken = taken & values[one.where].holds
            arg = None if one.arg is None else values[one.arg]
            answers[one.answer] = _answered(one, arg, rows, taken, n)
        return answers


class _Table:
    """The rows of one record table that are about the customers asked for."""

    def __init__(self, name: str, table: pa.Table | None, ids: pa.Array) -> None:
        self.name = name
        self.table = table if table is not None else contract_schema(name).empty_table()
        codes = pc.fill_null(pc.index_in(self.table["customer_id"], ids), -1)
        self.codes = np.asarray(codes.to_numpy())

    def values(self, column: str) -> Values:
        """Return a column as in the contract; the absent hold their defaults."""
        kind = contract_schema(self.name).field(column).type
        if column in self.table.column_names:
            return _values(self.table[column].cast(kind))
        defaults = {one.name: one.default for one in TABLES[self.name].columns}
        return _values(pa.repeat(pa.scalar(defaults.get(column), kind), len(self.table)))


@dataclass(frozen=True)
class _Rows:
    """Rows of a source: whose, when, and the columns behind them."""

    table: _Table
    day: Values
    known_day: Values
    rows: npt.NDArray[np.int64] | None = None

    def counting_at(self, cutoff: int) -> _Rows:
        """Return the rows that may count at the cutoff."""
        known = ~self.day.missing & ~self.known_day.missing
        known = known & (self.known_day.data <= cutoff) & (self.table.codes >= 0)
        rows = np.flatnonzero(known)
        return _Rows(self.table, _taken(self.day, rows), self.known_day, rows)

    @property
    def codes(self) -> Numbers:
        """The customer's place, row by row."""
        return self.table.codes if self.rows is None else self.table.codes[self.rows]

    def column(self, name: str) -> Values:
        """Return a column of these rows."""
        values = self.table.values(name)
        return self.day if name == "day" else _taken(values, self.rows)

    def inside(self, days: int | None, lag_days: int, cutoff: int) -> Flags:
        """Return which rows lie in the window."""
        inside = self.day.data <= cutoff - lag_days
        if days is not None:
            inside = inside & (self.day.data > cutoff - lag_days - days)
        return np.asarray(inside, dtype=bool)


def _values(column: pa.ChunkedArray | pa.Array) -> Values:
    missing = np.asarray(pc.is_null(column)) if column.null_count else NONE
    if pa.types.is_temporal(column.type):
        return Values(column.to_numpy(zero_copy_only=False), missing)
    if not pa.types.is_string(column.type) and column.null_count:
        column = pc.fill_null(column, pa.scalar(0, column.type))
    return Values(np.asarray(column.to_numpy(zero_copy_only=False)), missing)


def _taken(values: Values, rows: npt.NDArray[np.int64] | None) -> Values:
    if rows is None:
        return values
    missing = values.missing
    return Values(values.data[rows], missing[rows] if isinstance(missing, np.ndarray) else missing)


def _column(values: Values, n: int) -> pa.Array:
    mask = None if values.missing is NONE else np.array(_whole(values.missing, n))
    return pa.array(_whole(np.asarray(values.data, np.float64), n), pa.float64(), mask=mask)


def _whole(data: Any, n: int) -> Numbers:
    """Return ``data`` row by row, where it is one value for all rows."""
    return np.broadcast_to(data, n) if np.ndim(data) == 0 else np.asarray(data)


# ---- sources: when rows are of, and when they were known


def _rows_of(tables: Mapping[str, _Table]) -> dict[str, _Rows]:
    """Return the rows of every source, undated customers by their first event."""
    rows = {
        name: _Rows(table, table.values("day"), table.values("known_day"))
        for name, table in tables.items()
    }
    rows["customers"] = _dated(rows)
    return rows | {name: _later(rows[later.table], later) for name, later in LATER_SOURCES.items()}


def _dated(rows: Mapping[str, _Rows]) -> _Rows:
    customers = rows["customers"]
    events = [one for name, one in rows.items() if name != "customers"]
    first = _first_event(events, max(one.codes.max(initial=-1) for one in rows.values()) + 1)
    of = Values(first[customers.codes], first[customers.codes] == NEVER)
    return _Rows(
        customers.table,
        or_else(customers.day, of),
        or_else(or_else(customers.known_day, customers.day), of),
    )


def _first_event(rows: Sequence[_Rows], n: int) -> npt.NDArray[np.int64]:
    """Return the first day on which any event of each customer was known, or ``NEVER``."""
    first = np.full(n + 1, NEVER)
    for one in rows:
        known = np.where(one.known_day.missing, one.day.data, one.known_day.data)
        days = np.where(one.day.missing, NEVER, np.maximum(one.day.data, known))
        np.minimum.at(first, one.codes, days)
    return first


def _later(rows: _Rows, later: LaterSource) -> _Rows:
    """Return the rows with a later fact, dated by the day it came."""
    moment = rows.table.values(later.moment)
    days = Values(moment.data.astype("datetime64[D]").astype(np.int64), moment.missing)
    if later.day is not None:
        days = or_else(rows.table.values(later.day), days)
    days = Values(days.data, days.missing | moment.missing)
    known = np.where(rows.known_day.missing, days.data, rows.known_day.data)
    return _Rows(rows.table, days, Values(np.maximum(known, days.data), days.missing))


def _answered(asked: Asked, arg: Values | None, rows: _Rows, taken: Flags, n: int) -> Values:
    codes = rows.codes
    if arg is None:
        count = np.bincount(codes[taken], minlength=n)
        return Values(count > 0 if asked.reduction == ANY_ROW else count)
    taken = taken & ~arg.missing
    data = _whole(arg.data, len(taken))[taken]
    reduce = REDUCTIONS[asked.reduction]
    return reduce(Group(codes[taken], data, rows.day.data[taken], n, asked.whole))
