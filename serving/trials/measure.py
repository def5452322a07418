"""Measures what actions changed, over every trial whose window has closed, and keeps one report."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterable, Sequence
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa

from configs.files import write_text
from configs.progress import Progress, silent
from configs.schema import Action, Config
from features.sources import Records, date_of, day_number, last_day, open_engine, open_records
from serving.champions.live_records import live_records
from serving.console.acting import events
from serving.console.experiments.effects import (
    FEWEST_TAKEN_UP,
    REPORT_FILE,
    ActionEffect,
    EffectsReport,
    Ranking,
    Standing,
    TierEffect,
    TrialRead,
)
from serving.console.experiments.trials import ORIGINS, Trial, audience, begin_quarter, opened
from serving.endpoint.state import State
from serving.scores.publication import Publication, open_live
from serving.trials.acted import Acted, acted
from serving.trials.kpi_measure import measure_kpi
from serving.trials.rows import Rows, closed_rows, closes_on, together
from serving.trials.whom import predict, whom
from training.odds import share_taken
from training.pooled import pooled
from training.trial_effects import (
    Difference,
    customers_needed,
    is_as_drawn,
    look_level,
    mean_difference,
    rate_difference,
)

PRECISION = 0.02
"""Half-width of the interval of retention that is aimed at: two points."""
Z_95 = 1.96


def measure(config: Config, state: State, progress: Progress = silent) -> EffectsReport:
    """Return what every action changed as far as records tell, and keep it for the pages.

    Raises:
        PublicationError: nothing is published.
        RecordsError: nothing is taken in.
    """
    live = open_live(config.stores.publications)
    records, last = _records(config, live)
    costs = {action.code: action.cost for action in config.actions}
    deeds = events.of_kinds(state, ("offer", "withdraw"))
    done = acted(deeds, costs, ZoneInfo(config.timezone))
    begin_quarter(state, config, live)
    trials = opened(state)
    found = []
    for number, action in enumerate(config.actions):
        progress("effects", number / len(config.actions))
        own = [trial for trial in trials if trial.action == action.code]
        found.append(_of_action(config, live, records, last, action, own, done))
    report = EffectsReport(
        made_at=dt.datetime.now(dt.UTC),
        records_to=date_of(last),
        publication=live.manifest.id,
        actions=tuple(found),
    )
    predict(config, live, report)
    write_text(config.stores.trials / REPORT_FILE, report.model_dump_json(indent=1))
    if records is not None:
        measure_kpi(config, state, records, last)
    progress("effects", 1.0)
    return report


def _records(config: Config, live: Publication) -> tuple[Records | None, int]:
    """Return the records and the last day they hold; a snapshot has no records of later days."""
    if config.sources.snapshot is not None:
        return None, day_number(live.manifest.as_of)
    records = open_records(open_engine(config.engine), live_records(config))
    return records, last_day(records)


def _of_action(
    config: Config,
    live: Publication,
    records: Records | None,
    last: int,
    action: Action,
    trials: Sequence[Trial],
    done: Acted,
) -> ActionEffect:
    """Return what is known of one action."""
    found: list[Rows] = []
    reads: list[TrialRead] = []
    counted: dict[str, set[str]] = {}
    lost = 0.0
    for trial in sorted(trials, key=lambda one: ORIGINS.index(one.origin)):
        people = audience(config, trial)
        standing = _standing(config, trial, people, last)
        lost += 0.0 if people is None else _assumed_loss(action, people)
        read = _read(config, trial, standing)
        if people is not None and records is not None and standing == "closed":
            fresh = _fresh(people, counted.setdefault(trial.quarter, set()))
            rows = closed_rows(config, records, last, trial, fresh, done)
            found.append(rows)
            read = _with_outcome(read, rows)
        reads.append(read)
    effect = ActionEffect(
        action=action.code,
        trials=tuple(sorted(reads, key=lambda one: one.as_of, reverse=True)),
        looks=len({one.closes_on for one in reads if one.standing == "closed"}),
        taken=done.times.get(action.code, 0),
        spent=done.money.get(action.code, 0.0),
        foregone=lost,
    )
    return _measured(config, live, action, effect, together(found)) if found else effect


def _standing(config: Config, trial: Trial, people: pa.Table | None, last: int) -> Standing:
    if people is None:
        return "missing"
    if not is_as_drawn(trial.n_offered, trial.n_held_out, trial.holdout_share):
        return "not_as_drawn"
    return "closed" if closes_on(config, trial) <= date_of(last) else "running"


def _fresh(people: pa.Table, counted: set[str]) -> pa.Table:
    """Return those who count in no narrower audience of the quarter, and count them."""
    ids = people["customer_id"].to_pylist()
    is_new = pa.array([one not in counted for one in ids], pa.bool_())
    counted.update(ids)
    return people.filter(is_new)


def _read(config: Config, trial: Trial, standing: Standing) -> TrialRead:
    return TrialRead(
        id=trial.id,
        quarter=trial.quarter,
        origin=trial.origin,
        as_of=trial.as_of,
        publication=trial.publication,
        holdout_share=trial.holdout_share,
        closes_on=closes_on(config, trial),
        n_offered=trial.n_offered,
        n_held_out=trial.n_held_out,
        standing=standing,
    )


def _with_outcome(read: TrialRead, rows: Rows) -> TrialRead:
    offered, left_out = rows.acted[~rows.held_out], rows.acted[rows.held_out]
    return read.model_copy(
        update={
            "retained": rate_difference(rows.of_stayed),
            "acted_offered": float(offered.mean()) if len(offered) else None,
            "acted_held_out": float(left_out.mean()) if len(left_out) else None,
        }
    )


def _measured(
    config: Config, live: Publication, action: Action, effect: ActionEffect, rows: Rows
) -> ActionEffect:
    retained = rate_difference(rows.of_stayed)
    if retained is None:
        return effect
    needed = customers_needed(retained.held_out, PRECISION, float(rows.held_out.mean()))
    value = mean_difference(rows.arms(rows.whole, rows.value))
    taken_up = float(rows.acted[~rows.held_out].mean() - rows.acted[rows.held_out].mean())
    told = effect.model_copy(
        update={
            "retained": retained,
            "retained_every_look": rate_difference(rows.of_stayed, look_level(effect.looks)),
            "value_near": mean_difference(rows.arms(rows.near, rows.value)),
            "value": value,
            "taken_up": taken_up,
            "per_acted": _per_acted(retained, taken_up),
            "tiers": _tiers(rows, list(live.manifest.terms.tier_names)),
            "more_needed": max(needed - len(rows), 0),
            "uplift": whom(config, live, action.code, rows),
        }
    )
    if told.is_measured and value is not None:
        net = value.estimate - action.cost * float(rows.acted[~rows.held_out].mean())
        gain = max(net, 0.0) * sum(one.n_held_out for one in effect.trials)
        told = told.model_copy(update={"foregone": gain, "foregone_by": "measured"})
    return told.model_copy(update={"ranking": _ranking(told)})


def _ranking(told: ActionEffect) -> Ranking:
    if not told.is_measured:
        return "break_even"
    return "uplift" if told.uplift is not None and told.uplift.is_used else "average"


def _per_acted(retained: Difference, taken_up: float) -> Difference | None:
    """Return the effect on whom the action was taken with (Bloom 1984): by the arms' take-up."""
    if taken_up < FEWEST_TAKEN_UP:
        return None
    limits = {name: getattr(retained, name) / taken_up for name in ("estimate", "low", "high")}
    return retained.model_copy(update=limits)


def _tiers(rows: Rows, codes: Iterable[str]) -> tuple[TierEffect, ...]:
    """Return the effect within each tier that has enough customers, the highest tier first."""
    alone = {code: rate_difference(rows.of(rows.tier == code).of_stayed) for code in codes}
    told = {code: one for code, one in alone.items() if one is not None}
    if not told:
        return ()
    mean, spread = pooled(
        [one.estimate for one in told.values()], [one.standard_error for one in told.values()]
    )
    return tuple(
        TierEffect(
            tier=code,
            alone=told[code],
            points=float(m),
            low=float(m - Z_95 * s),
            high=float(m + Z_95 * s),
        )
        for code, m, s in zip(told, mean, spread, strict=True)
    )


def _assumed_loss(action: Action, people: pa.Table) -> float:
    """Return what leaving customers out costs by the assumed effect: value saved less cost."""
    if action.effect is None:
        return 0.0
    held = people.filter(people["held_out"])
    churn, value = held["churn_probability"].to_numpy(), held["clv_expected"].to_numpy()
    net = share_taken(churn, action.effect) * churn * value - action.cost
    return math.fsum(np.maximum(np.nan_to_num(net), 0.0).tolist())
