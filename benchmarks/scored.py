"""Time, memory and disk of scoring, explaining and publishing a large company, in batches.

    python -m benchmarks.scored --config configs/demo.yaml --customers 1000000 [--processes 2]

The customers are those of the live publication, repeated under new ids until there are enough, and
amounts of money of each copy are moved by a factor of up to a fifth, so that sentences differ. They
are scored by the publication's models, explained and published into a folder that is removed
afterwards, and the publication is opened as the endpoint opens one. What a publication does before,
building features from records, is not in the figures. Memory is the sum of this process and of all
that score at their highest. Figures are kept in ``benchmarks/results/scored.json`` and ``.md``.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa

from configs.files import write_json, write_text
from configs.load import load
from configs.progress import Progress
from configs.schema import Config
from features.units import UNITS
from serving.console_output import steps
from serving.endpoint.served import bundle_of, open_served
from serving.scores.job import Job
from serving.scores.publication import Publication, open_live, open_publication
from serving.scores.publish import publish_batches

LARGEST_FACTOR = 1.2
ROWS = 20_000
GIB = 2**30
RESULTS = Path(__file__).parent / "results"
STAGES = ("features written", "scores", "reasons and answers", "files put together")


def repeated(publication: Publication, money: set[str], n: int) -> Iterator[pa.Table]:
    """Yield the features of ``n`` customers like the published ones, sorted by id."""
    own = publication.features()
    rng = np.random.default_rng(0)
    for start in range(0, n, ROWS):
        numbers = np.arange(start, min(start + ROWS, n))
        factor = np.exp(rng.uniform(-1.0, 1.0, len(numbers)) * np.log(LARGEST_FACTOR))
        columns: list[pa.Array] = [pa.array([f"C{number:08d}" for number in numbers])]
        for name in own.column_names[1:]:
            column = own[name].combine_chunks().take(pa.array(numbers % len(own)))
            columns.append(_moved(column, factor) if name in money else column)
        yield pa.table(columns, names=own.column_names)


def _moved(column: pa.Array, factor: np.ndarray) -> pa.Array:
    values = np.round(column.to_numpy(zero_copy_only=False) * factor, 2)
    return pa.array(values, pa.float64(), from_pandas=True)


def job_in(folder: Path, config: Config, publication: Publication) -> Job:
    """Return the job of publishing into ``folder`` by the models that made ``publication``."""
    bundle = bundle_of(publication, config)
    stores = config.stores.model_copy(update={"root": folder})
    own = config.model_copy(update={"stores": stores})
    terms = publication.manifest.terms
    return Job(own, bundle.on_threads(1), terms, "repeated", UNITS, bundle.digest)


class Clock:
    """Notes when each stage ended, by how far the publication says it is.

    Args:
        progress: told on.
    """

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self.ends = [time.perf_counter()] * (len(STAGES) + 1)

    def __call__(self, step: str, share: float) -> None:
        """Take note of how far it is."""
        self._progress(step, share)
        now, stage = time.perf_counter(), 2 if share < 0.31 else 3 if share < 0.91 else 4
        if self.ends[1] == self.ends[0]:
            self.ends[1] = now
        self.ends[stage:] = [now] * (len(self.ends) - stage)

    @property
    def seconds(self) -> dict[str, float]:
        """Seconds on the wall of each stage; the first batch of scores counts as features."""
        return dict(zip(STAGES, np.diff(self.ends).round(1).tolist(), strict=True))


def measured(config: Config, publication: Publication, n: int) -> dict[str, float]:
    """Return what a publication of ``n`` customers costs."""
    root = config.stores.root.parent
    with tempfile.TemporaryDirectory(prefix="echelon-scored-", dir=root) as folder:
        job = job_in(Path(folder), config, publication)
        money = {one.name for one in job.bundle.features if one.unit == "currency"}
        schema = publication.features().schema.remove_metadata()
        before = _processor()
        with steps() as progress:
            clock = Clock(progress)
            path = publish_batches(job, schema, repeated(publication, money, n), clock)
        made, processor = open_publication(path), _processor() - before
        opened = time.perf_counter()
        own = config.model_copy(update={"serving": job.config.serving})
        open_served(own, path)
        opened = time.perf_counter() - opened
        sizes = {f"{one.name} GiB": one.stat().st_size / GIB for one in made.folder.iterdir()}
    itself, largest = (
        resource.getrusage(who).ru_maxrss / 2**20
        for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    return {
        "customers": n,
        "features": len(job.bundle.features),
        "processes": config.engine.threads,
        "wall seconds": clock.ends[-1] - clock.ends[0],
        **{f"{stage}, wall seconds": seconds for stage, seconds in clock.seconds.items()},
        "processor seconds": processor,
        "opened by the endpoint, wall seconds": opened,
        "peak GiB of the process": itself,
        "peak GiB of the largest that scores": largest,
        "on disk GiB": sum(sizes.values()),
        **sizes,
    }


def _processor() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def main() -> None:
    """Print what a publication of that many customers costs, and keep it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", type=Path, default=Path("configs/demo.yaml"))
    parser.add_argument("--customers", type=int, default=1_000_000)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--out", type=Path, default=RESULTS)
    given = parser.parse_args()
    config = load(given.config)
    engine = config.engine.model_copy(update={"threads": given.processes})
    config = config.model_copy(update={"engine": engine})
    found = measured(config, open_live(config.stores.publications), given.customers)
    rows = [f"| {name} | {value:,.4g} |" for name, value in found.items()]
    rows[0] = f"| customers | {given.customers:,} |"
    page = "\n".join(["# Publishing in batches", "", "| | |", "|---|---:|", *rows, ""])
    write_json(given.out / "scored.json", found)
    write_text(given.out / "scored.md", page)
    print(page)


if __name__ == "__main__":
    main()
