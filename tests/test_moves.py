"""Everybody in two models' tiers is accounted for, and the reason of a move is the largest."""

from __future__ import annotations

from dataclasses import replace

import pytest

from serving.champions.moves import Scored, moves_between
from serving.scores.scorer import Scorer
from tests.small_bundle import config_in, matrix_of, small_bundle


def scored(config, shift=0.0, rows=slice(None)):
    bundle = small_bundle()
    value = replace(bundle.models["clv"], intercept=bundle.models["clv"].intercept + shift)
    bundle = replace(bundle, models=bundle.models | {"clv": value})
    matrix = matrix_of(300)[rows]
    return Scored(bundle, matrix, Scorer(bundle, config.lifecycle).score(matrix))


def test_a_model_moves_nobody_from_itself(tmp_path):
    config = config_in(tmp_path)
    moves = moves_between(config, scored(config), scored(config))
    assert (moves.n, moves.changed, moves.movers) == (300, 0, ())
    assert moves.value[0] == moves.value[1]


def test_a_model_that_expects_more_moves_customers_up_only(tmp_path):
    config = config_in(tmp_path)
    moves = moves_between(config, scored(config), scored(config, shift=0.5))
    codes = list(moves.names)
    assert moves.changed > 0
    assert moves.share == moves.changed / 300
    assert sum(moves.counts.values()) == 300
    for before, now in moves.counts:
        assert codes.index(now) <= codes.index(before)
    gains = [one.value_now - one.value_before for one in moves.movers]
    assert gains == sorted(gains, reverse=True)
    assert min(gains) > 0


def test_customers_of_one_side_alone_are_left_out(tmp_path):
    config = config_in(tmp_path)
    first, last = scored(config, rows=slice(0, 200)), scored(config, rows=slice(100, 300))
    assert moves_between(config, first, last).n == 100


def test_the_concept_told_is_the_one_whose_part_changed_most(tmp_path):
    config = config_in(tmp_path)
    bundle = small_bundle()
    deaf = replace(bundle.models["clv"], trees=None, tree_inputs=())
    other = replace(bundle, models=bundle.models | {"clv": deaf})
    matrix = matrix_of(300)
    now = Scored(other, matrix, Scorer(other, config.lifecycle).score(matrix))
    moves = moves_between(config, scored(config), now)
    assert moves.movers
    for mover in moves.movers:
        assert mover.concept.zh != mover.concept.en
        assert mover.points_before != pytest.approx(mover.points_now)
