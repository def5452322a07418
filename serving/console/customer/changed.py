"""What changed for a customer since the publication before: data, model and policy."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from configs.schema import Config
from serving.changes.change_facts import customer_change
from serving.changes.changes import Comparison, compare
from serving.console.customer.asked import Asked
from serving.endpoint.served import Served


@dataclass(frozen=True)
class ComparedWithLast:
    """The publication beside the one before, made once per publication."""

    config: Config = field(compare=False, repr=False)

    def __call__(self, served: Served) -> Comparison | None:
        """Return both, ready to compare; ``None`` where nothing was published before."""
        new = served.publication
        old = new.earlier()
        if old is None:
            return None
        if new.manifest.bundle and old.manifest.bundle == new.manifest.bundle:
            return Comparison(old, new, served.bundle)
        return compare(self.config, old, new)


def changed(asked: Asked) -> dict[str, Any] | None:
    """Return what changed, JSON-safe; ``None`` where nothing was published before."""
    comparison = asked.visit.kept(asked.served, ComparedWithLast(asked.visit.config))
    if comparison is None:
        return None
    records = asked.served.generations / asked.served.publication.manifest.records
    return customer_change(comparison, asked.customer_id, records)
