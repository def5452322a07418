"""Publications by an approved policy: every way to an answer follows it, to the bit."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pyarrow.compute as pc
import pytest

from configs.files import live_generation
from configs.load import load
from configs.schema import Config
from configs.section import Text
from configs.tiers import ChurnBands, Guard, Thresholds, Tier, TierPolicy
from serving.changes.change_facts import portfolio_change
from serving.changes.changes import compare
from serving.changes.tier_history import tier_history
from serving.endpoint.requests import read
from serving.endpoint.served import Served, bundle_of, gives_again, open_served
from serving.endpoint.state import open_state
from serving.policies import versions
from serving.policies.effect import effect_of
from serving.policies.freezing import basis_of
from serving.policies.in_force import under_policy_in_force
from serving.policies.versions import Author
from serving.scores.publication import Publication, open_live, open_publication
from serving.scores.publish import publish
from serving.suppositions.what_if import suppose_published, what_if
from tests.companies import own_copy
from tests.test_api import END, Company, raw_records

pytestmark = pytest.mark.slow
NAMED = {"vip": "VIP", "core": "Core", "other": "Other"}
OTHER = TierPolicy(
    name="three",
    objective="revenue",
    tiers=tuple(Tier(code=code, name=Text(zh=name, en=name)) for code, name in NAMED.items()),
    thresholds=Thresholds(by="revenue_share", at=(0.3, 0.7)),
    hysteresis=0.3,
    minimum_stay_days=10,
    guards=(
        Guard(
            name=Text(zh="投诉未决", en="Open complaint"),
            feature="open_complaint_count",
            at_least=1.0,
            cap="core",
        ),
    ),
    churn_bands=ChurnBands(medium=0.2, high=0.5),
)
"""Other tiers, of other number, than the bundle's; only the top one's code is in both."""


@dataclass(frozen=True)
class Approved:
    """A company before and after its policy was approved and published."""

    company: Company
    before: Publication
    shown: list[str]
    served: Served


@pytest.fixture(scope="module")
def approved(returning_company: Path, tmp_path_factory: pytest.TempPathFactory) -> Approved:
    path = own_copy(returning_company, tmp_path_factory.mktemp("approved"))
    config = load(path, {})
    before = open_live(config.stores.publications)
    basis = basis_of(before)
    frozen = basis.frozen(OTHER)
    approve(config, frozen, before)
    shown = basis.tiers(frozen).codes.tolist()
    records = live_generation(config.stores.records)
    assert records is not None
    live = publish_in_force(config, records)
    served = open_served(config, live.folder)
    return Approved(Company(config, path, records), before, shown, served)


def approve(config: Config, frozen, publication: Publication) -> None:
    state = open_state(config.stores)
    made = versions.propose(state, OTHER, Author("u1", "Ann"), "why", None)
    ben = Author("u2", "Ben")
    versions.approve(state, made.id, frozen, publication.manifest.id, ben, "good", None)
    state.close()


def publish_in_force(config: Config, records: Path) -> Publication:
    live = open_live(config.stores.publications)
    bundle = under_policy_in_force(config, bundle_of(live, config))
    return open_publication(publish(config, bundle, live.manifest.terms.model, records))


def test_publishing_gives_every_customer_the_tier_that_was_shown(approved):
    live = approved.served.publication
    assert live.manifest.terms.versions["policy"] == "three-v1"
    assert live.scores()["tier"].to_pylist() == approved.shown
    assert live.manifest.previous == approved.before.manifest.previous
    assert list(live.manifest.totals.tiers) == list(NAMED)


def test_publishing_again_makes_nothing_new(approved):
    again = publish_in_force(approved.company.config, approved.company.records)
    assert again.manifest.id == approved.served.publication.manifest.id


def test_raw_records_are_scored_by_the_published_policy_to_the_last_bit(approved):
    served, publication = approved.served, approved.served.publication
    assert gives_again(publication, served.reasoner)
    held = publication.scores().filter(pc.field("tier_held"))["customer_id"].to_pylist()
    capped = publication.scores().filter(pc.field("tier_guard").is_valid())["customer_id"]
    chosen = [*publication.examples(4), *held[:4], *capped.to_pylist()[:3]]
    assert capped.to_pylist()
    for one in dict.fromkeys(chosen):
        asked = read({"records": raw_records(approved.company, [one], END)}, 1000)
        published = publication.find_texts([one])[one]
        assert served.texts_by_records(asked.records, END) == [published]


def test_traces_explanations_histories_and_suppositions_speak_of_the_published_policy(approved):
    served, publication = approved.served, approved.served.publication
    one = publication.examples(1)[0]
    tier = publication.customer(one)["tier"]["code"]
    assert publication.trace(one)["tier"] == tier
    assert json.loads(served.explained_by_id([one])[one])["tier"]["tier"] == tier
    newest, earlier = tier_history(publication, one, 2, None).entries
    assert newest["lines"][-1]["tier"] == tier in NAMED
    assert earlier["versions"]["policy"] == "vip4"
    idle = what_if(suppose_published(served, one), [])["idle"]
    assert idle["tier"] in NAMED


def test_what_the_policy_changed_is_put_down_to_the_policy(approved):
    before, live = approved.before, approved.served.publication
    change = portfolio_change(compare(approved.company.config, before, live))
    assert change["moved_by"]["data"] == change["moved_by"]["model"] == 0
    assert (
        change["moved_by"]["policy"]
        == effect_of(basis_of(before), live.manifest.terms.policy).moved
    )
    assert change["clv"]["parts"] == {"data": 0.0, "model": 0.0, "policy": 0.0}


def test_no_outlook_is_given_for_thresholds_that_no_model_learnt(approved):
    assert approved.served.bundle.outlook is None
    assert approved.served.publication.scores()["tier_outlook"].null_count == len(approved.shown)


def test_the_older_publication_is_opened_by_its_own_policy_again(approved):
    served = open_served(approved.company.config, approved.before.folder)
    assert served.bundle.policy.name == "vip4"
    assert served.bundle.outlook is not None
