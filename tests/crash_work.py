"""What a process does while it is killed at a random moment: see ``test_crash.py``.

Kept apart so that the fork server imports it once: every worker is forked with all modules loaded
and begins to work at once. Each function works for ``turns`` turns, for ever by default.
"""

from __future__ import annotations

import itertools
import os
import shutil
import time
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path

from configs.files import POINTER
from serving.scores.publish import publish_matrix
from tests.small_bundle import config_in, job_in, matrix_of
from tests.small_fitted import PROVENANCE
from training import registry
from training.bundle import check_golden, read_bundle, write_bundle
from training.fitted import Fitted
from training.signing import signing_key

CUSTOMERS = 300
DIFFERENT_MODELS = 4
FITTED: tuple[Fitted, ...] = ()
"""Models to write, each with its own intercept; made by ``crash_preload`` in the fork server."""


def begin(begun: Connection, work: Callable[..., None], root: Path, turns: int | None) -> None:
    """Say that the worker has begun, then work."""
    begun.send(True)
    work(root, turns)


def check_here(folder: Path, key: object) -> None:
    """Check golden rows in this process: a child takes seconds to start and writes nothing."""
    check_golden(read_bundle(folder, key))


def _turns(turns: int | None) -> Iterator[int]:
    """Yield turns until there were enough, or until whoever started the worker is gone."""
    parent = os.getppid()
    for turn in itertools.count():
        if turn == turns or os.getppid() != parent:
            return
        yield turn


def make_registry(root: Path, turns: int | None = None) -> None:
    """Ask for the history, which makes the database first where there is none."""
    for _ in _turns(turns):
        registry.history(config_in(root))


def make_keys(root: Path, turns: int | None = None) -> None:
    """Make one signing key after another, each in a folder of its own."""
    for turn in _turns(turns):
        signing_key(root / f"{time.time_ns()}-{turn}")


def train(root: Path, turns: int | None = None) -> None:
    """Write, register and promote one model after another, each with its own intercept."""
    registry.check_in_child = check_here
    config = config_in(root)
    for turn in _turns(turns):
        fitted = FITTED[turn % DIFFERENT_MODELS]
        folder = root / "scratch" / str(time.time_ns())
        write_bundle(fitted, folder, signing_key(config.stores.keys), PROVENANCE, config)
        registry.log_run(config, fitted, folder)
        registry.promote(config, "latest", f"turn {turn}")
        registry.champion(config)


def train_naively(root: Path, turns: int | None = None) -> None:
    """Write one of two bundles after the other straight to where it is read."""
    config = config_in(root)
    key = signing_key(config.stores.keys)
    made = [root / "scratch" / str(time.time_ns()) for _ in range(2)]
    for fitted, folder in zip(FITTED, made, strict=False):
        write_bundle(fitted, folder, key, PROVENANCE, config)
    for turn in _turns(turns):
        _copy_over(made[turn % 2], config.stores.bundles / "naive")


def publish(root: Path, turns: int | None = None) -> None:
    """Publish one day's scores after another."""
    job = job_in(root)
    for _ in _turns(turns):
        publish_matrix(job, matrix_of(CUSTOMERS, seed=time.time_ns()))


def publish_naively(root: Path, turns: int | None = None) -> None:
    """Publish one of two days' scores after the other into the folder that readers have open."""
    scratch = root / "scratch" / str(time.time_ns())
    made = [publish_matrix(job_in(scratch), matrix_of(CUSTOMERS, seed=seed)) for seed in (1, 2)]
    live = config_in(root).stores.publications
    for turn in _turns(turns):
        _copy_over(made[turn % 2], live / "naive")
        (live / POINTER).write_text("naive")


def _copy_over(source: Path, target: Path) -> None:
    target.mkdir(parents=True, exist_ok=True)
    for file in sorted(source.iterdir()):
        shutil.copyfile(file, target / file.name)
