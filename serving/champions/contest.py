"""Champion and challenger on the same customers of the same day, which neither may have seen.

The day is the later of the two evaluation cutoffs. A version that was judged on that day speaks by
the predictions it left; one that was judged earlier is asked again, by its served models if all
that they learnt had happened by then, else by its measured twin. Where there is no such day the
figures are not comparable, and why is said.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from configs.schema import Config
from configs.section import Text
from features.sources import date_of, day_number
from serving.champions.differences import changed_meaning
from serving.scores.matrix import matrix_to_score
from training.anchor import TargetName
from training.bundle import Bundle
from training.evaluate import CalibrationBin, calibration_curve
from training.held_out import HELD_OUT, HeldOut
from training.models import Model
from training.paired import FIGURES, MAIN, Duel, duel
from training.slices import Slice, slices_of

Vector = NDArray[np.float64]
FEWEST_IN_A_SLICE = 30
"""Customers that a slice needs to be shown; of fewer nothing can be told."""

NOT_MEASURED = Text(
    zh="两个版本至少有一个没有可供评判的客户",
    en="one of the two versions was not judged on any customers",
)
OTHER_MEANING = Text(
    zh="两个版本预测的不是同一件事：{keys}", en="the two do not predict the same thing: {keys}"
)
OTHER_FOLDS = Text(
    zh="合同客户以交叉验证评判，两次快照日期不同，没有双方都未见过的客户",
    en="contract customers are judged by folds, and the two snapshots are of different days: there "
    "is nobody whom neither had seen",
)
OVERLAP = Text(
    zh="版本 {version} 的训练窗口与 {day} 之后的评估窗口重叠，所示数字不可比",
    en="what version {version} learnt from overlaps the days after {day} that it would be judged "
    "on; its figures there would not be comparable",
)
NOBODY = Text(zh="没有双方共同的客户", en="the two have no customer in common")
BY_STORED = Text(
    zh="版本 {version}：当日留出的预测", en="version {version}: by the predictions it left that day"
)
BY_SERVED = Text(
    zh="版本 {version}：其上线模型在 {day} 重新评分，该模型所学均早于此日",
    en="version {version}: its served model scored {day} anew; all that it learnt is of before",
)
BY_TWIN = Text(
    zh="版本 {version}：其评估用模型在 {day} 重新评分",
    en="version {version}: its measured twin scored {day} anew",
)


@dataclass(frozen=True)
class Side:
    """One of the two versions: its bundle and what its training was judged by."""

    version: str
    bundle: Bundle
    held_out: HeldOut


@dataclass(frozen=True)
class SliceDuel:
    """The main figure of both on a part of the customers."""

    axis: Text
    level: Text
    n: int
    duel: Duel


@dataclass(frozen=True)
class Contest:
    """One target on the same customers; without figures where it cannot be judged.

    Attributes:
        day: the cutoff of the predictions, ISO; empty where there is none.
        n: customers of both.
        why_not: why there are no figures; ``None`` where there are.
        notes: how each side was asked.
        duels: every figure with the bounds of its difference.
        slices: the main figure by part.
        champion, challenger: calibration curves.
    """

    target: TargetName
    day: str = ""
    n: int = 0
    why_not: Text | None = None
    notes: tuple[Text, ...] = ()
    duels: tuple[Duel, ...] = ()
    slices: tuple[SliceDuel, ...] = ()
    champion: tuple[CalibrationBin, ...] = ()
    challenger: tuple[CalibrationBin, ...] = ()

    def figure(self, metric: str) -> Duel | None:
        """Return the duel of one metric."""
        return next((one for one in self.duels if one.metric == metric), None)

    @property
    def main(self) -> Duel | None:
        """The figure that decides; ``None`` where nothing was compared."""
        return self.figure(MAIN[self.target])


class NotComparable(Exception):  # noqa: N818
    """There is no day on which both may honestly be judged; ``args[0]`` says why."""


def contests(
    config: Config, champion: Side, challenger: Side, records: Path
) -> dict[TargetName, Contest]:
    """Return the contest of every target that both predict.

    Args:
        config: the company; its records' days.
        champion, challenger: the two versions.
        records: folder of the live records generation, to ask an older version anew.
    """
    targets = [t for t in champion.bundle.models if t in challenger.bundle.models]
    found: dict[TargetName, Contest] = {}
    for target in targets:
        try:
            found[target] = _contest(config, target, champion, challenger, records)
        except NotComparable as reason:
            found[target] = Contest(target, why_not=reason.args[0])
    return found


def _contest(
    config: Config, target: TargetName, champion: Side, challenger: Side, records: Path
) -> Contest:
    _require_one_meaning(target, champion, challenger)
    day = _common_day(target, champion, challenger)
    ours, one_note = _asked(config, target, champion, day, records)
    theirs, other_note = _asked(config, target, challenger, day, records)
    both = _joined(ours, theirs)
    if not len(both):
        raise NotComparable(NOBODY)
    y, p, q = (_column(both, name) for name in ("y", "p", "q"))
    return Contest(
        target=target,
        day=date_of(day).isoformat(),
        n=len(both),
        notes=(one_note, other_note),
        duels=tuple(duel(metric, target, y, p, q) for metric in FIGURES[target]),
        slices=_slice_duels(target, both, slices_of(config, both, champion.bundle.policy, records)),
        champion=calibration_curve(y, p),
        challenger=calibration_curve(y, q),
    )


def _require_one_meaning(target: TargetName, champion: Side, challenger: Side) -> None:
    keys = [
        one.key
        for one in changed_meaning(champion.bundle, challenger.bundle)
        if not one.key.startswith(("churn.", "clv.")) or one.key.startswith(f"{target}.")
    ]
    if keys:
        said = ", ".join(keys)
        zh, en = OTHER_MEANING.zh.format(keys=said), OTHER_MEANING.en.format(keys=said)
        raise NotComparable(Text(zh=zh, en=en))


def _common_day(target: TargetName, champion: Side, challenger: Side) -> int:
    """Return the later evaluation cutoff."""
    days = []
    for side in (champion, challenger):
        rows = side.held_out.of(target)
        if not len(rows):
            raise NotComparable(NOT_MEASURED)
        days.append(int(rows["cutoff"][0].as_py()))
    protocols = {_protocol(target, side) for side in (champion, challenger)}
    if days[0] != days[1] and "cross_validated" in protocols:
        raise NotComparable(OTHER_FOLDS)
    return max(days)


def _protocol(target: TargetName, side: Side) -> str:
    return side.bundle.evaluation.targets[target].protocol


def _asked(
    config: Config, target: TargetName, side: Side, day: int, records: Path
) -> tuple[pa.Table, Text]:
    """Return the side's predictions for ``day``, and how they were had."""
    own = side.held_out.of(target)
    _require_no_overlap(target, side, day)
    if int(own["cutoff"][0].as_py()) == day:
        return own, _said(BY_STORED, side, day)
    served, twin = side.bundle.models[target], side.held_out.twins.get(target)
    if side.bundle.manifest.as_of <= date_of(day):
        return asked_again(config, target, side, served, day, records), _said(BY_SERVED, side, day)
    if twin is None:
        raise NotComparable(_said(OVERLAP, side, day))
    return asked_again(config, target, side, twin, day, records), _said(BY_TWIN, side, day)


def _require_no_overlap(target: TargetName, side: Side, day: int) -> None:
    """Refuse a measured model whose label windows reach beyond ``day``; folds have none."""
    evaluation = side.bundle.evaluation.targets[target]
    if evaluation.protocol != "out_of_time" or not evaluation.training_cutoffs:
        return
    if day_number(max(evaluation.training_cutoffs)) + evaluation.horizon_days > day:
        raise NotComparable(_said(OVERLAP, side, day))


def _said(text: Text, side: Side, day: int) -> Text:
    filled = {"version": side.version, "day": date_of(day).isoformat()}
    return Text(zh=text.zh.format(**filled), en=text.en.format(**filled))


def asked_again(
    config: Config, target: TargetName, side: Side, model: Model, day: int, records: Path
) -> pa.Table:
    """Return predictions of ``model`` on that day; without outcomes, which the other side has."""
    then = config.model_copy(update={"as_of": date_of(day)})
    matrix = matrix_to_score(then, side.bundle, records)
    columns = {name: _column(matrix, name) for name in model.inputs}
    empty = {name: pa.nulls(len(matrix), HELD_OUT.field(name).type) for name in HELD_OUT.names}
    known = {"customer_id": matrix["customer_id"], "p": model.predict(columns)}
    return pa.table(empty | known).cast(HELD_OUT)


def _joined(champion: pa.Table, challenger: pa.Table) -> pa.Table:
    """Return the customers of both: ``y, p`` of the champion and ``q`` of the challenger."""
    facts = champion if champion["y"].null_count == 0 else challenger
    facts = facts.select(["customer_id", "cutoff", "y", "tier", "lifecycle"])
    p = champion.select(["customer_id", "p"])
    q = challenger.select(["customer_id", "p"]).rename_columns(["customer_id", "q"])
    both = facts.join(p, "customer_id", join_type="inner").join(q, "customer_id", join_type="inner")
    return both.sort_by("customer_id").combine_chunks()


def _slice_duels(
    target: TargetName, both: pa.Table, slices: tuple[Slice, ...]
) -> tuple[SliceDuel, ...]:
    found = []
    for one in slices:
        part = both.filter(pa.array(one.rows))
        if len(part) >= FEWEST_IN_A_SLICE:
            y, p, q = (_column(part, column) for column in ("y", "p", "q"))
            told = duel(MAIN[target], target, y, p, q)
            if np.isfinite(told.difference):
                found.append(SliceDuel(one.axis, one.level, len(part), told))
    return tuple(found)


def _column(table: pa.Table, name: str) -> Vector:
    values = table[name].cast(pa.float64()).to_numpy()
    return np.ascontiguousarray(values, dtype=np.float64)
