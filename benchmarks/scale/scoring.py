"""Scores and explanations of all customers: ours, and LightGBM with ``shap`` alone."""

from __future__ import annotations

import sys

from benchmarks.scale.child import measure
from benchmarks.scale.contestants import Told, said
from benchmarks.scale.setting import Setting

SCORERS = {"ours": "our_scores", "LightGBM and shap": "shap_scores"}


def scoring_contest(setting: Setting, told: Told, again: bool) -> None:
    """Measure both on the live publication's features, and keep what they cost."""
    config = str(setting.exports / "echelon.yaml")
    for name, module in SCORERS.items():
        key = f"scoring {name}"
        if key in setting.found() and not again:
            continue
        out = setting.scratch(f"{module}.parquet")
        command = [sys.executable, "-m", f"benchmarks.scale.contest.{module}", config, str(out)]
        log = setting.folder / f"{module}.log"
        cost = measure(command, log, setting.limit, setting.environment)
        setting.keep(key, cost)
        told(said(key, cost))
        out.unlink(missing_ok=True)
