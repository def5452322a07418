from __future__ import annotations

import sys

import pytest

from benchmarks.scale.bars import bars, growth
from benchmarks.scale.child import Limit, measure
from benchmarks.scale.page import page
from benchmarks.scale.plan import Assumed, rates_of

PLENTY = Limit(seconds=30, gib=4)


def python(script: str) -> list[str]:
    return [sys.executable, "-S", "-c", script]


def cost(seconds: float, **figures):
    every = {"wall_seconds": seconds, "cpu_seconds": seconds, "peak_gib": 1.0, "failed": ""}
    return every | {"written_gib": 1.0, "kept_gib": 1.0} | figures


def company(customers: int, seconds_a_million: float = 600.0):
    seconds = seconds_a_million * customers / 1e6
    names = ("intake", "features", "features_1", "training", "publication")
    return {"simulate": cost(1.0, events=50 * customers)} | {name: cost(seconds) for name in names}


def test_what_a_child_and_its_children_hold_is_measured(tmp_path):
    child = "import time; held = b'x' * 200_000_000; time.sleep(1)"
    spawns = f"import subprocess, sys; subprocess.run([sys.executable, '-S', '-c', {child!r}])"

    found = measure(python(spawns), tmp_path / "log", PLENTY)

    assert found.failed == ""
    assert found.peak_gib > 0.18
    assert found.wall_seconds > 1


@pytest.mark.parametrize(
    ("script", "limit", "says"),
    [
        ("import time; time.sleep(60)", Limit(0.3, 4), "not done after 0.3 s"),
        ("import time; held = b'x' * 200_000_000; time.sleep(60)", Limit(30, 0.1), "went over"),
        ("raise SystemExit('no such column')", PLENTY, "ended with 1: no such column"),
    ],
)
def test_a_child_that_gives_no_result_is_said_to(tmp_path, script, limit, says):
    assert says in measure(python(script), tmp_path / "log", limit).failed


def test_growth_leaves_small_companies_out_where_starting_is_most_of_the_cost():
    sizes = {10_000: company(10_000) | {"intake": cost(300.0)}, 100_000: company(100_000)}
    sizes[1_000_000] = company(1_000_000)

    assert growth(sizes, "intake") == pytest.approx(1.0)
    assert growth({100_000: company(100_000)}, "intake") is None


def test_a_missed_bar_and_one_that_was_not_measured_are_said_so():
    sizes = {1_000_000: company(1_000_000, 800.0) | {"training": cost(901.0)}}
    told = {bar.name: bar for bar in bars(sizes, {}, {})}

    assert told["1 M customers: training"].met is False
    assert told["1 M customers: features of 10 cutoffs"].met is True
    assert told["1 M customers: publication with reasons"].met is False
    assert told["speed of features beside pandas, cutoffs: 10"].met is None
    shown = page(sizes, list(told.values()), "2 cores", "scale.svg")
    assert "| 1 M customers: training | at most 15 minutes | 15.0 minutes | **missed** |" in shown
    assert "not measured" in shown


def test_a_thousand_times_the_customers_cost_a_thousand_times_the_work_but_the_training():
    rates = rates_of({1_000_000: company(1_000_000, 3_600.0)}, {})
    assumed = Assumed(6, 32, 0.7, 2.0, 0.05, 0.02, 100)

    assert rates.cpu_hours(1_000_000) == pytest.approx(4)
    assert rates.cpu_hours(1_000_000_000) == pytest.approx(3_001)
    assert rates.spark_hours(1_000_000_000, assumed) == pytest.approx(6_001)
