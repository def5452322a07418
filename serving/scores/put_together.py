"""The publication that the parts of a draft make: whole files, figures of everybody, manifest."""

from __future__ import annotations

import datetime as dt
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from configs.files import new_generation
from serving.scores import batches
from serving.scores.batches import Work
from serving.scores.job import Job
from serving.scores.population import column
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
)
from serving.scores.scorer import BundleLike
from serving.scores.wholes import narrow_scores, write_lookup, write_reasons, write_scores
from training.portfolio import Totals


def put_together(work: Work, store: Path, previous: Publication | None, inputs: str) -> Path:
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
