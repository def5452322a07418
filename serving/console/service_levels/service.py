"""The page of service standards, and the list of visits that are owed, to take along."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from starlette.responses import Response

from configs.section import Text
from serving.console.acting.events import newest_id
from serving.console.acting.standing import NONE_YET, standings
from serving.console.drawn.pictures import Chart, Column, Picture
from serving.console.masking import mask
from serving.console.page import Visit
from serving.console.portfolios.portfolio_pictures import PERCENT_AXIS, TIER, pairs
from serving.console.service_levels.overdue import Rows, Visits, visits
from serving.console.service_levels.service_facts import WINDOW_DAYS, cases
from serving.console.service_levels.standards import Standard, standards
from serving.console.service_levels.tier_service import (
    SOON_DAYS,
    TierService,
    open_cases,
    tier_service,
)
from serving.console.spreadsheets import CSV, CSV_ROWS, csv_file, download, taken
from serving.console.staff.team import team_shown
from serving.endpoint.endpoint import today
from serving.scores.numbers import percent

if TYPE_CHECKING:
    from serving.endpoint.served import Served

AT_ONCE = 20
ANSWERED = Text(zh="按时首次响应", en="Answered in time")
SOLVED = Text(zh="按时解决", en="Resolved in time")
HEADS = (
    Text(zh="客户", en="Customer"),
    Text(zh="等级", en="Tier"),
    Text(zh="预期价值", en="Expected value"),
    Text(zh="流失概率", en="Churn probability"),
    Text(zh="距上次联系天数", en="Days since the last contact"),
    Text(zh="超期天数", en="Days overdue"),
    Text(zh="负责人", en="Owner"),
)


@dataclass(frozen=True)
class Owed:
    """A customer who is owed a visit.

    Attributes:
        customer_id: theirs.
        tier: its name.
        value, churn: as published; ``None`` where not known.
        silent_days: since anybody was in touch; features count a year at most.
        late_days: of these, beyond the cadence.
        owner: who looks after them; ``None`` for nobody.
    """

    customer_id: str
    tier: Text
    value: float | None
    churn: float | None
    silent_days: int
    late_days: int
    owner: str | None


class Known:
    """Contacts and services of the tiers, worked out anew after any action and every day.

    Args:
        served: what is published.
    """

    def __init__(self, served: Served) -> None:
        self._served = served
        self._known: tuple[tuple[int, dt.date], Visits, Rows, tuple[TierService, ...]] | None = None

    def now(self, visit: Visit) -> tuple[Visits, Rows, tuple[TierService, ...]]:
        """Return every contact, the rows that are overdue, and how each tier is served."""
        with visit.endpoint.state.reading() as connection:
            newest = newest_id(connection), today(self._served)
        known = self._known
        if known is None or known[0] != newest:
            promised, found = _promised(visit), visit.kept(self._served, cases)
            contacts = visits(self._served, visit.endpoint.state, promised)
            tiers = tier_service(self._served, promised, found, contacts)
            known = self._known = (newest, contacts, contacts.overdue, tiers)
        return known[1:]


def page(visit: Visit) -> Response:
    """Return how customers are served."""
    served, promised = visit.served, _promised(visit)
    contacts, overdue, tiers = visit.kept(served, Known).now(visit)
    found = visit.kept(served, cases)
    start = _start(visit, len(overdue))
    return visit.page(
        "service.html",
        as_of=served.as_of,
        tiers=tiers,
        has_cases=found is not None,
        cases=[] if found is None else open_cases(promised, found, contacts, AT_ONCE),
        n_cases=0 if found is None else int(found.is_open.sum()),
        owed=_owed(visit, promised, contacts, overdue[start : start + AT_ONCE]),
        n_owed=len(overdue),
        start=start,
        at_once=AT_ONCE,
        never=contacts.never,
        has_contacts=bool((~np.isnan(contacts.silent)).any()),
        soon_days=SOON_DAYS,
        window_days=WINDOW_DAYS,
        has_usual=any(one.usual for one in promised),
        within=WITHIN.shown(visit),
        mask=partial(mask, visit),
    )


def as_csv(visit: Visit) -> Response:
    """Answer with everybody who is owed a visit, the most valuable first, as CSV."""
    served, promised = visit.served, _promised(visit)
    contacts, overdue, _ = visit.kept(served, Known).now(visit)
    owed = _owed(visit, promised, contacts, overdue[:CSV_ROWS])
    taken(visit, "csv", len(owed), served.publication.manifest.id)
    told = [
        (
            mask(visit, one.customer_id),
            visit.say(one.tier),
            one.value,
            one.churn,
            one.silent_days,
            one.late_days,
            one.owner,
        )
        for one in owed
    ]
    heads = [visit.say(head) for head in HEADS]
    return download(
        visit, csv_file([heads, *told]), CSV, f"echelon-visits-{served.as_of:%Y%m%d}.csv"
    )


def _promised(visit: Visit) -> tuple[Standard, ...]:
    return standards(visit.config, visit.served.publication.manifest.terms.policy)


def _start(visit: Visit, n: int) -> int:
    """Return the first row of the list's page that is asked for."""
    asked = visit.query.get("from", "0")
    wanted = int(asked) if asked.isdecimal() and len(asked) < 10 else 0
    return min(wanted, max(n - 1, 0)) // AT_ONCE * AT_ONCE


def _owed(
    visit: Visit, promised: Sequence[Standard], contacts: Visits, rows: np.ndarray
) -> list[Owed]:
    own, stands, team = contacts.book, standings(visit.endpoint.state), team_shown(visit.config)
    ids = own.ids_of(rows)
    owning = team.owner_indices(ids).tolist()
    found = []
    for customer_id, row, index in zip(ids, rows.tolist(), owning, strict=True):
        standard = promised[int(contacts.tier[row])]
        silent = int(contacts.silent[row])
        given = stands.get(customer_id, NONE_YET).assignment
        by_file = None if index < 0 else team.employees[index].name
        found.append(
            Owed(
                customer_id=customer_id,
                tier=standard.name,
                value=None if np.isnan(own.value[row]) else float(own.value[row]),
                churn=None if np.isnan(own.churn[row]) else float(own.churn[row]),
                silent_days=silent,
                late_days=silent - standard.contact_days,
                owner=by_file if given is None else given.name,
            )
        )
    return found


def _within(visit: Visit) -> Chart | None:
    _, _, tiers = visit.kept(visit.served, Known).now(visit)
    rows: list[dict[str, Any]] = [
        {"tier": visit.say(one.standard.name), "what": visit.say(what), "share": part.share}
        for one in tiers
        for what, part in ((ANSWERED, one.response), (SOLVED, one.resolution))
        if part is not None and part.share is not None
    ]
    if not rows:
        return None
    worst = rows[int(np.argmin([row["share"] for row in rows]))]
    alt = Text(
        zh=f"最低：{worst['tier']}{worst['what']}{percent(worst['share'], 'zh')}",
        en=f"Lowest: {worst['tier']}, {worst['what']}, {percent(worst['share'], 'en')}",
    )
    columns = (
        Column("tier", TIER),
        Column("what", Text(zh="标准", en="Standard")),
        Column("share", Text(zh="达标比例", en="In time"), "percent"),
    )
    names = [visit.say(one.standard.name) for one in tiers]
    sides = [visit.say(ANSWERED), visit.say(SOLVED)]
    return Chart(rows, columns, pairs("tier", names, "share", sides, PERCENT_AXIS), alt)


WITHIN = Picture(
    "service-within", Text(zh="各等级的服务达标率", en="Service within standard"), _within
)
PICTURES = (WITHIN,)
