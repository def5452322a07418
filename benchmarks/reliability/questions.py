"""What the proofs ask a service, and how they read its state."""

from __future__ import annotations

import asyncio
import itertools
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from benchmarks.load import Address
from benchmarks.reliability.company import Company
from serving.scores.publication import open_publication

SECONDS = 120.0
"""How long a change may take to be seen, on a busy machine."""


@dataclass(frozen=True)
class Question:
    """One request: by GET without a body, else by POST."""

    path: str
    body: Any = None

    def as_bytes(self, address: Address, headers: Mapping[str, str]) -> bytes:
        """Return the request as it is sent."""
        method = "GET" if self.body is None else "POST"
        return address.request(method, self.path, self.body, headers)


def questions(made: Company, publications: list[str]) -> list[Question]:
    """Return questions that every one of ``publications`` answers, each in its own way."""
    opened = [open_publication(made.publications / name) for name in publications]
    common = set.intersection(*(set(one.scores()["customer_id"].to_pylist()) for one in opened))
    ids = sorted(common)[:: max(1, len(common) // 5)][:5]
    as_of = min(one.manifest.as_of for one in opened).isoformat()
    order = {"customer_id": ids[0], "occurred_at": as_of, "amount": 30}
    return [
        Question("/v1/predictions", {"customer_ids": ids}),
        Question("/v1/predictions", {"customer_ids": ids[:1]}),
        Question("/v1/predictions", {"customer_ids": ids[1:2]}),
        Question("/v1/predictions", {"records": {"as_of": as_of, "transactions": [order]}}),
        Question("/v1/explanations", {"customer_ids": ids[:2]}),
        Question("/v1/models/current"),
    ]


def by_id(made: Company) -> Question:
    """Return a question about one customer."""
    ids = open_publication(made.publications / made.live()).examples(1)
    return Question("/v1/predictions", {"customer_ids": ids})


def raw(made: Company) -> Question:
    """Return a question about one customer's own records, which is scored when it is asked."""
    as_of = open_publication(made.publications / made.live()).manifest.as_of.isoformat()
    order = {"customer_id": "N1", "occurred_at": as_of, "amount": 30}
    return Question("/v1/predictions", {"records": {"as_of": as_of, "transactions": [order]}})


def in_turn(asked: list[Question], address: Address, headers: Mapping[str, str]) -> Iterator[bytes]:
    """Return requests without end."""
    return itertools.cycle([one.as_bytes(address, headers) for one in asked])


@dataclass(frozen=True)
class State:
    """What ``/metrics`` says of publications."""

    served: str
    is_refused: bool
    failures: int


class Service:
    """A running service, asked about its state by a client of its own."""

    def __init__(self, address: Address, headers: Mapping[str, str]) -> None:
        self.client = httpx.AsyncClient(
            base_url=f"http://{address.host}:{address.port}", headers=headers, timeout=SECONDS
        )

    async def state(self) -> State:
        """Return what is served, and what was refused."""
        text = (await self.client.get("/metrics")).text
        served = re.search(r'echelon_served_info\{.*publication="([^"]*)"', text)
        refused = re.search(r"^echelon_publication_refused (\S+)", text, re.MULTILINE)
        failed = re.search(
            r'^echelon_publication_loads_total\{outcome="failed"\} (\S+)', text, re.MULTILINE
        )
        if served is None or refused is None or failed is None:
            raise ValueError(f"/metrics does not tell what is served: {text[:500]}")
        return State(served[1], float(refused[1]) == 1, int(float(failed[1])))

    async def until(self, claim: Callable[[State], bool]) -> State:
        """Return the first state of which ``claim`` is true.

        Raises:
            TimeoutError: none came.
        """
        async with asyncio.timeout(SECONDS):
            while not claim(state := await self.state()):
                await asyncio.sleep(0.02)
            return state

    async def is_ready(self) -> bool:
        """Return whether requests may be sent."""
        return (await self.client.get("/v2/health/ready")).status_code == 200

    async def body(self, question: Question) -> bytes:
        """Return the body of the answer to ``question``."""
        method = "GET" if question.body is None else "POST"
        answer = await self.client.request(method, question.path, json=question.body)
        answer.raise_for_status()
        return answer.content
