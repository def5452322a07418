"""Writing a publication for other tools: CSV, Weka's ARFF, and PMML of tiers and segments."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from configs.errors import PublicationError
from configs.files import write_text, written_whole
from configs.version import VERSION
from serving.scores.population import Array, column
from serving.scores.publication import FEATURES_FILE, SCORES_FILE, Publication
from training.exports import arff_lines, pmml_of_segments, pmml_of_tree
from training.segments import Segments
from training.surrogate import SurrogateTree, fit_surrogate

RULES = "rules"
FORMATS: tuple[str, ...] = ("csv", "arff", "pmml", RULES)
NUMBERS = ("churn_probability", "clv_expected")
WORDS = ("tier", "segment", "churn_band", "lifecycle")


def export(publication: Publication, segments: Segments | None, form: str, out: Path) -> list[Path]:
    """Write the publication to the folder ``out`` and return the files.

    Args:
        publication: whose customers.
        segments: of the models that made it.
        form: ``csv``: customers with features and scores. ``arff``: the same for Weka, without
            ids, in the order of the publication. ``pmml``: a tree that imitates the tiers, and
            the segments.
        out: folder, created where missing.
    """
    out.mkdir(parents=True, exist_ok=True)
    write = {"csv": _csv, "arff": _arff}
    if form == "pmml":
        return _pmml(publication, segments, out)
    return [write[form](publication, out)]


def surrogate_of(publication: Publication, customers_at_most: int | None = None) -> SurrogateTree:
    """Return a readable tree of the published tiers.

    Args:
        publication: whose tiers.
        customers_at_most: learnt from and measured on, drawn evenly by id; ``None`` for all.

    Raises:
        PublicationError: the publication has no tiers.
    """
    codes = pq.read_table(publication.folder / SCORES_FILE, columns=["tier"])["tier"]
    rows = np.arange(len(codes))
    if customers_at_most is not None and len(codes) > customers_at_most:
        rows = np.linspace(0, len(codes) - 1, customers_at_most).astype(np.int64)
    tiers = codes.take(rows).to_pylist()
    if None in tiers:
        raise PublicationError(
            f"publication {publication.manifest.id} has no tiers to imitate: there is no model of "
            "value. Train one, or export csv or arff"
        )
    return fit_surrogate(_columns(rows_of(publication.folder / FEATURES_FILE, rows)), tiers)


def rows_of(path: Path, rows: npt.NDArray[np.int64]) -> pa.Table:
    """Return some rows, rising, of a Parquet file that is never held whole."""
    taken, begin = [], 0
    with pq.ParquetFile(path) as file:
        for number in range(file.num_row_groups):
            end = begin + file.metadata.row_group(number).num_rows
            first, last = np.searchsorted(rows, (begin, end))
            taken.append(file.read_row_group(number).take(pa.array(rows[first:last] - begin)))
            begin = end
        return pa.concat_tables([file.schema_arrow.empty_table(), *taken])


def _columns(matrix: pa.Table) -> dict[str, Array]:
    return {name: column(matrix, name) for name in matrix.column_names[2:]}


def _csv(publication: Publication, out: Path) -> Path:
    scores, features = publication.scores(), publication.features()
    table = scores.select(["customer_id", *NUMBERS, *WORDS])
    for name in features.column_names[2:]:
        table = table.append_column(name, features[name])
    path = out / "customers.csv"
    with written_whole(path) as draft:
        pa_csv.write_csv(table, draft)
    return path


def _arff(publication: Publication, out: Path) -> Path:
    scores, columns = publication.scores(), _columns(publication.features())
    numbers: dict[str, np.ndarray] = columns | {name: column(scores, name) for name in NUMBERS}
    rows: Mapping[str, list[str | None]] = {name: scores[name].to_pylist() for name in WORDS}
    nominal = {
        name: (sorted({word for word in words if word is not None}), words)
        for name, words in rows.items()
        if any(words)
    }
    path = out / "customers.arff"
    relation = f"echelon {publication.manifest.as_of}"
    with written_whole(path) as draft, draft.open("w", encoding="utf-8") as file:
        for line in arff_lines(relation, numbers, nominal):
            file.write(line + "\n")
    return path


def _pmml(publication: Publication, segments: Segments | None, out: Path) -> list[Path]:
    tiers = out / "tiers.pmml"
    write_text(tiers, pmml_of_tree(surrogate_of(publication), "tier", VERSION))
    document = None if segments is None else pmml_of_segments(segments, VERSION)
    if document is None:
        return [tiers]
    path = out / "segments.pmml"
    write_text(path, document)
    return [tiers, path]
