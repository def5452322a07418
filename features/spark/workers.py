"""What Spark's workers need of Echelon: its own code, the libraries, and memory.

The code goes along with every session as one archive, so that workers run the very Echelon that
drives them; libraries are installed on the workers beforehand, in the versions of the driver, since
other versions may give other numbers.
"""

from __future__ import annotations

import sys
import time
import zipfile
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from configs.errors import ConfigError
from configs.schema import Engine

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

PACKAGES = ("configs", "features", "training", "serving")
LIBRARIES = (
    *("numpy", "pandas", "pyarrow", "duckdb", "ibis-framework"),
    *("scipy", "scikit-learn", "lightgbm", "pydantic"),
)
"""What code on the workers imports; the same versions as here."""
WAIT_SECONDS = 60.0
"""For the first executor: a cluster that is busy longer than this is not there for us."""
DATED = (2020, 1, 1, 0, 0, 0)


def prepare_workers(session: SparkSession, engine: Engine, scratch: Path) -> None:
    """Send the code of Echelon to the workers and check what they have.

    Raises:
        ConfigError: no worker takes the job, it has another Python, or a library is missing or of
            another version.
    """
    context = session.sparkContext
    context.pythonExec = engine.spark_python or sys.executable
    context.addPyFile(str(archive(scratch / "echelon.zip")))
    if engine.spark_master.startswith("local"):
        return
    _wait_for_executors(context, engine)
    check_libraries(context, engine)


def archive(path: Path) -> Path:
    """Write the packages of Echelon to ``path``, the same bytes for the same code."""
    root = Path(__file__).resolve().parents[2]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        for package in PACKAGES:
            for file in sorted((root / package).rglob("*")):
                if file.suffix in (".py", ".yaml"):
                    entry = zipfile.ZipInfo(file.relative_to(root).as_posix(), DATED)
                    packed.writestr(entry, file.read_bytes(), zipfile.ZIP_DEFLATED)
    return path


def _wait_for_executors(context: Any, engine: Engine) -> None:
    end = time.monotonic() + WAIT_SECONDS
    while context._jsc.sc().getExecutorMemoryStatus().size() < 2:  # the driver is one of them
        if time.monotonic() > end:
            raise ConfigError(
                f"no worker of {engine.spark_master} has taken the job in {WAIT_SECONDS:.0f} s. "
                f"Each must have {engine.spark_executor_memory_gib:g} GiB free for "
                "engine.spark_executor_memory_gib, and reach this machine by engine."
                f"spark_driver_host ({context.getConf().get('spark.driver.host')}). Look at the "
                "master's page and at the workers' logs"
            )
        time.sleep(0.1)


def check_libraries(context: Any, engine: Engine) -> None:
    """Check that a worker has this Python and these libraries.

    Raises:
        ConfigError: it has not; the message says what to install.
    """
    from pyspark.core.context import Py4JError

    own = installed()
    try:
        found = context.parallelize([0], 1).map(lambda _: _installed_there()).collect()[0]
    except Py4JError as error:
        raise ConfigError(_cannot_start(engine, str(error))) from error
    if missing := [name for name, there in found.items() if there is None]:
        raise ConfigError(
            f"the workers of {engine.spark_master} lack {', '.join(missing)}. Install what is "
            "here on each of them: `pip install -c constraints.txt .[spark]`, and let "
            "engine.spark_python name that Python"
        )
    other = [f"{name} {there}, here {own[name]}" for name, there in found.items()]
    if other := [text for name, text in zip(found, other, strict=True) if found[name] != own[name]]:
        raise ConfigError(
            f"the workers of {engine.spark_master} have {'; '.join(other)}: numbers might differ. "
            "Install the same versions on each: `pip install -c constraints.txt .[spark]`"
        )


def _installed_there() -> dict[str, str | None]:
    from features.spark.workers import installed

    return installed()


def installed() -> dict[str, str | None]:
    """Return the version of each library that workers need, ``None`` where it is missing."""
    found: dict[str, str | None] = {}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = None
    return found


def _cannot_start(engine: Engine, said: str) -> str:
    python = engine.spark_python or sys.executable
    here = ".".join(map(str, sys.version_info[:2]))
    if "PYTHON_VERSION_MISMATCH" in said:
        why = f"the workers run another Python than {here}, which runs here"
    elif "Cannot run program" in said:
        why = f"the workers have no {python}"
    else:
        lines = [line.strip() for line in said.splitlines() if line.strip()]
        why = f"the workers cannot run {python}: {lines[-1] if lines else said}"
    return (
        f"{why}. Install Python {here} with Echelon's libraries on each worker of "
        f"{engine.spark_master} (`pip install -c constraints.txt .[spark]`) and let "
        "engine.spark_python name it"
    )
