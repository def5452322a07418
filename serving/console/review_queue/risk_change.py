"""What changed the revenue at risk since the publication before: data, model or policy.

The parts add up to the change without remainder (``serving/changes/changes.py``). Where the models
or the policy are others than before, everybody is scored by the old ones again: a child process
does that while the page says so.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from configs.child import child_environment
from configs.schema import Config
from configs.section import Text
from serving.console.book import book
from serving.endpoint.served import Served
from serving.scores.population import column
from serving.scores.publication import SCORES_FILE, Publication, open_publication

ROWS_AT_ONCE = 250_000
SECONDS = 600


@dataclass(frozen=True)
class RiskChange:
    """How the sum of churn probability times expected value moved; money.

    Attributes:
        since: id of the publication before.
        before, after: the sums.
        parts: ``data``, ``model`` and ``policy`` to what each adds; ``None`` where the old models
            cannot be used.
        moved: the same to the customers whose tier it changed; ``None`` where that is not known.
        why_not_split: says why there are no parts.
    """

    since: str
    before: float
    after: float
    parts: Mapping[str, float] | None
    moved: Mapping[str, int] | None
    why_not_split: Text | None = None

    @property
    def change(self) -> float:
        """Money more at risk than before."""
        return self.after - self.before


@dataclass(frozen=True)
class Making:
    """Works a change out, once per publication; equal for one company, so it is kept as one."""

    config: Config

    def __hash__(self) -> int:
        return hash(self.config.stores.root)

    def __call__(self, served: Served) -> Future[RiskChange | None]:
        """Return the change, or what will be it once it is worked out."""
        found: Future[RiskChange | None] = Future()
        old, new = served.publication.earlier(), served.publication
        if old is None:
            found.set_result(None)
        elif _made_alike(old, new):
            found.set_result(by_data_alone(old, served))
        else:
            Thread(
                target=_work, args=(found, self.config, old, new), name="risk-change", daemon=True
            ).start()
        return found


def by_data_alone(old: Publication, served: Served) -> RiskChange:
    """Return the change where models and policy are those of before."""
    scores = pq.read_table(old.folder / SCORES_FILE, columns=["churn_probability", "clv_expected"])
    churn, value = (column(scores, name) for name in scores.column_names)
    before = float(np.nansum(churn * value))
    after = float(np.nansum(book(served).at_risk))
    parts = {"data": after - before, "model": 0.0, "policy": 0.0}
    return RiskChange(old.manifest.id, before, after, parts, None)


def _made_alike(old: Publication, new: Publication) -> bool:
    return old.manifest.terms == new.manifest.terms and old.manifest.bundle == new.manifest.bundle


def _work(
    found: Future[RiskChange | None], config: Config, old: Publication, new: Publication
) -> None:
    try:
        found.set_result(_in_child(config, old, new))
    except Exception as error:  # noqa: BLE001  the outermost frame: pages must not wait for ever
        found.set_exception(error)


def _in_child(config: Config, old: Publication, new: Publication) -> RiskChange:
    asked = {
        "config": config.model_dump(mode="json"),
        "old": str(old.folder),
        "new": str(new.folder),
    }
    done = subprocess.run(
        [sys.executable, "-m", "serving.console.review_queue.risk_change"],
        input=json.dumps(asked),
        env=child_environment(),
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=True,
    )
    return _read(json.loads(done.stdout))


def _read(told: dict[str, Any]) -> RiskChange:
    why = told.pop("why_not_split")
    return RiskChange(**told, why_not_split=None if why is None else Text.model_validate(why))


def worked_out(config: Config, old: Publication, new: Publication) -> dict[str, Any]:
    """Return the change as JSON holds it, all customers of either publication scored again."""
    from serving.changes.changes import PARTS, compare

    comparison = compare(config, old, new)
    ids = sorted(
        {*old.scores()["customer_id"].to_pylist(), *new.scores()["customer_id"].to_pylist()}
    )
    steps, moved = np.zeros(4), dict.fromkeys(PARTS, 0)
    for start in range(0, len(ids), ROWS_AT_ONCE):
        walk = comparison.walk(ids[start : start + ROWS_AT_ONCE])
        at_risk = walk.numbers["churn"] * walk.numbers["clv"]
        steps[[0, 3]] += np.nansum(at_risk[[0, 3]], axis=1)
        steps[[1, 2]] += at_risk[[1, 2]].sum(axis=1)
        for part in PARTS:
            moved[part] += int(walk.moved_by(part).sum())
    is_split = comparison.old_bundle is not None and not np.isnan(steps).any()
    why = comparison.why_not_split
    return {
        "since": old.manifest.id,
        "before": float(steps[0]),
        "after": float(steps[3]),
        "parts": dict(zip(PARTS, np.diff(steps).tolist(), strict=True)) if is_split else None,
        "moved": moved if is_split else None,
        "why_not_split": None if why is None else why.model_dump(),
    }


def main() -> None:
    """Answer the question on standard input."""
    asked = json.load(sys.stdin)
    publications = (open_publication(Path(asked[name])) for name in ("old", "new"))
    print(json.dumps(worked_out(Config.model_validate(asked["config"]), *publications)))


if __name__ == "__main__":
    main()
