"""Lifecycle stages."""

from __future__ import annotations

import numpy as np

from configs.tiers import Lifecycle
from training.lifecycle import STAGES, stages

BOUNDARIES = Lifecycle(new_within_days=90, lost_after_days=365)


def stage(recency_days: float, tenure_days: float) -> str:
    columns = {"recency_days": np.array([recency_days]), "tenure_days": np.array([tenure_days])}
    return str(stages(columns, 1, BOUNDARIES)[0])


def test_no_purchase_is_a_prospect():
    assert stage(np.nan, np.nan) == "prospect"


def test_the_first_purchase_makes_new_for_ninety_days():
    assert stage(0, 90) == "new"
    assert stage(0, 91) == "mature"


def test_a_year_of_silence_is_lost_a_day_less_is_not():
    assert stage(100, 100 + 365) == "mature"
    assert stage(100, 100 + 366) == "lost"


def test_contract_customers_are_mature():
    assert stages({}, 3, BOUNDARIES).tolist() == ["mature"] * 3


def test_every_stage_has_both_names():
    assert all(text.zh and text.en for text in STAGES.values())
