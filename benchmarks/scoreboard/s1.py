"""S1: CDNOW, 39 weeks to learn from and 39 weeks ahead."""

from __future__ import annotations

import datetime as dt

import numpy as np

from benchmarks.scoreboard.bars import CDNOW
from benchmarks.scoreboard.contest import Contest, Contests
from benchmarks.scoreboard.metrics import TRANSACTIONS, VALUE
from benchmarks.scoreboard.peers import MODELS, collected
from benchmarks.scoreboard.plain import spend_rate
from benchmarks.scoreboard.records import Row
from benchmarks.scoreboard.setting import Setting
from benchmarks.scoreboard.shop import Shop, Vector, opened
from configs.progress import Progress
from training.anchor import PURCHASE_INPUTS, VALUE_INPUTS, fitted_purchase
from training.dataset import Dataset

CUTOFF = dt.date(1997, 9, 30)


def run(setting: Setting, progress: Progress) -> list[Row]:
    """Return transactions and value beside every peer and the past rate."""
    progress("records", 0.0)
    shop = opened("cdnow", setting.data, setting.scratch, setting.threads)
    end = CUTOFF + dt.timedelta(days=shop.horizon_days)
    both_days = shop.customers_at([CUTOFF, end])
    now, later = (both_days.at([day]) for day in both_days.cutoffs)
    bought = now.has_bought
    buyers = now.where(bought)
    asked = setting.peers.forecasts(MODELS, buyers, shop.horizon_days)
    progress("training", 0.1)
    model = shop.fitted_on(CUTOFF).models["clv"]
    value, transactions = model.predict(buyers.columns(model.inputs)), _expected(shop, buyers)
    progress("waiting for the peers", 0.3)
    said = collected(asked)
    past = buyers.columns(VALUE_INPUTS)["frequency"]
    rate = spend_rate(buyers, shop.horizon_days)
    progress("bootstraps", 0.6)
    customers = buyers.matrix.column("customer_id").to_pylist()
    in_days = Contest(
        customers,
        _of_same(later, buyers).columns(VALUE_INPUTS)["frequency"] - past,
        transactions,
        {name: one.expected for name, one in said.items()} | {"past rate": past},
    )
    in_money = Contest(
        customers,
        shop.outcomes(now)[1][bought],
        value,
        {name: one.value for name, one in said.items()} | {"past rate": rate},
    )
    day = str(CUTOFF)
    return [
        Contests("S1", CDNOW, {day: contest}).at(day, metric, day)
        for contest, metrics in ((in_days, TRANSACTIONS), (in_money, VALUE))
        for metric in metrics
    ]


def _expected(shop: Shop, buyers: Dataset) -> Vector:
    """Return the purchases that the default purchase model expects."""
    models = fitted_purchase(buyers.columns(VALUE_INPUTS), shop.config.training.purchase_model)
    history = (buyers.columns(PURCHASE_INPUTS)[name] for name in PURCHASE_INPUTS)
    return models.purchase.expected_purchases(shop.horizon_days, *history)


def _of_same(later: Dataset, buyers: Dataset) -> Dataset:
    """Return the rows of the same customers, in the same order, on a later day."""
    wanted = set(buyers.matrix.column("customer_id").to_pylist())
    return later.where(
        np.array([one in wanted for one in later.matrix.column("customer_id").to_pylist()])
    )
