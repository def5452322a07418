"""The page of results: bars, cost by size, growth, and the peers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.scale.bars import GROWING, Bar, Found, Sizes, growth, is_measured
from benchmarks.scale.contest.subset import SUBSET
from benchmarks.scale.contestants import CUTOFFS, NAMES
from benchmarks.scale.scoring import SCORERS
from benchmarks.scale.stages import STAGES

SAYS = {True: "met", False: "**missed**", None: "not measured"}
STAGE_NAMES = {
    "features": "features, 10 cutoffs",
    "features_1": "features, 1 cutoff",
    "publication": "publication with reasons",
}


def page(sizes: Sizes, told: Sequence[Bar], machine: str, picture: str) -> str:
    """Return all results in Markdown."""
    return "\n".join(
        [
            "# What one machine does",
            "",
            f"`python -m benchmarks.scale`, {machine}. Simulated companies; every stage is a "
            "process of its own; its time is wall time; its memory the largest sum of resident "
            "pages over it and its children; its bytes all that it and they handed to the file "
            "system, temporary files included.",
            "",
            *_bars(told),
            "",
            f"![cost against size]({picture})",
            "",
            *_costs(sizes),
            "",
            *_growths(sizes),
            "",
            *_contest(sizes),
            "",
            *_scoring(sizes),
            "",
        ]
    )


def _bars(told: Sequence[Bar]) -> list[str]:
    rows = [f"| {bar.name} | {bar.asked} | {bar.figure} | {SAYS[bar.met]} |" for bar in told]
    return ["| | asked | found | |", "|---|---|---|---|", *rows]


def _costs(sizes: Sizes) -> list[str]:
    lines = [
        "## Cost by size",
        "",
        "| stage | customers | events | time | processor | memory | written | kept |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for stage in STAGES:
        for size, found in sorted(sizes.items()):
            if not is_measured(found, stage):
                continue
            cost, events = found[stage], found.get("simulate", {}).get("events")
            kept = f"{cost['kept_gib']:.2f} GiB" if cost.get("kept_gib") else ""
            lines.append(
                f"| {STAGE_NAMES.get(stage, stage)} | {size:,} | {events or 0:,} "
                f"| {cost['wall_seconds']:,.1f} s | {cost['cpu_seconds']:,.1f} s "
                f"| {cost['peak_gib']:.2f} GiB | {cost['written_gib']:.2f} GiB | {kept} |"
            )
    return lines


def _growths(sizes: Sizes) -> list[str]:
    lines = [
        "## Growth",
        "",
        "The exponent e of cost ~ customers^e: the slope of the least-squares line through the "
        "logarithms of all sizes from 100,000 customers on. 1 is proportional.",
        "",
        "| stage | time | processor | memory |",
        "|---|---:|---:|---:|",
    ]
    for stage in GROWING:
        fitted = [
            growth(sizes, stage, figure) for figure in ("wall_seconds", "cpu_seconds", "peak_gib")
        ]
        cells = ["" if one is None else f"{one:.2f}" for one in fitted]
        lines.append(f"| {STAGE_NAMES.get(stage, stage)} | " + " | ".join(cells) + " |")
    return lines


def _contest(sizes: Sizes) -> list[str]:
    lines = [
        "## The same features by other means",
        "",
        f"{len(SUBSET)} features of the catalogue as of 1 and of 10 cutoffs, from the same records "
        "to one table on disk, every value held against ours (integers and dates exactly, others "
        "to 1e-9). How each is written: `benchmarks/scale/contest/`.",
        "",
        "| customers | cutoffs | by | time | processor | memory | speed of ours to it | |",
        "|---:|---:|---|---:|---:|---:|---:|---|",
    ]
    for size, found in sorted(sizes.items()):
        for count in CUTOFFS:
            for name in NAMES:
                if row := _contestant(found, size, count, name):
                    lines.append(row)
    return [*lines, "", "The features: " + ", ".join(f"`{name}`" for name in SUBSET) + "."]


def _contestant(found: Found, size: int, count: int, name: str) -> str:
    key = f"contest {name} {count}"
    if key not in found:
        return ""
    cost, start = found[key], f"| {size:,} | {count} | {name} "
    if cost["failed"]:
        return start + f"| | | | | {cost['failed']} |"
    ratio = ""
    if name != "ours" and is_measured(found, f"contest ours {count}"):
        ours = found[f"contest ours {count}"]["wall_seconds"]
        ratio = f"{cost['wall_seconds'] / ours:.2f} ×"
    return start + (
        f"| {cost['wall_seconds']:,.1f} s | {cost['cpu_seconds']:,.1f} s "
        f"| {cost['peak_gib']:.2f} GiB | {ratio} | {_equality(cost)} |"
    )


def _equality(cost: Mapping[str, Any]) -> str:
    unequal = cost.get("unequal")
    if unequal is None:
        return ""
    of = f"{cost['of']}; " if cost.get("of") else ""
    if not unequal:
        return f"{of}equal to ours"
    return f"{of}other values than ours: " + ", ".join(f"{n} {c:,}" for n, c in unequal.items())


def _scoring(sizes: Sizes) -> list[str]:
    lines = [
        "## Scores and explanations",
        "",
        "All customers of a publication from their features. Ours: both targets with the purchase "
        "model, calibration, intervals, tiers, outlook, segments, and reasons as sentences in two "
        "languages that were looked at for stability. LightGBM and `shap`: the same trees' raw "
        "predictions and contributions, nothing else.",
        "",
        "| customers | by | time | processor | memory | customers a second |",
        "|---:|---|---:|---:|---:|---:|",
    ]
    for size, found in sorted(sizes.items()):
        for name in SCORERS:
            if is_measured(found, f"scoring {name}"):
                cost = found[f"scoring {name}"]
                lines.append(
                    f"| {size:,} | {name} | {cost['wall_seconds']:,.1f} s "
                    f"| {cost['cpu_seconds']:,.1f} s | {cost['peak_gib']:.2f} GiB "
                    f"| {size / cost['wall_seconds']:,.0f} |"
                )
    return lines
