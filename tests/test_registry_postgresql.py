"""The registry on a real ``mlflow server`` over PostgreSQL, both started here on loopback."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from configs.errors import ModelError
from configs.load import load
from tests.postgresql import free_port
from tests.small_fitted import PROVENANCE, small_fitted
from training import registry
from training.bundle import read_bundle, write_bundle
from training.registry import champion, history, log_run, promote, rollback
from training.signing import public_key, signing_key
from training.tracking import ENVIRONMENT

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("mlflow")]

START_SECONDS = 120.0


@pytest.fixture(scope="module")
def server(postgresql, tmp_path_factory) -> Iterator[str]:
    """The address of ``mlflow server`` keeping its runs in PostgreSQL."""
    folder = tmp_path_factory.mktemp("mlflow")
    with mlflow_server(postgresql, folder, free_port()) as address:
        yield address


@pytest.fixture
def config(server, tmp_path, monkeypatch):
    monkeypatch.setattr(registry, "check_in_child", read_bundle)
    environment = {"MLFLOW_TRACKING_URI": server, "ECHELON_STORES__ROOT": str(tmp_path)}
    return load(None, environment)


def test_train_promote_roll_back_and_look_back_over_http(config):
    one, two = trained(config, 0.1), trained(config, 0.2)
    first = promote(config, one.version, "第一版")
    second = promote(config, "latest", "better")
    assert (first.version, second.version) == (one.version, two.version)
    assert bundle_of(config).models["churn"].intercept == 0.2
    back = rollback(config, "投诉增多")
    assert back.version == one.version
    assert bundle_of(config).models["churn"].intercept == 0.1
    assert history(config) == [back, second, first]
    assert history(config, second.at) == [second]
    assert not (config.stores.root / "mlflow.db").exists()


def test_another_machine_with_the_public_key_fetches_the_champion(config, tmp_path):
    made = trained(config, 0.3)
    promote(config, made.version)
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "keys").mkdir(parents=True)
    shutil.copy(config.stores.keys / "signing.pub", elsewhere / "keys")
    there = config.model_copy(
        update={"stores": config.stores.model_copy(update={"root": elsewhere})}
    )
    assert champion(there).folder == elsewhere / "bundles" / made.version
    assert bundle_of(there).models["churn"].intercept == 0.3


def test_a_server_that_is_not_there_is_named_with_a_remedy(config, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    gone = config.stores.model_copy(update={"tracking_uri": f"http://127.0.0.1:{free_port()}"})
    with pytest.raises(
        ModelError, match=r"the registry at http://127\.0\.0\.1:.*Check that it runs"
    ):
        history(config.model_copy(update={"stores": gone}))


def trained(config, intercept):
    folder = config.stores.root / f"made-{intercept}"
    fitted = small_fitted(intercept)
    write_bundle(fitted, folder, signing_key(config.stores.keys), PROVENANCE, config)
    return log_run(config, fitted, folder)


def bundle_of(config):
    return read_bundle(champion(config).folder, public_key(config.stores.keys))


@contextmanager
def mlflow_server(database: str, folder: Path, port: int) -> Iterator[str]:
    """Run a server until the block ends; its log is shown if it does not come up."""
    command = [sys.executable, "-m", "mlflow", "server", "--workers", "1"]
    command += ["--host", "127.0.0.1", "--port", str(port)]
    command += ["--backend-store-uri", database, "--artifacts-destination", str(folder / "files")]
    address = f"http://127.0.0.1:{port}"
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(
            command, stdout=log, stderr=log, cwd=folder, start_new_session=True,
            env=os.environ | ENVIRONMENT,
        )  # fmt: skip
    try:
        _wait_for(address, server, folder / "log")
        yield address
    finally:
        with suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def _wait_for(address: str, server: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and server.poll() is None:
        try:
            with urllib.request.urlopen(f"{address}/health", timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    pytest.fail(f"mlflow server did not start:\n{log.read_text()[-3000:]}")
