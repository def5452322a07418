"""Arrow columns as arrays."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray


def column_values(table: pa.Table, name: str) -> NDArray[np.float64]:
    """Return a numeric column as float64 with NaN for null."""
    column = table.column(name).cast(pa.float64())
    return np.asarray(column.to_numpy(), dtype=np.float64)
