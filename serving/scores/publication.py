"""Reading what is published: an immutable folder that the store's pointer names."""

from __future__ import annotations

import bisect
import datetime as dt
import difflib
import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict

from configs.errors import PublicationError
from configs.files import live_generation
from configs.section import Text
from serving.scores.answer_texts import as_list
from serving.scores.answers import Answer, Terms, answer_texts
from serving.scores.lookup import Lookup
from serving.scores.population import Population
from serving.scores.scorer import before_of
from serving.scores.tier_trace import tier_trace
from training.portfolio import Totals

SCORES_FILE = "scores.parquet"
REASONS_FILE = "reasons.parquet"
FEATURES_FILE = "features.parquet"
LOOKUP_FILE = "lookup.sqlite"
POPULATION_FILE = "population.json"
MANIFEST_FILE = "manifest.json"
LOOKED_THROUGH = 2_000
"""Ids before and after an unknown one that may be meant; to compare a million takes 8 seconds."""


class SegmentText(BaseModel):
    """A segment's names and its description in words."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    code: str
    name: Text
    description: Text


class Manifest(BaseModel):
    """What a publication is: where it came from, under which terms, and its files' digests.

    Attributes:
        id: the folder's name; sorts by the day scored and then by the time made.
        inputs: digest of everything that the publication was made from.
        bundle: digest of the model bundle; empty where none was given.
        previous: id of the publication of an earlier day that tiers were held against.
        counts: customers in all, by tier and by churn band.
        totals: what everybody and each tier is expected to bring together, with intervals.
        files: SHA-256 by file name.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    inputs: str
    as_of: dt.date
    created_at: dt.datetime
    records: str
    previous: str | None
    terms: Terms
    segments: tuple[SegmentText, ...]
    counts: dict[str, int]
    totals: Totals | None = None
    files: dict[str, str]
    bundle: str = ""


@dataclass(frozen=True)
class Publication:
    """One publication, open for reading; safe to share between threads and processes."""

    folder: Path
    manifest: Manifest
    population: Population = field(default_factory=Population, repr=False)

    def customer(self, customer_id: str) -> Answer:
        """Return the whole answer about one customer.

        Raises:
            PublicationError: nobody of that id is published.
        """
        found = self.find(customer_id)
        if found is None:
            raise PublicationError(self._unknown(customer_id))
        return found

    def find(self, customer_id: str) -> Answer | None:
        """Return the whole answer about one customer, ``None`` for an unknown id."""
        return self.find_many([customer_id]).get(customer_id)

    def find_many(self, customer_ids: Sequence[str]) -> dict[str, Answer]:
        """Return the answers about those of ``customer_ids`` that are published."""
        return {key: json.loads(text) for key, text in self.find_texts(customer_ids).items()}

    def find_texts(self, customer_ids: Sequence[str]) -> dict[str, str]:
        """Return the answers as JSON text, for passing on unread.

        Where the look-up was removed with age, they are made of scores and reasons anew.
        """
        try:
            return self._lookup.find(customer_ids)
        except FileNotFoundError:
            return self._told_again(customer_ids)

    def _told_again(self, customer_ids: Sequence[str]) -> dict[str, str]:
        wanted = pc.field("customer_id").isin(pa.array(customer_ids, pa.string()))
        scores, reasons = (
            pq.read_table(self.folder / name, filters=wanted)
            for name in (SCORES_FILE, REASONS_FILE)
        )
        texts = as_list(answer_texts(scores, reasons, self.manifest.terms))
        return dict(zip(scores["customer_id"].to_pylist(), texts, strict=True))

    def scores(self) -> pa.Table:
        """Return the scores of all customers, sorted by ``customer_id``."""
        return pq.read_table(self.folder / SCORES_FILE)

    def reasons(self, customer_id: str | None = None) -> pa.Table:
        """Return the reasons of one customer, or of all."""
        return self._rows(REASONS_FILE, customer_id)

    def features(self, customer_id: str | None = None) -> pa.Table:
        """Return the features that were scored, of one customer or of all."""
        return self._rows(FEATURES_FILE, customer_id)

    def trace(self, customer_id: str) -> dict[str, Any] | None:
        """Return which rules set the tier of a published customer; ``None`` without a tier."""
        return self.traces([customer_id])[customer_id]

    def traces(self, customer_ids: Sequence[str]) -> dict[str, dict[str, Any] | None]:
        """Return which rules set the tiers of published customers; ``None`` without a tier."""
        wanted = pc.field("customer_id").isin(pa.array(customer_ids, pa.string()))
        scores, features = (
            pq.read_table(self.folder / name, filters=wanted).to_pylist()
            for name in (SCORES_FILE, FEATURES_FILE)
        )
        terms = self.manifest.terms
        return {
            score["customer_id"]: tier_trace(score, row, terms.policy, terms.currency)
            for score, row in zip(scores, features, strict=True)
        }

    def before(self, customer_ids: Iterable[str]) -> pa.Table:
        """Return the past that these customers were scored with.

        Scoring a customer's raw records with it gives what is published, to the bit.
        """
        wanted = pa.array(list(customer_ids), pa.string())
        rows = pq.read_table(
            self.folder / SCORES_FILE, filters=pc.field("customer_id").isin(wanted)
        )
        return before_of(rows)

    def examples(self, n: int) -> list[str]:
        """Return the ids of ``n`` telling customers.

        First the one with most value at risk, then the most valuable, a typical one, and on down
        by value at risk.
        """
        names = ["customer_id", "clv_expected", "churn_probability"]
        scores = pq.read_table(self.folder / SCORES_FILE, columns=names)
        if len(scores) == 0:
            return []
        value = _filled(scores, "clv_expected")
        risk = _filled(scores, "churn_probability")
        by_risk = np.argsort(-value * risk, kind="stable")
        by_value = np.argsort(-value, kind="stable")
        typical = by_value[len(by_value) // 2]
        order = dict.fromkeys([by_risk[0], by_value[0], typical, *by_risk[: n + 3]])
        return [scores["customer_id"][int(row)].as_py() for row in list(order)[:n]]

    def earlier(self) -> Publication | None:
        """Return the publication that tiers were held against, if it is still there."""
        if self.manifest.previous is None:
            return None
        folder = self.folder.parent / self.manifest.previous
        return open_publication(folder) if folder.is_dir() else None

    def check(self) -> None:
        """Check every file against its digest.

        Raises:
            PublicationError: a file is missing or altered.
        """
        for name, digest in self.manifest.files.items():
            path = self.folder / name
            if not path.is_file():
                raise PublicationError(f"{path} is missing; run `echelon score` again")
            if digest_of(path) != digest:
                raise PublicationError(
                    f"{path} was altered: its SHA-256 is not the one in {MANIFEST_FILE}. "
                    f"Delete {self.folder} and run `echelon score` again"
                )

    def is_made_by(self, digest: str) -> bool:
        """Return whether the bundle of this digest made it; any may have where none is named."""
        return self.manifest.bundle in ("", digest)

    def _rows(self, name: str, customer_id: str | None) -> pa.Table:
        wanted = None if customer_id is None else pc.field("customer_id") == customer_id
        return pq.read_table(self.folder / name, filters=wanted)

    @cached_property
    def _lookup(self) -> Lookup:
        return Lookup(self.folder / LOOKUP_FILE)

    def _unknown(self, customer_id: str) -> str:
        at = bisect.bisect(self._ids, customer_id)
        beside = self._ids[max(at - LOOKED_THROUGH, 0) : at + LOOKED_THROUGH]
        near = difflib.get_close_matches(customer_id, beside, n=3, cutoff=0.6)
        hint = f"; near it: {', '.join(near)}" if near else ""
        return (
            f"no customer {customer_id!r} among the {len(self._ids):,} published on "
            f"{self.manifest.as_of}{hint}. A customer is published once a record of them is known"
        )

    @cached_property
    def _ids(self) -> list[str]:
        ids = pq.read_table(self.folder / SCORES_FILE, columns=["customer_id"])
        return list(ids["customer_id"].to_pylist())


def open_live(store: Path) -> Publication:
    """Return the live publication of ``store``.

    Raises:
        PublicationError: nothing is published yet, or it cannot be read.
    """
    folder = live_generation(store)
    if folder is None:
        raise PublicationError(
            f"nothing is published in {store} yet. Run `echelon run`, or `echelon score` when a "
            "model is promoted already"
        )
    return open_publication(folder)


def manifests(store: Path) -> list[Manifest]:
    """Return the manifests of every publication in ``store``, the newest first."""
    folders = (file.parent for file in store.glob(f"[!.]*/{MANIFEST_FILE}"))
    found = [open_publication(folder).manifest for folder in folders]
    return sorted(found, key=lambda manifest: manifest.id, reverse=True)


def open_publication(folder: Path) -> Publication:
    """Return the publication in ``folder``.

    Raises:
        PublicationError: it is damaged or was written by another version of Echelon.
    """
    try:
        manifest = Manifest.model_validate_json((folder / MANIFEST_FILE).read_bytes())
        population = Population.model_validate_json((folder / POPULATION_FILE).read_bytes())
    except (OSError, ValueError) as error:
        raise PublicationError(
            f"{folder} cannot be read as a publication; run `echelon score` again ({error})"
        ) from error
    return Publication(folder, manifest, population)


def digest_of(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _filled(scores: pa.Table, name: str) -> Any:
    return scores[name].fill_null(0.0).to_numpy()
