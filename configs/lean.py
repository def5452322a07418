"""A lean process: libraries that only training and pictures use stay out of it.

LightGBM imports scikit-learn and pandas wherever they are installed, for interfaces that nothing
here uses: a second of processor time and 80 MB in every process that only predicts. It does without
them where they are missing, and ``None`` in ``sys.modules`` is how Python is told that a module is
(The Python Language Reference, 5.3.1).
"""

from __future__ import annotations

import sys

TRAINING_ONLY = ("matplotlib", "mlflow", "pandas", "shap", "sklearn")


def keep_out() -> None:
    """Have imports of :data:`TRAINING_ONLY` fail in this process, if they are not in it already."""
    modules: dict[str, object] = sys.modules  # type: ignore[assignment]
    for name in TRAINING_ONLY:
        modules.setdefault(name, None)
