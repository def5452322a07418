"""What the tiers hold: customers, expected value, value at risk, and how each has been served.

Sums of expected values are sums; their intervals are those of the publication's bootstrap
(``training/portfolio.py``), never sums of customers' bounds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from configs.section import Text
from serving.console.book import Book, Numbers, book
from serving.scores.publication import FEATURES_FILE
from training.portfolio import Sum, Totals

if TYPE_CHECKING:
    from serving.endpoint.served import Served

Flags = npt.NDArray[np.bool_]
ORDERS = "order_count_364d"
CSAT = "csat_mean_364d"
NPS_PROMOTERS = "nps_promoter_share_364d"
NPS_DETRACTORS = "nps_detractor_share_364d"
BUILT = (ORDERS, CSAT, NPS_PROMOTERS, NPS_DETRACTORS)


@dataclass(frozen=True)
class TierFacts:
    """One group of customers, or everybody.

    Attributes:
        code: of the tier; ``None`` for everybody.
        name: as people read it.
        floor: money from which expected value is in the tier; ``None`` for the lowest.
        customers: how many.
        share: of all customers.
        value: expected value, the sum; ``None`` where nothing forecasts value.
        value_low, value_high: of that sum; ``None`` where intervals were not learnt.
        value_share: of everybody's.
        at_risk: sum of probability to leave times expected value.
        leavers: sum of probabilities to leave.
        repeat: of those who bought within the year, the share who bought twice or more.
        csat: mean of the customers' mean CSAT of the year, on the scale of the answers.
        nps: net promoter score, −100 to 100, the mean over customers who answered.
    """

    code: str | None
    name: Text
    floor: float | None
    customers: int
    share: float
    value: float | None
    value_low: float | None
    value_high: float | None
    value_share: float | None
    at_risk: float | None
    leavers: float | None
    repeat: float | None
    csat: float | None
    nps: float | None

    @property
    def at_risk_bounds(self) -> tuple[float, float] | None:
        """The interval of value at risk: that of expected value, in proportion."""
        if not self.value or None in (self.value_low, self.value_high, self.at_risk):
            return None
        low, high, risk = self.value_low, self.value_high, self.at_risk
        assert low is not None
        assert high is not None
        assert risk is not None
        return risk * low / self.value, risk * high / self.value

    @property
    def churn(self) -> float | None:
        """The mean probability to leave."""
        return (
            self.leavers / self.customers if self.leavers is not None and self.customers else None
        )


EVERYBODY = Text(zh="全部客户", en="All customers")


def tier_facts(served: Served) -> tuple[TierFacts, ...]:
    """Return what each tier holds, the highest first; empty where there are no tiers."""
    own, terms = book(served), served.publication.manifest.terms
    if (own.tier.codes < 0).all():
        return ()
    built, totals = _built(served), served.publication.manifest.totals
    floors = (*reversed(terms.policy.thresholds), None)
    return tuple(
        _facts(own, built, own.tier.are([tier.code]), tier.code, tier.name, floor, totals)
        for tier, floor in zip(terms.policy.tiers, floors, strict=True)
    )


def everybody(served: Served) -> TierFacts:
    """Return what all customers hold together."""
    own = book(served)
    everyone = np.ones(len(own), dtype=bool)
    totals = served.publication.manifest.totals
    return _facts(own, _built(served), everyone, None, EVERYBODY, None, totals)


def _built(served: Served) -> dict[str, Numbers]:
    """Return the features asked for; NaN for those that a company leaves out."""
    path = served.publication.folder / FEATURES_FILE
    there = [name for name in BUILT if name in pq.read_schema(path).names]
    table = pq.read_table(path, columns=there)
    unknown = np.full(len(book(served)), np.nan)
    return {
        name: table[name].cast(pa.float64()).to_numpy() if name in there else unknown
        for name in BUILT
    }


def _facts(
    own: Book,
    built: dict[str, Numbers],
    rows: Flags,
    code: str | None,
    name: Text,
    floor: float | None,
    totals: Totals | None,
) -> TierFacts:
    n, value = int(rows.sum()), total(own.value[rows])
    told = _sum_of(totals, code)
    whole = total(own.value)
    return TierFacts(
        code=code,
        name=name,
        floor=floor,
        customers=n,
        share=n / max(len(own), 1),
        value=value,
        value_low=None if told is None else told.low,
        value_high=None if told is None else told.high,
        value_share=None if value is None or not whole else value / whole,
        at_risk=total(own.at_risk[rows]),
        leavers=total(own.churn[rows]),
        repeat=_repeat(built[ORDERS][rows]),
        csat=mean(built[CSAT][rows]),
        nps=_nps(built[NPS_PROMOTERS][rows], built[NPS_DETRACTORS][rows]),
    )


def _sum_of(totals: Totals | None, code: str | None) -> Sum | None:
    if totals is None:
        return None
    return totals.total if code is None else totals.tiers.get(code)


def _repeat(orders: Numbers) -> float | None:
    buyers = int((orders >= 1).sum())
    return float((orders >= 2).sum() / buyers) if buyers else None


def _nps(promoters: Numbers, detractors: Numbers) -> float | None:
    score = mean(promoters - detractors)
    return None if score is None else 100.0 * score


def total(values: Numbers) -> float | None:
    """Return the sum of what is known; ``None`` where nothing is."""
    known = values[~np.isnan(values)]
    return float(known.sum()) if len(known) else None


def mean(values: Numbers) -> float | None:
    """Return the mean of what is known; ``None`` where nothing is."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else None
