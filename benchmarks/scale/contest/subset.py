"""The features that all contestants compute: 39 of the catalogue, of every shape that is in it.

Counts, sums, means, extremes, shares, distinct keys; windows from four weeks to all history, some
that ended earlier. Each contestant reads the same records (sorted Parquet, as intake leaves them),
one row a customer who was known at each cutoff, and writes one Parquet file of
``customer_id, cutoff, <feature>…``.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

BOUGHT = (
    "frequency",
    "recency_days",
    "tenure_days",
    "monetary_value",
    "days_since_last_purchase",
    "order_count_28d",
    "order_count_84d",
    "order_count_182d",
    "order_count_364d",
    "spend_28d",
    "spend_84d",
    "spend_182d",
    "spend_364d",
    "purchase_day_count_364d",
    "purchase_interval_days_364d",
    "weekend_share_364d",
    "order_count_84d_before",
    "spend_84d_before",
    "order_count_182d_before",
    "spend_182d_before",
    "order_count_91d_year_ago",
    "spend_91d_year_ago",
)
IN_TOUCH = (
    "interaction_count_28d",
    "interaction_count_84d",
    "interaction_count_364d",
    "visit_count_84d",
    "interaction_day_count_84d",
    "days_since_last_interaction",
    "interaction_minutes_364d",
    "interaction_count_84d_before",
    "visit_count_84d_before",
    "channel_count_364d",
    "enquiry_count_84d",
    "enquiry_count_364d",
    "support_count_84d",
    "support_count_364d",
    "campaign_count_182d",
    "click_count_182d",
    "campaign_response_364d",
)
SUBSET = (*BOUGHT, *IN_TOUCH)
TABLES = ("customers", "transactions", "interactions", "satisfaction", "attributes")


@dataclass(frozen=True)
class Task:
    """What one contestant is asked for.

    Attributes:
        records: folder of the record tables.
        out: Parquet file to write.
        cutoffs: day numbers.
        threads: how many it may use.
        memory_gib: what it is told to stay within, where it can be told.
    """

    records: Path
    out: Path
    cutoffs: tuple[int, ...]
    threads: int
    memory_gib: float

    def arguments(self) -> list[str]:
        """Return the task as arguments of a contestant's command."""
        days = [str(day) for day in self.cutoffs]
        limits = ["--threads", str(self.threads), "--memory-gib", str(self.memory_gib)]
        return [str(self.records), str(self.out), "--cutoffs", *days, *limits]


def task() -> Task:
    """Return the task that this process's arguments say."""
    parser = argparse.ArgumentParser()
    parser.add_argument("records", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--cutoffs", type=int, nargs="+", required=True)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--memory-gib", type=float, default=8)
    asked = parser.parse_args()
    days = tuple(sorted(set(asked.cutoffs)))
    return Task(asked.records, asked.out, days, asked.threads, asked.memory_gib)
