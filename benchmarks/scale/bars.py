"""What was asked for, and whether it was met at the largest size that was measured."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Found = Mapping[str, Mapping[str, Any]]
"""What was measured at one size, by name."""
Sizes = Mapping[int, Found]
GROWING = ("intake", "features", "training", "publication")
FROM = 100_000
"""Customers from which growth is fitted: below it, starting is most of the cost."""
MILLION = 1_000_000


@dataclass(frozen=True)
class Bar:
    """One figure that was asked for.

    Attributes:
        name: what is measured.
        asked: the bound, in words.
        figure: what was measured, in words; empty where it was not.
        met: whether it was met; ``None`` where it was not measured.
    """

    name: str
    asked: str
    figure: str = ""
    met: bool | None = None


def bars(sizes: Sizes, spark: Mapping[str, Any], refresh: Mapping[str, Any]) -> list[Bar]:
    """Return every bar with what was found."""
    million = sizes.get(MILLION, {})
    return [
        _at_most("1 M customers: features of 10 cutoffs", million, "features", 15),
        _memory("1 M customers: memory of features", million, "features", 8.0),
        _at_most("1 M customers: training", million, "training", 15),
        _at_most("1 M customers: publication with reasons", million, "publication", 10),
        *(_growth(sizes, stage) for stage in GROWING),
        *(_beside_sql(sizes, count) for count in (1, 10)),
        _beside_pandas(sizes),
        _cutoffs(sizes),
        _refresh(refresh),
        _spark(spark),
    ]


def growth(sizes: Sizes, stage: str, figure: str = "wall_seconds") -> float | None:
    """Return the exponent e of ``figure ~ customers^e`` from ``FROM`` customers on.

    The slope of the least-squares line through the logarithms; ``None`` below two sizes.

    >>> sizes = {10**n: {"intake": {"wall_seconds": 2.0 * 10**n, "failed": ""}} for n in (5, 6)}
    >>> round(growth(sizes, "intake"), 6)
    1.0
    """
    points = [
        (math.log(size), math.log(max(found[stage][figure], 1e-3)))
        for size, found in sizes.items()
        if size >= FROM and is_measured(found, stage)
    ]
    if len(points) < 2:
        return None
    x, y = zip(*points, strict=True)
    return float(np.polyfit(x, y, 1)[0])


def is_measured(found: Found, name: str) -> bool:
    """Return whether ``name`` was measured and did not fail."""
    return name in found and "wall_seconds" in found[name] and not found[name]["failed"]


def largest(sizes: Sizes, names: Sequence[str]) -> tuple[int, Found] | None:
    """Return the largest size at which all of ``names`` were measured."""
    whole = [size for size, found in sizes.items() if all(is_measured(found, n) for n in names)]
    return (max(whole), sizes[max(whole)]) if whole else None


def _at_most(name: str, found: Found, stage: str, minutes: float) -> Bar:
    asked = f"at most {minutes:g} minutes"
    if stage in found and found[stage]["failed"]:
        return Bar(name, asked, found[stage]["failed"], False)
    if not is_measured(found, stage):
        return Bar(name, asked)
    taken = found[stage]["wall_seconds"] / 60
    return Bar(name, asked, f"{taken:.1f} minutes", taken <= minutes)


def _memory(name: str, found: Found, stage: str, gib: float) -> Bar:
    asked = f"at most {gib:g} GiB"
    if not is_measured(found, stage):
        return Bar(name, asked)
    peak = found[stage]["peak_gib"]
    return Bar(name, asked, f"{peak:.2f} GiB", peak <= gib)


def _growth(sizes: Sizes, stage: str) -> Bar:
    exponent = growth(sizes, stage)
    name, asked = f"growth of {stage} from 100,000 customers on", "exponent at most 1.00"
    if exponent is None:
        return Bar(name, asked)
    return Bar(name, asked, f"{exponent:.2f}", round(exponent, 2) <= 1)


def _beside_sql(sizes: Sizes, count: int) -> Bar:
    name = f"speed of features beside hand-written SQL, cutoffs: {count}"
    return _ratio(sizes, name, f"contest DuckDB SQL {count}", f"contest ours {count}", 0.8)


def _beside_pandas(sizes: Sizes) -> Bar:
    name = "speed of features beside pandas, cutoffs: 10"
    return _ratio(sizes, name, "contest pandas 10", "contest ours 10", 10)


def _ratio(sizes: Sizes, name: str, theirs: str, ours: str, at_least: float) -> Bar:
    asked = f"at least {at_least:g} ×"
    both = largest(sizes, (theirs, ours))
    if both is None:
        return Bar(name, asked)
    size, found = both
    ratio = found[theirs]["wall_seconds"] / found[ours]["wall_seconds"]
    return Bar(name, asked, f"{ratio:.2f} × at {size:,} customers", ratio >= at_least)


def _cutoffs(sizes: Sizes) -> Bar:
    name, asked = "cost of features: 10 cutoffs over 1", "at most 2.5 ×"
    both = largest(sizes, ("features", "features_1"))
    if both is None:
        return Bar(name, asked)
    size, found = both
    ratio = found["features"]["wall_seconds"] / found["features_1"]["wall_seconds"]
    return Bar(name, asked, f"{ratio:.2f} × at {size:,} customers", ratio <= 2.5)


def _refresh(found: Mapping[str, Any]) -> Bar:
    name, asked = "daily refresh with 1 % new records, of a full run", "at most 10 %"
    rows = [row for row in found.get("rows", ()) if "daily" in row]
    if not rows:
        return Bar(name, asked)
    row = max(rows, key=lambda one: one["customers"])
    share = row["daily"]["cpu"] / row["full"]["cpu"]
    figure = f"{share:.1%} of processor time at {row['customers']:,} customers"
    return Bar(name, asked, figure, share <= 0.1)


def _spark(found: Mapping[str, Any]) -> Bar:
    name, asked = "Spark on two local workers: 1 M customers", "finishes"
    steps = found.get(str(MILLION), {})
    ran = {step: by["spark"] for step, by in steps.items() if "spark" in by}
    if not {"intake", "features", "publication"} <= set(ran):
        return Bar(name, asked)
    failed = [f"{step} {cost['failed']}" for step, cost in ran.items() if cost["failed"]]
    minutes = sum(cost["wall_seconds"] for cost in ran.values()) / 60
    return Bar(name, asked, "; ".join(failed) or f"{minutes:.0f} minutes in all", not failed)
