"""Views of the queue that people saved under a name: an address, theirs or for everybody."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import sqlalchemy as sa

from serving.console.visitors.people import PEOPLE, Person
from serving.endpoint.state import METADATA, Moment, State

NAME_LETTERS = 60

VIEWS = sa.Table(
    "views",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("person", sa.String(24), nullable=False),
    sa.Column("name", sa.String(NAME_LETTERS), nullable=False),
    sa.Column("query", sa.Text, nullable=False),
    sa.Column("is_shared", sa.Boolean, nullable=False),
    sa.Column("created_at", Moment, nullable=False),
    sa.UniqueConstraint("person", "name"),
)


@dataclass(frozen=True)
class View:
    """A saved view.

    Attributes:
        id: names it in forms.
        name: what its owner calls it.
        query: of the queue's address, without the question mark.
        is_shared: everybody sees it; its owner alone deletes it.
        is_own: whether the reader is its owner.
        owner: who saved it.
    """

    id: int
    name: str
    query: str
    is_shared: bool
    is_own: bool
    owner: str


def of_person(state: State, person: Person) -> list[View]:
    """Return the views that ``person`` may open, their own first."""
    is_own = VIEWS.c.person == person.id
    asked = (
        sa.select(VIEWS.c.id, VIEWS.c.name, VIEWS.c.query, VIEWS.c.is_shared, is_own, PEOPLE.c.name)
        .join(PEOPLE, PEOPLE.c.id == VIEWS.c.person)
        .where(is_own | VIEWS.c.is_shared)
        .order_by(sa.case((is_own, 0), else_=1), VIEWS.c.name, VIEWS.c.id)
    )
    with state.reading() as connection:
        return [View(*row) for row in connection.execute(asked)]


def save(state: State, person: Person, name: str, query: str, is_shared: bool) -> None:
    """Keep a view of ``person``; one of theirs of the same name is replaced."""
    values = {
        "person": person.id,
        "name": name,
        "query": query,
        "is_shared": is_shared,
        "created_at": dt.datetime.now(dt.UTC),
    }
    own = (VIEWS.c.person == person.id) & (VIEWS.c.name == name)
    with state.writing() as connection:
        connection.execute(sa.delete(VIEWS).where(own))
        connection.execute(sa.insert(VIEWS).values(values))


def delete(state: State, person: Person, view: int) -> None:
    """Forget a view of ``person``; nothing happens to anybody else's."""
    with state.writing() as connection:
        connection.execute(
            sa.delete(VIEWS).where((VIEWS.c.id == view) & (VIEWS.c.person == person.id))
        )
