"""A feature that knows the future stops training; a future plain from the past does not."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from configs.errors import TrainingError
from configs.section import Text
from features import catalogue
from features.spec import Feature
from training import fit as training
from training.anchor import VALUE_INPUTS
from training.dataset import Dataset
from training.leaks import check_no_category_tells_all, check_no_feature_tells_all

RNG = np.random.default_rng(0)
N = 600
CHURNED = (RNG.uniform(size=N) < 0.3).astype(float)


def data(label, customers: int = N, **features) -> Dataset:
    keys = {
        "customer_id": [f"C{i % customers:04d}" for i in range(len(label))],
        "cutoff": pa.array([100] * len(label), pa.int32()),
    }
    columns = {name: pa.array(values, pa.float64()) for name, values in features.items()}
    return Dataset(pa.table(keys | columns), np.asarray(label, dtype=float))


def check(rows: Dataset, *names: str) -> tuple[Text, ...]:
    return check_no_feature_tells_all(rows, names, "leave it out")


def test_a_feature_that_knows_who_leaves_is_named_with_what_to_do():
    honest = CHURNED + RNG.normal(0, 1, N)
    leak = np.where(CHURNED > 0, np.nan, RNG.uniform(size=N))
    rows = data(CHURNED, honest=honest, planted=leak)
    check(rows, "honest")
    with pytest.raises(TrainingError, match=r"'planted' alone tells .*leave it out"):
        check(rows, "honest", "planted")


def test_a_feature_that_knows_how_much_is_spent_is_named():
    spend = np.where(CHURNED > 0, 0.0, RNG.gamma(1, 50, N))
    rows = data(spend, honest=spend + RNG.gamma(1, 50, N), planted=spend * 0.2 + 3)
    check(rows, "honest")
    with pytest.raises(TrainingError, match="'planted'"):
        check(rows, "planted")


def test_where_most_left_long_ago_their_silence_is_no_leak_and_a_leak_still_is():
    leaving = RNG.uniform(size=N) < 0.002
    leaving[:2] = True
    gone = np.arange(N) > 250
    churned = (gone | leaving).astype(float)
    tenure = np.full(N, 2_000.0)
    silence = np.where(gone, 1_500.0, RNG.uniform(0, 7, N))
    anchor = dict(zip(VALUE_INPUTS, (tenure / 7, tenure - silence, tenure, tenure), strict=True))
    rows = data(churned, **anchor, capped=np.minimum(silence, 365), planted=churned)
    check(rows, "capped")
    with pytest.raises(TrainingError, match="'planted'"):
        check(rows, "planted")


@pytest.mark.parametrize("churners", [0, 1, 9, N])
def test_among_few_customers_of_one_kind_nothing_is_suspected(churners):
    churned = (np.arange(N) < churners).astype(float)
    check(data(churned, told=churned), "told")


def test_rows_of_the_same_few_customers_at_many_cutoffs_are_no_more_evidence():
    churned = (np.arange(N) % 20 < 2).astype(float)
    check(data(churned, customers=20, told=churned), "told")


def test_reasons_for_leaving_tell_all_together_though_none_does_alone():
    reason = np.where(CHURNED > 0, RNG.integers(1, 9, N), 0)
    plan = RNG.integers(1, 9, N)
    columns = {f"reason={i}": (reason == i).astype(float) for i in range(1, 9)}
    columns |= {f"plan={i}": (plan == i).astype(float) for i in range(1, 9)}
    rows = data(CHURNED, **columns)
    check(rows, *columns)
    levels = {name: [c for c in columns if c.startswith(name)] for name in ("plan", "reason")}
    check_no_category_tells_all(rows, {"plan": levels["plan"]}, "leave it out")
    with pytest.raises(TrainingError, match="'reason' alone tells"):
        check_no_category_tells_all(rows, levels, "leave it out")


def test_the_alarm_says_when_it_could_not_have_fired():
    assert check(data(CHURNED, honest=CHURNED + RNG.normal(0, 1, N)), "honest") == ()
    few = data((np.arange(N) < 9).astype(float), told=np.arange(N) < 9)
    assert "could not be checked" in check(few, "told")[0].en
    silence = np.where(CHURNED > 0, 500.0, 5.0)
    past = (silence, 600 - silence, silence * 0 + 600, silence)
    anchor = dict(zip(VALUE_INPUTS, past, strict=True))
    assert "could not be checked" in check(data(CHURNED, **anchor), "frequency")[0].en


def test_what_tells_much_and_not_all_is_named_for_a_person_to_judge():
    rng = np.random.default_rng(1)
    much, honest = CHURNED * 2 + rng.normal(0, 0.6, N), CHURNED + rng.normal(0, 1, N)
    (note,) = check(data(CHURNED, honest=honest, much=much), "honest", "much")
    assert "look at feature much" in note.en
    assert "much" in note.zh


NEXT_DUE = Feature(
    name="days_until_next_order",
    source="interactions",
    value=lambda t: t.duration_seconds.argmax(t.day) + t.day.max() - t.cutoff,
    family="interaction",
    concept="contact",
    unit="days",
    label={"zh": "距下次购买天数", "en": "Days until the next order"},
)


def with_orders_told_beforehand(tables: dict[str, pa.Table]) -> dict[str, pa.Table]:
    """Return tables in which a contact on each order's day tells the days until the next one."""
    rows = sorted({(r["customer_id"], r["day"]) for r in tables["transactions"].to_pylist()})
    customers, days = (list(values) for values in zip(*rows, strict=True))
    pairs = zip(rows, [*rows[1:], ("", 0)], strict=True)
    due = [b[1] - a[1] if a[0] == b[0] else 9_999 for a, b in pairs]
    contacts = {
        "customer_id": customers,
        "occurred_at": pa.array(np.array(days).astype("datetime64[D]").astype("datetime64[us]")),
        "duration_seconds": pa.array(due, pa.float64()),
        "day": pa.array(days, pa.int32()),
        "known_day": pa.array(days, pa.int32()),
    }
    return {"transactions": tables["transactions"], "interactions": pa.table(contacts)}


@pytest.mark.slow
def test_a_column_written_back_in_time_is_caught_by_training(monkeypatch):
    from tests.test_fit import config, records, shop

    monkeypatch.setattr(training, "select", lambda choice: (*catalogue.select(choice), NEXT_DUE))
    with pytest.raises(
        TrainingError, match=r"'days_until_next_order' (alone|at) .*features\.leave_out"
    ):
        training.fit(config(), records(with_orders_told_beforehand(shop(200))))
