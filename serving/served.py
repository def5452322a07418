"""One publication with the models that made it, checked and ready to answer."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from configs.schema import Config
from features.catalogue import by_name
from features.prepared import PreparedBuild
from features.sentiment import with_sentiment
from features.sources import day_number
from features.units import UNITS
from serving.answers import answers
from serving.description import described
from serving.live import customers_of, in_order, record_tables
from serving.publication import SCORES_FILE, Publication, open_publication
from serving.reasons import Reasoner
from serving.requests import Closed
from serving.scorer import PREVIOUS, Scorer, previous_of
from training.bundle import Bundle, check_in_child, read_bundle
from training.signing import public_key

BUNDLES = "bundles"
"""Folder of the store that holds the bundle of each registered version."""

MatrixOf = Callable[[Mapping[str, pa.Table], int, pa.Table], pa.Table]
"""From record tables, a cutoff and the customers asked for to their features."""


@dataclass(frozen=True)
class Served:
    """A publication and its models; every answer of a request comes from one of these.

    Attributes:
        publication: answers by id.
        bundle: the models that made the publication, for raw records.
        reasoner: scores' reasons.
        matrix_of: the feature build, compiled once; ``None`` where raw records are not scored.
        zone: the company's time zone.
    """

    publication: Publication
    bundle: Bundle
    reasoner: Reasoner
    matrix_of: MatrixOf | None
    zone: ZoneInfo

    @property
    def as_of(self) -> dt.date:
        """The day that the publication holds for."""
        return self.publication.manifest.as_of

    @cached_property
    def description(self) -> str:
        """The answer of ``/v1/models/current`` as JSON text."""
        return as_text(
            described(self.publication.manifest, self.bundle, self.matrix_of is not None)
        )

    def texts_by_id(self, customer_ids: Sequence[str]) -> dict[str, str]:
        """Return the published answers as JSON text, for those who are published."""
        return self.publication.find_texts(customer_ids)

    def texts_by_records(self, records: Closed, as_of: dt.date) -> list[str]:
        """Return the answers about the customers in ``records`` as JSON text.

        A customer who is published is held against the past that the publication held them
        against, so that the same records give the same answer, to the bit.
        """
        assert self.matrix_of is not None
        tables = record_tables(records, self.zone)
        customers = customers_of(tables)
        matrix = self.matrix_of(tables, day_number(as_of), customers)
        customer_ids = customers["customer_id"].to_pylist()
        matrix = in_order(matrix, customer_ids)
        scores = self.reasoner.scorer.score(matrix, self._past(customer_ids, as_of))
        reasons = self.reasoner.reasons(matrix, scores)
        terms = self.publication.manifest.terms
        return [as_text(answer) for answer in answers(scores, reasons, terms)]

    def _past(self, customer_ids: Sequence[str], as_of: dt.date) -> pa.Table:
        """Return what was known of these customers before ``as_of``."""
        if as_of == self.as_of:
            return self.publication.before(customer_ids)
        if as_of < self.as_of:
            return PREVIOUS.empty_table()
        wanted = pc.field("customer_id").isin(pa.array(customer_ids, pa.string()))
        return previous_of(pq.read_table(self.publication.folder / SCORES_FILE, filters=wanted))


def as_text(answer: Any) -> str:
    """Return ``answer`` as the JSON text that publications hold."""
    return json.dumps(answer, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def open_served(config: Config, folder: Path) -> Served:
    """Return the publication in ``folder`` with its models, after all of it has been checked.

    The bundle is first loaded in a child process against its golden predictions, since damaged
    model text ends the process that reads it.

    Raises:
        PublicationError: the publication is damaged.
        ModelError: its bundle is missing, damaged, not signed, or does not predict as it should.
    """
    publication = open_publication(folder)
    publication.check()
    path = config.stores.root / BUNDLES / publication.manifest.terms.model
    key = public_key(config.stores.keys)
    check_in_child(path, key)
    bundle = read_bundle(path, key)
    scorer = Scorer(bundle, config.lifecycle, publication.population)
    reasoner = Reasoner(scorer, config.currency, UNITS, config.serving.reasons)
    build = None if config.sources.snapshot is not None else feature_build(config, bundle)
    return Served(publication, bundle, reasoner, build, ZoneInfo(config.timezone))


def feature_build(config: Config, bundle: Bundle) -> MatrixOf:
    """Return the build of the bundle's features from record tables, written as SQL once.

    Raises:
        ModelError: the features declared now are not those that the model learnt from.
    """
    declared = by_name()
    features = tuple(declared[name] for name in bundle.feature_names)
    bundle.check_features(features)
    compiled = PreparedBuild(features)

    def matrix_of(tables: Mapping[str, pa.Table], cutoff: int, customers: pa.Table) -> pa.Table:
        return compiled(with_sentiment(tables, bundle.sentiment), cutoff, customers)

    return matrix_of
