"""The preview of a policy says what publishing by it then gives, customer by customer."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from configs.section import Text
from configs.tiers import ChurnBands, Guard, Thresholds, Tier, TierPolicy
from serving.policies.effect import effect_of
from serving.policies.freezing import Basis, basis_of
from serving.scores.publication import open_publication
from serving.scores.publish import publish_matrix
from serving.scores.scorer import Scorer, previous_of
from tests.small_bundle import job_in, matrix_of, small_bundle

THEN, NOW = 19_972, 20_000
NAMES = ("vip", "potential", "general", "low", "new_one")
FEATURES = ("csat_latest", "visits_84d", "spend_364d")


@pytest.fixture(scope="module")
def basis(tmp_path_factory: pytest.TempPathFactory) -> Basis:
    """Return 240 customers, published four weeks ago, with other features, and today."""
    job = job_in(Path(tmp_path_factory.mktemp("store")))
    publish_matrix(job, matrix_of(300, day=THEN, seed=5).slice(0, 220))
    return basis_of(open_publication(publish_matrix(job, matrix_of(240, day=NOW))))


@st.composite
def policies(draw: st.DrawFn) -> TierPolicy:
    """Return any policy that the editor takes."""
    codes = draw(st.permutations(NAMES))[: draw(st.integers(2, 5))]
    n = len(codes) - 1
    by = draw(st.sampled_from(["amount", "quantile", "revenue_share", "natural_breaks"]))
    share = st.floats(0.01, 0.99)
    at = st.floats(1, 5_000) if by == "amount" else share
    count = 0 if by == "natural_breaks" else n
    edges = sorted(draw(st.lists(at, min_size=count, max_size=count, unique=True)))
    code = st.sampled_from(codes)
    guard = st.builds(
        Guard,
        name=st.just(Text(zh="规则", en="rule")),
        feature=st.sampled_from(FEATURES),
        at_least=st.none() | st.floats(0, 5),
        at_most=st.none() | st.floats(0, 50),
        cap=st.none() | code,
        lift=st.none() | code,
    )
    return TierPolicy(
        name="drawn",
        objective="revenue",
        tiers=tuple(Tier(code=one, name=Text(zh=one, en=one)) for one in codes),
        thresholds=Thresholds(by=by, at=tuple(edges)),
        hysteresis=draw(st.floats(0, 0.9)),
        minimum_stay_days=draw(st.integers(0, 60)),
        guards=tuple(draw(st.lists(guard, max_size=3))),
        churn_bands=ChurnBands(medium=0.2, high=draw(st.floats(0.3, 0.9))),
    )


@settings(max_examples=25, deadline=None)
@given(policies())
def test_the_preview_is_what_the_next_publication_gives_every_customer(basis, drawn):
    policy = basis.frozen(drawn)
    publication = basis.publication
    bundle = replace(small_bundle(), policy=policy, outlook=None)
    scorer = Scorer(bundle, job_in(publication.folder).config.lifecycle)
    earlier = publication.earlier()
    scored = scorer.score(publication.features(), previous_of(earlier.scores()))
    shown = basis.tiers(policy)
    assert shown.codes.tolist() == scored["tier"].to_pylist()
    assert shown.held.tolist() == scored["tier_held"].to_pylist()
    effect = effect_of(basis, policy)
    pairs = list(zip(publication.scores()["tier"].to_pylist(), shown.codes.tolist(), strict=True))
    assert effect.counts == {pair: pairs.count(pair) for pair in set(pairs)}
    assert effect.customers == 240


def test_publishing_by_a_previewed_policy_gives_the_tiers_and_totals_that_were_shown(basis):
    low = TierPolicy.model_validate(
        basis.publication.manifest.terms.policy.settings.model_dump(mode="json")
        | {"thresholds": {"by": "natural_breaks"}, "hysteresis": 0.0, "name": "breaks"}
    )
    policy = basis.frozen(low)
    before = basis.publication.manifest
    effect = effect_of(basis, policy)
    job = job_in(basis.publication.folder.parent.parent, replace(small_bundle(), policy=policy))
    made = open_publication(publish_matrix(job, basis.publication.features()))
    assert made.manifest.previous == before.previous
    assert made.manifest.terms.versions["policy"] == "breaks"
    tiers = made.scores()["tier"].to_pylist()
    assert {code: tiers.count(code) for code in effect.codes_after} == {
        code: one.customers for code, one in effect.sums_after.items()
    }
    assert made.manifest.inputs != before.inputs


@given(st.integers(0, 2), st.floats(1.0, 3.0))
@settings(max_examples=25, deadline=None)
def test_raising_a_threshold_never_raises_a_tier(basis, place, factor):
    policy = basis.publication.manifest.terms.policy
    edges = list(policy.thresholds)
    edges[place] *= factor
    higher = policy.model_copy(update={"thresholds": tuple(np.maximum.accumulate(edges))})
    assert (basis.tiers(higher).ranks <= basis.tiers(policy).ranks).all()


def test_movers_are_told_by_value_and_hysteresis_is_counted(basis):
    policy = basis.publication.manifest.terms.policy
    same = effect_of(basis, policy)
    assert (same.moved, same.up, same.down, same.movers) == (0, 0, 0, ())
    freed = effect_of(basis, policy.model_copy(update={"hysteresis": 0.0, "minimum_stay_days": 0}))
    assert freed.held == 0 < same.kept == same.held
    assert freed.moved == same.kept == freed.up + freed.down
    values = [one.value for one in freed.movers]
    assert values == sorted(values, reverse=True)
