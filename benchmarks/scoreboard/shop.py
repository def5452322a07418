"""A company's public records, through the product's own intake, features and training."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from configs.files import live_generation
from configs.load import load, shipped
from configs.progress import Progress, silent
from configs.schema import Config
from features.build import feature_matrix
from features.catalogue import select
from features.intake import take_in
from features.labels import NO_PURCHASE, SPEND, label_table
from features.sources import Records, date_of, day_number, open_engine, open_records
from training.columns import column_values
from training.dataset import Dataset, closed_by
from training.fit import fit
from training.fitted import Fitted

Vector = NDArray[np.float64]


@dataclass(frozen=True)
class Shop:
    """Records taken in under the shipped configuration of a data set, defaults otherwise."""

    config: Config
    records: Records

    @property
    def horizon_days(self) -> int:
        """How far labels look."""
        return self.config.clv.horizon_days

    def fitted_on(self, cutoff: dt.date, progress: Progress = silent) -> Fitted:
        """Return what training gives on the day ``cutoff``: nothing later is looked at.

        The same as ``echelon train`` with ``as_of`` set to that day: what would have been served.
        """
        snapshots = self.config.snapshots.model_copy(update={"evaluation_cutoff": None})
        day = self.config.model_copy(update={"as_of": cutoff, "snapshots": snapshots})
        return fit(day, self.records, progress)

    def customers_at(self, cutoffs: Iterable[dt.date]) -> Dataset:
        """Return everybody's features at the cutoffs."""
        days = sorted(map(day_number, cutoffs))
        return Dataset(feature_matrix(self.records, select(self.config.features), days))

    def outcomes(self, customers: Dataset) -> tuple[Vector, Vector]:
        """Return inactivity and spend in the horizon after each row; NaN where it is open."""
        found = label_table(
            self.records, [NO_PURCHASE, SPEND], customers.cutoffs, self.horizon_days
        )
        return column_values(found, NO_PURCHASE.name), column_values(found, SPEND.name)

    def closed_by(self, cutoff: dt.date, first_purchase: dt.date) -> tuple[dt.date, ...]:
        """Return the training cutoffs whose label windows end on or before ``cutoff``."""
        first = day_number(first_purchase)
        days = closed_by(day_number(cutoff), self.config.snapshots, self.horizon_days, first)
        return tuple(map(date_of, days))


def opened(dataset: str, data: Path, scratch: Path, threads: int) -> Shop:
    """Return the shop of ``configs/datasets/<dataset>.yaml`` with its files in ``data``."""
    settings = {
        "ECHELON_DATA": str(data),
        "ECHELON_STORES__ROOT": str(scratch / dataset),
        "ECHELON_TRAINING__THREADS": str(threads),
        "ECHELON_ENGINE__THREADS": str(threads),
    }
    config = load(shipped(f"datasets/{dataset}.yaml"), settings)
    take_in(config)
    folder = live_generation(config.stores.records)
    assert folder is not None
    return Shop(config, open_records(open_engine(config.engine), folder))
