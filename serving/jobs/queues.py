"""Jobs and webhooks as the state database holds them, looked up for every scrape."""

from __future__ import annotations

from collections.abc import Iterator

import sqlalchemy as sa
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from serving.endpoint.state import State
from serving.jobs.job_book import JOBS
from serving.jobs.outbox import OUTBOX

PHASES = ("queued", "running", "succeeded", "failed", "cancelled", "expired")
DELIVERIES = ("waiting", "delivered", "given_up")


class Queues(Collector):
    """Jobs and messages by state; where the database does not answer, that it does not."""

    def __init__(self, state: State) -> None:
        self._state = state

    def collect(self) -> Iterator[Metric]:
        """Yield whether the state database answers, and what is in it."""
        up = GaugeMetricFamily("echelon_state_up", "1 where the state database answers")
        try:
            jobs, messages = self._counted(JOBS.c.state), self._counted(OUTBOX.c.state)
        except sa.exc.SQLAlchemyError:
            up.add_metric([], 0)
            yield up
            return
        up.add_metric([], 1)
        yield up
        yield _by_state("echelon_jobs", "Batch jobs that are remembered", PHASES, jobs)
        yield _by_state(
            "echelon_webhook_messages", "Messages of webhooks, of a week", DELIVERIES, messages
        )

    def _counted(self, column: sa.Column[str]) -> dict[str, int]:
        asked = sa.select(column, sa.func.count()).group_by(column)
        with self._state.reading() as connection:
            return {row[0]: row[1] for row in connection.execute(asked)}


def _by_state(name: str, what: str, states: tuple[str, ...], counts: dict[str, int]) -> Metric:
    family = GaugeMetricFamily(name, what, labels=["state"])
    for state in states:
        family.add_metric([state], counts.get(state, 0))
    return family
