"""What the fork server of ``test_crash.py`` has ready before the first worker is forked."""

from __future__ import annotations

import mlflow.store.model_registry.sqlalchemy_store
import mlflow.store.tracking.sqlalchemy_store  # noqa: F401

from tests import crash_work
from tests.small_fitted import small_fitted

crash_work.FITTED = tuple(small_fitted(turn / 8) for turn in range(crash_work.DIFFERENT_MODELS))
