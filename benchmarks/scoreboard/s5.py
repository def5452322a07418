"""S5: tiers over six refreshes of four weeks, and segments over as many refits, on S2's data."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.scoreboard import plain
from benchmarks.scoreboard.bars import CUTOFFS, RETAIL
from benchmarks.scoreboard.contest import Vector
from benchmarks.scoreboard.records import Better, Row, judged
from benchmarks.scoreboard.setting import Setting
from benchmarks.scoreboard.shop import Shop, opened
from configs.progress import Progress
from features.catalogue import select
from training.clusters import find_segments
from training.dataset import Dataset
from training.fitted import Fitted
from training.policy import Policy
from training.segments import Segments

FIRST = dt.date.fromisoformat(CUTOFFS[0])
REFRESH_DAYS, REFRESHES = 28, 6
Codes = NDArray[np.str_]


@dataclass(frozen=True)
class Day:
    """The buyers at one refresh: who they are, their features, and what they spent after."""

    customers: NDArray[np.str_]
    rows: Dataset


@dataclass(frozen=True)
class Kept:
    """How one way of giving tiers did over all refreshes."""

    changed: float
    top_share: float
    rising: float


def run(setting: Setting, progress: Progress) -> list[Row]:
    """Return what tiers and segments do when they are refreshed."""
    progress("records", 0.0)
    shop = opened(RETAIL, setting.data, setting.scratch, setting.threads)
    progress("features", 0.1)
    days = _days(shop)
    progress(f"training on {FIRST}", 0.2)
    fitted = shop.fitted_on(FIRST)
    progress("tiers", 0.5)
    rows = _tier_rows(fitted, shop, days)
    progress("segments", 0.6)
    return [*rows, *_segment_rows(fitted, shop, days)]


def _days(shop: Shop) -> list[Day]:
    """Return the buyers on the first day and at each refresh, labelled by later spend."""
    dates = [FIRST + dt.timedelta(days=REFRESH_DAYS * i) for i in range(REFRESHES + 1)]
    everybody = shop.customers_at(dates)
    buyers = Dataset(everybody.matrix, shop.outcomes(everybody)[1]).buyers()
    found = []
    for cutoff in buyers.cutoffs:
        rows = buyers.at([cutoff])
        found.append(Day(np.array(rows.matrix.column("customer_id").to_pylist()), rows))
    return found


def _tier_rows(fitted: Fitted, shop: Shop, days: Sequence[Day]) -> list[Row]:
    """Return the rows of tiers: ours, ours without a band, and tiers by the rate of spending."""
    model, policy = fitted.models["clv"], fitted.policy
    ours = [model.predict(day.rows.columns(model.inputs)) for day in days]
    rates = [plain.spend_rate(day.rows, shop.horizon_days) for day in days]
    bare = policy.model_copy(update={"hysteresis": 0.0, "minimum_stay_days": 0})
    kept = refreshed(policy, days, ours)
    peers = {
        "without hysteresis": refreshed(bare, days, ours),
        "by spend rate": refreshed(Policy.freeze(shop.config.policy, rates[0]), days, rates),
    }

    def row(name: str, better: Better, part: str) -> Row:
        others = {who: getattr(one, part) for who, one in peers.items()}
        return judged("S5", RETAIL, None, name, better, getattr(kept, part), others)

    return [
        row("tiers changed per refresh", "lower", "changed"),
        row("future value in the top tier", "higher", "top_share"),
        row("refreshes where value rises with the tier", "higher", "rising"),
    ]


def refreshed(policy: Policy, days: Sequence[Day], values: Sequence[Vector]) -> Kept:
    """Return how tiers by frozen thresholds did, each refresh held against the one before."""
    codes = policy.assign(values[0]).codes
    stayed = np.full(len(codes), np.inf)
    changed, shares, rising = [], [], []
    for before, day, value in zip(days, days[1:], values[1:], strict=False):
        place = {name: i for i, name in enumerate(before.customers)}
        found = np.array([place.get(name, -1) for name in day.customers])
        known = found >= 0
        previous = np.where(known, codes[found], "")
        since = np.where(known, stayed[found] + REFRESH_DAYS, np.nan)
        codes = policy.assign(value, previous, since).codes
        stayed = np.where(known & (codes == previous), since, 0.0)
        changed.append(float((codes != previous)[known].mean()))
        shares.append(float(day.rows.y[codes == policy.codes[-1]].sum() / day.rows.y.sum()))
        rising.append(_rises(policy, codes, day.rows.y))
    return Kept(float(np.mean(changed)), float(np.mean(shares)), float(np.mean(rising)))


def _rises(policy: Policy, codes: Codes, spent: Vector) -> bool:
    """Return whether the mean of what came after rises strictly from tier to tier."""
    means = [spent[codes == code].mean() for code in policy.codes if (codes == code).any()]
    return bool((np.diff(means) > 0).all())


def _segment_rows(fitted: Fitted, shop: Shop, days: Sequence[Day]) -> list[Row]:
    """Return the rows of segments: the worst of the first fit and six refits, and labels kept."""
    model, features = fitted.models["clv"], select(shop.config.features)
    names = [feature.name for feature in features]
    limits = shop.config.training.segments_at_most, shop.config.training.seed
    ours, anew = [fitted.segments], [fitted.segments]
    same, same_anew = [], []
    for day in days[1:]:
        columns = day.rows.columns(names)
        value = model.predict(day.rows.columns(model.inputs))
        ours.append(find_segments(columns, features, value, *limits, previous=ours[-1]))
        anew.append(find_segments(columns, features, value, *limits))
        n = len(day.customers)
        same.append(_agree(ours[-2], ours[-1], columns, n))
        same_anew.append(_agree(anew[-2], anew[-1], columns, n))

    def row(name: str, figure: float, beside: float) -> Row:
        peers = {"found anew each time": beside}
        return judged("S5", RETAIL, None, f"segments: {name}", "higher", figure, peers)

    return [
        row("bootstrap ARI", *(min(s.stability or 0.0 for s in fits) for fits in (ours, anew))),
        row("tree agreement", *(min(s.agreement or 0.0 for s in fits) for fits in (ours, anew))),
        row("same label after a refit", float(np.mean(same)), float(np.mean(same_anew))),
    ]


def _agree(before: Segments, after: Segments, columns: dict[str, Vector], n: int) -> float:
    """Return the share of customers whom both segmentations give the same label."""
    return float((before.assign(columns, n) == after.assign(columns, n)).mean())
