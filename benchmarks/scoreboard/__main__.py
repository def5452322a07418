"""Runs S1 to S5 with the default configuration, beside what a user would pick instead.

    python -m benchmarks.scoreboard --data ../shared/data --out benchmarks/results/scoreboard.json

Writes one JSON list of rows, and a page of the same name ending in .md beside it. Exit code 0
whatever is met or missed. With --only, rows of the other protocols stay as they are in --out.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from benchmarks.scoreboard import s1, s2, s3, s4, s5
from benchmarks.scoreboard.page import page, summary
from benchmarks.scoreboard.peers import Peers
from benchmarks.scoreboard.picture import picture
from benchmarks.scoreboard.records import Row
from benchmarks.scoreboard.setting import Setting
from configs.files import write_json, write_text
from configs.progress import Progress as Told

PROTOCOLS: dict[str, Callable[[Setting, Told], list[Row]]] = {
    "S1": s1.run,
    "S2": s2.run,
    "S3": s3.run,
    "S4": s4.run,
    "S5": s5.run,
}


def main() -> None:
    """Run the chosen protocols and write what they found."""
    chosen = _arguments()
    console = Console()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="scoreboard-") as scratch:
        setting = Setting(chosen.data, Path(scratch), chosen.threads, Peers(chosen.peers_python))
        found = {name: _run(name, setting, console) for name in chosen.only}
    rows = [row for name in PROTOCOLS for row in found.get(name) or kept(chosen.out, name)]
    minutes = (time.monotonic() - began) / 60.0
    write_json(chosen.out, [row.as_json() for row in rows])
    write_text(chosen.out.with_suffix(".svg"), picture(rows))
    write_text(chosen.out.with_suffix(".md"), page(rows, chosen.out.with_suffix(".svg").name))
    console.print(summary(rows))
    console.print(f"{len(rows)} rows in {chosen.out} after {minutes:.1f} minutes")


def _run(name: str, setting: Setting, console: Console) -> list[Row]:
    """Return the rows of one protocol, telling how far it is."""
    columns = TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn()
    with Progress(*columns, console=console) as bar:
        task = bar.add_task(name, total=1.0)

        def told(step: str, share: float) -> None:
            bar.update(task, completed=share, description=f"{name} {step}")
            if not console.is_terminal:
                console.print(f"{name} {share:4.0%} {step}")

        rows = PROTOCOLS[name](setting, told)
        bar.update(task, completed=1.0, description=f"{name} done")
    return rows


def kept(out: Path, protocol: str) -> list[Row]:
    """Return the rows of ``protocol`` that an earlier run wrote; none where there was no run."""
    if not out.exists():
        return []
    rows = (Row(**row) for row in json.loads(out.read_text(encoding="utf-8")))
    return [row for row in rows if row.protocol == protocol]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of public data sets")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/scoreboard.json"))
    parser.add_argument("--only", type=_protocols, default=list(PROTOCOLS), help="such as S1,S3")
    parser.add_argument("--peers-python", type=Path, help="an interpreter that has the peers")
    parser.add_argument("--threads", type=int, default=2)
    return parser.parse_args()


def _protocols(listed: str) -> list[str]:
    names = listed.upper().split(",")
    if unknown := [name for name in names if name not in PROTOCOLS]:
        raise argparse.ArgumentTypeError(f"{unknown} unknown; known: {list(PROTOCOLS)}")
    return names


if __name__ == "__main__":
    main()
