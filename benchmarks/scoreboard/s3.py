"""S3: contract customers of four companies, five folds, five shuffles."""

from __future__ import annotations

import numpy as np
from sklearn.model_selection import StratifiedKFold

from benchmarks.contracts import FOLDS, SOURCES, customers, predictions
from benchmarks.scoreboard.contest import Contest, Contests
from benchmarks.scoreboard.metrics import CONTRACT
from benchmarks.scoreboard.records import Row
from benchmarks.scoreboard.setting import Setting
from configs.progress import Progress

SEEDS = range(5)
PEERS = {"LightGBM": "lightgbm", "logistic regression": "logistic_regression"}


def run(setting: Setting, progress: Progress) -> list[Row]:
    """Return the figures of each data set, means over its 25 folds.

    Intervals are of the first shuffle: its folds predict every customer once.
    """
    rows: list[Row] = []
    for place, dataset in enumerate(SOURCES):

        def told(step: str, share: float, done: int = place, name: str = dataset) -> None:
            progress(f"{name} {step}", (done + share) / len(SOURCES))

        contests = _folds(setting, dataset, told)
        told("bootstraps", 0.9)
        of_one_shuffle = [name for name in contests if name.startswith("0/")]
        together = Contests("S3", dataset, contests, drawn=of_one_shuffle)
        rows += [together.mean(metric, shown=None) for metric in CONTRACT]
    return rows


def _folds(setting: Setting, dataset: str, progress: Progress) -> dict[str, Contest]:
    of = customers(setting.data, dataset)
    names = np.array([f"{i:06d}" for i in range(len(of.data))])
    contests: dict[str, Contest] = {}
    for seed in SEEDS:
        progress(f"shuffle {seed}", 0.9 * seed / len(SEEDS))
        folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
        for fold, (train, test) in enumerate(folds.split(of.data.y, of.data.y)):
            said = predictions(of, train, test)
            contests[f"{seed}/{fold}"] = Contest(
                customers=names[test],
                y=of.data.y[test],
                ours=said["ours"],
                peers={name: said[method] for name, method in PEERS.items()},
            )
    return contests
