"""Versions of the tier policy: proposed, decided on once, never changed; at most one in force."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from configs.errors import ConfigError, PublicationError
from configs.load import load
from configs.schema import Stores
from configs.tiers import TierPolicy
from serving.endpoint.state import State, open_state
from serving.policies import office, publishings, versions
from serving.policies.in_force import learning_config, policy_in_force
from serving.policies.versions import POLICY_VERSIONS, Author, PolicyRefused
from tests.test_policy import frozen, policy
from training.breaks import centres_of

ANN, BEN = Author("u1", "Ann"), Author("u2", "Ben")


@pytest.fixture
def stores(tmp_path: Path, empty_state: Path) -> Stores:
    shutil.copy(empty_state, tmp_path / "state.db")
    return Stores(root=tmp_path)


@pytest.fixture
def state(stores):
    opened = open_state(stores)
    yield opened
    opened.close()


def approved(state: State, settings: TierPolicy, seen: int | None) -> versions.Version:
    one = versions.propose(state, settings, ANN, "why", seen)
    return versions.approve(state, one.id, frozen(), "p1", BEN, "good", seen)


def test_a_version_is_in_force_once_approved_and_retired_by_the_next(state, stores):
    assert policy_in_force(stores) is None
    first = approved(state, policy(), None)
    assert policy_in_force(stores).name == first.label == f"test-v{first.id}"
    second = approved(state, policy(hysteresis=0.1), first.id)
    assert versions.in_force(state).id == second.id
    standings = {one.id: one.standing for one in versions.listed(state)}
    assert standings == {first.id: "retired", second.id: "approved"}
    versions.retire(state, ANN, "back")
    assert policy_in_force(stores) is None


def test_who_wrote_on_a_policy_that_is_no_longer_in_force_is_told(state):
    mine = versions.propose(state, policy(), ANN, "", None)
    approved(state, policy(hysteresis=0.3), None)
    with pytest.raises(PolicyRefused, match="Ben put another policy in force"):
        versions.propose(state, policy(), ANN, "", None)
    with pytest.raises(PolicyRefused, match="Ben put another"):
        versions.approve(state, mine.id, frozen(), "p1", BEN, "", None)


def approvals(state: State) -> list[bool]:
    """Have four people approve a version each at once, and return whose approval was taken."""
    made = [versions.propose(state, policy(), ANN, "", None) for _ in range(4)]

    def attempt(one: versions.Version) -> bool:
        try:
            versions.approve(state, one.id, frozen(), "p1", BEN, "", None)
        except PolicyRefused:
            return False
        return True

    with ThreadPoolExecutor(4) as threads:
        return sorted(threads.map(attempt, made))


def test_of_many_that_approve_at_once_one_does(state):
    assert approvals(state) == [False, False, False, True]
    assert [one.standing for one in versions.listed(state)].count("approved") == 1


@pytest.mark.slow
@pytest.mark.xdist_group("mlflow")
def test_on_postgresql_too_one_of_many_approves_and_one_publication_begins(postgresql, tmp_path):
    server = sa.create_engine(postgresql, isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        connection.exec_driver_sql("CREATE DATABASE policies")
    server.dispose()
    url = postgresql.rpartition("/")[0] + "/policies"
    state = open_state(Stores(root=tmp_path, state=url))
    assert approvals(state) == [False, False, False, True]
    assert versions.in_force(state).policy.thresholds == frozen().thresholds
    with ThreadPoolExecutor(4) as threads:
        begun = list(threads.map(lambda _: publishings.begin(state, "x", "Ann"), range(4)))
    assert sorted(begun, key=str) == [1, None, None, None]
    state.close()


def test_a_version_is_decided_on_once(state):
    one = versions.propose(state, policy(), ANN, "", None)
    versions.reject(state, one.id, BEN, "no")
    with pytest.raises(PolicyRefused, match="rejected"):
        versions.approve(state, one.id, frozen(), "p1", BEN, "", None)


def test_what_a_version_says_is_found_altered(state):
    one = versions.propose(state, policy(), ANN, "", None)
    with state.writing() as connection:
        other = policy(hysteresis=0.5).model_dump(mode="json")
        connection.execute(sa.update(POLICY_VERSIONS).values(settings=other))
    with pytest.raises(PublicationError, match=f"version {one.id} of the policy was altered"):
        versions.listed(state)


def test_training_learns_for_the_tiers_in_force(state, stores):
    config = load(None, {"ECHELON_STORES__ROOT": str(stores.root)})
    assert learning_config(config) is config
    approved(state, policy(by="quantile", at=(0.5, 0.8, 0.95)), None)
    told = learning_config(config).policy
    assert told.thresholds.by == "amount"
    assert told.thresholds.at == frozen().thresholds


def test_a_file_is_proposed_and_what_was_written_out_comes_back_the_same(state, stores, tmp_path):
    config = load(None, {"ECHELON_STORES__ROOT": str(stores.root)})
    first = approved(state, policy(by="quantile", at=(0.5, 0.8, 0.95)), None)
    file = tmp_path / "policy.yaml"
    office.export(config, first.id, file)
    made = office.bring_in(config, file, "again")
    assert (made.settings, made.standing, made.based_on) == (first.settings, "proposed", first.id)
    assert office.use_bundle(config, "enough").id == first.id
    assert office.use_bundle(config, "enough") is None
    file.write_text("name: half\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"policy\.yaml cannot be read as a policy: objective"):
        office.bring_in(config, file, "")
    with pytest.raises(PublicationError, match="no version 99"):
        office.content(config, 99)


def test_one_publication_is_asked_for_at_a_time(state):
    first = publishings.begin(state, "vip4-v1", "Ann")
    assert first is not None
    assert publishings.begin(state, "vip4-v1", "Ben") is None
    publishings.tell(state, first, "publish", 0.4)
    publishings.end(state, first, "p2", None)
    publishings.end(state, first, None, "too late")
    assert publishings.latest(state).publication == "p2"
    assert publishings.begin(state, "vip4-v1", "Ben") is not None


@given(st.lists(st.floats(-20, 20), min_size=4, max_size=9, unique=True), st.integers(2, 4))
def test_natural_breaks_are_the_best_of_all_groupings(values, groups):
    from itertools import combinations

    ordered = np.sort(values)

    def spread(cuts: tuple[int, ...]) -> float:
        parts = np.split(ordered, cuts)
        return sum(float(((part - part.mean()) ** 2).sum()) for part in parts)

    best = min(map(spread, combinations(range(1, len(ordered)), groups - 1)))
    centres = centres_of(np.array(values), groups)
    found = ((ordered[:, None] - centres[None, :]) ** 2).min(axis=1).sum()
    assert found <= best + 1e-6 * (1 + best)
