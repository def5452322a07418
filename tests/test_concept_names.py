"""Concepts are called as people call them, in both languages, a company's own columns too."""

from __future__ import annotations

import pytest

from configs.records import SnapshotFile, SnapshotSource
from features.snapshot import snapshot_features
from serving.scores.concept_names import concept_name
from tests.test_contract import contracts

FEATURES = snapshot_features(
    SnapshotSource(
        source=SnapshotFile(path="x.csv"),
        label="left",
        positive="yes",
        observed_on="2024-01-01",
        numbers=["months"],
        categories=["plan"],
        names={"months": {"zh": "在网月数", "en": "Months"}, "plan": {"zh": "套餐", "en": "Plan"}},
    ),
    contracts(50),
)


@pytest.mark.parametrize(
    ("concept", "zh", "en"),
    [
        ("months", "在网月数", "Months"),
        ("plan", "套餐", "Plan"),
        ("spend", "消费金额", "Spend"),
        ("of an older model", "of an older model", "of an older model"),
    ],
)
def test_a_concept_has_a_name_in_both_languages(concept, zh, en):
    name = concept_name(concept, FEATURES)
    assert (name.zh, name.en) == (zh, en)
