"""Starts Spark, or says what is missing; only ``features/sources.py`` uses it.

The Java process writes what it has to say into a file of its own instead of on the terminal, and
where it cannot start, the end of that file stands in the error.
"""

from __future__ import annotations

import atexit
import importlib.util
import os
import re
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from configs.errors import ConfigError
from configs.schema import Engine

_NOISE = re.compile(r"^\s*(at |\.\.\. |$)|\b(WARN|INFO)\b|^WARNING|log4j|log level|setLogLevel")


def open_session(engine: Engine) -> Any:
    """Return the Spark session of this process, started where there is none.

    Raises:
        ConfigError: PySpark or Java is not installed, or Spark does not start.
    """
    require_spark()
    from pyspark import SparkConf, SparkContext
    from pyspark.core.context import Py4JError
    from pyspark.errors import PySparkException
    from pyspark.java_gateway import launch_gateway
    from pyspark.sql import SparkSession

    if SparkSession.getActiveSession() is not None:
        return SparkSession.builder.getOrCreate()
    scratch = Path(tempfile.mkdtemp(prefix="echelon-spark-"))
    atexit.register(shutil.rmtree, scratch, ignore_errors=True)
    conf = SparkConf(loadDefaults=False).setAppName("echelon").setMaster(engine.spark_master)
    conf.setAll(list(_settings(engine, scratch).items()))
    log = scratch / "spark.log"
    try:
        with log.open("wb") as said:
            gateway = launch_gateway(conf, {"stdout": said, "stderr": said})
        return SparkSession(SparkContext(gateway=gateway, conf=conf))
    except (PySparkException, Py4JError) as error:
        raise ConfigError(_does_not_start(engine, log, error)) from error


def _settings(engine: Engine, scratch: Path) -> dict[str, str]:
    settings = {
        "spark.driver.memory": f"{max(1, round(engine.memory_limit_gib))}g",
        "spark.pyspark.python": sys.executable,
        "spark.pyspark.driver.python": sys.executable,
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.execution.arrow.pyspark.enabled": "true",
        "spark.sql.autoBroadcastJoinThreshold": "32m",
        "spark.sql.warehouse.dir": (scratch / "warehouse").as_uri(),
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
    }
    if engine.spark_master.startswith("local"):
        settings |= {
            "spark.driver.host": "127.0.0.1",
            "spark.driver.bindAddress": "127.0.0.1",
            "spark.sql.shuffle.partitions": str(engine.threads),
            "spark.default.parallelism": str(engine.threads),
        }
    return settings


def require_spark() -> None:
    """Check that PySpark and Java are there.

    Raises:
        ConfigError: one is missing; the message says what to install.
    """
    missing = []
    if not importlib.util.find_spec("pyspark"):
        missing.append("PySpark is not installed (`pip install .[spark]`)")
    if not _java().is_file():
        missing.append(
            "Java is not found: install Java 17 (Debian: `apt-get install openjdk-17-jre-headless`)"
            ", or let JAVA_HOME name the folder that holds its bin/java"
        )
    if missing:
        raise ConfigError(
            f"engine.name is 'spark', but {'; and '.join(missing)}. "
            "Or set engine.name to 'duckdb', which needs neither"
        )


def _java() -> Path:
    """Return the program that ``spark-submit`` would run."""
    home = os.environ.get("JAVA_HOME")
    return Path(home) / "bin" / "java" if home else Path(shutil.which("java") or "java-not-found")


def _does_not_start(engine: Engine, log: Path, error: Exception) -> str:
    lines = [line.strip() for line in log.read_text("utf-8", "replace").splitlines()]
    java = getattr(error, "java_exception", None)
    said = [] if java is None else str(java.getMessage()).splitlines()[:1]
    telling = [line for line in lines if not _NOISE.search(line)][:2] if java is None else []
    failed = [line.partition(" ERROR ")[2] for line in lines if " ERROR " in line][:1]
    cause = "; ".join([*said, *telling, *failed]) or str(error)
    cause = re.sub(r'^Exception in thread "\w+" [\w.]+: ', "", cause).rstrip(".")
    return (
        f"Spark does not start with engine.spark_master {engine.spark_master!r} and "
        f"engine.memory_limit_gib {engine.memory_limit_gib:g}: {cause}. Mend these settings "
        f"(Java in use: {_java()}, which must be 17 or later), or set engine.name to 'duckdb'"
    )
