"""The server killed while people act on customers, again and again: what was acknowledged is there.

    python -m benchmarks.reliability.actions [--count 100] [--config my.yaml]

Each time a whole service is started, four people send forms as fast as they are answered, and at a
random moment the server is killed (SIGKILL). What got no answer is sent again to the next server,
as a browser's refresh does. In the end every acknowledged action must be on record once, none
twice, no budget overspent, and the audit log whole with a line for every action.
"""

from __future__ import annotations

import json
import os
import secrets
import signal
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path

import httpx
import numpy as np
import sqlalchemy as sa
import yaml

from benchmarks.load import Address
from benchmarks.reliability.company import Company
from benchmarks.reliability.page import Proof, main
from benchmarks.reliability.terminations import said, starter, wait_ready
from benchmarks.serving.contestants import free_port
from configs.load import load
from serving.access import audit
from serving.console.acting.events import EVENTS
from serving.console.visitors import people, sessions
from serving.endpoint.state import State, open_state
from serving.scores.publication import open_live

COUNT = 100
PEOPLE = 4
CUSTOMERS = 20
BUDGET = 500.0
AMOUNT = 10
LOAD_SECONDS = 0.5
"""The kill comes within so long of the first answer that the server gives."""
ASK_SECONDS = 20.0
SEED = 7
NEWEST = "999999999999999"
"""What the forms say they have seen: everything, so that none is stopped to be told of others."""
DONE, OVERSPENT = 303, 422


@dataclass
class Forms:
    """What people sent and what they were answered.

    Attributes:
        waiting: forms without an answer, to be sent again first.
        acknowledged: tokens of those that were taken.
        refused: how many were refused by a budget.
        resent: how many were sent more than once.
        other: other statuses.
        is_answered: whether the present server has answered.
    """

    customers: Sequence[str]
    owner: str
    waiting: list[dict[str, str]] = field(default_factory=list)
    acknowledged: set[str] = field(default_factory=set)
    refused: int = 0
    resent: int = 0
    other: Counter[int] = field(default_factory=Counter)
    is_answered: threading.Event = field(default_factory=threading.Event)
    _made: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def next(self) -> dict[str, str]:
        """Return the form to send next."""
        with self._lock:
            if self.waiting:
                self.resent += 1
                return self.waiting.pop()
            self._made += 1
            kinds = (
                {"kind": "contact", "channel": "phone", "outcome": "reached"},
                {"kind": "offer", "action": "", "amount": str(AMOUNT)},
                {"kind": "assign", "owner": self.owner, "due": ""},
                {"kind": "task", "title": "Call back", "owner": "", "due": ""},
            )
            return {
                **kinds[self._made % len(kinds)],
                "note": "",
                "customer_id": self.customers[self._made % len(self.customers)],
                "token": secrets.token_urlsafe(18),
                "seen": NEWEST,
            }

    def answered(self, form: dict[str, str], status: int | None) -> None:
        """Note what came of a form; ``None`` for no answer."""
        with self._lock:
            if status is not None:
                self.is_answered.set()
            if status is None:
                self.waiting.append(form)
            elif status == DONE:
                self.acknowledged.add(form["token"])
            elif status == OVERSPENT and form["kind"] == "offer":
                self.refused += 1
            else:
                self.other[status] += 1


def act(address: Address, forms: Forms, session: str) -> None:
    """Send forms one after the other until the server is gone."""
    origin = f"http://{address.host}:{address.port}"
    headers = {"origin": origin, "sec-fetch-site": "same-origin"}
    cookies = {"echelon_session": session}
    with httpx.Client(
        base_url=origin, headers=headers, cookies=cookies, timeout=ASK_SECONDS
    ) as client:
        while True:
            form = forms.next()
            try:
                answer = client.post(f"/console/actions/{form['kind']}", data=form)
            except httpx.TransportError:
                forms.answered(form, None)
                return
            forms.answered(form, answer.status_code)


def prove(made: Company, folder: Path, count: int) -> Proof:
    """Return what came of killing ``count`` servers."""
    made = limited(made)
    rng = np.random.default_rng(SEED)
    with closing(open_state(made.config.stores)) as state:
        staff = [people.add(state, f"reliability {n}", "manager", None) for n in range(PEOPLE)]
        signed_in = [sessions.open_session(state, person) for person in staff]
    customers = open_live(made.publications).examples(CUSTOMERS)
    forms = Forms(customers, staff[0].id)
    log = folder / "actions.log"
    with starter(made, log) as starting:
        for _ in range(count):
            address = Address(free_port())
            assert starting.stdin is not None
            print(address.port, file=starting.stdin, flush=True)
            process = said(starting)
            wait_ready(address, process, log)
            senders = [
                threading.Thread(target=act, args=(address, forms, one)) for one in signed_in
            ]
            forms.is_answered.clear()
            for sender in senders:
                sender.start()
            forms.is_answered.wait(ASK_SECONDS)
            time.sleep(LOAD_SECONDS * rng.random())
            os.kill(process, signal.SIGKILL)
            said(starting)
            for sender in senders:
                sender.join()
    with closing(open_state(made.config.stores)) as state:
        return proof_of(made, state, forms, count)


def limited(made: Company) -> Company:
    """Return the company with a budget in every tier, so that offers reach it."""
    content = yaml.safe_load(made.path.read_text(encoding="utf-8"))
    codes = [tier.code for tier in made.config.policy.tiers]
    content["team"] = {"tiers": [{"tier": code, "budget": BUDGET} for code in codes]}
    made.path.write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")
    return replace(made, config=load(made.path))


def proof_of(made: Company, state: State, forms: Forms, count: int) -> Proof:
    """Return what is on record against what was acknowledged."""
    kept, spent, ids = on_record(state)
    missing = len(forms.acknowledged - set(kept))
    twice = sum(n > 1 for n in kept.values())
    verdict = audit.verify(made.config.stores, state)
    unaudited = len(ids - audited(made))
    overspent = {tier: sum_ for tier, sum_ in spent.items() if sum_ > BUDGET}
    broken = [
        said
        for said, is_so in (
            (f"{missing} acknowledged actions are missing", missing),
            (f"{twice} actions are there twice", twice),
            (f"budgets are overspent: {overspent}", overspent),
            (f"the audit log is broken at {verdict.broken_at}", verdict.broken_at),
            (f"{unaudited} actions are not on the audit log", unaudited),
            (f"other statuses: {dict(forms.other)}", forms.other),
            ("nothing was acknowledged", not forms.acknowledged),
        )
        if is_so
    ]
    return Proof(
        "actions",
        "The server killed while people act: every acknowledged action is there, once",
        {
            "servers killed": count,
            "database": "SQLite" if made.config.stores.state is None else "PostgreSQL",
            "actions acknowledged": len(forms.acknowledged),
            "of these missing": missing,
            "sent again after no answer": forms.resent,
            "on record twice": twice,
            "offers refused by a budget": forms.refused,
            "most spent of a tier's budget": (
                f"{max(spent.values(), default=0.0):.0f} of {BUDGET:.0f}"
            ),
            "actions without a line in the audit log": unaudited,
        },
        tuple(broken),
    )


def on_record(state: State) -> tuple[Counter[str], Mapping[str, float], set[int]]:
    """Return how often each token is on record, what each tier was offered, and all ids."""
    with state.reading() as connection:
        rows = connection.execute(sa.select(EVENTS)).mappings().all()
    spent: Counter[str] = Counter()
    for row in rows:
        if row["kind"] == "offer":
            spent[row["details"]["tier"]] += row["details"]["amount"]
    return Counter(row["token"] for row in rows), spent, {row["id"] for row in rows}


def audited(made: Company) -> set[int]:
    """Return the ids of actions that the audit log tells of."""
    lines = (
        json.loads(line)
        for file in made.config.stores.audit.glob("*.jsonl")
        for line in file.read_text().splitlines()
    )
    return {line["event"] for line in lines if line["what"] == "action"}


if __name__ == "__main__":
    main("actions", COUNT, prove, __doc__)
