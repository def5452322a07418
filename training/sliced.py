"""The main figure of every part of the customers with its interval: for whom a model is good."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from configs.schema import Config
from training.evaluate import Evaluation, SliceFigure
from training.fitted import Fitted
from training.paired import MAIN, interval
from training.slices import slices_of

FEWEST_IN_A_SLICE = 30


def with_slices(config: Config, fitted: Fitted, records: Path) -> Fitted:
    """Return the same training with figures by tier, lifecycle stage and attribute.

    Args:
        config: whose sources name the attributes.
        fitted: what was trained, with the predictions for customers it never saw.
        records: folder of the records generation, for attributes.
    """
    targets = {
        target: one.model_copy(update={"slices": sliced(config, fitted, target, records)})
        for target, one in fitted.evaluation.targets.items()
    }
    return replace(
        fitted, evaluation=Evaluation(targets=targets, outlook=fitted.evaluation.outlook)
    )


def sliced(config: Config, fitted: Fitted, target: str, records: Path) -> tuple[SliceFigure, ...]:
    """Return the figures of one target by part, those of too few customers left out."""
    predictions = fitted.held_out.of(target)
    if not len(predictions):
        return ()
    y, p = (np.asarray(predictions[name].to_numpy(), dtype=float) for name in ("y", "p"))
    found = []
    for one in slices_of(config, predictions, fitted.policy, records):
        own, given = y[one.rows], p[one.rows]
        if len(own) < FEWEST_IN_A_SLICE:
            continue
        figure, low, high = interval(MAIN[target], target, own, given)
        if np.isfinite([figure, low, high]).all():
            found.append(
                SliceFigure(
                    axis=one.axis,
                    level=one.level,
                    n=len(own),
                    figure=figure,
                    low=low,
                    high=high,
                    predicted=float(given.mean()),
                    actual=float(own.mean()),
                )
            )
    return tuple(found)
