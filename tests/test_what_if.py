"""Hypothetical events become records, and go the way of all records."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest
import typer
from pydantic import ValidationError

from configs.errors import PublicationError, RecordsError
from configs.events import AnyEvent, ComplaintResolved, Contact, Order, Survey
from configs.load import load
from features.catalogue import by_name
from features.contracts import TABLES
from features.prepared import PreparedBuild
from features.sources import contract_schema
from features.statement import statement
from serving.endpoint.served import Served, open_served
from serving.scores.publication import open_live
from serving.suppositions.events_given import events_of
from serving.suppositions.scenarios import Scene, as_known, name_of
from serving.suppositions.what_if import suppose_published, what_if
from serving.suppositions.what_if_shown import render_what_if
from tests.test_changes import shown

DAY = 20_000
ZONE = ZoneInfo("Asia/Shanghai")
NAMES = (
    "order_count_84d",
    "spend_364d",
    "open_complaint_count",
    "nps_latest_364d",
    "visit_count_84d",
)


def table(name: str, *rows: dict[str, Any]) -> pa.Table:
    schema = contract_schema(name)
    full = [{"customer_id": "ada", "known_day": row["day"]} | row for row in rows]
    return pa.Table.from_pylist(full, schema)


def moment(day: int) -> dt.datetime:
    return dt.datetime(1970, 1, 1, 9) + dt.timedelta(days=day)


def scene(**tables: pa.Table) -> Scene:
    given = {name: tables.get(name, contract_schema(name).empty_table()) for name in TABLES}
    return Scene("ada", DAY, given, ZONE)


def order(day: int, amount: float, **more: Any) -> dict[str, Any]:
    about = {"occurred_at": moment(day), "day": day, "kind": "purchase", "order_id": str(day)}
    return about | {"amount": amount} | more


def ada() -> Scene:
    """Three orders of 100, 200 and 300 in margin, and a complaint left open."""
    orders = [order(DAY - 10 * i, 100.0 * i, margin=30.0 * i, category="tea") for i in (1, 2, 3)]
    complaint = {"occurred_at": moment(DAY - 5), "day": DAY - 5, "kind": "complaint"}
    return scene(
        transactions=table("transactions", *orders),
        interactions=table("interactions", complaint | {"channel": "phone"}),
    )


@pytest.fixture(scope="module")
def build() -> PreparedBuild:
    declared = by_name()
    inputs = {one for name in NAMES for one in declared[name].inputs}
    return PreparedBuild(statement([declared[name] for name in (*sorted(inputs), *NAMES)]))


def features(
    scene: Scene, build: PreparedBuild, *scenarios: Sequence[AnyEvent], in_days: int = 28
) -> list[dict[str, Any]]:
    placed = [scene.place(events, in_days) for events in scenarios]
    names = pa.table({"customer_id": [name_of(place) for place in range(len(placed))]})
    return list(build(scene.after(placed), DAY + in_days, names).to_pylist())


def test_events_move_every_feature_that_their_records_would(build):
    events = [Order(amount=300.0, count=2), ComplaintResolved(), Survey(score=9), Contact()]
    idle, moved = features(ada(), build, [], events)
    assert moved["order_count_84d"] == idle["order_count_84d"] + 2
    assert moved["spend_364d"] == idle["spend_364d"] + 600
    assert moved["visit_count_84d"] == idle["visit_count_84d"] + 1
    assert (idle["open_complaint_count"], moved["open_complaint_count"]) == (1, 0)
    assert (idle["nps_latest_364d"], moved["nps_latest_364d"]) == (None, 9)


def test_a_scenario_is_built_alike_alone_and_among_others(build):
    scenarios = [[], [Order(count=3)], [ComplaintResolved()], [Contact(count=2), Survey(score=1)]]
    together = features(ada(), build, *scenarios)
    for place, scenario in enumerate(scenarios):
        (alone,) = features(ada(), build, scenario)
        assert alone | {"customer_id": name_of(place)} == together[place]


def test_events_without_a_day_are_spread_evenly_kind_by_kind():
    placed = ada().place([Order(count=2), Contact(), Survey(score=5, in_days=3)], 28)
    days = [(one.event.event, one.day - DAY) for one in placed]
    assert days == [("survey", 3), ("order", 9), ("contact", 14), ("order", 19)]


def test_an_order_is_like_the_latest_one_but_for_the_amount():
    scene = ada()
    assert scene.usual_amount == 200.0
    made = scene.after([scene.place([Order(amount=50.0, in_days=1)], 28)])["transactions"]
    hypothetical = made.to_pylist()[-1]
    assert (hypothetical["amount"], hypothetical["margin"]) == (50.0, 15.0)
    assert (hypothetical["category"], hypothetical["day"]) == ("tea", DAY + 1)
    assert hypothetical["order_id"] not in {"19990", "19980", "19970"}


def test_what_was_not_known_yet_is_left_out_and_later_facts_are_hidden():
    late = order(DAY - 1, 10.0, known_day=DAY + 1)
    contact = {"occurred_at": moment(DAY - 5), "day": DAY - 5, "kind": "complaint"}
    solved = contact | {"resolved_at": moment(DAY + 2), "resolved_day": DAY + 2}
    tables = {
        "transactions": table("transactions", order(DAY, 10.0), late),
        "interactions": table("interactions", solved | {"resolution_hours": 168.0}),
    }
    known = as_known(tables, DAY)
    assert known["transactions"]["amount"].to_pylist() == [10.0]
    (row,) = known["interactions"].to_pylist()
    assert (row["resolved_at"], row["resolved_day"], row["resolution_hours"]) == (None,) * 3
    assert as_known(tables, DAY + 2)["interactions"]["resolved_day"].to_pylist() == [DAY + 2]


@pytest.mark.parametrize(
    ("event", "said"),
    [
        (ComplaintResolved(), "no open complaint"),
        (Order(), "never ordered"),
        (Survey(instrument="csat", score=9), "Send 1 to 5"),
    ],
)
def test_what_cannot_be_supposed_of_a_customer_is_refused(event, said):
    nobody = scene()
    with pytest.raises(RecordsError, match=said):
        nobody.check(nobody.place([event], 28))
    ada().check(ada().place([Order(), ComplaintResolved(), Survey(score=9)], 28))


def test_the_command_line_gives_events():
    given = events_of([300.0], True, ["9", "csat=4"], ["visit", "outbound:visit"])
    assert given == [
        Order(amount=300.0),
        ComplaintResolved(),
        Survey(instrument="nps", score=9),
        Survey(instrument="csat", score=4),
        Contact(kind="visit"),
        Contact(kind="visit", direction="outbound"),
    ]
    for orders, surveys, contacts in (
        ([-1.0], [], []),
        ([], ["x"], []),
        ([], [], ["dance"]),
        ([], ["csat=7"], []),
    ):
        with pytest.raises(typer.BadParameter):
            events_of(orders, False, surveys, contacts)
    with pytest.raises(typer.BadParameter, match="suppose something"):
        events_of([], False, [], [])


def test_an_event_is_strict_about_its_form():
    for wrong in ({"amount": "300"}, {"amount": 0}, {"count": 1.5}, {"price": 3.0}):
        with pytest.raises(ValidationError):
            Order.model_validate(wrong)


@pytest.fixture(scope="module")
def served(small_company: Path) -> Served:
    config = load(small_company, {})
    return open_served(config, open_live(config.stores.publications).folder)


@pytest.mark.slow
def test_today_is_what_is_published_when_scored_from_the_records_again(served):
    for customer_id in served.publication.examples(4):
        supposed = suppose_published(served, customer_id)
        again = replace(supposed, published=None).today
        assert {**again, "churn_percentile": 0} == {**supposed.today, "churn_percentile": 0}


@pytest.mark.slow
def test_the_effect_is_the_difference_to_doing_nothing_and_its_concepts_add_up(served):
    events = [Order(amount=300.0, count=2), Survey(score=9)]
    for customer_id in served.publication.examples(4):
        facts = what_if(suppose_published(served, customer_id), events)
        idle, then = facts["idle"], facts["with_events"]
        for target, scale in (("churn", 100.0), ("clv", 1.0)):
            effect = facts["effect"][target]
            assert effect["change"] == pytest.approx(scale * (then[target] - idle[target]))
            moved = sum(one["points"] for one in effect["concepts"])
            assert moved == pytest.approx(effect["change"], abs=1e-6)
        assert [one["event"] for one in facts["events"]] == ["order", "survey", "order"]


@pytest.mark.slow
def test_waiting_is_scored_as_a_publication_of_the_later_day_would(served):
    customer_id = served.publication.examples(1)[0]
    supposed = suppose_published(served, customer_id)
    until = supposed.scene.as_of + 28
    _, scores = supposed.score([()], until)
    assert served.matrix_of is not None
    customers = pa.table({"customer_id": [customer_id]})
    matrix = served.matrix_of(supposed.scene.tables, until, customers)
    past = served.past([customer_id], served.as_of + dt.timedelta(days=28))
    straight = served.reasoner.scorer.score(matrix, past)
    assert scores.drop_columns(["customer_id"]).equals(straight.drop_columns(["customer_id"]))


@pytest.mark.slow
def test_what_cannot_be_asked_is_said(served):
    with pytest.raises(PublicationError, match="no customer 'nobody'"):
        suppose_published(served, "nobody")
    supposed = suppose_published(served, served.publication.examples(1)[0])
    with pytest.raises(RecordsError, match="Ask about more days"):
        what_if(supposed, [Order(amount=1.0, in_days=40)])


@pytest.mark.slow
def test_both_languages_call_it_an_association_and_show_doing_nothing_beside_it(served):
    supposed = suppose_published(served, served.publication.examples(1)[0])
    events = [Order(amount=300.0), Contact(direction="outbound"), Survey(score=9)]
    facts = what_if(supposed, events)
    names = served.publication.manifest.terms.tier_names
    english = shown(render_what_if(facts, "en", names))
    assert all(w in english for w in ("not a promise", "nothing happens", "a call on the customer"))
    chinese = shown(render_what_if(facts, "zh", names))
    assert all(words in chinese for words in ("并非承诺", "什么都不发生", "下单¥300", "回访客户"))
