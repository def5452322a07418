"""Who may call what: a key, its role against the row of the table, and its pace."""

from __future__ import annotations

import math
import time

from limits import RateLimitItemPerMinute
from limits.strategies import FixedWindowRateLimiter

from configs.section import Text
from serving.access.keyring import KeyRing
from serving.access.keys import Key
from serving.access.pace import Counts
from serving.endpoint.gate import KEY, Scope
from serving.endpoint.problems import ProblemError
from serving.endpoint.route import PUBLIC, Row


class Access:
    """Lets in whom a row of the table of routes lets in, so and so often a minute.

    Args:
        ring: the keys.
        requests_per_minute: of one key, counted in this process.
    """

    def __init__(self, ring: KeyRing, requests_per_minute: int) -> None:
        self._ring = ring
        self._limit = RateLimitItemPerMinute(requests_per_minute)
        self._pace = FixedWindowRateLimiter(Counts())

    def __call__(self, scope: Scope, row: Row, authorization: str) -> None:
        """Put the key that is shown into ``scope[KEY]``; ``None`` where ``row`` asks for none.

        Raises:
            ProblemError: key-missing, key-not-valid, role-not-allowed, too-many-requests.
        """
        if row.roles == PUBLIC:
            scope[KEY] = None
            return
        key = scope[KEY] = self._ring.holder(authorization)
        if key.role not in row.roles:
            raise _not_allowed(row)
        if not self._pace.hit(self._limit, key.id):
            raise self._too_many(key)

    def _too_many(self, key: Key) -> ProblemError:
        reset_at = self._pace.get_window_stats(self._limit, key.id).reset_time
        seconds = str(max(1, math.ceil(reset_at - time.time())))
        limit = self._limit.amount
        detail = Text(
            zh=f"每个密钥每分钟最多{limit:,}次请求；请在{seconds}秒后重发。",
            en=f"A key may send {limit:,} requests a minute; go on in {seconds} seconds.",
        )
        return ProblemError("too-many-requests", detail, headers={"Retry-After": seconds})


def _not_allowed(row: Row) -> ProblemError:
    roles = ", ".join(sorted(row.roles))
    detail = Text(zh=f"请使用以下角色的密钥：{roles}。", en=f"Use a key of a role among {roles}.")
    return ProblemError("role-not-allowed", detail)
