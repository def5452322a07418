"""Whether two contestants wrote the same table."""

from __future__ import annotations

from pathlib import Path

import duckdb

from benchmarks.scale.contest.subset import SUBSET

CLOSE = 1e-9
"""Largest difference of two floats that are equal, relative to the larger one or to 1."""


def differences(ours: Path, theirs: Path) -> dict[str, int]:
    """Return, by feature, how many of all rows differ; ``rows`` counts those that one lacks.

    Only features that both have are compared.
    """
    connection = duckdb.connect(config={"threads": 1, "memory_limit": "2GiB"})
    connection.execute("SET temp_directory = $1", [str(theirs.with_suffix(".compared"))])
    for name, path in {"ours": ours, "theirs": theirs}.items():
        in_folders = path.is_dir()
        files = str(path / "cutoff=*" / "*.parquet") if in_folders else str(path)
        connection.read_parquet(files, hive_partitioning=in_folders).create_view(name)
    names = [name for name in SUBSET if name in connection.view("theirs").columns]
    counts = ", ".join(f"count(*) FILTER ({_differs(name)})" for name in names)
    [found] = connection.sql(
        f"SELECT count(*) FILTER (ours.cutoff IS NULL OR theirs.cutoff IS NULL), {counts} "
        "FROM ours FULL JOIN theirs "
        "ON ours.customer_id = theirs.customer_id AND ours.cutoff = theirs.cutoff"
    ).fetchall()
    by_name = dict(zip(("rows", *names), found, strict=True))
    return {name: count for name, count in by_name.items() if count}


def _differs(name: str) -> str:
    ours, theirs = f"ours.{name}::DOUBLE", f"theirs.{name}::DOUBLE"
    return (
        f"({ours} IS NULL) <> ({theirs} IS NULL) OR abs({ours} - {theirs}) > "
        f"{CLOSE} * greatest(abs({ours}), abs({theirs}), 1)"
    )
