"""Who works for the simulated company, and who looks after whom."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

CUSTOMERS_EACH = 400
FEWEST = 5
OWNED_SHARE = 0.6
"""Customers that somebody looks after already."""
STREAM = 0x57AF
"""Of the random numbers: other files of the company draw none of them."""

NAMES = (
    "王芳", "李伟", "张敏", "刘洋", "陈静", "杨磊", "黄丽", "赵强", "周婷", "吴刚", "徐琳", "孙浩",
    "马超", "朱倩", "胡杰", "郭颖", "何平", "林晨", "高宇", "罗欣",
)  # fmt: skip
HOURS = {"experienced": (8, 13), "regular": (10, 17), "automation": (20, 21)}
"""Hours a week for care of customers, from and below: the rest goes into other work."""


def employees(customers: int, seed: int) -> pa.Table:
    """Return ``code``, ``name``, ``skill`` and ``hours_per_week``, one per 400 customers.

    Every third is experienced, the others regular; the last is the automation that sends messages.
    """
    n = max(FEWEST, customers // CUSTOMERS_EACH + 1)
    rng = np.random.default_rng([seed, STREAM])
    skills = ["experienced" if number % 3 == 0 else "regular" for number in range(n - 1)]
    skills.append("automation")
    return pa.table(
        {
            "code": [f"E{number + 1:03d}" for number in range(n)],
            "name": [*map(_name, range(n - 1)), "自动化外呼"],
            "skill": skills,
            "hours_per_week": [int(rng.integers(*HOURS[skill])) for skill in skills],
        }
    )


def owners(customers: int, seed: int) -> pa.Table:
    """Return ``customer_id`` and ``employee`` of the customers who have an owner, in order."""
    rng = np.random.default_rng([seed, STREAM, 1])
    people = employees(customers, seed)["code"].to_pylist()[:-1]
    owned = np.flatnonzero(rng.random(customers) < OWNED_SHARE)
    whose = rng.integers(0, len(people), len(owned))
    return pa.table(
        {
            "customer_id": [f"C{number + 1:07d}" for number in owned.tolist()],
            "employee": [people[one] for one in whose.tolist()],
        }
    )


def _name(number: int) -> str:
    rounds, at = divmod(number, len(NAMES))
    return NAMES[at] + (f"{rounds + 1}" if rounds else "")
