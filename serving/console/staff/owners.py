"""Who may look after a customer: employees of the team, and whoever acts in the console."""

from __future__ import annotations

from collections.abc import Mapping

import sqlalchemy as sa

from configs.schema import Config
from configs.section import Language, Text
from serving.console.acting.standing import Assignment
from serving.console.staff.team import team_shown
from serving.console.visitors.people import LOCAL, PEOPLE, Person
from serving.endpoint.state import State

ACTING = ("manager", "admin")


THIS_MACHINE = Text(zh="本机管理员", en="This machine")
"""What the administrator who comes by the link of the start is called."""


def person_names(state: State, language: Language) -> Mapping[str, str]:
    """Return the names of all people by id, of those who are disabled, too."""
    with state.reading() as connection:
        rows = connection.execute(sa.select(PEOPLE.c.id, PEOPLE.c.name))
        return {str(one): called(name, language) for one, name in rows}


def called(name: str, language: Language) -> str:
    """Return a person's name as others read it."""
    return THIS_MACHINE[language] if name == LOCAL else name


def owners(config: Config, state: State) -> Mapping[str, str]:
    """Return who can be assigned, names by code: the team, then people who are not in it."""
    team = team_shown(config)
    found = {one.code: one.name for one in team.employees}
    known = {one.person for one in team.employees}
    acting = PEOPLE.c.disabled_at.is_(None) & PEOPLE.c.role.in_(ACTING)
    asked = sa.select(PEOPLE.c.id, PEOPLE.c.name).where(acting).order_by(PEOPLE.c.name)
    with state.reading() as connection:
        for one, name in connection.execute(asked):
            if name not in known:
                found[one] = name
    return found


def codes_of(config: Config, person: Person) -> frozenset[str]:
    """Return the codes that a person's customers are assigned by."""
    employee = team_shown(config).of_person(person.name)
    return frozenset({person.id} if employee is None else {person.id, employee.code})


def owner_of(
    config: Config, customer_id: str, assignment: Assignment | None
) -> tuple[str, str] | None:
    """Return code and name of who looks after a customer: as assigned, or by the team's file."""
    if assignment is not None:
        return assignment.owner, assignment.name
    employee = team_shown(config).owner(customer_id)
    return None if employee is None else (employee.code, employee.name)
