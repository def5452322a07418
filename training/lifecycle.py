"""Where a customer stands in time: prospect, new, mature or lost; an axis apart from value."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from configs.section import Text
from configs.tiers import Lifecycle
from training.anchor import Columns

STAGES: dict[str, Text] = {
    "prospect": Text(zh="潜在客户", en="Prospect"),
    "new": Text(zh="新客户", en="New"),
    "mature": Text(zh="成熟客户", en="Mature"),
    "lost": Text(zh="久未购买客户", en="Long silent"),
}
INPUTS = ("recency_days", "tenure_days")


def stages(columns: Columns, n: int, boundaries: Lifecycle) -> NDArray[np.str_]:
    """Return each customer's stage code.

    ``prospect``: no purchase yet. ``lost``: the last purchase is more than ``lost_after_days``
    ago, whatever the tenure. ``new``: the first is at most ``new_within_days`` ago. Else
    ``mature``, as are contract customers, who have none of the inputs.
    """
    if any(name not in columns for name in INPUTS):
        return np.full(n, "mature")
    recency, tenure = (np.asarray(columns[name], dtype=float) for name in INPUTS)
    is_lost = tenure - recency > boundaries.lost_after_days
    is_new = tenure <= boundaries.new_within_days
    return np.select(
        [np.isnan(tenure), is_lost, is_new], ["prospect", "lost", "new"], default="mature"
    )
