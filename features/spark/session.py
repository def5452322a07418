"""Starts Spark, or says what is missing.

The Java process writes what it has to say into a file of its own instead of on the terminal, and
where it cannot start, the end of that file stands in the error.
"""

from __future__ import annotations

import atexit
import importlib.util
import os
import re
import shutil
import socket
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from configs.errors import ConfigError
from configs.schema import Engine
from features.spark.workers import prepare_workers

_NOISE = re.compile(r"^\s*(at |\.\.\. |$)|\b(WARN|INFO)\b|^WARNING|log4j|log level|setLogLevel")


def open_session(engine: Engine) -> Any:
    """Return the Spark session of this process, started where there is none.

    Raises:
        ConfigError: PySpark or Java is not installed, Spark does not start, or its workers lack
            what they need.
    """
    require_spark()
    require_master(engine.spark_master)
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
        session = SparkSession(SparkContext(gateway=gateway, conf=conf))
    except (PySparkException, Py4JError) as error:
        raise ConfigError(_does_not_start(engine, log, error)) from error
    try:
        prepare_workers(session, engine, scratch)
    except ConfigError:
        session.stop()
        raise
    return session


def _settings(engine: Engine, scratch: Path) -> dict[str, str]:
    settings = {
        "spark.driver.memory": _mebibytes(engine.memory_limit_gib),
        "spark.executorEnv.OMP_NUM_THREADS": "1",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.execution.arrow.pyspark.enabled": "true",
        "spark.sql.warehouse.dir": (scratch / "warehouse").as_uri(),
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
    }
    if engine.spark_master.startswith("local"):
        return settings | {
            "spark.driver.host": "127.0.0.1",
            "spark.driver.bindAddress": "127.0.0.1",
            "spark.default.parallelism": str(engine.threads),
        }
    if engine.spark_driver_host is not None:
        settings["spark.driver.host"] = engine.spark_driver_host
    return settings | {"spark.executor.memory": _mebibytes(engine.spark_executor_memory_gib)}


def _mebibytes(gib: float) -> str:
    return f"{max(512, round(gib * 1024))}m"


def require_master(url: str) -> None:
    """Check that somebody listens at a standalone master's address; others are left to Spark.

    Raises:
        ConfigError: nobody does, which Spark itself would say after a minute.
    """
    if not url.startswith("spark://"):
        return
    refused: OSError | None = None
    for one in url.removeprefix("spark://").split(","):
        try:
            place = urlsplit(f"spark://{one}")
            socket.create_connection((place.hostname or "", place.port or 7077), 5).close()
            return
        except (OSError, ValueError) as error:
            refused = error if isinstance(error, OSError) else OSError(str(error))
    raise ConfigError(
        f"no Spark master answers at engine.spark_master {url!r} ({refused}). Start it "
        "(`spark-class org.apache.spark.deploy.master.Master`), mend the address, or set "
        "engine.spark_master to local[2]"
    )


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
