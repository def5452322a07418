"""The model card says all it must, in both languages, and names nobody."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from configs.records import SnapshotFile, SnapshotSource, Sources
from features.stored.report import IntakeReport, TableReport
from serving.pages.card_page import page_html, write_card
from tests.small_bundle import config_in, matrix_of
from tests.small_fitted import DAY, small_fitted
from tests.test_report import Page
from training.card import card_of, markdown, summary
from training.dataset import Dataset
from training.evaluate import Evaluation, TargetEvaluation
from training.held_out import Trial, held_out_of
from training.manifest import Manifest, Verified

GOLDEN = Path(__file__).parent / "golden"
SECTIONS = (
    "data", "definitions", "use", "features", "training", "figures.churn", "figures.clv",
    "calibration", "slices", "sensitive", "rules", "segments", "intervals", "versions",
)  # fmt: skip


@pytest.fixture(scope="module")
def company(tmp_path_factory):
    """A small company: a third has no known gender, and a training on it that is judged."""
    tmp_path = tmp_path_factory.mktemp("company")
    fitted, config = small_fitted(), config_in(tmp_path / "store")
    rows = Dataset(matrix_of(300, seed=3))
    trials = {}
    for target, model in fitted.models.items():
        p = model.predict(rows.columns(model.inputs))
        label = (p > 0.5).astype(float) if target == "churn" else p * 1.1
        trials[target] = Trial(replace(rows, label=label), p * 0.9, model)
    held_out = held_out_of(trials, fitted.policy, config.lifecycle)
    ids = rows.matrix["customer_id"].to_pylist()
    genders = [("f", "m", None)[i % 3] for i in range(300)]
    records = tmp_path / "records"
    records.mkdir()
    table = pa.table({"customer_id": ids, "gender": genders})
    pq.write_table(table, records / "customers.parquet")
    counts = {
        "read": 300, "accepted": 297, "quarantined": {"number": 3}, "repaired": {}, "left_out": 0,
        "first_day": dt.date(2022, 1, 5), "last_day": DAY, "days_behind": 0, "customers": 120,
        "completeness": {},
    }  # fmt: skip
    report = IntakeReport.model_construct(
        name="small",
        generation="g",
        as_of=DAY,
        tables={"transactions": TableReport(**counts)},
        coverage={},
        trainable=[],
    )
    (records / "report.json").write_text(report.model_dump_json(), encoding="utf-8")
    return config, replace(fitted, held_out=held_out), records


def bundle():
    manifest = Manifest(
        format=1,
        created_at=dt.datetime(2024, 10, 5, tzinfo=dt.UTC),
        as_of=DAY,
        cutoffs={},
        versions={"features": "9f2c", "policy": "vip4"},
        provenance={"records": "20241005", "rows.transactions": "297"},
        libraries={"echelon": "0.1.0"},
        signed_by="k1",
        files={},
    )
    return Verified("ab" * 32, manifest, {})


@pytest.fixture(scope="module")
def card(company):
    config, fitted, records = company
    return card_of(config, fitted, bundle(), records)


@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_card_reads_as_kept(card, language):
    path = GOLDEN / f"card.{language}.md"
    assert markdown(card, language) == path.read_text(encoding="utf-8")


def test_no_section_is_missing_or_empty_in_either_language(card):
    assert tuple(section.code for section in card.sections) == SECTIONS
    for section in card.sections:
        assert section.lines or section.rows
        assert {len(row) for row in section.rows} <= {len(section.head)}
        texts = [section.title, *section.lines, *section.head, *sum(section.rows, ())]
        assert all(text.zh.strip() and text.en.strip() for text in texts)


def test_neither_language_leaks_into_the_other(company, card):
    config, fitted, _ = company
    page = Page(page_html(config, card, fitted.evaluation))
    assert (page.open, page.loads) == ([], [])
    assert not re.search(
        "[\u4e00-\u9fff]", re.sub("[性别年龄出生民族种国籍宗教婚姻残疾]", "", page.words["en"])
    )


def test_no_customer_is_in_the_card(company, card, tmp_path):
    config, fitted, _ = company
    folder = write_card(config, card, fitted.evaluation, tmp_path / "card")
    ids = fitted.held_out.predictions["customer_id"].to_pylist()
    for file in folder.iterdir():
        text = file.read_text(encoding="utf-8")
        assert not [customer_id for customer_id in ids if customer_id in text]


def test_a_sensitive_attribute_is_told_to_be_left_out_and_is_split_by(company, card):
    text = markdown(card, "en")
    assert "kept out of scoring, for splitting figures: gender" in text
    assert re.search(r"\| churn \| gender: f \| 100 \| \d", text)
    config, fitted, records = company
    open_ = config.features.model_copy(update={"sensitive": ()})
    asked = card_of(config.model_copy(update={"features": open_}), fitted, bundle(), records)
    assert "nothing is kept out of scoring" in markdown(asked, "en")


def test_a_training_that_could_not_be_judged_says_so(company):
    config, _, records = company
    targets = {
        target: TargetEvaluation(target=target, horizon_days=90, protocol="none")
        for target in ("churn", "clv")
    }
    bare = replace(small_fitted(), evaluation=Evaluation(targets=targets))
    text = markdown(card_of(config, bare, bundle(), records), "en")
    assert text.count("no period to measure on yet") >= 3


def test_contract_customers_churn_by_their_own_label_and_are_measured_in_folds(company):
    config, fitted, records = company
    snapshot = SnapshotSource(
        source=SnapshotFile(path="x.csv"), label="left", positive="yes", observed_on="2024-01-01"
    )
    contracts = config.model_copy(update={"sources": Sources(snapshot=snapshot)})
    told = markdown(card_of(contracts, fitted, bundle(), records), "en")
    assert "Churn: as the company's own label in the snapshot says" in told
    assert "monthly value times the months in 365 days" in told
    assert "no purchase within" not in told
    assert "measured models had not seen the customers" in told


def test_the_description_fits_what_the_registry_holds(card):
    assert len(summary(card, 5000)) <= 5000
    assert summary(card, 200).endswith("…")
    for title in ("Grade and figures", "评级与指标"):
        assert title in summary(card, 5000)


def test_a_card_says_of_how_many_customers_it_learnt_from_a_sample(company):
    config, fitted, records = company
    few = card_of(config, replace(fitted, drawn=(3_000, 60_000)), bundle(), records)
    assert "Learnt from and measured on: 3,000 of 60,000 customers (5.0%)" in markdown(few, "en")
    assert "60,000位客户中的3,000位（5.0%）" in markdown(few, "zh")
