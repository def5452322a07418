"""What the live publication can lend to the next one of the same day: features of the others.

A customer's features follow from their own records and the day. Where the day stays, those without
new records keep theirs, and only the others' are computed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from configs.files import live_generation
from configs.schema import Config
from serving.scores.publication import FEATURES_FILE, open_live

if TYPE_CHECKING:
    from features.refreshed import Refreshed


@dataclass(frozen=True)
class Carried:
    """Features that are there already.

    Attributes:
        features: file of the publication that has them, sorted by customer.
        customers: who must be computed anew; nobody else's differ.
    """

    features: Path
    customers: pa.Array

    def with_others(self, computed: Iterable[pa.Table]) -> Iterator[pa.Table]:
        """Yield the ``computed`` features of ``customers`` and those of all others, by customer.

        Args:
            computed: tables that rise by customer.
        """
        with pq.ParquetFile(self.features) as file:
            tables, waiting = iter(computed), file.schema_arrow.empty_table()
            for number in range(file.num_row_groups):
                group = file.read_row_group(number)
                last = group["customer_id"][-1]
                while _all_before(waiting, last) and (more := next(tables, None)) is not None:
                    waiting = pa.concat_tables([waiting, more.cast(waiting.schema)])
                n = pc.sum(pc.less_equal(waiting["customer_id"], last)).as_py() or 0
                others = group.filter(pc.invert(pc.is_in(group["customer_id"], self.customers)))
                both = pa.concat_tables([others, waiting.slice(0, n)])
                yield both.sort_by("customer_id")
                waiting = waiting.slice(n)
            yield waiting
            yield from (table.cast(waiting.schema) for table in tables)


def _all_before(table: pa.Table, last: pa.Scalar) -> bool:
    return len(table) == 0 or bool(pc.less_equal(table["customer_id"][-1], last).as_py())


def carried_over(config: Config, digest: str, taken: Refreshed) -> Carried | None:
    """Return what can be carried over to the publication of what was ``taken``, if anything.

    Args:
        config: as of which day, and where publications are.
        digest: of the bundle that scores.
        taken: what the daily intake did.
    """
    store = config.stores.publications
    if taken.customers is None or taken.before is None or live_generation(store) is None:
        return None
    live = open_live(store)
    made = (live.manifest.records, live.manifest.bundle, live.manifest.as_of)
    if made != (taken.before, digest, taken.report.as_of):
        return None
    return Carried(live.folder / FEATURES_FILE, taken.customers)
