"""What is measured at a cutoff was learnt without anything that became known after it."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from configs.errors import TrainingError
from configs.schema import Config
from features.labels import SPEND, label_table
from features.sources import date_of
from tests.test_fit import config, records, shop
from training import fit as training
from training import learning
from training.additive import AdditiveModel
from training.anchor import PURCHASE_INPUTS
from training.columns import column_values
from training.fitted import Fitted
from training.signals import learn_sentiment

AS_OF, EVALUATION = 599, 480
FAMILIES = {"families": ("behaviour", "interaction", "satisfaction", "profile")}
Tables = dict[str, pa.Table]


def company(seed: int = 3) -> Tables:
    """Return a shop with comments, contracts that end, and every fifth row recorded late."""
    tables = shop(250, seed=seed)
    rng = np.random.default_rng(seed)
    bought = tables["transactions"]
    pleased = rng.uniform(size=len(bought)) < 0.5
    said = [("lovely tea" if p else "broken pot") + f" {i % 7}" for i, p in enumerate(pleased)]
    satisfaction = bought.select(["customer_id", "occurred_at", "day", "known_day"])
    satisfaction = satisfaction.append_column("instrument", pa.array(["csat"] * len(bought)))
    satisfaction = satisfaction.append_column("score", pa.array(np.where(pleased, 5.0, 1.0)))
    satisfaction = satisfaction.append_column("comment", pa.array(said))
    ids = pc.unique(bought["customer_id"])
    ends = rng.integers(200, 900, len(ids)).astype("datetime64[D]")
    zero = np.zeros(len(ids), dtype=np.int32)
    customers = pa.table(
        {"customer_id": ids, "ended_on": pa.array(ends), "day": zero, "known_day": zero}
    )
    events = {**tables, "satisfaction": satisfaction}
    return {name: late(table, rng) for name, table in events.items()} | {"customers": customers}


def late(table: pa.Table, rng: np.random.Generator) -> pa.Table:
    delay = np.where(rng.uniform(size=len(table)) < 0.2, rng.integers(0, 60, len(table)), 0)
    return with_column(table, "known_day", table["day"].to_numpy() + delay)


def with_column(table: pa.Table, name: str, values: np.ndarray) -> pa.Table:
    kind = table.schema.field(name).type
    return table.set_column(table.column_names.index(name), name, pa.array(values).cast(kind))


def another_future(tables: Tables, day: int) -> Tables:
    """Return the tables with all that was known after ``day`` altered, much of it gone."""
    events = {n: of_another_future(t, day) for n, t in tables.items() if n != "customers"}
    ends = tables["customers"]["ended_on"].cast("int32").to_numpy()
    moved = np.where(ends > day, day + 1 + ends % 5, ends).astype("datetime64[D]")
    return events | {"customers": with_column(tables["customers"], "ended_on", moved)}


def of_another_future(table: pa.Table, day: int) -> pa.Table:
    before = table.filter(pc.less_equal(table["known_day"], day))
    after = table.filter(pc.greater(table["known_day"], day))
    after = after.take(np.arange(0, len(after), 3))
    for name, other in (("amount", 7.0), ("score", 3.0)):
        if name in after.column_names:
            after = with_column(after, name, np.full(len(after), other))
    return pa.concat_tables([before, after])


def measured_with(
    tables: Tables, chosen: Config, monkeypatch: pytest.MonkeyPatch
) -> dict[str, tuple[AdditiveModel, np.ndarray]]:
    """Return each target's measured model and what it predicted at the evaluation cutoff."""
    seen = {}
    measure = learning.measured

    def spy(fitted, train, test, seed):
        model = fitted.model
        seen[model.target] = (model, model.predict(test.columns(model.inputs)))
        return measure(fitted, train, test, seed)

    with monkeypatch.context() as patch:
        patch.setattr(learning, "measured", spy)
        training.fit(chosen, records(tables))
    return seen


@pytest.mark.slow
@pytest.mark.parametrize("rule", ["no_purchase", "contract_end"])
def test_another_future_after_the_evaluation_cutoff_changes_nothing_measured(rule, monkeypatch):
    chosen = config(
        features=FAMILIES,
        churn={"horizon_days": 60, "rule": rule},
        snapshots={"evaluation_cutoff": date_of(EVALUATION)},
    ).model_copy(update={"as_of": date_of(AS_OF)})
    tables = company()
    one = measured_with(tables, chosen, monkeypatch)
    other = measured_with(another_future(tables, EVALUATION), chosen, monkeypatch)
    for target, (model, predicted) in one.items():
        assert not model.is_rules_only
        assert model == other[target][0]
        assert np.array_equal(predicted, other[target][1])


@pytest.mark.slow
def test_what_becomes_known_after_the_as_of_day_changes_nothing_at_all():
    until = config(features=FAMILIES).model_copy(update={"as_of": date_of(EVALUATION)})
    tables = company()
    one, other = (
        training.fit(until, records(t)) for t in (tables, another_future(tables, EVALUATION))
    )
    assert said(one) == said(other)


def said(fitted: Fitted) -> dict[str, object]:
    """Return all that was learnt, comparable."""
    rest = ("models", "policy", "segments", "intervals", "reference", "evaluation", "cutoffs")
    golden = {name: fitted.golden[name].to_pylist() for name in fitted.golden.column_names}
    own = {"golden": golden, "sentiment": fitted.sentiment.to_json()}
    return own | {name: getattr(fitted, name) for name in rest}


def test_comments_known_later_teach_nothing():
    tables = company()
    early = records(another_future(tables, EVALUATION))
    model = learn_sentiment(records(tables), EVALUATION)
    assert model is not None
    assert model.to_json() == learn_sentiment(early, EVALUATION).to_json()
    assert model.to_json() != learn_sentiment(records(tables), AS_OF).to_json()


def test_labels_can_be_asked_for_as_they_were_known_on_a_day():
    tables = company()
    then = label_table(records(tables), [SPEND], [300], 90, EVALUATION, known_by=390)
    now = label_table(records(tables), [SPEND], [300], 90, EVALUATION)
    assert then["customer_id"].equals(now["customer_id"])
    assert column_values(then, "spend").sum() < column_values(now, "spend").sum()
    known = tables["transactions"].filter(pc.less_equal(tables["transactions"]["known_day"], 390))
    alone = {**tables, "transactions": known}
    assert then.equals(label_table(records(alone), [SPEND], [300], 90, EVALUATION))


def load_recorded_on(day: int) -> Tables:
    """Return a shop whose whole history was loaded, and recorded, on one day."""
    transactions = shop(150)["transactions"]
    days = np.maximum(transactions["day"].to_numpy(), day)
    return {"transactions": with_column(transactions, "known_day", days)}


@pytest.mark.slow
def test_a_history_recorded_by_one_late_load_is_forecast_and_said_to_be_unmeasured():
    fitted = training.fit(config(), records(load_recorded_on(595)))
    for target, model in fitted.models.items():
        one = fitted.evaluation.targets[target]
        assert (one.protocol, model.is_rules_only) == ("none", True)
        assert "nobody had bought by the evaluation cutoff" in one.notes[0].en
        columns = {name: column_values(fitted.golden, name) for name in model.inputs}
        assert np.isfinite(model.predict(columns)).all()
        assert set(PURCHASE_INPUTS) <= set(model.inputs)


def test_a_history_recorded_after_its_last_day_is_an_error_that_names_the_column():
    with pytest.raises(TrainingError, match="leave `recorded_at` out"):
        training.fit(config(), records(load_recorded_on(700)))
