"""What a reader asks of the queue: filters, order and page, all of it in a bookmarkable address."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any
from urllib.parse import urlencode

from starlette.datastructures import QueryParams

SEARCH_LETTERS = 100
MOST = 10_000_000
"""More customers than this cannot be asked for."""

DONE = ("yes", "no")
LATE = ("order", "due")
NOBODY = "-"
"""Owner of customers whom nobody looks after."""


@dataclass(frozen=True)
class Usual:
    """What is asked for where an address says nothing.

    Attributes:
        churn: the probability to leave from which customers are asked for.
        most: so many of them, where nothing narrows them; ``None`` for all.
    """

    churn: float = 0.0
    most: int | None = None


@dataclass(frozen=True)
class Asked:
    """One address of the queue.

    Attributes:
        churn: probability to leave from which customers are in the audience.
        worth: expected value from which they are, money.
        most: at most so many, those with most at risk; ``None`` for all.
        tiers: one of these, by the tier that counts; empty for all, as everywhere below.
        band, stage, segment, owner: the one.
        late: ``order``: the next order is overdue; ``due``: the day something was due has passed.
        complaint: with an open complaint.
        done: ``yes``: worked lately; ``no``: not.
        hidden: those snoozed or dismissed, too.
        search: how ids begin.
        sort: name of the order, with ``-`` before it for the other way round.
        page: from 1.
    """

    churn: float = 0.0
    worth: float = 0.0
    most: int | None = None
    tiers: tuple[str, ...] = ()
    band: str = ""
    stage: str = ""
    segment: str = ""
    owner: str = ""
    late: str = ""
    complaint: bool = False
    done: str = ""
    hidden: bool = False
    search: str = ""
    sort: str = ""
    page: int = 1

    def address(self, usual: Usual, **changed: Any) -> str:
        """Return the query of this address with ``changed`` parts; what is usual is left out.

        Args:
            usual: what is asked for where the address says nothing.
            changed: attributes. Any change but that of the page leads to the first page.
        """
        new = replace(self, **({"page": 1} | changed))
        pairs: list[tuple[str, str]] = []
        if new.churn != usual.churn:
            pairs.append(("churn", _plain(100 * new.churn)))
        if new.most != new.usual_most(usual):
            pairs.append(("most", "" if new.most is None else str(new.most)))
        for one in fields(new):
            value = getattr(new, one.name)
            if one.name not in ("churn", "most") and value != one.default:
                pairs += _pairs(NAMES.get(one.name, one.name), value)
        return urlencode(pairs)

    def usual_most(self, usual: Usual) -> int | None:
        """Return the usual number of customers; all of those whom a filter asks for."""
        whole = Asked(churn=usual.churn, most=self.most, sort=self.sort, page=self.page)
        return usual.most if self == whole else None


NAMES = {"tiers": "tier"}


def asked(query: QueryParams, usual: Usual, words: Mapping[str, Iterable[str]]) -> Asked:
    """Return what an address asks for; what it does not say, or says wrongly, is as usual.

    Args:
        query: of the address. Probabilities are in percent.
        usual: what is asked for where the address says nothing; ``most=`` asks for all.
        words: of ``tier``, ``band``, ``stage``, ``segment``, ``owner`` and ``sort``, the known.
    """
    allowed = {name: set(known) for name, known in words.items()}

    def word(name: str) -> str:
        found = query.get(name, "")
        return found if found in allowed[name] else ""

    page = _number(query.get("page"), 1, MOST)
    churn = _number(query.get("churn"), 0, 100)
    found = Asked(
        churn=usual.churn if churn is None else round(churn / 100, 6),
        worth=_number(query.get("worth"), 0, 1e15) or 0.0,
        tiers=tuple(dict.fromkeys(one for one in query.getlist("tier") if one in allowed["tier"])),
        band=word("band"),
        stage=word("stage"),
        segment=word("segment"),
        owner=word("owner"),
        late=_one_of(LATE, query.get("late")),
        complaint=query.get("complaint") == "1",
        done=_one_of(DONE, query.get("done")),
        hidden=query.get("hidden") == "1",
        search=query.get("search", "").strip()[:SEARCH_LETTERS],
        sort=_sorted_by(query.get("sort", ""), allowed["sort"]),
        page=1 if page is None else int(page),
    )
    if query.get("most", "?").strip() == "":
        return found
    most = _number(query.get("most"), 1, MOST)
    return replace(found, most=found.usual_most(usual) if most is None else int(most))


def _sorted_by(name: str, known: Iterable[str]) -> str:
    return name if name.removeprefix("-") in set(known) else ""


def _one_of(known: tuple[str, ...], word: str | None) -> str:
    return word if word is not None and word in known else ""


def _number(text: str | None, least: float, most: float) -> float | None:
    """Return a number as people type it, ``None`` for anything else."""
    try:
        value = float((text or "").replace(",", "").replace("，", "").replace("%", ""))
    except ValueError:
        return None
    return min(max(value, least), most) if math.isfinite(value) else None


def _pairs(name: str, value: Any) -> list[tuple[str, str]]:
    if isinstance(value, tuple):
        return [(name, one) for one in value]
    if isinstance(value, bool):
        return [(name, "1")]
    return [(name, _plain(value) if isinstance(value, float) else str(value))]


def _plain(value: float) -> str:
    return f"{value:.4f}".rstrip("0").rstrip(".")
