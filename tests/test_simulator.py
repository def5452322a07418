"""Laws of the simulated company: what its truth says must show in its records."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from configs.errors import RecordsError
from configs.load import load
from features.contracts import TABLES
from features.simulator import END, simulate

Company = dict[str, pd.DataFrame]
SEED = 11
DAY = pd.Timedelta(days=1)
OWN_ACCORD = ["visit", "enquiry", "click", "event", "share"]


def read(folder: Path) -> Company:
    tables = {file.stem: pq.read_table(file).to_pandas() for file in folder.glob("*.parquet")}
    for column in ("signed_up_on", "drifted_on", "churned_on"):
        tables["truth"][column] = pd.to_datetime(tables["truth"][column])
    return tables


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Company:
    folder = tmp_path_factory.mktemp("company")
    simulate(5_000, seed=SEED, out=folder)
    return read(folder)


def days_before_leaving(company: Company, table: str, kinds: list[str]) -> pd.Series:
    """Days from each event to the end of the relation, of those customers who left."""
    events = company[table][company[table].kind.isin(kinds)]
    left = company["truth"].set_index("customer_id").churned_on.dropna()
    events = events[events.customer_id.isin(left.index)]
    return (events.customer_id.map(left) - events.occurred_at).dt.total_seconds() / 86_400


@pytest.mark.slow
def test_the_same_arguments_give_the_same_bytes_and_another_seed_others(tmp_path: Path) -> None:
    for name, seed in (("one", 3), ("again", 3), ("other", 4)):
        simulate(60, seed=seed, out=tmp_path / name)
    for file in (tmp_path / "one").glob("*.parquet"):
        assert file.read_bytes() == (tmp_path / "again" / file.name).read_bytes()
        assert file.read_bytes() != (tmp_path / "other" / file.name).read_bytes()


@pytest.mark.slow
def test_a_customer_is_the_same_in_a_company_of_any_size(tmp_path: Path, company: Company) -> None:
    simulate(2_600, seed=SEED, out=tmp_path)
    for name, small in read(tmp_path).items():
        large = company[name]
        same = large[large.customer_id <= "C0002600"].reset_index(drop=True)
        pd.testing.assert_frame_equal(small, same, check_dtype=False)


def test_columns_are_those_of_the_contract(tmp_path: Path) -> None:
    simulate(10, seed=1, out=tmp_path)
    for name, table in TABLES.items():
        schema = pq.read_schema(tmp_path / f"{name}.parquet")
        contract = table.arrow_schema()
        known = [field for field in schema if field.name in contract.names]
        assert all(contract.field(field.name).type == field.type for field in known)
        assert set(table.required) <= set(schema.names)
        assert name == "customers" or len(known) == len(schema)


def test_csv_and_parquet_hold_the_same_rows(tmp_path: Path) -> None:
    simulate(40, seed=5, out=tmp_path / "parquet")
    simulate(40, seed=5, out=tmp_path / "csv", file_format="csv")
    for name in TABLES:
        expected = pq.read_table(tmp_path / "parquet" / f"{name}.parquet")
        types = pa_csv.ConvertOptions(
            column_types=expected.schema, strings_can_be_null=True, quoted_strings_can_be_null=False
        )
        written = pa_csv.read_csv(tmp_path / "csv" / f"{name}.csv", convert_options=types)
        assert written.equals(expected)


def test_the_configuration_beside_the_files_names_them(tmp_path: Path) -> None:
    simulate(10, seed=1, out=tmp_path)
    config = load(tmp_path / "echelon.yaml", environment={})
    assert set(config.sources.tables) == set(TABLES)
    for (source,) in config.sources.tables.values():
        assert (config.data / str(source.path)).is_file()


@pytest.mark.slow
def test_about_fifty_events_a_customer(company: Company) -> None:
    events = sum(len(company[name]) for name in ("transactions", "interactions", "satisfaction"))
    assert 40 <= events / len(company["customers"]) <= 60


def test_nobody_buys_or_visits_after_leaving(company: Company) -> None:
    assert days_before_leaving(company, "transactions", ["purchase"]).min() > 0
    assert days_before_leaving(company, "interactions", OWN_ACCORD).min() > 0


def test_nothing_happens_before_sign_up_or_becomes_known_after_the_end(company: Company) -> None:
    signed_up = company["truth"].set_index("customer_id").signed_up_on
    midnight = pd.Timestamp(END) + DAY
    for name in ("transactions", "interactions", "satisfaction"):
        rows = company[name]
        assert (rows.occurred_at >= rows.customer_id.map(signed_up)).all()
        assert (rows.recorded_at >= rows.occurred_at).all()
        assert rows.recorded_at.max() < midnight
        late = (rows.recorded_at.dt.normalize() > rows.occurred_at.dt.normalize()).mean()
        assert 0.01 < late < 0.1


def test_no_row_repeats_another(company: Company) -> None:
    assert not any(rows.duplicated().any() for rows in company.values())


def test_the_gaps_between_purchases_recover_the_true_rate(company: Company) -> None:
    truth = company["truth"].set_index("customer_id")
    bought = company["transactions"].query("kind == 'purchase'")
    orders = bought.groupby("customer_id").agg(
        n=("order_id", "nunique"), first=("occurred_at", "min")
    )
    stayed = orders[truth.churned_on.isna().reindex(orders.index)]
    exposed = (pd.Timestamp(END) + DAY - stayed["first"]) / DAY
    expected = (truth.purchases_per_day.reindex(stayed.index) * exposed).sum()
    assert (stayed.n - 1).sum() / expected == pytest.approx(1.0, abs=0.05)


def test_contacts_fall_before_a_customer_leaves_and_purchases_do_not(company: Company) -> None:
    def fall(before: pd.Series) -> float:
        return (before.between(0, 30).sum() / 30) / (before.between(120, 210).sum() / 90)

    assert fall(days_before_leaving(company, "interactions", OWN_ACCORD)) < 0.65
    assert fall(days_before_leaving(company, "transactions", ["purchase"])) > 0.85


def test_satisfaction_falls_before_a_customer_leaves(company: Company) -> None:
    answers = company["satisfaction"]
    share = (answers.score - answers.scale_min) / (answers.scale_max - answers.scale_min)
    left = company["truth"].set_index("customer_id").churned_on
    days = (answers.customer_id.map(left) - answers.occurred_at) / DAY
    assert share[days < 40].mean() < share[days > 150].mean() - 0.1


def test_an_unresolved_complaint_drives_customers_away(company: Company) -> None:
    told = company["interactions"].query("kind == 'complaint' and occurred_at < '2025-12-01'")
    left = company["truth"].set_index("customer_id").churned_on
    soon = (told.customer_id.map(left) - told.occurred_at) / DAY < 120
    assert soon[told.resolved_at.isna()].mean() > soon[told.resolved_at.notna()].mean() + 0.2


def test_singles_day_is_the_peak_and_spring_festival_the_trough(company: Company) -> None:
    bought = company["transactions"].query("kind == 'purchase'")
    days = bought.occurred_at.dt.normalize()
    usual = len(days) / 1461
    assert (days == "2025-11-11").sum() > 2.5 * usual
    assert days.between("2025-01-28", "2025-02-03").sum() < 0.6 * 7 * usual


def test_unhappy_customers_return_more(company: Company) -> None:
    rows = company["transactions"]
    bought = rows[rows.kind == "purchase"].customer_id.value_counts()
    returned = rows[rows.kind == "refund"].customer_id.value_counts().reindex(bought.index)
    mood = company["truth"].set_index("customer_id").satisfaction.reindex(bought.index)
    unhappy = mood < mood.median()
    shares = [returned[who].sum() / bought[who].sum() for who in (unhappy, ~unhappy)]
    assert shares[0] > 1.5 * shares[1] > 0


def test_expected_value_comes_true_on_average_and_in_every_quarter(company: Company) -> None:
    truth = company["truth"]
    came = truth.spend_next_365d - truth.refunds_next_365d
    expected = truth.expected_value_365d
    assert came.sum() / expected.sum() == pytest.approx(1.0, abs=0.08)
    customers = truth[expected > 0].assign(
        came=came, quarter=pd.qcut(expected[expected > 0], 4, labels=False)
    )
    sums = customers.groupby("quarter")[["came", "expected_value_365d"]].sum()
    assert (sums.came / sums.expected_value_365d).to_numpy() == pytest.approx(1.0, abs=0.15)


def test_the_true_probability_of_no_purchase_comes_true(company: Company) -> None:
    truth = company["truth"].query("probability_of_none_90d < 0.999")
    said, none = truth.probability_of_none_90d, truth.purchase_days_next_90d == 0
    bins = pd.qcut(said, 5, labels=False)
    assert (none.groupby(bins).mean() - said.groupby(bins).mean()).abs().max() < 0.08
    assert roc_auc_score(none, said) > 0.75


def test_survival_comes_true_and_an_action_moves_it_within_zero_and_one(company: Company) -> None:
    truth = company["truth"]
    gone, drifting = truth.churned_on.notna(), truth.drifted_on.notna()
    after = truth.survival_90d + truth.action_effect_on_survival_90d
    assert after.between(0, 1).all()
    assert (truth.action_effect_on_survival_90d[gone] == 0).all()
    assert (truth.action_effect_on_survival_90d[drifting & ~gone] >= 0).all()
    assert (truth.action_effect_on_survival_90d[~drifting] <= 0).all()
    assert (truth.action_effect_on_survival_90d < 0).any()
    assert (truth.action_effect_on_value_365d[drifting & ~gone] > 0).any()


def test_what_a_drift_does_is_told_of_those_who_drift_alone(company: Company) -> None:
    truth = company["truth"]
    drifting = truth.drifted_on.notna()
    raised = truth.probability_of_none_90d - truth.probability_of_none_90d_if_settled
    assert (raised[~drifting] == 0).all()
    assert (raised[drifting] > 0.1).mean() > 0.5
    assert (truth.visits_missed_84d[~drifting] == 0).all()
    assert (truth.visits_missed_84d[drifting] > 0).mean() > 0.99
    assert not truth.drifted_by_complaint[~drifting].any()


def test_who_drifts_by_a_complaint_left_one_open_the_day_before(company: Company) -> None:
    said = company["interactions"].query("kind == 'complaint' and resolved_at.isna()")
    days = set(zip(said.customer_id, said.occurred_at.dt.normalize(), strict=True))
    blamed = company["truth"].query("drifted_by_complaint")
    before = zip(blamed.customer_id, blamed.drifted_on - DAY, strict=True)
    assert len(blamed) > 100
    assert np.mean([one in days for one in before]) > 0.99  # the rest was not recorded yet


@pytest.mark.parametrize("is_chinese", [True, False])
def test_comments_show_hidden_satisfaction_in_words_that_carry_over(
    company: Company, is_chinese: bool
) -> None:
    rows = company["satisfaction"].dropna(subset=["comment"])
    rows = rows[rows.comment.str.contains(r"[\u4e00-\u9fff]") == is_chinese]
    assert rows.comment.nunique() > 0.8 * len(rows)
    share = (rows.score - rows.scale_min) / (rows.scale_max - rows.scale_min)
    rows, good = rows[share != 0.75], share[share != 0.75] > 0.75
    learn = rows.customer_id < "C0002500"
    words = TfidfVectorizer(analyzer="char_wb", ngram_range=(1, 3), min_df=2)
    model = make_pipeline(words, LogisticRegression()).fit(rows.comment[learn], good[learn])
    guessed = model.predict_proba(rows.comment[~learn])[:, 1]
    assert roc_auc_score(good[~learn], guessed) > 0.8


def test_interactions_and_satisfaction_tell_of_churn_beyond_purchases(company: Company) -> None:
    earlier, later = churn_tables(company, "2025-09-30"), churn_tables(company, "2026-03-31")
    sets = {"purchases": PURCHASES, "all": [*PURCHASES, *CONTACTS]}
    auc = {}
    for name, columns in sets.items():
        model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=300))
        model.fit(earlier[columns], earlier.churned)
        auc[name] = roc_auc_score(later.churned, model.predict_proba(later[columns])[:, 1])
    assert 0.15 < later.churned.mean() < 0.45
    assert auc["all"] > auc["purchases"] + 0.03


PURCHASES = ["orders_28", "orders_90", "orders_180", "orders_365", "last_order", "first_order"]
CONTACTS = ["visits_28", "visits_60", "visits_120", "visits_365", "last_visit", "score", "unheard"]


def churn_tables(company: Company, cutoff: str) -> pd.DataFrame:
    """Log features at ``cutoff`` of those who bought in the 180 days before, and the label."""
    end = pd.Timestamp(cutoff) + DAY
    bought = company["transactions"].query("kind == 'purchase'").drop_duplicates("order_id")
    next_90 = bought[bought.occurred_at.between(end, end + 90 * DAY)].customer_id
    known = known_by(end)
    orders, contacts = known(bought), known(company["interactions"])
    active = orders[orders.ago < 180].customer_id.unique()
    own = contacts[contacts.kind.isin(OWN_ACCORD)]
    unheard = contacts[(contacts.kind == "complaint") & ~(contacts.resolved_at < end)]
    answers = known(company["satisfaction"]).sort_values("ago").drop_duplicates("customer_id")
    answers = answers.set_index("customer_id")
    share = (answers.score - answers.scale_min) / (answers.scale_max - answers.scale_min)
    by_customer = orders.groupby("customer_id").ago
    columns = {f"orders_{w}": orders[orders.ago < w].customer_id.value_counts() for w in WINDOWS}
    columns |= {f"visits_{w}": own[own.ago < w].customer_id.value_counts() for w in VISIT_WINDOWS}
    columns |= {"last_order": by_customer.min(), "first_order": by_customer.max()}
    columns |= {"last_visit": own.groupby("customer_id").ago.min(), "score": share.fillna(0.7)}
    columns["unheard"] = unheard[unheard.ago < 120].customer_id.value_counts()
    table = pd.DataFrame({name: column.reindex(active) for name, column in columns.items()})
    table["last_visit"] = table.last_visit.fillna(1_000)
    table["score"] = table.score.fillna(0.7)
    table = np.log1p(table.fillna(0.0))
    return table.assign(churned=~table.index.isin(next_90))


WINDOWS = (28, 90, 180, 365)
VISIT_WINDOWS = (28, 60, 120, 365)


def known_by(end: pd.Timestamp) -> Callable[[pd.DataFrame], pd.DataFrame]:
    def known(rows: pd.DataFrame) -> pd.DataFrame:
        rows = rows[(rows.recorded_at < end) & (rows.occurred_at < end)]
        return rows.assign(ago=(end - rows.occurred_at) / DAY)

    return known


@pytest.mark.parametrize("days", [28, 100, 400])
def test_a_short_span_holds_its_days_alone(tmp_path: Path, days: int) -> None:
    simulate(50, seed=2, out=tmp_path, days=days, end=dt.date(2024, 3, 15))
    first = dt.datetime.combine(dt.date(2024, 3, 16) - dt.timedelta(days), dt.time())
    for name, time in (("transactions", "occurred_at"), ("attributes", "observed_at")):
        moments = pq.read_table(tmp_path / f"{name}.parquet")[time].to_pylist()
        assert all(first <= moment < dt.datetime(2024, 3, 16) for moment in moments)


def test_impossible_wishes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RecordsError, match="0 customers over 1461 days"):
        simulate(0, seed=0, out=tmp_path)
    with pytest.raises(RecordsError, match="at least 1 customer and 28 days"):
        simulate(5, seed=0, out=tmp_path, days=7)
    assert list(tmp_path.iterdir()) == []


def test_a_run_cut_short_leaves_what_was_there(tmp_path: Path) -> None:
    simulate(10, seed=1, out=tmp_path)
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}

    def interrupt(step: str, share: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        simulate(20, seed=2, out=tmp_path, progress=interrupt)
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before


def test_progress_counts_customers(tmp_path: Path) -> None:
    seen: list[tuple[str, float]] = []
    simulate(3_000, seed=1, out=tmp_path, days=60, progress=lambda *done: seen.append(done))
    assert seen == [("simulate", 2_500 / 3_000), ("simulate", 1.0)]
