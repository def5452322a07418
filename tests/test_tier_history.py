"""A customer's tiers over time, from the publications that are kept."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from configs.files import make_live
from serving.changes.tier_history import tier_history
from serving.endpoint.histories import _body
from serving.endpoint.problems import ProblemError
from serving.scores.publication import Publication, open_live, open_publication
from serving.scores.publish import publish_matrix
from tests.small_bundle import job_in, matrix_of

DAYS = (20_000, 20_028, 20_056, 20_084)
N = 60


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four days, the third scored twice; customer 59 comes late and customer 0 leaves early."""
    job = job_in(tmp_path_factory.mktemp("history"))
    for place, day in enumerate(DAYS):
        everybody = matrix_of(N, day=day, seed=place)
        publish_matrix(job, everybody.slice(0, N - 1) if place < 2 else everybody.slice(1))
        if place == 2:
            publish_matrix(job, matrix_of(N, day=day, seed=7).slice(1))
    return job.store


@pytest.fixture
def live(store: Path) -> Publication:
    return open_live(store)


def test_each_day_is_told_once_as_published_with_the_rules_that_set_the_tier(live):
    page = tier_history(live, "C000007", 10, None)
    line = [live]
    while (before := line[-1].earlier()) is not None:
        line.append(before)
    assert [one["publication"] for one in page.entries] == [p.manifest.id for p in line]
    assert len({one["as_of"] for one in page.entries}) == len(DAYS)
    for entry, publication in zip(page.entries, line, strict=True):
        answer = publication.customer("C000007")
        for name in ("as_of", "versions", "tier", "clv", "churn"):
            assert entry[name] == answer[name]
        assert entry["lines"] == publication.trace("C000007")["lines"]
        assert entry["lines"][-1]["tier"] == entry["tier"]["code"]
    assert page.after is None


def test_pages_join_to_the_whole(live):
    whole = tier_history(live, "C000007", 10, None).entries
    pages, after = [], None
    while True:
        page = tier_history(live, "C000007", 1, after)
        pages += page.entries
        after = page.after
        if after is None:
            break
    assert pages == whole
    with pytest.raises(LookupError):
        tier_history(live, "C000007", 1, "nowhere")


def test_who_came_late_or_left_early_has_the_days_they_were_published(live):
    late, gone, nobody = (tier_history(live, one, 10, None) for one in ("C000059", "C000000", "x"))
    assert (len(late.entries), len(gone.entries), len(nobody.entries)) == (2, 2, 0)
    assert [late.is_known, gone.is_known, nobody.is_known] == [True, True, False]
    assert gone.entries[0]["as_of"] < late.entries[-1]["as_of"]


def test_a_publication_that_was_taken_back_or_is_not_kept_is_not_told(store, live, tmp_path):
    copy = tmp_path / "store"
    shutil.copytree(store, copy)
    before = live.earlier()
    assert before is not None
    make_live(copy, before.folder.name)
    assert len(tier_history(open_live(copy), "C000007", 10, None).entries) == len(DAYS) - 1
    oldest = sorted(path.name for path in copy.glob("[!.]*/"))[0]
    shutil.rmtree(copy / oldest)
    kept = tier_history(open_publication(copy / live.folder.name), "C000007", 10, None)
    assert len(kept.entries) == len(DAYS) - 1


@pytest.mark.parametrize("file", ["manifest.json", "lookup.sqlite", "scores.parquet"])
def test_a_damaged_publication_of_the_past_is_told_and_no_failure(store, tmp_path, file):
    root = tmp_path / "copy"
    shutil.copytree(store, root)
    live = open_live(root)
    earlier = live.earlier()
    assert earlier is not None
    assert (earlier.folder / file).is_file()
    (earlier.folder / file).write_bytes(b"{" + b"\0" * 5000)
    with pytest.raises(ProblemError) as refused:
        _body(live, "C000007", 10, None)
    assert refused.value.code == "not-ready"
