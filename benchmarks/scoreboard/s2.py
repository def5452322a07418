"""S2: Online Retail II, 26 weeks ahead of three cutoffs, each trained on what had closed by it."""

from __future__ import annotations

import datetime as dt

from benchmarks.scoreboard.bars import CUTOFFS, RETAIL
from benchmarks.scoreboard.contest import Contest, Contests
from benchmarks.scoreboard.metrics import INACTIVITY, VALUE
from benchmarks.scoreboard.peers import QUICK, collected
from benchmarks.scoreboard.records import Row
from benchmarks.scoreboard.retail import Retail
from benchmarks.scoreboard.setting import Setting
from configs.progress import Progress


def run(setting: Setting, progress: Progress) -> list[Row]:
    """Return value and inactivity at each cutoff, their mean and the worst."""
    progress("records and features", 0.0)
    days = [dt.date.fromisoformat(cutoff) for cutoff in CUTOFFS]
    retail = Retail.opened(setting, days)
    asked = {
        day: setting.peers.forecasts(QUICK, retail.buyers(day), retail.shop.horizon_days)
        for day in days
    }
    value: dict[str, Contest] = {}
    inactivity: dict[str, Contest] = {}
    for i, day in enumerate(days):
        progress(f"training on {day}", 0.1 + 0.15 * i)
        models = retail.shop.fitted_on(day).models
        progress(f"the peers on {day}", 0.2 + 0.15 * i)
        said = collected(asked[day])
        value[str(day)] = retail.value_contest(day, models["clv"], said)
        inactivity[str(day)] = retail.inactivity_contest(day, models["churn"], said)
    rows: list[Row] = []
    for i, (by_cutoff, metrics) in enumerate(((value, VALUE), (inactivity, INACTIVITY))):
        contests = Contests("S2", RETAIL, by_cutoff)
        for j, metric in enumerate(metrics):
            progress(f"bootstraps: {metric.name}", 0.55 + 0.225 * (i + j / len(metrics)))
            rows += [contests.at(cutoff, metric, cutoff) for cutoff in CUTOFFS]
            rows += [contests.mean(metric), contests.worst(metric)]
    return rows
