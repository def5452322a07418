"""How a feature is declared: one record of a source, a window and a value.

A declaration never mentions a cutoff comparison or a window filter: ``features/build.py`` alone
applies them, so no feature can look past its cutoff.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Family = Literal["behaviour", "interaction", "satisfaction", "profile", "snapshot"]
Target = Literal["churn", "clv"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Feature:
    """One number per customer and cutoff.

    Two forms. *Aggregated*: ``source`` names a record table and ``value`` reduces its rows inside
    ``(cutoff - lag_days - window_days, cutoff - lag_days]`` (all history when ``window_days`` is
    ``None``). ``value`` receives an Ibis table with the columns of the contract plus ``day`` and
    ``cutoff`` (days since 1970-01-01) and may use ``sum``, ``count``, ``mean``, ``min``, ``max``,
    ``nunique`` (each with ``where=``) and ``argmax(t.day)`` (the latest day's mean) in arithmetic
    among themselves, with literals and with ``t.cutoff``. *Derived*: ``source`` is ``None`` and
    ``value`` receives the table of the features named in ``inputs`` plus ``cutoff``.

    Attributes:
        name: snake case, with the window in its name (``order_count_84d``).
        value: the reduction or the derivation, in Ibis.
        when_empty: the value for a customer with no rows in the window; ``None`` is "missing".
        unit: key of ``features.units`` (``orders``, ``days``, ``currency``, ``share`` …).
        concept: the group that reasons speak in, key of ``features.concepts``.
        label: the name people read, ``{"en": …, "zh": …}``.
        actionable: claims that the company can change it by an act of its own, now: resolve a case,
            call, grant, charge. What a customer did is not, nor is a year that has passed.
        monotone: direction in which the target moves with the feature, where the business is sure.
        stationary: claims that it means the same at every cutoff, so trees may use it.
    """

    name: str
    value: Callable[[Any], Any]
    family: Family
    concept: str
    unit: str
    label: Mapping[str, str]
    source: str | None = None
    window_days: int | None = None
    lag_days: int = 0
    inputs: tuple[str, ...] = ()
    when_empty: float | None = None
    actionable: bool = False
    monotone: Mapping[Target, Literal[-1, 1]] = field(default_factory=dict)
    stationary: bool = True

    @property
    def is_derived(self) -> bool:
        """Whether the feature is computed from other features."""
        return self.source is None


def ratio(numerator: Any, denominator: Any) -> Any:
    """Return the Ibis quotient as float64, missing where the denominator is zero or missing."""
    import ibis

    quotient = numerator.cast("float64") / denominator.nullif(0).cast("float64")
    return ibis.ifelse(denominator.notnull() & (denominator != 0), quotient, ibis.null("float64"))
