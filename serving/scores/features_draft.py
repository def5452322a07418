"""The features to publish as a draft of their own, which outlives the process that made it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from configs.progress import Progress
from configs.schema import Config
from configs.version import VERSION
from serving.scores.carried import Carried
from serving.scores.draft import Draft, open_draft
from serving.scores.matrix import write_matrix_to_score
from serving.scores.matrix_file import ROWS_OF_A_GROUP, MatrixFile, write_grouped
from training.bundle import Bundle

LAYOUT = 2
"""Raised when the files of a publication change their form."""
FEATURES = "features"
NAME_LETTERS = 16
"""Of the digests that drafts are named by."""


def features_of(
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
    draft = _features_draft(store, hashlib.sha256(canonical(asked)).hexdigest())
    progress("features", 0.0)
    if draft.find(FEATURES) is None:
        with draft.adding(FEATURES) as path:
            write_matrix_to_score(config, bundle, records, path, progress, carried)
    progress("features", 1.0)
    return MatrixFile(draft.part(FEATURES))


def written(schema: pa.Schema, tables: Iterable[pa.Table], store: Path) -> MatrixFile:
    """Return features that come in tables as a file in a draft."""
    draft = _features_draft(store, "given")
    with draft.adding(FEATURES) as path:
        write_grouped(path, schema, tables, ROWS_OF_A_GROUP)
    return MatrixFile(draft.part(FEATURES))


def _features_draft(store: Path, name: str) -> Draft:
    return open_draft(store, f"{FEATURES}-{name[:NAME_LETTERS]}")


def canonical(parts: Mapping[str, Any]) -> bytes:
    """Return JSON that is the same for the same parts."""
    return json.dumps(parts, sort_keys=True).encode()
