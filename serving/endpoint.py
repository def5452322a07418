"""What every handler answers from: the configuration, what is served now, and the meters."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from anyio import CapacityLimiter, to_thread

from configs.schema import Config
from serving.current import Current
from serving.meters import Meters
from serving.problems import of_status

if TYPE_CHECKING:
    from serving.served import Served

T = TypeVar("T")


@dataclass(frozen=True)
class Endpoint:
    """One endpoint of one process.

    Attributes:
        config: the company, its stores and limits.
        current: what is served; replaced whole.
        meters: what is counted.
    """

    config: Config
    current: Current[Served]
    meters: Meters
    _one_at_a_time: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(1))

    @property
    def served(self) -> Served:
        """What is served now; an answer takes it once and is made from that alone.

        Raises:
            ProblemError: not-ready, before a publication is loaded.
        """
        if self.current.served is None:
            raise of_status(503)
        return self.current.served

    async def in_turn(self, work: Callable[[], T]) -> T:
        """Return what ``work`` returns, run in a thread, one at a time."""
        return await to_thread.run_sync(work, limiter=self._one_at_a_time)


def today(served: Served) -> dt.date:
    """Return the company's local day."""
    return dt.datetime.now(served.zone).date()
