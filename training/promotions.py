"""Who was champion when: the record of promotions and what follows from it."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict

from configs.section import Text

Way = Literal["promote", "rollback"]
Verdict = Literal["passed", "failed", "not_judged"]
PREFIX = "promotion."


class GateOutcome(BaseModel):
    """What one gate made of a challenger.

    Attributes:
        gate: its name.
        verdict: ``not_judged`` where there is nothing to judge by; that holds nobody back.
        said: what was found, against what limit.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    gate: str
    verdict: Verdict
    said: Text


class Promotion(BaseModel):
    """One change of champion.

    Attributes:
        version: the model version that became champion.
        at: when, UTC.
        reason: why, in somebody's words.
        way: ``promote``, or ``rollback`` to the champion before.
        run_id: the training run of the version.
        gates: what each gate said; empty for the first champion and for rollbacks.
        overridden: whether somebody let it through though a gate had failed; the reason says why.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: str
    at: AwareDatetime
    reason: str
    way: Way
    run_id: str
    gates: tuple[GateOutcome, ...] = ()
    overridden: bool = False

    @property
    def key(self) -> str:
        """A new name to record it under; names sort by time, and no two are the same."""
        return f"{PREFIX}{self.at:%Y%m%dT%H%M%S.%fZ}.{uuid.uuid4().hex[:8]}"


def promotions_in(tags: Mapping[str, str]) -> list[Promotion]:
    """Return the promotions recorded in ``tags``, the newest first."""
    keys = sorted((key for key in tags if key.startswith(PREFIX)), reverse=True)
    return [Promotion.model_validate_json(tags[key]) for key in keys]


def later_than(past: Sequence[Promotion]) -> dt.datetime:
    """Return now, or a microsecond after the newest of ``past`` should the clock have gone back."""
    now = dt.datetime.now(dt.UTC)
    return max(now, past[0].at + dt.timedelta(microseconds=1)) if past else now


def in_force(past: Iterable[Promotion], at: dt.datetime) -> list[Promotion]:
    """Return the promotion in force at ``at`` as a list of one; empty before the first."""
    return [promotion for promotion in past if promotion.at <= at][:1]


def standing(past: Sequence[Promotion]) -> list[str]:
    """Return the versions that rollbacks lead back through, the present champion last."""
    versions: list[str] = []
    for promotion in reversed(past):
        if promotion.way == "rollback":
            del versions[-1:]
        else:
            versions.append(promotion.version)
    return versions
