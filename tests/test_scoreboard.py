"""The scoreboard: honest rows, paired intervals, and a page that says what was missed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.scoreboard.__main__ import kept
from benchmarks.scoreboard.bars import BEST_KNOWN, TARGETS, meets
from benchmarks.scoreboard.contest import Contest, Contests, Metric
from benchmarks.scoreboard.page import page, summary
from benchmarks.scoreboard.peers import Peers, collected
from benchmarks.scoreboard.picture import picture
from benchmarks.scoreboard.records import Row, judged
from configs.files import write_json
from training import metrics

N = 400
RNG = np.random.default_rng(0)
P = RNG.uniform(size=N)
Y = (RNG.uniform(size=N) < P).astype(float)
NAMES = [f"c{i:03d}" for i in range(N)]
AUC = Metric("AUC", metrics.auc, "higher", reads_order_only=True)
BRIER = Metric("Brier", metrics.brier, "lower")
SHAPE = {"protocol", "dataset", "cutoff", "metric", "ours", "peers", "best_known", "better", "met"}


def contests(**peers) -> Contests:
    one = Contest(NAMES, Y, P, peers, orders=frozenset({"order"}))
    return Contests("S9", "made_up", {"2020-01-01": one}, draws=60)


def row(**changed) -> Row:
    given = {"protocol": "S9", "dataset": "made_up", "cutoff": None, "metric": "AUC"}
    given |= {"better": "higher", "ours": 0.8, "peers": {"a": 0.7, "b": None}}
    return judged(**(given | changed))


def test_a_row_has_the_agreed_shape_and_no_peer_is_dropped():
    said = json.loads(json.dumps(row().as_json()))
    assert set(said) == SHAPE | {"difference_low", "difference_high"}
    assert said["peers"] == {"a": 0.7, "b": None}


def test_a_figure_meets_its_bar_if_it_rounds_to_it_and_else_misses():
    assert meets(0.6296, ".630", "higher")
    assert not meets(0.6293, ".630", "higher")
    assert meets(72.04, "72.0", "lower")
    assert not meets(72.06, "72.0", "lower")
    assert not row(bar=".81").met
    assert row(bar=".80").met


def test_where_no_bar_is_known_the_best_peer_of_the_run_is_the_bar():
    assert row().met
    assert not row(peers={"a": 0.9}).met
    assert not row(better="lower").met
    assert row(peers={"a": None}).met


def test_against_itself_the_difference_is_nothing():
    same = contests(twin=P).at("2020-01-01", AUC, None)
    assert (same.difference_low, same.difference_high) == (0.0, 0.0)
    assert same.verdict == "level"


def test_the_truth_wins_against_noise_in_either_direction_of_better():
    against_noise = contests(noise=RNG.uniform(size=N))
    for metric in (AUC, BRIER):
        assert against_noise.at("2020-01-01", metric, None).verdict == "win"
    upside_down = Contest(NAMES, Y, 1.0 - P, {"truth": P})
    lost = Contests("S9", "made_up", {"": upside_down}, draws=60)
    assert {lost.at("", metric, None).verdict for metric in (AUC, BRIER)} == {"loss"}


def test_the_interval_narrows_with_more_customers():
    def width(times: int) -> float:
        names = [f"{i:05d}" for i in range(N * times)]
        noise = np.tile(P[::-1], times)
        one = Contest(names, np.tile(Y, times), np.tile(P, times), {"noise": noise})
        found = Contests("S9", "made_up", {"": one}, draws=200).at("", BRIER, None)
        return found.difference_high - found.difference_low

    assert width(9) == pytest.approx(width(1) / 3, rel=0.35)


def test_scores_that_only_order_have_no_figure_of_probabilities():
    both = contests(order=P * 100, twin=P)
    assert set(both.at("2020-01-01", AUC, None).peers) == {"order", "twin"}
    assert set(both.at("2020-01-01", BRIER, None).peers) == {"twin"}


def test_mean_and_worst_are_over_the_cutoffs_and_a_peer_missing_at_one_is_not_run():
    good = Contest(NAMES, Y, P, {"peer": P, "sometimes": P})
    bad = Contest(NAMES, Y, 1.0 - P, {"peer": P, "sometimes": None})
    both = Contests("S9", "made_up", {"a": good, "b": bad}, draws=20)
    a, b = metrics.auc(Y, P), metrics.auc(Y, 1.0 - P)
    assert both.mean(AUC).ours == pytest.approx((a + b) / 2)
    assert both.worst(AUC).ours == pytest.approx(b)
    assert both.worst(BRIER).ours == pytest.approx(metrics.brier(Y, 1.0 - P))
    assert both.mean(AUC).peers["sometimes"] is None


def test_the_page_the_picture_and_the_summary_say_what_was_missed():
    rows = [row(protocol="S2"), row(protocol="S4", bar=".9", metric="|bias|")]
    text = page(rows, "scoreboard.svg")
    assert "**1 of 2 met.**" in text
    assert "**missed**" in text
    assert "not run: b" in text
    assert "\\|bias\\|" in text
    assert all(line.count(" | ") == 6 for line in text.splitlines() if line.startswith("|  |"))
    assert "1 of 2 figures met" in picture(rows)
    assert picture(rows).count('fill="none"') == 1
    assert summary(rows).row_count == 2


def test_targets_lie_beyond_the_best_known():
    for key, targets in TARGETS.items():
        for metric, target in targets.items():
            known = BEST_KNOWN[key].get(metric)
            higher = metric.split()[-1] in {"nGini", "AUC"}
            assert known is None or meets(float(target), known, "higher" if higher else "lower")


def test_without_their_environment_peers_are_said_not_to_be_run(capsys, tmp_path):
    from training.dataset import Dataset

    pa = pytest.importorskip("pyarrow")
    names = ("frequency", "recency_days", "tenure_days", "monetary_value")
    one = pa.table({"customer_id": ["a"], "cutoff": pa.array([1], pa.int32())})
    for name in names:
        one = one.append_column(name, pa.array([1.0]))
    asked = Peers(tmp_path / "nowhere").forecasts(["lifetimes BG/NBD"], Dataset(one), 10)
    assert collected(asked)["lifetimes BG/NBD"].value is None
    assert "not run: lifetimes BG/NBD" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.data
def test_the_first_protocol_runs_whole_on_its_data(echelon_data: Path, tmp_path: Path):
    from benchmarks.scoreboard import s1
    from benchmarks.scoreboard.setting import Setting

    told: list[float] = []
    setting = Setting(echelon_data, tmp_path, 1, Peers(None))
    rows = s1.run(setting, lambda step, share: told.append(share))
    assert told == sorted(told)
    assert {row.cutoff for row in rows} == {"1997-09-30"}
    assert {row.metric for row in rows} >= set(BEST_KNOWN["S1", "cdnow_sample", "1997-09-30"])
    past = {row.metric: row.peers["past rate"] for row in rows}
    assert past["transactions r"] == pytest.approx(0.577, abs=0.0005)
    assert past["value nGini"] == pytest.approx(0.685, abs=0.0005)


def test_protocols_that_are_not_run_again_keep_their_rows(tmp_path):
    rows = [
        judged(name, "shop", None, "AUC", "higher", 0.8, {"rule": 0.7}) for name in ("S1", "S2")
    ]
    write_json(tmp_path / "board.json", [row.as_json() for row in rows])
    assert kept(tmp_path / "board.json", "S2") == rows[1:]
    assert kept(tmp_path / "board.json", "S3") == []
    assert kept(tmp_path / "none.json", "S1") == []
