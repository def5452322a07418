"""Publishing: scores, tiers and reasons of all customers, made beside and made live in one step.

Customers are scored in batches, by several processes at once, and whoever is killed is gone on
from: what follows from the same inputs is found in the draft that is named by them.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import shutil
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from configs.errors import PublicationError
from configs.files import held_alone, live_generation, make_live, new_generation
from configs.progress import Progress, silent
from configs.schema import Config
from configs.version import VERSION
from features.units import UNITS
from serving.scores import batches
from serving.scores.answers import terms_of
from serving.scores.batches import Work, explain_batch, score_batch
from serving.scores.carried import Carried
from serving.scores.crew import Crew, crew
from serving.scores.draft import Draft, open_draft, remove_drafts
from serving.scores.job import Job
from serving.scores.matrix import write_matrix_to_score
from serving.scores.matrix_file import ROWS_OF_A_GROUP, MatrixFile, write_grouped
from serving.scores.population import column, population_of
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
from serving.scores.scorer import BundleLike
from serving.scores.spark_crew import spark_crew
from serving.scores.thinning import thin
from serving.scores.wholes import narrow_scores, write_lookup, write_reasons, write_scores
from training.bundle import Bundle
from training.portfolio import Totals

LAYOUT = 2
"""Raised when the files of a publication change their form."""
LOCK = ".lock"
VERSION_LETTERS = 12
"""Of the features' fingerprint, as much as people compare."""
NAME_LETTERS = 16
"""Of the digests that drafts are named by."""
ROWS_WORTH_A_PROCESS = 25_000
"""Fewer are scored before another process is ready."""
BYTES_A_PROCESS, BYTES_A_ROW = 500 * 2**20, 24 * 2**10
"""Memory of a process that scores: libraries, models and sentences, and what a batch adds."""
BYTES_A_CUSTOMER = 8_192
"""On disk, the parts of the draft included; 130 features and six reasons take about 6,000."""
SCORED, EXPLAINED = 0.3, 0.6
"""Shares of the work; files are put together in the rest."""
FEATURES = "features"
GIB = 2**30


def publish(
    config: Config,
    bundle: Bundle,
    model_version: str,
    records: Path,
    progress: Progress = silent,
    carried: Carried | None = None,
) -> Path:
    """Score every customer of ``records`` with ``bundle`` and return the publication, live.

    Killed and begun again with the same inputs, it goes on with the batches that are done.

    Args:
        config: the company, its policy's dates, its stores.
        bundle: the champion's models.
        model_version: its version in the registry.
        records: folder of a records generation.
        progress: told the share done of ``features`` and ``publish``.
        carried: features that need not be computed.

    Raises:
        PublicationError: there is nobody to publish, no room, or another process is publishing.
    """
    job = _job(config, bundle, model_version, records)
    with _alone(job.store):
        matrix = _features_of(config, bundle, records, job.store, progress, carried)
        return _made_live(job, matrix, progress)


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
    job, store = _job(config, bundle, model_version, records), config.stores.shadows
    with _alone(store):
        matrix = _features_of(config, bundle, records, store, progress)
        return _made(job, matrix, store, progress)


def publish_matrix(job: Job, matrix: pa.Table, progress: Progress = silent) -> Path:
    """Publish the customers of ``matrix`` and return the folder, live.

    Args:
        job: what to publish with.
        matrix: features of all customers on one day, sorted by ``customer_id``.
        progress: told the share done.

    Raises:
        PublicationError: see :func:`publish_batches`.
    """
    return publish_batches(job, matrix.schema, [matrix], progress)


def publish_batches(
    job: Job, schema: pa.Schema, tables: Iterable[pa.Table], progress: Progress = silent
) -> Path:
    """Publish customers that come in tables of any size, never held together.

    The same inputs give the publication that is there already: made live again, not made again.

    Args:
        job: what to publish with.
        schema: ``customer_id, cutoff, <feature>…``.
        tables: features of all customers on one day, sorted by ``customer_id``.
        progress: told the share done.

    Raises:
        PublicationError: there is nobody to publish, customers are not sorted, there is no room,
            or another process is publishing.
    """
    with _alone(job.store):
        return _made_live(job, _written(schema, tables, job.store), progress)


def thin_old(config: Config) -> list[str]:
    """Remove the look-ups of old publications and return whose; see :func:`thin`.

    Raises:
        PublicationError: another process is publishing.
    """
    store = config.stores.publications
    with _alone(store):
        return thin(store, config.serving.publications_kept_whole)


def shadow_matrix(job: Job, matrix: pa.Table, progress: Progress = silent) -> Path:
    """Score the customers of ``matrix`` beside the publications and return the folder.

    It is what would be published, held against the same past, in a store whose pointer nobody
    reads; what readers see stays as it is.

    Raises:
        PublicationError: there is nobody to score, or another process is doing so.
    """
    store = job.config.stores.shadows
    with _alone(store):
        return _made(job, _written(matrix.schema, [matrix], store), store, progress)


def _job(config: Config, bundle: Bundle, model_version: str, records: Path) -> Job:
    features = bundle.manifest.versions["features"][:VERSION_LETTERS]
    terms = terms_of(config, bundle, model_version, features)
    return Job(config, bundle.on_threads(1), terms, records.name, UNITS, bundle.digest)


def _features_of(
    config: Config,
    bundle: Bundle,
    records: Path,
    store: Path,
    progress: Progress,
    carried: Carried | None = None,
) -> MatrixFile:
    """Return the features of every customer, computed unless a killed process has done so."""
    asked = {
        "layout": LAYOUT,
        "echelon": VERSION,
        "bundle": bundle.digest,
        "records": str(records.resolve()),
        "as_of": str(config.as_of),
        "engine": config.engine.name,
        "snapshot": config.sources.model_dump(mode="json")["snapshot"],
    }
    draft = _features_draft(store, hashlib.sha256(_canonical(asked)).hexdigest())
    progress("features", 0.0)
    if draft.find(FEATURES) is None:
        with draft.adding(FEATURES) as path:
            write_matrix_to_score(config, bundle, records, path, progress, carried)
    progress("features", 1.0)
    return MatrixFile(draft.part(FEATURES))


def _written(schema: pa.Schema, tables: Iterable[pa.Table], store: Path) -> MatrixFile:
    """Return features that come in tables as a file in a draft."""
    draft = _features_draft(store, "given")
    with draft.adding(FEATURES) as path:
        write_grouped(path, schema, tables, ROWS_OF_A_GROUP)
    return MatrixFile(draft.part(FEATURES))


def _features_draft(store: Path, name: str) -> Draft:
    return open_draft(store, f"{FEATURES}-{name[:NAME_LETTERS]}")


def _made_live(job: Job, matrix: MatrixFile, progress: Progress) -> Path:
    folder = _made(job, matrix, job.store, progress)
    make_live(job.store, folder.name)
    progress("publish", 1.0)
    return folder


def _made(job: Job, matrix: MatrixFile, store: Path, progress: Progress) -> Path:
    """Return the folder in ``store`` that follows from the inputs, made unless it is there."""
    previous = published_before(job.store, matrix.as_of)
    inputs = _digest_of_inputs(job, matrix, previous)
    folder = _made_already(store, inputs)
    if folder is None:
        rows = job.config.serving.score_rows_at_once
        draft = open_draft(store, f"{inputs[:NAME_LETTERS]}-{rows}")
        remove_drafts(store, but=(draft.folder, matrix.path.parent))
        _check_room(matrix, draft)
        past = None if previous is None else previous.folder / SCORES_FILE
        work = Work(job, matrix, past, draft, rows)
        _do_batches(work, progress)
        folder = _put_together(work, store, previous, inputs)
    remove_drafts(store)
    return folder


def _do_batches(work: Work, progress: Progress) -> None:
    """Leave every part in the draft: scores of all, which percentiles need, before reasons."""
    n, draft = len(work.batches), work.draft
    to_score = [one for one in work.batches if draft.find(batches.SCORES, one) is None]
    to_explain = [one for one in work.batches if draft.find(batches.ANSWERS, one) is None]
    done = SCORED * (1 - len(to_score) / n) + EXPLAINED * (1 - len(to_explain) / n)
    if done:
        progress("resumed at", done)
    with _crew(work) as crew_:
        for _ in crew_(score_batch, to_score):
            done += SCORED / n
            progress("publish", done)
        _add_population(work)
        for _ in crew_(explain_batch, to_explain):
            done += EXPLAINED / n
            progress("publish", done)


def _crew(work: Work) -> AbstractContextManager[Crew]:
    """Return who does the batches: Spark's workers, or processes of this machine."""
    by_workers = work.job.config.engine.name == "spark" and work.job.digest != ""
    return spark_crew(work) if by_workers else crew(work, _processes(work))


def _processes(work: Work) -> int:
    """Return how many processes score: as many as there is work and memory for."""
    engine, rows = work.job.config.engine, work.rows_at_once
    fit = int(engine.memory_limit_gib * GIB // (BYTES_A_PROCESS + BYTES_A_ROW * rows))
    return min(engine.threads, len(work.matrix) // ROWS_WORTH_A_PROCESS, fit)


def _add_population(work: Work) -> None:
    if work.draft.find(batches.POPULATION) is None:
        population = population_of(narrow_scores(work), work.scorer.inputs, work.matrix.column)
        with work.draft.adding(batches.POPULATION) as path:
            path.write_text(population.model_dump_json(), encoding="utf-8")


def _put_together(work: Work, store: Path, previous: Publication | None, inputs: str) -> Path:
    """Return the publication that the parts of a draft make."""
    job, matrix = work.job, work.matrix
    created_at = dt.datetime.now(dt.UTC)
    name = f"{matrix.as_of:%Y%m%d}-{created_at:%Y%m%dT%H%M%S%fZ}-{inputs[:8]}"
    with new_generation(store, name) as folder:
        _write_wholes(work, folder)
        shutil.copyfile(work.draft.part(batches.POPULATION), folder / POPULATION_FILE)
        shutil.copyfile(matrix.path, folder / FEATURES_FILE)
        scores = narrow_scores(work)
        manifest = Manifest(
            id=name,
            inputs=inputs,
            as_of=matrix.as_of,
            created_at=created_at,
            records=job.records,
            previous=None if previous is None else previous.manifest.id,
            terms=job.terms,
            segments=_segment_texts(job.bundle),
            counts=_counts(scores),
            totals=_totals(job, scores),
            files={file.name: digest_of(file) for file in sorted(folder.iterdir())},
            bundle=job.digest,
        )
        text = manifest.model_dump_json(indent=1)
        (folder / MANIFEST_FILE).write_text(text, encoding="utf-8")
    return store / name


def _write_wholes(work: Work, folder: Path) -> None:
    """Write what takes long beside each other: SQLite and Parquet leave Python to others."""
    with ThreadPoolExecutor(work.job.config.engine.threads) as pool:
        lookup = pool.submit(write_lookup, work, folder / LOOKUP_FILE)
        reasons = pool.submit(write_reasons, work, folder / REASONS_FILE)
        scores = pool.submit(write_scores, work, folder / SCORES_FILE)
        for written in (lookup, reasons, scores):
            written.result()


def _check_room(matrix: MatrixFile, draft: Draft) -> None:
    """Check that the disk takes what is still to be written.

    Raises:
        PublicationError: it does not.
    """
    there = sum(part.stat().st_size for part in draft.folder.iterdir())
    needed = BYTES_A_CUSTOMER * len(matrix) - there
    free = shutil.disk_usage(draft.folder).free
    if free < needed:
        raise PublicationError(
            f"to publish {len(matrix):,} customers takes about {needed / GIB:.1f} GiB, and the "
            f"disk of {draft.folder.parent} has {free / GIB:.1f} GiB left. Free some, such as old "
            "publications, or set stores.root to a larger disk; then run `echelon score` again: "
            "what is done is kept"
        )


@contextmanager
def _alone(store: Path) -> Iterator[None]:
    """Hold the store's lock."""
    with ExitStack() as stack:
        try:
            stack.enter_context(held_alone(store / LOCK))
        except BlockingIOError as error:
            raise PublicationError(
                f"another process is publishing to {store}; wait for it to end, then try again"
            ) from error
        yield


def published_before(store: Path, as_of: dt.date) -> Publication | None:
    """Return the last publication of a day before ``as_of`` on the live one's line.

    Scoring a day again replaces that day: it is held against the same past.
    """
    publication = open_live(store) if live_generation(store) is not None else None
    while publication is not None and publication.manifest.as_of >= as_of:
        publication = publication.earlier()
    return publication


def _made_already(store: Path, inputs: str) -> Path | None:
    """Return a whole publication made from the same inputs."""
    for folder in sorted(store.glob(f"*-{inputs[:8]}"), reverse=True):
        publication = open_publication(folder)
        if publication.manifest.inputs == inputs and (folder / LOOKUP_FILE).is_file():
            publication.check()
            return folder
    return None


def _digest_of_inputs(job: Job, matrix: MatrixFile, previous: Publication | None) -> str:
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
        "matrix": matrix.digest,
    }
    return hashlib.sha256(_canonical(parts)).hexdigest()


def _canonical(parts: Mapping[str, Any]) -> bytes:
    return json.dumps(parts, sort_keys=True).encode()


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
    counts = {"customers": len(scores)}
    for kind, name in (("tier", "tier"), ("churn", "churn_band")):
        found = scores[name].drop_null().value_counts().to_pylist()
        counts |= {
            f"{kind}:{one}": n for one, n in sorted((f["values"], f["counts"]) for f in found)
        }
    return counts
