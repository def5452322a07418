"""The portfolio, service, model and data pages: what they promise of their figures."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import replace
from functools import partial
from html import unescape
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.datastructures import QueryParams

from configs.files import live_generation
from configs.load import load
from configs.section import Text
from features.intake import take_in
from features.stored.report import IntakeReport, TableReport
from serving.console.acting.events import Deed, Form, add
from serving.console.drawn.pictures import Picture
from serving.console.page import PageError, Visit
from serving.console.portfolios import portfolio_pictures
from serving.console.portfolios.migration import Migrations, choices
from serving.console.portfolios.portfolio import earlier_ones
from serving.console.portfolios.risk_history import published_until, risk_history
from serving.console.portfolios.segment_facts import segment_facts
from serving.console.portfolios.tier_facts import everybody, tier_facts
from serving.console.quality import data, model_pictures
from serving.console.quality.data import masked, refused, sources
from serving.console.review_queue.worked import worked
from serving.console.routes import PAGES
from serving.console.service_levels import service
from serving.console.service_levels.overdue import visits
from serving.console.service_levels.service_facts import cases, kept
from serving.console.service_levels.standards import standards
from serving.console.service_levels.tier_service import tier_service
from serving.endpoint.endpoint import today
from serving.monitoring.found import Monitoring
from serving.monitoring.outcome import Outcome, TierOutcome
from serving.scores.publish import publish
from tests.console import opened, served_by
from tests.test_contract_rows import CONFIG, OBSERVED, exported
from training.bundle import read_bundle, write_bundle
from training.fit import fit
from training.signing import signing_key

PICTURES: list[Picture] = [
    page.handler.args[0] for page in PAGES if isinstance(page.handler, partial)
]
OURS = [
    *portfolio_pictures.PICTURES,
    *service.PICTURES,
    *model_pictures.PICTURES,
    *data.PICTURES,
]
OWN = ("/console/portfolio", "/console/service", "/console/model", "/console/data")


def visit_of(office: Any, **query: str) -> Visit:
    person = office.person("manager")
    return Visit(office.console, person, "en", "/console/portfolio", query=QueryParams(query))


def monitored(office: Any) -> None:
    """Keep what monitoring would have found: one closed forecast."""
    manifest = office.served.publication.manifest
    tiers = tuple(
        TierOutcome(code=one.code, name=one.name, n=50, expected=10.0 + i, actual=9.0)
        for i, one in enumerate(manifest.terms.policy.tiers)
    )
    outcome = Outcome(
        publication=manifest.id,
        model="1",
        target="churn",
        as_of=manifest.as_of - dt.timedelta(days=200),
        closed_on=manifest.as_of - dt.timedelta(days=110),
        n=200,
        expected=46.0,
        actual=36.0,
        actual_low=25.0,
        actual_high=47.0,
        figures={},
        tiers=tiers,
    )
    found = Monitoring(
        publication=manifest.id,
        as_of=manifest.as_of,
        made_at=dt.datetime.now(dt.UTC),
        model="1",
        since=None,
        customers=200,
        reference_customers=200,
        findings=(),
        features=(),
        tier_names={},
        tiers={},
        reference_tiers={},
        outcomes=(outcome,),
    )
    folder = office.config.stores.monitoring
    folder.mkdir(exist_ok=True)
    (folder / f"{manifest.id}.json").write_text(found.model_dump_json())


@pytest.mark.slow
def test_tiers_sum_to_everybody_and_to_the_publications_own_counts(office):
    tiers, everyone = tier_facts(office.served), everybody(office.served)
    manifest = office.served.publication.manifest
    assert sum(one.customers for one in tiers) == everyone.customers == manifest.counts["customers"]
    assert {f"tier:{one.code}": one.customers for one in tiers if one.customers} == {
        name: n for name, n in manifest.counts.items() if name.startswith("tier:")
    }
    for name in ("value", "at_risk", "leavers"):
        assert sum(getattr(one, name) or 0.0 for one in tiers) == pytest.approx(
            getattr(everyone, name)
        )
    assert everyone.value == pytest.approx(manifest.totals.total.expected)
    assert everyone.value_high < sum(one.value_high for one in tiers)
    assert sum(one.customers for one in segment_facts(office.served)) == everyone.customers


@pytest.mark.slow
def test_rows_of_the_migration_are_the_tiers_then_and_columns_those_now(office):
    (earlier,) = earlier_ones(office.served)
    moved = Migrations(office.served).since(earlier)
    now = office.served.publication.manifest.counts
    rows = dict(zip(moved.before, moved.counts.sum(axis=1), strict=False))
    columns = dict(zip(moved.now, moved.counts.sum(axis=0), strict=False))
    assert {code: earlier.counts.get(f"tier:{code}", 0) for code in rows} == rows
    assert {code: now.get(f"tier:{code}", 0) for code in columns} == columns
    assert len(moved.up) + len(moved.down) + moved.same + moved.new == now["customers"]
    assert moved.new - moved.gone == now["customers"] - earlier.counts["customers"]


@pytest.mark.slow
def test_risk_of_today_is_the_last_of_its_history_and_compares_with_earlier_days_only(office):
    history = risk_history(office.served)
    assert [one.as_of for one in history] == sorted({one.as_of for one in history})
    assert history[-1].at_risk == pytest.approx(everybody(office.served).at_risk)
    present = office.served.publication.manifest
    chosen = choices(office.served, published_until(office.served))
    assert chosen[0].id == present.previous
    assert all(one.as_of < present.as_of for one in chosen)


@pytest.mark.slow
def test_why_customers_moved_sums_to_the_change_and_ids_are_masked_for_data_scientists(office):
    manager = office.browser("manager").get("/console/portfolio/movers")
    scientist = office.browser("data_scientist").get("/console/portfolio/movers")
    named = re.findall(r'href="/console/customers/([^"]+)">', manager.text)
    hidden = re.findall(r'href="/console/customers/([^"]+)">', scientist.text)
    assert named
    assert len(named) == len(hidden)
    assert not set(named) & set(hidden)
    assert not any(name in scientist.text for name in named)


@pytest.mark.slow
def test_everybody_is_overdue_whose_last_contact_is_older_than_the_cadence_and_nobody_else(office):
    policy = office.served.publication.manifest.terms.policy
    promised = standards(office.config, policy)
    found = visits(office.served, office.state, promised)
    days = {one.code: one.contact_days for one in promised}
    book = found.book
    owed = {
        row for row in range(len(book)) if book.last_contact_days[row] > days[book.tier.at(row)]
    }
    assert set(found.overdue.tolist()) == owed
    assert (np.diff(book.value[found.overdue]) <= 0).all()
    assert sum(one.overdue for one in tier_service(office.served, promised, None, found)) == len(
        owed
    )


@pytest.mark.slow
@pytest.mark.parametrize(("ends_in_days", "is_at_rest"), [(-1, False), (0, True), (1, True)])
def test_a_snooze_ends_on_its_day_and_not_on_that_of_the_publication(
    office, ends_in_days, is_at_rest
):
    """The publication is months old: a snooze that has run out since is over on every page."""
    until = today(office.served) + dt.timedelta(days=ends_in_days)
    customer = office.served.publication.examples(1)[0]
    snoozed = Deed(customer, "snooze", {"until": until.isoformat()})
    form = Form("a-token-of-its-own", "u1", office.served.publication.manifest.id)
    add(office.config.stores, office.state, form, [snoozed])
    promised = standards(office.config, office.served.publication.manifest.terms.policy)
    found = visits(office.served, office.state, promised)
    assert found.at_rest[found.book.row_of(customer)] == is_at_rest
    queued = worked(visit_of(office), office.served)
    assert queued.is_hidden[found.book.row_of(customer)] == is_at_rest


hours = st.floats(0, 500) | st.just(np.nan)


@settings(deadline=None)
@given(st.lists(st.tuples(hours, st.floats(0, 500), st.floats(1, 100)), max_size=30))
def test_a_promise_is_kept_broken_or_still_open(rows):
    taken, age, limit = (np.array([row[i] for row in rows], dtype=float) for i in range(3))
    found = kept(taken, age, limit)
    assert found.asked + found.pending == len(rows)
    assert 0 <= found.within <= found.asked
    assert kept(taken, age, limit * 2).within >= found.within


def test_a_tier_without_a_standard_has_the_usual_one_of_its_place_and_says_so():
    tiers = tuple(
        SimpleNamespace(code=code, name=Text(zh=code, en=code)) for code in ("vip", "plain")
    )
    own = SimpleNamespace(tier="vip", first_response_hours=1.0, resolution_hours=None)
    config = SimpleNamespace(
        service_levels=(own,),
        team=SimpleNamespace(terms=lambda code: SimpleNamespace(contact_every_days=None)),
    )
    vip, plain = standards(config, SimpleNamespace(tiers=tiers))
    assert (vip.response_hours, vip.resolution_hours) == (1.0, 24.0)
    assert vip.usual == {"resolution_hours", "contact_days"}
    assert plain.contact_days == 180


@pytest.mark.slow
def test_cases_count_as_open_until_they_were_resolved_by_the_publications_day(office):
    found = cases(office.served)
    assert found.has_responses
    assert (found.hours >= 0).all()
    open_now = np.bincount(found.row[found.is_open & (found.kind == 2)], minlength=1)
    told = visits(office.served, office.state, ()).book.open_complaints
    assert open_now.sum() == np.nansum(told)


@pytest.mark.slow
def test_every_picture_has_a_table_of_the_same_rows_and_shows_nothing_else(office):
    monitored(office)
    someone = office.served.publication.examples(1)[0]
    query = {name: someone for picture in PICTURES for name in picture.reads}
    drawn = 0
    for picture in PICTURES:
        try:
            shown = picture.shown(visit_of(office, **query))
        except PageError:
            shown = None  # what it draws is not there yet, such as a plan
        if shown is None:
            continue
        drawn += 1
        columns = {column.name for column in shown.chart.columns}
        shows = fields_of(shown.chart.spec)
        assert shows <= (columns if picture in OURS else set(shown.chart.rows[0])), picture.name
        assert shown.chart.alt.zh
        assert shown.chart.alt.en
        for row in shown.chart.rows:
            assert columns <= set(row), picture.name
    assert drawn >= 9


def fields_of(spec: Any) -> set[str]:
    """Return every field that a specification draws, those that it makes itself left out."""
    if isinstance(spec, list):
        return set().union(*map(fields_of, spec), set())
    if not isinstance(spec, dict):
        return set()
    made = {name for step in spec.get("transform", ()) for name in listed(step.get("as", ()))}
    folded = {name for step in spec.get("transform", ()) for name in step.get("fold", ())}
    inner = {key: value for key, value in spec.items() if key not in ("transform", "scale")}
    own = {spec["field"]} if isinstance(spec.get("field"), str) else set()
    return (own | folded | set().union(*map(fields_of, inner.values()), set())) - made


def listed(names: Any) -> list[str]:
    return [names] if isinstance(names, str) else list(names)


@pytest.mark.slow
@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_tables_on_the_page_have_a_line_for_every_row_that_is_drawn(office, language):
    monitored(office)
    browser = office.browser("manager", language)
    for path in OWN:
        page = browser.get(path)
        assert page.status_code == 200
        assert 'style="' not in page.text
        for figure in re.findall(r"<figure>.*?</figure>", page.text, re.DOTALL):
            name = re.search(r"/console/pictures/([\w-]+)\.svg", figure).group(1)
            picture = next(one for one in PICTURES if one.name == name)
            visit = replace(visit_of(office), language=language)
            rows = picture.make(visit).rows
            first = picture.make(visit).columns[0].name
            cells = [unescape(one) for one in re.findall(r'<th scope="row">(.*?)</th>', figure)]
            assert len(cells) == len(rows)
            assert isinstance(rows[0][first], str) is (cells == [row[first] for row in rows])


@pytest.mark.slow
def test_a_picture_is_sent_once_and_has_a_policy_of_its_own(office):
    browser = office.browser("manager")
    first = browser.get("/console/pictures/tier-mix.svg", lang="en")
    again = browser.ask(
        "GET",
        "/console/pictures/tier-mix.svg?lang=en",
        headers={"if-none-match": first.headers["etag"]},
    )
    assert first.headers["content-type"] == "image/svg+xml"
    assert "script" not in first.headers["content-security-policy"]
    assert (again.status_code, again.content) == (304, b"")
    assert office.browser().get("/console/pictures/tier-mix.svg").status_code == 303


@pytest.mark.slow
def test_the_list_of_visits_is_exported_masked_for_data_scientists_and_on_record(office):
    manager = office.browser("manager").get("/console/service/overdue.csv")
    scientist = office.browser("data_scientist").get("/console/service/overdue.csv")
    names = [line.split(",")[0] for line in manager.text.splitlines()[1:]]
    assert manager.content.startswith(b"\xef\xbb\xbf")
    assert names
    assert not any(name in scientist.text for name in names)
    assert office.audited().count('"what":"export"') == 2


REPORT = IntakeReport(
    name="x",
    generation="g",
    as_of=dt.date(2026, 6, 30),
    tables={
        "transactions": TableReport(
            read=10,
            accepted=7,
            quarantined={"bad_number": 2, "future_date": 1},
            repaired={},
            left_out=0,
            first_day=dt.date(2026, 1, 1),
            last_day=dt.date(2026, 5, 1),
            days_behind=60,
            customers=3,
            completeness={"amount": 1.0, "margin": 0.1, "day": 0.0},
        )
    },
    coverage={},
    trainable=[],
)


def test_refused_rows_are_told_with_their_reason_and_without_their_contents(tmp_path):
    (tmp_path / "transactions.csv").write_text(
        "source,line,column,reason,message,raw,fingerprint\n"
        'in/sales.csv,88,amount,bad_number,m,"C1,12,5O,张三",f\n',
        encoding="utf-8",
    )
    first, second = refused(REPORT, tmp_path)
    assert (first.reason, first.rows, second.rows) == ("bad_number", 2, 1)
    assert first.examples == (("sales.csv", "88", "amount", "A9,99,9A,文文"),)
    (source,) = sources(REPORT)
    assert source.is_late
    assert source.adds_up
    assert source.missing == (("margin", 0.1),)


@settings(deadline=None)
@given(st.text())
def test_a_masked_row_keeps_no_letter_or_digit_of_its_own(raw):
    shown = masked(raw)
    assert len(shown) <= len(raw)
    assert not {sign for sign in shown if sign.isalnum()} - {"A", "9", "文"}


@pytest.mark.slow
@pytest.mark.parametrize("lacks", ["value", "satisfaction", "past", "records"])
def test_pages_answer_for_companies_that_lack_something(office, tmp_path, lacks):
    office.served = office.endpoint.current.served = without(office.served, lacks, tmp_path)
    for path in OWN:
        for language in ("zh", "en"):
            page = office.browser("manager", language).get(path)
            assert page.status_code == 200, (path, language)
            assert "None" not in re.sub(r"<[^>]*>", "", page.text)


@pytest.fixture(scope="module")
def contract_company(tmp_path_factory):
    """Return the configuration of a company of contract customers, published once."""
    root = tmp_path_factory.mktemp("contracts")
    pa.csv.write_csv(exported(), root / "contracts.csv")
    path = root / "company.yaml"
    path.write_text(CONFIG.format(data=root, root=root / "store", observed=OBSERVED), "utf-8")
    config = load(path, {})
    take_in(config, lambda step, share: None)
    records = live_generation(config.stores.records)
    fitted = fit(config, pq.read_table(records / "snapshot.parquet"))
    key = signing_key(config.stores.keys)
    write_bundle(fitted, config.stores.bundles / "1", key, {}, config)
    publish(config, read_bundle(config.stores.bundles / "1", key.public_key()), "1", records)
    return path


@pytest.mark.slow
def test_contract_customers_have_their_pages_too(contract_company, empty_state, tmp_path):
    office = opened(contract_company, served_by(contract_company), empty_state, tmp_path / "own")
    for path in OWN:
        for language in ("zh", "en"):
            page = office.browser("manager", language).get(path)
            assert page.status_code == 200, (path, language)
            assert "None" not in re.sub(r"<[^>]*>", "", page.text)
    office.state.close()


def without(served: Any, lacks: str, folder: Any) -> Any:
    """Return the same company without one thing that many do not have."""
    publication = served.publication
    manifest = publication.manifest
    if lacks == "records":
        return replace(served, generations=folder)
    copied = folder / manifest.id
    copied.mkdir()
    for file in publication.folder.iterdir():
        (copied / file.name).symlink_to(file)
    if lacks == "past":
        manifest = manifest.model_copy(update={"previous": None})
    if lacks == "value":
        counts = {name: n for name, n in manifest.counts.items() if not name.startswith("tier:")}
        manifest = manifest.model_copy(update={"totals": None, "counts": counts})
        _emptied(copied / "scores.parquet", ("clv_expected", "clv_low", "clv_high", "tier"))
    if lacks == "satisfaction":
        names = [one.name for one in served.bundle.features if one.family == "satisfaction"]
        table = pq.read_table(copied / "features.parquet")
        (copied / "features.parquet").unlink()
        kept_names = [name for name in table.column_names if name not in names]
        pq.write_table(table.select(kept_names), copied / "features.parquet")
    lone = replace(publication, folder=copied, manifest=manifest)
    return replace(served, publication=lone)


def _emptied(path: Any, names: tuple[str, ...]) -> None:
    table = pq.read_table(path)
    for name in names:
        place = table.schema.get_field_index(name)
        field = table.schema.field(name)
        table = table.set_column(place, field, pa.nulls(len(table), field.type))
    path.unlink()
    pq.write_table(table, path)
