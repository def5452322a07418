"""``kill -9`` at 200 random moments: readers see a whole old state or a whole new one.

Workers come from a fork server that has imported everything, so a trial costs a fraction of a
second. While a worker lives and after it was killed, a reader looks at everything it wrote.
"""

from __future__ import annotations

import multiprocessing
import random
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path

import pyarrow as pa
import pytest

from configs.errors import EchelonError
from configs.files import live_generation
from serving.scores.publication import open_publication
from tests import crash_work
from tests.small_bundle import config_in
from training.bundle import check_golden, read_bundle
from training.promotions import Promotion
from training.registry import champion, history
from training.signing import pem_of, public_key, signing_key
from training.tracking import ENVIRONMENT, tracking_uri

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("crash")]

TRIALS_OF_TRAINING, TRIALS_OF_PUBLISHING, TRIALS_OF_NAIVE = 100, 100, 10
TORN = (AssertionError, EchelonError, OSError, ValueError, sqlite3.Error, pa.ArrowException)
"""How half a state may show itself."""

READ_EVERY_SECONDS = 0.1
STORES = ("bundles", "keys", "publications")

Work = Callable[[Path, int | None], None]
Read = Callable[[], None]


@dataclass(frozen=True)
class Outcome:
    """What readers saw that was neither old nor new, and how many kills left drafts behind."""

    torn: list[str]
    kills_that_left_drafts: int


class Harness:
    """Starts workers and kills them."""

    def __init__(self) -> None:
        self._processes = multiprocessing.get_context("forkserver")
        self._processes.set_forkserver_preload(["tests.crash_preload"])
        self._random = random.Random(20)

    def seconds(self, work: Work, root: Path) -> float:
        """Return how long one turn takes, the work before the first one included."""
        with self.worker(work, root, 1) as worker:
            start = time.monotonic()
            worker.join()
            assert worker.exitcode == 0
            return time.monotonic() - start

    def torn(
        self,
        work: Work,
        root: Path,
        read: Read,
        trials: int,
        within: float,
        begun: Callable[[], bool] = lambda: True,
    ) -> Outcome:
        """Return what so many trials led to.

        Args:
            work: what workers do.
            root: folder they do it in.
            read: fails on half a state.
            trials: how many workers are killed.
            within: the longest that one lives once it has begun, in seconds.
            begun: whether the worker is doing what it shall be killed at.
        """
        torn: list[str] = []
        left = 0
        for _ in range(trials):
            with self.worker(work, root, None) as worker:
                _wait_for(begun)
                self._read_until(time.monotonic() + self._random.uniform(0, within), read, torn)
                worker.kill()
                worker.join()
                assert worker.exitcode == -9, "the worker ended by itself"
            left += bool(drafts(root))
            _note(read, torn)
        return Outcome(torn, left)

    @contextmanager
    def worker(self, work: Work, root: Path, turns: int | None) -> Iterator[BaseProcess]:
        """Yield a worker once it works, and see that it is gone afterwards."""
        begun, say = self._processes.Pipe(duplex=False)
        arguments = (say, work, root, turns)
        worker = self._processes.Process(target=crash_work.begin, args=arguments)
        worker.start()
        say.close()
        try:
            assert begun.poll(60.0), "the worker did not start"
            yield worker
        finally:
            begun.close()
            worker.kill()
            worker.join()
            worker.close()

    def _read_until(self, end: float, read: Read, torn: list[str]) -> None:
        while time.monotonic() < end:
            _note(read, torn)
            time.sleep(max(0.0, min(READ_EVERY_SECONDS, end - time.monotonic())))


def _wait_for(begun: Callable[[], bool]) -> None:
    end = time.monotonic() + 30.0
    while not begun():
        assert time.monotonic() < end, "the worker did not begin"
        time.sleep(0.005)


def _note(read: Read, torn: list[str]) -> None:
    try:
        read()
    except TORN as error:
        torn.append(f"{type(error).__name__}: {error}")


def drafts(root: Path) -> list[str]:
    """Return what is half-made in the stores."""
    stores = [root, *(path for path in root.iterdir() if path.name in STORES)]
    return sorted(path.name for store in stores for path in store.glob(".*.draft"))


@pytest.fixture(scope="module")
def harness():
    """One thread for LightGBM: a process that has used more cannot be forked."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_THREAD_LIMIT", "1")
        patch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))
        for name, value in ENVIRONMENT.items():
            patch.setenv(name, value)
        yield Harness()


class RegistryReader:
    """Reads the record, the champion and every version registered since the last look."""

    def __init__(self, root: Path) -> None:
        self.config = config_in(root)
        self.past: list[Promotion] = []
        self.checked: set[Path] = set()

    def __call__(self) -> None:
        past = history(self.config)
        assert past[len(past) - len(self.past) :] == self.past, "the record lost a promotion"
        self.past = past
        if past:
            held = champion(self.config)
            assert held.version == past[0].version or history(self.config) != past
            self.check(held.folder)
        for folder in self.registered():
            self.check(folder)

    def check(self, folder: Path) -> None:
        """Check a bundle wholly; champion() itself checks its bytes every time."""
        if folder not in self.checked:
            check_golden(read_bundle(folder, public_key(self.config.stores.keys)))
            self.checked.add(folder)

    def registered(self) -> list[Path]:
        """The bundle of every version, as the database itself says."""
        rows = self._rows("SELECT source FROM model_versions")
        return [Path(str(source).removeprefix("file://")) for (source,) in rows]

    def runs_left_open(self) -> int:
        """How many runs have begun and not ended."""
        return len(self._rows("SELECT 1 FROM runs WHERE status = 'RUNNING'"))

    def _rows(self, sql: str) -> list[tuple[object, ...]]:
        path = tracking_uri(self.config.stores).removeprefix("sqlite:///")
        connection = sqlite3.connect(path, timeout=20)
        try:
            return connection.execute(sql).fetchall()
        finally:
            connection.close()


@pytest.fixture(scope="module")
def registry_made_under_fire(harness, tmp_path_factory):
    """A registry whose makers were killed: MLflow takes seconds to make its tables."""
    root = tmp_path_factory.mktemp("registry")
    seen: set[str] = set()

    def begun() -> bool:
        """Return whether there is a draft that no earlier worker left."""
        new = set(drafts(root)) - seen
        seen.update(new)
        return bool(new) or (root / "mlflow.db").exists()

    outcome = harness.torn(crash_work.make_registry, root, lambda: None, 3, within=1.0, begun=begun)
    history(config_in(root))
    return root, outcome


def test_a_registry_whose_maker_is_killed_is_made_by_the_next(registry_made_under_fire):
    root, outcome = registry_made_under_fire
    assert outcome.kills_that_left_drafts, "no worker was killed while it made the database"
    assert drafts(root) == []
    assert history(config_in(root)) == []


def test_training_killed_at_any_moment_leaves_the_registry_whole(harness, registry_made_under_fire):
    root, _ = registry_made_under_fire
    within = 1.2 * harness.seconds(crash_work.train, root)
    reader = RegistryReader(root)
    outcome = harness.torn(crash_work.train, root, reader, TRIALS_OF_TRAINING, within)
    assert outcome.torn == []
    assert reader.runs_left_open() > 0, "no worker was killed in the middle of a run"
    assert len(reader.past) > 2, "no worker came as far as a promotion"
    with harness.worker(crash_work.train, root, 1) as last:
        last.join()
    reader()
    assert drafts(root) == []


def test_a_naive_writer_of_bundles_fails_the_same_harness(harness, tmp_path):
    config = config_in(tmp_path)
    folder = config.stores.bundles / "naive"

    def read():
        check_golden(read_bundle(folder, public_key(config.stores.keys)))

    within = 3 * harness.seconds(crash_work.train_naively, tmp_path)
    read()
    outcome = harness.torn(crash_work.train_naively, tmp_path, read, TRIALS_OF_NAIVE, within)
    assert outcome.torn, "the harness does not see half a bundle"


class PublicationReader:
    """Reads every file of the live publication, and customers by their numbers."""

    def __init__(self, root: Path) -> None:
        self.store = config_in(root).stores.publications
        self.seen: set[str] = set()

    def __call__(self) -> None:
        folder = live_generation(self.store)
        assert folder is not None
        publication = open_publication(folder)
        publication.check()
        scores = publication.scores()
        assert len(scores) == publication.manifest.counts["customers"] == crash_work.CUSTOMERS
        row = scores.slice(7, 1).to_pylist()[0]
        answer = publication.customer(row["customer_id"])
        assert answer["tier"]["code"] == row["tier"]
        self.seen.add(folder.name)


def test_publishing_killed_at_any_moment_leaves_readers_whole(harness, tmp_path):
    within = 1.2 * harness.seconds(crash_work.publish, tmp_path)
    reader = PublicationReader(tmp_path)
    outcome = harness.torn(crash_work.publish, tmp_path, reader, TRIALS_OF_PUBLISHING, within)
    assert outcome.torn == []
    assert outcome.kills_that_left_drafts, "no worker was killed in the middle of a publication"
    assert len(reader.seen) > 2, "no worker came as far as a publication"
    with harness.worker(crash_work.publish, tmp_path, 1) as last:
        last.join()
    reader()
    assert drafts(tmp_path) == []


def test_a_naive_publisher_fails_the_same_harness(harness, tmp_path):
    within = 3 * harness.seconds(crash_work.publish_naively, tmp_path)
    reader = PublicationReader(tmp_path)
    reader()
    outcome = harness.torn(crash_work.publish_naively, tmp_path, reader, TRIALS_OF_NAIVE, within)
    assert outcome.torn, "the harness does not see half a publication"


def test_a_key_maker_killed_at_any_moment_leaves_a_key_or_none(harness, tmp_path):
    harness.torn(crash_work.make_keys, tmp_path, lambda: None, trials=10, within=0.1)
    folders = sorted(tmp_path.iterdir())
    assert len(folders) > 10
    for folder in folders:
        key = signing_key(folder)
        assert pem_of(public_key(folder)) == pem_of(key.public_key())
