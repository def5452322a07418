"""Two trainings of one company: compared, held back, let through, rolled back, served."""

from __future__ import annotations

import asyncio
import json
from types import SimpleNamespace

import httpx
import numpy as np
import pytest
import yaml

from configs.errors import ModelError, PromotionRefused
from configs.files import live_generation
from configs.load import load, shipped
from features.intake import take_in
from features.simulator import simulate
from serving.champions.compare_page import page_html
from serving.champions.compare_text import render
from serving.champions.comparison import compare, side_of
from serving.champions.contest import asked_again
from serving.champions.live_records import live_records
from serving.champions.promotion import promote
from serving.console_output import console
from serving.endpoint import served
from serving.endpoint.current import Current
from serving.endpoint.served import open_served
from serving.pages.card_page import fetch_card
from serving.pipeline import report, score, score_shadow, train
from serving.scores.publication import open_live
from tests.test_report import Page
from training import registry
from training.bundle import read_bundle
from training.registry import champion, history, registered, rollback

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("two_models")]

SMALL = {
    "snapshots": {"count": 2, "year_back": False, "minimum_history_days": 120},
    "churn": {"horizon_days": 60},
    "clv": {"horizon_days": 90},
    "training": {"threads": 1, "trees": {"count": 20, "minimum_rows_per_leaf": 20}},
}
STAMPS = {"created_at"}


@pytest.fixture(scope="module")
def company(tmp_path_factory):
    """Version 1 is champion and published; 2 is its retraining; 3 learnt from less."""
    root = tmp_path_factory.mktemp("two")
    simulate(260, seed=4, out=root / "raw", days=700)
    given = yaml.safe_load(shipped("demo.yaml").read_text(encoding="utf-8"))
    given |= SMALL | {"data": str(root / "raw"), "stores": {"root": str(root / "store")}}
    path = root / "company.yaml"
    path.write_text(yaml.safe_dump(given, allow_unicode=True), encoding="utf-8")
    config = load(path, {})
    less = {"ECHELON_FEATURES__FAMILIES": "[profile]", "ECHELON_TRAINING__SEED": "9"}
    take_in(config, lambda step, share: None)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(registry, "check_in_child", read_bundle)
        patched.setattr(served, "read_checked", lambda path, key, verdicts: read_bundle(path, key))
        patched.setattr("serving.pipeline.draw", lambda *given: [])
        assert train(config).version == "1"
        promote(config, "1", "first")
        score(config)
        assert train(config).version == "2"
        assert train(load(path, less)).version == "3"
        yield config


def files_of(config, version):
    folder = registered(config, version).folder
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_training_twice_on_the_same_data_gives_the_same_bundle_but_for_its_time(company):
    one, two = files_of(company, "1"), files_of(company, "2")
    differing = {name for name in one if one[name] != two[name]}
    assert one.keys() == two.keys()
    assert differing == {"manifest.json", "manifest.sig"}
    before, now = (json.loads(files["manifest.json"]) for files in (one, two))
    assert {key for key in before if before[key] != now[key]} == STAMPS


def test_a_retraining_is_told_to_differ_in_nothing_and_moves_nobody(company):
    comparison = compare(company, "2")
    assert (comparison.config, comparison.data, comparison.meaning) == ((), (), ())
    assert comparison.moves.changed == 0
    duels = [duel for one in comparison.contests.values() for duel in one.duels]
    assert duels
    assert {duel.difference for duel in duels} == {0.0}
    with pytest.raises(ModelError, match="compared with itself"):
        compare(company, "1")


def test_a_twin_asked_again_on_its_day_predicts_what_it_left(company):
    side = side_of(company, "1")
    for target, twin in side.held_out.twins.items():
        left = side.held_out.of(target).sort_by("customer_id")
        day = left["cutoff"][0].as_py()
        again = asked_again(company, target, side, twin, day, live_records(company))
        both = left.join(again.select(["customer_id", "p"]), "customer_id", right_suffix="_again")
        assert np.abs(both["p"].to_numpy() - both["p_again"].to_numpy()).max() < 1e-12


def test_a_comparison_is_shown_whole_in_both_languages(company, capsys):
    comparison = compare(company, "challenger", "1")
    assert comparison.challenger.version == "3"
    assert {one.key for one in comparison.config} == {"features.families", "training.seed"}
    assert {feature.family for feature in comparison.features.removed} == {
        "behaviour", "interaction", "satisfaction",
    }  # fmt: skip
    page = Page(page_html(company, comparison, "zh"))
    assert (page.open, page.loads) == ([], [])
    for said in ("谁会换等级", "同一批客户上的表现"):
        assert said in page.words["zh"]
    for said in ("Who would change tier", "On the same customers"):
        assert said in page.words["en"]
    for language in ("zh", "en"):
        console().print(render(company, comparison, language))
    shown = capsys.readouterr().out
    assert "features.families" in shown
    assert "would change tier" in shown


def test_a_shadow_serves_the_comparison_and_stays_unseen(company):
    live = live_generation(company.stores.publications)
    folder = score_shadow(company, "3")
    assert live_generation(company.stores.publications) == live
    comparison = compare(company, "3")
    assert comparison.is_shadowed
    assert folder.parent == company.stores.shadows
    before = open_live(company.stores.publications).manifest.counts
    assert sum(comparison.moves.counts.values()) == before["customers"]


def test_gates_hold_back_and_an_override_is_on_record(company):
    strict = company.promotion.model_copy(update={"tier_changes_at_most": 0.0})
    config = company.model_copy(update={"promotion": strict})
    with pytest.raises(PromotionRefused, match=r"tiers: .*of customers would change tier"):
        promote(config, "3", "newer")
    assert champion(config).version == "1"
    made = promote(config, "3", override="the board wants it")
    assert (made.overridden, made.reason) == (True, "the board wants it")
    assert history(config)[0].gates == made.gates
    rollback(config, "back")
    assert champion(config).version == "1"


def test_a_rollback_brings_back_the_very_scores_to_the_bit(company):
    first = live_generation(company.stores.publications)
    before = {path.name: path.read_bytes() for path in first.iterdir()}
    promote(company, "3", override="a look")
    second = score(company)
    assert second != first
    assert (second / "scores.parquet").read_bytes() != before["scores.parquet"]
    rollback(company, "the first was better")
    assert score(company) == first
    assert {path.name: path.read_bytes() for path in first.iterdir()} == before
    for file in (*first.iterdir(),):
        file.unlink()
    first.rmdir()
    (company.stores.publications / "CURRENT").unlink()
    again = score(company)
    for name in ("scores.parquet", "reasons.parquet", "features.parquet"):
        assert (again / name).read_bytes() == before[name]


def test_a_store_made_by_the_commands_answers_requests(company):
    from serving.access.access import Access
    from serving.access.audit_writer import AuditWriter
    from serving.access.keyring import KeyRing
    from serving.access.keys import create
    from serving.endpoint.app import app as app_of
    from serving.endpoint.endpoint import Endpoint
    from serving.endpoint.gate import Gate, Rules
    from serving.endpoint.routes import TABLE
    from serving.endpoint.state import open_state

    folder = live_generation(company.stores.publications)
    current = Current(company.stores.publications, lambda at, before: before)
    current.take_up(folder.name, open_served(company, folder))
    meters = SimpleNamespace(answered=lambda by: None, refused=lambda code: None)
    state = open_state(company.stores)
    key = create(state, "test", "application").text
    ring = KeyRing(state)
    app = app_of(
        Endpoint(company, current, meters, state, ring, AuditWriter(company.stores, state))
    )
    app = Gate(app, Rules(TABLE, company.serving), Access(ring, 1000), meters.refused)
    published = open_live(company.stores.publications)
    ids = published.examples(3)
    described, answered, explained, unknown = asyncio.run(
        asked(
            app,
            key,
            ("/v1/models/current", None),
            ("/v1/predictions", ids),
            ("/v1/explanations", ids),
            ("/v1/predictions", ["?"]),
        )
    )
    assert described.json()["versions"]["model"] == champion(company).version
    assert answered.json()["predictions"] == [published.find(customer_id) for customer_id in ids]
    assert (explained.status_code, unknown.status_code) == (200, 404)
    state.close()


async def asked(app, key, *requests):
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(
        transport=transport,
        base_url="http://127.0.0.1:3000",
        headers={"authorization": f"Bearer {key}"},
    ) as client:
        return [
            await (client.get(to) if ids is None else client.post(to, json={"customer_ids": ids}))
            for to, ids in requests
        ]


def test_another_bundle_under_the_published_version_is_refused(company, tmp_path):
    bundles = company.stores.bundles
    registered(company, "2"), champion(company)
    (bundles / "1").rename(tmp_path / "kept")
    (bundles / "2").rename(bundles / "1")
    try:
        with pytest.raises(ModelError, match="another bundle than the one that made"):
            report(company, tmp_path / "page.html")
    finally:
        (bundles / "1").rename(bundles / "2")
        (tmp_path / "kept").rename(bundles / "1")


def test_the_card_of_a_version_is_kept_with_it(company, tmp_path):
    _, page = fetch_card(company, "1", tmp_path / "card.html", "en")
    html = page.read_text(encoding="utf-8")
    ids = open_live(company.stores.publications).scores()["customer_id"].to_pylist()
    assert not any(customer_id in html for customer_id in ids)
    assert Page(html).loads == []
