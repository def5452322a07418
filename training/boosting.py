"""Fits one additive model: the anchor on every cutoff, then shallow trees on what it misses."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import lightgbm as lgb
import numpy as np
from numpy.typing import NDArray
from scipy.special import logit

from configs.learning import Training
from configs.section import Text
from features.sources import date_of
from training import notes as words
from training.additive import AdditiveModel
from training.anchor import (
    PURCHASE_INPUTS,
    VALUE_INPUTS,
    Anchor,
    PurchaseModels,
    TargetName,
    logistic_line,
    reference_customer,
    signal,
    unlabelled_line,
)
from training.binned import bin_seed, binned
from training.dataset import Dataset, calibration_split, split_steady, varying
from training.level import Level, shift

Vector = NDArray[np.float64]
ROWS_SHARE_OF_A_LEAF = 50
"""A leaf holds at least the smaller of the configured rows and a fiftieth of all rows."""
FEWEST_EARLIER_CUTOFFS = 3
"""Cutoffs that the model to be calibrated must have learnt from, strictly before."""
ROWS_SHARE_OF_A_TREE, INPUTS_SHARE_OF_A_TREE = 0.5, 0.4
"""Each tree sees other rows and features, drawn by the seed: the sum varies less."""
LARGEST_LEVEL = math.log(3.0)
RESAMPLES = 5
"""Times that the trees of a served model are learnt anew, to see which reasons keep their place."""


Directions = Mapping[tuple[str, TargetName], int]
NO_DIRECTIONS: Directions = {}


@dataclass(frozen=True)
class _Growing:
    """What trees may read, how they grow, and how often they are learnt anew."""

    inputs: Sequence[str]
    settings: Training
    directions: Directions
    resamples: int


@dataclass(frozen=True)
class FittedTarget:
    """A fitted model and what a reader must know about how it was fitted.

    Attributes:
        model: the purchase model, trees, calibration and level.
        notes: how it was fitted.
        shift_alone: what moves the purchase model alone to the level of the season, on the link.
        notes_alone: what is said of it.
    """

    model: AdditiveModel
    notes: tuple[Text, ...]
    shift_alone: float = 0.0
    notes_alone: tuple[Text, ...] = ()

    @property
    def alone(self) -> AdditiveModel:
        """The purchase model alone, as it is before trees and calibration, at the same level."""
        return _alone(self.model, self.shift_alone)


def fit_target(
    target: TargetName,
    horizon_days: int,
    train: Dataset,
    present: Dataset,
    purchases: Mapping[int, PurchaseModels],
    tree_inputs: Sequence[str],
    settings: Training,
    level: Level | None = None,
    directions: Directions = NO_DIRECTIONS,
    resamples: int = 0,
) -> FittedTarget:
    """Return the model of ``target``, with the purchase model of the customers ``present``.

    Args:
        target: ``churn`` or ``clv``.
        horizon_days: what labels look ahead.
        train: labelled rows at the training cutoffs, customers without purchases included;
            may be empty, then the purchase model's own forecast is served.
        present: the customers at the cutoff that predictions will be made for.
        purchases: purchase models by cutoff, of all of these; empty for contract customers.
        tree_inputs: stationary features.
        settings: seed, threads, trees.
        level: what the customers ``present`` are expected to add up to, where seasons tell.
        directions: 1 for features that the target only rises with, -1 where it only falls.
        resamples: how often trees are learnt anew on customers drawn with replacement.
    """
    shared = (purchases, _Growing(tree_inputs, settings, directions, resamples))
    fitted = _as_learnt(target, horizon_days, train, present, *shared)
    return fitted if level is None else _levelled(fitted, present, level)


def _as_learnt(
    target: TargetName,
    horizon_days: int,
    train: Dataset,
    present: Dataset,
    purchases: Mapping[int, PurchaseModels],
    growing: _Growing,
) -> FittedTarget:
    """Return the model at the level of the periods that it learnt from."""
    model, notes = _uncalibrated(target, horizon_days, train, present, purchases, growing)
    if target != "churn" or model.is_rules_only:
        return FittedTarget(model, notes)
    split = calibration_split(train.cutoffs, horizon_days, FEWEST_EARLIER_CUTOFFS)
    if split is None:
        return FittedTarget(model, (*notes, words.NOT_CALIBRATED))
    earlier, latest = (train.at(cutoffs) for cutoffs in split)
    once = replace(growing, resamples=0)
    trial, _ = _uncalibrated(target, horizon_days, earlier, latest, purchases, once)
    intercept, slope = platt(trial, latest.buyers())
    return FittedTarget(
        replace(model, intercept=intercept, slope=slope),
        (*notes, words.CALIBRATED),
    )


def _levelled(fitted: FittedTarget, present: Dataset, level: Level) -> FittedTarget:
    """Return the model moved to the level of the horizon: a constant on the link."""
    model = fitted.model
    buyers = present.buyers()
    moved, alone = (
        shift(one, buyers.each(model.inputs, one.link_score), level)
        for one in (model, fitted.alone)
    )
    day = date_of(present.cutoffs[0])
    return FittedTarget(
        replace(model, intercept=model.intercept + moved),
        (*fitted.notes, words.level(model.target, moved, day)),
        alone,
        (words.level(model.target, alone, day),),
    )


def _alone(model: AdditiveModel, intercept: float) -> AdditiveModel:
    return replace(model, trees=None, tree_inputs=(), resampled=(), intercept=intercept, slope=1.0)


def _uncalibrated(
    target: TargetName,
    horizon_days: int,
    train: Dataset,
    present: Dataset,
    purchases: Mapping[int, PurchaseModels],
    growing: _Growing,
) -> tuple[AdditiveModel, tuple[Text, ...]]:
    buyers = train.buyers()
    anchor, links, notes = fit_anchor(target, horizon_days, train, present, purchases)
    model = AdditiveModel(target, horizon_days, anchor, threads=growing.settings.threads)
    several = varying(buyers, growing.inputs)
    steady, moved = split_steady(buyers, present.buyers(), several)
    if moved and len(buyers):
        notes = (*notes, words.moved(moved))
    reason = _why_no_trees(target, buyers, steady, growing.settings)
    if reason is not None:
        return model, (*notes, words.rules_only(reason))
    trees, *resampled = fit_trees(target, buyers, links, replace(growing, inputs=steady))
    model = replace(model, tree_inputs=steady, trees=trees, resampled=tuple(resampled))
    if target == "clv":
        model = replace(model, intercept=_balance(model, buyers, links))
    return model, notes


def _balance(model: AdditiveModel, buyers: Dataset, links: Vector) -> float:
    """Return the intercept at which the training total is what came, within thrice.

    Tweedie deviance on a log link does not keep the total, unlike the canonical link.
    """
    corrected = links + buyers.each(model.inputs, model.tree_scores)
    return _level(buyers.label, corrected)


def fit_anchor(
    target: TargetName,
    horizon_days: int,
    train: Dataset,
    present: Dataset,
    purchases: Mapping[int, PurchaseModels],
) -> tuple[Anchor, Vector, tuple[Text, ...]]:
    """Return the anchor to serve, its link on the training buyers, and notes.

    Purchase parameters are fitted anew at every training cutoff, so that the anchor means there
    what it will mean at the cutoff it is served for; level and slope are shared.
    """
    if PURCHASE_INPUTS[0] not in present.names:
        rate = logit((train.y.sum() + 0.5) / (len(train) + 1.0))
        return Anchor(horizon_days, level=float(rate)), np.full(len(train), float(rate)), ()
    now = present.only(VALUE_INPUTS).buyers().columns(VALUE_INPUTS)
    models = purchases[present.cutoffs[0]]
    purchase, spend = models.purchase, models.spend if target == "clv" else None
    buyers = train.buyers()
    signals = _signals_by_cutoff(buyers, horizon_days, purchases, spend is not None)
    if target == "clv":
        level, slope = _level(buyers.label, signals), 1.0
    else:
        ready = signal(purchase, None, horizon_days, now)
        prior = unlabelled_line(purchase, horizon_days, now, ready)
        level, slope = logistic_line(signals, buyers.y, prior) if len(buyers) else prior
    base_rate, notes = _without_purchases(target, train)
    inputs = VALUE_INPUTS if spend is not None else PURCHASE_INPUTS
    anchor = Anchor(
        horizon_days=horizon_days,
        level=level,
        slope=slope,
        without_purchases=base_rate,
        reference=reference_customer(now, inputs),
        purchase=purchase,
        spend=spend,
    )
    return anchor, level + slope * signals, notes


def fit_trees(
    target: TargetName, buyers: Dataset, links: Vector, growing: _Growing
) -> tuple[str, ...]:
    """Return LightGBM text of trees that correct ``links``: binary, or Tweedie for money.

    The first is the model, the others are learnt anew on customers drawn with replacement, all
    rows of a customer together (Efron and Tibshirani 1993, ch. 8), by draws of their own.
    """
    y, start, trees = buyers.y, links, growing.settings.trees
    own: dict[str, object] = {"objective": "binary"}
    if target == "clv":
        unit = float(np.maximum(y, 0.0).mean())
        y, start = np.maximum(y, 0.0) / unit, start - math.log(unit)
        own = {"objective": "tweedie", "tweedie_variance_power": trees.tweedie_power}
    parameters = own | _parameters(len(buyers), target, growing)
    data = binned(buyers, growing.inputs, y, parameters, start)
    grown = [str(lgb.train(parameters, data, trees.count).model_to_string())]
    for weights, draw in _resamples(buyers, growing):
        data.set_weight(weights)
        drawn = parameters | {"bagging_seed": draw, "feature_fraction_seed": draw}
        grown.append(str(lgb.train(drawn, data, trees.count).model_to_string()))
    return tuple(grown)


def _parameters(n_rows: int, target: TargetName, growing: _Growing) -> dict[str, object]:
    """Return how trees grow, whatever they are to tell.

    Stochastic gradient boosting (Friedman 2002): a tree grows on half of the rows and on two in
    five features. The draws are the seed's, so the same data give the same trees.
    """
    settings, trees = growing.settings, growing.settings.trees
    ways = [growing.directions.get((name, target), 0) for name in growing.inputs]
    return {
        "num_leaves": trees.leaves,
        "learning_rate": trees.learning_rate,
        "min_data_in_leaf": max(
            min(trees.minimum_rows_per_leaf, n_rows // ROWS_SHARE_OF_A_LEAF), 1
        ),
        "bagging_fraction": ROWS_SHARE_OF_A_TREE,
        "bagging_freq": 1,
        "feature_fraction": INPUTS_SHARE_OF_A_TREE,
        "monotone_constraints": ways if any(ways) else None,
        "seed": settings.seed,
        **bin_seed(settings.seed),
        "num_threads": settings.threads,
        "deterministic": True,
        "force_row_wise": True,
        "feature_pre_filter": False,
        "verbosity": -1,
    }


def _resamples(buyers: Dataset, growing: _Growing) -> Iterator[tuple[Vector, int]]:
    """Yield how often each row was drawn, customers as wholes, and the seed of the trees' draws."""
    if growing.resamples == 0:
        return
    codes = buyers.customer_ids.dictionary_encode().indices
    customer = np.asarray(codes.to_numpy(), dtype=np.int64)
    n = int(customer.max()) + 1
    rng = np.random.default_rng(growing.settings.seed)
    for _ in range(growing.resamples):
        times = np.bincount(rng.integers(0, n, n), minlength=n)
        yield times[customer].astype(np.float64), int(rng.integers(1, 2**31))


def platt(model: AdditiveModel, later: Dataset) -> tuple[float, float]:
    """Return intercept and slope that calibrate the link on customers of a later cutoff.

    Platt (1999), on the logit. A slope beyond a factor of three either way says that the later
    period is another world: then nothing is changed.
    """
    scores = later.each(model.inputs, model.link_score)
    intercept, slope = logistic_line(scores, later.y, prior=(0.0, 1.0))
    return (intercept, slope) if 1.0 / 3.0 < slope < 3.0 else (0.0, 1.0)


def _signals_by_cutoff(
    buyers: Dataset,
    horizon_days: int,
    purchases: Mapping[int, PurchaseModels],
    with_spend: bool,
) -> Vector:
    signals = np.empty(len(buyers))
    buyers = buyers.only(VALUE_INPUTS)
    cutoff = buyers.cutoff
    for day in buyers.cutoffs:
        models = purchases[day]
        signals[cutoff == day] = signal(
            models.purchase,
            models.spend if with_spend else None,
            horizon_days,
            buyers.at([day]).columns(VALUE_INPUTS),
        )
    return signals


def _level(label: Vector | None, signals: Vector) -> float:
    """Return the log factor that makes the anchor's total equal to what came, within thrice."""
    if label is None or label.sum() <= 0:
        return 0.0
    ratio = math.log(float(label.sum()) / float(np.exp(signals).sum()))
    return max(-LARGEST_LEVEL, min(LARGEST_LEVEL, ratio))


def _without_purchases(target: TargetName, train: Dataset) -> tuple[float, tuple[Text, ...]]:
    """Return the base rate, on the link, of customers who had not bought by a cutoff."""
    others = train.where(~train.has_bought)
    notes = () if len(others) else (words.NOBODY_WITHOUT_PURCHASES,)
    group = others if len(others) else train
    if len(group) == 0:
        return 0.0, notes
    total, n = float(np.maximum(group.y, 0.0).sum()), len(group)
    if target == "churn":
        return float(logit((total + 0.5) / (n + 1.0))), notes
    typical = float(np.maximum(train.y, 0.0).mean())
    return math.log(max((total + 0.5 * typical) / (n + 1.0), 1e-6)), notes


def _why_no_trees(
    target: TargetName, buyers: Dataset, tree_inputs: Sequence[str], settings: Training
) -> Text | None:
    if len(buyers) == 0:
        return Text(
            zh="还没有已结束的预测期，无从学习",
            en="no horizon has closed yet, so there is nothing to learn from",
        )
    n, least = buyers.n_customers, settings.minimum_customers
    if n < least:
        return Text(zh=f"{n}位客户，少于{least}位", en=f"{n} customers, fewer than {least}")
    happened = int((buyers.y > 0).sum())
    rarer = happened if target == "clv" else min(happened, len(buyers) - happened)
    if rarer < 10:
        return Text(
            zh=f"{len(buyers)}个结果中只有{rarer}个与其余不同",
            en=f"only {rarer} of {len(buyers)} outcomes differ from the rest",
        )
    nothing_chosen = Text(zh="没有选用平稳的特征", en="no stationary features are chosen")
    return None if tree_inputs else nothing_chosen
