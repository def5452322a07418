"""Arrow columns as arrays."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray


class Columnar(Protocol):
    """What has Arrow columns: a table, a batch, rows on disk."""

    def column(self, name: str, /) -> Any:
        """Return a column by its name."""


def column_values(table: Columnar, name: str) -> NDArray[np.float64]:
    """Return a numeric column as float64 with NaN for null."""
    column = table.column(name).cast(pa.float64())
    return np.asarray(column.to_numpy(zero_copy_only=False), dtype=np.float64)
