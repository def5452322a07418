"""`bentoml build` in a clone, and the Bento that it makes, served as BentoML serves it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from benchmarks.serving.contestants import answers
from configs.load import load
from serving.scores.publication import open_live
from tests.companies import own_copy

pytestmark = pytest.mark.slow

FOLDERS = ("configs", "features", "training", "serving")
READY_SECONDS = 120


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    """A store of Bentos with the one built here."""
    home = tmp_path_factory.mktemp("bentoml")
    build = [sys.executable, "-m", "bentoml", "build", "--output", "tag", "."]
    subprocess.run(build, env=environment(home), check=True, capture_output=True)
    return home


def environment(home: Path) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("ECHELON_", "PYTHONPATH"))}
    return kept | {"BENTOML_HOME": str(home), "BENTOML_DO_NOT_TRACK": "True"}


def sources(home: Path) -> Path:
    bentos = home / "bentos" / "echelon"
    return bentos / (bentos / "latest").read_text().strip() / "src"


def test_a_bento_holds_the_packages_and_nothing_of_records_stores_or_keys(home):
    root = sources(home)
    inside = {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", *FOLDERS],
        capture_output=True,
        text=True,
        check=True,
    )
    assert inside == {*listed.stdout.split(), "pyproject.toml", "bentofile.yaml"}
    assert not [name for name in inside if name.endswith((".pem", ".key", ".db", ".parquet"))]


@pytest.fixture(scope="module")
def company(small_company, tmp_path_factory) -> Path:
    """The configuration of a copy of the small company: the endpoint makes a key in its store."""
    return own_copy(small_company, tmp_path_factory.mktemp("company"))


@pytest.fixture(scope="module")
def url(home, company, tmp_path_factory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("elsewhere")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    serve = [
        *(sys.executable, "-m", "bentoml", "serve", "echelon:latest"),
        *("--host", "127.0.0.1", "--port", str(port)),
    ]
    settings = environment(home) | {"ECHELON_CONFIG": str(company)}
    log = folder / "log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            serve, cwd=folder, env=settings, stdout=out, stderr=out, start_new_session=True
        )
    try:
        yield ready(f"http://127.0.0.1:{port}", process, log)
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)


def ready(url: str, process: subprocess.Popen[bytes], log: Path) -> str:
    if not answers(f"{url}/readyz", lambda: process.poll() is None, READY_SECONDS):
        raise AssertionError(log.read_text())
    return url


def test_the_bento_answers_predictions_behind_the_gate(url, company):
    config = load(company, {})
    customer_id = open_live(config.stores.publications).examples(1)[0]
    key = (config.stores.root / "first.key").read_text().strip()
    with httpx.Client(base_url=url, timeout=60) as client:
        question = {"customer_ids": [customer_id]}
        bare = client.post("/v1/predictions", json=question)
        assert bare.status_code == 401
        client.headers["authorization"] = f"Bearer {key}"
        answer = client.post("/v1/predictions", json=question)
        assert answer.json()["predictions"][0]["customer_id"] == customer_id
        foreign = client.get("/livez", headers={"host": "evil.example"})
        assert (foreign.status_code, foreign.json()["code"]) == (421, "host-not-allowed")
        assert client.get("/schema.json").json()["code"] == "unknown-route"
