"""One publication with the models that made it, checked and ready to answer."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from configs.errors import ModelError
from configs.schema import Action, Config
from configs.service import Serving
from features.prepared import PreparedBuild
from features.sentiment import SentimentModel, with_sentiment
from features.sources import day_number
from features.units import UNITS
from serving.console.book import Book, read_book
from serving.endpoint.contract_rows import ContractRows, contract_rows
from serving.endpoint.description import described
from serving.endpoint.live import customers_of, in_order, record_tables
from serving.endpoint.replies import as_text
from serving.endpoint.requests import Closed
from serving.endpoint.tracing import span
from serving.scores.answer_texts import as_list
from serving.scores.answers import answer_texts
from serving.scores.explanations import Explanation, explanations
from serving.scores.publication import FEATURES_FILE, SCORES_FILE, Publication, open_publication
from serving.scores.reasons import Reasoner
from serving.scores.scorer import PREVIOUS, Scorer, previous_of
from training.bundle import Bundle
from training.checked import read_checked
from training.signing import public_key


@dataclass(frozen=True)
class FeatureBuild:
    """From record tables, a cutoff and the customers asked for to their features.

    Attributes:
        compiled: the features, planned once.
        sentiment: what scores texts; ``None`` where no comments taught it.
    """

    compiled: PreparedBuild
    sentiment: SentimentModel | None

    def __call__(
        self, tables: Mapping[str, pa.Table], cutoff: int, customers: pa.Table
    ) -> pa.Table:
        """Return the features of ``customers`` at ``cutoff``."""
        return self.compiled(self.with_sentiment(tables), cutoff, customers)

    def with_sentiment(self, tables: Mapping[str, pa.Table]) -> dict[str, pa.Table]:
        """Return ``tables`` with how pleased their texts sound."""
        return with_sentiment(tables, self.sentiment)


@dataclass(frozen=True)
class Served:
    """A publication and its models; every answer of a request comes from one of these.

    Attributes:
        publication: answers by id.
        bundle: the models that made the publication, for raw records.
        reasoner: scores' reasons.
        matrix_of: the feature build, compiled once; ``None`` where raw records are not scored.
        zone: the company's time zone.
        generations: folder of records generations, for what-if by id.
        actions: the menu that paths are made of.
        serving: limits of requests, for the description.
    """

    publication: Publication
    bundle: Bundle
    reasoner: Reasoner
    matrix_of: FeatureBuild | None
    zone: ZoneInfo
    generations: Path
    actions: tuple[Action, ...]
    serving: Serving

    @cached_property
    def contract(self) -> ContractRows | None:
        """Raw records of contract customers; ``None`` where records are events."""
        return contract_rows(self.bundle.features)

    @property
    def as_of(self) -> dt.date:
        """The day that the publication holds for."""
        return self.publication.manifest.as_of

    @cached_property
    def book(self) -> Book:
        """Everybody who is published, as columns; read by whoever asks first."""
        return read_book(self.publication)

    @cached_property
    def description(self) -> str:
        """The answer of ``/v1/models/current`` as JSON text."""
        return as_text(
            described(self.publication.manifest, self.bundle, self.contract, self.serving)
        )

    def texts_by_id(self, customer_ids: Sequence[str]) -> dict[str, str]:
        """Return the published answers as JSON text, for those who are published."""
        return self.publication.find_texts(customer_ids)

    def texts_by_records(self, records: Closed, as_of: dt.date) -> list[str]:
        """Return the answers about the customers in ``records`` as JSON text.

        A customer who is published is held against the past that the publication held them
        against, so that the same records give the same answer, to the bit.
        """
        matrix, scores = self.scored(records, as_of)
        with span("reasons"):
            reasons = self.reasoner.reasons(matrix, scores)
        terms = self.publication.manifest.terms
        return as_list(answer_texts(scores, reasons, terms))

    def explained_by_id(self, customer_ids: Sequence[str]) -> dict[str, str]:
        """Return the explanations of those of ``customer_ids`` who are published, as JSON text."""
        scores = rows_of(self.publication, SCORES_FILE, customer_ids)
        matrix = rows_of(self.publication, FEATURES_FILE, customer_ids)
        return {one["customer_id"]: as_text(one) for one in self._explained(matrix, scores)}

    def explained_by_records(self, records: Closed, as_of: dt.date) -> list[str]:
        """Return the explanations of the customers in ``records`` as JSON text."""
        return [as_text(one) for one in self._explained(*self.scored(records, as_of))]

    def _explained(self, matrix: pa.Table, scores: pa.Table) -> Iterator[Explanation]:
        return explanations(matrix, scores, self.reasoner, self.publication.manifest.terms)

    def scored(self, records: Closed, as_of: dt.date) -> tuple[pa.Table, pa.Table]:
        """Return the features and the scores of the customers in ``records``, in their order."""
        with span("features"):
            matrix = self._matrix(records, day_number(as_of))
        past = self.past(matrix["customer_id"].to_pylist(), as_of)
        with span("scoring"):
            return matrix, self.reasoner.scorer.score(matrix, past)

    def _matrix(self, records: Any, cutoff: int) -> pa.Table:
        """Return the features of the customers in ``records``, in their order."""
        if self.contract is not None:
            return self.contract.matrix(self.contract.read(records.snapshot), cutoff)
        assert self.matrix_of is not None
        tables = record_tables(records, self.zone)
        customers = customers_of(tables)
        matrix = self.matrix_of(tables, cutoff, customers)
        return in_order(matrix, customers["customer_id"].to_pylist())

    def past(self, customer_ids: Sequence[str], as_of: dt.date) -> pa.Table:
        """Return what was known of these customers before ``as_of``."""
        if as_of == self.as_of:
            return self.publication.before(customer_ids)
        if as_of < self.as_of:
            return PREVIOUS.empty_table()
        return previous_of(rows_of(self.publication, SCORES_FILE, customer_ids))


def open_served(config: Config, folder: Path, before: Served | None = None) -> Served:
    """Return the publication in ``folder`` with the models that made it, all of it checked.

    Args:
        config: the company and its stores.
        folder: a publication.
        before: what is served so far; its models are kept where they made this one too.

    Raises:
        PublicationError: the publication is damaged.
        ModelError: its bundle is missing, damaged, not signed, or predicts something else.
    """
    publication = open_publication(folder)
    publication.check()
    if before is not None and _made_alike(before.publication, publication):
        reasoner = _reasoner(publication, before.bundle, config)
        if gives_again(publication, reasoner):
            return replace(before, publication=publication, reasoner=reasoner)
    bundle = bundle_of(publication, config)
    build = None if config.sources.snapshot is not None else feature_build(bundle)
    reasoner = _reasoner(publication, bundle, config)
    return Served(
        publication,
        bundle,
        reasoner,
        build,
        ZoneInfo(config.timezone),
        config.stores.records,
        config.actions,
        config.serving,
    )


def bundle_of(publication: Publication, config: Config) -> Bundle:
    """Return the bundle that made ``publication``, its tiers by the publication's policy.

    A copy of a bundle is named by its version, or by version and digest; the one of the digest
    that the publication names is taken, if it gives the published scores again. A bundle that this
    machine has not seen yet is first loaded in a child process against its golden predictions,
    since damaged model text ends the process that reads it.

    Raises:
        ModelError: no copy is there, none can be used, or none gives the published scores.
    """
    version, policy = publication.manifest.terms.model, publication.manifest.terms.policy
    key = public_key(config.stores.keys)
    problems = []
    copies = [
        path for name in (version, f"{version}-*") for path in config.stores.bundles.glob(name)
    ]
    for path in sorted(copies, reverse=True):
        try:
            bundle = read_checked(path, key, config.stores.verdicts).under(policy)
        except ModelError as error:
            problems.append(str(error))
        else:
            if not publication.is_made_by(bundle.digest):
                problems.append(f"{path} is another bundle than the one that was published with")
            elif gives_again(publication, _reasoner(publication, bundle, config)):
                return bundle
            else:
                problems.append(f"{path} does not give the scores that are published")
    told = "; ".join(problems) or f"there is no copy of it in {config.stores.bundles}"
    raise ModelError(
        f"model {version}, which made publication {publication.manifest.id}, cannot be used: "
        f"{told}. Run `echelon score` to publish with the champion again"
    )


SAID = ["fallback", "warnings"]
"""Words about the inputs, which a newer version may choose otherwise; all else are figures."""


def gives_again(publication: Publication, reasoner: Reasoner) -> bool:
    """Return whether the models give the scores of three published customers, to the bit."""
    customer_ids = publication.examples(3)
    published = rows_of(publication, SCORES_FILE, customer_ids)
    matrix = rows_of(publication, FEATURES_FILE, customer_ids)
    if not set(reasoner.scorer.inputs) <= set(matrix.column_names):
        return False
    again = reasoner.scorer.score(matrix, publication.before(customer_ids))
    return again.drop_columns(SAID).equals(published.drop_columns(SAID))


def _made_alike(one: Publication, other: Publication) -> bool:
    return one.manifest.terms == other.manifest.terms and one.is_made_by(other.manifest.bundle)


def rows_of(publication: Publication, file: str, customer_ids: Sequence[str]) -> pa.Table:
    """Return the rows of these customers from one of the publication's tables."""
    wanted = pc.field("customer_id").isin(pa.array(customer_ids, pa.string()))
    return pq.read_table(publication.folder / file, filters=wanted)


def _reasoner(publication: Publication, bundle: Bundle, config: Config) -> Reasoner:
    scorer = Scorer(bundle, config.lifecycle, publication.population)
    return Reasoner(scorer, publication.manifest.terms.currency, UNITS, config.serving.reasons)


def feature_build(bundle: Bundle) -> FeatureBuild:
    """Return the build of the bundle's features from record tables, planned once.

    The bundle's own statement is what the model learnt from, whatever is declared by now. A bundle
    without one is planned from the declarations.

    Raises:
        ModelError: the features declared now are not those that the model learnt from.
        FeatureError: the statement cannot be planned over the record tables of this version.
    """
    statement = bundle.statement or _statement_of(bundle)
    return FeatureBuild(PreparedBuild(statement), bundle.sentiment)


def _statement_of(bundle: Bundle) -> str:
    from features.catalogue import by_name
    from features.statement import statement

    declared = by_name()
    features = tuple(declared[name] for name in bundle.feature_names)
    bundle.check_features(features)
    return statement(features)
