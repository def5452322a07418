"""Gauss quadrature: what the purchase models have no safe closed form for."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh_tridiagonal

Vector = NDArray[np.float64]

NODES = 48
"""Quadrature nodes: E[X(H)] then agrees with adaptive integration to about 1e-9."""


@lru_cache(maxsize=10_000)
def beta_quadrature(a: float, b: float, nodes: int = NODES) -> tuple[Vector, Vector]:
    """Return nodes in (0, 1) and weights, sum 1, of Gauss quadrature under Beta(a, b).

    Golub & Welsch (1969): eigenvalues of the Jacobi matrix of the shifted Jacobi polynomials.
    """
    k = np.arange(nodes, dtype=float)
    s = 2.0 * k + a + b
    with np.errstate(invalid="ignore", divide="ignore"):
        diagonal = 0.5 + (a - b) * (a + b - 2.0) / (2.0 * (s - 2.0) * s)
    diagonal[0] = a / (a + b)
    j = k[1:]
    s = 2.0 * j + a + b
    square = np.empty(nodes - 1)
    square[0] = a * b / ((a + b) ** 2 * (a + b + 1.0))
    j, s = j[1:], s[1:]
    square[1:] = (
        j * (j + a - 1.0) * (j + b - 1.0) * (j + a + b - 2.0)
        / ((s - 1.0) * (s - 2.0) ** 2 * (s - 3.0))
    )  # fmt: skip
    points, vectors = eigh_tridiagonal(diagonal, np.sqrt(square))
    return np.maximum(points, np.finfo(float).tiny), vectors[0] ** 2


@lru_cache(maxsize=8)
def legendre_quadrature(nodes: int) -> tuple[Vector, Vector]:
    """Return nodes in (0, 1) and weights, sum 1, of Gauss-Legendre quadrature."""
    points, weights = np.polynomial.legendre.leggauss(nodes)
    return 0.5 * (points + 1.0), 0.5 * weights
