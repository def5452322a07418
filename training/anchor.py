"""The anchor: what the purchase model alone says, on the link scale, split exactly by input.

Churn (logit link) and value (log link) have the same form, ``level + slope · signal``, with

* churn: signal = log E[X(H)], the expected purchases in the horizon;
* value: signal = log(E[X(H)] · E[M]), the expected purchases times expected spend.

Contract customers, and customers who never bought, have a constant instead.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from training.purchase import (
    DAYS_PER_WEEK,
    DEFAULT_KIND,
    KINDS,
    GammaGamma,
    PurchaseModel,
    described,
    from_description,
)

Vector = NDArray[np.float64]
Columns = Mapping[str, Vector]
TargetName = Literal["churn", "clv"]

FREQUENCY, TENURE = "frequency", "tenure_days"
PURCHASE_INPUTS = (FREQUENCY, "recency_days", TENURE)
VALUE_INPUTS = (*PURCHASE_INPUTS, "monetary_value")
SPEND = frozenset(VALUE_INPUTS) - frozenset(PURCHASE_INPUTS)
SMALLEST_SIGNAL = -30.0
"""Floor of log E[X(H)] and log value: about 1e-13 purchases."""


@dataclass(frozen=True)
class Anchor:
    """A frozen anchor: ``link`` gives its value, ``shapley`` its exact split over the inputs.

    Attributes:
        horizon_days: days ahead that the expected purchases are counted in.
        level: added to the signal; all there is when ``purchase`` is ``None``.
        slope: factor of the signal.
        without_purchases: link value of a customer who has never bought.
        reference: the customer that contributions start from, one value per input.
        purchase: expected purchases; ``None`` for a constant anchor.
        spend: expected spend per purchase day; ``None`` for churn.
    """

    horizon_days: int
    level: float
    slope: float = 1.0
    without_purchases: float = 0.0
    reference: Mapping[str, float] | None = None
    purchase: PurchaseModel | None = None
    spend: GammaGamma | None = None

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the columns that the anchor reads; none for a constant."""
        if self.purchase is None:
            return ()
        return PURCHASE_INPUTS if self.spend is None else VALUE_INPUTS

    def link(self, columns: Columns, n: int) -> Vector:
        """Return the anchor of ``n`` customers on the link scale."""
        return self._at(columns, frozenset(self.inputs), n)

    def never_bought(self, columns: Columns, n: int) -> NDArray[np.bool_]:
        """Return which of ``n`` customers have no purchase, so no anchor inputs."""
        if self.purchase is None:
            return np.zeros(n, dtype=bool)
        return np.isnan(columns[FREQUENCY])

    def shapley(self, columns: Columns, n: int) -> tuple[float, dict[str, Vector]]:
        """Return the link value of the reference customer and each input's Shapley value.

        Every subset of inputs is evaluated once (16 for value, 8 for churn), the others held at
        the reference. What sets a customer without purchases apart belongs to ``frequency``.
        """
        inputs = self.inputs
        if self.purchase is None:
            return self.level, {}
        expected = {s: self._expected(columns, s, n) for s in _subsets(PURCHASE_INPUTS)}
        at = {s: self._link_of(expected[s - SPEND], columns, s, n) for s in _subsets(inputs)}
        parts = {name: np.zeros(n) for name in inputs}
        for subset in _subsets(inputs)[:-1]:
            weight = 1.0 / (len(inputs) * math.comb(len(inputs) - 1, len(subset)))
            for name in set(inputs) - subset:
                parts[name] += weight * (at[subset | {name}] - at[subset])
        return float(self._at(columns, frozenset(), 1)[0]), parts

    def _at(self, columns: Columns, present: frozenset[str], n: int) -> Vector:
        if self.purchase is None:
            return np.full(n, self.level)
        return self._link_of(self._expected(columns, present - SPEND, n), columns, present, n)

    def _expected(self, columns: Columns, present: frozenset[str], n: int) -> Vector:
        """Return the expected purchases; those who are alike in all ``present`` once."""
        assert self.purchase is not None
        some, kind = _alike({name: columns[name] for name in self.inputs}, present, n)
        mixed = self._mixed(some, present, len(some[TENURE]))
        few = self.purchase.expected_purchases(
            self.horizon_days, *(mixed[name] for name in PURCHASE_INPUTS)
        )
        return few[kind]

    def _link_of(
        self, expected: Vector, columns: Columns, present: frozenset[str], n: int
    ) -> Vector:
        """Return the link value of customers with ``expected`` purchases."""
        if self.spend is not None:
            mixed = self._mixed(columns, present, n)
            expected = expected * _spend(self.spend, mixed)
        value = self.level + self.slope * _log(expected)
        if FREQUENCY in present:
            value = np.where(self.never_bought(columns, n), self.without_purchases, value)
        return value

    def _mixed(self, columns: Columns, present: frozenset[str], n: int) -> Columns:
        """Return customers whose inputs ``present`` are their own, the others the reference's.

        An input stands for what people mean by it: ``frequency`` for the rate of buying, at
        whatever tenure, and ``recency_days`` for the silence since the last purchase, counted in
        purchases that were to be expected meanwhile. Mixed column by column, a frequent buyer
        with a typical silence would read as long gone, and contributions of several hundred
        points would cancel each other.
        """
        typical = {name: np.full(n, (self.reference or {})[name]) for name in self.inputs}
        own = {
            name: np.where(np.isnan(columns[name]), typical[name], columns[name])
            for name in self.inputs
        }
        source = {name: own if name in present else typical for name in self.inputs}
        tenure = source["tenure_days"]["tenure_days"]
        silence = self._silence(source["recency_days"], source[FREQUENCY])
        return {name: source[name][name] for name in self.inputs} | {
            "recency_days": np.maximum(tenure - silence, 0.0),
            FREQUENCY: self._at_tenure(source[FREQUENCY], tenure),
        }

    def _silence(self, silent: Columns, rated: Columns) -> Vector:
        """Return the silence of customers ``silent``, carried over to the rate of ``rated``."""
        silence = silent["tenure_days"] - silent["recency_days"]
        return silence if silent is rated else silence * self._rate(silent) / self._rate(rated)

    def _rate(self, customers: Columns) -> Vector:
        """Return the expected purchases a day while a customer stays."""
        assert self.purchase is not None
        r, alpha = self.purchase.r, self.purchase.alpha * DAYS_PER_WEEK
        return (r + customers[FREQUENCY]) / (alpha + customers["tenure_days"])

    def _at_tenure(self, customers: Columns, tenure: Vector) -> Vector:
        """Return the repeat purchases by ``tenure`` at the customers' expected rate."""
        assert self.purchase is not None
        r, alpha = self.purchase.r, self.purchase.alpha * DAYS_PER_WEEK
        kept = np.maximum(np.round(self._rate(customers) * (alpha + tenure) - r), 0.0)
        return np.where(customers["tenure_days"] == tenure, customers[FREQUENCY], kept)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        return {
            "horizon_days": self.horizon_days,
            "level": self.level,
            "slope": self.slope,
            "without_purchases": self.without_purchases,
            "reference": dict(self.reference) if self.reference is not None else None,
            "purchase": described(self.purchase) if self.purchase is not None else None,
            "spend": self.spend.to_dict() if self.spend is not None else None,
        }

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Anchor:
        """Return the anchor that ``to_dict`` described."""
        purchase, spend = value["purchase"], value["spend"]
        return cls(
            **{
                **value,
                "purchase": None if purchase is None else from_description(purchase),
                "spend": None if spend is None else GammaGamma.from_dict(spend),
            }
        )


def signal(
    purchase: PurchaseModel, spend: GammaGamma | None, horizon_days: int, columns: Columns
) -> Vector:
    """Return log E[X(H)], plus log E[M] where ``spend`` is given; never below the floor."""
    expected = purchase.expected_purchases(
        horizon_days, *(columns[name] for name in PURCHASE_INPUTS)
    )
    return _log(expected if spend is None else expected * _spend(spend, columns))


def _spend(spend: GammaGamma, columns: Columns) -> Vector:
    """Return the expected spend of a purchase day."""
    return spend.expected_spend(columns[FREQUENCY] + 1.0, columns["monetary_value"])


def _log(expected: Vector) -> Vector:
    return np.log(np.maximum(expected, math.exp(SMALLEST_SIGNAL)))


def _alike(columns: Columns, present: frozenset[str], n: int) -> tuple[Columns, NDArray[np.int64]]:
    """Return one customer of each kind, and each one's kind, where kinds are few.

    With nothing their own, or their tenure alone, customers are alike by the hundred; the other
    inputs are carried over to a customer's own rate (see ``_mixed``), which few share.
    """
    if not present:
        return {name: np.full(1, np.nan) for name in columns}, np.zeros(n, dtype=np.int64)
    if present != {TENURE}:
        return columns, np.arange(n)
    _, rows, where = np.unique(columns[TENURE], return_index=True, return_inverse=True)
    return {name: column[rows] for name, column in columns.items()}, where


def reference_customer(columns: Columns, inputs: tuple[str, ...]) -> dict[str, float]:
    """Return the median customer, the start of every contribution; 0 where nobody has a value.

    The recency is that of a customer of median tenure and median silence: medians column by
    column would be of somebody long lost.
    """
    medians = {name: _median(columns[name]) for name in inputs}
    if "recency_days" in medians and "tenure_days" in medians:
        silence = _median(columns["tenure_days"] - columns["recency_days"])
        medians["recency_days"] = max(medians["tenure_days"] - silence, 0.0)
    return medians


def _median(values: Vector) -> float:
    known = values[~np.isnan(values)]
    return float(np.median(known)) if len(known) else 0.0


@dataclass(frozen=True)
class PurchaseModels:
    """The purchase models of one cutoff."""

    purchase: PurchaseModel
    spend: GammaGamma


def fitted_purchase(
    columns: Columns, kind: str = DEFAULT_KIND, start: PurchaseModels | None = None
) -> PurchaseModels:
    """Return the purchase models fitted on the customers of one cutoff who have bought.

    Args:
        columns: the four inputs, a row a customer.
        kind: ``mbg_nbd``, ``bg_nbd`` or ``pareto_nbd``.
        start: models of the same kind and an earlier cutoff, where the search then begins.
    """
    bought = ~np.isnan(columns[FREQUENCY])
    x, t_x, T = (columns[name][bought] for name in PURCHASE_INPUTS)
    spend = GammaGamma.fit(x + 1.0, columns["monetary_value"][bought])
    begin = None if start is None else start.purchase
    return PurchaseModels(KINDS[kind].fit(x, t_x, T, start=begin), spend)


def logistic_line(
    signals: Vector, churned: Vector, prior: tuple[float, float]
) -> tuple[float, float]:
    """Return level and slope of P(churn) on the signal, by logistic regression.

    A normal prior (standard deviation 1 and .5) around ``prior`` keeps both finite when there are
    few customers or one class only; thousands of customers drown it.
    """
    spread = np.array([1.0, 0.5])
    centre, line = np.array(prior), np.array(prior)
    X = np.column_stack([np.ones(len(signals)), signals])
    for _ in range(100):
        p = expit(X @ line)
        slope = X.T @ (churned - p) - (line - centre) / spread**2
        curvature = (X * (p * (1.0 - p))[:, None]).T @ X + np.diag(1.0 / spread**2)
        step = np.clip(np.linalg.solve(curvature, slope), -2.0, 2.0)
        line = line + step
        if np.abs(step).max() < 1e-10:
            break
    return float(line[0]), float(line[1])


def _subsets(names: tuple[str, ...]) -> list[frozenset[str]]:
    sizes = range(len(names) + 1)
    return [frozenset(s) for size in sizes for s in itertools.combinations(names, size)]


def unlabelled_line(
    purchase: PurchaseModel, horizon_days: int, columns: Columns, signals: Vector
) -> tuple[float, float]:
    """Return the straight line through the purchase model's own logit P(X(H) = 0).

    It needs no labels, so it serves where no horizon has closed yet, and as the prior elsewhere.
    """
    none = purchase.probability_of_none(horizon_days, *(columns[name] for name in PURCHASE_INPUTS))
    target = logit(np.clip(none, 1e-6, 1.0 - 1e-6))
    spread = float(np.var(signals)) if len(signals) else 0.0
    if spread < 1e-9:
        return (float(np.mean(target)) if len(target) else 0.0), 0.0
    slope = min(float(np.mean((signals - signals.mean()) * target)) / spread, 0.0)
    return float(target.mean() - slope * signals.mean()), slope
