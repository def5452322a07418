"""What the proofs found, kept in ``benchmarks/results/reliability``; one table for all."""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.reliability.company import Company, company
from configs.files import write_json, write_text

RESULTS = Path("benchmarks/results")
PROOFS = ("swaps", "mutations", "kills", "terminations", "overload", "actions")


@dataclass(frozen=True)
class Proof:
    """What one proof found.

    Attributes:
        name: of the module.
        promise: what must hold, in words.
        figures: what was counted or measured, by its name.
        broken: what does not hold; empty where all does.
    """

    name: str
    promise: str
    figures: Mapping[str, Any]
    broken: tuple[str, ...] = ()


def table(found: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the page of what each proof found last."""
    lines = [
        "# Reliability",
        "",
        "Written by `make reliability`; each row by the command it names.",
    ]
    for name in PROOFS:
        if name not in found:
            continue
        one = found[name]
        held = "; ".join(one["broken"]) or "nothing: the promise held"
        lines += ["", f"## {one['promise']}", "", f"`{one['command']}`, {one['on']}", ""]
        lines += ["| figure | value |", "|---|---|"]
        lines += [f"| {figure} | {value} |" for figure, value in one["figures"]]
        lines += [f"| broken | {held} |"]
    return "\n".join(lines) + "\n"


def kept(proof: Proof, command: str, folder: Path) -> None:
    """Add ``proof`` to the results in ``folder``."""
    path = folder / "reliability.json"
    found = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    found[proof.name] = asdict(proof) | {
        "figures": [[figure, value] for figure, value in proof.figures.items()],
        "command": command,
        "on": f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores, "
        f"load {os.getloadavg()[0]:.1f}",
    }
    write_json(path, found)
    write_text(folder / "reliability.md", table(found))


def main(name: str, count: int, prove: Callable[[Company, Path, int], Proof], about: str) -> None:
    """Run a proof as a command: print what it found, keep it, and end with 1 if it is broken.

    Args:
        name: of the module.
        count: how often it does what it does, by default.
        prove: given the company, a folder for logs, and the count.
        about: the module's docstring.
    """
    parser = argparse.ArgumentParser(description=about.splitlines()[0])
    parser.add_argument("--count", type=int, default=count)
    parser.add_argument("--config", type=Path, help="a company with a live publication; copied")
    parser.add_argument("--out", type=Path, default=RESULTS)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="echelon-reliability-") as scratch:
        proof = prove(company(given.config, Path(scratch)), Path(scratch), given.count)
    command = f"python -m benchmarks.reliability.{name} --count {given.count}"
    kept(proof, command, given.out)
    for figure, value in proof.figures.items():
        print(f"{figure:58} {value}")
    for one in proof.broken:
        print(f"BROKEN: {one}")
    raise SystemExit(bool(proof.broken))
