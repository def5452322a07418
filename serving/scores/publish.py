"""Publishing: scores, tiers and reasons of all customers, made beside and made live in one step.

Customers are scored in batches, by several processes at once, and whoever is killed is gone on
from: what follows from the same inputs is found in the draft that is named by them.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import shutil
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

import pyarrow as pa

from configs.errors import PublicationError
from configs.files import held_alone, live_generation, make_live
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
from serving.scores.features_draft import (
    LAYOUT,
    NAME_LETTERS,
    canonical,
    features_of,
    written,
)
from serving.scores.job import Job
from serving.scores.matrix_file import MatrixFile
from serving.scores.population import population_of
from serving.scores.publication import (
    LOOKUP_FILE,
    SCORES_FILE,
    Publication,
    open_live,
    open_publication,
)
from serving.scores.put_together import put_together
from serving.scores.spark_crew import spark_crew
from serving.scores.thinning import thin
from serving.scores.wholes import narrow_scores
from training.bundle import Bundle

LOCK = ".lock"
VERSION_LETTERS = 12
"""Of the features' fingerprint, as much as people compare."""
ROWS_WORTH_A_PROCESS = 25_000
"""Fewer are scored before another process is ready."""
BYTES_A_PROCESS, BYTES_A_ROW = 500 * 2**20, 24 * 2**10
"""Memory of a process that scores: libraries, models and sentences, and what a batch adds."""
BYTES_A_CUSTOMER = 8_192
"""On disk, the parts of the draft included; 130 features and six reasons take about 6,000."""
SCORED, EXPLAINED = 0.3, 0.6
"""Shares of the work; files are put together in the rest."""
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
        matrix = features_of(config, bundle, records, job.store, progress, carried)
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
        matrix = features_of(config, bundle, records, store, progress)
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
        return _made_live(job, written(schema, tables, job.store), progress)


def thin_old(config: Config) -> list[str]:
    """Remove the look-ups of old publications and return whose; see :func:`thin`.

    None while another process publishes, which removes them when it has.
    """
    store = config.stores.publications
    try:
        with held_alone(store / LOCK):
            return thin(store, config.serving.publications_kept_whole)
    except BlockingIOError:
        return []


def shadow_matrix(job: Job, matrix: pa.Table, progress: Progress = silent) -> Path:
    """Score the customers of ``matrix`` beside the publications and return the folder.

    It is what would be published, held against the same past, in a store whose pointer nobody
    reads; what readers see stays as it is.

    Raises:
        PublicationError: there is nobody to score, or another process is doing so.
    """
    store = job.config.stores.shadows
    with _alone(store):
        return _made(job, written(matrix.schema, [matrix], store), store, progress)


def _job(config: Config, bundle: Bundle, model_version: str, records: Path) -> Job:
    features = bundle.manifest.versions["features"][:VERSION_LETTERS]
    terms = terms_of(config, bundle, model_version, features)
    return Job(config, bundle.on_threads(1), terms, records.name, UNITS, bundle.digest)


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
        folder = put_together(work, store, previous, inputs)
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
    return hashlib.sha256(canonical(parts)).hexdigest()
