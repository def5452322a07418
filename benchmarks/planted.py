"""How often a planted cause is a first or second reason of the customers that it hit.

The simulator knows what nobody sees: whose drift away has begun, by what, and what it does to the
probability of buying nothing in 90 days. A cause *hit* a customer whose drift began in the last
``LATELY_DAYS`` and raised that probability by ``RAISED`` or more. The cause is a complaint left
open where one began the drift; else falling visits, where the drift has cost ``MISSED_VISITS`` or
more of the last 84 days (fewer nobody can tell from chance: counts of visits are Poisson).

A reason *names* the cause if it is of the cause's concepts, first or second, and raises churn.
"""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from configs.errors import RecordsError
from features.sources import date_of
from serving.scores.publication import Publication

Flags = NDArray[np.bool_]

LATELY_DAYS = 182
RAISED = 0.1
MISSED_VISITS = 2.0
CONTACTS = ("interaction_trend", "interaction_frequency", "interaction_recency")
CONCEPTS = {"a complaint left open": ("complaints",), "visits falling": CONTACTS}
TOLD = 2


def planted(truth: Path, publication: Publication) -> None:
    """Print how often each planted cause is named, of all it hit and of those still customers.

    Raises:
        RecordsError: the company was simulated before the truth told causes.
    """
    named = _named(publication)
    as_of = date_of(publication.features()["cutoff"][0].as_py())
    for cause, (ids, is_gone) in _hit(truth, as_of).items():
        found = np.array([one in named[cause] for one in ids], dtype=bool)
        for whom, rows in (("", is_gone | ~is_gone), (", still customers", ~is_gone)):
            n, told = int(rows.sum()), int(found[rows].sum())
            share = f"{told / n:.0%}" if n else "none"
            print(f"planted: {cause}{whom}: a first or second reason of {told} of {n} hit, {share}")


def _named(publication: Publication) -> dict[str, set[str]]:
    """Return by cause the customers whose first two reasons name it."""
    reasons = publication.reasons()
    is_first = pc.and_(pc.equal(reasons["target"], "churn"), pc.less_equal(reasons["rank"], TOLD))
    told = reasons.filter(pc.and_(is_first, pc.greater(reasons["points"], 0.0))).to_pylist()
    return {
        cause: {one["customer_id"] for one in told if one["concept"] in concepts}
        for cause, concepts in CONCEPTS.items()
    }


def _hit(truth: Path, as_of: dt.date) -> dict[str, tuple[list[str], Flags]]:
    """Return by cause the customers it hit, and which of them have left already."""
    table = pq.read_table(truth)
    if "drifted_by_complaint" not in table.column_names:
        raise RecordsError(f"{truth} does not tell causes yet; run `echelon simulate` again")
    frame = {name: table[name].to_numpy(zero_copy_only=False) for name in table.column_names}
    settled = frame["probability_of_none_90d_if_settled"]
    begun = pc.fill_null(table["drifted_on"], dt.date.min).to_numpy().astype("datetime64[D]")
    lately = begun > np.datetime64(as_of - dt.timedelta(days=LATELY_DAYS))
    moved = lately & (frame["probability_of_none_90d"] - settled >= RAISED)
    by_complaint = frame["drifted_by_complaint"].astype(bool)
    missed = frame["visits_missed_84d"] >= MISSED_VISITS
    is_gone = pc.is_valid(table["churned_on"]).to_numpy().astype(bool)
    hit = {
        "a complaint left open": moved & by_complaint,
        "visits falling": moved & ~by_complaint & missed,
    }
    ids = frame["customer_id"]
    return {cause: (ids[rows].tolist(), is_gone[rows]) for cause, rows in hit.items()}
