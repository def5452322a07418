"""Whom an action moves: a model learnt from its trials, kept as text with its digest.

Fitted in the command, never in the process that serves; what it predicts is written beside each
publication as a column per action.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from configs.files import written_whole
from configs.schema import Config
from serving.console.experiments.effects import ActionEffect, EffectsReport, Uplift, uplift_path
from serving.scores.publication import FEATURES_FILE, SCORES_FILE, Publication
from serving.trials.rows import Rows
from training.columns import column_values

Vector = NDArray[np.float64]
SCORED = ("churn_probability", "clv_expected")


def whom(config: Config, live: Publication, action: str, rows: Rows) -> Uplift | None:
    """Return the model of whom ``action`` moves to stay, judged; ``None`` where too few took part.

    It reads the features that the live publication has; rows of publications that are gone, or
    that lack one of them, take no part.
    """
    from training.uplift_trial import LEVEL, judged

    names = feature_names(live)
    X, known = _features(config, rows, names)
    known &= ~np.isnan(rows.stayed)
    taken = rows.of(known)
    if len(np.unique(taken.share)) != 1:
        return None
    treated = (~taken.held_out).astype(float)
    seed, threads = config.training.seed, config.training.threads
    found = judged(X[known], treated, taken.stayed, taken.customers, seed, threads)
    if found is None:
        return None
    text = "\n".join([",".join(names), found.model.trees_])
    file = f"whom-{action}.txt"
    with written_whole(config.stores.trials / file) as draft:
        draft.write_text(text, encoding="utf-8", newline="\n")
    return Uplift(
        qini=found.qini,
        low=found.low,
        high=found.high,
        level=LEVEL,
        n=found.n,
        file=file,
        sha256=hashlib.sha256(text.encode()).hexdigest(),
        is_used=found.is_better_than_chance,
    )


def predict(config: Config, live: Publication, report: EffectsReport) -> Path | None:
    """Write what each action whose model is in use changes when it is taken, or nothing.

    The model learnt from everybody offered an action; the effect where it is taken is that over
    the share it was taken with.
    """
    used = [one for one in report.actions if one.ranking == "uplift"]
    columns = {one.action: _predicted(config, live, one) for one in used}
    kept = {action: values for action, values in columns.items() if values is not None}
    if not kept:
        return None
    path = uplift_path(config, live.manifest.id)
    ids = pq.read_table(live.folder / SCORES_FILE, columns=["customer_id"])
    with written_whole(path) as draft:
        pq.write_table(pa.table({"customer_id": ids["customer_id"], **kept}), draft)
    return path


def feature_names(publication: Publication) -> list[str]:
    """Return the inputs of the model: published numbers, and every feature."""
    names = pq.read_schema(publication.folder / FEATURES_FILE).names
    return [*SCORED, *(name for name in names if name not in ("customer_id", "cutoff"))]


def _predicted(config: Config, live: Publication, effect: ActionEffect) -> Vector | None:
    from training.uplift import UpliftModel

    if effect.uplift is None:
        return None
    content = (config.stores.trials / effect.uplift.file).read_bytes()
    if hashlib.sha256(content).hexdigest() != effect.uplift.sha256:
        return None
    header, _, trees = content.decode().partition("\n")
    names = header.split(",")
    table = _table(live.folder, names)
    if table is None:
        return None
    model = UpliftModel(threads=config.training.threads)
    model.trees_ = trees
    X = np.column_stack([column_values(table, name) for name in names])
    return model.predict(X) / effect.taken_up


def _features(config: Config, rows: Rows, names: list[str]) -> tuple[Vector, NDArray[np.bool_]]:
    """Return each row's features on its own day, and whose are known."""
    X = np.full((len(rows), len(names)), np.nan)
    known = np.zeros(len(rows), dtype=bool)
    for id in np.unique(rows.publications).tolist():
        table = _table(config.stores.publications / id, names)
        if table is None:
            continue
        which = np.flatnonzero(rows.publications == id)
        own = table["customer_id"].to_numpy(zero_copy_only=False).astype(str)
        at = np.minimum(np.searchsorted(own, rows.customers[which]), len(own) - 1)
        is_there = own[at] == rows.customers[which]
        for column, name in enumerate(names):
            X[which[is_there], column] = column_values(table, name)[at[is_there]]
        known[which[is_there]] = True
    return X, known


def _table(folder: Path, names: list[str]) -> pa.Table | None:
    """Return ids and ``names`` of a publication; ``None`` where it is gone or lacks one."""
    if not folder.is_dir():
        return None
    built = [name for name in names if name not in SCORED]
    if not {*built} <= {*pq.read_schema(folder / FEATURES_FILE).names}:
        return None
    scores = pq.read_table(folder / SCORES_FILE, columns=["customer_id", *SCORED])
    features = pq.read_table(folder / FEATURES_FILE, columns=built)
    for name in built:
        scores = scores.append_column(name, features[name])
    return scores
