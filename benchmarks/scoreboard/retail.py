"""Online Retail II: its customers at several cutoffs, and every method's predictions of them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from benchmarks.scoreboard import plain
from benchmarks.scoreboard.bars import RETAIL
from benchmarks.scoreboard.contest import Contest
from benchmarks.scoreboard.peers import Forecast
from benchmarks.scoreboard.setting import Setting
from benchmarks.scoreboard.shop import Shop, Vector, opened
from features.catalogue import select
from features.sources import day_number
from training.baselines import learnt_rules, scored
from training.dataset import Dataset
from training.models import Model

FIRST_PURCHASE = dt.date(2009, 12, 1)
"""Of the records: training cutoffs need a history before them."""
LAST_PERIOD = "spend_182d"


@dataclass(frozen=True)
class Retail:
    """The shop's buyers at the tested and the training cutoffs, with what came after.

    Attributes:
        spent, stayed_away: the same rows, labelled by money and by inactivity.
    """

    shop: Shop
    spent: Dataset
    stayed_away: Dataset
    threads: int

    @classmethod
    def opened(cls, setting: Setting, days: Sequence[dt.date]) -> Retail:
        """Return the buyers at ``days`` and at every cutoff that may be trained on by then."""
        shop = opened(RETAIL, setting.data, setting.scratch, setting.threads)
        training = {c for day in days for c in shop.closed_by(day, FIRST_PURCHASE)}
        everybody = shop.customers_at({*training, *days})
        inactive, spent = shop.outcomes(everybody)
        return cls(
            shop,
            replace(everybody, label=spent).buyers(),
            replace(everybody, label=inactive).buyers(),
            setting.threads,
        )

    def buyers(self, day: dt.date) -> Dataset:
        """Return the buyers as they stood on ``day``, labelled by what they spent after."""
        return self.spent.at([day_number(day)])

    def value_contest(self, day: dt.date, model: Model, said: Mapping[str, Forecast]) -> Contest:
        """Return everybody's forecast of the money spent after ``day``."""
        train, test = self._sides(self.spent, day)
        days = self.shop.horizon_days
        rules = scored("clv", learnt_rules("clv", train, days), test)
        peers: dict[str, Vector | None] = {
            "spend rate": plain.spend_rate(test, days),
            "spend rate × retention": rules["spend_rate"].scores,
            "last 26 weeks": test.columns([LAST_PERIOD])[LAST_PERIOD],
            "LightGBM": plain.lightgbm_money(*self._matrices(train, test), self.threads),
        }
        peers |= {name: forecast.value for name, forecast in said.items()}
        return self._contest(test, model, peers)

    def inactivity_contest(
        self, day: dt.date, model: Model, said: Mapping[str, Forecast]
    ) -> Contest:
        """Return everybody's forecast of who buys nothing after ``day``."""
        train, test = self._sides(self.stayed_away, day)
        rules = scored("churn", learnt_rules("churn", train, self.shop.horizon_days), test)
        peers: dict[str, Vector | None] = {
            "recency": rules["recency"].scores,
            "inactivity rule": rules["no_purchase_rule"].scores,
            "RFM": rules["rfm_logit"].scores,
            "logistic regression": plain.logistic_probability(*self._matrices(train, test)),
            "LightGBM": plain.lightgbm_probability(*self._matrices(train, test), self.threads),
        }
        peers |= {name: forecast.inactive for name, forecast in said.items()}
        return self._contest(test, model, peers)

    def _sides(self, rows: Dataset, day: dt.date) -> tuple[Dataset, Dataset]:
        """Return what may be learnt from by ``day``, and the customers of that day."""
        closed = map(day_number, self.shop.closed_by(day, FIRST_PURCHASE))
        return rows.at(closed), rows.at([day_number(day)])

    def _matrices(self, train: Dataset, test: Dataset) -> tuple[Vector, Vector, Vector]:
        names = [feature.name for feature in select(self.shop.config.features)]
        return train.X(names), train.y, test.X(names)

    @staticmethod
    def _contest(test: Dataset, model: Model, peers: Mapping[str, Vector | None]) -> Contest:
        return Contest(
            customers=test.matrix.column("customer_id").to_pylist(),
            y=test.y,
            ours=model.predict(test.columns(model.inputs)),
            peers=peers,
        )
