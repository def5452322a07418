"""The features in DuckDB SQL written by hand: for one cutoff, and for several at once."""

from __future__ import annotations

from pathlib import Path

import duckdb

from benchmarks.scale.contest.subset import TABLES, Task, task

FOLDER = Path(__file__).parent


def compute(asked: Task) -> None:
    """Write the table."""
    connection = duckdb.connect(
        config={"threads": asked.threads, "memory_limit": f"{asked.memory_gib}GiB"}
    )
    connection.execute("SET preserve_insertion_order = false")
    connection.execute("SET temp_directory = $1", [str(asked.out.with_suffix(".spilled"))])
    for name in TABLES:
        connection.read_parquet(str(asked.records / f"{name}.parquet")).create_view(name)
    connection.execute(_query(connection, asked.cutoffs))
    ordered = connection.table("answer").order("cutoff, customer_id")
    ordered.write_parquet(str(asked.out))


def _query(connection: duckdb.DuckDBPyConnection, cutoffs: tuple[int, ...]) -> str:
    if len(cutoffs) == 1:
        connection.execute("SET VARIABLE cutoff = $1", list(cutoffs))
        return (FOLDER / "one_cutoff.sql").read_text(encoding="utf-8")
    connection.execute("CREATE TEMP TABLE cutoffs (cutoff INTEGER)")
    connection.executemany("INSERT INTO cutoffs VALUES ($1)", [[day] for day in cutoffs])
    return (FOLDER / "all_cutoffs.sql").read_text(encoding="utf-8")


if __name__ == "__main__":
    compute(task())
