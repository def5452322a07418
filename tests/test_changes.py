"""What changed between two publications: data, model and policy, without remainder."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rich.console import Console

from configs.errors import PublicationError
from serving.changes.change_facts import (
    customer_change,
    portfolio_change,
    portfolio_sums,
    publication_before,
)
from serving.changes.change_shown import render_customer, render_portfolio, render_publications
from serving.changes.changes import PARTS, Comparison, compare
from serving.changes.new_records import records_since
from serving.scores.publication import Publication, manifests, open_live, open_publication
from serving.scores.publish import publish_matrix
from tests.small_bundle import SmallBundle, job_in, matrix_of, small_bundle
from training.signing import signing_key

THEN, NOW = 19_972, 20_000


def other_bundle() -> SmallBundle:
    """Another churn model, another level of value, and higher thresholds."""
    bundle = small_bundle()
    models = {
        "churn": replace(bundle.models["churn"], intercept=0.4),
        "clv": replace(bundle.models["clv"], intercept=0.2, slope=0.9),
    }
    higher = tuple(1.3 * edge for edge in bundle.policy.thresholds)
    policy = bundle.policy.model_copy(update={"name": "vip4b", "thresholds": higher})
    return replace(bundle, models=models, policy=policy)


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    """Return two publications of overlapping customers, by different models and policies."""
    folder = Path(tmp_path_factory.mktemp("store"))
    job = job_in(folder)
    old = open_publication(publish_matrix(job, matrix_of(300, day=THEN, seed=5).slice(0, 290)))
    newer = job_in(folder, other_bundle())
    newer = replace(newer, terms=newer.terms.model_copy(update={"model": "13"}))
    new = open_publication(publish_matrix(newer, matrix_of(300, day=NOW).slice(10)))
    return Comparison(old, new, small_bundle())


def by_customer(publication: Publication, name: str) -> dict[str, Any]:
    scores = publication.scores()
    return dict(zip(scores["customer_id"].to_pylist(), scores[name].to_pylist(), strict=True))


def test_data_model_and_policy_sum_to_the_change_for_every_customer(compared):
    walk = compared.walk()
    assert len(walk.customer_ids) == 300
    assert (walk.is_new.sum(), walk.is_gone.sum()) == (10, 10)
    for target, name in (("churn", "churn_probability"), ("clv", "clv_expected")):
        parts = walk.parts(target)
        before, after = by_customer(compared.old, name), by_customer(compared.new, name)
        change = [after.get(one, 0.0) - before.get(one, 0.0) for one in walk.customer_ids]
        assert np.allclose(sum(parts[part] for part in PARTS), change, rtol=0, atol=1e-9)
        assert parts["data"].any()
        assert parts["model"].any()
        assert not parts["policy"].any()


def test_the_tier_path_leads_from_the_tier_before_to_the_tier_now(compared):
    walk = compared.walk()
    both = ~walk.is_new & ~walk.is_gone
    old, new = (by_customer(p, "tier") for p in (compared.old, compared.new))
    assert [old.get(one) for one in walk.customer_ids] == walk.tiers[0].tolist()
    assert [new.get(one) for one in walk.customer_ids] == walk.tiers[3].tolist()
    assert all(walk.moved_by(part).any() for part in PARTS)
    assert not any(walk.moved_by(part)[~both].any() for part in PARTS)


def test_the_same_model_and_policy_leave_the_whole_change_to_the_data(tmp_path):
    job = replace(job_in(tmp_path), digest="the same")
    old = open_publication(publish_matrix(job, matrix_of(100, day=THEN, seed=5)))
    new = open_publication(publish_matrix(job, matrix_of(100, day=NOW)))
    walk = Comparison(old, new, small_bundle()).walk()
    anew = Comparison(old, _of_unknown_model(new), small_bundle()).walk()
    for target, numbers in walk.numbers.items():
        assert np.array_equal(numbers, anew.numbers[target])
    assert np.array_equal(walk.tiers, anew.tiers)
    assert not walk.parts("churn")["model"].any()
    assert not walk.parts("clv")["model"].any()
    assert not walk.moved_by("model").any()
    assert not walk.moved_by("policy").any()


def _of_unknown_model(publication: Publication) -> Publication:
    """Return a publication that does not say by which models it was made."""
    return replace(publication, manifest=publication.manifest.model_copy(update={"bundle": ""}))


def test_the_page_takes_its_sums_without_asking_what_each_customer_adds(compared):
    whole, sums = portfolio_change(compared), portfolio_sums(compared)
    for target in ("churn", "clv"):
        assert sums[target] == {k: v for k, v in whole[target].items() if k != "concepts"}
    assert sums["moved_by"] == whole["moved_by"]


def test_the_data_part_is_split_by_concept_without_remainder(compared):
    for customer_id in ("C000020", "C000123", "C000289", "C000005", "C000295"):
        facts = customer_change(compared, customer_id, Path("nowhere"))
        for number in (facts["churn"], facts["clv"]):
            parts, concepts = number["parts"], number["concepts"]
            assert sum(parts.values()) == pytest.approx(number["change"], abs=1e-9)
            told = sum(one["points"] for one in concepts)
            assert told == pytest.approx(parts["data"], abs=1e-6)
    whole = portfolio_change(compared)
    for number in (whole["churn"], whole["clv"]):
        told = sum(one["points"] for one in number["concepts"])
        assert told == pytest.approx(number["parts"]["data"], abs=1e-5)
        assert sum(number["parts"].values()) == pytest.approx(number["change"], abs=1e-6)


def test_the_portfolio_is_the_sum_of_its_customers(compared):
    facts = portfolio_change(compared)
    value = (compared.old.scores(), compared.new.scores())
    before, after = (sum(scores["clv_expected"].to_pylist()) for scores in value)
    assert facts["clv"]["before"] == pytest.approx(before)
    assert facts["clv"]["after"] == pytest.approx(after)
    moved = sum(sum(row.values()) for row in facts["migration"].values())
    assert moved == facts["customers"]["both"] == 280


def test_where_the_old_models_are_gone_the_change_is_told_whole_and_why(compared):
    config = job_in(compared.old.folder.parent.parent).config
    signing_key(config.stores.keys)
    gone = compare(config, compared.old, compared.new)
    facts = customer_change(gone, "C000123", Path("nowhere"))
    assert "there is no copy of it" in facts["why_not_split"].en
    assert facts["churn"]["parts"] is None
    split = customer_change(compared, "C000123", Path("nowhere"))
    assert facts["churn"]["change"] == split["churn"]["change"]
    assert (facts["tier"]["before"], facts["tier"]["after"]) == (
        split["tier"]["before"],
        split["tier"]["after"],
    )
    assert portfolio_change(gone)["moved_by"] is None


def test_features_declared_anew_are_said_to_prevent_the_split(compared):
    terms = compared.new.manifest.terms.model_copy(update={"features": "aaaa"})
    manifest = compared.new.manifest.model_copy(update={"terms": terms})
    other = Publication(compared.new.folder, manifest)
    config = job_in(compared.old.folder.parent.parent).config
    why = compare(config, compared.old, other).why_not_split
    assert why is not None
    assert "other features are used (" in why.en
    assert "旧模型读不了新数据" in why.zh


def test_another_publication_of_the_first_day_is_named_where_no_earlier_day_is(compared):
    old = compared.old
    same_day = old.folder.parent / f"{old.manifest.as_of:%Y%m%d}-by-another-model"
    same_day.mkdir()
    try:
        with pytest.raises(PublicationError, match=f"--since {same_day.name}"):
            publication_before(old, None)
    finally:
        same_day.rmdir()


def test_an_earlier_publication_is_named_by_id_by_day_or_by_default(compared):
    new, old = compared.new, compared.old
    for asked in (None, "previous", old.manifest.id, old.manifest.as_of.isoformat(), "2024-09-30"):
        assert publication_before(new, asked).manifest.id == old.manifest.id
    with pytest.raises(PublicationError, match="history --publications"):
        publication_before(new, "1999-01-01")
    with pytest.raises(PublicationError, match="nothing was published before"):
        publication_before(old, None)
    live = open_live(new.folder.parent)
    assert [one.id for one in manifests(new.folder.parent)] == [new.manifest.id, old.manifest.id]
    assert live.manifest.id == new.manifest.id


def test_an_unknown_customer_is_refused(compared):
    with pytest.raises(PublicationError, match="no customer 'nobody'"):
        customer_change(compared, "nobody", Path("nowhere"))


def test_new_records_are_those_that_became_known_between_the_two_days(tmp_path):
    orders = {
        "customer_id": ["ada", "ada", "ada", "bob"],
        "kind": ["purchase", "purchase", "refund", "purchase"],
        "amount": [10.0, 20.0, 5.0, 99.0],
        "day": [1, 5, 6, 6],
        "known_day": [1, 8, 6, 6],
    }
    pq.write_table(pa.table(orders), tmp_path / "transactions.parquet")
    contacts = {
        "customer_id": ["ada"],
        "kind": ["complaint"],
        "day": [2],
        "known_day": [2],
        "resolved_day": [7],
    }
    pq.write_table(pa.table(contacts), tmp_path / "interactions.parquet")
    assert records_since(tmp_path, "ada", 2, 8) == [
        {"table": "transactions", "kind": "purchase", "count": 1, "total": 20.0},
        {"table": "transactions", "kind": "refund", "count": 1, "total": 5.0},
        {"table": "interactions", "kind": "complaint_resolved", "count": 1},
    ]
    assert records_since(tmp_path, "ada", 8, 9) == []
    assert records_since(tmp_path / "gone", "ada", 2, 8) is None


def shown(renderable: object) -> str:
    console = Console(width=140, file=io.StringIO())
    with console.capture() as captured:
        console.print(renderable)
    return captured.get()


def test_both_languages_say_what_changed(compared):
    facts = customer_change(compared, "C000123", Path("nowhere"))
    assert "数据" in shown(render_customer(facts, "zh"))
    english = shown(render_customer(facts, "en"))
    assert all(words in english for words in ("data", "model", "pp", "no longer kept"))
    whole = portfolio_change(compared)
    assert "280 in both, 10 new, 10 gone" in shown(render_portfolio(whole, "en"))
    assert "两次都在280人，新增10人，离开10人" in shown(render_portfolio(whole, "zh"))
    listed = shown(render_publications(manifests(compared.new.folder.parent), None))
    assert compared.old.manifest.id in listed
