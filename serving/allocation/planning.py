"""Planning at once, in this process: what the command does."""

from __future__ import annotations

from configs.errors import PublicationError
from configs.progress import Progress
from configs.schema import Config
from serving.allocation import plan_book
from serving.allocation.plan import Plan
from serving.allocation.planner import work
from serving.allocation.scenario import Scenario
from serving.endpoint.state import open_state
from serving.scores.publication import open_live

AT_THE_COMMAND_LINE = "cli"


def plan_now(config: Config, more_experienced: int, progress: Progress) -> Plan:
    """Return a plan for the live publication, kept like one asked for in the console.

    Raises:
        PublicationError: nothing is published, or another plan is being made.
        RecordsError: there is no team, or nothing to plan.
    """
    publication = open_live(config.stores.publications).manifest.id
    scenario = Scenario(people={"experienced": more_experienced} if more_experienced else {})
    state = open_state(config.stores)
    try:
        name = AT_THE_COMMAND_LINE
        wanted, is_new = plan_book.ask(state, name, name, publication, scenario, begin=True)
        if not is_new:
            raise PublicationError(
                f"plan {wanted.id} is being made; look at /console/plan, or try again in a minute"
            )
        return work(config, state, wanted, progress)
    finally:
        state.close()
