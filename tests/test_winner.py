"""Where a simple rule beats the model, the rule is served and said so."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from configs.section import Text
from training import fit as training
from training import learning
from training.fitted import column_values
from training.grade import Grade
from training.rule_model import RuleModel
from training.winner import rule_that_wins

NOTHING = Text(zh="", en="")


def compared(skill: float, low: float, high: float) -> Grade:
    return Grade(
        letter="D", skill=skill, low=low, high=high, rule="r", formula=NOTHING, why=NOTHING
    )


@pytest.mark.parametrize(
    ("auc", "brier", "high", "winner"),
    [
        (0.8, 0.9, -0.1, "r"),
        (0.8, 0.1, 0.1, "r"),
        (0.7, 0.2, 0.1, "r"),
        (0.8, 0.3, 0.1, None),
        (0.6, 0.1, 0.2, None),
    ],
    ids=[
        "proven to order better",
        "as good an order and nearer",
        "equal, and simpler",
        "a better order by chance, further off",
        "beaten",
    ],
)
def test_a_rule_wins_if_proven_better_or_no_worse_and_no_further_off(auc, brier, high, winner):
    rules = {"r": {"auc": auc, "brier": brier}}
    model = {"auc": 0.7, "brier": 0.2}
    assert rule_that_wins("churn", compared(high - 0.1, -0.3, high), model, rules) == winner


def test_of_several_rules_that_add_up_to_the_model_the_nearest_wins():
    rules = {
        "r": {"auc": 0.9, "brier": 0.3},
        "near": {"auc": 0.7, "brier": 0.1},
        "nearest in no order": {"auc": 0.5, "brier": 0.01},
    }
    model = {"auc": 0.7, "brier": 0.2}
    assert rule_that_wins("churn", compared(-0.1, -0.3, 0.1), model, rules) == "near"


def test_a_rule_that_only_orders_customers_is_never_served():
    rules = {"r": {"auc": 0.9}}
    model = {"auc": 0.7, "brier": 0.2}
    assert rule_that_wins("churn", compared(-1, -2, -0.5), model, rules) is None


def test_without_a_grade_the_model_stays():
    graded = Grade(letter="N", formula=NOTHING, why=NOTHING)
    assert rule_that_wins("churn", graded, {"brier": 0.2}, {}) is None


def relabelled(monkeypatch, change) -> None:
    """Have every table of labels changed before training sees it."""
    honest = learning.label_table

    def table(records, labels, cutoffs, *more) -> pa.Table:
        made = honest(records, labels, cutoffs, *more)
        name = labels[0].name
        values = change(column_values(made, name), records, made)
        return made.set_column(made.column_names.index(name), name, pa.array(values))

    monkeypatch.setattr(learning, "label_table", table)


@pytest.mark.slow
def test_shuffled_labels_are_graded_d(monkeypatch):
    from tests.test_fit import config, records, shop

    rng = np.random.default_rng(0)
    relabelled(monkeypatch, lambda y, *_: rng.permutation(y))
    fitted = training.fit(config(), records(shop(600)))
    assert fitted.evaluation.grades == {"churn": "D", "clv": "D"}


@pytest.mark.slow
def test_who_leaves_after_a_silence_is_served_by_the_rule_of_silence(monkeypatch):
    from tests.test_fit import config, records, shop

    tables = shop(600)
    bought = tables["transactions"].select(["customer_id", "day"]).to_pandas()

    def silent(y, _, made) -> np.ndarray:
        rows = made.select(["customer_id", "cutoff"]).to_pandas().merge(bought, how="left")
        rows = rows[rows.day <= rows.cutoff]
        last = rows.groupby(["cutoff", "customer_id"]).day.max().reset_index()
        flipped = np.random.default_rng(1).uniform(size=len(y)) < 0.1
        left = ((last.cutoff - last.day) >= 30).to_numpy()
        return np.where(np.isnan(y), y, (left ^ flipped).astype(float))

    relabelled(monkeypatch, silent)
    fitted = training.fit(config(), records(tables))
    one, served = fitted.evaluation.targets["churn"], fitted.models["churn"]
    assert (one.served_rule, one.grade.letter) == ("no_purchase_rule", "D")
    assert isinstance(served, RuleModel)
    assert one.model == one.baselines["no_purchase_rule"]
    assert one.model["brier"] <= one.baselines["model_not_served"]["brier"]
    assert "the rule is served" in one.notes[0].en
    columns = {name: column_values(fitted.golden, name) for name in served.inputs}
    base, parts = served.contributions(columns)
    links = column_values(fitted.golden, "churn_link")
    assert np.abs(base + sum(parts.values()) - links).max() < 1e-9
