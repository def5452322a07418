"""How fast the endpoint answers, beside what does less.

    python -m benchmarks.serving [--config my.yaml] [--rounds 5] [--seconds 4]

Starts `echelon serve`, a bare FastAPI app that looks answers up in the same file, a BentoML service
that does nothing and `mlflow models serve`, asks each in turn, and writes
``benchmarks/results/serving.md``. Without a configuration it trains a simulated company first.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from benchmarks.load import ceiling, closed_loop, run
from benchmarks.serving.company import Company, company
from benchmarks.serving.contestants import BY_ID, Contestant, Server, running
from benchmarks.serving.measure import Round, rounds_of
from benchmarks.serving.page import FASTAPI, MLFLOW, MOUNTED, OURS, ROUTE, page
from configs.files import write_text
from training.additive import AdditiveModel

SIZES = (1, 10, 100, 1000)
STARTS = 3
ECHELON, BENTOML = "echelon serve", "bentoml serve"


def main() -> None:
    """Measure and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", type=Path, help="a company with a live publication")
    parser.add_argument("--customers", type=int, default=2000, help="simulated without --config")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4.0, help="of each loop")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/serving.md"))
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="echelon-serving-") as scratch:
        root = Path(scratch)
        about = company(given.config, root, given.customers)
        told = measured(about, root, given.rounds, given.seconds)
    write_text(given.out, told)
    print(told)


def measured(about: Company, root: Path, rounds: int, seconds: float) -> str:
    """Return the page of one run."""
    ready = list(starts(about, root))
    model = mlflow_model(about, root)
    with contextlib.ExitStack() as stack:
        servers, contestants, not_run = {}, [], []
        for name, command, answers, environment, own in candidates(about, root, model):
            if command is None:
                not_run.append(name)
                continue
            log = root / f"{name.replace(' ', '-')}.log"
            servers[name] = stack.enter_context(running(command, answers, log, environment))
            contestants += own
        found = rounds_of(contestants, servers, rounds, seconds)
        rows = raw_rows(about, servers, model, seconds)
        return page(
            f"python -m benchmarks.serving --rounds {rounds} --seconds {seconds:g}",
            found,
            rows,
            ready,
            servers,
            ceiling(8, seconds),
            not_run,
        )


def echelon_command(about: Company) -> list[str]:
    return ["-m", "serving.cli", "serve", "-c", str(about.path), "--port", "{port}"]


def starts(about: Company, root: Path) -> Iterator[float]:
    """Yield how long the endpoint takes from its start to its first good answer."""
    for number in range(STARTS):
        with running(echelon_command(about), "/readyz", root / f"start-{number}.log") as server:
            yield server.seconds_to_ready


def candidates(
    about: Company, root: Path, model: MlflowModel | None
) -> Iterator[tuple[str, Any, str, Any, list[Contestant]]]:
    """Yield name, command, readiness address, environment and contestants of every server.

    The command is ``None`` where the server is not installed.
    """
    asked = about.by_id()
    fastapi = ["-m", "benchmarks.serving.fastapi_app", str(about.lookup), "{port}"]
    empty = ["-m", "bentoml", "serve", "benchmarks.serving.bentoml_app:Nothing", "--port", "{port}"]
    quiet = {"BENTOML_DO_NOT_TRACK": "True", "BENTOML_HOME": str(root / "bentoml")}
    yield (
        ECHELON,
        echelon_command(about),
        "/readyz",
        {"ECHELON_SERVING__REQUESTS_PER_MINUTE_PER_KEY": "1000000000"},
        [Contestant(OURS, ECHELON, BY_ID, asked, about.headers)],
    )
    yield (
        "FastAPI",
        fastapi if importlib.util.find_spec("fastapi") else None,
        "/openapi.json",
        {},
        [Contestant(FASTAPI, "FastAPI", BY_ID, asked)],
    )
    yield (
        BENTOML,
        empty,
        "/readyz",
        quiet,
        [
            Contestant(ROUTE, BENTOML, "/route", [{"customer_ids": ["C0001"]}]),
            Contestant(MOUNTED, BENTOML, "/mounted", [{"customer_ids": ["C0001"]}]),
        ],
    )
    serve = ["-m", "mlflow", "models", "serve", "--env-manager", "local", "--workers", "1"]
    serve += ["--port", "{port}", "-m"]
    yield (
        MLFLOW,
        None if model is None else [*serve, str(model.folder)],
        "/ping",
        {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"},
        [] if model is None else [Contestant(MLFLOW, MLFLOW, "/invocations", [model.bodies[1]])],
    )


@dataclass(frozen=True)
class MlflowModel:
    """A model as MLflow serves it, and requests by number of rows."""

    folder: Path
    bodies: Mapping[int, Any]


def mlflow_model(about: Company, root: Path) -> MlflowModel | None:
    """Save the trees that churn is served by as an MLflow model; ``None`` without trees."""
    import lightgbm
    import mlflow.lightgbm
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema

    from serving.endpoint.served import bundle_of
    from serving.scores.publication import open_live

    served = bundle_of(open_live(about.config.stores.publications), about.config).models["churn"]
    if not isinstance(served, AdditiveModel) or served.trees is None:
        return None
    folder = root / "mlflow_model"
    names = list(served.tree_inputs)
    booster = lightgbm.Booster(model_str=served.trees)
    inputs = Schema([ColSpec("double", name, required=False) for name in names])
    mlflow.lightgbm.save_model(booster, str(folder), signature=ModelSignature(inputs))
    return MlflowModel(folder, {size: _split(about.matrix(names, size)) for size in SIZES})


def _split(rows: pa.Table) -> dict[str, Any]:
    data = [list(row.values()) for row in rows.to_pylist()]
    return {"dataframe_split": {"columns": rows.column_names, "data": data}}


def raw_rows(
    about: Company, servers: Mapping[str, Server], model: MlflowModel | None, seconds: float
) -> dict[str, dict[int, Round]]:
    """Return, by server and number of rows, what a request of them costs."""
    found: dict[str, dict[int, Round]] = {}
    for size in SIZES:
        asked = {ECHELON: Contestant(ECHELON, ECHELON, BY_ID, about.raw(size), about.headers)}
        if model is not None:
            asked[MLFLOW] = Contestant(MLFLOW, MLFLOW, "/invocations", [model.bodies[size]])
        for name, one in asked.items():
            found.setdefault(name, {})[size] = alone(one, servers[one.server], seconds)
    return found


def alone(one: Contestant, server: Server, seconds: float) -> Round:
    """Return the figures of one connection kept busy."""
    requests = one.requests(server.address)
    run(closed_loop(server.address, requests, 1, 0.1))
    before = server.processor_seconds()
    busy = run(closed_loop(server.address, requests, 1, seconds))
    used = 1000.0 * (server.processor_seconds() - before) / len(busy.status)
    middle, high, highest = busy.milliseconds(0.5, 0.95, 0.99)
    return Round(busy.per_second, used, (middle, high, highest), busy.statuses)


if __name__ == "__main__":
    main()
