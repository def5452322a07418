"""A lean process: libraries that only training and pictures use stay out of it.

LightGBM and Arrow import scikit-learn and pandas wherever they are installed, for interfaces that
nothing here uses: a second of processor time and 80 MB in every process that only predicts. They do
without them where they are missing, so in a lean process they are.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from types import ModuleType

TRAINING_ONLY = ("matplotlib", "mlflow", "pandas", "shap", "sklearn")


class Absent(MetaPathFinder):
    """Finds that the libraries of :data:`TRAINING_ONLY` are not installed."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> None:
        """Raise ``ModuleNotFoundError`` for one of them; leave the rest to other finders."""
        if fullname.partition(".")[0] in TRAINING_ONLY:
            raise ModuleNotFoundError(f"{fullname} is kept out of this process", name=fullname)


def keep_out() -> None:
    """Have imports of :data:`TRAINING_ONLY` fail in this process, if they are not in it already."""
    if not any(isinstance(finder, Absent) for finder in sys.meta_path):
        sys.meta_path.insert(0, Absent())
