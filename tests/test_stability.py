"""Whether reasons hold when the same company is seen through other customers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from configs.load import load
from serving.scores.points import Ranked, break_down, keeps_its_place, rank
from training.additive import AdditiveModel
from training.boosting import RESAMPLES, fit_target
from training.dataset import Dataset

N = 3_000
CONCEPT_OF = {"silence": "silence", "score": "score", "copy": "copy", "dice": "dice"}
HALVES = {"silence": "first", "score": "second", "copy": "first", "dice": "second"}


def company(seed: int) -> Dataset:
    """Two thirds leave by silence; a score tells a little, its noisy copy as much; dice nothing."""
    rng = np.random.default_rng(seed)
    silence, score = rng.normal(size=N), rng.normal(size=N)
    seen = {
        "silence": silence,
        "score": score + rng.normal(0, 0.2, N),
        "copy": score + rng.normal(0, 0.2, N),
        "dice": rng.normal(size=N),
    }
    left = rng.random(N) < 1 / (1 + np.exp(-0.7 - 2.5 * np.sign(silence) + 0.8 * score))
    ids = pa.array([f"C{i}" for i in range(N)])
    matrix = pa.table({"customer_id": ids, "cutoff": pa.array(np.zeros(N), pa.int32()), **seen})
    return Dataset(matrix, left.astype(float))


@pytest.fixture(scope="module")
def churn() -> AdditiveModel:
    settings = load().training.model_copy(update={"threads": 1})
    train = company(0)
    inputs = tuple(CONCEPT_OF)
    return fit_target("churn", 90, train, train, {}, inputs, settings, resamples=RESAMPLES).model


def ranked(base: float, parts: dict[str, np.ndarray], model: AdditiveModel) -> Ranked:
    shown = model.inverse_link(base + np.sum([*parts.values()], axis=0))
    split = break_down("churn", base, parts, shown, model.inverse_link)
    return rank(split, CONCEPT_OF, "churn", 2)


@pytest.fixture(scope="module")
def found(churn: AdditiveModel) -> tuple[Ranked, np.ndarray]:
    """The first two reasons of other customers of the same company, and which are stable."""
    columns = company(1).columns(churn.inputs)
    found = churn.contributions_of_all(columns, CONCEPT_OF)
    own, *again = (ranked(*one, churn) for one in found)
    return own, keeps_its_place(own, again)


def share_stable(found: tuple[Ranked, np.ndarray], place: int, *concepts: str) -> float:
    """Return the share of stable ones among the reasons of a place that raise churn."""
    own, stable = found
    rows = np.isin(np.array(own.concepts)[own.concept[place]], concepts) & (own.points[place] > 1)
    assert rows.sum() > 200
    return float(stable[place][rows].mean())


def test_a_strong_reason_is_stable(found: tuple[Ranked, np.ndarray]) -> None:
    assert share_stable(found, 0, "silence") > 0.95


def test_reasons_that_swap_with_a_copy_of_theirs_are_marked(
    found: tuple[Ranked, np.ndarray],
) -> None:
    assert share_stable(found, 1, "score", "copy") < 0.7


def test_models_learnt_anew_differ_and_come_back_from_their_files(churn: AdditiveModel) -> None:
    assert len({churn.trees, *churn.resampled}) == RESAMPLES + 1
    assert replace(AdditiveModel.from_files("churn", churn.to_files()), threads=1) == churn


def test_models_learnt_anew_share_the_anchor_and_add_up(churn: AdditiveModel) -> None:
    columns = company(2).columns(churn.inputs)
    anew = churn.contributions_of_all(columns, CONCEPT_OF)[1:]
    for trees, (base, parts) in zip(churn.resampled, anew, strict=True):
        alone = replace(churn, trees=trees, resampled=())
        assert base + np.sum([*parts.values()], axis=0) == pytest.approx(alone.link_score(columns))


def test_contributions_in_groups_are_the_sums_of_those_alone(churn: AdditiveModel) -> None:
    columns = company(2).columns(churn.inputs)
    alone, grouped = (churn.contributions_of_all(columns, of)[1:] for of in (CONCEPT_OF, HALVES))
    for (base, parts), (same, sums) in zip(alone, grouped, strict=True):
        assert base == same
        for half in ("first", "second"):
            own = [part for name, part in parts.items() if HALVES[name] == half]
            np.testing.assert_allclose(sums[half], np.sum(own, axis=0), rtol=0, atol=1e-12)
