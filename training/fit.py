"""Training in one call: records in, :class:`Fitted` out.

Every target is fitted twice. The *measured* model learns only from horizons that had closed by
the evaluation cutoff and is graded on what came after, beside simple rules. The *served* model
learns from every horizon that has closed by the as-of day.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from configs.files import draft_folder
from configs.progress import Progress, silent
from configs.schema import Config
from features.build import write_matrix
from features.catalogue import select
from features.matrix import StoredMatrix
from features.mix import record_mixes, snapshot_mixes
from features.sample import Sample, sampled
from features.sources import Records, date_of, day_number, last_day
from features.spec import Feature
from training import notes as words
from training.additive import AdditiveModel
from training.anchor import VALUE_INPUTS, PurchaseModels, TargetName, fitted_purchase
from training.clusters import find_segments
from training.contract import listed
from training.contract_fit import fit_contracts
from training.coverage import Errors
from training.dataset import Dataset
from training.evaluate import Evaluation, TargetEvaluation
from training.fitted import Fitted, Reference, golden_rows, served_scores, summarise
from training.held_out import Trial, held_out_of
from training.hindsight import check_no_feature_foretells, check_no_feature_reads_the_future
from training.intervals import Intervals
from training.learning import LEAVE_OUT, Known, Learnt, learn
from training.level import Levels, levels
from training.models import Model
from training.outlook import Outlook
from training.outlook_fit import fit_outlook
from training.outlook_quality import OutlookEvaluation, evaluated
from training.policy import Policy, check_guards
from training.portfolio import Portfolio
from training.segments import Segments
from training.signals import learn_sentiment, with_signals
from training.stored_rows import StoredRows
from training.tasks import Task, first_purchase_day, tasks_of

__all__ = ["Fitted", "Reference", "fit"]

Vector = NDArray[np.float64]
BYTES_A_VALUE = 8
HELD_SHARE = 0.2
"""Share of the memory limit that the features may take; of more, some are read at a time."""


def fit(
    config: Config,
    records: Records | pa.Table,
    progress: Progress = silent,
    previous: Segments | None = None,
    scratch: Path | None = None,
) -> Fitted:
    """Return models, policy, segments and figures learnt from ``records``.

    Args:
        config: horizons, snapshots, features, training, policy.
        records: the event tables; or the table of a snapshot source (contract customers).
        progress: told of each step.
        previous: the segments in use, whose labels are kept where they still hold.
        scratch: folder that features are laid into meanwhile; default: the system's own for such.

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
        with draft_folder(scratch or Path(tempfile.gettempdir()), "echelon-training") as folder:
            fitted = _fit_buyers(config, records, progress, previous, folder)
        return fitted.with_mixes(record_mixes(records, day_number(fitted.as_of)))


def _fit_buyers(
    config: Config,
    records: Records,
    progress: Progress,
    previous: Segments | None,
    folder: Path,
) -> Fitted:
    features = select(config.features)
    check_guards(config.policy, [feature.name for feature in features])
    as_of = last_day(records) if config.as_of is None else day_number(config.as_of)
    tasks = tasks_of(config, first_purchase_day(records, as_of), as_of)
    sample = sampled(
        records, _cutoffs(tasks, as_of), config.training.max_rows, config.training.seed
    )
    records = sample.records
    progress("comments", 0.0)
    sentiment = learn_sentiment(records, as_of)
    records = with_signals(records, sentiment, config.stores.signals, config.engine)
    progress("comments", 1.0)
    known = _known(config, records, features, tasks, as_of, progress, folder)
    learnt: dict[TargetName, Learnt] = {}
    for task in tasks:
        progress(f"training {task.target}", 0.0)
        learnt[task.target] = learn(task, known)
        progress(f"training {task.target}", 1.0)
    learnt = _noting_the_sample(learnt, sample)
    fitted = _assembled(config, features, sentiment, known.now, tasks, learnt, previous, progress)
    progress("tier outlook", 0.0)
    outlook, quality = _outlook(fitted, tasks[1], known, learnt["clv"].trial)
    progress("tier outlook", 1.0)
    evaluation = fitted.evaluation.model_copy(update={"outlook": quality})
    drawn = None if sample.is_whole else (sample.n, sample.of)
    return replace(fitted, outlook=outlook, evaluation=evaluation, drawn=drawn)


def _known(
    config: Config,
    records: Records,
    features: Sequence[Feature],
    tasks: Sequence[Task],
    as_of: int,
    progress: Progress,
    folder: Path,
) -> Known:
    """Return what every target is learnt from, once no feature was seen to know the future."""
    progress("features", 0.0)
    cutoffs, engine = _cutoffs(tasks, as_of), config.engine
    stored = write_matrix(
        records, features, cutoffs, folder / "features", engine, progress=progress
    )
    data = Dataset(_at_hand(stored, engine.memory_limit_gib))
    progress("features", 1.0)
    kind = config.training.purchase_model
    purchases = _purchases(data, kind, progress)
    progress("leakage", 0.0)
    _check_hindsight(config, records, features, data, tasks, as_of)
    progress("leakage", 1.0)
    return Known(
        records=records,
        data=data,
        now=data.at([as_of]),
        known_by=None if config.as_of is None else as_of,
        purchases=purchases,
        seasons=_seasons(records, tasks, as_of, kind, progress),
        inputs=[f.name for f in features if f.stationary and f.name not in VALUE_INPUTS],
        directions={(f.name, t): way for f in features for t, way in f.monotone.items()},
        settings=config.training,
        policy=config.policy,
    )


def _at_hand(stored: StoredMatrix, memory_limit_gib: float) -> pa.Table | StoredRows:
    """Return the matrix in memory where it is small against the limit, else as it lies on disk."""
    gib = stored.count() * len(stored.schema) * BYTES_A_VALUE / 2**30
    return stored.table() if gib <= HELD_SHARE * memory_limit_gib else StoredRows.of(stored)


def _cutoffs(tasks: Sequence[Task], as_of: int) -> list[int]:
    """Return every cutoff that needs features, rising."""
    return sorted({as_of, *(cutoff for task in tasks for cutoff in task.grid.all)})


def _outlook(
    fitted: Fitted, task: Task, known: Known, trial: Trial | None
) -> tuple[Outlook | None, OutlookEvaluation | None]:
    """Return the tier outlook, and how its measured twin did at the evaluation cutoff."""
    policy, settings, model = fitted.policy, known.settings, fitted.models["clv"]
    inputs = model.tree_inputs if isinstance(model, AdditiveModel) else ()

    def learnt_from(train: Dataset, present: Dataset) -> Outlook | None:
        if train.buyers().n_customers < settings.minimum_customers:
            return None
        days, purchases = task.horizon_days, known.purchases
        return fit_outlook(train, present, purchases, policy.thresholds, inputs, days, settings)

    served, day = learnt_from(known.to_serve(task), known.now), task.grid.evaluation
    if served is None or trial is None or day is None:
        return served, None
    twin = learnt_from(known.as_known(task, task.grid.measured, day), trial.rows)
    if twin is None:
        return served, None
    reach = trial.rows.each(twin.inputs, twin.reach)
    return served, evaluated(date_of(day), reach, trial.rows.y, trial.predicted, policy)


def _check_hindsight(
    config: Config,
    records: Records,
    features: Sequence[Feature],
    data: Dataset,
    tasks: Sequence[Task],
    as_of: int,
) -> None:
    """Look for features that know the future, at the latest cutoff whose horizon has closed."""
    closed = [cutoff for task in tasks for cutoff in task.grid.served]
    if not closed:
        return
    rows = data.at([max(closed)])
    if not len(rows):
        return
    check_no_feature_reads_the_future(records, features, rows, LEAVE_OUT)
    names = [feature.name for feature in features]
    check_no_feature_foretells(records, rows.buyers(), names, as_of, LEAVE_OUT)


def _noting_the_sample(
    learnt: dict[TargetName, Learnt], sample: Sample
) -> dict[TargetName, Learnt]:
    """Return the same, where customers were drawn with a note of how many of how many."""
    if sample.is_whole:
        return learnt

    def noted(one: TargetEvaluation) -> TargetEvaluation:
        return one.model_copy(update={"notes": (*one.notes, words.drawn(sample.n, sample.of))})

    return {t: replace(one, evaluation=noted(one.evaluation)) for t, one in learnt.items()}


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
    records: Records, tasks: Sequence[Task], as_of: int, kind: str, progress: Progress
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


def _assembled(
    config: Config,
    features: tuple[Feature, ...],
    sentiment: object,
    now: Dataset,
    tasks: Sequence[Task],
    learnt: dict[TargetName, Learnt],
    previous: Segments | None,
    progress: Progress,
) -> Fitted:
    """Return everything, with tiers, segments and reference of the customers at the as-of day."""
    progress("tiers and segments", 0.0)
    seed = config.training.seed
    models: dict[str, Model] = {target: one.model for target, one in learnt.items()}
    now = now.held()
    columns = now.columns(feature.name for feature in features)
    value = models["clv"].predict(columns)
    policy = Policy.freeze(config.policy, value[now.has_bought])
    most = config.training.segments_at_most
    segments = find_segments(columns, features, value, most, seed, previous)
    tiers = policy.assign(value, guard_columns=columns).codes
    intervals, portfolio = _spread(config, policy, learnt["clv"].past, value[now.has_bought])
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
        as_of=date_of(now.cutoffs[0]),
        cutoffs={task.target: tuple(map(date_of, task.grid.served)) for task in tasks},
        portfolio=portfolio,
        held_out=held_out_of(trials, policy, config.lifecycle),
    )


def _spread(
    config: Config, policy: Policy, past: Sequence[Errors], present: Vector
) -> tuple[Intervals, Portfolio | None]:
    """Return how far one customer's value, and sums of many, stray from what was expected."""
    level, seed = config.training.interval_level, config.training.seed
    if not past:
        return Intervals(level=level), None
    latest = past[-1]
    intervals = Intervals.fit(
        latest.expected, latest.actual, level, thresholds=policy.thresholds, present=present
    )
    return intervals, Portfolio.fit(latest, policy.thresholds, level, past, seed)
