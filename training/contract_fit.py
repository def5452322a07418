"""Training on contract customers: one row each, cross-validated instead of measured in time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from configs.errors import TrainingError
from configs.progress import Progress
from configs.records import SnapshotSource
from configs.schema import Config
from configs.section import Text
from features.sample import drawn
from features.sensitive import sensitive_columns, without_sensitive
from features.snapshot import snapshot_features, snapshot_matrix
from features.sources import date_of, day_number
from features.spec import Feature
from training import notes as words
from training.anchor import TargetName
from training.baselines import Rule, figures_of, rules_in_words
from training.boosting import fit_target
from training.clusters import find_segments
from training.columns import column_values
from training.contract import DAYS_PER_MONTH, LABEL, ContractValue, listed, typical_monthly_value
from training.contract_learning import can_learn, learn_churn
from training.contract_model import ChurnModel
from training.coverage import Errors, coverage
from training.dataset import Dataset
from training.evaluate import (
    Evaluation,
    TargetEvaluation,
    calibration_curve,
    figures,
    lift_curve,
)
from training.fitted import Fitted, golden_rows, served_scores, summarise
from training.folds import kept_together, left_out
from training.grade import grade, not_graded
from training.held_out import Trial, held_out_of
from training.intervals import Intervals
from training.leaks import check_no_category_tells_all, check_no_feature_tells_all
from training.models import Model
from training.outlook import ContractOutlook, stay_and_reach
from training.outlook_quality import evaluated
from training.policy import Policy, check_guards
from training.portfolio import Portfolio
from training.segments import Segments

Vector = NDArray[np.float64]
FOLDS = 5
MOST_ITERATIONS = 2_000
LEAVE_OUT = "add its column to sources.snapshot.leave_out_columns, or take it off the lists there"


@dataclass(frozen=True)
class HeldOut:
    """Churn probabilities of each customer by models that did not see them.

    Attributes:
        model: the additive model's.
        logistic: logistic regression's.
        base_rate: the mean label of the other folds.
    """

    model: Vector
    logistic: Vector
    base_rate: Vector


def fit_contracts(
    config: Config, table: pa.Table, progress: Progress, previous: Segments | None = None
) -> Fitted:
    """Return models of contract customers learnt from the snapshot ``table``.

    The labels of the segments ``previous`` are kept where they still hold.

    Raises:
        TrainingError: the configuration names no snapshot source, or a feature knows the label.
        ConfigError: a guard or the monthly value names a column that is no feature.
    """
    snapshot = config.sources.snapshot
    if snapshot is None:
        raise TrainingError("a snapshot table was given, but the configuration has no snapshot")
    n_customers = len(table)
    table = _sampled(table.sort_by("customer_id"), config.training.max_rows, config.training.seed)
    sample = (len(table), n_customers) if len(table) < n_customers else None
    snapshot = listed(snapshot, table)
    kept_out = sensitive_columns(snapshot, config.features.sensitive)
    snapshot = without_sensitive(snapshot, config.features.sensitive)
    features = snapshot_features(snapshot, table)
    names = [feature.name for feature in features]
    check_guards(config.policy, names)
    matrix = snapshot_matrix(features, table, day_number(snapshot.observed_on))
    everybody = Dataset(matrix, column_values(table, LABEL))
    suspects = check_no_feature_tells_all(everybody, names, LEAVE_OUT, config.training.seed)
    check_no_category_tells_all(everybody, _levels(features), LEAVE_OUT)
    progress("cross-validation", 0.0)
    held_out = cross_validated(everybody, features, config, progress)
    progress("training churn", 0.0)
    churn, told = fitted_churn(everybody, features, config)
    clv = contract_value(config, snapshot, churn, everybody)
    alike = len(everybody) - len(np.unique(kept_together(everybody.X(names), everybody.y)))
    told = (*suspects, *told)
    notes = (*told, words.alike(alike)) if alike else told
    notes = (*notes, words.kept_out(kept_out)) if kept_out else notes
    notes = notes if sample is None else (*notes, words.drawn(*sample))
    progress("training churn", 1.0)
    evaluation = Evaluation(
        targets={
            "churn": _churn_evaluation(config, everybody, held_out, notes),
            "clv": _value_evaluation(config, clv, everybody, held_out),
        }
    )
    fitted = _assembled(config, features, everybody, clv, held_out, evaluation, previous)
    return replace(fitted, drawn=sample)


def _sampled(table: pa.Table, at_most: int, seed: int) -> pa.Table:
    """Return the rows of at most so many customers, drawn by a digest of their ids."""
    if len(table) <= at_most:
        return table
    ids = table.column("customer_id")
    return table.filter(pc.is_in(ids, pa.array(drawn(ids.to_pylist(), at_most, seed))))


def _levels(features: Sequence[Feature]) -> dict[str, list[str]]:
    """Return the features of each category column, by column."""
    levels: dict[str, list[str]] = {}
    for feature in features:
        if feature.name != feature.concept:
            levels.setdefault(feature.concept, []).append(feature.name)
    return levels


def contract_value(
    config: Config, snapshot: SnapshotSource, churn: ChurnModel, data: Dataset
) -> ContractValue:
    """Return the value model: the monthly value, if its column is a feature, while they stay."""
    column = snapshot.value_per_month
    if column is None or column not in data.names:
        return ContractValue(config.clv.horizon_days, churn, value_input=None)
    typical = typical_monthly_value(data.columns([column])[column])
    return ContractValue(config.clv.horizon_days, churn, column, typical)


def fitted_churn(
    data: Dataset, features: Sequence[Feature], config: Config
) -> tuple[ChurnModel, tuple[Text, ...]]:
    """Return the churn model of contract customers and notes; a base rate for too few of them.

    Args:
        data: one row each, with labels.
        features: the columns to learn from; a declared direction is kept to.
        config: seed, threads and the fewest customers that a model is learnt from.
    """
    names, horizon = [feature.name for feature in features], config.churn.horizon_days
    settings = config.training
    if not can_learn(data.y, settings.minimum_customers):
        few = fit_target("churn", horizon, data, data, {}, names, settings)
        return few.model, few.notes
    learnt = learn_churn(
        data.columns(names),
        [feature.name for feature in features if feature.name == feature.concept],
        data.y,
        horizon,
        {one.name: one.monotone["churn"] for one in features if "churn" in one.monotone},
        seed=settings.seed,
        threads=settings.threads,
    )
    return learnt.model, (learnt.note,)


def cross_validated(
    data: Dataset, features: Sequence[Feature], config: Config, progress: Progress
) -> HeldOut | None:
    """Return held-out probabilities from stratified folds; ``None`` where there are too few.

    Customers who are alike in every feature fall into one fold, as copies of one customer would
    otherwise lie on both sides of a split. None is dropped: where the columns are few and coarse,
    thousands are alike and one in five of them leaves.
    """
    names, seed = [feature.name for feature in features], config.training.seed
    folds = list(left_out(data.y, kept_together(data.X(names), data.y), FOLDS, seed))
    if not folds:
        return None
    model, logistic, base_rate = (np.empty(len(data)) for _ in range(3))
    for i, outside in enumerate(folds):
        train, test = data.where(~outside), data.where(outside)
        learnt, _ = fitted_churn(train, features, config)
        model[outside] = learnt.predict(test.columns(names))
        logistic[outside] = logistic_regression(train.X(names), train.y, test.X(names), seed)
        base_rate[outside] = train.y.mean()
        progress("cross-validation", (i + 1) / len(folds))
    return HeldOut(model, logistic, base_rate)


def logistic_regression(X: Vector, y: Vector, unseen: Vector, seed: int) -> Vector:
    """Return probabilities of a logistic regression on standardised, median-filled features."""
    model = make_pipeline(
        SimpleImputer(strategy="median", keep_empty_features=True),
        StandardScaler(),
        LogisticRegression(max_iter=MOST_ITERATIONS, random_state=seed),
    )
    probabilities: Vector = model.fit(X, y).predict_proba(unseen)[:, 1]
    return probabilities


def _churn_evaluation(
    config: Config, data: Dataset, held_out: HeldOut | None, notes: tuple[Text, ...]
) -> TargetEvaluation:
    target: TargetName = "churn"
    if held_out is None:
        return _unmeasured(target, config.churn.horizon_days, notes)
    rules = {
        "logistic_regression": Rule(held_out.logistic),
        "base_rate": Rule(held_out.base_rate),
    }
    horizon, seed = config.churn.horizon_days, config.training.seed
    return _evaluation(target, horizon, data, data.y, held_out.model, rules, notes, seed)


def _value_evaluation(
    config: Config, model: ContractValue, data: Dataset, held_out: HeldOut | None
) -> TargetEvaluation:
    target: TargetName = "clv"
    if held_out is None:
        return _unmeasured(target, config.clv.horizon_days, ())
    full = _full_value(model, data)
    rules = {"full_value": Rule(full), "base_rate": Rule(full * (1.0 - held_out.base_rate))}
    actual, expected = full * (1.0 - data.y), full * (1.0 - held_out.model)
    notes, horizon, settings = (words.CONTRACT_VALUE,), config.clv.horizon_days, config.training
    evaluation = _evaluation(target, horizon, data, actual, expected, rules, notes, settings.seed)
    errors = Errors(date_of(data.cutoffs[0]), expected, actual)
    found = coverage(None, errors, config.policy, settings.interval_level)
    return evaluation.model_copy(update={"coverage": found})


def _evaluation(
    target: TargetName,
    horizon_days: int,
    data: Dataset,
    y: Vector,
    predicted: Vector,
    rules: dict[str, Rule],
    notes: tuple[Text, ...],
    seed: int,
) -> TargetEvaluation:
    scores = {name: rule.scores for name, rule in rules.items()}
    return TargetEvaluation(
        target=target,
        horizon_days=horizon_days,
        protocol="cross_validated",
        cutoff=date_of(data.cutoffs[0]),
        n=len(y),
        base_rate=float(y.mean()),
        model=figures(target, y, predicted),
        baselines=figures_of(target, y, rules),
        rules=rules_in_words(tuple(rules)),
        calibration=calibration_curve(y, predicted),
        lift=lift_curve(y, predicted),
        rule_lifts={name: lift_curve(y, rule.scores) for name, rule in rules.items()},
        training_cutoffs=(date_of(data.cutoffs[0]),),
        notes=notes,
        grade=grade(target, y, predicted, scores, seed),
    )


def _unmeasured(target: TargetName, horizon_days: int, notes: tuple[Text, ...]) -> TargetEvaluation:
    return TargetEvaluation(
        target=target,
        horizon_days=horizon_days,
        protocol="none",
        notes=(*notes, words.TOO_FEW_LABELS),
        grade=not_graded(target, words.TOO_FEW_LABELS),
    )


def _full_value(model: ContractValue, data: Dataset) -> Vector:
    months = model.horizon_days / DAYS_PER_MONTH
    if model.value_input is None:
        return np.full(len(data), months)
    value = data.columns([model.value_input])[model.value_input]
    return months * np.where(np.isnan(value), model.typical_value, np.maximum(value, 0.0))


def _assembled(
    config: Config,
    features: tuple[Feature, ...],
    everybody: Dataset,
    clv: ContractValue,
    held_out: HeldOut | None,
    evaluation: Evaluation,
    previous: Segments | None,
) -> Fitted:
    seed, level = config.training.seed, config.training.interval_level
    models: dict[str, Model] = {"churn": clv.churn, "clv": clv}
    columns = everybody.columns(feature.name for feature in features)
    value = clv.predict(columns)
    policy = Policy.freeze(config.policy, value)
    tiers = policy.assign(value, guard_columns=columns).codes
    full = _full_value(clv, everybody)
    intervals = Intervals(level=level)
    if held_out is not None:
        expected, actual = full * (1.0 - held_out.model), full * (1.0 - everybody.y)
        intervals = Intervals.fit(
            expected,
            actual,
            level,
            source="cross_validated",
            thresholds=policy.thresholds,
            present=value,
        )
    observed_on = date_of(everybody.cutoffs[0])
    portfolio = None
    trials = {} if held_out is None else _trials(everybody, full, held_out)
    if held_out is not None:
        reach = stay_and_reach(1.0 - held_out.model, full, policy.thresholds)
        quality = evaluated(observed_on, reach, actual, expected, policy)
        errors = Errors(observed_on, expected, actual)
        portfolio = Portfolio.fit(errors, policy.thresholds, level, seed=seed)
        evaluation = evaluation.model_copy(update={"outlook": quality})
    return Fitted(
        models=models,
        policy=policy,
        segments=find_segments(
            columns, features, value, config.training.segments_at_most, seed, previous
        ),
        intervals=intervals,
        sentiment=None,
        features=features,
        evaluation=evaluation,
        reference=summarise(columns, tiers, served_scores(models, columns)),
        golden=golden_rows(everybody.matrix, models, seed),
        as_of=observed_on,
        cutoffs={"churn": (observed_on,), "clv": (observed_on,)},
        held_out=held_out_of(trials, policy, config.lifecycle),
        outlook=ContractOutlook(clv, policy.thresholds),
        portfolio=portfolio,
    )


def _trials(everybody: Dataset, full: Vector, held_out: HeldOut) -> dict[TargetName, Trial]:
    rows = Dataset(everybody.matrix, full * (1.0 - everybody.y))
    value = Trial(rows, full * (1.0 - held_out.model))
    return {"churn": Trial(everybody, held_out.model), "clv": value}
