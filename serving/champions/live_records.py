"""The records that are live: what intake took in last."""

from __future__ import annotations

from pathlib import Path

from configs.errors import RecordsError
from configs.files import live_generation
from configs.schema import Config


def live_records(config: Config) -> Path:
    """Return the folder of the live records generation.

    Raises:
        RecordsError: nothing is taken in yet.
    """
    folder = live_generation(config.stores.records)
    if folder is None:
        raise RecordsError(
            f"no records are taken in under {config.stores.records}; run `echelon intake` first"
        )
    return folder
