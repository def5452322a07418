"""A feature as a bundle keeps it: all that people and reasons read, not the expression."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from features.spec import Family, Feature, Target


class DescribedFeature(BaseModel):
    """The declaration of a feature without its value; see ``features.spec.Feature``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    family: Family
    concept: str
    unit: str
    label: dict[str, str]
    source: str | None
    window_days: int | None
    lag_days: int
    inputs: tuple[str, ...]
    when_empty: float | None
    actionable: bool
    monotone: dict[Target, int]
    stationary: bool
    definition: str = ""
    """What is computed, as text; empty in bundles of before it was kept."""


def described(feature: Feature) -> DescribedFeature:
    """Return what a bundle keeps of ``feature``."""
    from features.definition import definition

    kept = DescribedFeature.model_fields.keys() - {"definition"}
    values = {name: getattr(feature, name) for name in kept}
    return DescribedFeature(**values, definition=definition(feature))
