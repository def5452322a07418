"""Batch jobs against the endpoint itself: the same bytes, and what a job costs those who ask.

``python -m benchmarks.batch`` asks about every customer by a job and over HTTP, by id, and about
some by their own records, and compares byte by byte; then it asks by id, one request after the
other, without a job and while one runs. Without ``--config`` it trains a simulated company first.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq

from benchmarks.serving.company import Company, company
from benchmarks.serving.contestants import running
from serving.scores.publication import open_publication

AT_ONCE = 1_000
NDJSON = {"content-type": "application/x-ndjson"}


def main() -> None:
    """Compare, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", type=Path, help="a company with a live publication")
    parser.add_argument("--customers", type=int, default=10_000, help="simulated without --config")
    parser.add_argument("--raw", type=int, default=500, help="of them, asked by their records")
    parser.add_argument("--seconds", type=float, default=10.0, help="of each loop")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="echelon-batch-") as scratch:
        about = company(given.config, Path(scratch), given.customers)
        command = ["-m", "serving.cli", "serve", "-c", str(about.path), "--port", "{port}"]
        with (
            running(command, "/readyz", Path(scratch) / "log") as server,
            httpx.Client(
                base_url=f"http://127.0.0.1:{server.address.port}",
                headers=about.headers,
                timeout=120,
            ) as client,
        ):
            customer_ids = open_publication(about.publication).scores()["customer_id"].to_pylist()
            compare(client, customer_ids[: given.customers], about, given.raw)
            ask_beside(client, customer_ids, given.seconds)


def compare(client: httpx.Client, customer_ids: Sequence[str], about: Company, n_raw: int) -> None:
    """Print how many answers of a job are to the byte those over HTTP."""
    by_id = [{"customer_id": one} for one in customer_ids]
    own = [{"records": one} for one in records_of(about, customer_ids[:n_raw])]
    expected = [text for ids in _parts(customer_ids) for text in asked(client, customer_ids=ids)]
    expected += [text for one in own for text in asked(client, **one)]
    start = time.perf_counter()
    told = results(client, begun(client, [*by_id, *own]))
    seconds = time.perf_counter() - start
    equal = sum(one == other for one, other in zip(told, expected, strict=True))
    print(
        f"{equal:,} of {len(expected):,} answers of a job are to the byte those over HTTP "
        f"({len(by_id):,} by id, {len(own):,} by records); it took {seconds:.1f} s"
    )
    if equal < len(expected):
        raise SystemExit(1)


def ask_beside(client: httpx.Client, customer_ids: Sequence[str], seconds: float) -> None:
    """Print the latency of answers by id without a job, while one runs, and without again."""
    rows = [{"customer_id": one} for one in customer_ids] * 100
    alone = latencies(client, customer_ids, seconds)
    address = begun(client, rows)
    while client.get(address).json()["rows"]["done"] == 0:
        time.sleep(0.05)
    beside = latencies(client, customer_ids, seconds)
    state = client.get(address).json()["state"]
    client.delete(address)
    after = latencies(client, customer_ids, seconds)
    for name, found in (("without", alone), ("beside", beside), ("without again", after)):
        p50, p99 = np.percentile(found, [50, 99]) * 1e3
        print(f"{name:>14} a job: p50 {p50:.1f} ms, p99 {p99:.1f} ms, {len(found):,} requests")
    print(f"the job was {state} at the end of the loop beside it")


def asked(client: httpx.Client, **document: Any) -> list[str]:
    """Return each answer over HTTP as the bytes that came."""
    text = client.post("/v1/predictions", json=document).raise_for_status().text
    return list(_objects(text, text.index("[") + 1))


def _objects(text: str, place: int) -> Iterator[str]:
    decoder = json.JSONDecoder()
    while text[place] == "{":
        _, end = decoder.raw_decode(text, place)
        yield text[place:end]
        place = end + (text[end] == ",")


def begun(client: httpx.Client, rows: Sequence[Any]) -> str:
    """Return the address of a new job."""
    body = "".join(json.dumps(row) + "\n" for row in rows).encode()
    response = client.post("/v1/jobs", content=body, headers=NDJSON).raise_for_status()
    return str(response.headers["location"])


def results(client: httpx.Client, address: str) -> list[str]:
    """Return the prediction of each row as the bytes that came, once the job is done."""
    while (job := client.get(address).json())["state"] in ("queued", "running"):
        time.sleep(0.2)
    assert job["state"] == "succeeded", job
    lines = client.get(f"{address}/results").raise_for_status().text.splitlines()
    return [line.partition('"prediction":')[2][:-1] for line in lines]


def latencies(client: httpx.Client, customer_ids: Sequence[str], seconds: float) -> list[float]:
    """Return how long each of the answers took that came within ``seconds``."""
    found = []
    end = time.perf_counter() + seconds
    while (start := time.perf_counter()) < end:
        ids = [customer_ids[len(found) % len(customer_ids)]]
        client.post("/v1/predictions", json={"customer_ids": ids}).raise_for_status()
        found.append(time.perf_counter() - start)
    return found


def records_of(about: Company, customer_ids: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Yield the orders of each customer as a client would send them."""
    manifest = open_publication(about.publication).manifest
    path = about.config.stores.records / manifest.records / "transactions.parquet"
    columns = ["customer_id", "occurred_at", "amount", "order_id", "kind"]
    for customer_id in customer_ids:
        wanted = pc.field("customer_id") == customer_id
        rows = pq.read_table(path, columns=columns, filters=wanted).to_pylist()
        sent = [row | {"occurred_at": row["occurred_at"].isoformat() + "Z"} for row in rows[:900]]
        yield {"customers": [{"customer_id": customer_id}], "transactions": sent}


def _parts(customer_ids: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(customer_ids), AT_ONCE):
        yield customer_ids[start : start + AT_ONCE]


if __name__ == "__main__":
    main()
