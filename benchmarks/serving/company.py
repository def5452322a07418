"""The published company that is asked about, and what it is asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import yaml

from configs.files import live_generation
from configs.load import load, shipped
from configs.schema import Config
from features.simulator import simulate
from serving.access.key_office import create
from serving.champions.live_records import live_records
from serving.pipeline import run
from serving.scores.publication import FEATURES_FILE, LOOKUP_FILE

ASKED_ABOUT = 500
"""Customers who are asked about in turn."""


@dataclass(frozen=True)
class Company:
    """A company with a live publication."""

    path: Path
    config: Config

    @property
    def publication(self) -> Path:
        """The folder of the live publication."""
        folder = live_generation(self.config.stores.publications)
        assert folder is not None
        return folder

    @cached_property
    def headers(self) -> dict[str, str]:
        """What shows a key of the endpoint, made for one run."""
        made = create(self.config, "benchmark", "application", (), None)
        return {"Authorization": f"Bearer {made.text}"}

    @property
    def lookup(self) -> Path:
        """The file that answers by id are looked up in."""
        return self.publication / LOOKUP_FILE

    def by_id(self) -> list[dict[str, Any]]:
        """Return requests for one customer each."""
        return [{"customer_ids": [one]} for one in self._orders()["customer_id"].to_pylist()]

    def raw(self, size: int) -> list[dict[str, Any]]:
        """Return requests of ``size`` orders, each of another customer; at most ten requests."""
        rows = [_sent(row) for row in self._orders(max(size, ASKED_ABOUT)).to_pylist()]
        starts = range(0, min(len(rows), 10 * size), size)
        return [{"records": {"transactions": rows[s : s + size]}} for s in starts]

    def matrix(self, names: Sequence[str], size: int) -> pa.Table:
        """Return ready features of ``size`` customers."""
        return pq.read_table(self.publication / FEATURES_FILE, columns=list(names)).slice(0, size)

    def _orders(self, most: int = ASKED_ABOUT) -> pa.Table:
        """Return one order each of published customers, who are the same in every run."""
        columns = ["customer_id", "occurred_at", "amount", "quantity", "category"]
        orders = pq.read_table(live_records(self.config) / "transactions.parquet")
        orders = orders.filter(pc.field("amount") > 0)
        _, first = _first_rows(orders["customer_id"])
        return orders.take(pa.array(first[:most])).select(columns)


def _first_rows(values: pa.ChunkedArray) -> tuple[list[str], list[int]]:
    seen: dict[str, int] = {}
    for row, value in enumerate(values.to_pylist()):
        seen.setdefault(value, row)
    return list(seen), list(seen.values())


def _sent(row: dict[str, Any]) -> dict[str, Any]:
    given = {name: value for name, value in row.items() if value is not None}
    return given | {"occurred_at": row["occurred_at"].isoformat()}


def company(given: Path | None, root: Path, customers: int) -> Company:
    """Return the company configured in ``given``, or a simulated one trained now in ``root``."""
    if given is None:
        simulate(customers, seed=1, out=root / "exports")
        content = yaml.safe_load(shipped("demo.yaml").read_text(encoding="utf-8"))
        content |= {"data": str(root / "exports"), "stores": {"root": str(root / "store")}}
        given = root / "company.yaml"
        given.write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")
        run(load(given))
    return Company(given, load(given))
