"""What Spark on a real cluster of two workers costs beside DuckDB, on this machine.

    python -m benchmarks.spark --customers 50k,1m [--company DIR] [--steps intake,features]

A company is simulated (or taken from --company), and taken in, its features of ten cutoffs are
written, and its scores published by a model trained on another, small company, once by DuckDB and
once by Spark. Each step is a child process of its own with a cluster of its own: a master and two
workers of one core each. What starting them costs is measured apart, as the step `start`; it is in
the other steps, too. What was measured before and is not measured again stays in the results.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import yaml

from benchmarks.scale.__main__ import sizes
from benchmarks.scale.child import Cost, Limit, measure
from configs.files import write_json, write_text
from configs.load import load

STEPS = ("start", "intake", "features", "publication")
ENGINES = ("duckdb", "spark")
SEED = 1
LEARNERS = 5_000
RESULTS = Path("benchmarks/results")


def main() -> None:
    """Measure what is asked for, and write the page."""
    chosen = _arguments()
    found = _earlier()
    for customers in chosen.customers:
        folder = chosen.work / str(customers)
        company = chosen.company or _simulated(folder / "exports", customers)
        learnt = _learnt(chosen.work / "learnt")
        for step in chosen.steps:
            for engine in chosen.engines:
                settings = _settings(engine, chosen.worker_memory_gib)
                path = _company_of(company, learnt, folder / engine, settings)
                cost = _cost(step, engine, path, chosen)
                found.setdefault(str(customers), {}).setdefault(step, {})[engine] = asdict(cost)
                print(f"{customers:,} customers, {step} by {engine}: {cost}", flush=True)
                write_json(RESULTS / "spark.json", found)
                write_text(RESULTS / "spark.md", page(found))


def page(found: dict[str, Any]) -> str:
    """Return the results as a table."""
    lines = [
        "# Spark beside DuckDB, on one machine",
        "",
        "`python -m benchmarks.spark --customers "
        + ",".join(sorted(found, key=int))
        + "`: a standalone cluster of two workers, one core each, against DuckDB on two threads."
        " Starting all that is in each of Spark's steps; `start` shows it alone.",
        "",
        "| customers | step | DuckDB, s | cpu s | peak GiB | Spark, s | cpu s | peak GiB | s ÷ s |",
        "|--:|---|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for customers in sorted(found, key=int):
        for step in STEPS:
            if step in found[customers]:
                lines.append(_row(int(customers), step, found[customers][step]))
    return "\n".join([*lines, ""])


def _row(customers: int, step: str, by: dict[str, Any]) -> str:
    cells = []
    for engine in ENGINES:
        cost = by.get(engine)
        if cost is None:
            cells += ["", "", ""]
        elif cost["failed"]:
            cells += [cost["failed"], "", ""]
        else:
            numbers = (cost["wall_seconds"], cost["cpu_seconds"], cost["peak_gib"])
            cells += [f"{numbers[0]:,.0f}", f"{numbers[1]:,.0f}", f"{numbers[2]:.1f}"]
    both = [by.get(engine) for engine in ENGINES]
    is_whole = all(cost is not None and not cost["failed"] for cost in both)
    ratio = f"{both[1]['wall_seconds'] / both[0]['wall_seconds']:.1f}" if is_whole else ""
    return f"| {customers:,} | {step} | " + " | ".join(cells) + f" | {ratio} |"


def _cost(step: str, engine: str, path: Path, chosen: argparse.Namespace) -> Cost:
    log = path.with_name(f"{step}.log")
    command = [sys.executable, "-m", "benchmarks.spark.steps", step, str(path)]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("ECHELON_")}
    limit = Limit(chosen.seconds_at_most, chosen.gib_at_most)
    return measure(command, log, limit, environment)


def _settings(engine: str, worker_memory_gib: float) -> dict[str, Any]:
    return {
        "name": engine,
        "threads": 2,
        "memory_limit_gib": 2,
        "spark_driver_host": "127.0.0.1",
        "spark_executor_memory_gib": worker_memory_gib,
    }


def _simulated(folder: Path, customers: int) -> Path:
    from features.simulator import simulate

    if not (folder / "echelon.yaml").is_file():
        simulate(customers, SEED, folder)
    return folder


def _learnt(folder: Path) -> Path:
    """Return the configuration of a small company whose model scores the others."""
    from serving.pipeline import run

    path = folder / "company.yaml"
    if not path.is_file():
        exports = _simulated(folder / "exports", LEARNERS)
        given = _given(exports) | {"stores": {"root": str(folder / "store")}}
        path.write_text(yaml.safe_dump(given, allow_unicode=True), encoding="utf-8")
        try:
            run(load(path, {}))
        except BaseException:
            path.unlink()
            raise
    return path


def _given(exports: Path) -> dict[str, Any]:
    given = yaml.safe_load((exports / "echelon.yaml").read_text(encoding="utf-8"))
    return dict(given) | {"data": str(exports)}


def _company_of(company: Path, learnt: Path, folder: Path, engine: dict[str, Any]) -> Path:
    """Return the configuration of a company with the models of another."""
    root = folder / "store"
    if not root.is_dir():
        models = load(learnt, {}).stores.root
        ignored = shutil.ignore_patterns("records", "publications", "quarantine")
        shutil.copytree(models, root, ignore=ignored)
    given = _given(company) | {"engine": engine, "stores": {"root": str(root)}}
    path = folder / "company.yaml"
    path.write_text(yaml.safe_dump(given, allow_unicode=True), encoding="utf-8")
    return path


def _earlier() -> dict[str, Any]:
    path = RESULTS / "spark.json"
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else {}


def _listed(known: tuple[str, ...]) -> Any:
    def of(text: str) -> list[str]:
        if unknown := [one for one in text.split(",") if one not in known]:
            raise argparse.ArgumentTypeError(f"no such: {unknown}; known: {list(known)}")
        return text.split(",")

    return of


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--customers", type=sizes, default=sizes("50k"))
    parser.add_argument("--company", type=Path, help="exports with an echelon.yaml, of that size")
    parser.add_argument("--steps", type=_listed(STEPS), default=list(STEPS))
    parser.add_argument("--engines", type=_listed(ENGINES), default=list(ENGINES))
    parser.add_argument("--work", type=Path, default=Path("var/spark-benchmark"))
    parser.add_argument("--worker-memory-gib", type=float, default=1.5)
    parser.add_argument("--gib-at-most", type=float, default=10.0)
    parser.add_argument("--seconds-at-most", type=float, default=14_400.0)
    return parser.parse_args()


if __name__ == "__main__":
    main()
