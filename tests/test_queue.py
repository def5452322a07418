"""The queue: filters, audience, order, views and exports, as laws and as each role sees them."""

from __future__ import annotations

import csv
import datetime as dt
import io
import re
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.datastructures import QueryParams

from configs.errors import TeamError
from configs.load import load
from serving.console.experiments.effect_words import HELD_OUT
from serving.console.experiments.holdout import holdouts
from serving.console.masking import _stand_in, secret
from serving.console.review_queue.asked import Asked, Usual, asked
from serving.console.review_queue.audience import (
    ORDERS,
    audience,
    curve,
    figures,
    fitting,
    listed,
    matching,
    minutes,
)
from serving.console.review_queue.recommended import recommended
from serving.console.review_queue.worked import Worked
from serving.console.spreadsheets import neutral
from serving.console.staff.team import team_of
from tests.books import BANDS, TIERS, made_up
from training.odds import share_taken

CONFIG = load()
TEAM, ACTIONS = CONFIG.team, CONFIG.actions
DAY = dt.date(2026, 7, 3)
WORDS = {
    "tier": TIERS,
    "band": BANDS,
    "stage": ("new", "mature", "lost"),
    "segment": ("loyal", "declining"),
    "owner": ("E1", "E2", "-"),
    "sort": tuple(ORDERS),
}


def stands(book, seed: int = 0) -> Worked:
    rng, n = np.random.default_rng(seed), len(book)
    return Worked(
        day=DAY,
        tier=book.tier,
        owner=replace(
            book.trend, codes=rng.integers(-1, 2, n).astype(np.int16), words=("E1", "E2")
        ),
        owners={"E1": "李伟", "E2": "Ann"},
        due=np.where(rng.uniform(size=n) < 0.5, np.nan, DAY.toordinal() + rng.integers(-9, 9, n)),
        is_hidden=rng.uniform(size=n) < 0.1,
        is_worked=rng.uniform(size=n) < 0.2,
        standings={},
    )


FILTERS = st.builds(
    Asked,
    churn=st.sampled_from([0.0, 0.2, 0.5]),
    worth=st.sampled_from([0.0, 200.0, 2000.0]),
    most=st.none(),
    tiers=st.lists(st.sampled_from(TIERS), unique=True, max_size=3).map(tuple),
    band=st.sampled_from(["", *BANDS]),
    stage=st.sampled_from(["", "new", "mature"]),
    segment=st.sampled_from(["", "loyal"]),
    owner=st.sampled_from(["", "E1", "-"]),
    late=st.sampled_from(["", "order", "due"]),
    complaint=st.booleans(),
    done=st.sampled_from(["", "yes", "no"]),
    hidden=st.booleans(),
)
SIZES = st.integers(1, 300)
NARROWING = tuple(name for name in vars(Asked()) if name not in ("most", "search", "sort", "page"))


@settings(max_examples=30, deadline=None)
@given(SIZES, FILTERS)
def test_filters_in_any_order_leave_the_same_customers(n, wanted):
    book = made_up(n)
    done = stands(book)
    alone = [replace(Asked(hidden=True), **{name: getattr(wanted, name)}) for name in NARROWING]
    kept = np.ones(n, dtype=bool)
    for one in reversed(alone):
        kept = kept & matching(book, done, one)
    np.testing.assert_array_equal(matching(book, done, wanted), kept)


@settings(max_examples=30, deadline=None)
@given(SIZES, FILTERS, st.integers(1, 80))
def test_figures_of_an_audience_are_sums_over_its_rows(n, wanted, most):
    book = made_up(n)
    done = stands(book)
    whom = audience(book, done, replace(wanted, most=most), None)
    told = figures(book, done, TEAM, whom.rows)
    churn, value = book.churn[whom.rows], book.value[whom.rows]
    assert told.customers == len(whom) == min(most, whom.matching)
    assert told.caught == pytest.approx(churn.sum())
    assert told.caught + told.false_alarms == pytest.approx(told.customers)
    assert told.at_risk == pytest.approx((churn * value).sum())
    assert told.hours == pytest.approx(minutes(done, TEAM, whom.rows).sum() / 60)
    assert told.caught <= told.leavers + 1e-9


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 300))
def test_the_curve_ends_at_the_whole_audience_and_never_falls(n):
    book = made_up(n)
    done = stands(book)
    rows = audience(book, done, Asked(hidden=True), None).rows
    points, whole = curve(book, done, TEAM, rows), figures(book, done, TEAM, rows)
    assert points[-1].customers == whole.customers
    assert points[-1].caught == pytest.approx(whole.caught)
    assert points[-1].hours == pytest.approx(whole.hours)
    assert np.all(np.diff([one.caught for one in points]) >= 0)


@settings(max_examples=30, deadline=None)
@given(SIZES, FILTERS, st.sampled_from(list(ORDERS)), st.booleans())
def test_an_order_lists_everybody_once_the_unknown_last_and_equals_by_id(n, wanted, name, back):
    book = made_up(n)
    done = stands(book)
    whom = audience(book, done, wanted, None)
    rows = listed(book, done, f"-{name}" if back else name, whom)
    assert sorted(rows.tolist()) == sorted(whom.rows.tolist())
    key = ORDERS[name].of(book, done)[rows] * (-1 if back else 1)
    known = key[~np.isnan(key)]
    assert np.isnan(key[len(known) :]).all()
    assert np.all(np.diff(known) >= 0)
    same = np.flatnonzero(np.diff(known) == 0)
    assert np.all(rows[same] < rows[same + 1])


def test_a_retention_policy_works_the_likeliest_to_leave_first():
    book = made_up(50, by_churn_alone=True)
    rows = audience(book, stands(book), Asked(hidden=True), None).rows
    assert np.all(np.diff(book.churn[rows]) <= 0)


@settings(max_examples=30, deadline=None)
@given(FILTERS, st.none() | st.integers(1, 10**6), st.integers(1, 99), st.text(max_size=9))
def test_an_address_asks_for_what_it_was_made_of(wanted, most, page, search):
    whole = replace(wanted, most=most, search=search.strip(), page=page, sort="-value")
    for usual in (Usual(0.3, 50), Usual(0.0, 7), Usual(0.2)):
        query = QueryParams(whole.address(usual, page=page))
        assert asked(query, usual, WORDS) == whole


@settings(max_examples=30, deadline=None)
@given(st.dictionaries(st.sampled_from([*WORDS, "churn", "worth", "most", "page"]), st.text()))
def test_an_address_that_makes_no_sense_asks_for_the_usual_in_those_parts(parts):
    found = asked(QueryParams(list(parts.items())), Usual(0.3, 50), WORDS)
    assert found.page >= 1
    assert 0 <= found.churn <= 1
    assert set(found.tiers) <= set(TIERS)


def test_an_address_that_asks_nothing_means_the_usual_number_and_a_filter_means_all():
    usual = Usual(0.3, 50)
    for address, most in (("", 50), ("sort=-value&page=2", 50), ("most=", None), ("most=9", 9)):
        assert asked(QueryParams(address), usual, WORDS).most == most
    for address in ("tier=vip", "churn=40", "late=order"):
        assert asked(QueryParams(address), usual, WORDS).most is None


@settings(max_examples=30, deadline=None)
@given(SIZES, st.floats(0, 5000))
def test_hours_reach_whom_they_suffice_for_and_assigned_contacts_take_no_more(n, within):
    book = made_up(n)
    done = stands(book)
    rows = audience(book, done, Asked(hidden=True), None).rows
    free = rows[~done.is_due_this_week[rows]]
    reached = fitting(done, TEAM, rows, within)
    inside = set(rows[:reached].tolist())
    assert minutes(done, TEAM, free[np.isin(free, rows[:reached])]).sum() <= within
    if reached < n:
        assert rows[reached] in free
        longer = [one for one in free.tolist() if one in inside] + [int(rows[reached])]
        assert minutes(done, TEAM, np.array(longer)).sum() > within


def test_an_id_is_searched_for_among_everybody():
    book = made_up(80)
    every = np.arange(80)
    whom = audience(book, stands(book), Asked(churn=0.9, most=3, search="C"), every)
    assert len(whom) == 80


ANY_START = st.text("=+-@\t\r\n \u3000\ufeff\x0b\x85＝－a'", max_size=4)


@settings(max_examples=30, deadline=None)
@given(ANY_START, st.text(max_size=20))
def test_no_spreadsheet_runs_what_is_exported(start, rest):
    made = neutral(start + rest)
    assert made.strip().strip("\ufeff").strip()[:1] not in tuple("=+-@＝＋－＠")
    assert made[:1] not in ("\t", "\r", "\n")


@settings(max_examples=30, deadline=None)
@given(st.text(st.characters(exclude_categories=("Cc", "Cs", "Cn")), max_size=40))
def test_what_is_exported_is_what_is_there_but_for_an_apostrophe(text):
    assert neutral(text) in (text, f"'{text}")


def test_what_a_reader_writes_stays_as_it_was_unless_a_spreadsheet_would_run_it():
    assert neutral("客户-1") == "客户-1"
    assert neutral("=HYPERLINK(1)") == "'=HYPERLINK(1)"
    assert neutral("\t=1") == "'\t=1"


def assumed(churn, action):
    return float(share_taken(churn, action.effect)), "assumed"


@settings(max_examples=30, deadline=None)
@given(st.floats(0.01, 0.99), st.floats(1, 1e6), st.integers(0, 2))
def test_the_action_leaves_most_after_its_cost_and_says_where_it_pays(churn, value, complaints):
    found = recommended(ACTIONS, churn, value, complaints, partial(assumed, churn))
    at_stake = churn * value
    assert found.break_even * at_stake == pytest.approx(found.action.cost)
    assert found.points * value == pytest.approx(found.action.cost)
    assert found.pays == (share_taken(churn, found.action.effect) * at_stake > found.action.cost)
    assert complaints or found.action.code != "resolve_complaint"


def test_nothing_is_done_for_who_is_worth_nothing():
    assert recommended(ACTIONS, 0.5, 0.0, 1, partial(assumed, 0.5)) is None


ROW = re.compile(r'<a class="key" data-row href="/console/customers/([^"]+)"')


def shown(page) -> list[str]:
    return [one.split("?")[0] for one in ROW.findall(page.text)]


@pytest.mark.slow
class TestPages:
    """What browsers are given."""

    def test_pages_follow_each_other_and_beyond_the_last_is_the_last(self, office):
        browser = office.browser("manager")
        first, second = (browser.get("/console/queue", churn=0, page=page) for page in (1, 2))
        beyond = browser.get("/console/queue", churn=0, page=10**6)
        assert not set(shown(first)) & set(shown(second))
        assert len(shown(first)) == 50
        assert shown(beyond) == shown(browser.get("/console/queue", churn=0, page=10))

    def test_the_first_page_names_whom_to_look_at_first_and_why(self, office):
        page = office.browser("manager", "zh").get("/console/queue")
        assert f'先看<a href="/console/customers/{shown(page)[0]}"' in page.text

    def test_a_broken_file_of_the_team_is_named_and_takes_no_page_away(self, office, monkeypatch):
        def broken(config):
            raise TeamError("第2行：工时不是数字", "line 2: no number of hours")

        monkeypatch.setattr("serving.console.staff.team.team_of", broken)
        for path in ("queue", "service", "plan", "mine", "team"):
            page = office.browser("manager", "zh").get(f"/console/{path}")
            assert page.status_code == 200, path
            assert "团队文件目前无法使用" in page.text
            assert "第2行：工时不是数字" in page.text

    def test_the_first_page_lists_whom_the_hours_of_the_week_reach(self, office):
        hours = sum(one.hours_per_week for one in team_of(office.config).employees)
        assert hours > 0
        page = office.browser("manager", "zh").get("/console/queue").text
        assert "本周工时可联系" in page
        needed = re.search(r"每位联系一次共需([\d,.]+)小时", page)
        assert needed is not None
        assert float(needed[1].replace(",", "")) <= hours

    def test_who_is_left_out_is_marked_and_offered_another_action(self, office):
        config, state = office.config, office.state
        drawn = holdouts(state, config, office.served.publication)
        browser = office.browser("manager", "zh")
        marked = 0
        for customer_id in shown(browser.get("/console/queue", churn=0)):
            out = drawn.left_out_of(config.actions, customer_id)
            page = browser.get(f"/console/customers/{customer_id}").text if out else ""
            assert all(f"{HELD_OUT.zh}：{one.name.zh}" in page for one in out)
            marked += bool(out)
            if marked == 2:
                break
        assert marked == 2

    def test_a_data_scientist_never_meets_an_id(self, office):
        ids = office.served.publication.scores()["customer_id"].to_pylist()
        browser = office.browser("data_scientist")
        page = browser.get("/console/queue")
        masked = shown(page)[0]
        found = browser.get("/console/queue", search=masked, churn=0)
        table = browser.get("/console/queue/export.csv", most=40)
        assert shown(found) == [masked]
        for answer in (page, found, table):
            assert answer.status_code == 200
            assert not [one for one in ids if one in answer.text]

    @pytest.mark.parametrize("sort", ["id", "due", "-tier"])
    def test_no_order_tells_a_data_scientist_the_order_of_ids(self, office, sort):
        scientist, manager = (office.browser(role) for role in ("data_scientist", "manager"))
        asked_for = {"churn": 0, "hidden": 1, "sort": sort}
        seen, real = (
            [line.split(",")[0] for line in one.get("/console/queue/export.csv", **asked_for)
             .text.splitlines()[1:]]
            for one in (scientist, manager)
        )  # fmt: skip
        ids = office.served.publication.scores()["customer_id"].to_pylist()
        key = secret(office.state)
        known = {_stand_in(key, one): one for one in ids}
        by_id = sorted(seen, key=known.__getitem__)
        assert sorted(known[one] for one in seen) == sorted(real)
        together = sum(a == b for a, b in zip(seen, by_id, strict=True))
        assert together < len(seen) / 20

    def test_a_shared_view_that_names_a_customer_is_not_for_data_scientists(self, office):
        form = {"name": "one of ours", "query": "search=C000123", "shared": "1"}
        office.browser("manager").post("/console/queue/views", form)
        assert "C000123" in office.browser("manager", name="ben").get("/console/queue").text
        page = office.browser("data_scientist").get("/console/queue").text
        assert "C000123" not in page
        assert "one of ours" not in page

    def test_an_export_holds_whom_the_page_lists_in_its_order(self, office):
        browser = office.browser("manager")
        asked_for = {"churn": 40, "tier": "potential", "sort": "-value", "most": 30}
        page = browser.get("/console/queue", **asked_for)
        answer = browser.get("/console/queue/export.csv", **asked_for)
        assert answer.content.startswith(b"\xef\xbb\xbf")
        rows = list(csv.reader(io.StringIO(answer.content.decode("utf-8-sig"))))
        assert [row[0] for row in rows[1:]] == shown(page)
        assert '"what":"export"' in office.audited()

    def test_a_workbook_is_typed_and_says_what_it_is(self, office):
        from openpyxl import load_workbook

        answer = office.browser("manager", "zh").get("/console/queue/export.xlsx", most=20)
        book = load_workbook(io.BytesIO(answer.content))
        customers, about = book.worksheets
        assert customers.freeze_panes == "B2"
        assert customers.max_row == 21
        assert isinstance(customers["G2"].value, float)
        told = dict(about.iter_rows(values_only=True))
        assert told["截至"] == office.served.as_of.isoformat()
        assert told["客户数"] == "20"

    def test_a_view_is_its_owners_until_it_is_shared(self, office):
        own, other = (office.browser("manager", name=name) for name in ("ann", "ben"))
        form = {"name": "<VIP>", "query": "churn=60&tier=vip"}
        assert own.post("/console/queue/views", form).headers["location"].endswith(form["query"])
        assert "&lt;VIP&gt;" in own.get("/console/queue").text
        assert "&lt;VIP&gt;" not in other.get("/console/queue").text
        own.post("/console/queue/views", form | {"shared": "1"})
        page = other.get("/console/queue").text
        assert "&lt;VIP&gt;" in page
        assert 'name="view"' not in page

    def test_what_changed_is_split_without_remainder(self, office):
        from serving.console.review_queue.risk_change import worked_out

        new = office.served.publication
        told = worked_out(office.config, new.earlier(), new)
        assert sum(told["parts"].values()) == pytest.approx(told["after"] - told["before"])
        assert told["after"] == pytest.approx(np.nansum(office.served.book.at_risk))
