"""One change of odds for everybody: laws of what an action takes away of churn probabilities."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.odds import effect_between, share_taken

PROBABILITY = st.floats(0.001, 0.999)
EFFECT = st.floats(-0.99, 0.99)


@given(PROBABILITY, EFFECT)
def test_the_odds_of_leaving_change_alike_for_everybody(churn, effect):
    after = churn * (1.0 - float(share_taken(churn, effect)))
    odds, odds_after = churn / (1.0 - churn), after / (1.0 - after)
    assert odds_after / odds == pytest.approx((1.0 - effect) / (1.0 + effect))


@given(EFFECT)
def test_the_effect_is_the_share_taken_from_one_half(effect):
    assert float(share_taken(0.5, effect)) == pytest.approx(effect)


@given(PROBABILITY, st.floats(-0.99, 0.99))
def test_an_effect_is_known_again_by_the_probabilities_before_and_after(churn, effect):
    after = churn * (1.0 - float(share_taken(churn, effect)))
    assert effect_between(churn, after) == pytest.approx(effect, abs=1e-6)


@given(st.floats(0.01, 1.0))
def test_most_is_saved_among_the_undecided_and_hardly_anything_among_the_lost(effect):
    churn = np.linspace(0.0, 1.0, 1001)
    saved = churn * share_taken(churn, effect)
    assert ((saved >= 0.0) & (saved <= churn)).all()
    if effect < 0.5:
        assert 0.5 <= churn[saved.argmax()] <= 0.7
        assert saved[0] == saved[-1] == 0.0
