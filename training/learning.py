"""One target of event customers: learnt, measured on what came later, learnt again to be served."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from configs.learning import Training
from configs.section import Text
from configs.tiers import TierPolicy
from features.labels import CONTRACT_END, MARGIN, label_table
from features.sources import Records, date_of
from training import notes as words
from training.anchor import PurchaseModels
from training.boosting import RESAMPLES, Directions, FittedTarget, fit_target
from training.coverage import Errors, coverage
from training.dataset import Dataset
from training.evaluate import TargetEvaluation
from training.grade import not_graded
from training.held_out import Trial
from training.leaks import check_no_feature_tells_all
from training.level import Level, Levels
from training.measure import measured
from training.models import Model
from training.shuffled import check_shuffled_labels_teach_nothing
from training.tasks import Task
from training.winner import PURCHASE_MODEL, served_form

Vector = NDArray[np.float64]
LEAVE_OUT = "add it to features.leave_out"


@dataclass(frozen=True)
class Known:
    """What every target is learnt from.

    Attributes:
        records: the event tables, for labels.
        data: features at every cutoff.
        now: the customers at the as-of day, who will be scored.
        known_by: labels count only rows recorded by this day; ``None`` where all rows were.
        purchases: purchase models by cutoff.
        seasons: the season as known at each cutoff that is predicted from.
        inputs: stationary features, for trees.
        directions: of features, where the business is sure.
        settings: seed, threads, trees.
        policy: tiers, for the coverage of intervals in each.
    """

    records: Records
    data: Dataset
    now: Dataset
    known_by: int | None
    purchases: Mapping[int, PurchaseModels]
    seasons: Mapping[int, Levels | None]
    inputs: Sequence[str]
    directions: Directions
    settings: Training
    policy: TierPolicy

    @property
    def as_of(self) -> int:
        """The day that customers are scored at."""
        return self.now.cutoffs[0]

    def to_serve(self, task: Task) -> Dataset:
        """Return what the served model learns from."""
        return self._labelled(task, task.grid.served, self.as_of, self.known_by)

    def to_measure(self, task: Task, cutoff: int) -> Dataset:
        """Return the buyers at ``cutoff`` with what came after."""
        return self._labelled(task, [cutoff], self.as_of, self.known_by).buyers()

    def as_known(self, task: Task, cutoffs: Sequence[int], day: int) -> Dataset:
        """Return rows with labels of horizons closed, and of rows recorded, by ``day``."""
        return self._labelled(task, cutoffs, day, day)

    def fitted(
        self, task: Task, train: Dataset, present: Dataset, resamples: int = 0
    ) -> FittedTarget:
        """Return the model of ``task``, at the level of the horizon that ``present`` looks into."""
        return fit_target(
            task.target,
            task.horizon_days,
            train,
            present,
            self.purchases,
            self.inputs,
            self.settings,
            self._level(task, present.cutoffs[0]),
            self.directions,
            resamples,
        )

    def _labelled(
        self, task: Task, cutoffs: Sequence[int], last: int, known_by: int | None
    ) -> Dataset:
        rows = self.data.at(cutoffs)
        if not len(rows):
            return Dataset(rows.matrix, np.empty(0))
        days = task.horizon_days
        labels = label_table(self.records, [task.label], cutoffs, days, last, known_by)
        return rows.labelled(labels, task.label.name)

    def _level(self, task: Task, cutoff: int) -> Level | None:
        """Return the level of a target after ``cutoff``; none for the ends of contracts."""
        known = self.seasons[cutoff]
        if known is None or task.label is CONTRACT_END:
            return None
        return known.ahead(task.horizon_days, "margin" if task.label is MARGIN else "spend")


@dataclass(frozen=True)
class Learnt:
    """What learning one target gave.

    Attributes:
        model: the model or the rule to serve.
        evaluation: how it did at the evaluation cutoff.
        trial: who was measured on, and the measured model; ``None`` where nobody was.
        past: errors of value at the measured cutoffs, the latest last.
    """

    model: Model
    evaluation: TargetEvaluation
    trial: Trial | None
    past: tuple[Errors, ...] = ()


def learn(task: Task, known: Known) -> Learnt:
    """Return the served model of one target and how its measured twin did.

    Raises:
        LeakageError: a feature tells the label, or shuffled labels teach something.
    """
    served_on = known.to_serve(task)
    suspects = _suspects(served_on, known)
    evaluation, trial = _measured(task, known)
    rule, notes = evaluation.served_rule, (*evaluation.notes, *suspects)
    served = known.fitted(task, served_on, known.now, RESAMPLES if rule is None else 0)
    if rule in (None, PURCHASE_MODEL):
        own = served.notes if rule is None else served.notes_alone
        notes = tuple(dict.fromkeys((*notes, *map(words.served, own))))
    told: dict[str, object] = {"notes": notes}
    past: tuple[Errors, ...] = ()
    if task.target == "clv" and task.grid.evaluation is not None:
        earlier, latest = _earlier_errors(task, known, rule), _latest_errors(task, trial)
        past = (latest,) if earlier is None else (earlier, latest)
        level = known.settings.interval_level
        told["coverage"] = coverage(earlier, latest, known.policy, level)
    model = served_form(rule, served, served_on, known.now)
    return Learnt(model, evaluation.model_copy(update=told), trial, past)


def _suspects(served_on: Dataset, known: Known) -> tuple[Text, ...]:
    """Return notes on features that tell suspiciously much."""
    if not len(served_on):
        return ()
    seed = known.settings.seed
    return check_no_feature_tells_all(served_on.buyers(), known.inputs, LEAVE_OUT, seed)


def _measured(task: Task, known: Known) -> tuple[TargetEvaluation, Trial | None]:
    """Return how the model of the evaluation cutoff did, and who it was tried on."""
    day = task.grid.evaluation
    if day is None:
        return _not_measured(task, words.NO_HORIZON_CLOSED), None
    test = known.to_measure(task, day)
    if not len(test):
        return _not_measured(task, words.NOBODY_AT_CUTOFF), None
    train = known.as_known(task, task.grid.measured, day)
    check_shuffled_labels_teach_nothing(
        task.target,
        task.horizon_days,
        train.buyers(),
        test,
        known.purchases,
        known.inputs,
        known.settings,
    )
    fitted = known.fitted(task, train, test)
    evaluation, expected = measured(fitted, train.buyers(), test, known.settings.seed)
    twin = served_form(evaluation.served_rule, fitted, train, test)
    return evaluation, Trial(test, expected, twin)


def _latest_errors(task: Task, trial: Trial | None) -> Errors:
    assert task.grid.evaluation is not None
    day = date_of(task.grid.evaluation)
    if trial is None:
        return Errors(day, np.empty(0), np.empty(0))
    return Errors(day, trial.predicted, trial.rows.y)


def _earlier_errors(task: Task, known: Known, rule: str | None) -> Errors | None:
    """Return the errors of the period that ended on the evaluation cutoff, as known by then."""
    day, end = task.grid.earlier, task.grid.evaluation
    if day is None or end is None:
        return None
    test = known.as_known(task, [day], end).buyers()
    if not len(test):
        return None
    train = known.as_known(task, task.grid.measured_earlier, day)
    model = served_form(rule, known.fitted(task, train, test), train, test)
    return Errors(date_of(day), test.each(model.inputs, model.predict), test.y)


def _not_measured(task: Task, why: Text) -> TargetEvaluation:
    return TargetEvaluation(
        target=task.target,
        horizon_days=task.horizon_days,
        protocol="none",
        notes=(why,),
        grade=not_graded(task.target, why),
    )
