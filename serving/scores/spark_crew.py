"""Batches done by Spark's workers: features, drafts and parts are files that all of them see.

The bundle goes along once for each executor; a Python process on it opens the bundle once. Digests
and signature are checked there anew before LightGBM sees a byte, and what was opened must be the
very bundle that was asked for.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from configs.errors import ModelError
from features.spark.parts import scratch, set_scratch, spreading
from features.spark.session import open_session
from serving.scores.batches import Work
from serving.scores.crew import Crew, Step
from serving.scores.draft import Draft
from serving.scores.job import Job
from serving.scores.matrix_file import MatrixFile
from training.bundle import Bundle, read_bundle
from training.policy import Policy
from training.signing import pem_of, public_key, public_key_of

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

DATED = (2020, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class Shipped:
    """A bundle that went along with the session.

    Attributes:
        name: what workers find it by.
        digest: of the bundle that was asked for.
        key: PEM of the key that must have signed it.
        policy: that tiers follow.
    """

    name: str
    digest: str
    key: bytes
    policy: Policy

    def opened(self) -> Bundle:
        """Return the bundle on a worker, under the policy.

        Raises:
            ModelError: it is not the one that was asked for, or was altered on the way.
        """
        from pyspark import SparkFiles

        bundle = read_bundle(Path(SparkFiles.get(self.name)), public_key_of(self.key))
        if bundle.digest != self.digest:
            raise ModelError(f"a worker was sent bundle {bundle.digest}, not {self.digest}")
        return bundle.under(self.policy).on_threads(1)


@contextmanager
def spark_crew(work: Work) -> Iterator[Crew]:
    """Yield who does the batches of ``work``: the workers of the configured Spark master.

    Raises:
        ModelError: the bundle that is to score is not in the folder of bundles.
    """
    session = open_session(work.job.config.engine)
    set_scratch(session, work.job.config.stores.root)
    shipped = _shipped(session, work)
    yield lambda do, numbers: _spread(session, work, shipped, do, numbers)


def _spread(
    session: SparkSession, work: Work, shipped: Shipped, do: Step, numbers: Sequence[int]
) -> Iterator[int]:
    sent = _Sent.of(work)

    def one(place: int) -> dict[str, Any]:
        do(sent.opened(shipped), numbers[place])
        return {}

    before = 0
    for done in spreading(session, len(numbers), one, []):
        yield from numbers[before:done]
        before = max(before, done)


@dataclass(frozen=True)
class _Sent:
    """Work as it is sent to a worker: without the models, its files by their whole paths."""

    job: dict[str, Any]
    matrix: Path
    previous: Path | None
    draft: Path
    rows_at_once: int

    @classmethod
    def of(cls, work: Work) -> _Sent:
        names = [one.name for one in fields(work.job) if one.name != "bundle"]
        job = {name: getattr(work.job, name) for name in names}
        previous = None if work.previous is None else work.previous.resolve()
        matrix, draft = work.matrix.path.resolve(), work.draft.folder.resolve()
        return cls(job, matrix, previous, draft, work.rows_at_once)

    def opened(self, shipped: Shipped) -> Work:
        """Return the work with its models, made once in each process of a worker."""
        if self.draft not in _held:
            _held.clear()
            job = Job(bundle=shipped.opened(), **self.job)
            matrix, draft = MatrixFile(self.matrix), Draft(self.draft)
            _held[self.draft] = Work(job, matrix, self.previous, draft, self.rows_at_once)
        return _held[self.draft]


_held: dict[Path, Work] = {}


def _shipped(session: SparkSession, work: Work) -> Shipped:
    """Send the bundle along, once for each executor."""
    job = work.job
    folder = job.config.stores.bundles / job.terms.model
    key = public_key(job.config.stores.keys)
    if read_bundle(folder, key).digest != job.digest:
        raise ModelError(
            f"{folder} is another bundle than the one that is to score; run `echelon score` again"
        )
    name = f"bundle-{job.digest}"
    packed = scratch(session, "bundle") / f"{name}.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        for file in sorted(folder.iterdir()):
            entry = zipfile.ZipInfo(file.name, DATED)
            entry.external_attr = 0o600 << 16  # else nobody may read what is unpacked
            archive.writestr(entry, file.read_bytes())
    session.sparkContext.addArchive(f"{packed}#{name}")
    return Shipped(name, job.digest, pem_of(key), job.bundle.policy)
