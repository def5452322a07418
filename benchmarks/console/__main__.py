"""Processor time of the console's pages with a million customers published.

    python -m benchmarks.console --config configs/demo.yaml --customers 1000000

The customers are those of the live publication, repeated under new ids, the money of each copy
moved by up to a fifth; nobody is scored again. They are published into a folder that is removed
afterwards, after an equally large publication before, and asked for through the console's door, as
a browser does, by a manager, with five thousand customers assigned. Figures are the processor time
of the whole process per request: on one core that nothing else uses,
an answer takes as long. Every request asks for something else. The table goes to
benchmarks/results/console.md.
"""

from __future__ import annotations

import argparse
import asyncio
import datetime as dt
import gc
import json
import os
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from configs.files import write_text
from configs.load import load
from configs.schema import Config
from serving.access.audit_writer import AuditWriter
from serving.access.keyring import KeyRing
from serving.console.acting.events import Deed, Form, add
from serving.console.door import SESSION_COOKIE, Console, Door
from serving.console.routes import PAGES
from serving.console.visitors import people, sessions
from serving.console.warm import Warm
from serving.endpoint.current import Current
from serving.endpoint.endpoint import Endpoint
from serving.endpoint.gate import Rules
from serving.endpoint.meters import Meters
from serving.endpoint.observed import Observed
from serving.endpoint.routes import TABLE
from serving.endpoint.served import Served, open_served
from serving.endpoint.state import State, open_state
from serving.scores.publication import (
    FEATURES_FILE,
    LOOKUP_FILE,
    MANIFEST_FILE,
    POPULATION_FILE,
    SCORES_FILE,
    Publication,
    open_live,
    open_publication,
)

BAR_MS = 300
MOVED_BY = 1.2
MONEY = ("clv_expected", "clv_median", "clv_low", "clv_high", "previous_clv_expected")
ASSIGNED = 5_000
TIMES = 15
BEFORE_DAYS = 30
PATIENCE = 20
RESULTS = Path("benchmarks/results/console.md")


@dataclass(frozen=True)
class Asked:
    """One kind of request: what it is, and the addresses that ask for it, each once.

    ``to_start``: until the answer begins; a file goes on from there as it is made.
    """

    what: str
    addresses: Sequence[str]
    to_start: bool = False


@dataclass(frozen=True)
class Told:
    """What requests of one kind took, in milliseconds of processor time."""

    what: str
    first: float
    median: float
    worst: float
    kilobytes: float


def repeat(live: Publication, folder: Path, n: int, previous: str | None) -> Publication:
    """Return a publication of ``n`` customers like those of ``live``, written to ``folder``."""
    folder.mkdir(parents=True)
    ids = [f"C{number:08d}" for number in range(n)]
    own = np.arange(n) % live.manifest.counts["customers"]
    factor = _factors(live.scores(), own)
    scores = _moved(live.scores(), ids, own, factor)
    if previous is None:
        scores = _in_other_tiers(scores)
    pq.write_table(scores, folder / SCORES_FILE, 10_000)
    as_of = live.manifest.as_of - dt.timedelta(days=0 if previous else BEFORE_DAYS)
    update = {"id": folder.name, "previous": previous, "as_of": as_of}
    manifest = live.manifest.model_copy(update=update)
    write_text(folder / MANIFEST_FILE, manifest.model_dump_json())
    shutil.copy(live.folder / POPULATION_FILE, folder)
    features = _moved(live.features(), ids, own, factor)
    pq.write_table(features, folder / FEATURES_FILE, row_group_size=10_000)
    if previous is None:
        _write_lookup(live, folder / LOOKUP_FILE, ids, own)
    else:
        os.link(folder.parent / previous / LOOKUP_FILE, folder / LOOKUP_FILE)
    return open_publication(folder)


def _factors(scores: pa.Table, own: np.ndarray) -> np.ndarray:
    """Return by how much each one's money is moved; not at all where the tier would be another."""
    factor = np.exp(np.random.default_rng(0).uniform(-1, 1, len(own)) * np.log(MOVED_BY))
    value = scores["clv_expected"].to_numpy()[own] * factor
    low = scores["tier_falls_below"].fill_null(0.0).to_numpy()[own]
    high = scores["tier_rises_at"].fill_null(np.inf).to_numpy()[own]
    return np.where((value > low) & (value < high), factor, 1.0)


def _moved(table: pa.Table, ids: list[str], own: np.ndarray, factor: np.ndarray) -> pa.Table:
    columns = []
    for name in table.column_names:
        column = table[name].combine_chunks().take(pa.array(own))
        if name == "customer_id":
            column = pa.array(ids, pa.string())
        elif name in MONEY:
            moved = column.to_numpy(zero_copy_only=False) * factor
            column = pa.array(moved, pa.float64(), from_pandas=True)
        columns.append(column)
    return pa.table(columns, schema=table.schema)


def _in_other_tiers(scores: pa.Table) -> pa.Table:
    """Return ``scores`` with one customer in fifty in the tier of the one before them."""
    place = np.arange(len(scores))
    place[::50] -= place[::50] > 0
    at = scores.column_names.index("tier")
    return scores.set_column(at, "tier", scores["tier"].combine_chunks().take(pa.array(place)))


def _write_lookup(live: Publication, path: Path, ids: list[str], own: np.ndarray) -> None:
    before = live.scores()["customer_id"].to_pylist()
    texts = live.find_texts(before)
    known = [texts[one].split(json.dumps(one), 1) for one in before]

    def rows() -> Iterator[tuple[str, str]]:
        for customer_id, place in zip(ids, own.tolist(), strict=True):
            start, rest = known[place]
            yield customer_id, f"{start}{json.dumps(customer_id)}{rest}"

    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode=OFF")
    connection.execute("PRAGMA synchronous=OFF")
    connection.execute("CREATE TABLE answers (customer_id TEXT PRIMARY KEY, answer TEXT)")
    connection.executemany("INSERT INTO answers VALUES (?, ?)", rows())
    connection.commit()
    connection.close()


class Manager:
    """A manager's browser, before the console of ``served``."""

    def __init__(self, config: Config, state: State, served: Served) -> None:
        current: Current[Served] = Current(config.stores.publications, _never)
        current.served = served
        audit = AuditWriter(config.stores, state)
        endpoint = Endpoint(config, current, Meters(), state, KeyRing(state), audit)
        console = Console(endpoint, PAGES)
        self.warm = Warm(console)
        door = Door(_nothing, console, Rules(TABLE, config.serving))
        self._app = Observed(door, endpoint.meters, _unread, None, audit.answered)
        person = people.add(state, "manager", "manager", None)
        self._cookie = f"{SESSION_COOKIE}={sessions.open_session(state, person)}"

    def get(self, path: str) -> Answer:
        """Return the answer to opening an address.

        Raises:
            SystemExit: it is not a page.
        """
        target, _, query = path.partition("?")
        headers = {"host": "localhost:3000", "accept-language": "zh", "cookie": self._cookie}
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "method": "GET",
            "path": target,
            "query_string": query.encode(),
            "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
            "client": ("127.0.0.1", 50_000),
            "http_version": "1.1",
            "scheme": "http",
        }
        answer = Answer(time.process_time())
        for _ in range(PATIENCE):  # on a busy machine the first answer may be asked for again
            asyncio.run(self._app(scope, _silent, answer.send))
            if answer.status != 503:
                break
        if answer.status != 200:
            raise SystemExit(f"{path} answered {answer.status}")
        return answer


class Answer:
    """What comes back, and when, in seconds of processor time."""

    def __init__(self, began: float) -> None:
        self.began = began
        self.started = self.ended = 0.0
        self.status = self.length = 0

    async def send(self, message: Any) -> None:
        """Take a part of it."""
        if message["type"] == "http.response.start":
            self.started = time.process_time() - self.began
            self.status = message["status"]
        self.length += len(message.get("body", b""))
        self.ended = time.process_time() - self.began


async def _silent() -> Any:
    """Send nothing more, and stay on the line."""
    await asyncio.Event().wait()


async def _nothing(scope: Any, receive: Any, send: Any) -> None:
    raise AssertionError("only pages of the console are asked for")


def _never(folder: Path, before: Served | None) -> Served:
    raise AssertionError("nothing else is published")


def _unread(line: object) -> None:
    """Keep no log."""


def questions(n: int) -> list[Asked]:
    """Return what is asked for; no address twice."""
    ids = [f"C{number:08d}" for number in np.linspace(17, n - 1, TIMES + 1).astype(int)]
    queue = "/console/queue"
    orders = ("churn", "value", "-value", "order", "contact", "tier", "-tier", "due", "id", "-id")
    return [
        Asked("queue, its pages", [f"{queue}?page={page}" for page in range(1, TIMES + 2)]),
        Asked("queue, the slider moved", [f"{queue}?churn={20 + k}" for k in range(TIMES + 1)]),
        Asked(
            "queue, a filter changed",
            [
                f"{queue}?tier={('vip', 'potential', 'general')[k % 3]}&worth={100 * k}&late=order"
                for k in range(TIMES + 1)
            ],
        ),
        Asked("queue, everybody", [f"{queue}?churn=0&page={k + 1}" for k in range(TIMES + 1)]),
        Asked("queue, ordered for the first time", [f"{queue}?sort={one}" for one in orders]),
        Asked(
            "queue, ordered again", [f"{queue}?sort={orders[k % 5]}&page=2" for k in range(TIMES)]
        ),
        Asked("queue, an id searched", [f"{queue}?search={one[:7]}&churn=0" for one in ids]),
        *_exports(queue),
        Asked("customer page", [f"/console/customers/{one}" for one in ids]),
        *_others(),
    ]


def _others() -> Iterator[Asked]:
    """Yield the pages that tell of everybody; most have one address, asked for again and again."""
    for name in ("portfolio", "service", "model", "data"):
        addresses = [f"/console/{name}?from={20 * k}" for k in range(TIMES + 1)]
        yield Asked(f"{name} page", addresses)
    yield Asked("portfolio, who moved", ["/console/portfolio/movers"] * (TIMES + 1))
    yield Asked("policy, its editor", ["/console/policy/edit"] * (TIMES + 1))


def _exports(queue: str) -> Iterator[Asked]:
    for name, form in (("CSV", "csv"), ("Excel", "xlsx")):
        addresses = [f"{queue}/export.{form}?most={1000 + k}" for k in range(TIMES)]
        yield Asked(f"export of 1,000 to {name}, its start", addresses[:5], to_start=True)
        yield Asked(f"export of 1,000 to {name}, whole", addresses[5:10])


def ask(manager: Manager, asked: Asked) -> Told:
    """Return what the requests took; the first stands apart."""
    took, size = [], 0
    gc.collect()
    for address in asked.addresses:
        answer = manager.get(address)
        took.append(1e3 * (answer.started if asked.to_start else answer.ended))
        size = max(size, answer.length)
    after = took[1:]
    return Told(asked.what, took[0], float(np.median(after)), max(after), size / 1024)


def assign(config: Config, state: State, n: int, publication: str) -> None:
    """Assign some customers, so that people's deeds are looked at, too."""
    due = dt.datetime.now(dt.UTC).date() + dt.timedelta(days=3)
    details = {"owner": "E01", "name": "E01", "due": due.isoformat()}
    ids = np.unique(np.linspace(0, n - 1, ASSIGNED).astype(int))
    deeds = [Deed(f"C{number:08d}", "assign", details) for number in ids]
    for start in range(0, len(deeds), 500):
        form = Form(f"benchmark-{start}", "somebody", publication)
        add(config.stores, state, form, deeds[start : start + 500])


@contextmanager
def published(config: Config, n: int) -> Iterator[tuple[Config, Served]]:
    """Yield what is served of a company of ``n`` customers."""
    live = open_live(config.stores.publications)
    small = open_served(config, live.folder)
    with tempfile.TemporaryDirectory(prefix="echelon-console-") as root:
        stores = config.stores.model_copy(update={"root": Path(root)})
        repeat(live, stores.publications / "20260601-before", n, None)
        large = repeat(live, stores.publications / "20260701-now", n, "20260601-before")
        yield config.model_copy(update={"stores": stores}), replace(small, publication=large)


def page(n: int, load_ms: float, warm_ms: float, told: Sequence[Told]) -> str:
    """Return the results as Markdown."""
    lines = [
        "# The console with many customers",
        "",
        f"`python -m benchmarks.console --customers {n}`: {n:,} customers published, "
        f"{ASSIGNED:,} assigned; milliseconds of processor time per request. "
        f"Bar: {BAR_MS} ms.",
        "",
        f"Before any request, when a publication is served: {load_ms:,.0f} ms of processor time to "
        f"load its columns before it is ready, and {warm_ms:,.0f} ms beside the answers after "
        "that, for what is worked out once: hold-outs, orders, tiers, services, completeness.",
        "",
        "| request | first | median after | worst after | kB | bar |",
        "|---|---:|---:|---:|---:|---|",
    ]
    lines += [
        f"| {one.what} | {one.first:,.0f} | {one.median:,.0f} | {one.worst:,.0f} "
        f"| {one.kilobytes:,.0f} | {'met' if one.worst < BAR_MS else 'missed'} |"
        for one in told
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Print and keep what requests take."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", type=Path, default=Path("configs/demo.yaml"))
    parser.add_argument("--customers", type=int, default=1_000_000)
    given = parser.parse_args()
    with published(load(given.config), given.customers) as (config, served):
        state = open_state(config.stores)
        gc.collect()
        began = time.process_time()
        _ = served.book
        load_ms = 1e3 * (time.process_time() - began)
        assign(config, state, given.customers, served.publication.manifest.id)
        manager = Manager(config, state, served)
        began = time.process_time()
        manager.warm.once()
        warm_ms = 1e3 * (time.process_time() - began)
        print(f"warm: {warm_ms:,.0f} ms", flush=True)
        told = []
        for one in questions(given.customers):
            told.append(ask(manager, one))
            print(told[-1], flush=True)
        state.close()
    text = page(given.customers, load_ms, warm_ms, told)
    write_text(RESULTS, text)
    print(text)


if __name__ == "__main__":
    main()
