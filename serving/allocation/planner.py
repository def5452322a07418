"""Works plans out, one after the other, in a process of its own that the endpoint starts."""

from __future__ import annotations

import contextlib
import logging
import os
import sys

from configs.errors import EchelonError, TeamError
from configs.files import sweep_drafts
from configs.progress import Progress
from configs.schema import Config
from configs.section import Text
from serving.allocation import plan_book
from serving.allocation.plan import Plan, make_plan
from serving.allocation.plan_book import Planned
from serving.endpoint import logs
from serving.endpoint.logs import failure
from serving.endpoint.state import State, open_state
from serving.jobs.background import Stop, alone, told
from serving.jobs.beside import PLANS_LOCK

BROKEN = Text(
    zh="计划未能完成；请重试，若仍失败，请告知运维人员查看日志。",
    en="The plan failed; ask for it again, and if it fails still, tell the operator to read the "
    "log.",
)

NICENESS = 5
"""Somebody waits for it, yet answers of the endpoint come first."""

logger = logging.getLogger("echelon.plans")


def work(config: Config, state: State, wanted: Planned, progress: Progress) -> Plan:
    """Make one plan and keep what came of it.

    Raises:
        EchelonError: somebody can mend it; it is kept with the plan, too.
    """
    sweep_drafts(config.stores.plans)

    def told_on(step: str, share: float) -> None:
        plan_book.tell(state, wanted.id, share)
        progress(step, share)

    try:
        made = make_plan(config, state, wanted.id, wanted.publication, wanted.scenario, told_on)
    except TeamError as error:
        plan_book.failed(state, wanted.id, Text(zh=error.zh, en=error.en))
        raise
    except EchelonError as error:
        plan_book.failed(state, wanted.id, Text(zh=str(error), en=str(error)))
        raise
    except BaseException:
        plan_book.failed(state, wanted.id, BROKEN)
        raise
    plan_book.done(state, wanted.id, made.inputs)
    return made


def main() -> None:
    """Work until no plan waits."""
    os.nice(NICENESS)
    logs.start()
    given = told(sys.stdin.buffer)
    stop = Stop(given.parent)
    with alone(given.config.stores.plans / PLANS_LOCK) as is_free:
        if not is_free:
            return
        state = open_state(given.config.stores)
        try:
            while not stop():
                wanted = plan_book.claim(state)
                if wanted is None:
                    break
                _tried(given.config, state, wanted)
        finally:
            state.close()


def _tried(config: Config, state: State, wanted: Planned) -> None:
    try:
        with contextlib.suppress(EchelonError):
            work(config, state, wanted, lambda step, share: None)
    except Exception as error:  # noqa: BLE001  the outermost frame of a plan: the next one is made
        logger.error(failure("plan-failed", error))


if __name__ == "__main__":
    main()
