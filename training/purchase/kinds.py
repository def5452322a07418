"""The purchase models by the name that a configuration and a bundle call them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, Self

from configs.errors import ModelError
from training.purchase.betageometric import BgNbd, MbgNbd
from training.purchase.paretonbd import ParetoNbd
from training.purchase.posterior import USUAL, Search, Vector


class PurchaseModel(Protocol):
    """What every purchase model answers; times in days, shapes of the inputs."""

    @property
    def r(self) -> float:
        """Shape of the buying rates."""

    @property
    def alpha(self) -> float:
        """Weeks that divide the shape to the mean buying rate."""

    @classmethod
    def fit(
        cls,
        frequency: Vector,
        recency: Vector,
        tenure: Vector,
        *,
        start: Self | None = None,
        search: Search = USUAL,
    ) -> Self:
        """Return the model with the highest posterior density given the customers."""

    def probability_alive(self, frequency: Vector, recency: Vector, tenure: Vector) -> Vector:
        """Return P(still a customer)."""

    def expected_purchases(
        self, horizon_days: float, frequency: Vector, recency: Vector, tenure: Vector
    ) -> Vector:
        """Return E[X(H)]."""

    def probability_of_none(
        self, horizon_days: float, frequency: Vector, recency: Vector, tenure: Vector
    ) -> Vector:
        """Return P(X(H) = 0)."""

    def to_dict(self) -> dict[str, float]:
        """Return the parameters."""

    @classmethod
    def from_dict(cls, parameters: Mapping[str, float]) -> Self:
        """Return the model with ``parameters``."""


DEFAULT_KIND = "mbg_nbd"
"""The kind of a bundle that names none."""
KINDS: Mapping[str, type[PurchaseModel]] = {
    DEFAULT_KIND: MbgNbd,
    "bg_nbd": BgNbd,
    "pareto_nbd": ParetoNbd,
}


def described(model: PurchaseModel) -> dict[str, Any]:
    """Return kind and parameters, ready for JSON."""
    kinds = {kind: name for name, kind in KINDS.items()}
    return {"kind": kinds[type(model)], **model.to_dict()}


def from_description(value: Mapping[str, Any]) -> PurchaseModel:
    """Return the model that :func:`described` described.

    Raises:
        ModelError: a kind that this version does not know.
    """
    kind = value.get("kind", DEFAULT_KIND)
    if kind not in KINDS:
        raise ModelError(
            f"the bundle's purchase model is of the kind {kind!r}, which this version does not "
            f"know (it knows {', '.join(KINDS)}); train again, or use the version that wrote it"
        )
    return KINDS[kind].from_dict({name: v for name, v in value.items() if name != "kind"})
