"""A part of the customers with all their records, the same part for the same customers each time.

Who is drawn follows from a digest of ``customer_id`` alone: not from the order of rows, from other
customers' records, or from the engine. As a company grows, those drawn give way one by one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import replace

import ibis
import pyarrow as pa

from features.sources import Records, fetch, held


def drawn(customer_ids: Iterable[str], at_most: int) -> list[str]:
    """Return up to ``at_most`` of ``customer_ids``, those with the smallest digests.

    >>> ids = [f"C{number}" for number in range(1000)]
    >>> set(drawn(ids, 100)) == set(drawn(reversed(ids), 100)) and len(drawn(ids, 100))
    100
    """

    def digest(customer_id: str) -> bytes:
        return hashlib.blake2b(customer_id.encode(), digest_size=8).digest()

    return sorted(set(customer_ids), key=digest)[:at_most]


def sampled(records: Records, at_most: int) -> tuple[Records, int]:
    """Return the records of at most ``at_most`` customers, and how many customers there are.

    Args:
        records: the canonical tables; returned as they are where there are few enough customers.
        at_most: customers to keep.
    """
    ids = fetch(records.backend, _customers(records))["customer_id"]
    if len(ids) <= at_most:
        return records, len(ids)
    kept = ibis.memtable(pa.table({"customer_id": drawn(ids.to_pylist(), at_most)}))
    tables = {
        name: held(records.backend, table.semi_join(kept, "customer_id"))
        for name, table in records.tables.items()
    }
    return replace(records, tables=tables), len(ids)


def _customers(records: Records) -> ibis.Table:
    each = [table.select("customer_id") for table in records.tables.values()]
    return ibis.union(*each, distinct=True).filter(lambda t: t.customer_id.notnull())
