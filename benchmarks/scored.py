"""Time and peak memory of scoring and explaining a large company, in batches.

    python -m benchmarks.scored --config configs/demo.yaml --customers 1000000

The customers are those of the live publication, repeated under new ids until there are enough, and
amounts of money of each copy are moved by a factor of up to a fifth, so that sentences differ. They
are scored by the publication's models, explained and published into a folder that is removed
afterwards. What a publication does before, building features from records, is not in the figures.
Memory is that of the process at its highest, the matrix of all features included.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa

from configs.load import load
from configs.schema import Config
from features.units import UNITS
from serving.console_output import steps
from serving.endpoint.served import bundle_of
from serving.scores.job import Job
from serving.scores.publication import Publication, open_live, open_publication
from serving.scores.publish import publish_matrix

LARGEST_FACTOR = 1.2


def repeated(publication: Publication, money: set[str], n: int) -> pa.Table:
    """Return the features of ``n`` customers like the published ones, sorted by id."""
    own = publication.features()
    rng = np.random.default_rng(0)
    factor = np.exp(rng.uniform(-1.0, 1.0, n) * np.log(LARGEST_FACTOR))
    places = pa.array(np.arange(n) % len(own))
    columns: list[pa.Array] = [pa.array([f"C{number:08d}" for number in range(n)])]
    for name in own.column_names[1:]:
        column = own[name].combine_chunks().take(places)
        columns.append(_moved(column, factor) if name in money else column)
    return pa.table(columns, names=own.column_names)


def _moved(column: pa.Array, factor: np.ndarray) -> pa.Array:
    values = np.round(column.to_numpy(zero_copy_only=False) * factor, 2)
    return pa.array(values, pa.float64(), from_pandas=True)


def job_in(folder: Path, config: Config, publication: Publication) -> Job:
    """Return the job of publishing into ``folder`` by the models that made ``publication``."""
    bundle = bundle_of(publication, config)
    stores = config.stores.model_copy(update={"root": folder})
    own = config.model_copy(update={"stores": stores})
    return Job(own, bundle, publication.manifest.terms, "repeated", UNITS, bundle.digest)


def main() -> None:
    """Print what a publication of that many customers costs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", type=Path, default=Path("configs/demo.yaml"))
    parser.add_argument("--customers", type=int, default=1_000_000)
    given = parser.parse_args()
    config, n = load(given.config), given.customers
    live = open_live(config.stores.publications)
    with tempfile.TemporaryDirectory(prefix="echelon-scored-") as folder:
        job = job_in(Path(folder), config, live)
        money = {one.name for one in job.bundle.features if one.unit == "currency"}
        matrix = repeated(live, money, n)
        began, processor = time.perf_counter(), time.process_time()
        with steps() as progress:
            published = open_publication(publish_matrix(job, matrix, progress))
        wall, processor = time.perf_counter() - began, time.process_time() - processor
        size = sum(file.stat().st_size for file in published.folder.iterdir())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(
        f"{n:,} customers of {len(matrix.column_names) - 2} features scored, explained and "
        f"published: {wall:.0f} s, processor {processor:.0f} s "
        f"({1e6 * processor / n:.0f} µs a customer), peak {peak:.2f} GiB, {size / 2**30:.2f} GiB "
        "on disk"
    )


if __name__ == "__main__":
    main()
