"""What people did about customers: kept once, never lost, and where each stands after it."""

from __future__ import annotations

import datetime as dt
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from configs.load import load
from configs.schema import Stores
from configs.section import Text
from configs.tiers import ChurnBands, Tier
from serving.access import audit
from serving.console.acting import answerable, meanwhile, offers
from serving.console.acting.events import (
    Deed,
    Event,
    Form,
    Kind,
    SentAlreadyError,
    add,
    by_customer,
    of_customer,
)
from serving.console.acting.standing import NONE_YET, fold, overridden, standings
from serving.console.page import PageError
from serving.console.visitors.people import Person
from serving.endpoint.state import State, open_state
from training.policy import Policy

TODAY = dt.date(2026, 7, 1)
ADA, BOB, ROOT = (
    Person("ada", "Ada", "manager"), Person("bob", "Bob", "manager"), Person("root", "R", "admin")
)  # fmt: skip
TIERS = ("vip", "potential", "low")
POLICY = Policy(
    name="p",
    objective="revenue",
    tiers=tuple(Tier(code=code, name=Text(zh=code, en=code)) for code in TIERS),
    thresholds=(1.0, 2.0),
    thresholds_by="amount",
    hysteresis=0.0,
    minimum_stay_days=0,
    guards=(),
    churn_bands=ChurnBands(medium=0.3, high=0.6),
)


@pytest.fixture
def state(empty_state: Path, tmp_path: Path) -> Iterator[State]:
    shutil.copy(empty_state, tmp_path)
    opened = open_state(Stores(root=tmp_path))
    yield opened
    opened.close()


@pytest.fixture
def stores(tmp_path: Path) -> Stores:
    return Stores(root=tmp_path)


def details(kind: Kind, **given: Any) -> dict[str, Any]:
    made: dict[Kind, dict[str, Any]] = {
        "assign": {"owner": "ada", "name": "Ada", "due": None},
        "contact": {"channel": "phone", "outcome": "reached", "note": ""},
        "offer": {"action": None, "amount": 1.0, "currency": "CNY", "tier": "low", "note": ""},
        "task": {"title": "call", "owner": None, "name": None, "due": None, "note": ""},
        "snooze": {"until": "2026-07-08"},
        "dismiss": {"reason": "handled", "note": "", "until": None},
        "override": {"tier": "low", "published": "low", "reason": "group", "note": "",
                     "until": "2026-09-30"},
        "wrong_reason": {"concept": None, "target": None, "mistake": "fact", "note": "so"},
    }  # fmt: skip
    return made.get(kind, {"event": 0, "note": ""}) | given


def kept(
    stores: Stores,
    state: State,
    kind: Kind,
    person: str = "ada",
    customer: str = "c1",
    token: str = "",
    **given: Any,
) -> Event:
    """Keep one event without any check."""
    form = Form(token or f"{person}{customer}{threading.get_ident()}{next(COUNT)}", person, "pub")
    (event,) = add(stores, state, form, [Deed(customer, kind, details(kind, **given))])
    return event


COUNT = iter(range(1_000_000))

WRITER = """
import sys
from pathlib import Path
from configs.schema import Stores
from serving.console.acting.events import Deed, Form, add
from serving.endpoint.state import open_state
stores = Stores(root=Path(sys.argv[1]), state=sys.argv[2])
state = open_state(stores)
for n in range(1_000_000):
    form = Form(f"{sys.argv[3]} {n}", "ada", "pub")
    (event,) = add(stores, state, form, [Deed("c1", "contact", {"note": str(n)})])
    print(event.id, flush=True)
"""


@pytest.mark.slow
@pytest.mark.xdist_group("mlflow")
def test_on_postgresql_killed_writers_lose_nothing_they_were_told_is_kept(postgresql, tmp_path):
    server = sa.create_engine(postgresql, isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        connection.exec_driver_sql("CREATE DATABASE actions")
    server.dispose()
    stores = Stores(root=tmp_path, state=f"{postgresql.rpartition('/')[0]}/actions")
    state = open_state(stores)
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path), str(stores.state), name],
            stdout=subprocess.PIPE,
            cwd=Path(__file__).parents[1],
        )
        for name in ("one", "two")
    ]
    told = [writer.stdout.readline() for writer in writers for _ in range(20)]  # type: ignore[union-attr]
    for writer in writers:
        writer.kill()
        told += writer.communicate()[0].splitlines(keepends=True)
    acknowledged = {int(line) for line in told if line.endswith(b"\n")}
    known = [event.id for event in of_customer(state, "c1")]
    assert len(acknowledged) >= 40
    assert acknowledged <= set(known)
    assert audit.verify(stores, state).broken_at is None
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda _: kept(stores, state, "offer", amount=5.0, tier="vip"), range(8)))
    with state.reading() as connection:
        now = dt.datetime.now(dt.UTC)
        team = load(Path("configs/demo.yaml"), {}).team
        assert offers.left(connection, team, "c1", "vip", now).spent == 40.0
    assert len(standings(state)["c1"].offers) == 8
    state.close()


def test_a_form_that_is_sent_twice_is_kept_once(stores, state):
    first = kept(stores, state, "contact", token="t")
    assert kept(stores, state, "contact", token="t") == first
    assert of_customer(state, "c1") == [first]


def test_a_form_that_is_sent_again_with_other_words_is_not_passed_over(stores, state):
    first = kept(stores, state, "contact", token="t")
    with pytest.raises(SentAlreadyError) as told:
        kept(stores, state, "contact", token="t", note="other")
    assert told.value.events == [first]
    assert of_customer(state, "c1") == [first]


def test_what_is_refused_leaves_nothing_behind_not_even_on_the_audit(stores, state):
    def refuse(connection: object, deeds: object) -> None:
        raise PageError(422, Text(zh="不", en="no"), Text(zh="不", en="no"))

    form = Form("t", "ada", "pub")
    with pytest.raises(PageError):
        add(stores, state, form, [Deed("c1", "contact", details("contact"))], refuse)
    assert of_customer(state, "c1") == []
    assert not list(stores.audit.glob("*"))


def test_the_audit_tells_what_kind_who_and_on_what_and_neither_whom_nor_a_word(stores, state):
    kept(stores, state, "contact", customer="CANARY7", note="qanary sings")
    (file,) = stores.audit.glob("*.jsonl")
    text = file.read_text()
    assert '"what":"action","kind":"contact","event":1,"person":"ada","publication":"pub"' in text
    assert "CANARY7" not in text
    assert "qanary" not in text
    assert audit.verify(stores, state) == audit.Verdict(1)


def test_many_at_once_about_one_customer_lose_nothing(stores, state):
    with ThreadPoolExecutor(4) as threads:
        made = list(threads.map(lambda i: kept(stores, state, "contact", f"p{i % 4}"), range(40)))
    assert of_customer(state, "c1") == sorted(made, key=lambda event: event.id)
    assert audit.verify(stores, state) == audit.Verdict(40)


def test_what_is_taken_back_stays_and_counts_no_more(stores, state):
    kept(stores, state, "assign", owner="ada")
    second = kept(stores, state, "assign", owner="bob")
    assert standings(state)["c1"].assignment.owner == "bob"
    kept(stores, state, "withdraw", event=second.id)
    assert standings(state)["c1"].assignment.owner == "ada"
    assert len(of_customer(state, "c1")) == 3


def test_a_task_is_open_until_it_is_done(stores, state):
    task = kept(stores, state, "task")
    assert standings(state)["c1"].tasks == (task,)
    done = kept(stores, state, "task_done", event=task.id)
    assert standings(state)["c1"].tasks == ()
    kept(stores, state, "withdraw", event=done.id)
    assert standings(state)["c1"].tasks == (task,)


def override(number: int, person: str, tier: str, until: str = "2026-09-30") -> Event:
    return event(number, person, "override", tier=tier, until=until)


def event(number: int, person: str, kind: Kind, **given: Any) -> Event:
    at = dt.datetime(2026, 6, 1, tzinfo=dt.UTC) + dt.timedelta(minutes=number)
    return Event(number, at, person, "c1", kind, details(kind, **given), "pub")


@pytest.mark.parametrize(("day", "tier"), [(TODAY, "low"), (dt.date(2026, 7, 2), "potential")])
def test_an_override_holds_to_its_last_day_and_not_a_day_longer(day, tier):
    standing = fold([override(1, "ada", "low", "2026-07-01")])
    assert standing.effective_tier("potential", day, POLICY) == tier


def test_the_top_tier_waits_for_a_second_person_and_the_first_is_no_second():
    proposed = override(1, "ada", "vip")
    own = event(2, "ada", "approve", event=1)
    second = event(3, "bob", "approve", event=1)
    assert fold([proposed]).effective_tier("low", TODAY, POLICY) == "low"
    assert fold([proposed]).pending_on(TODAY, POLICY).event == proposed
    assert fold([proposed, own]).effective_tier("low", TODAY, POLICY) == "low"
    assert fold([proposed, own, second]).effective_tier("low", TODAY, POLICY) == "vip"


def test_an_override_to_a_tier_that_became_the_top_one_needs_a_second_person_too():
    raised = POLICY.model_copy(update={"tiers": POLICY.tiers[1:], "thresholds": (1.0,)})
    standing = fold([override(1, "ada", "potential")])
    assert standing.effective_tier("low", TODAY, POLICY) == "potential"
    assert standing.effective_tier("low", TODAY, raised) == "low"
    assert standing.pending_on(TODAY, raised) is not None


def test_an_override_to_a_tier_that_is_no_more_does_not_count():
    standing = fold([override(1, "ada", "gold")])
    assert standing.effective_tier("low", TODAY, POLICY) == "low"


def test_what_waits_takes_nothing_from_what_is_in_force():
    standing = fold([override(1, "ada", "potential"), override(2, "bob", "vip")])
    assert standing.effective_tier("low", TODAY, POLICY) == "potential"


CHECKED: tuple[Kind, ...] = ("approve", "reject", "withdraw", "task_done", "task_cancelled")
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["assign", "task", "snooze", "dismiss", "override", *CHECKED]),
        st.sampled_from([ADA, BOB, ROOT]),
        st.sampled_from(TIERS),
        st.integers(1, 12),
    ),
    max_size=14,
)


def story(steps: Sequence[tuple[Kind, Person, str, int]], stores: Stores, state: State) -> None:
    """Keep what the checks allow of ``steps``; each may be about an earlier event."""
    for number, (kind, person, tier, about) in enumerate(steps):
        given = {"event": about} if kind in CHECKED else {}
        if kind == "override":
            given = {"tier": tier}
        deed = Deed(f"c{number % 2}", kind, details(kind, **given))

        def check(connection: Any, deeds: Sequence[Deed], person: Person = person) -> None:
            answerable.check(connection, deeds, person, TODAY, POLICY)

        try:
            add(stores, state, Form(f"s{number}", person.id, "pub"), [deed], check)
        except PageError:
            continue
        standings(state)


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("stories")


@settings(max_examples=12, deadline=None)
@given(steps=STEPS, at_once=st.integers(1, 5))
def test_standing_is_the_fold_of_all_events_however_they_are_read(
    steps, at_once, empty_state, scratch
):
    folder = scratch / f"{next(COUNT)}"
    folder.mkdir()
    shutil.copy(empty_state, folder)
    stores = Stores(root=folder)
    state = open_state(stores)
    story(steps, stores, state)
    step_by_step = dict(standings(state))
    with state.reading() as connection:
        at_once_read = dict(by_customer(connection, None, at_once))
        asked_for = dict(by_customer(connection, sorted(at_once_read), at_once))
    state.close()
    fresh = open_state(stores)
    folded = {customer: fold(events) for customer, events in at_once_read.items()}
    assert step_by_step == folded == dict(standings(fresh))
    assert at_once_read == asked_for
    assert dict(overridden(fresh)) == {c: s for c, s in folded.items() if s.overrides}
    fresh.close()


@settings(max_examples=300, deadline=None)
@given(steps=STEPS)
def test_no_one_person_ever_lifts_a_customer_into_the_top_tier(steps):
    """Whatever is on record, checked or not: the fold alone holds the rule."""
    events = [
        event(
            number,
            "ada",
            kind,
            **(
                {"event": about}
                if kind in CHECKED
                else {"tier": tier}
                if kind == "override"
                else {}
            ),
        )
        for number, (kind, _, tier, about) in enumerate(steps, 1)
    ]
    assert fold(events).effective_tier("low", TODAY, POLICY) != "vip"


def test_only_another_person_may_approve_and_only_what_waits(stores, state):
    proposed = kept(stores, state, "override", "ada", tier="vip")

    def approve(person: Person, about: int) -> None:
        deed = Deed("c1", "approve", {"event": about, "note": ""})
        with state.reading() as connection:
            answerable.check(connection, [deed], person, TODAY, POLICY)

    with pytest.raises(PageError, match="second person") as refused:
        approve(ADA, proposed.id)
    assert refused.value.status == 403
    approve(BOB, proposed.id)
    kept(stores, state, "approve", "bob", event=proposed.id)
    with pytest.raises(PageError, match="settled or taken back"):
        approve(ROOT, proposed.id)


def test_one_takes_back_ones_own_and_an_administrator_anything(stores, state):
    made = kept(stores, state, "snooze", "ada")
    deed = Deed("c1", "withdraw", {"event": made.id, "note": ""})
    with state.reading() as connection:
        answerable.check(connection, [deed], ADA, TODAY, POLICY)
        answerable.check(connection, [deed], ROOT, TODAY, POLICY)
        with pytest.raises(PageError, match="Somebody else"):
            answerable.check(connection, [deed], BOB, TODAY, POLICY)
        elsewhere = Deed("c2", "withdraw", {"event": made.id, "note": ""})
        with pytest.raises(PageError, match="settled or taken back"):
            answerable.check(connection, [elsewhere], ADA, TODAY, POLICY)


@pytest.mark.parametrize(
    ("theirs", "mine", "matters"),
    [
        ("assign", "assign", True),
        ("dismiss", "offer", True),
        ("override", "dismiss", True),
        ("contact", "assign", False),
        ("assign", "contact", False),
        ("offer", "task", False),
    ],
)
def test_what_others_did_meanwhile_is_told_where_it_matters(stores, state, theirs, mine, matters):
    before = kept(stores, state, "contact").id
    made = kept(stores, state, theirs, "bob")
    deed = Deed("c1", mine, details(mine))
    with state.reading() as connection:
        meanwhile.check(connection, [deed], made.id)
        if not matters:
            meanwhile.check(connection, [deed], before)
            return
        with pytest.raises(meanwhile.MeanwhileError) as told:
            meanwhile.check(connection, [deed], before)
    assert told.value.events == [made]
    assert told.value.newest == made.id


def test_nothing_was_done_about_most_customers(state):
    assert standings(state).get("c9", NONE_YET).effective_tier("low", TODAY, POLICY) == "low"
