"""Who is asked for and not published: ids near theirs, and whether their records are known."""

from __future__ import annotations

import difflib
import re

from starlette.responses import Response

from configs.files import live_generation
from features.contracts import TABLES
from features.stored.generation import parts_of
from serving.console.book import Book, book
from serving.console.customer.asked import address
from serving.console.masking import is_masked
from serving.console.page import Visit
from serving.suppositions.scenarios import rows_in_file

NEAR = 5
AROUND = 2_000
"""Ids before and after the place of the one asked for, among which near ones are looked for."""
LEAST_ALIKE = 0.6
DIGITS = re.compile(r"\d+")
MOST_DIGITS = 12


def not_published(visit: Visit, shown: str) -> Response:
    """Return the page that says so, and what to do."""
    served = visit.served
    near = [] if is_masked(visit) else near_ids(book(served), shown)
    near = [one for one in near if one in visit.person.customers]
    is_seen = not is_masked(visit) and shown in visit.person.customers
    return visit.page(
        "customer_missing.html",
        404,
        shown=shown,
        near=[(one, address(one)) for one in near],
        is_recorded=is_seen and is_recorded(visit, shown),
        as_of=served.as_of,
    )


def near_ids(everybody: Book, asked: str) -> list[str]:
    """Return published ids much like ``asked``, the likeliest first.

    A million ids are not compared one by one: those that sort beside it are, and those that differ
    in case, blanks or leading zeros are asked for by name.
    """
    named = [one for one in _variants(asked) if everybody.row_of(one) is not None]
    first, _ = everybody.starting_with(asked)
    around = everybody.customer_ids.slice(max(first - AROUND, 0), 2 * AROUND).to_pylist()
    close = difflib.get_close_matches(asked, around, n=NEAR, cutoff=LEAST_ALIKE)
    return list(dict.fromkeys([*named, *close]))[:NEAR]


def _variants(asked: str) -> list[str]:
    """Return ways in which the same id is mistyped: case, blanks, and zeros before its number."""
    bare = asked.strip()
    found = [bare, bare.upper(), bare.lower()]
    for spelt in (bare, bare.upper()):
        number = DIGITS.search(spelt)
        if number is not None and len(number[0]) <= MOST_DIGITS:
            digits = number[0].lstrip("0") or "0"
            found += [
                spelt[: number.start()] + digits.zfill(width) + spelt[number.end() :]
                for width in range(len(digits), MOST_DIGITS + 1)
            ]
    return [one for one in dict.fromkeys(found) if one]


def is_recorded(visit: Visit, customer_id: str) -> bool:
    """Return whether the records taken in last know somebody of that id."""
    folder = live_generation(visit.config.stores.records)
    if folder is None:
        return False
    paths = [path for name in TABLES for path in parts_of(folder, name)]
    return any(len(rows_in_file(path, customer_id)) for path in paths)
