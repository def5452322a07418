"""Bad requests to the endpoint, in this process: is every answer one that the document promises?

    python -m benchmarks.fuzz --requests 100000

A tenth is made by schemathesis from the OpenAPI document and goes through its checks; the others
are those of :mod:`benchmarks.bad_requests`. A failure is any of: an error of the server, an error
that is no problem document of the one schema, a value repeated in an error, or an answer that the
document does not have. The requests follow from the seed. Ends with 1 where one failed.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import datetime as dt
import json
import os
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import httpx
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from pydantic import ValidationError

from benchmarks.bad_requests import CANARY, Sent, requests
from configs.load import load
from serving.endpoint.problem_kinds import KINDS
from serving.endpoint.problems import MEDIA_TYPE
from serving.endpoint.replies import Problem
from serving.endpoint.routes import ROUTES
from serving.endpoint.serve import settle

BY_SCHEMATHESIS = 0.1
AT_ONCE = 500
"""Requests of one Hypothesis run: it remembers all of a run, and slows down."""
SHOWN = 10
UNKNOWN_PARAMETER = "query: violates `additionalProperties`"
"""What schemathesis says of a request with a query parameter that is not documented.

Those are passed over, as HTTP has it; unknown fields of bodies are what is refused.
"""


def beside(root: Path, folder: Path) -> Path:
    """Return stores that read those at ``root`` and keep keys, jobs and audit to themselves."""
    store = folder / "store"
    store.mkdir()
    for name in ("publications", "bundles", "records", "keys"):
        (store / name).symlink_to((root / name).absolute())
    return store


class Endpoint:
    """The whole app, BentoML's middleware included, asked without a socket.

    Args:
        config_path: the company whose live publication is served.
        folder: for keys, jobs and audit of its own, with a key of the role admin.
    """

    def __init__(self, config_path: Path, folder: Path) -> None:
        settle(folder)
        from serving.access import key_office
        from serving.api import service
        from serving.endpoint.served import open_served
        from serving.scores.publication import open_live

        config = load(config_path)
        stores = config.stores.model_copy(update={"root": beside(config.stores.root, folder)})
        config = config.model_copy(update={"stores": stores})
        self.key = key_office.create(config, "fuzz", "admin", (), None).text
        with contextlib.redirect_stderr(Path(os.devnull).open("w")):
            self.app = service.for_config(config)  # its log goes where standard error is now
        live = open_live(config.stores.publications)
        service.current.take_up(live.folder.name, open_served(config, live.folder))
        self.loop = asyncio.new_event_loop()
        self.loop.run_until_complete(self._start())

    async def _start(self) -> None:
        """Let the app start up, as a server does before the first request."""
        started, self.stop = asyncio.Event(), asyncio.Event()

        async def receive() -> Any:
            if not started.is_set():
                return {"type": "lifespan.startup"}
            await self.stop.wait()
            return {"type": "lifespan.shutdown"}

        async def send(message: Any) -> None:
            started.set()

        scope = {"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}
        self.life = asyncio.ensure_future(self.app(scope, receive, send))
        await asyncio.wait_for(started.wait(), 60)

    def close(self) -> None:
        """Let the app shut down."""
        self.stop.set()
        self.loop.run_until_complete(asyncio.wait_for(self.life, 60))
        self.loop.close()

    def ask(self, sent: Sent) -> httpx.Response:
        """Return what the app answers."""
        return self.loop.run_until_complete(asyncio.wait_for(self._ask(sent), 60))

    async def _ask(self, sent: Sent) -> httpx.Response:
        path, _, query = sent.target.partition("?")
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": sent.method,
            "scheme": "http",
            "path": unquote(path),
            "raw_path": path.encode("latin-1", "replace"),
            "query_string": query.encode("latin-1", "replace"),
            "root_path": "",
            "headers": [(name.encode(), value.encode("latin-1")) for name, value in sent.headers],
            "client": ("127.0.0.1", 4711),
            "server": ("127.0.0.1", 3000),
        }
        arriving = iter([{"type": "http.request", "body": sent.body, "more_body": False}])
        messages: list[Any] = []

        async def receive() -> Any:
            return next(arriving, None) or await asyncio.Event().wait()

        async def send(message: Any) -> None:
            messages.append(message)

        await self.app(scope, receive, send)
        start = next(one for one in messages if one["type"] == "http.response.start")
        body = b"".join(one.get("body", b"") for one in messages)
        asked = httpx.Request(sent.method, "http://localhost/")
        answer = httpx.Response(
            start["status"], headers=start["headers"], content=body, request=asked
        )
        answer.elapsed = dt.timedelta(0)
        return answer


def wrong(sent: Sent, answer: httpx.Response) -> str | None:
    """Return what is wrong with ``answer``, if anything."""
    if answer.status_code >= 500:
        return f"server error {answer.status_code}"
    if "x-request-id" not in answer.headers:
        return "no trace id"
    if answer.status_code < 300 or answer.status_code == 304:
        return None
    if answer.headers.get("content-type") != MEDIA_TYPE:
        return f"{answer.status_code} is no problem document"
    try:
        problem = Problem.model_validate_json(answer.content)
    except ValidationError as error:
        return f"{answer.status_code} has another schema: {error}"
    if problem.status != answer.status_code or KINDS[problem.code].status != problem.status:
        return f"{problem.code} has status {answer.status_code}"
    told = answer.text + json.dumps(dict(answer.headers))
    return "a value is repeated" if CANARY in told else None


Look = Callable[[Any], None]


class Tally:
    """Statuses and codes that were answered, and what was wrong."""

    def __init__(self) -> None:
        self.answered: Counter[str] = Counter()
        self.failures: list[str] = []

    def note(self, sent: Sent, answer: httpx.Response, failure: str | None) -> None:
        """Count an answer."""
        is_problem = answer.headers.get("content-type") == MEDIA_TYPE
        code = answer.json().get("code", "") if is_problem else ""
        self.answered[f"{answer.status_code} {code}".strip()] += 1
        if failure is not None:
            shown = f"{sent.method} {sent.target[:80]} {dict(sent.headers)} {sent.body[:200]!r}"
            self.failures.append(f"{failure}: {shown}")


def run(
    strategy: st.SearchStrategy[Any], count: int, start: int, look: Callable[..., None]
) -> None:
    """Have ``look`` see ``count`` drawn values, or as many as there are."""
    for part, first in enumerate(range(0, count, AT_ONCE)):
        limits = settings(
            max_examples=min(AT_ONCE, count - first), deadline=None, database=None,
            phases=[Phase.generate], suppress_health_check=list(HealthCheck),
        )  # fmt: skip

        def looked(value: Any) -> None:
            look(value)

        with contextlib.suppress(Unsatisfiable):
            seed(start + part)(limits(given(strategy)(looked)))()


def by_hypothesis(
    endpoint: Endpoint, examples: list[Any], key: str, count: int, start: int, tally: Tally
) -> None:
    """Send requests of :mod:`benchmarks.bad_requests`."""

    def look(sent: Sent) -> None:
        answer = endpoint.ask(sent)
        tally.note(sent, answer, wrong(sent, answer))

    run(requests(ROUTES, examples, key), count, start, look)


def by_schemathesis(
    endpoint: Endpoint, document: Any, key: str, count: int, start: int, tally: Tally
) -> None:
    """Send what schemathesis makes of the document, and put the answers to its checks.

    Left out are the checks that send requests of their own, and the one that wants each request
    that fits its schema accepted: no schema says that rows lie before the day of the scores.
    """
    import schemathesis
    from requests import Request
    from schemathesis.core.failures import Failure, FailureGroup
    from schemathesis.specs.openapi import checks

    left_out = [checks.positive_data_acceptance, checks.ignored_auth]
    known = {"authorization": f"Bearer {key}", "host": "localhost"}

    @schemathesis.serializer("application/x-ndjson", "application/vnd.apache.parquet")
    def as_bytes(context: schemathesis.SerializationContext, value: Any) -> Any:
        return bytes(getattr(value, "data", b"")) or str(value).encode("utf-8", "replace")

    def look(case: schemathesis.Case) -> None:
        given = case.as_transport_kwargs(base_url="http://localhost", headers=known)
        fields = ("method", "url", "headers", "params", "data", "json", "cookies")
        prepared = Request(**{name: given[name] for name in fields if name in given}).prepare()
        url, body = urlsplit(str(prepared.url)), prepared.body or b""
        content = body.encode() if isinstance(body, str) else bytes(body)
        headers = tuple((name.lower(), _text(value)) for name, value in prepared.headers.items())
        target = url.path + (f"?{url.query}" if url.query else "")
        sent = Sent(str(prepared.method), target, headers, content)
        answer = endpoint.ask(sent)
        failure = wrong(sent, answer)
        try:
            case.validate_response(answer, excluded_checks=left_out, headers=known)
        except (Failure, FailureGroup) as error:
            told = [str(one) for one in getattr(error, "exceptions", [error])]
            told = [one[:200] for one in told if UNKNOWN_PARAMETER not in one]
            failure = failure or (f"schemathesis: {'; '.join(told)}" if told else None)
        tally.note(sent, answer, failure)

    operations = [one.ok() for one in schemathesis.openapi.from_dict(document).get_all_operations()]
    modes = list(schemathesis.GenerationMode)
    each = max(count // (len(operations) * len(modes)), 1)
    for operation in operations:
        for mode in modes:
            run(operation.as_strategy(generation_mode=mode), each, start, look)


def _text(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def main(arguments: list[str] | None = None) -> int:
    """Send the requests, print what was answered, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--requests", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--config", type=Path, default=Path("configs/demo.yaml"))
    given = parser.parse_args(arguments)
    warnings.simplefilter("ignore")
    tally, began = Tally(), time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="echelon-fuzz-") as folder:
        endpoint = Endpoint(given.config, Path(folder))
        document = endpoint.ask(Sent("GET", "/docs.json", (("host", "localhost"),), b"")).json()
        examples = [
            example["value"]
            for ways in document["paths"].values()
            for content in ways.get("post", {}).get("requestBody", {}).get("content", {}).values()
            for example in content.get("examples", {}).values()
        ]
        first = round(BY_SCHEMATHESIS * given.requests)
        by_schemathesis(endpoint, document, endpoint.key, first, given.seed, tally)
        left = given.requests - sum(tally.answered.values())
        by_hypothesis(endpoint, examples, endpoint.key, left, given.seed, tally)
        endpoint.close()
    print(report(tally, time.perf_counter() - began))
    return 1 if tally.failures else 0


def report(tally: Tally, seconds: float) -> str:
    """Return the tally in words."""
    sent = sum(tally.answered.values())
    lines = [f"{sent:,} requests in {seconds:,.0f} s, {len(tally.failures):,} wrong"]
    lines += [f"  {count:>8,}  {what}" for what, count in sorted(tally.answered.items())]
    return "\n".join([*lines, *tally.failures[:SHOWN]])


if __name__ == "__main__":
    sys.exit(main())
