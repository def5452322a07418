"""``echelon doctor``: is this machine fit to serve, are its stores whole. Nothing is changed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from configs.errors import EchelonError
from configs.schema import Config
from configs.section import Text

State = Literal["ok", "warn", "fail"]

LOOK = Text(
    zh="按所述处理后，再运行 `echelon doctor`", en="Do as it says and run `echelon doctor` again"
)


@dataclass(frozen=True)
class Finding:
    """One line of the doctor's: what was looked at, how it is, and how to mend it."""

    state: State
    said: Text
    mend: Text | None = None


Check = Callable[[Config], Iterable[Finding]]


@dataclass(frozen=True)
class Examined:
    """A finding beside the name of its check."""

    name: Text
    finding: Finding

    def as_json(self) -> dict[str, Any]:
        """Return what ``--json`` prints of it."""
        mend = self.finding.mend
        return {
            "check": self.name.en,
            "state": self.finding.state,
            "said": self.finding.said.model_dump(),
            "mend": None if mend is None else mend.model_dump(),
        }


def examine(config: Config) -> Iterator[Examined]:
    """Yield what every check finds, one after the other; the slowest loads the models once."""
    from serving.doctor.doctor_access import ACCESS
    from serving.doctor.doctor_machine import MACHINE
    from serving.doctor.doctor_stores import STORES

    for name, check in (*MACHINE, *STORES, *ACCESS):
        for finding in _found(check, config):
            yield Examined(name, finding)


def _found(check: Check, config: Config) -> Iterator[Finding]:
    """Yield what ``check`` finds; an error on the way is a failure that says how to mend it."""
    try:
        yield from check(config)
    except (EchelonError, OSError, ValueError) as error:
        yield Finding("fail", Text(zh=str(error), en=str(error)), LOOK)


def ok(zh: str, en: str) -> Finding:
    """Return that something is as it should be."""
    return Finding("ok", Text(zh=zh, en=en))


def warn(zh: str, en: str, mend: Text) -> Finding:
    """Return that something should be looked at, and how."""
    return Finding("warn", Text(zh=zh, en=en), mend)


def fail(zh: str, en: str, mend: Text) -> Finding:
    """Return that something stands in the way, and how to mend it."""
    return Finding("fail", Text(zh=zh, en=en), mend)
