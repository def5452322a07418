"""The page of a customer: what it says, that it adds up, and that it says no more than is known."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.sources import day_number
from serving.access.customer_scope import EVERYBODY
from serving.console.customer.asked import Asked, find
from serving.console.customer.missing import is_recorded, near_ids
from serving.console.customer.peers import LEAST, share_below
from serving.console.customer.records import days_of, recorded
from serving.console.customer.sentence import raising
from serving.console.customer.supposing import answer_paths as paths_of_form
from serving.console.customer.supposing import answer_what_if as what_if_of_form
from serving.console.customer.waterfall import waterfall
from serving.console.page import Visit
from serving.endpoint.served import Served, open_served
from serving.endpoint.supposing import (
    PathsRequest,
    WhatIfRequest,
    answer_paths,
    answer_what_if,
)
from serving.scores.explanations import explanations
from serving.scores.lead import advice
from serving.scores.reasons import Reasoner
from tests.console import Office, opened

PAGE = "/console/customers/"
TODAY = dt.date(2026, 7, 1)


@pytest.fixture(scope="module")
def shop(
    returning_company: Path,
    returning_served: Served,
    empty_state: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Office]:
    folder = tmp_path_factory.mktemp("shop")
    made = opened(returning_company, returning_served, empty_state, folder)
    yield made
    made.state.close()


def asked(shop: Office, customer_id: str, served: Served | None = None) -> Asked:
    visit = Visit(shop.console, shop.person("manager"), "en", PAGE)
    if served is not None:
        answer = served.publication.customer(customer_id)
        return Asked(visit, served, customer_id, customer_id, answer)
    found = find(visit, customer_id)
    assert found is not None
    return found


def whom(shop: Office) -> str:
    assert shop.served is not None
    return shop.served.publication.examples(1)[0]


@pytest.mark.slow
@pytest.mark.parametrize("target", ["churn", "clv"])
def test_bars_and_parts_of_every_customer_add_up_to_the_number(shop, monkeypatch, target):
    monkeypatch.setattr(Reasoner, "sentences", lambda *_: {})  # words add nothing to numbers
    served = shop.served
    matrix, scores = served.publication.features(), served.publication.scores()
    terms = served.publication.manifest.terms
    told = explanations(matrix, scores, served.reasoner, terms)
    answers = served.publication.find_many(scores["customer_id"].to_pylist())
    visit = Visit(shop.console, shop.person("manager"), "en", PAGE)
    for row, (one, score) in enumerate(zip(told, scores.to_pylist(), strict=True)):
        who = one["customer_id"]
        found = Asked(visit, served, who, who, answers[who])
        vars(found).update(matrix=matrix.slice(row, 1), scores=scores.slice(row, 1), explained=one)
        parts = waterfall(found, target)
        shown = 100 * score["churn_probability"] if target == "churn" else score["clv_expected"]
        for steps in (parts.steps, parts.bars):
            assert parts.base + sum(step.points for step in steps) == pytest.approx(shown, abs=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en", ("likely to leave", "(high risk)", "what weighs most is", ": ")),
        ("zh", ("流失概率", "（高风险）", "最主要的风险因素是", "。")),
    ],
)
def test_the_first_words_say_who_what_risk_why_and_what_to_do(shop, language, words):
    everybody = shop.served.book
    at_risk = everybody.ids_of(np.flatnonzero(everybody.band.are(["high"])))
    answers = (shop.served.publication.customer(one) for one in at_risk)
    answer = next(one for one in answers if raising(one))
    page = shop.browser("manager", language=language).get(PAGE + answer["customer_id"])
    assert page.status_code == 200
    sentence = page.text.partition('class="sentence">')[2].partition("</p>")[0]
    assert answer["customer_id"] in sentence
    assert advice(answer, language) in unescape(sentence)
    assert all(one in sentence for one in words)
    assert "echelon " not in sentence


@pytest.mark.slow
@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_part_is_a_page_of_its_own_and_a_part_for_htmx(shop, language):
    browser, who = shop.browser("manager", language=language), PAGE + whom(shop)
    for part in ("timeline", "peers", "what-if?orders=1", "paths?goal=next_tier", "history"):
        whole, alone = browser.get(f"{who}/{part}"), browser.part(f"{who}/{part}")
        assert (whole.status_code, alone.status_code) == (200, 200)
        assert f'href="{who}"' in whole.text
        assert alone.text.lstrip().startswith("<section")
        assert alone.text.strip() in whole.text


def test_the_timeline_holds_every_record_until_the_day_and_none_after(shop):
    earlier = shop.served.publication.earlier()
    served = open_served(shop.config, earlier.folder, shop.served)
    records = served.generations / earlier.manifest.records
    left_out = 0
    for who in earlier.examples(6):
        entries = recorded(asked(shop, who, served))
        assert entries is not None
        known = 0
        for table in ("transactions", "interactions", "satisfaction"):
            rows = pq.read_table(
                records / f"{table}.parquet", filters=pc.field("customer_id") == who
            )
            is_known = pc.less_equal(rows["known_day"], day_number(served.as_of))
            known += pc.sum(is_known).as_py() or 0
            left_out += len(rows) - (pc.sum(is_known).as_py() or 0)
        assert sum(one.rows for one in entries) == known
        assert all(one.day <= served.as_of for one in entries)
        days = [day for day, _ in days_of(entries)]
        assert days == sorted(set(days), reverse=True)
    assert left_out > 0


@pytest.mark.slow
def test_what_if_and_paths_answer_as_the_endpoint_does(shop):
    who = whom(shop)
    form = {"orders": "2", "amount": "300", "contact": "inbound:visit", "days": "21"}
    events = [
        {"event": "order", "amount": 300.0, "count": 2},
        {"event": "contact", "kind": "visit", "direction": "inbound"},
    ]
    wanted = WhatIfRequest.model_validate({"customer_id": who, "events": events, "in_days": 21})
    by_endpoint = json.loads(answer_what_if(shop.served, wanted, TODAY, EVERYBODY))
    by_page = what_if_of_form(asked(shop, who), form).facts
    assert json.loads(json.dumps(by_page)) == by_endpoint

    goal = PathsRequest.model_validate({"customer_id": who, "goal": "below_churn", "below": 0.2})
    by_endpoint = json.loads(answer_paths(shop.served, goal, TODAY, EVERYBODY))
    by_page = paths_of_form(asked(shop, who), {"goal": "below_churn", "below": "20"}).facts
    assert json.loads(json.dumps(by_page)) == by_endpoint


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"orders": "two"}, "“two” is no number that can be used"),
        ({"orders": "1", "days": "999"}, "“999” is no number"),
        ({"orders": "0"}, "Choose at least one event"),
        ({"orders": "1", "amount": "-5"}, "Give an amount, a score and days that can be"),
        ({"survey": "nps", "score": "11"}, "Give an amount, a score and days that can be"),
        ({"contact": "inbound:dance"}, "Give an amount, a score and days that can be"),
    ],
)
def test_a_form_that_cannot_be_read_says_why(shop, query, said):
    page = shop.browser("manager").get(f"{PAGE}{whom(shop)}/what-if", **query)
    assert page.status_code == 200
    assert said in page.text


@pytest.mark.slow
def test_the_record_holds_all_that_the_number_was_made_of(shop):
    answer = shop.browser("manager").get(f"{PAGE}{whom(shop)}/record.json")
    assert answer.headers["content-disposition"].startswith("attachment")
    record = answer.json()
    churn = record["explanation"]["churn"]
    points = sum(one["points"] for one in churn["concepts"])
    assert 100 * churn["base"] + points == pytest.approx(
        100 * record["answer"]["churn"]["probability"], abs=1e-6
    )
    used = {one["feature"] for concept in churn["concepts"] for one in concept["features"]}
    assert used <= set(record["features"])
    assert record["policy"]["thresholds"]
    assert record["publication"]["versions"] == record["answer"]["versions"]
    assert record["changed"]["until"]["publication"] == record["publication"]["id"]


@pytest.mark.slow
def test_a_data_scientist_meets_nobodys_id_and_no_words_of_customers(shop):
    from serving.console.masking import mask

    who = whom(shop)
    visit = Visit(shop.console, shop.person("data_scientist"), "en", PAGE)
    browser, hidden = shop.browser("data_scientist"), PAGE + mask(visit, who)
    parts = ("", "/timeline", "/what-if?orders=1", "/paths?goal=next_tier", "/record.json")
    told = [browser.get(hidden + part) for part in parts]
    assert [one.status_code for one in told] == [200] * len(parts)
    assert all(who not in one.text for one in told)
    assert "<q>" not in told[1].text
    assert browser.get(PAGE + who).status_code == 404
    assert browser.get(f"{PAGE}{who[:-1]}x").text.count(who) == 0


def test_who_is_not_published_finds_those_of_a_near_id(shop):
    who = whom(shop)
    page = shop.browser("manager").get(PAGE + who.lower())
    assert page.status_code == 404
    assert f'href="{PAGE}{who}"' in page.text
    bare = who[0] + who[1:].lstrip("0")
    assert near_ids(shop.served.book, bare)[0] == who


def test_records_that_are_known_are_told_from_ids_that_nobody_has(shop):
    visit = Visit(shop.console, shop.person("manager"), "en", PAGE)
    assert is_recorded(visit, whom(shop))
    assert not is_recorded(visit, "nobody")


@given(
    st.lists(st.integers(0, 5) | st.none(), min_size=1, max_size=30),
    st.integers(0, 5),
    st.booleans(),
)
def test_a_percentile_counts_those_who_do_worse_and_half_of_those_alike(others, own, is_low_better):
    values = np.array([own, *(np.nan if one is None else one for one in others)], dtype=float)
    share = share_below(values, own, is_low_better)
    known = [one for one in others if one is not None]
    worse = [one > own if is_low_better else one < own for one in known]
    if len(known) < LEAST:
        assert share is None
    else:
        assert share == pytest.approx((sum(worse) + known.count(own) / 2) / len(known))
