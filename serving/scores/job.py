"""One publication to make: with which models, under which terms, to which store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from configs.schema import Config
from configs.section import Text
from serving.scores.answers import Terms
from serving.scores.scorer import BundleLike


@dataclass(frozen=True)
class Job:
    """One publication to make; what it is made of can be sent to another process.

    Attributes:
        config: tiers' lifecycle, batch size, reasons per number, store.
        bundle: the models.
        terms: versions and what else all answers share.
        records: name of the records generation.
        units: words of units for sentences.
        digest: the bundle's, so that no other passes for it.
    """

    config: Config
    bundle: BundleLike
    terms: Terms
    records: str
    units: Mapping[str, Text]
    digest: str = ""

    @property
    def store(self) -> Path:
        """Folder of publications."""
        return self.config.stores.publications
