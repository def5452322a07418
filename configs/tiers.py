"""What tiers a company has, who gets one, and the stages of a relationship."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from configs.section import Section, Text


class Tier(Section):
    """One value tier; listed from the highest to the lowest."""

    code: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
    name: Text


class Thresholds(Section):
    """Where the tiers divide, from the lowest boundary to the highest."""

    by: Literal["quantile", "amount", "revenue_share", "natural_breaks"]
    at: tuple[float, ...] = ()


class Guard(Section):
    """A rule that caps or lifts a tier, whatever the expected value."""

    name: Text
    feature: str
    at_least: float | None = None
    at_most: float | None = None
    cap: str | None = None
    lift: str | None = None


class ChurnBands(Section):
    """From which churn probability a customer counts as medium or high risk."""

    medium: Annotated[float, Field(gt=0, lt=1)]
    high: Annotated[float, Field(gt=0, lt=1)]


class TierPolicy(Section):
    """How expected value becomes a tier."""

    name: str
    objective: Literal["revenue", "margin", "retention"]
    """What tiers are for. Revenue and margin must be what `clv.measure` counts, and put customers
    of most value at stake first in the report; retention puts the likeliest to leave first."""
    tiers: Annotated[tuple[Tier, ...], Field(min_length=2)]
    thresholds: Thresholds
    hysteresis: Annotated[float, Field(ge=0, lt=1)]
    minimum_stay_days: Annotated[int, Field(ge=0)]
    guards: tuple[Guard, ...] = ()
    churn_bands: ChurnBands

    @model_validator(mode="after")
    def _consistent(self) -> TierPolicy:
        codes = [tier.code for tier in self.tiers]
        at = self.thresholds.at
        if len(set(codes)) != len(codes):
            raise ValueError(f"tier codes repeat: {codes}")
        if self.thresholds.by != "natural_breaks" and len(at) != len(codes) - 1:
            raise ValueError(f"{len(codes)} tiers need {len(codes) - 1} thresholds, got {len(at)}")
        if list(at) != sorted(set(at)):
            raise ValueError(f"thresholds must rise strictly, got {list(at)}")
        if self.thresholds.by in ("quantile", "revenue_share") and not all(0 < x < 1 for x in at):
            raise ValueError(f"{self.thresholds.by} thresholds lie between 0 and 1, got {list(at)}")
        for guard in self.guards:
            for code in (guard.cap, guard.lift):
                if code is not None and code not in codes:
                    raise ValueError(f"guard names tier {code!r}; tiers are {codes}")
        return self


class Lifecycle(Section):
    """Boundaries of the lifecycle stages."""

    new_within_days: Annotated[int, Field(ge=1)]
    lost_after_days: Annotated[int, Field(ge=1)]
