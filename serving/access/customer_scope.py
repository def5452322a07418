"""Whom a key may ask about: customers whose ids match a pattern.

A customer outside is answered exactly as one who is not published, so that nobody learns who is.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property


@dataclass(frozen=True)
class CustomerScope:
    """Patterns of customer ids; none at all stand for everybody.

    ``*`` stands for any letters, ``?`` for one, ``[abc]`` for one of these; upper and lower case
    differ.

    >>> shanghai = CustomerScope(("SH-*", "HZ-0?"))
    >>> [customer_id in shanghai for customer_id in ("SH-1", "HZ-07", "BJ-1", "sh-1", "XSH-1")]
    [True, True, False, False, False]
    >>> "BJ-1" in CustomerScope()
    True
    """

    patterns: tuple[str, ...] = ()

    @property
    def is_everybody(self) -> bool:
        """Whether no customer is outside."""
        return not self.patterns

    @cached_property
    def _match(self) -> re.Pattern[str]:
        return re.compile("|".join(fnmatch.translate(one) for one in self.patterns))

    def __contains__(self, customer_id: str) -> bool:
        return not self.patterns or self._match.match(customer_id) is not None

    def of(self, customer_ids: Iterable[str]) -> list[str]:
        """Return those of ``customer_ids`` who are inside."""
        return [customer_id for customer_id in customer_ids if customer_id in self]


EVERYBODY = CustomerScope()
