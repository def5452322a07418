"""Who may approve a policy: somebody else than who proposed it, unless there is nobody else."""

from __future__ import annotations

import sqlalchemy as sa

from configs.section import Text
from serving.console.visitors.people import PEOPLE, Person
from serving.endpoint.state import State
from serving.policies.versions import Version

YOUR_OWN = Text(
    zh="策略需由另一位经理或管理员审批；这一版是您本人提交的。",
    en="Another manager or an administrator approves a policy; you proposed this one yourself.",
)
ALONE = Text(
    zh="贵公司目前只有您一位可以审批，因此可单独批准；此事会记入审计日志。",
    en="You are the only one here who can approve, so you may do so alone; the audit log says so.",
)


def is_alone(state: State, person: Person) -> bool:
    """Return whether ``person`` is an administrator and nobody else may approve."""
    others = PEOPLE.c.role.in_(["manager", "admin"]) & PEOPLE.c.disabled_at.is_(None)
    query = sa.select(sa.func.count()).where(others & (PEOPLE.c.id != person.id))
    with state.reading() as connection:
        return person.role == "admin" and connection.execute(query).scalar_one() == 0


def may_approve(state: State, version: Version, person: Person) -> bool:
    """Return whether ``person`` may put ``version`` in force."""
    return version.made_by != person.id or is_alone(state, person)
