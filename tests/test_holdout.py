"""Who is left out of an action: by chance alone, the same wherever it is asked."""

from __future__ import annotations

import shutil

import numpy as np
import pyarrow.parquet as pq
import pytest

from configs.load import load
from serving.console.experiments import holdout, trials
from serving.endpoint.state import open_state
from serving.scores.publication import SCORES_FILE, open_live


@pytest.fixture
def company(small_company, empty_state, tmp_path):
    """Return configuration, state and publication; the state is the test's own."""
    loaded = load(small_company, {})
    publication = open_live(loaded.stores.publications)
    (tmp_path / "store").mkdir()
    shutil.copy(empty_state, tmp_path / "store" / "state.db")
    stores = loaded.stores.model_copy(update={"root": tmp_path / "store"})
    config = loaded.model_copy(update={"stores": stores})
    state = open_state(stores)
    yield config, state, publication
    state.close()


def test_a_draw_is_the_same_wherever_it_is_asked(company):
    config, state, publication = company
    first = holdout.holdouts(state, config, publication)
    ids = [f"C{i:05d}" for i in range(400)]
    again = holdout.holdouts(state, config, publication)
    assert (first.held_out("win_order", ids) == again.held_out("win_order", ids)).all()
    alone = [holdout.is_held_out(state, config, publication, "win_order", one) for one in ids[:20]]
    assert alone == first.held_out("win_order", ids)[:20].tolist()


def test_another_action_quarter_or_company_leaves_out_others():
    ids = [f"C{i:05d}" for i in range(2_000)]
    base = holdout.places(b"one", "win_order", "2026Q2", 0, ids)
    for other in (
        holdout.places(b"two", "win_order", "2026Q2", 0, ids),
        holdout.places(b"one", "win_visit", "2026Q2", 0, ids),
        holdout.places(b"one", "win_order", "2026Q3", 0, ids),
    ):
        assert abs(np.corrcoef(base, other)[0, 1]) < 0.09


def test_a_tenth_of_every_tier_is_left_out_and_no_complaint_is_left_open(company):
    config, state, publication = company
    drawn = holdout.holdouts(state, config, publication)
    scores = pq.read_table(publication.folder / SCORES_FILE, columns=["customer_id", "tier"])
    ids, tier = scores["customer_id"].to_pylist(), np.array(scores["tier"].to_pylist(), dtype=str)
    held = drawn.held_out("win_order", ids)
    for code in np.unique(tier):
        n = int((tier == code).sum())
        assert abs(held[tier == code].sum() - 0.1 * n) <= 1.3 * (0.09 * n) ** 0.5
    assert not drawn.held_out("resolve_complaint", ids).any()


def test_a_share_changed_in_mid_quarter_changes_nobody_until_the_next(company):
    config, state, publication = company
    before = holdout.holdouts(state, config, publication)
    more = config.trials.model_copy(update={"holdout_share": 0.5})
    changed = config.model_copy(update={"trials": more})
    assert holdout.holdouts(state, changed, publication).shares == before.shares


def test_an_audience_is_kept_once_with_both_arms_and_what_was_known(company):
    config, state, publication = company
    ids = publication.scores()["customer_id"].to_pylist()[:300]
    first, again = (
        trials.open_trial(state, config, publication, "win_order", given, "list", "u1")
        for given in (ids, ids[::-1])
    )
    assert first == again
    assert trials.opened(state) == (first,)
    kept = trials.audience(config, first)
    assert kept["customer_id"].to_pylist() == ids
    drawn = holdout.holdouts(state, config, publication)
    assert kept["held_out"].to_pylist() == drawn.held_out("win_order", ids).tolist()
    assert first.n_held_out == sum(kept["held_out"].to_pylist()) > 0


def test_an_audience_altered_on_disk_is_not_read(company):
    config, state, publication = company
    ids = publication.scores()["customer_id"].to_pylist()[:50]
    kept = trials.open_trial(state, config, publication, "please", ids, "list", "u1")
    path = trials.audience_path(config, kept.id)
    path.write_bytes(path.read_bytes()[:-9] + b"altered!!")
    assert trials.audience(config, kept) is None


def test_nobody_is_left_out_where_the_share_is_nothing(company):
    config, state, publication = company
    ids = publication.scores()["customer_id"].to_pylist()[:50]
    by = config, publication, "resolve_complaint", ids, "list", "u1"
    assert trials.open_trial(state, *by) is None
