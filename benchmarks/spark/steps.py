"""One step of the benchmark, in a process of its own; by Spark, with a cluster of its own."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.scale.setting import SPACING_DAYS
from benchmarks.spark.cluster import standalone
from configs.files import live_generation
from configs.load import load
from configs.schema import Config
from features.sources import day_number, last_day, open_engine, open_records
from features.spark.session import open_session

CUTOFFS = 10


def start(config: Config) -> None:
    """Open the engine and compute nothing."""
    open_engine(config.engine)
    if config.engine.name == "spark":
        open_session(config.engine)


def intake(config: Config) -> None:
    """Take all records in."""
    from features.intake import take_in

    take_in(config)


def features(config: Config) -> None:
    """Write every feature of ten cutoffs."""
    from features.build import write_matrix
    from features.catalogue import FEATURES

    folder = live_generation(config.stores.records)
    assert folder is not None
    records = open_records(open_engine(config.engine), folder)
    last = last_day(records) if config.as_of is None else day_number(config.as_of)
    cutoffs = [last - SPACING_DAYS * number for number in range(CUTOFFS)]
    target = config.stores.root / "features"
    write_matrix(records, FEATURES, cutoffs, target, config.engine)
    shutil.rmtree(target)


def publication(config: Config) -> None:
    """Publish everybody's scores with reasons."""
    from serving.pipeline import score

    shutil.rmtree(config.stores.publications, ignore_errors=True)
    score(config)


@contextmanager
def _on_cluster(config: Config) -> Iterator[Config]:
    if config.engine.name == "duckdb":
        yield config
        return
    memory = f"{round(config.engine.spark_executor_memory_gib * 1024)}m"
    with (
        tempfile.TemporaryDirectory(prefix="echelon-cluster-") as folder,
        standalone(Path(folder), memory=memory) as cluster,
    ):
        try:
            engine = config.engine.model_copy(update={"spark_master": cluster.url})
            yield config.model_copy(update={"engine": engine})
        except BaseException:
            print(cluster.logs())
            raise


def main() -> None:
    """Do the step that the command names."""
    step, path = sys.argv[1:]
    steps = {one.__name__: one for one in (start, intake, features, publication)}
    with _on_cluster(load(Path(path), {})) as config:
        steps[step](config)


if __name__ == "__main__":
    main()
