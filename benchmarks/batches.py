"""Processor time of scoring, and of explaining with answers, a customer of the live publication.

    python -m benchmarks.batches --config configs/demo.yaml [--batches 5] [--rounds 3]

Batches of the live publication's features are scored and explained again by its models into a
folder that is removed, held against what it published, one process and one thread. The first batch
is done twice, since models and tables are read then; each round begins without remembered
sentences. Figures are kept in ``benchmarks/results/batches.md``.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from benchmarks.scored import job_in
from configs.files import write_text
from configs.load import load
from serving.scores.batches import POPULATION, Work, explain_batch, score_batch
from serving.scores.crew import crew
from serving.scores.draft import Draft
from serving.scores.matrix_file import MatrixFile
from serving.scores.publication import (
    FEATURES_FILE,
    POPULATION_FILE,
    SCORES_FILE,
    Publication,
    open_live,
)

RESULTS = Path(__file__).parent / "results"
STEPS: dict[str, Callable[[Work, int], None]] = {
    "scores": score_batch,
    "reasons and answers": explain_batch,
}


def work_in(folder: Path, config_path: Path, live: Publication) -> Work:
    """Return the work on the customers of ``live``, with the population there was."""
    job = job_in(folder, load(config_path), live)
    draft, rows = Draft(folder), job.config.serving.score_rows_at_once
    with draft.adding(POPULATION) as path:
        shutil.copyfile(live.folder / POPULATION_FILE, path)
    return Work(
        job, MatrixFile(live.folder / FEATURES_FILE), live.folder / SCORES_FILE, draft, rows
    )


def measured(work: Work, batches: int, rounds: int) -> dict[str, float]:
    """Return the least microseconds of processor time a customer of each step."""
    numbers = [one for one in work.batches if one < batches]
    n = min(len(numbers) * work.rows_at_once, len(work.matrix))
    least = dict.fromkeys(STEPS, float("inf"))
    for _ in range(rounds):
        fresh = replace(work)
        with crew(fresh, 1) as crew_:
            for step in STEPS.values():
                list(crew_(step, numbers[:1]))
            for name, step in STEPS.items():
                began = time.process_time()
                list(crew_(step, numbers))
                least[name] = min(least[name], 1e6 * (time.process_time() - began) / n)
    return least


def main() -> None:
    """Print what a customer costs, and keep it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", type=Path, default=Path("configs/demo.yaml"))
    parser.add_argument("--batches", type=int, default=5, help="of serving.score_rows_at_once")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=RESULTS)
    given = parser.parse_args()
    live = open_live(load(given.config).stores.publications)
    with tempfile.TemporaryDirectory(prefix="echelon-batches-") as folder:
        work = work_in(Path(folder), given.config, live)
        found = measured(work, given.batches, given.rounds)
        customers = min(given.batches * work.rows_at_once, len(work.matrix))
    rows = [f"| {name} | {cost:.0f} |" for name, cost in found.items()]
    head = f"Microseconds of one processor a customer, of {customers:,} customers."
    table = ["| | µs |", "|---|---:|", *rows, f"| together | {sum(found.values()):.0f} |"]
    page = "\n".join(["# Scoring and explaining in batches", "", head, "", *table, ""])
    write_text(given.out / "batches.md", page)
    print(page)


if __name__ == "__main__":
    main()
