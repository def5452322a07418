"""Publishing: scores, tiers and reasons of all customers, made beside and made live in one step."""

from __future__ import annotations

import datetime as dt
import fcntl
import hashlib
import json
import shutil
import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from configs.errors import PublicationError
from configs.files import live_generation, make_live, new_generation
from configs.progress import Progress, silent
from configs.schema import Config
from configs.section import Text
from configs.version import VERSION
from features.units import UNITS
from serving.scores.answers import Terms, answers, terms_of
from serving.scores.matrix import matrix_to_score
from serving.scores.population import Population, column, population_of
from serving.scores.publication import (
    FEATURES_FILE,
    LOOKUP_FILE,
    MANIFEST_FILE,
    POPULATION_FILE,
    REASONS_FILE,
    SCORES_FILE,
    Manifest,
    Publication,
    SegmentText,
    digest_of,
    open_live,
    open_publication,
)
from serving.scores.reasons import REASONS, Reasoner
from serving.scores.scorer import BundleLike, Scorer, previous_of
from training.bundle import Bundle
from training.portfolio import Totals

LAYOUT = 2
"""Raised when the files of a publication change their form."""
LOCK = ".lock"
VERSION_LETTERS = 12
"""Of the features' fingerprint, as much as people compare."""


@dataclass(frozen=True)
class Job:
    """One publication to make.

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


def publish(
    config: Config,
    bundle: Bundle,
    model_version: str,
    records: Path,
    progress: Progress = silent,
) -> Path:
    """Score every customer of ``records`` with ``bundle`` and return the publication, live.

    Args:
        config: the company, its policy's dates, its stores.
        bundle: the champion's models.
        model_version: its version in the registry.
        records: folder of a records generation.
        progress: told the share done of ``features`` and ``publish``.

    Raises:
        PublicationError: there is nobody to publish, or another process is publishing.
    """
    job, matrix = _job(config, bundle, model_version, records, progress)
    return publish_matrix(job, matrix, progress)


def shadow(
    config: Config,
    bundle: Bundle,
    model_version: str,
    records: Path,
    progress: Progress = silent,
) -> Path:
    """Score every customer of ``records`` with ``bundle`` unseen, and return the folder.

    Args and raises are those of :func:`publish`.
    """
    job, matrix = _job(config, bundle, model_version, records, progress)
    return shadow_matrix(job, matrix, progress)


def _job(
    config: Config, bundle: Bundle, model_version: str, records: Path, progress: Progress
) -> tuple[Job, pa.Table]:
    progress("features", 0.0)
    matrix = matrix_to_score(config, bundle, records)
    progress("features", 1.0)
    features = bundle.manifest.versions["features"][:VERSION_LETTERS]
    terms = terms_of(config, bundle, model_version, features)
    return Job(config, bundle, terms, records.name, UNITS, bundle.digest), matrix


def publish_matrix(job: Job, matrix: pa.Table, progress: Progress = silent) -> Path:
    """Publish the customers of ``matrix`` and return the folder, live.

    The same inputs give the publication that is there already: made live again, not made again.

    Args:
        job: what to publish with.
        matrix: features of all customers on one day, sorted by ``customer_id``.
        progress: told the share done.

    Raises:
        PublicationError: there is nobody to publish, or another process is publishing.
    """
    with _alone(job.store):
        folder = _made(job, matrix, job.store, progress)
        make_live(job.store, folder.name)
        progress("publish", 1.0)
        return folder


def shadow_matrix(job: Job, matrix: pa.Table, progress: Progress = silent) -> Path:
    """Score the customers of ``matrix`` beside the publications and return the folder.

    It is what would be published, held against the same past, in a store whose pointer nobody
    reads; what readers see stays as it is.

    Raises:
        PublicationError: there is nobody to score, or another process is doing so.
    """
    store = job.config.stores.shadows
    with _alone(store):
        folder = _made(job, matrix, store, progress)
        progress("publish", 1.0)
        return folder


def _made(job: Job, matrix: pa.Table, store: Path, progress: Progress) -> Path:
    """Return the folder in ``store`` that follows from the inputs, made unless it is there."""
    _remove_drafts(store)
    previous = published_before(job.store, matrix)
    inputs = _digest_of_inputs(job, matrix, previous)
    folder = _made_already(store, inputs)
    return folder or _make(job, matrix, store, previous, inputs, progress)


def _make(
    job: Job,
    matrix: pa.Table,
    store: Path,
    previous: Publication | None,
    inputs: str,
    progress: Progress,
) -> Path:
    created_at = dt.datetime.now(dt.UTC)
    as_of = _day_of(matrix)
    name = f"{as_of:%Y%m%d}-{created_at:%Y%m%dT%H%M%S%fZ}-{inputs[:8]}"
    with new_generation(store, name) as draft:
        pq.write_table(matrix, draft / FEATURES_FILE, row_group_size=10_000)
        scores, population = _write_scores(job, matrix, previous, draft, progress)
        _write_reasons_and_lookup(job, matrix, scores, population, draft, progress)
        manifest = Manifest(
            id=name,
            inputs=inputs,
            as_of=as_of,
            created_at=created_at,
            records=job.records,
            previous=None if previous is None else previous.manifest.id,
            terms=job.terms,
            segments=_segment_texts(job.bundle),
            counts=_counts(scores),
            totals=_totals(job, scores),
            files={file.name: digest_of(file) for file in sorted(draft.iterdir())},
            bundle=job.digest,
        )
        text = manifest.model_dump_json(indent=1)
        (draft / MANIFEST_FILE).write_text(text, encoding="utf-8")
    return store / name


def _write_scores(
    job: Job,
    matrix: pa.Table,
    previous: Publication | None,
    draft: Path,
    progress: Progress,
) -> tuple[pa.Table, Population]:
    """Write the scores and the population, which must be whole before percentiles are known."""
    scorer = Scorer(job.bundle, job.config.lifecycle)
    past = None if previous is None else previous_of(previous.scores())
    size = job.config.serving.score_rows_at_once
    parts = []
    for start in range(0, len(matrix), size):
        parts.append(scorer.score(matrix.slice(start, size), past))
        progress("publish", 0.4 * min(start + size, len(matrix)) / len(matrix))
    scores = pa.concat_tables(parts).combine_chunks()
    population = population_of(scores, draft / FEATURES_FILE, scorer.inputs)
    scores = population.placed(scores)
    pq.write_table(scores, draft / SCORES_FILE, row_group_size=10_000)
    (draft / POPULATION_FILE).write_text(population.model_dump_json(), encoding="utf-8")
    return scores, population


def _write_reasons_and_lookup(
    job: Job,
    matrix: pa.Table,
    scores: pa.Table,
    population: Population,
    draft: Path,
    progress: Progress,
) -> None:
    scorer = Scorer(job.bundle, job.config.lifecycle, population)
    reasoner = Reasoner(scorer, job.terms.currency, job.units, job.config.serving.reasons)
    size = job.config.serving.score_rows_at_once
    with (
        pq.ParquetWriter(draft / REASONS_FILE, REASONS) as writer,
        _lookup_writer(draft / LOOKUP_FILE) as lookup,
    ):
        for start in range(0, len(matrix), size):
            rows = scores.slice(start, size)
            reasons = reasoner.reasons(matrix.slice(start, size), rows)
            writer.write_table(reasons, row_group_size=50_000)
            lookup.executemany("INSERT INTO answers VALUES (?, ?)", _texts(rows, reasons, job))
            progress("publish", 0.4 + 0.55 * min(start + size, len(matrix)) / len(matrix))


def _texts(scores: pa.Table, reasons: pa.Table, job: Job) -> Iterator[tuple[str, str]]:
    for answer in answers(scores, reasons, job.terms):
        text = json.dumps(answer, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        yield answer["customer_id"], text


@contextmanager
def _lookup_writer(path: Path) -> Iterator[sqlite3.Connection]:
    """Yield a new look-up; nobody reads it before it is whole, so no journal is kept."""
    connection = sqlite3.connect(path)
    try:
        connection.execute("PRAGMA journal_mode = OFF")
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("CREATE TABLE answers (customer_id TEXT PRIMARY KEY, answer TEXT)")
        yield connection
        connection.commit()
    finally:
        connection.close()


@contextmanager
def _alone(store: Path) -> Iterator[None]:
    """Hold the store's lock; the system frees it when the process ends, however it ends."""
    store.mkdir(parents=True, exist_ok=True)
    with (store / LOCK).open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise PublicationError(
                f"another process is publishing to {store}; wait for it to end, then try again"
            ) from error
        yield


def _remove_drafts(store: Path) -> None:
    """Remove what a killed process left; with the lock held, no draft is being written."""
    for draft in store.glob(".*.draft"):
        if draft.is_dir():
            shutil.rmtree(draft, ignore_errors=True)
        else:
            draft.unlink(missing_ok=True)


def published_before(store: Path, matrix: pa.Table) -> Publication | None:
    """Return the last publication of a day before that of ``matrix`` on the live one's line.

    Scoring a day again replaces that day: it is held against the same past.
    """
    as_of = _day_of(matrix)
    publication = open_live(store) if live_generation(store) is not None else None
    while publication is not None and publication.manifest.as_of >= as_of:
        publication = publication.earlier()
    return publication


def _made_already(store: Path, inputs: str) -> Path | None:
    """Return a whole publication made from the same inputs."""
    for folder in sorted(store.glob(f"*-{inputs[:8]}"), reverse=True):
        publication = open_publication(folder)
        if publication.manifest.inputs == inputs:
            publication.check()
            return folder
    return None


def _digest_of_inputs(job: Job, matrix: pa.Table, previous: Publication | None) -> str:
    """Return a digest of all that a publication follows from."""
    config = job.config
    parts = {
        "layout": LAYOUT,
        "echelon": VERSION,
        "terms": job.terms.model_dump(mode="json"),
        "bundle": job.digest,
        "lifecycle": config.lifecycle.model_dump(mode="json"),
        "reasons": config.serving.reasons,
        "previous": None if previous is None else previous.manifest.id,
        "matrix": _digest_of_table(matrix),
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _digest_of_table(matrix: pa.Table) -> str:
    """Return a digest of the values; what lies under a null differs from run to run."""
    digest = hashlib.sha256("\0".join(matrix.column_names).encode())
    digest.update("\0".join(matrix["customer_id"].to_pylist()).encode())
    for name in matrix.column_names[1:]:
        digest.update(column(matrix, name).tobytes())
    return digest.hexdigest()


def _day_of(matrix: pa.Table) -> dt.date:
    days = matrix["cutoff"].unique().to_pylist()
    if len(days) != 1:
        raise PublicationError(
            f"a publication is of one day with at least one customer; there are {len(matrix)} "
            f"customers on {len(days)} days. Check `as_of` against the days in your records"
        )
    return dt.date(1970, 1, 1) + dt.timedelta(days=days[0])


def _segment_texts(bundle: BundleLike) -> tuple[SegmentText, ...]:
    if bundle.segments is None:
        return ()
    return tuple(
        SegmentText(code=s.code, name=s.name, description=s.description)
        for s in bundle.segments.all
    )


def _totals(job: Job, scores: pa.Table) -> Totals | None:
    """Return what everybody and each tier is expected to bring together."""
    portfolio, codes = job.bundle.portfolio, job.terms.policy.codes
    if portfolio is None or scores["tier"].null_count:
        return None
    rank = np.asarray(pc.index_in(scores["tier"], pa.array(codes)).to_numpy(), dtype=np.int64)
    churn = column(scores, "churn_probability")
    return portfolio.totals(
        column(scores, "clv_expected"),
        rank,
        codes,
        job.terms.clv_horizon_days,
        None if np.isnan(churn).any() else churn,
    )


def _counts(scores: pa.Table) -> dict[str, int]:
    tiers = Counter(scores["tier"].drop_null().to_pylist())
    bands = Counter(scores["churn_band"].drop_null().to_pylist())
    counts = {"customers": len(scores)}
    counts |= {f"tier:{tier}": n for tier, n in sorted(tiers.items())}
    return counts | {f"churn:{band}": n for band, n in sorted(bands.items())}
