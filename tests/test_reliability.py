"""Small versions of what `make reliability` proves, and that a broken promise would be seen."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from benchmarks import load
from benchmarks.load import LOST, Answer
from benchmarks.reliability import actions, kills, mutations, swaps, terminations
from benchmarks.reliability.company import WAYS, Company, company
from benchmarks.reliability.page import Proof, kept, table
from configs.load import load as load_config
from serving.console.acting.events import Deed, Form, add
from serving.endpoint.state import open_state


def test_a_quarter_of_the_swaps_is_bad_in_every_way_and_good_ones_change_something():
    bad = {way: [f"{way}{i}" for i in range(2)] for way in WAYS}
    made = swaps.plan(["a", "b", "c"], bad, 240, seed=1)
    assert [sum(way == one for way, _ in made) for one in ("good", *WAYS)] == [180, 20, 20, 20]
    good = [name for way, name in made if way == "good"]
    assert all(one != other for one, other in zip(["a", *good], good, strict=False))


def test_a_lost_request_a_mixed_answer_and_a_leak_break_the_promise():
    seen = swaps.Seen({b"a": "one", b"b": "two"})
    for body in (b"a", b"b"):
        seen.look(Answer(200, b"", body))
    plan, flat = [("good", "one")] * 20, [2**20] * 20
    assert swaps.proof_of(plan, seen, [], flat, [1.0, 2.0]).broken == ()
    assert swaps.proof_of(plan, seen, [], [2**20] * 10 + [2**30] * 10, [1.0, 2.0]).broken
    assert swaps.proof_of(plan, seen, ["x was served"], flat, [1.0, 2.0]).broken
    seen.look(Answer(200, b"", b"ab"))
    seen.look(LOST)
    broken = swaps.proof_of(plan, seen, [], flat, [1.0, 2.0]).broken
    assert broken == (
        "requests failed, by status: {0: 1}",
        "1 answers were of no single publication",
    )


def test_what_a_proof_found_stays_until_it_runs_again(tmp_path):
    kept(Proof("kills", "K", {"a": 1}), "one", tmp_path)
    kept(Proof("swaps", "S", {"b": 2}, ("it broke",)), "two", tmp_path)
    kept(Proof("kills", "K", {"a": 3}), "three", tmp_path)
    page = (tmp_path / "reliability.md").read_text(encoding="utf-8")
    assert "| a | 3 |" in page
    assert "| broken | it broke |" in page
    assert "| a | 1 |" not in page
    assert page.index("## S") < page.index("## K")
    assert table({}).startswith("# Reliability")


@pytest.fixture
def one_client(monkeypatch: pytest.MonkeyPatch) -> None:
    """One connection: however slow the machine, the next request waits for the answer before."""
    monkeypatch.setattr(load, "CONNECTIONS_AT_MOST", 1)


@pytest.fixture(scope="module")
def made(small_company: Path, tmp_path_factory: pytest.TempPathFactory) -> Company:
    return company(small_company, tmp_path_factory.mktemp("reliability"))


@pytest.mark.slow
def test_no_mutated_model_file_reaches_lightgbm(made, tmp_path):
    proof = mutations.prove(made, tmp_path, 90)
    assert proof.broken == ()
    assert proof.figures["refused by digest or signature"] == 90


@pytest.mark.slow
@pytest.mark.usefixtures("one_client")
def test_publications_and_models_change_under_load_and_bad_ones_do_not(made, tmp_path, monkeypatch):
    monkeypatch.setattr(swaps, "PER_SECOND", 2.0)
    monkeypatch.setattr(swaps, "BAD_OF_EACH_WAY", 1)
    proof = swaps.prove(made, tmp_path, 12)
    assert proof.broken == ()
    assert proof.figures["publications that answered"] >= 2


@pytest.mark.slow
@pytest.mark.usefixtures("one_client")
def test_a_killed_worker_is_replaced_while_the_other_answers(made, tmp_path, monkeypatch):
    monkeypatch.setattr(kills, "APART_SECONDS", 0.2)
    monkeypatch.setattr(kills, "PER_SECOND", 5.0)
    assert kills.prove(made, tmp_path, 2).broken == ()


@pytest.mark.slow
def test_a_service_that_is_told_to_end_loses_nothing(made, tmp_path, monkeypatch):
    monkeypatch.setattr(terminations, "PER_SECOND", 10.0)
    proof = terminations.prove(made, tmp_path, 2)
    assert proof.broken == ()
    assert proof.figures["ended with 0"] == 2


@pytest.mark.slow
def test_no_acknowledged_action_is_lost_with_a_killed_server(small_company, tmp_path):
    proof = actions.prove(company(small_company, tmp_path / "company"), tmp_path, 2)
    assert proof.broken == ()
    assert proof.figures["of these missing"] == 0


def test_a_missing_a_doubled_and_an_overspent_action_break_the_promise(empty_state, tmp_path):
    config = load_config(Path("configs/demo.yaml"), {})
    stores = config.stores.model_copy(update={"root": tmp_path})
    shutil.copy(empty_state, tmp_path)
    made = Company(tmp_path, config.model_copy(update={"stores": stores}), {})
    state = open_state(stores)
    offer = {"amount": actions.BUDGET, "tier": "vip", "currency": "CNY"}
    add(stores, state, Form("t1", "ada", "p"), [Deed("c1", "offer", offer)])
    forms = actions.Forms([], "ada", acknowledged={"t1"})
    assert actions.proof_of(made, state, forms, 1).broken == ()
    add(stores, state, Form("t2", "ada", "p"), [Deed("c1", "offer", offer)])
    forms.acknowledged.add("t3")
    forms.other[500] += 1
    assert [said.split()[0] for said in actions.proof_of(made, state, forms, 1).broken] == [
        "1", "budgets", "other",
    ]  # fmt: skip
    state.close()
