"""Pages tell what a company keeps no record of from what did not happen."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from configs.section import Text
from configs.tiers import Tier
from serving.console.acting.panel import tiers_ever
from serving.console.given import given
from serving.console.portfolios.migration import Migrations
from serving.console.portfolios.portfolio import earlier_ones

GOLD = Tier(code="gold", name=Text(zh="金卡客户", en="Gold"))
CARD = Tier(code="card", name=Text(zh="普通会员", en="Member"))


@pytest.fixture
def with_cards(office):
    """Return what is served, by a policy whose tiers are all others."""
    publication = office.served.publication
    terms = publication.manifest.terms
    policy = terms.policy.model_copy(update={"tiers": (GOLD, CARD)})
    terms = terms.model_copy(update={"policy": policy})
    manifest = publication.manifest.model_copy(update={"terms": terms})
    return replace(office.served, publication=replace(publication, manifest=manifest))


def test_where_no_contacts_are_kept_nobody_is_said_to_have_had_none(office):
    assert given(office.config) == {"interaction", "satisfaction"}
    bare = office.config.sources.model_copy(update={"interactions": (), "satisfaction": ()})
    office.config = office.config.model_copy(update={"sources": bare})
    assert given(office.config) == set()
    manager = office.browser("manager")
    queue = manager.get("/console/queue?churn=0&sort=contact&page=99").text
    assert "not on record" in queue
    assert ">no contact<" not in queue
    page = manager.get(re.search(r'/console/customers/[^"?]+', queue)[0]).text
    assert "The company gives no records of contacts" in page
    assert 'name="contact"' not in page.split('id="what-if"')[1].split("</section>")[0]


def test_a_tier_that_no_policy_has_any_more_keeps_its_name(office, with_cards):
    names = tiers_ever(with_cards)
    assert names["gold"]["en"] == "Gold"
    assert {tier.code for tier in office.served.publication.manifest.terms.policy.tiers} < set(
        names
    )


def test_nobody_rises_or_falls_where_all_tiers_are_others(office, with_cards):
    (earlier,) = earlier_ones(office.served)
    assert Migrations(office.served).since(earlier).shared
    assert not Migrations(with_cards).since(earlier).shared
