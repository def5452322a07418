"""Training in one call: records in, :class:`Fitted` out.

Every target is fitted twice. The *measured* model learns only from horizons that had closed by
the evaluation cutoff and is graded on what came after, beside simple rules. The *served* model
learns from every horizon that has closed by the as-of day.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from configs.errors import TrainingError
from configs.progress import Progress, silent
from configs.schema import Config, Text, Training
from features.build import feature_matrix
from features.catalogue import select
from features.labels import CONTRACT_END, MARGIN, NO_PURCHASE, SPEND, Label, label_table
from features.mix import record_mixes, snapshot_mixes
from features.sample import sampled
from features.sources import Records, date_of, day_number, fetch, last_day, open_engine
from features.spec import Feature
from training import notes as words
from training.additive import AdditiveModel
from training.anchor import VALUE_INPUTS, PurchaseModels, TargetName, fitted_purchase
from training.boosting import fit_target
from training.clusters import find_segments
from training.contract import listed
from training.contract_fit import fit_contracts
from training.coverage import Errors, coverage
from training.dataset import Dataset, Grid, grid, with_earlier
from training.evaluate import Evaluation, TargetEvaluation
from training.fitted import Fitted, Reference, golden_rows, served_scores, summarise
from training.grade import not_graded
from training.held_out import Trial, held_out_of
from training.hindsight import check_no_feature_foretells, check_no_feature_reads_the_future
from training.intervals import Intervals
from training.leaks import check_no_feature_tells_all
from training.level import Level, Levels, levels
from training.measure import measured
from training.models import Model
from training.outlook import Outlook
from training.outlook_fit import fit_outlook
from training.outlook_quality import OutlookEvaluation, evaluated
from training.policy import Policy, check_guards
from training.portfolio import Portfolio
from training.segments import Segments
from training.shuffled import check_shuffled_labels_teach_nothing
from training.signals import learn_sentiment, with_signals
from training.winner import served_form

__all__ = ["Fitted", "Reference", "fit"]

Vector = NDArray[np.float64]
LEAVE_OUT = "add it to features.leave_out"


def fit(
    config: Config,
    records: Records | pa.Table,
    progress: Progress = silent,
    previous: Segments | None = None,
) -> Fitted:
    """Return models, policy, segments and figures learnt from ``records``.

    Args:
        config: horizons, snapshots, features, training, policy.
        records: the event tables; or the table of a snapshot source (contract customers).
        progress: told of each step.
        previous: the segments in use, whose labels are kept where they still hold.

    Raises:
        TrainingError: nobody has bought anything, or a feature knows the future.
        ConfigError: a guard reads a feature that is not chosen.
    """
    with threadpool_limits(1, user_api="blas"):
        if isinstance(records, pa.Table):
            fitted = fit_contracts(config, records, progress, previous)
            assert config.sources.snapshot is not None
            categories = listed(config.sources.snapshot, records).categories
            return fitted.with_mixes(snapshot_mixes(records, categories))
        fitted = _fit_buyers(config, records, progress, previous)
        return fitted.with_mixes(record_mixes(records, day_number(fitted.as_of)))


@dataclass(frozen=True)
class _Task:
    """One target of event customers: its horizon, label and cutoffs."""

    target: TargetName
    horizon_days: int
    label: Label
    grid: Grid


@dataclass(frozen=True)
class _Learnt:
    """What fitting one target gave."""

    model: Model
    evaluation: TargetEvaluation
    expected: Vector
    actual: Vector
    """Predictions and outcomes at the evaluation cutoff; empty where there is none."""
    trial: Trial | None
    """Who was measured on, and the measured model; ``None`` where nobody was."""
    past: tuple[Errors, ...] = ()
    """Errors of value at the measured cutoffs, the latest last."""


def _fit_buyers(
    config: Config, records: Records, progress: Progress, previous: Segments | None
) -> Fitted:
    features = select(config.features)
    check_guards(config.policy, [feature.name for feature in features])
    as_of = last_day(records) if config.as_of is None else day_number(config.as_of)
    tasks = _tasks(config, _first_purchase_day(records, as_of), as_of)
    records, n_customers = sampled(records, config.training.customers_at_most)
    progress("comments", 0.0)
    sentiment = learn_sentiment(records, as_of)
    records = with_signals(records, sentiment)
    progress("comments", 1.0)
    progress("features", 0.0)
    data = Dataset(_matrix(records, features, tasks, as_of))
    progress("features", 1.0)
    purchases = _purchases(data, config.training.purchase_model, progress)
    now = data.at([as_of])
    progress("leakage", 0.0)
    _check_hindsight(config, records, features, data, tasks, as_of)
    progress("leakage", 1.0)
    seasons = _seasons(records, tasks, as_of, config.training.purchase_model, progress)
    learnt = {
        task.target: _learn(
            task, records, data, now, purchases, seasons, features, config, progress
        )
        for task in tasks
    }
    if n_customers > config.training.customers_at_most:
        learnt = _noting_the_sample(learnt, config.training.customers_at_most, n_customers)
    fitted = _assembled(config, features, sentiment, as_of, now, tasks, learnt, previous, progress)
    progress("tier outlook", 0.0)
    outlook, quality = _outlook(
        fitted, tasks[1], records, data, now, purchases, learnt["clv"].trial, config
    )
    progress("tier outlook", 1.0)
    evaluation = fitted.evaluation.model_copy(update={"outlook": quality})
    return replace(fitted, outlook=outlook, evaluation=evaluation)


def _outlook(
    fitted: Fitted,
    task: _Task,
    records: Records,
    data: Dataset,
    now: Dataset,
    purchases: Mapping[int, PurchaseModels],
    trial: Trial | None,
    config: Config,
) -> tuple[Outlook | None, OutlookEvaluation | None]:
    """Return the tier outlook, and how its measured twin did at the evaluation cutoff."""
    as_of, policy, settings = now.cutoffs[0], fitted.policy, config.training
    known_by = None if config.as_of is None else as_of
    model = fitted.models["clv"]
    inputs = model.tree_inputs if isinstance(model, AdditiveModel) else ()

    def learnt_from(train: Dataset, present: Dataset) -> Outlook | None:
        if train.buyers().n_customers < settings.minimum_customers:
            return None
        days = task.horizon_days
        return fit_outlook(train, present, purchases, policy.thresholds, inputs, days, settings)

    train = _labelled(task, records, data, task.grid.served, as_of, known_by)
    served, quality = learnt_from(train, now), None
    day = task.grid.evaluation
    if served is not None and trial is not None and day is not None:
        train = _labelled(task, records, data, task.grid.measured, day, known_by=day)
        twin = learnt_from(train, trial.rows)
        if twin is not None:
            reach = twin.reach(trial.rows.columns(twin.inputs))
            quality = evaluated(date_of(day), reach, trial.rows.y, trial.predicted, policy)
    return served, quality


def _check_hindsight(
    config: Config,
    records: Records,
    features: Sequence[Feature],
    data: Dataset,
    tasks: Sequence[_Task],
    as_of: int,
) -> None:
    """Look for features that know the future, at the latest cutoff whose horizon has closed."""
    closed = [cutoff for task in tasks for cutoff in task.grid.served]
    if not closed:
        return
    rows = data.at([max(closed)])
    if not len(rows):
        return
    here = records.backend.name != "pyspark"
    own = None if here else open_engine(config.engine.model_copy(update={"name": "duckdb"}))
    check_no_feature_reads_the_future(records, features, rows, LEAVE_OUT, own)
    names = [feature.name for feature in features]
    check_no_feature_foretells(records, rows.buyers(), names, as_of, LEAVE_OUT)


def _noting_the_sample(
    learnt: dict[TargetName, _Learnt], n: int, of: int
) -> dict[TargetName, _Learnt]:
    def noted(one: TargetEvaluation) -> TargetEvaluation:
        return one.model_copy(update={"notes": (*one.notes, words.drawn(n, of))})

    return {t: replace(one, evaluation=noted(one.evaluation)) for t, one in learnt.items()}


def _tasks(config: Config, first_day: int, as_of: int) -> tuple[_Task, _Task]:
    fixed = config.snapshots.evaluation_cutoff
    evaluation = None if fixed is None else day_number(fixed)

    def task(target: TargetName, horizon_days: int, label: Label) -> _Task:
        cutoffs = grid(config.snapshots, horizon_days, first_day, as_of, evaluation)
        return _Task(target, horizon_days, label, cutoffs)

    churn, clv = config.churn, config.clv
    value = task("clv", clv.horizon_days, SPEND if clv.measure == "spend" else MARGIN)
    cutoffs = with_earlier(value.grid, config.snapshots, clv.horizon_days, first_day)
    label = NO_PURCHASE if churn.rule == "no_purchase" else CONTRACT_END
    return task("churn", churn.horizon_days, label), replace(value, grid=cutoffs)


def _first_purchase_day(records: Records, as_of: int) -> int:
    t = records.tables["transactions"]
    bought = t.filter((t.kind == "purchase") & (t.day <= as_of) & (t.known_day <= as_of))
    day = fetch(records.backend, bought.aggregate(day=bought.day.min()))["day"][0].as_py()
    if day is None:
        raise TrainingError(
            f"no purchase known by {date_of(as_of)} is among the records, so there is nothing to "
            "learn from; see `echelon intake` for what was read, map `kind` so that purchases are "
            "called 'purchase', and leave `recorded_at` out where it is the day of a later load"
        )
    return int(day)


def _matrix(
    records: Records, features: Sequence[Feature], tasks: Sequence[_Task], as_of: int
) -> pa.Table:
    cutoffs = sorted({as_of, *(cutoff for task in tasks for cutoff in task.grid.all)})
    return feature_matrix(records, features, cutoffs)


def _purchases(data: Dataset, kind: str, progress: Progress) -> dict[int, PurchaseModels]:
    """Return the purchase models of every cutoff; all targets share them.

    Each search begins where that of the cutoff before it ended, which costs a fraction.
    """
    buyers, models = data.only(VALUE_INPUTS).buyers(), {}
    latest: PurchaseModels | None = None
    for i, cutoff in enumerate(buyers.cutoffs):
        progress("purchase models", i / len(buyers.cutoffs))
        latest = fitted_purchase(buyers.at([cutoff]).columns(VALUE_INPUTS), kind, latest)
        models[cutoff] = latest
    progress("purchase models", 1.0)
    return models


def _seasons(
    records: Records, tasks: Sequence[_Task], as_of: int, kind: str, progress: Progress
) -> dict[int, Levels | None]:
    """Return the seasons as known at every cutoff that predictions are made for."""
    own = {day for task in tasks for day in (task.grid.evaluation, task.grid.earlier)}
    cutoffs = sorted({as_of, *(day for day in own if day is not None)})
    found = {}
    for i, cutoff in enumerate(cutoffs):
        progress("seasons", i / len(cutoffs))
        found[cutoff] = levels(records, cutoff, kind)
    progress("seasons", 1.0)
    return found


def _level(task: _Task, seasons: Mapping[int, Levels | None], cutoff: int) -> Level | None:
    """Return the level of a target after ``cutoff``; none for the ends of contracts."""
    known = seasons[cutoff]
    if known is None or task.label is CONTRACT_END:
        return None
    return known.ahead(task.horizon_days, "margin" if task.label is MARGIN else "spend")


def _learn(
    task: _Task,
    records: Records,
    data: Dataset,
    now: Dataset,
    purchases: Mapping[int, PurchaseModels],
    seasons: Mapping[int, Levels | None],
    features: Sequence[Feature],
    config: Config,
    progress: Progress,
) -> _Learnt:
    """Return the served model of one target and how its measured twin did."""
    progress(f"training {task.target}", 0.0)
    inputs = [f.name for f in features if f.stationary and f.name not in VALUE_INPUTS]
    as_of = now.cutoffs[0]
    known_by = None if config.as_of is None else as_of
    served_on = _labelled(task, records, data, task.grid.served, as_of, known_by)
    settings = config.training
    suspects: tuple[Text, ...] = ()
    if len(served_on):
        labelled = served_on.buyers()
        suspects = check_no_feature_tells_all(labelled, inputs, LEAVE_OUT, settings.seed)
    evaluation, expected, actual = _not_measured(task, words.NO_HORIZON_CLOSED)
    day, judged = task.grid.evaluation, None
    if day is not None:
        test = _labelled(task, records, data, [day], as_of, known_by).buyers()
        if len(test):
            train = _labelled(task, records, data, task.grid.measured, day, known_by=day)
            check_shuffled_labels_teach_nothing(
                task.target, task.horizon_days, train.buyers(), test, purchases, inputs, settings
            )
            trial = fit_target(
                task.target,
                task.horizon_days,
                train,
                test,
                purchases,
                inputs,
                settings,
                _level(task, seasons, day),
            )
            evaluation, expected = measured(trial, train.buyers(), test, settings.seed)
            actual = test.y
            twin = served_form(evaluation.served_rule, trial.model, train, test)
            judged = Trial(test, expected, twin)
        else:
            evaluation, expected, actual = _not_measured(task, words.NOBODY_AT_CUTOFF)
    progress(f"training {task.target}", 0.5)
    level = _level(task, seasons, as_of)
    served = fit_target(
        task.target, task.horizon_days, served_on, now, purchases, inputs, settings, level
    )
    rule, notes = evaluation.served_rule, (*evaluation.notes, *suspects)
    if rule is None:
        notes = tuple(dict.fromkeys((*notes, *map(words.served, served.notes))))
    told: dict[str, object] = {"notes": notes}
    past: tuple[Errors, ...] = ()
    if task.target == "clv" and day is not None:
        earlier = _earlier_errors(task, records, data, purchases, seasons, inputs, settings, rule)
        errors = Errors(date_of(day), expected, actual)
        past = (errors,) if earlier is None else (earlier, errors)
        covered = settings.interval_level
        told["coverage"] = coverage(earlier, errors, config.policy, covered, settings.seed)
    progress(f"training {task.target}", 1.0)
    model = served_form(rule, served.model, served_on, now)
    return _Learnt(model, evaluation.model_copy(update=told), expected, actual, judged, past)


def _earlier_errors(
    task: _Task,
    records: Records,
    data: Dataset,
    purchases: Mapping[int, PurchaseModels],
    seasons: Mapping[int, Levels | None],
    inputs: Sequence[str],
    settings: Training,
    rule: str | None,
) -> Errors | None:
    """Return the errors of the period that ended on the evaluation cutoff, as known by then."""
    day, end = task.grid.earlier, task.grid.evaluation
    if day is None or end is None:
        return None
    test = _labelled(task, records, data, [day], end, known_by=end).buyers()
    if not len(test):
        return None
    train = _labelled(task, records, data, task.grid.measured_earlier, day, known_by=day)
    level = _level(task, seasons, day)
    fitted = fit_target(
        task.target, task.horizon_days, train, test, purchases, inputs, settings, level
    )
    model = served_form(rule, fitted.model, train, test)
    return Errors(date_of(day), model.predict(test.columns(model.inputs)), test.y)


def _not_measured(task: _Task, why: Text) -> tuple[TargetEvaluation, Vector, Vector]:
    evaluation = TargetEvaluation(
        target=task.target,
        horizon_days=task.horizon_days,
        protocol="none",
        notes=(why,),
        grade=not_graded(task.target, why),
    )
    return evaluation, np.empty(0), np.empty(0)


def _labelled(
    task: _Task,
    records: Records,
    data: Dataset,
    cutoffs: Sequence[int],
    last: int,
    known_by: int | None,
) -> Dataset:
    """Return the rows of ``cutoffs`` with the labels of horizons closed by the day ``last``.

    What the measured model learns from is labelled by the rows that were recorded by its own
    cutoff, as it would have been then.
    """
    rows = data.at(cutoffs)
    if not len(rows):
        return Dataset(rows.matrix, np.empty(0))
    labels = label_table(records, [task.label], cutoffs, task.horizon_days, last, known_by)
    return rows.labelled(labels, task.label.name)


def _assembled(
    config: Config,
    features: tuple[Feature, ...],
    sentiment: object,
    as_of: int,
    now: Dataset,
    tasks: Sequence[_Task],
    learnt: dict[TargetName, _Learnt],
    previous: Segments | None,
    progress: Progress,
) -> Fitted:
    """Return everything, with tiers, segments and reference of the customers at the as-of day."""
    progress("tiers and segments", 0.0)
    seed = config.training.seed
    models: dict[str, Model] = {target: one.model for target, one in learnt.items()}
    columns = now.columns(feature.name for feature in features)
    value = models["clv"].predict(columns)
    policy = Policy.freeze(config.policy, value[now.has_bought], seed)
    most = config.training.segments_at_most
    segments = find_segments(columns, features, value, most, seed, previous)
    tiers = policy.assign(value, guard_columns=columns).codes
    clv = learnt["clv"]
    intervals = Intervals.fit(
        clv.expected,
        clv.actual,
        config.training.interval_level,
        thresholds=policy.thresholds,
        present=value[now.has_bought],
    )
    portfolio = None
    if clv.past:
        past, level = clv.past, config.training.interval_level
        portfolio = Portfolio.fit(past[-1], policy.thresholds, level, past, seed)
    trials = {target: one.trial for target, one in learnt.items() if one.trial is not None}
    progress("tiers and segments", 1.0)
    return Fitted(
        models=models,
        policy=policy,
        segments=segments,
        intervals=intervals,
        sentiment=sentiment,
        features=features,
        evaluation=Evaluation(targets={t: one.evaluation for t, one in learnt.items()}),
        reference=summarise(columns, tiers, served_scores(models, columns)),
        golden=golden_rows(now.matrix, models, seed),
        as_of=date_of(as_of),
        cutoffs={task.target: tuple(map(date_of, task.grid.served)) for task in tasks},
        portfolio=portfolio,
        held_out=held_out_of(trials, policy, config.lifecycle),
    )
