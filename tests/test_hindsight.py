"""Features that read the future, or were written after it, stop training by name."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from configs.errors import LeakageError
from features import catalogue
from features.build import feature_matrix
from features.catalogue import by_name
from features.spec import Feature
from tests.test_fit import config, records, shop
from training import fit as training
from training import shuffled
from training.boosting import FittedTarget
from training.dataset import Dataset
from training.hindsight import check_no_feature_foretells, check_no_feature_reads_the_future
from training.shuffled import beyond_chance, check_shuffled_labels_teach_nothing

CUTOFF, AS_OF = 400, 599
NAMES = ("frequency", "recency_days", "tenure_days", "monetary_value", "spend_84d")
FEATURES = tuple(by_name()[name] for name in NAMES)
SHOP = shop(400)


def rows(tables=SHOP) -> Dataset:
    return Dataset(feature_matrix(records(tables), FEATURES, [CUTOFF]))


def with_column(data: Dataset, name: str, values) -> Dataset:
    place = data.matrix.column_names.index(name)
    return Dataset(data.matrix.set_column(place, name, pa.array(values, pa.float64())), data.label)


def test_features_of_the_past_do_not_change_when_the_future_is_taken_away():
    check_no_feature_reads_the_future(records(SHOP), FEATURES, rows(), "leave it out")


def test_a_feature_that_counts_a_later_day_is_named_with_how_many_it_changes():
    known = rows()
    ids = known.matrix["customer_id"].to_pylist()
    later = feature_matrix(records(SHOP), FEATURES, [CUTOFF + 30])
    spend = {one["customer_id"]: one["spend_84d"] for one in later.to_pylist()}
    leaking = with_column(known, "spend_84d", [spend[one] for one in ids])
    with pytest.raises(
        LeakageError, match=r"'spend_84d' at .* changes for \d+ of 200 .*leave it out"
    ):
        check_no_feature_reads_the_future(records(SHOP), FEATURES, leaking, "leave it out")


def last_days(tables) -> dict[str, int]:
    days: dict[str, int] = {}
    for row in tables["transactions"].to_pylist():
        days[row["customer_id"]] = max(row["day"], days.get(row["customer_id"], 0))
    return days


@pytest.mark.parametrize("counted", ["as a day", "from the first", "from the latest"])
def test_the_day_of_the_last_purchase_ever_is_found_however_it_is_counted(counted):
    known = rows().buyers()
    last = last_days(SHOP)
    c = known.columns(NAMES)
    silence = c["tenure_days"] - c["recency_days"]
    start = {
        "as a day": 0,
        "from the first": -c["tenure_days"],
        "from the latest": -silence,
    }
    leak = np.array([last[one] for one in known.matrix["customer_id"].to_pylist()]) - start[counted]
    check_no_feature_foretells(records(SHOP), known, NAMES, AS_OF, "leave it out")
    with pytest.raises(LeakageError, match=r"'spend_84d' at .* last of all .*leave it out"):
        leaking = with_column(known, "spend_84d", leak)
        check_no_feature_foretells(records(SHOP), leaking, NAMES, AS_OF, "leave it out")


def test_customers_who_come_on_fixed_days_are_no_leak():
    n = 300
    start = np.random.default_rng(0).integers(0, 60, n)
    visits = [(i, day) for i in range(n) for day in range(start[i], AS_OF, 28)]
    days = np.array([day for _, day in visits], dtype=np.int32)
    monthly = {
        "customer_id": [f"C{i:04d}" for i, _ in visits],
        "occurred_at": pa.array(days.astype("datetime64[D]").astype("datetime64[us]")),
        "day": days,
        "known_day": days,
        "amount": np.full(len(days), 30.0),
    }
    tables = {"transactions": pa.table(monthly)}
    check_no_feature_foretells(records(tables), rows(tables), NAMES, AS_OF, "")


def test_years_of_tenure_before_a_few_weeks_of_future_are_no_leak():
    rng, n = np.random.default_rng(0), 400
    first, latest, later = (rng.integers(*span, n) for span in ((0, 380), (380, 400), (401, 426)))
    who = np.repeat(np.arange(n), 3)
    days = np.column_stack([first, latest, later]).ravel().astype(np.int32)
    bought = {
        "customer_id": [f"C{i:04d}" for i in who],
        "occurred_at": pa.array(days.astype("datetime64[D]").astype("datetime64[us]")),
        "day": days,
        "known_day": days,
        "amount": np.exp(np.repeat(rng.normal(3, 3, n), 3)).round(2),
    }
    tables = {"transactions": pa.table(bought)}
    check_no_feature_foretells(records(tables), rows(tables), NAMES, 426, "")


LAST_EVER = Feature(
    name="membership_until",
    source="interactions",
    value=lambda t: t.duration_seconds.max() - t.cutoff,
    family="interaction",
    concept="contact",
    unit="days",
    label={"zh": "会员到期", "en": "Member until"},
)


def written_back(tables) -> dict[str, pa.Table]:
    """Return tables whose first contact with a customer holds the day of the last purchase ever."""
    last = last_days(tables)
    first: dict[str, int] = {}
    for row in tables["transactions"].to_pylist():
        first[row["customer_id"]] = min(row["day"], first.get(row["customer_id"], AS_OF))
    ids, days = list(first), np.array(list(first.values()), dtype=np.int32)
    contacts = {
        "customer_id": ids,
        "occurred_at": pa.array(days.astype("datetime64[D]").astype("datetime64[us]")),
        "duration_seconds": pa.array([last[one] for one in ids], pa.float64()),
        "day": days,
        "known_day": days,
    }
    return {"transactions": tables["transactions"], "interactions": pa.table(contacts)}


@pytest.mark.slow
def test_a_last_purchase_written_back_to_the_first_stops_training(monkeypatch):
    monkeypatch.setattr(training, "select", lambda choice: (*catalogue.select(choice), LAST_EVER))
    with pytest.raises(LeakageError, match=r"'membership_until' at .*features\.leave_out"):
        training.fit(config(), records(written_back(shop(300))))


RNG = np.random.default_rng(0)


def at_two_cutoffs(n: int = 800) -> tuple[Dataset, Dataset]:
    X = {f"x{i}": pa.array(RNG.normal(size=n)) for i in range(3)}
    y = (X["x0"].to_numpy() + RNG.normal(size=n) > 0).astype(float)
    made = []
    for cutoff in (0, 100):
        keys = {
            "customer_id": [str(i) for i in range(n)],
            "cutoff": pa.array([cutoff] * n, pa.int32()),
        }
        made.append(Dataset(pa.table(keys | X), y))
    return made[0], made[1]


def shuffled_check(train: Dataset, test: Dataset, leaves: int = 4, rows_per_leaf: int = 100):
    some = config().training
    own = {"leaves": leaves, "minimum_rows_per_leaf": rows_per_leaf}
    settings = some.model_copy(update={"trees": some.trees.model_copy(update=own)})
    names = ["x0", "x1", "x2"]
    check_shuffled_labels_teach_nothing("churn", 90, train, test, {}, names, settings)


def test_shuffled_labels_teach_an_honest_training_nothing():
    train, test = at_two_cutoffs()
    shuffled_check(train, test)


def test_a_training_that_peeks_at_what_it_is_measured_on_is_caught(monkeypatch):
    train, test = at_two_cutoffs()
    honest = shuffled.fit_target

    def peeking(target, days, train, present, *more) -> FittedTarget:
        return honest(target, days, Dataset(present.matrix, present.y), present, *more)

    monkeypatch.setattr(shuffled, "fit_target", peeking)
    with pytest.raises(LeakageError, match="standard errors from chance"):
        shuffled_check(train, test, leaves=64, rows_per_leaf=1)


def test_rows_of_the_evaluation_cutoff_among_the_training_ones_are_caught():
    _, test = at_two_cutoffs()
    with pytest.raises(LeakageError, match="trained on shuffled labels"):
        shuffled_check(test, test, leaves=64, rows_per_leaf=1)


def test_chance_is_counted_in_standard_errors():
    y, noise = RNG.uniform(size=4_000) < 0.3, RNG.normal(size=4_000)
    assert abs(beyond_chance(y.astype(float), noise)) < 4
    assert beyond_chance(y.astype(float), noise + y) > 20
    assert beyond_chance(y.astype(float), np.ones(4_000)) == 0.0
