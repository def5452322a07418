from __future__ import annotations

from benchmarks.refresh_steps import _steps


def test_every_step_that_the_refresh_benchmark_times_is_a_function_that_is_there() -> None:
    missing = [name for name, (owner, at) in _steps().items() if not hasattr(owner, at)]
    assert missing == []
