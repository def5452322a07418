"""Works out what employees attained, beside what was to be expected of their customers."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from configs.files import write_text
from configs.schema import Config
from features.declared.satisfaction import rating_mean
from features.labels import Label, label_table
from features.sources import Records, day_number
from serving.console.acting import events
from serving.console.staff.kpi import KPI_FILE, EmployeeKpi, KpiReport, MeasureName
from serving.console.staff.team import TeamRead, team_of
from serving.endpoint.state import State
from serving.monitoring.outcomes import published
from serving.scores.publication import SCORES_FILE, Publication
from serving.trials.outcomes import leaving, money
from training.adjusted import attained
from training.columns import column_values

Vector = NDArray[np.float64]
SATISFACTION = Label("csat", "satisfaction", rating_mean)
RESOLUTION = Label("resolution_hours", "resolutions", lambda t: t.resolution_hours.mean())


def measure_kpi(config: Config, state: State, records: Records, last: int) -> KpiReport | None:
    """Return what employees attained in the last period that has closed, and keep it.

    ``None`` where there is no team, or no publication is old enough.
    """
    team = team_of(config)
    base = _base(config, last)
    if not team.employees or base is None:
        return None
    scores = pq.read_table(
        base.folder / SCORES_FILE,
        columns=["customer_id", "tier", "churn_probability", "clv_expected"],
    )
    ids = scores["customer_id"].to_pylist()
    tiers = np.array([code or "" for code in scores["tier"].to_pylist()], dtype=str)
    churn, value = (column_values(scores, name) for name in ("churn_probability", "clv_expected"))
    owner = _owners(team, state, config, base.manifest.as_of, ids)
    known = _known(tiers, churn, value)
    results = _results(config, records, last, base, ids)
    found = {name: attained(y, known, owner, len(team.employees)) for name, y in results.items()}
    report = KpiReport(
        made_at=dt.datetime.now(dt.UTC),
        publication=base.manifest.id,
        begins_after=base.manifest.as_of,
        ends_on=leaving(config).closes_on(base.manifest.as_of),
        employees=tuple(
            EmployeeKpi(
                code=one.code,
                name=one.name,
                skill=one.skill,
                customers=int((owner == at).sum()),
                tiers={
                    code: int(((owner == at) & (tiers == code)).sum()) for code in np.unique(tiers)
                },
                measures={name: told[at] for name, told in found.items() if told[at] is not None},
            )
            for at, one in enumerate(team.employees)
        ),
    )
    write_text(config.stores.trials / KPI_FILE, report.model_dump_json(indent=1))
    return report


def _base(config: Config, last: int) -> Publication | None:
    """Return the latest publication whose period has closed."""
    days = leaving(config).days
    closed = [
        one
        for one in published(config.stores.publications)
        if day_number(one.manifest.as_of) + days <= last
    ]
    return max(closed, key=lambda one: (one.manifest.as_of, one.manifest.id), default=None)


def _owners(
    team: TeamRead, state: State, config: Config, day: dt.date, ids: Sequence[str]
) -> NDArray[np.int64]:
    """Return who looked after each customer on ``day``: assigned by then, or by the file."""
    owner = team.owner_indices(ids)
    at = {one.code: number for number, one in enumerate(team.employees)}
    row = {customer_id: number for number, customer_id in enumerate(ids)}
    zone = ZoneInfo(config.timezone)
    deeds = events.of_kinds(state, ("assign", "withdraw"))
    gone = {one.details["event"] for one in deeds if one.kind == "withdraw"}
    for event in deeds:
        is_meant = event.kind == "assign" and event.id not in gone and event.customer_id in row
        if is_meant and event.at.astimezone(zone).date() <= day:
            owner[row[event.customer_id]] = at.get(event.details["owner"], -1)
    return owner


def _known(tiers: NDArray[np.str_], churn: Vector, value: Vector) -> Vector:
    """Return what is known before: tier, risk and expected value, money as it is and its log."""
    codes = np.unique(tiers)[1:]
    of_tier = [(tiers == code).astype(float) for code in codes]
    risk = np.where(np.isnan(churn), np.nanmean(churn) if (~np.isnan(churn)).any() else 0.0, churn)
    worth = np.nan_to_num(value)
    scale = max(float(worth.mean()), 1.0)
    return np.column_stack([*of_tier, risk, risk**2, worth / scale, np.log1p(worth / scale)])


def _results(
    config: Config, records: Records, last: int, base: Publication, ids: Sequence[str]
) -> dict[MeasureName, Vector]:
    """Return every measure of every customer, NaN where there was nothing to measure."""
    window = leaving(config)
    day = day_number(base.manifest.as_of)
    spend = money(config, window.days).label
    labels = [window.label, spend, SATISFACTION, RESOLUTION]
    there = [one for one in labels if _has(records, one)]
    table = label_table(records, there, [day], window.days, last)
    own = table["customer_id"].to_numpy(zero_copy_only=False).astype(str)
    asked = np.array(ids, dtype=str)
    at = np.minimum(np.searchsorted(own, asked), max(len(own) - 1, 0))
    is_there = own[at] == asked
    found = {
        one.name: np.where(is_there, column_values(table, one.name)[at], np.nan) for one in there
    }
    named: dict[MeasureName, Vector] = {
        "retention": 1.0 - found[window.label.name],
        "sales": found[spend.name],
    }
    if SATISFACTION.name in found:
        named["satisfaction"] = found[SATISFACTION.name]
    if RESOLUTION.name in found:
        named["resolution_hours"] = found[RESOLUTION.name]
    return named


def _has(records: Records, label: Label) -> bool:
    """Return whether the company keeps the records that a label counts."""
    table = "interactions" if label.source == "resolutions" else label.source
    return table not in ("interactions", "satisfaction") or table in records.tables
