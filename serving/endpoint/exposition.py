"""The text that Prometheus reads: what all workers counted, and what is true at this moment."""

from __future__ import annotations

import datetime as dt
import os
import platform
from collections.abc import Iterable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

from configs.version import VERSION
from serving.endpoint.meters import Meters

if TYPE_CHECKING:
    from serving.endpoint.served import Served
    from serving.scores.publication import Publication

FOLDER = "PROMETHEUS_MULTIPROC_DIR"
MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
LIBRARIES = ("bentoml", "lightgbm", "pyarrow")
EARLIEST = "process_start_time_seconds"


def exposition(meters: Meters, served: Served | None, also: Iterable[Collector] = ()) -> bytes:
    """Return all metrics in the text format of Prometheus.

    Args:
        meters: of this process; with several, their common folder is read.
        served: what this process serves.
        also: what else is looked up now, such as the jobs by state.
    """
    folder = os.environ.get(FOLDER)
    registry = CollectorRegistry()
    if folder is None:
        registry.register(meters.registry)
        registry.register(Workers([os.getpid()]))
    else:
        alive = forget_the_dead(Path(folder))
        MultiProcessCollector(registry, folder)
        registry.register(Workers(alive))
    registry.register(Versions())
    if served is not None:
        created_at = served.bundle.manifest.created_at
        registry.register(Live(served.publication, created_at, served.zone.key))
    for collector in also:
        registry.register(collector)
    return bytes(generate_latest(registry))


def forget_the_dead(folder: Path) -> list[int]:
    """Remove what dead workers last said of themselves; return the living.

    What they counted stays, else counters would fall.
    """
    alive = set()
    for file in folder.glob("gauge_live*_*.db"):
        pid = int(file.stem.rpartition("_")[2])
        if _is_alive(pid):
            alive.add(pid)
        else:
            file.unlink(missing_ok=True)
    return sorted(alive)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


class Workers(Collector):
    """What the system knows of the worker processes, added up; the earliest of their starts."""

    def __init__(self, pids: list[int]) -> None:
        self._pids = pids

    def collect(self) -> Iterator[Metric]:
        """Yield the number of workers, and their processor time, memory and open files."""
        yield gauge("echelon_workers", "Worker processes that answer", len(self._pids))
        totals: dict[str, Metric] = {}
        for metric in (one for pid in self._pids for one in _of_process(pid)):
            if metric.name not in totals:
                totals[metric.name] = metric
            else:
                totals[metric.name].samples = _joined(totals[metric.name], metric)
        yield from totals.values()


def _of_process(pid: int) -> Iterable[Metric]:
    return ProcessCollector(pid=lambda: pid, registry=None).collect()


def _joined(one: Metric, other: Metric) -> list[Sample]:
    join = min if one.name == EARLIEST else sum
    (here,), (there,) = one.samples, other.samples
    return [here._replace(value=join((here.value, there.value)))]


class Versions(Collector):
    """Versions of Echelon and of what it rests on."""

    def collect(self) -> Iterator[Metric]:
        """Yield a 1 that carries the versions."""
        labels = {"echelon": VERSION, "python": platform.python_version()}
        labels |= {name: version(name) for name in LIBRARIES}
        yield named("echelon_build_info", "Versions of the software", labels)


class Live(Collector):
    """What is served: which publication, of which day, made when, by a model made when."""

    def __init__(
        self, publication: Publication, model_created_at: dt.datetime, timezone: str
    ) -> None:
        self._manifest = publication.manifest
        self._model_created_at = model_created_at
        self._zone = ZoneInfo(timezone)

    def collect(self) -> Iterator[Metric]:
        """Yield names, moments in seconds since 1970, and the number of customers."""
        manifest = self._manifest
        labels = {"publication": manifest.id, **manifest.terms.versions}
        yield named("echelon_served_info", "What this worker serves", labels)
        yield gauge(
            "echelon_publication_as_of_timestamp_seconds",
            "End of the day that the served scores hold for",
            _end_of(manifest.as_of, self._zone),
        )
        yield gauge(
            "echelon_publication_created_timestamp_seconds",
            "When the served publication was made",
            manifest.created_at.timestamp(),
        )
        yield gauge(
            "echelon_model_created_timestamp_seconds",
            "When the model that made the served publication was trained",
            self._model_created_at.timestamp(),
        )
        yield gauge(
            "echelon_published_customers",
            "Customers in the served publication",
            manifest.counts["customers"],
        )


def _end_of(day: dt.date, zone: dt.tzinfo) -> float:
    return dt.datetime.combine(day + dt.timedelta(days=1), dt.time(), zone).timestamp()


def gauge(name: str, what: str, value: float) -> Metric:
    """Return a gauge without labels."""
    return GaugeMetricFamily(name, what, value)


def named(name: str, what: str, labels: dict[str, str]) -> Metric:
    """Return a gauge of 1 that carries ``labels``."""
    family = GaugeMetricFamily(name, what, labels=list(labels))
    family.add_metric(list(labels.values()), 1)
    return family
