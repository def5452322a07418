"""Whom a page of a customer is about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import quote

import pyarrow as pa

from serving.console.book import book
from serving.console.masking import row_of
from serving.console.page import Visit
from serving.endpoint.served import Served, rows_of
from serving.scores.answers import Answer, Terms
from serving.scores.explanations import Explanation, explanations
from serving.scores.publication import FEATURES_FILE, SCORES_FILE

HOME = "/console/customers"


@dataclass(frozen=True)
class Asked:
    """A published customer, and what one request reads of them.

    Attributes:
        visit: who asks.
        served: taken once for the request.
        customer_id: as in the records.
        shown: how the reader sees the id.
        answer: what is published, under the id that is shown.
    """

    visit: Visit
    served: Served
    customer_id: str
    shown: str
    answer: Answer

    @property
    def terms(self) -> Terms:
        """What all answers of the publication have in common."""
        return self.served.publication.manifest.terms

    @cached_property
    def matrix(self) -> pa.Table:
        """The features that were scored, one row."""
        return rows_of(self.served.publication, FEATURES_FILE, [self.customer_id])

    @cached_property
    def scores(self) -> pa.Table:
        """The scores, one row."""
        return rows_of(self.served.publication, SCORES_FILE, [self.customer_id])

    @cached_property
    def explained(self) -> Explanation:
        """Every concept's points, and the trace of the tier."""
        (one,) = explanations(self.matrix, self.scores, self.served.reasoner, self.terms)
        return one

    @property
    def features(self) -> Mapping[str, float | None]:
        """The value of every feature, ``None`` where it is missing."""
        (row,) = self.matrix.to_pylist()
        return {name: row[name] for name in self.matrix.column_names[2:]}

    def at(self, place: str = "") -> str:
        """Return the address of this customer's page, or of a part of it."""
        return address(self.shown, place)

    def shows(self, template: str, status: int = 200, **shown: Any) -> Any:
        """Return a page about this customer."""
        return self.visit.page(template, status, asked=self, **shown)


def address(shown: str, place: str = "") -> str:
    """Return the address of a customer's page, or of a part of it.

    >>> address("C 1/2"), address("C1", "what-if")
    ('/console/customers/C%201%2F2', '/console/customers/C1/what-if')
    """
    path = f"{HOME}/{quote(shown, safe='')}"
    return f"{path}/{place}" if place else path


def find(visit: Visit, shown: str) -> Asked | None:
    """Return the customer who is called ``shown``; ``None`` where nobody of that id is published.

    Whom the reader may not see is as unknown as somebody who does not exist.
    """
    served = visit.served
    row = row_of(visit, served, shown)
    customer_id = None if row is None else book(served).id_of(row)
    if customer_id is None or customer_id not in visit.person.customers:
        return None
    answer = served.publication.customer(customer_id)
    return Asked(visit, served, customer_id, shown, {**answer, "customer_id": shown})
