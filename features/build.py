"""The feature matrix: every declared feature, for every customer known at every cutoff.

The build alone applies windows, so no feature can look past its cutoff: a row counts when its day
lies in the window and it was known by the cutoff (``known_day``). A customer is known at a cutoff
when any of their rows is. A row of ``customers`` without ``signed_up_on`` has no day of its own and
counts from the customer's first event on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import ibis
import pyarrow as pa

from configs.errors import FeatureError
from configs.progress import Progress, silent
from configs.schema import Engine
from features.layout import KEYS, in_one
from features.matrix import StoredMatrix, store
from features.plan import Window, in_order, read
from features.sources import Records, fetch, held, seen_sources
from features.spark.matrix import write_by_workers
from features.spark.session import open_session
from features.spec import Feature
from features.totals.ahead import ahead
from features.totals.computed import Question, computed
from features.totals.population import first_known, population
from features.totals.valued import derived

BYTES_AT_ONCE = 1 << 28
"""What a range of customers may take where the whole matrix is wanted in memory anyway."""
SHARE_OF_LIMIT = 0.5
"""Of the memory limit, what a range of customers may take; the engine has a limit of its own."""
MOST_AT_ONCE = 3 << 29
"""However much memory there is: ranges are fetched, computed and written at the same time, and what
lies in caches is read faster than what does not; but DuckDB plans for each range anew."""


def feature_matrix(
    records: Records, features: Sequence[Feature], cutoffs: Sequence[int]
) -> pa.Table:
    """Return the features of every customer known at each cutoff, sorted by cutoff and customer.

    Returns:
        ``customer_id: string, cutoff: int32, <feature>: double …``; null is "missing".

    Raises:
        FeatureError: a declaration names an unknown source, column or input.
    """
    return answered(records, question_of(records, features, cutoffs))


def write_matrix(
    records: Records,
    features: Sequence[Feature],
    cutoffs: Sequence[int],
    folder: Path,
    engine: Engine,
    customers: pa.Array | None = None,
    progress: Progress = silent,
) -> StoredMatrix:
    """Write the features of every customer known at each cutoff to ``folder``, and open it.

    Args:
        records: the canonical tables.
        features: aggregated and derived declarations.
        cutoffs: day numbers.
        folder: does not exist yet; it appears when all of it is written.
        engine: says within what memory.
        customers: ids of those to compute, as far as known; default: all.
        progress: told of the step ``features``.

    Raises:
        FileExistsError: ``folder`` exists already.
        FeatureError: a declaration names an unknown source, column or input.
    """
    records = records if customers is None else only(records, customers)
    ask = partial(question_of, features=features, cutoffs=cutoffs)
    return written(records, ask, cutoffs, folder, engine, progress)


def only(records: Records, customers: pa.Array) -> Records:
    """Return the records of ``customers`` alone."""
    kept = ibis.memtable(pa.table({"customer_id": customers.cast(pa.string())}))
    few = {name: table.semi_join(kept, "customer_id") for name, table in records.tables.items()}
    return Records(records.backend, few)


def answered(records: Records, question: Question) -> pa.Table:
    """Return the answer to ``question`` in memory, in the layout of a matrix."""
    ranges = computed(records, question, population(records), BYTES_AT_ONCE)
    return in_one(list(ranges), question.cutoffs)


def written(
    records: Records,
    ask: Callable[[Records], Question],
    cutoffs: Sequence[int],
    folder: Path,
    engine: Engine,
    progress: Progress = silent,
) -> StoredMatrix:
    """Write the answer to what is asked of ``records`` to ``folder``.

    Args:
        records: the canonical tables; Spark's workers read their files, where they have such.
        ask: makes the question of some records: all, or those of some customers.
        cutoffs: day numbers, those of the question.
        folder: does not exist yet.
        engine: says who computes, and within what memory.
        progress: told of the step ``features``.

    Raises:
        FileExistsError: ``folder`` exists already.
    """
    if engine.name == "spark" and records.files is not None:
        session = open_session(engine)
        return write_by_workers(session, records.files, ask, cutoffs, folder, progress)
    question = ask(records)
    at_once = min(int(engine.memory_limit_gib * SHARE_OF_LIMIT * 2**30), MOST_AT_ONCE)
    threads = engine.threads
    ranges = computed(records, question, population(records), at_once, threads, progress)
    return store(ranges if threads == 1 else ahead(ranges), cutoffs, folder)


def question_of(records: Records, features: Sequence[Feature], cutoffs: Sequence[int]) -> Question:
    """Return what to compute of ``records`` for features.

    Raises:
        FeatureError: a declaration names an unknown source, column or input.
    """
    sources = seen_sources(dated(records))
    layers = in_order(features)
    schemas = {name: table.schema() for name, table in sources.items()}
    readings = [read(one, window_of(one), schemas) for one in features if not one.is_derived]

    def finish(matrix: ibis.Table) -> ibis.Table:
        for layer in layers:
            matrix = matrix.mutate(**{one.name: derived(matrix, one) for one in layer})
        return matrix.select(*KEYS, *(feature.name for feature in features))

    return Question(sources, readings, finish, tuple(sorted(set(cutoffs))))


def window_of(feature: Feature) -> Window:
    """Return the window of a feature; only labels look ahead."""
    if feature.lag_days < 0 or (feature.window_days is not None and feature.window_days < 1):
        raise FeatureError(
            f"feature {feature.name} has window_days={feature.window_days} and "
            f"lag_days={feature.lag_days}; a window has at least one day, and a lag below 0 would "
            "look past the cutoff: what happens after it is a label"
        )
    return Window(feature.window_days, feature.lag_days)


def dated(records: Records) -> dict[str, ibis.Table]:
    """Return the tables with undated customers dated by their first known event.

    Those without one are never known, and left out: a contract's end is no event of its own.
    """
    tables = records.tables
    customers = tables["customers"]
    if not _some_undated(records):
        return dict(tables)
    events = first_known({name: table for name, table in tables.items() if name != "customers"})
    first = held(records.backend, events.select(first_customer="customer_id", first="first_known"))
    joined = customers.left_join(first, customers.customer_id == first.first_customer)
    dated = joined.mutate(
        day=ibis.coalesce(joined.day, joined["first"]),
        known_day=ibis.coalesce(joined.known_day, joined.day, joined["first"]),
    )
    known = dated.filter(dated.day.notnull())
    return {**tables, "customers": known.select(*customers.columns)}


def _some_undated(records: Records) -> bool:
    """Whether a customer has no day."""
    customers = records.tables["customers"]
    undated = customers.filter(customers.day.isnull() | customers.known_day.isnull())
    found = fetch(records.backend, undated.aggregate(n=undated.count()))
    return bool(found["n"][0].as_py())
