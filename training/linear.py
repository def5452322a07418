"""Ridge logistic regression: a straight line per column, so each column's part is plain to see."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

Vector = NDArray[np.float64]
Columns = Mapping[str, Vector]
PENALTY = 10.0
"""Of the squared coefficients of standardised columns: as if each had been seen so much flat."""
SMALLEST_SPREAD = 1e-12


@dataclass(frozen=True)
class Line:
    """A straight line on the logit: ``level + Σ slope · (x − mean)``, with missing values filled.

    Attributes:
        level: the link at the mean of every column.
        inputs: columns.
        fill: what stands for a missing value, the median.
        mean: of the filled column, where its contribution is zero.
        slope: per unit of the column.
        missing: added where the value is missing, beside the filled one's part.
        missing_share: how many values were missing, so that ``missing`` averages to zero.
    """

    level: float
    inputs: tuple[str, ...]
    fill: tuple[float, ...]
    mean: tuple[float, ...]
    slope: tuple[float, ...]
    missing: tuple[float, ...]
    missing_share: tuple[float, ...]

    def link(self, columns: Columns, n: int) -> Vector:
        """Return the link of ``n`` customers, added up column by column."""
        total = np.full(n, self.level)
        for part in self.contributions(columns).values():
            total = total + part
        return total

    def contributions(self, columns: Columns) -> dict[str, Vector]:
        """Return each column's part; with ``level`` they add up to the link."""
        return {name: self._part(i, columns[name]) for i, name in enumerate(self.inputs)}

    def scaled(self, factor: float) -> Line:
        """Return the line times ``factor``."""
        slope = tuple(factor * value for value in self.slope)
        missing = tuple(factor * value for value in self.missing)
        return replace(self, level=factor * self.level, slope=slope, missing=missing)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in asdict(self).items()
        }

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Line:
        """Return the line that ``to_dict`` described."""
        return cls(
            level=value["level"],
            inputs=tuple(value["inputs"]),
            fill=tuple(value["fill"]),
            mean=tuple(value["mean"]),
            slope=tuple(value["slope"]),
            missing=tuple(value["missing"]),
            missing_share=tuple(value["missing_share"]),
        )

    def _part(self, i: int, values: Vector) -> Vector:
        absent = np.isnan(values)
        part = self.slope[i] * (np.where(absent, self.fill[i], values) - self.mean[i])
        extra: Vector = part + self.missing[i] * (absent - self.missing_share[i])
        return extra


def fitted_line(
    columns: Columns, names: Sequence[str], y: Vector, directions: Mapping[str, int]
) -> Line:
    """Return the ridge logistic regression of ``y`` on the columns that vary.

    Args:
        columns: values by name; NaN is missing.
        names: columns to use.
        y: 1 for churned, 0 for stayed.
        directions: +1 or -1 for columns whose slope may not have the other sign.
    """
    X = np.column_stack([columns[name] for name in names])
    absent = np.isnan(X)
    fill = np.array([_median(column) for column in X.T])
    filled = np.where(absent, fill, X)
    mean, spread = filled.mean(axis=0), filled.std(axis=0)
    share = absent.mean(axis=0)
    varies = np.flatnonzero(spread > SMALLEST_SPREAD).tolist()
    lacks = np.flatnonzero(share > 0).tolist()
    Z = np.hstack([(filled - mean)[:, varies] / spread[varies], (absent - share)[:, lacks]])
    signs = [directions.get(names[i], 0) for i in varies] + [0] * len(lacks)
    level, weights = _ridge(Z, y, signs)
    slope, missing = np.zeros(len(names)), np.zeros(len(names))
    slope[varies] = weights[: len(varies)] / spread[varies]
    missing[lacks] = weights[len(varies) :]
    used = np.flatnonzero((slope != 0) | (missing != 0)).tolist()
    inputs = tuple(names[i] for i in used)
    of_used = (fill, mean, slope, missing, share)
    return Line(level, inputs, *(tuple(float(v) for v in each[used]) for each in of_used))


def _ridge(Z: Vector, y: Vector, signs: Sequence[int]) -> tuple[float, Vector]:
    from scipy.optimize import minimize

    start = np.zeros(Z.shape[1] + 1)
    start[0] = logit((y.sum() + 0.5) / (len(y) + 1.0))

    def loss(w: Vector) -> tuple[float, Vector]:
        link = w[0] + Z @ w[1:]
        value = np.logaddexp(0.0, link).sum() - y @ link + 0.5 * PENALTY * (w[1:] @ w[1:])
        off = expit(link) - y
        return float(value), np.concatenate([[off.sum()], Z.T @ off + PENALTY * w[1:]])

    bounds = [(None, None), *((0.0 if s > 0 else None, 0.0 if s < 0 else None) for s in signs)]
    options = {"ftol": 1e-12, "gtol": 1e-6 * len(y), "maxiter": 500}
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options=options)
    return float(found.x[0]), found.x[1:]


def _median(values: Vector) -> float:
    known = values[~np.isnan(values)]
    return float(np.median(known)) if len(known) else 0.0
