"""Champion and challenger meet on a day that neither has seen, or not at all."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import numpy as np
import pytest

from configs.tiers import Lifecycle
from serving.champions import contest as contest_module
from serving.champions.contest import Side, contests
from tests.small_bundle import config_in, matrix_of
from tests.small_fitted import small_fitted, small_store
from training.bundle import read_bundle
from training.dataset import Dataset
from training.evaluate import Evaluation
from training.held_out import HeldOut, Trial, held_out_of
from training.signing import public_key

DAY, LATER = 20_000, 20_180
LIFECYCLE = Lifecycle(new_within_days=90, lost_after_days=365)
BEFORE = dt.date(2024, 1, 1)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    """A bundle whose measured twin learnt from horizons that closed by ``DAY``."""
    fitted = small_fitted()
    targets = {
        name: one.model_copy(update={"training_cutoffs": (dt.date(2023, 9, 1),)})
        for name, one in fitted.evaluation.targets.items()
    }
    fitted = replace(fitted, evaluation=Evaluation(targets=targets))
    config, folder, _ = small_store(tmp_path_factory.mktemp("store"), fitted)
    return read_bundle(folder, public_key(config.stores.keys))


def side(bundle, version, day=DAY, shift=0.0, n=300, **changes):
    matrix = matrix_of(n, day, seed=3)
    trials = {}
    for target, model in bundle.models.items():
        p = model.predict(Dataset(matrix).columns(model.inputs))
        left = np.random.default_rng(0).random(n) < p
        rows = Dataset(matrix, left.astype(float) if target == "churn" else p * 1.2)
        trials[target] = Trial(rows, p + shift * np.random.default_rng(1).random(n), model)
    held_out = held_out_of(trials, bundle.policy, LIFECYCLE)
    return Side(version, replace(bundle, **changes), held_out)


def meet(one, other, tmp_path):
    return contests(config_in(tmp_path), one, other, tmp_path)


def test_two_judged_on_one_day_meet_on_the_customers_of_both(bundle, tmp_path):
    found = meet(side(bundle, "1"), side(bundle, "2", n=250, shift=2.0), tmp_path)
    for contest in found.values():
        assert contest.why_not is None
        assert contest.n == 250
        assert contest.day == "2024-10-04"
    assert found["churn"].main.high < 0.0
    assert {part.axis.en for part in found["churn"].slices} == {"Tier", "Lifecycle"}


def test_equal_predictions_differ_by_nothing_in_every_part(bundle, tmp_path):
    found = meet(side(bundle, "1"), side(bundle, "2"), tmp_path)
    duels = [d for c in found.values() for d in (*c.duels, *(s.duel for s in c.slices))]
    assert duels
    assert {d.difference for d in duels} == {0.0}
    assert found["churn"].champion == found["churn"].challenger


def test_an_older_version_is_asked_again_on_the_later_day(bundle, tmp_path, monkeypatch):
    def matrix_then(config, of, records):
        assert config.as_of == dt.date(1970, 1, 1) + dt.timedelta(days=LATER)
        return matrix_of(300, LATER, seed=3)

    monkeypatch.setattr(contest_module, "matrix_to_score", matrix_then)
    older = replace(bundle, manifest=bundle.manifest.model_copy(update={"as_of": BEFORE}))
    for champion, way in ((side(older, "1"), "served model"), (side(bundle, "1"), "twin")):
        late = bundle.manifest.model_copy(update={"as_of": dt.date(2026, 1, 1)})
        if way == "twin":
            champion = replace(champion, bundle=replace(bundle, manifest=late))
        found = meet(champion, side(bundle, "2", LATER), tmp_path)
        assert {c.day for c in found.values()} == {"2025-04-02"}
        assert {c.main.difference for c in found.values()} == {0.0}
        assert all(way in c.notes[0].en for c in found.values())


def test_windows_that_overlap_are_told_and_give_no_figures(bundle, tmp_path):
    targets = {
        name: one.model_copy(update={"training_cutoffs": (dt.date(2024, 10, 1),)})
        for name, one in bundle.evaluation.targets.items()
    }
    seen = side(bundle, "1", evaluation=Evaluation(targets=targets))
    found = meet(seen, side(bundle, "2"), tmp_path)
    assert all("overlaps" in c.why_not.en and not c.duels for c in found.values())


def test_versions_that_predict_different_things_are_not_held_against_each_other(bundle, tmp_path):
    config = {**bundle.config, "churn": {**bundle.config["churn"], "horizon_days": 60}}
    found = meet(side(bundle, "1"), side(bundle, "2", config=config), tmp_path)
    assert "churn.horizon_days" in found["churn"].why_not.en
    assert found["clv"].why_not is None


def test_a_version_judged_on_nobody_is_not_compared(bundle, tmp_path):
    found = meet(Side("1", bundle, HeldOut()), side(bundle, "2"), tmp_path)
    assert all(c.why_not == contest_module.NOT_MEASURED for c in found.values())
