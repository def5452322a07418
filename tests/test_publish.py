from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from configs.errors import PublicationError
from configs.files import held_alone, live_generation
from serving.scores.answers import answers
from serving.scores.job import Job
from serving.scores.publication import open_live, open_publication
from serving.scores.publish import publish_matrix, thin_old
from serving.scores.reasons import Reasoner
from serving.scores.scorer import Scorer
from serving.scores.thinning import thin
from tests.small_bundle import job_in, matrix_of


@pytest.fixture
def job(tmp_path: Path) -> Job:
    return job_in(tmp_path)


def names(store: Path) -> set[str]:
    return {path.name for path in store.iterdir() if path.name != ".lock"}


def test_a_publication_holds_every_customer_sorted_with_reasons_and_features(job: Job) -> None:
    folder = publish_matrix(job, matrix_of(200))
    live = open_live(job.store)
    assert live.folder == folder
    ids = live.scores()["customer_id"].to_pylist()
    assert ids == sorted(ids) == live.features()["customer_id"].to_pylist()
    assert len(ids) == 200
    reasons = live.reasons()["customer_id"].to_pylist()
    assert reasons == sorted(reasons)
    assert set(reasons) == set(ids)
    assert live.manifest.counts["customers"] == 200
    assert live.manifest.as_of.isoformat() == "2024-10-04"
    live.check()


def test_a_customer_is_looked_up_whole(job: Job) -> None:
    publish_matrix(job, matrix_of(200))
    live = open_live(job.store)
    answer = live.customer("C000007")
    assert answer["customer_id"] == "C000007"
    assert answer["tier"]["code"] == live.scores()["tier"][7].as_py()
    assert live.find("nobody") is None
    assert set(live.find_many(["C000001", "nobody", "C000002"])) == {"C000001", "C000002"}
    assert len(live.find_many([f"C{i:06d}" for i in range(1_500)])) == 200
    assert live.reasons("C000007")["customer_id"].unique().to_pylist() == ["C000007"]


def test_an_unknown_customer_is_refused_with_the_nearest_ids(job: Job) -> None:
    publish_matrix(job, matrix_of(20))
    with pytest.raises(PublicationError, match=r"'C00001' among the 20 .*near it: C00001"):
        open_live(job.store).customer("C00001")


def test_before_the_first_publication_the_way_to_one_is_told(tmp_path: Path) -> None:
    with pytest.raises(PublicationError, match="echelon run"):
        open_live(tmp_path)


def test_the_size_of_batches_changes_no_byte(job: Job, tmp_path: Path) -> None:
    whole = publish_matrix(job, matrix_of(2_500))
    cut = publish_matrix(job_in(tmp_path / "cut", score_rows_at_once=1_001), matrix_of(2_500))
    assert contents(whole) == contents(cut)


def test_a_disk_without_room_is_told_before_anything_is_scored(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=2**20))
    with pytest.raises(PublicationError, match=r"300 customers takes .* what is done is kept"):
        publish_matrix(job, matrix_of(300))


def test_one_customer_scored_again_from_its_features_gives_what_is_published(job: Job) -> None:
    publish_matrix(job, matrix_of(300, day=19_950, seed=5))
    publish_matrix(job, matrix_of(300))
    live = open_live(job.store)
    scorer = Scorer(job.bundle, job.config.lifecycle, live.population)
    reasoner = Reasoner(scorer, "CNY", job.units, 3)
    for customer_id in ("C000000", "C000123", "C000299"):
        row = live.features(customer_id)
        scores = scorer.score(row, live.before([customer_id]))
        (again,) = answers(scores, reasoner.reasons(row, scores), job.terms)
        assert again == live.customer(customer_id)


def test_the_same_inputs_are_not_published_twice(job: Job) -> None:
    first = publish_matrix(job, matrix_of(50))
    written = (first / "manifest.json").stat().st_mtime_ns
    assert publish_matrix(job, matrix_of(50)) == first
    assert (first / "manifest.json").stat().st_mtime_ns == written
    assert names(job.store) == {"CURRENT", first.name}


def test_a_model_rolled_back_brings_its_publication_back(job: Job) -> None:
    first = publish_matrix(job, matrix_of(50))
    newer = replace(job, terms=job.terms.model_copy(update={"model": "13"}))
    second = publish_matrix(newer, matrix_of(50))
    assert second != first
    assert publish_matrix(job, matrix_of(50)) == first
    assert live_generation(job.store) == first


def test_old_publications_lose_their_lookup_and_answer_the_same_to_the_byte(job: Job) -> None:
    made = [publish_matrix(job, matrix_of(60, day=day)) for day in range(20_000, 20_005)]
    ids = [f"C{i:06d}" for i in range(60)] + ["nobody"]
    said = [open_publication(folder).find_texts(ids) for folder in made]
    reader = open_publication(made[0])
    reader.find_texts(ids)
    assert thin(job.store, kept_whole=1) == [folder.name for folder in made[:3]]
    assert [(folder / "lookup.sqlite").is_file() for folder in made] == [False] * 3 + [True] * 2
    assert [open_publication(folder).find_texts(ids) for folder in made] == said
    assert reader.find_texts(ids) == said[0]
    assert thin(job.store, kept_whole=1) == []


def test_a_lookup_that_is_there_but_cannot_be_opened_is_not_taken_for_one_removed(job: Job) -> None:
    folder = publish_matrix(job, matrix_of(9))
    (folder / "lookup.sqlite").unlink()
    assert len(open_publication(folder).find_texts(["C000001"])) == 1
    (folder / "lookup.sqlite").mkdir()
    with pytest.raises(PublicationError, match=r"lookup\.sqlite is there but cannot be opened"):
        open_publication(folder).find_texts(["C000001"])


def test_lookups_stay_while_another_process_publishes(tmp_path: Path) -> None:
    job = job_in(tmp_path, publications_kept_whole=1)
    made = [publish_matrix(job, matrix_of(20, day=day)) for day in range(20_000, 20_003)]
    with held_alone(job.store / ".lock"):
        assert thin_old(job.config) == []
    assert thin_old(job.config) == [made[0].name]


def test_the_live_publication_keeps_its_lookup_however_old_it_is(job: Job) -> None:
    publish_matrix(job, matrix_of(50, day=20_010))
    older = publish_matrix(job, matrix_of(50, day=20_000))
    assert thin(job.store, kept_whole=1) == []
    open_publication(older).check()


def test_an_old_publication_that_is_asked_for_again_is_made_whole(job: Job) -> None:
    first = publish_matrix(job, matrix_of(50))
    newer = replace(job, terms=job.terms.model_copy(update={"model": "13"}))
    publish_matrix(newer, matrix_of(50))
    assert thin(job.store, kept_whole=1) == [first.name]
    again = publish_matrix(job, matrix_of(50))
    assert again != first
    assert open_live(job.store).customer("C000007")["versions"]["model"] == job.terms.model


def test_ids_sort_by_the_day_scored_and_then_by_the_time_made(job: Job) -> None:
    days = (20_010, 20_000, 20_020)
    made = {day: publish_matrix(job, matrix_of(20, day=day)).name for day in days}
    assert sorted(made.values()) == [made[day] for day in sorted(days)]


def test_tiers_are_held_against_the_last_publication_of_an_earlier_day(job: Job) -> None:
    publish_matrix(job, matrix_of(300, day=19_950, seed=5))
    earlier = open_live(job.store)
    publish_matrix(job, matrix_of(300))
    publish_matrix(replace(job, terms=job.terms.model_copy(update={"model": "13"})), matrix_of(300))
    live = open_live(job.store)
    assert live.earlier() == earlier
    assert live.scores()["previous_tier"].equals(earlier.scores()["tier"])
    assert True in live.scores()["tier_held"].to_pylist()


def test_a_failure_leaves_the_old_publication_live_and_what_is_done_to_go_on_from(
    job: Job,
) -> None:
    first = publish_matrix(job, matrix_of(50))

    class BrokenError(Exception):
        pass

    def fail(step: str, share: float) -> None:
        if step == "publish" and share > 0.5:
            raise BrokenError

    with pytest.raises(BrokenError):
        publish_matrix(job, matrix_of(60), fail)
    assert live_generation(job.store) == first
    told: list[tuple[str, float]] = []
    folder = publish_matrix(job, matrix_of(60), lambda *one: told.append(one))
    assert told[0] == ("resumed at", pytest.approx(0.9))
    assert names(job.store) == {"CURRENT", first.name, folder.name}


def test_what_a_killed_process_left_is_removed(job: Job) -> None:
    draft = job.store / ".20200101-x.draft"
    draft.mkdir(parents=True)
    (draft / "scores.parquet").write_bytes(b"half")
    folder = publish_matrix(job, matrix_of(20))
    assert names(job.store) == {"CURRENT", folder.name}


def test_two_processes_do_not_publish_at_once(job: Job) -> None:
    def publish_within(step: str, share: float) -> None:
        with pytest.raises(PublicationError, match="another process is publishing"):
            publish_matrix(job, matrix_of(30))

    publish_matrix(job, matrix_of(20), publish_within)


@pytest.mark.parametrize("days", [[], [20_000, 20_001]])
def test_a_publication_is_of_one_day_with_somebody(job: Job, days: list[int]) -> None:
    tables = [matrix_of(2, day=day) for day in days] or [matrix_of(1).slice(0, 0)]
    with pytest.raises(PublicationError, match="one day with at least one customer"):
        publish_matrix(job, pa.concat_tables(tables))


def test_an_altered_or_missing_file_is_found(job: Job) -> None:
    folder = publish_matrix(job, matrix_of(20))
    scores = pq.read_table(folder / "scores.parquet")
    pq.write_table(scores.slice(0, 19), folder / "scores.parquet")
    with pytest.raises(PublicationError, match=r"scores\.parquet was altered"):
        open_live(job.store).check()
    (folder / "scores.parquet").unlink()
    with pytest.raises(PublicationError, match="missing"):
        open_live(job.store).check()
    (folder / "manifest.json").write_text("{}")
    with pytest.raises(PublicationError, match="echelon score"):
        open_publication(folder)


def test_the_look_up_cannot_be_written_through_a_reader(job: Job) -> None:
    folder = publish_matrix(job, matrix_of(20))
    live = open_live(job.store)
    for name in ("lookup.sqlite", "scores.parquet"):
        os.chmod(folder / name, 0o444)
    before = (folder / "lookup.sqlite").read_bytes()
    assert live.find("C000001") is not None
    assert (folder / "lookup.sqlite").read_bytes() == before
    assert {path.name for path in folder.iterdir()} == {*live.manifest.files, "manifest.json"}


def test_examples_are_telling_and_different(job: Job) -> None:
    publish_matrix(job, matrix_of(200))
    live = open_live(job.store)
    chosen = live.examples(3)
    assert len(set(chosen)) == 3
    best = max(live.scores().to_pylist(), key=lambda row: row["clv_expected"])
    assert best["customer_id"] in chosen
    assert live.examples(500)


def contents(folder: Path) -> dict[str, bytes]:
    """The bytes of a publication, its manifest's times and names aside."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix != ".json"}


@pytest.mark.slow
def test_killed_at_any_moment_it_goes_on_and_ends_in_the_same_bytes(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.publish_kills", str(tmp_path), "8"]
    found = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    assert all(one["killed"] and one["same"] for one in found)
    resumed = [one["resumed"] for one in found]
    assert resumed == sorted(resumed)
    assert resumed[0] == 0.0 < resumed[4] < resumed[-1]


TOGETHER = """
import multiprocessing, os, signal, sys
from pathlib import Path
from serving.scores import publish
from tests.small_bundle import job_in, matrix_of

def end(step, share):
    if step == "publish" and share > 0.4:
        print(*(one.pid for one in multiprocessing.active_children()), flush=True)
        os.kill(os.getpid(), signal.SIGKILL)

publish.ROWS_WORTH_A_PROCESS = 1_000
job = job_in(Path(sys.argv[1]), score_rows_at_once=1_000)
publish.publish_matrix(job, matrix_of(3_000), end)
"""


@pytest.mark.slow
def test_processes_end_with_who_began_them_and_what_they_did_is_what_one_alone_does(
    job: Job, tmp_path: Path
) -> None:
    command = [sys.executable, "-c", TOGETHER, str(tmp_path / "two")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        pids = child.stdout.readline().split()
    assert child.returncode == -signal.SIGKILL
    assert len(pids) == 2
    until = time.monotonic() + 30
    while any(is_running(pid) for pid in pids):
        assert time.monotonic() < until
        time.sleep(0.05)
    told: list[tuple[str, float]] = []
    again = job_in(tmp_path / "two", score_rows_at_once=1_000)
    folder = publish_matrix(again, matrix_of(3_000), lambda *one: told.append(one))
    assert told[0][0] == "resumed at"
    assert told[0][1] > 0.4
    assert contents(folder) == contents(publish_matrix(job, matrix_of(3_000)))


def is_running(pid: str) -> bool:
    try:
        return bool(Path(f"/proc/{pid}/cmdline").read_bytes())  # nothing of one that has ended
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_a_spoilt_part_is_made_anew_and_other_drafts_are_removed(job: Job) -> None:
    whole = contents(publish_matrix(job, matrix_of(60)))
    shutil.rmtree(job.store)

    def stop(step: str, share: float) -> None:
        if share > 0.8:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        publish_matrix(job, matrix_of(70), stop)
    with pytest.raises(KeyboardInterrupt):
        publish_matrix(job, matrix_of(60), stop)
    features = job.store / ".features-given.draft"
    (draft,) = set(job.store.glob(".*.draft")) - {features}
    for part in draft.iterdir():
        part.write_bytes(part.read_bytes()[:-1] + b"?")
    assert contents(publish_matrix(job, matrix_of(60))) == whole


PUBLISHER = """
import sys
from pathlib import Path
from serving.scores.publish import publish_matrix, thin_old
from tests.small_bundle import job_in, matrix_of
job = job_in(Path(sys.argv[1]))
for day in range(int(sys.argv[2]), 30_000):
    publish_matrix(job, matrix_of(400, day=day))
"""


@pytest.mark.slow
def test_a_reader_sees_whole_publications_wherever_the_publisher_is_killed(job: Job) -> None:
    publish_matrix(job, matrix_of(400, day=19_999))
    seen = set()
    for attempt in range(4):
        start = str(20_000 + 1_000 * attempt)
        command = [sys.executable, "-c", PUBLISHER, str(job.config.stores.root), start]
        with subprocess.Popen(command) as child:
            first = watched(job)
            while (now := watched(job)) == first:
                assert child.poll() is None
            seen.add(now)
            until = time.monotonic() + random.Random(attempt).uniform(0.0, 0.5)
            while time.monotonic() < until:
                seen.add(watched(job))
            child.send_signal(signal.SIGKILL)
        watched(job)
    assert len(seen) >= 4
    publish_matrix(job, matrix_of(400, day=29_999))
    assert not list(job.store.glob(".*.draft"))


def watched(job: Job) -> str:
    """Read the live publication as the endpoint would, and return its id."""
    live = open_live(job.store)
    live.check()
    answer = live.customer("C000007")
    assert answer["as_of"] == str(live.manifest.as_of)
    assert len(live.scores()) == 400
    return live.manifest.id
