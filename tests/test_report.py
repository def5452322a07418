from __future__ import annotations

import datetime as dt
import io
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from rich.console import Console

from configs.schema import Config
from configs.section import Text
from serving.changes.change_facts import portfolio_change
from serving.changes.changes import Comparison
from serving.pages.explain import render, summary
from serving.pages.report import both, report_html, write_report
from serving.pages.report_facts import Facts
from serving.scores.lead import advice
from serving.scores.publication import Publication, open_live
from serving.scores.publish import publish_matrix
from tests.small_bundle import job_in, matrix_of, small_bundle
from training.baselines import rules_in_words
from training.evaluate import (
    Evaluation,
    TargetEvaluation,
    calibration_curve,
    figures,
    lift_curve,
)
from training.grade import grade
from training.lifecycle import STAGES

VOID = {"meta", "input", "br", "circle", "path", "rect"}


class Page(HTMLParser):
    """Reads a page: whether tags nest, what it would load, the words of each language."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.languages: list[str | None] = [None]
        self.loads: list[str] = []
        self.words: dict[str | None, str] = {"zh": "", "en": "", None: ""}
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.loads += [str(v) for k, v in attrs if k in ("src", "href", "srcset", "data")]
        if tag in VOID:
            return
        self.open.append(tag)
        classes = (given.get("class") or "").split()
        own = next((c for c in ("zh", "en") if c in classes), self.languages[-1])
        self.languages.append(own)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in VOID

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag
        self.languages.pop()

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("style", "script", "title"):
            self.words[self.languages[-1]] += data


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> tuple[Config, Publication]:
    job = job_in(tmp_path_factory.mktemp("store"))
    publish_matrix(job, matrix_of(400, day=19_950, seed=5))
    publish_matrix(job, matrix_of(420))
    return job.config, open_live(job.store)


def evaluation(**targets: TargetEvaluation) -> Evaluation:
    return Evaluation(targets=targets or {"churn": measured("churn"), "clv": measured("clv")})


def measured(target: str, rule_is_better: bool = False) -> TargetEvaluation:
    rng = np.random.default_rng(0)
    p = rng.beta(2, 3, 500)
    y = (rng.random(500) < p).astype(float) if target == "churn" else p * rng.gamma(1, 1, 500)
    rule = y + 0.1 * rng.random(500) if rule_is_better else rng.random(500)
    main = "auc" if target == "churn" else "ngini"
    return TargetEvaluation(
        target=target,  # type: ignore[arg-type]
        horizon_days=90,
        protocol="out_of_time",
        cutoff=dt.date(2024, 6, 1),
        n=500,
        base_rate=0.4,
        model=figures(target, y, p),  # type: ignore[arg-type]
        baselines={"recency": {main: figures(target, y, rule)[main]}},  # type: ignore[arg-type]
        rules=rules_in_words(["recency"]),
        calibration=calibration_curve(y, p),
        lift=lift_curve(y, p),
        rule_lifts={"recency": lift_curve(y, rule)},
    )


def test_the_report_is_one_file_that_loads_nothing_and_nests_right(
    published: tuple[Config, Publication],
) -> None:
    html = report_html(*published, evaluation())
    page = Page(html)
    assert page.open == []
    assert page.loads == []
    assert not re.search(r"https?://|url\(|@import", html)
    assert "default-src 'none'" in html


def test_both_languages_are_there_and_neither_leaks_into_the_other(
    published: tuple[Config, Publication],
) -> None:
    words = Page(report_html(*published, evaluation())).words
    chinese = re.compile("[\u4e00-\u9fff]")
    assert "价值等级" in words["zh"]
    assert "Value tiers" in words["en"]
    assert not chinese.search(words["en"])
    assert set(chinese.findall(words[None] or "")) <= set("中文")


def test_the_configured_language_is_shown_first(published: tuple[Config, Publication]) -> None:
    config, publication = published
    english = config.model_copy(update={"language": "en"})
    assert 'id="lang-zh" class="switch" checked' in report_html(config, publication, evaluation())
    html = report_html(english, publication, evaluation())
    assert 'id="lang-en" class="switch" checked' in html
    assert '<html lang="en">' in html


def test_what_a_company_and_its_customers_are_called_cannot_become_markup(tmp_path: Path) -> None:
    evil = "<script>alert('x')</script>"
    job = job_in(tmp_path)
    matrix = matrix_of(30)
    ids = [*matrix["customer_id"].to_pylist()[:-1], f"Z{evil}"]
    matrix = matrix.set_column(0, "customer_id", pa.array(ids))
    matrix = matrix.set_column(5, "monetary_value", pa.array([*[90.0] * 29, 90_000.0]))
    publish_matrix(job, matrix)
    config = job.config.model_copy(update={"company": Text(zh=evil, en=evil)})
    html = report_html(config, open_live(job.store), evaluation())
    assert evil not in html
    assert "<b>Z&lt;script&gt;alert" in html
    assert both("<b>", "&").count("<b>") == 0


def test_shares_of_tiers_add_up_and_value_is_the_sum_over_customers(
    published: tuple[Config, Publication],
) -> None:
    _, publication = published
    facts = Facts(publication, STAGES)
    scores = publication.scores()
    for groups in (facts.tiers, facts.segments, facts.stages):
        assert sum(group.customers for group in groups) == len(scores)
        assert sum(group.share for group in groups) == pytest.approx(1.0)
        assert sum(group.value or 0.0 for group in groups) == pytest.approx(facts.headline.value)
    at_risk = sum(tier.value_in_band["high"] for tier in facts.tiers)
    assert facts.headline.at_risk == pytest.approx(at_risk)


def test_customers_of_low_risk_are_not_among_those_to_look_at(
    published: tuple[Config, Publication],
) -> None:
    watched = Facts(published[1], STAGES).most_at_stake
    stakes = [one["churn"]["probability"] * one["clv"]["expected"] for one in watched]
    assert stakes == sorted(stakes, reverse=True)
    assert {one["churn"]["band"] for one in watched} <= {"medium", "high"}


def test_where_customers_are_to_be_kept_the_likeliest_to_leave_come_first(
    published: tuple[Config, Publication],
) -> None:
    config, publication = published
    terms = publication.manifest.terms
    keep = terms.policy.model_copy(update={"objective": "retention"})
    terms = terms.model_copy(update={"policy": keep})
    keeping = replace(
        publication, manifest=publication.manifest.model_copy(update={"terms": terms})
    )
    risks = [one["churn"]["probability"] for one in Facts(keeping, STAGES).most_at_stake]
    assert risks == sorted(risks, reverse=True)
    assert "the likeliest to leave first" in report_html(config, keeping, evaluation())
    assert "the likeliest to leave first" not in report_html(*published, evaluation())


def test_moves_between_tiers_account_for_every_customer(
    published: tuple[Config, Publication],
) -> None:
    _, publication = published
    migration = Facts(publication, STAGES).migration(publication.earlier())
    assert migration is not None
    assert migration.new == 20
    assert migration.up + migration.down + migration.same == 400
    assert sum(n for row in migration.rows.values() for n in row.values()) == 400
    assert all(mover.now > mover.before for mover in migration.risers)
    assert all(mover.now < mover.before for mover in migration.fallers)


def test_a_first_publication_says_that_there_is_nothing_to_compare_with(tmp_path: Path) -> None:
    job = job_in(tmp_path)
    publish_matrix(job, matrix_of(40))
    html = report_html(job.config, open_live(job.store), evaluation())
    assert "This is the first publication" in html


def test_a_rule_that_beats_the_model_is_admitted(published: tuple[Config, Publication]) -> None:
    admitted = "A simple rule orders customers better than the model"
    assert admitted not in report_html(*published, evaluation())
    beaten = evaluation(churn=measured("churn", rule_is_better=True))
    assert admitted in report_html(*published, beaten)


def test_a_grade_stands_with_its_interval_its_rule_and_the_formula(
    published: tuple[Config, Publication],
) -> None:
    y = (np.random.default_rng(0).random(500) < 0.4).astype(float)
    given = grade("churn", y, y * 0.2 + 0.3, {"recency": np.random.default_rng(1).random(500)})
    graded = measured("churn").model_copy(update={"grade": given})
    words = Page(report_html(*published, evaluation(churn=graded))).words
    assert f"Grade {given.letter}: {given.why.en}" in words["en"]
    assert "“Days since last purchase”" in words["en"]
    assert given.formula.en in words["en"]
    assert f"评级{given.letter}：{given.why.zh}" in words["zh"]


def test_a_rule_that_is_served_is_called_by_its_name(published: tuple[Config, Publication]) -> None:
    served = measured("churn").model_copy(update={"served_rule": "recency"})
    words = Page(report_html(*published, evaluation(churn=served))).words
    assert "so the rule is served" in words["en"]
    assert "Served rule: Days since last purchase" in words["en"]
    assert "所用规则：距上次购买的天数" in words["zh"]


def test_what_could_not_be_measured_is_admitted(published: tuple[Config, Publication]) -> None:
    unmeasured = TargetEvaluation(target="churn", horizon_days=90, protocol="none")
    html = report_html(*published, evaluation(churn=unmeasured))
    assert "too short or the customers too few to measure" in html


def test_without_a_value_model_the_report_is_of_churn_alone(tmp_path: Path) -> None:
    bundle = small_bundle()
    job = job_in(tmp_path, replace(bundle, models={"churn": bundle.models["churn"]}))
    publish_matrix(job, matrix_of(40))
    words = Page(report_html(job.config, open_live(job.store), evaluation())).words
    assert "Churn risk" in words["en"]
    assert "Value tiers" not in words["en"]


def test_the_report_is_written_to_its_path(
    published: tuple[Config, Publication], tmp_path: Path
) -> None:
    path = write_report(*published, evaluation(), tmp_path / "new" / "report.html")
    assert path.read_text(encoding="utf-8").startswith("<!doctype html>")


@pytest.mark.parametrize("language", ["zh", "en"])
def test_a_customer_is_explained_in_the_terminal(
    published: tuple[Config, Publication], language: str
) -> None:
    _, publication = published
    console = Console(width=120, record=True, file=io.StringIO())
    for customer_id in publication.scores()["customer_id"].to_pylist()[:30]:
        answer = publication.customer(customer_id)
        console.print(render(answer, language))  # type: ignore[arg-type]
    console.print(summary([publication.customer(i) for i in publication.examples(3)], language))  # type: ignore[arg-type]
    shown = console.export_text()
    answer = publication.customer("C000000")
    assert "C000000" in shown
    assert answer["tier"]["name"][language] in shown
    assert "█" in shown
    other = "[\u4e00-\u9fff]" if language == "en" else "expected value|typical"
    assert not re.search(other, shown)


def test_the_change_is_split_into_data_model_and_policy_and_the_rules_of_a_tier_are_shown(
    published, monkeypatch
):
    config, live = published
    monkeypatch.setattr(
        "serving.pages.report.compare", lambda _, old, new: Comparison(old, new, small_bundle())
    )
    words = Page(report_html(config, live, evaluation())).words
    parts = portfolio_change(Comparison(live.earlier(), live, small_bundle()))["clv"]["parts"]
    assert sorted(parts) == ["data", "model", "policy"]
    for language, heads in {
        "zh": ("变化来自哪里", "策略"),
        "en": ("Where the change", "policy"),
    }.items():
        assert all(head in words[language] for head in heads)
    watched = Facts(live, STAGES).most_at_stake[0]
    trace = live.trace(watched["customer_id"])
    assert trace is not None
    assert trace["lines"][0]["text"]["zh"] in words["zh"]
    assert advice(watched, "zh") in words["zh"]
