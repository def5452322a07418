"""Every error that Echelon raises on purpose.

::

    EchelonError                 1   something a person can mend, of no narrower kind
    ├── ConfigError              3   the configuration
    ├── RecordsError             4   source files, contracts, intake
    │   └── TeamError            4   the team's files, told in both languages
    ├── FeatureError             5   a feature declaration or its build
    ├── TrainingError            6   too little data, a failed fit
    │   └── LeakageError         6   a feature or the training itself knows the future
    ├── ModelError               7   a bundle, its signature, the registry
    ├── PublicationError         8   a publication or its look-up
    ├── ServiceError             9   the endpoint could not start
    ├── PromotionRefused        11   a challenger that the gates hold back; the champion stays
    └── AuditError              12   the audit log is not as it was written

The number is the exit code of the command line (0 success, 2 wrong usage, 130 Ctrl-C). A message
says what is wrong, where, and how to mend it.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class EchelonError(Exception):
    """Something a person can mend; the message says how."""

    exit_code = 1


class ConfigError(EchelonError):
    """The configuration is wrong."""

    exit_code = 3


class RecordsError(EchelonError):
    """Source files cannot be read, or records break their contract."""

    exit_code = 4


class TeamError(RecordsError):
    """A file of the team is wrong; pages say so to managers, in their language.

    Attributes:
        en: the message.
        zh: the same in Chinese.
    """

    def __init__(self, zh: str, en: str) -> None:
        super().__init__(en)
        self.zh, self.en = zh, en


class FeatureError(EchelonError):
    """A feature is declared wrongly or cannot be built."""

    exit_code = 5


class TrainingError(EchelonError):
    """Models cannot be trained on what there is."""

    exit_code = 6


class LeakageError(TrainingError):
    """What should be predicted is known to what should predict it."""


class ModelError(EchelonError):
    """A model bundle or the registry cannot be used."""

    exit_code = 7


class PublicationError(EchelonError):
    """A publication cannot be written or read."""

    exit_code = 8


class ServiceError(EchelonError):
    """The endpoint cannot start."""

    exit_code = 9


class PromotionRefused(EchelonError):  # noqa: N818
    """The gates hold a challenger back; the champion stays."""

    exit_code = 11


class AuditError(EchelonError):
    """The audit log is not as it was written."""

    exit_code = 12


def first_line(error: BaseException) -> str:
    r"""Return the first line of what an error says; its kind, where it says nothing.

    >>> first_line(ValueError("no header.\nLook at line 1")), first_line(MemoryError())
    ('no header', 'MemoryError')
    """
    return str(error).strip().partition("\n")[0].rstrip(". \r") or type(error).__name__


def did_you_mean(wrong: str, right: Iterable[str]) -> str:
    """Return a sentence that lists the right names, the nearest first.

    >>> did_you_mean("hozizon", ["horizon_days", "seed"])
    "did you mean 'horizon_days'? Known: horizon_days, seed"
    >>> did_you_mean("colour", ["horizon_days", "seed"])
    'known: horizon_days, seed'
    """
    names = sorted(right)
    near = nearest(wrong, names)
    if near is not None:
        return f"did you mean {near!r}? Known: {', '.join(names)}"
    return f"known: {', '.join(names)}"


def nearest(wrong: str, right: Iterable[str]) -> str | None:
    """Return the name that ``wrong`` is most likely meant for, if any is near."""
    found = difflib.get_close_matches(wrong, sorted(right), n=1, cutoff=0.5)
    return found[0] if found else None
