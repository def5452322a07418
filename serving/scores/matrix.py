"""The features that a publication scores: all customers, on one day, as the models learnt them."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from configs.errors import PublicationError
from configs.progress import Progress, silent
from configs.records import SnapshotSource
from configs.schema import Config
from features.build import feature_matrix, write_matrix
from features.catalogue import by_name
from features.snapshot import snapshot_features, snapshot_matrix
from features.sources import Records, day_number, last_day, open_engine, open_records
from features.spec import Feature
from serving.scores.carried import Carried
from serving.scores.matrix_file import ROWS_OF_A_GROUP, write_grouped
from training.bundle import Bundle
from training.contract import listed
from training.described import DescribedFeature
from training.signals import with_signals

SNAPSHOT_FILE = "snapshot.parquet"


def matrix_to_score(config: Config, bundle: Bundle, folder: Path) -> pa.Table:
    """Return the features of every customer of the records generation ``folder``, by customer.

    The day is ``as_of``, by default the last with records; for contract customers, the day their
    snapshot was observed.

    Raises:
        ModelError: the declared features are not those that the model learnt from.
        RecordsError: the generation holds no records.
    """
    if config.sources.snapshot is not None:
        return _of_snapshot(config.sources.snapshot, bundle, folder)
    records, features = _asked(config, bundle, folder)
    return feature_matrix(records, features, [_day(config, records)])


def write_matrix_to_score(
    config: Config,
    bundle: Bundle,
    folder: Path,
    path: Path,
    progress: Progress = silent,
    carried: Carried | None = None,
) -> None:
    """Write what :func:`matrix_to_score` returns to ``path``, never holding it whole.

    Features that are ``carried`` over are not computed. Raises as that does.
    """
    if config.sources.snapshot is not None:
        matrix = _of_snapshot(config.sources.snapshot, bundle, folder)
        write_grouped(path, matrix.schema, [matrix], ROWS_OF_A_GROUP)
        return
    records, features = _asked(config, bundle, folder)
    with tempfile.TemporaryDirectory(dir=path.parent) as scratch:
        stored = write_matrix(
            records,
            features,
            [_day(config, records)],
            Path(scratch) / "matrix",
            config.engine,
            None if carried is None else carried.customers,
            progress,
        )
        batches = stored.batches() if stored.count() else iter(())
        computed = (pa.Table.from_batches([batch]) for batch in batches)
        if carried is None:
            write_grouped(path, stored.schema, computed, ROWS_OF_A_GROUP)
        else:
            tables = carried.with_others(computed)
            write_grouped(path, pq.read_schema(carried.features), tables, ROWS_OF_A_GROUP)


def _asked(config: Config, bundle: Bundle, folder: Path) -> tuple[Records, tuple[Feature, ...]]:
    """Return the records and the features to compute of them."""
    declared = by_name()
    features = tuple(declared[name] for name in bundle.feature_names if name in declared)
    bundle.check_features(features)
    records = open_records(open_engine(config.engine), folder)
    signals, engine = config.stores.signals, config.engine
    return with_signals(records, bundle.sentiment, signals, engine), features


def _day(config: Config, records: Records) -> int:
    return last_day(records) if config.as_of is None else day_number(config.as_of)


def _of_snapshot(snapshot: SnapshotSource, bundle: Bundle, folder: Path) -> pa.Table:
    path = folder / SNAPSHOT_FILE
    if not path.is_file():
        raise PublicationError(f"{path} does not exist; run `echelon intake` first")
    table = pq.read_table(path)
    declared = snapshot_features(listed(snapshot, table), table)
    features = [f for f in declared if f.name in bundle.feature_names]
    return with_absent(
        snapshot_matrix(features, table, day_number(snapshot.observed_on)), bundle.features
    )


def with_absent(matrix: pa.Table, features: Sequence[DescribedFeature]) -> pa.Table:
    """Return ``matrix`` with the columns of ``features``, in their order.

    A level that nobody is at any more is 0 for all; a number that the file no longer has is
    missing, which is not the same as nothing.
    """
    for feature in features:
        if feature.name not in matrix.column_names:
            absent = 0.0 if feature.unit == "yes_no" else None
            values = pa.array([absent] * len(matrix), pa.float64())
            matrix = matrix.append_column(feature.name, values)
    return matrix.select(["customer_id", "cutoff", *(feature.name for feature in features)])
