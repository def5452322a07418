"""What it costs to know rows again by 128 bits of their text instead of 64.

    python -m benchmarks.digests [--rows 5m] [--out FOLDER]

As many texts as asked for, some 80 characters each, are digested to a Parquet file as intake does;
then one in a hundred of them is looked for among all, as a daily refresh does.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import uuid
from pathlib import Path

import ibis

from benchmarks.scale.__main__ import sizes
from configs.files import write_text
from features.stored.staging import DIGEST, digested

NEW = 100
"""One row in so many is new."""


def main() -> None:
    """Measure, print and write the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=sizes, default=[5_000_000])
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    chosen = parser.parse_args()
    page = report(chosen.rows)
    write_text(chosen.out / "digests.md", page)
    print(page)


def report(rows: list[int]) -> str:
    """Return the table in Markdown."""
    lines = [
        "# Rows known again by 64 or by 128 bits",
        "",
        "`python -m benchmarks.digests`: processor seconds.",
        "",
        "| rows | bits | digesting and writing | looking for 1 in 100 | on disk |",
        "|---:|---:|---:|---:|---:|",
    ]
    for n in rows:
        for bits, (written, found, size) in costs(n).items():
            cells = f"{written:.1f} s | {found:.2f} s | {size / 1e6:,.0f} MB"
            lines.append(f"| {n:,} | {bits} | {cells} |")
    return "\n".join(lines) + "\n"


def costs(n: int) -> dict[int, tuple[float, float, int]]:
    """Return for each number of bits the seconds of writing and of looking, and the bytes."""
    backend = ibis.duckdb.connect(threads=1)
    rows = ibis.range(n).unnest().name("n").as_table()
    text = rows.n.cast("string")
    key = "0\x1fC" + text.hash().cast("string") + ",2026-06-30 12:00:00,web,visit,inbound," + text
    keyed = backend.create_table("keyed", rows.select(__key=key + ",order,19.90,purchase"))
    wide = {64: keyed.select(**{DIGEST: keyed["__key"].hash()}), 128: digested(keyed)}
    return {bits: _cost(backend, table.select(DIGEST)) for bits, table in wide.items()}


def _cost(backend: ibis.BaseBackend, digests: ibis.Table) -> tuple[float, float, int]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"digests_{uuid.uuid4().hex}.parquet"
        began = os.times()
        backend.to_parquet(digests, path)
        written = os.times()
        there = backend.read_parquet(path)
        few = backend.create_table(path.stem, there.limit(there.count().execute() // NEW))
        prepared = os.times()
        backend.con.sql(backend.compile(few.semi_join(there, DIGEST).count().as_table())).fetchall()
        found = os.times()
        seconds = (sum(b[:2]) - sum(a[:2]) for a, b in ((began, written), (prepared, found)))
        return (*seconds, path.stat().st_size)


if __name__ == "__main__":
    main()
