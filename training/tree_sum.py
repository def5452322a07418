"""Several LightGBM models as one whose score is their weighted sum."""

from __future__ import annotations

from collections.abc import Sequence

import lightgbm as lgb

SCALED = ("leaf_value=", "internal_value=")


def weighted_sum(models: Sequence[tuple[lgb.Booster, int, float]]) -> str:
    """Return LightGBM text of trees that add up to the weighted sum of the models' scores.

    A score is a sum over trees, so a weight on it is a weight on every leaf: the sum is trees
    again, and is explained as exactly as any.

    Args:
        models: boosters, how many trees of each, and weights. Those of fewer columns have the
            first columns of those of more.
    """
    widest = max((booster for booster, _, _ in models), key=lambda one: one.num_feature())
    head = _head(widest)
    trees = [
        _scaled(tree, weight)
        for booster, count, weight in models
        for tree in _trees(booster, count)
    ]
    numbered = "".join(f"Tree={i}\n{tree}\n\n\n" for i, tree in enumerate(trees))
    text = f"{head}\n\n{numbered}end of trees\n"
    return str(lgb.Booster(model_str=text).model_to_string())


def _head(booster: lgb.Booster) -> str:
    """Return the lines before the trees, without their sizes, which are counted anew."""
    head = booster.model_to_string(num_iteration=1).split("\nTree=", 1)[0]
    lines = (line for line in head.splitlines() if not line.startswith("tree_sizes="))
    return "\n".join(lines).rstrip()


def _trees(booster: lgb.Booster, count: int) -> list[str]:
    text = booster.model_to_string(num_iteration=count).split("\nend of trees", 1)[0]
    return [part.split("\n", 1)[1].strip() for part in text.split("\nTree=")[1:]]


def _scaled(tree: str, weight: float) -> str:
    return "\n".join(
        _scaled_line(line, weight) if line.startswith(SCALED) else line
        for line in tree.splitlines()
    )


def _scaled_line(line: str, weight: float) -> str:
    name, _, values = line.partition("=")
    return f"{name}=" + " ".join(repr(weight * float(value)) for value in values.split())
