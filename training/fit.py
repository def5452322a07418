"""Training in one call: records in, :class:`Fitted` out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from configs.progress import Progress, silent
from configs.schema import Config
from training.fitted import Fitted, Reference

if TYPE_CHECKING:
    from features.sources import Records

__all__ = ["Fitted", "Reference", "fit"]


def fit(config: Config, records: Records, progress: Progress = silent) -> Fitted:
    """Return models, policy, segments and figures learnt from ``records``."""
    raise NotImplementedError
