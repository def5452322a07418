"""Attributes that say who somebody is rather than what they do: kept out of scoring.

A column is sensitive if its name has one of the configured words in it. Such columns stay among
the records, so that figures can be split by them, and become no feature.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from configs.records import SnapshotSource

_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[^\W\dA-Za-z_]+")


def is_sensitive(column: str, words: Iterable[str]) -> bool:
    """Return whether ``column`` has one of ``words`` as a word of its own.

    Words of Latin letters are told apart by capitals, blanks and underscores; Chinese is not
    written in words, so it counts wherever it stands.

    >>> words = ("age", "senior", "性别")
    >>> [is_sensitive(name, words) for name in ("Customer_Age", "SeniorCitizen", "客户性别")]
    [True, True, True]
    >>> is_sensitive("average_spend", words)
    False
    """
    own = {part.casefold() for part in _WORDS.findall(column)} | {column.casefold()}
    return any(word.casefold() in own or (not word.isascii() and word in column) for word in words)


def sensitive_columns(snapshot: SnapshotSource, words: Iterable[str]) -> tuple[str, ...]:
    """Return the listed columns of ``snapshot`` that are sensitive, in their order."""
    words = tuple(words)
    listed = (*snapshot.numbers, *snapshot.categories)
    return tuple(column for column in listed if is_sensitive(column, words))


def without_sensitive(snapshot: SnapshotSource, words: Iterable[str]) -> SnapshotSource:
    """Return ``snapshot`` with its sensitive columns off the lists of what is scored."""
    out = set(sensitive_columns(snapshot, words))
    return snapshot.model_copy(
        update={
            "numbers": tuple(column for column in snapshot.numbers if column not in out),
            "categories": tuple(column for column in snapshot.categories if column not in out),
        }
    )
