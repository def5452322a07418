"""A customer's tiers over time, as they were published, each with the rules that set it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq

from serving.scores.publication import FEATURES_FILE, SCORES_FILE, Publication, open_publication
from serving.scores.tier_trace import tier_trace

Entry = dict[str, Any]
OPEN_AT_ONCE = 64


@dataclass(frozen=True)
class Page:
    """Some entries of a history, the newest first.

    Attributes:
        is_known: whether the customer is in any publication that is kept.
        entries: see :func:`entry`.
        after: id of the publication that the next page starts after; ``None`` at the end.
    """

    is_known: bool
    entries: list[Entry]
    after: str | None


def line_of(live: Publication) -> Iterator[Publication]:
    """Yield the live publication and those before it, as tiers were held against each other.

    A day that was scored again is there once, as it counted; one that was taken back is not.
    """
    publication: Publication | None = live
    while publication is not None:
        yield publication
        previous = publication.manifest.previous
        folder = publication.folder.parent / (previous or "")
        publication = _opened(folder) if previous and folder.is_dir() else None


@lru_cache(maxsize=OPEN_AT_ONCE)
def _opened(folder: Path) -> Publication:
    """Return a publication; what is published never changes."""
    return open_publication(folder)


def tier_history(live: Publication, customer_id: str, limit: int, after: str | None) -> Page:
    """Return the history of a customer, the newest first.

    Args:
        live: the publication that is served.
        customer_id: as in the records.
        limit: entries at most.
        after: id of the publication that the page before ended with.

    Raises:
        LookupError: ``after`` names no publication of this line.
    """
    publications = line_of(live)
    if after is not None and not any(one.manifest.id == after for one in publications):
        raise LookupError(after)
    entries: list[Entry] = []
    for publication in publications:
        text = publication.find_texts([customer_id]).get(customer_id)
        if text is not None and len(entries) == limit:
            return Page(True, entries, entries[-1]["publication"])
        if text is not None:
            entries.append(entry(publication, json.loads(text)))
    is_known = bool(entries) or (after is not None and _was_published(live, customer_id))
    return Page(is_known, entries, None)


def _was_published(live: Publication, customer_id: str) -> bool:
    return any(one.find_texts([customer_id]) for one in line_of(live))


def entry(publication: Publication, answer: dict[str, Any]) -> Entry:
    """Return what one publication says of a customer's tier, JSON-safe.

    ``tier``, ``clv`` and ``churn`` are those of the answer; ``lines`` are the policy's rules in
    their order, the last of which set the tier; null without one.
    """
    trace = _trace(publication, answer["customer_id"])
    return {
        "publication": publication.manifest.id,
        "published_at": publication.manifest.created_at.isoformat(),
        "as_of": answer["as_of"],
        "versions": answer["versions"],
        "tier": answer["tier"],
        "clv": answer["clv"],
        "churn": answer["churn"],
        "lines": None if trace is None else trace["lines"],
    }


def _trace(publication: Publication, customer_id: str) -> dict[str, Any] | None:
    """Return the trace of the tier, reading no more columns than its rules look at."""
    terms = publication.manifest.terms
    wanted = pc.field("customer_id") == customer_id
    (score,) = pq.read_table(publication.folder / SCORES_FILE, filters=wanted).to_pylist()
    path = publication.folder / FEATURES_FILE
    guarded = [one for one in terms.policy.guard_inputs if one in pq.read_schema(path).names]
    found = pq.read_table(path, columns=guarded, filters=wanted).to_pylist() if guarded else [{}]
    return tier_trace(score, found[0], terms.policy, terms.currency)
