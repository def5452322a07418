"""What is learnt and how: targets, snapshots, features, trees, promotion."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from configs.section import Section


class Churn(Section):
    """What counts as lost."""

    horizon_days: Annotated[int, Field(ge=7, le=1460)]
    rule: Literal["no_purchase", "contract_end"]


class Clv(Section):
    """What is counted as value."""

    horizon_days: Annotated[int, Field(ge=7, le=3650)]
    measure: Literal["spend", "margin"]


class Snapshots(Section):
    """The cutoffs that models learn from."""

    spacing_days: Annotated[int, Field(ge=1)]
    count: Annotated[int, Field(ge=1)]
    year_back: bool
    minimum_history_days: Annotated[int, Field(ge=1)]
    evaluation_cutoff: dt.date | None = None
    """Default: the horizon before the as-of day. Everything trained for it closes by then."""


class FeatureChoice(Section):
    """Which declared features are used."""

    families: tuple[Literal["behaviour", "interaction", "satisfaction", "profile"], ...]
    leave_out: tuple[str, ...] = ()
    sensitive: tuple[str, ...]
    """Words in names of columns that are kept to split figures by, never to score with."""


class Trees(Section):
    """LightGBM's settings, one set for every target; contract customers' are found inside."""

    count: Annotated[int, Field(ge=1)]
    leaves: Annotated[int, Field(ge=2)]
    learning_rate: Annotated[float, Field(gt=0, le=1)]
    minimum_rows_per_leaf: Annotated[int, Field(ge=1)]
    tweedie_power: Annotated[float, Field(gt=1, lt=2)]


class Training(Section):
    """How models are fitted."""

    seed: int
    threads: Annotated[int, Field(ge=1)]
    minimum_customers: Annotated[int, Field(ge=1)]
    max_rows: Annotated[int, Field(ge=1000)]
    """Rows, a customer at a cutoff each, that are learnt from over all cutoffs. Of a company with
    more, customers are drawn by a digest of their ids, each at all cutoffs or at none."""
    interval_level: Annotated[float, Field(gt=0, lt=1)]
    segments_at_most: Annotated[int, Field(ge=2, le=12)]
    purchase_model: Literal["mbg_nbd", "bg_nbd", "pareto_nbd"]
    trees: Trees

    @model_validator(mode="before")
    @classmethod
    def _not_by_its_old_name(cls, given: Any) -> Any:
        if isinstance(given, dict) and "customers_at_most" in given:
            raise ValueError(
                "customers_at_most is now max_rows and counts rows, a customer at a cutoff each: "
                "take customers_at_most out, and to learn from about as many customers as before "
                "write max_rows as their number times the cutoffs, which `echelon card` lists"
            )
        return given


class Promotion(Section):
    """What a challenger must hold to become champion; somebody may still say otherwise."""

    ranking_loss_at_most: Annotated[float, Field(ge=0, lt=1)]
    """By how much AUC or nGini may be surely lower than the champion's."""
    calibration_error_at_most: Annotated[float, Field(gt=0, le=1)]
    """Of churn (ECE15); more is let through where the champion's is no less."""
    tier_changes_at_most: Annotated[float, Field(ge=0, le=1)]
    """Share of customers who would be in another tier."""
    lowest_grade: Literal["A", "B", "C", "D"]
