"""The results as a page."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks.load import Run
from benchmarks.serving.contestants import Server
from benchmarks.serving.measure import (
    Round,
    Spread,
    per_second_ratio,
    processor_ratio,
    spread,
    tail_ratio,
)

OURS, FASTAPI = "Echelon", "FastAPI, same look-up"
ROUTE, MOUNTED = "BentoML, empty route", "BentoML, empty mounted app"
MLFLOW = "mlflow models serve"
READY_SECONDS = 6.0


@dataclass(frozen=True)
class Bar:
    """What was promised, and what came."""

    promise: str
    found: Spread
    is_met: bool

    def line(self) -> str:
        return f"| {self.promise} | {self.found} | {'met' if self.is_met else '**missed**'} |"


def bars(found: Mapping[str, Sequence[Round]], ready: Sequence[float]) -> list[Bar]:
    """Return the bars, judged by the medians over the rounds."""
    ours = found[OURS]
    empty = per_second_ratio(ours, found[ROUTE])
    mounted = per_second_ratio(ours, found[MOUNTED])
    bare = per_second_ratio(ours, found[FASTAPI])
    tail = tail_ratio(ours, found[FASTAPI])
    start = spread(ready)
    return [
        Bar("throughput ≥ 0.9 of an empty BentoML route", empty, empty.middle >= 0.9),
        Bar("throughput ≥ 0.9 of an empty app in BentoML", mounted, mounted.middle >= 0.9),
        Bar("throughput ≥ 0.6 of bare FastAPI", bare, bare.middle >= 0.6),
        Bar("99 % at half load ≤ 2 × FastAPI's", tail, tail.middle <= 2.0),
        Bar("ready within 6 s of start", start, start.middle <= READY_SECONDS),
    ]


def page(
    command: str,
    found: Mapping[str, Sequence[Round]],
    rows: Mapping[str, Mapping[int, Round]],
    ready: Sequence[float],
    servers: Mapping[str, Server],
    ceiling: Run,
    not_run: Sequence[str],
) -> str:
    """Return the page of one run."""
    load = os.getloadavg()[0]
    lines = [
        "# Serving",
        "",
        f"By `{command}`, in one run; medians over the rounds, least and greatest in brackets.",
        "Every contestant is one process with one worker and has the machine's other core to the",
        "load generator and whatever else runs; the contestants take turns within each round.",
        f"{os.cpu_count()} cores; at the end, {load:.1f} processes wanted them. The generator can",
        f"ask {ceiling.per_second:,.0f} times a second (a server that does nothing).",
        "",
        "| promise | found | |",
        "|---|---|---|",
        *(bar.line() for bar in bars(found, ready)),
        "",
        "## One customer by id",
        "",
        "Eight connections kept busy; then Poisson arrivals at half that rate, latency from the",
        "moment that a request was due. Milliseconds; *processor* is the server's, per request,",
        "which other work on the machine changes least.",
        "",
        "| | requests/s | processor | 50 % | 95 % | 99 % | statuses |",
        "|---|---|---|---|---|---|---|",
        *(_line(name, rounds) for name, rounds in found.items()),
        "",
        *_ratios(found),
        "",
        "## Raw records",
        "",
        "Rows of orders, each of another customer, scored with reasons; `mlflow models serve` gets",
        "ready features and gives back one number each, without reasons. Per row, one connection",
        "kept busy.",
        "",
        "| rows | " + " | ".join(f"{name}: ms | processor ms | per row" for name in rows) + " |",
        "|---|" + "---|---|---|" * len(rows),
        *_row_lines(rows),
        "",
        "## Start",
        "",
        "| | ready after, s | processor, s |",
        "|---|---|---|",
        *(
            f"| {name} | {server.seconds_to_ready:.1f} | {server.processor_to_ready:.1f} |"
            for name, server in servers.items()
        ),
        "",
        *(f"Not run: {name}." for name in not_run),
    ]
    return "\n".join(lines).rstrip() + "\n"


def _line(name: str, rounds: Sequence[Round]) -> str:
    def middle(values: Sequence[float]) -> float:
        return spread(values).middle

    latency = " | ".join(f"{middle([one.latency[i] for one in rounds]):.1f}" for i in range(3))
    statuses: dict[int, int] = {}
    for one in rounds:
        for status, n in one.statuses.items():
            statuses[status] = statuses.get(status, 0) + n
    told = ", ".join(f"{status}: {n:,}" for status, n in sorted(statuses.items()))
    rate = spread([one.per_second for one in rounds])
    return (
        f"| {name} | {rate.middle:,.0f} ({rate.low:,.0f} to {rate.high:,.0f}) | "
        f"{middle([one.processor for one in rounds]):.2f} | {latency} | {told} |"
    )


def _ratios(found: Mapping[str, Sequence[Round]]) -> list[str]:
    ours = found[OURS]
    return [
        f"- Against {name}: {per_second_ratio(ours, rounds)} times its throughput, "
        f"{processor_ratio(ours, rounds)} times by processor time; "
        f"99 % {tail_ratio(ours, rounds)} times."
        for name, rounds in found.items()
        if name != OURS
    ]


def _row_lines(rows: Mapping[str, Mapping[int, Round]]) -> list[str]:
    sizes = sorted({size for found in rows.values() for size in found})
    return [
        f"| {size:,} | "
        + " | ".join(_cells(found.get(size), size) for found in rows.values())
        + " |"
        for size in sizes
    ]


def _cells(found: Round | None, size: int) -> str:
    if found is None:
        return "– | – | –"
    wall = 1000.0 / found.per_second
    return f"{wall:.1f} | {found.processor:.1f} | {wall / size:.3f}"
