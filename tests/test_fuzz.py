"""Two thousand bad requests: every answer is one that the document promises.

`python -m benchmarks.fuzz --requests 100000` sends as many as there is time for.
"""

from __future__ import annotations

import re
import subprocess
import sys

import httpx
import pytest

from benchmarks.bad_requests import CANARY
from benchmarks.fuzz import Sent, wrong
from serving.endpoint.problems import MEDIA_TYPE, ProblemError, encoded

SENT = Sent("GET", "/", (), b"")


@pytest.mark.slow
def test_two_thousand_bad_requests_get_no_server_error_and_the_one_schema(small_company):
    command = [sys.executable, "-m", "benchmarks.fuzz", "--requests", "2000"]
    made = subprocess.run(
        [*command, "--config", str(small_company)], capture_output=True, text=True, timeout=500
    )
    assert made.returncode == 0, made.stdout + made.stderr[-2000:]
    told = re.match(r"([\d,]+) requests in [\d,]+ s, 0 wrong", made.stdout)
    assert told is not None, made.stdout
    assert int(told[1].replace(",", "")) >= 1900
    for code in ("invalid-request", "malformed-json", "key-missing", "unknown-route", "200"):
        assert code in made.stdout


def answer(status: int, body: bytes, kind: str = MEDIA_TYPE) -> httpx.Response:
    headers = {"content-type": kind, "x-request-id": "4f1c"}
    return httpx.Response(status, headers=headers, content=body)


def test_a_wrong_answer_is_seen_as_wrong():
    good, _ = encoded(ProblemError("unknown-route"), "4f1c")
    assert wrong(SENT, answer(404, good)) is None
    assert wrong(SENT, answer(200, b"anything", "text/plain")) is None
    assert wrong(SENT, answer(503, good)) == "server error 503"
    assert wrong(SENT, answer(405, good)) == "unknown-route has status 405"
    assert wrong(SENT, answer(404, good, "text/plain")) == "404 is no problem document"
    assert "another schema" in str(wrong(SENT, answer(404, b'{"detail": "x"}')))
    repeated = good.replace(b"4f1c", CANARY.encode())
    assert wrong(SENT, answer(404, repeated)) == "a value is repeated"
    assert wrong(SENT, httpx.Response(404, content=good)) == "no trace id"
