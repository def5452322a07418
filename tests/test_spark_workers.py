"""What is said where Spark's workers lack something; and what they are sent."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from configs.errors import ConfigError
from features.spark.workers import archive, check_libraries, installed
from tests.engines import settings

pytest.importorskip("pyspark")


class Workers:
    """A context whose workers answer ``answer``, or fail as Spark's do."""

    def __init__(self, answer: dict[str, str | None] | str) -> None:
        self.answer = answer

    def parallelize(self, numbers: list[int], parts: int) -> Workers:
        return self

    def map(self, function: Callable[[int], Any]) -> Workers:
        return self

    def collect(self) -> list[Any]:
        from pyspark.core.context import Py4JError

        if isinstance(self.answer, str):
            raise Py4JError(self.answer)
        return [self.answer]


def said(answer: dict[str, str | None] | str) -> str:
    with pytest.raises(ConfigError) as error:
        check_libraries(Workers(answer), settings("spark"))
    return str(error.value)


def test_workers_with_the_libraries_of_the_driver_are_taken() -> None:
    check_libraries(Workers(installed()), settings("spark"))


def test_a_missing_library_is_named_with_what_installs_it() -> None:
    text = said({**installed(), "lightgbm": None})
    assert "lack lightgbm" in text
    assert "pip install -c constraints.txt .[spark]" in text
    assert "engine.spark_python" in text


def test_another_version_of_a_library_is_refused_since_numbers_might_differ() -> None:
    text = said({**installed(), "numpy": "1.0"})
    assert "numpy 1.0, here" in text
    assert "scipy" not in text


def test_another_python_is_said_to_be_one() -> None:
    text = said("[PYTHON_VERSION_MISMATCH] Python in worker has different version: 3.9")
    assert "the workers run another Python" in text
    assert "spark_python" in text


def test_a_python_that_is_not_there_is_said_to_be_missing() -> None:
    assert f"the workers have no {sys.executable}" in said('Cannot run program "python": error=2')


def test_the_code_that_goes_along_is_whole_and_always_the_same(tmp_path: Path) -> None:
    one, other = archive(tmp_path / "one.zip"), archive(tmp_path / "other.zip")
    assert one.read_bytes() == other.read_bytes()
    program = (
        "import sys; sys.path.insert(0, sys.argv[1]);"
        "import features.spark.parts, features.stored.taking;"
        "print(features.stored.taking.__file__)"
    )
    command = [sys.executable, "-P", "-c", program, str(one)]
    found = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
    assert str(one) in found.stdout
