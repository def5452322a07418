"""The matrix on disk: what is read back is what was computed, whatever memory there was."""

from __future__ import annotations

import itertools
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from configs.errors import RecordsError
from features.build import feature_matrix, write_matrix
from features.catalogue import with_inputs
from features.labels import SPEND, label_table, write_labels
from features.matrix import ROWS_A_GROUP, StoredMatrix, store
from tests.engines import records_of
from tests.engines import settings as engine_of
from tests.histories import CUTOFFS, histories, together

TABLES = together(histories(60, seed=5))
SOME = with_inputs(["spend_trend_84d", "product_variety_364d", "csat_latest_364d"])


def test_what_is_read_back_is_the_matrix(tmp_path: Path) -> None:
    records = records_of(TABLES)
    stored = write_matrix(records, SOME, CUTOFFS, tmp_path / "matrix", engine_of("duckdb"))
    whole = feature_matrix(records, SOME, CUTOFFS)
    assert stored.table().equals(whole)
    assert stored.schema == whole.schema
    assert stored.count() == len(whole)
    assert stored.cutoffs == CUTOFFS


def test_columns_and_cutoffs_can_be_chosen(tmp_path: Path) -> None:
    records = records_of(TABLES)
    stored = write_matrix(records, SOME, CUTOFFS, tmp_path / "matrix", engine_of("duckdb"))
    found = stored.table(["spend_84d", "cutoff"], [CUTOFFS[1]])
    assert found.column_names == ["spend_84d", "cutoff"]
    assert found["cutoff"].unique().to_pylist() == [CUTOFFS[1]]
    assert len(found) == stored.count([CUTOFFS[1]]) < stored.count()


def test_labels_lie_beside_features_batch_by_batch(tmp_path: Path) -> None:
    records, engine = records_of(TABLES), engine_of("duckdb")
    matrix = write_matrix(records, SOME, CUTOFFS, tmp_path / "matrix", engine)
    labels = write_labels(records, [SPEND], CUTOFFS, 90, tmp_path / "labels", engine)
    assert labels.table().equals(label_table(records, [SPEND], CUTOFFS, 90))
    keys = ["customer_id", "cutoff"]
    pairs = zip(matrix.batches(keys), labels.batches(keys), strict=True)
    assert all(one.equals(other) for one, other in pairs)


def test_a_sample_has_the_rows_that_it_has_among_all(tmp_path: Path) -> None:
    records, few = records_of(TABLES), pa.array(["c0003", "c0007", "nobody"])
    stored = write_matrix(records, SOME, CUTOFFS, tmp_path / "few", engine_of("duckdb"), few)
    whole = feature_matrix(records, SOME, CUTOFFS).to_pylist()
    assert stored.table().to_pylist() == [r for r in whole if r["customer_id"] in few.to_pylist()]


@pytest.mark.parametrize(("gib", "threads"), [(1e-8, 1), (1e-4, 2)])
def test_whatever_memory_and_threads_there_are_the_bytes_are_the_same(
    gib: float, threads: int, tmp_path: Path
) -> None:
    records, engine = records_of(TABLES), engine_of("duckdb")
    small = engine.model_copy(update={"memory_limit_gib": gib, "threads": threads})
    whole = write_matrix(records, SOME, CUTOFFS, tmp_path / "whole", engine)
    split = write_matrix(records, SOME, CUTOFFS, tmp_path / "split", small)
    assert contents(whole) == contents(split)


def contents(stored: StoredMatrix) -> dict[str, bytes]:
    files = stored.folder.rglob("*.parquet")
    return {str(file.relative_to(stored.folder)): file.read_bytes() for file in files}


def test_progress_is_told_range_by_range(tmp_path: Path) -> None:
    told: list[float] = []
    small = engine_of("duckdb").model_copy(update={"memory_limit_gib": 1e-4})
    records = records_of(TABLES)
    write_matrix(
        records, SOME, CUTOFFS, tmp_path / "m", small, progress=lambda _, share: told.append(share)
    )
    assert told == sorted(told)
    assert told[0] == 0.0
    assert told[-1] == 1.0
    assert len(told) > 3


def numbered(first: int, end: int) -> pa.Table:
    """Return customers ``first`` … ``end - 1`` at two cutoffs."""
    ids = [f"c{number:06}" for number in range(first, end)] * 2
    days = pa.array([10] * (end - first) + [20] * (end - first), pa.int32())
    value = pa.array([float(number) for number in range(first, end)] * 2)
    return pa.table({"customer_id": ids, "cutoff": days, "value": value})


def test_the_bytes_are_the_same_however_the_customers_were_split(tmp_path: Path) -> None:
    n = 2 * ROWS_A_GROUP + 5
    edges = [0, 7, ROWS_A_GROUP + 1, n]
    split = [numbered(a, b) for a, b in itertools.pairwise(edges)]
    store(split, [10, 20], tmp_path / "split")
    store([numbered(0, n)], [10, 20], tmp_path / "whole")
    for day in (10, 20):
        one, other = (
            tmp_path / name / f"cutoff={day}" / "part-00000.parquet" for name in ("split", "whole")
        )
        assert one.read_bytes() == other.read_bytes()
        rows = [pq.read_metadata(one).row_group(i).num_rows for i in range(3)]
        assert rows == [ROWS_A_GROUP, ROWS_A_GROUP, 5]


def test_a_folder_without_a_matrix_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecordsError, match="holds no matrix"):
        StoredMatrix(tmp_path)


def test_a_cutoff_before_everybody_is_an_empty_file(tmp_path: Path) -> None:
    records = records_of(TABLES)
    stored = write_matrix(records, SOME, [1, CUTOFFS[0]], tmp_path / "m", engine_of("duckdb"))
    assert stored.count([1]) == 0
    assert list(stored.table(cutoffs=[1]).column_names) == stored.schema.names
