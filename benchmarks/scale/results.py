"""What all runs found, written as JSON, as a page and as a picture."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil

from benchmarks.scale.bars import Bar, Sizes, bars
from benchmarks.scale.page import page
from benchmarks.scale.picture import picture
from configs.files import write_json, write_text

NAME = "scale"


def sizes_in(path: Path) -> dict[int, dict[str, dict[str, Any]]]:
    """Return what the file of results holds, by customers."""
    found = _read(path).get("sizes", {})
    return {int(size): one for size, one in found.items()}


def write(folder: Path, sizes: Sizes, threads: int) -> list[Bar]:
    """Write the three files and return the bars."""
    memory = psutil.virtual_memory().total / 2**30
    machine = f"{os.cpu_count()} cores, {memory:.0f} GiB, {threads} threads"
    told = bars(sizes, _read(folder / "spark.json"), _read(folder / "refresh.json"))
    in_text = {str(size): found for size, found in sorted(sizes.items())}
    write_json(folder / f"{NAME}.json", {"machine": machine, "sizes": in_text})
    write_text(folder / f"{NAME}.svg", picture(sizes))
    write_text(folder / f"{NAME}.md", page(sizes, told, machine, f"{NAME}.svg"))
    return told


def _read(path: Path) -> Mapping[str, Any]:
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
