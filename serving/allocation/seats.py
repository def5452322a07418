"""An assignment in the making: what is still free, and what fits into it."""

from __future__ import annotations

import numpy as np

from serving.allocation.question import HOUR, Assignment, Question


class Seats:
    """Hours and money that are left while customers are given to employees, one by one.

    Args:
        question: customers, people, limits.

    Attributes:
        hours: left of each employee.
        money: left of each tier's budget.
    """

    def __init__(self, question: Question) -> None:
        self.question = question
        self.hours = question.capacities.astype(np.float64)
        self.money = question.budgets.astype(np.float64)
        self._options = np.full(question.n_customers, -1)
        self._employees = np.full(question.n_customers, -1)
        self._able = [np.flatnonzero(question.skills >= level) for level in range(3)]

    def is_served(self, customer: int) -> bool:
        """Return whether a customer was given something."""
        return bool(self._options[customer] >= 0)

    def fits(self, customer: int, option: int, employee: int) -> bool:
        """Return whether hours and money are left; skill is not looked at."""
        asked = self.question
        return bool(
            asked.hours[customer, option] <= self.hours[employee] + HOUR
            and asked.costs[customer, option] <= self.money[asked.tiers[customer]] + HOUR
        )

    def take(self, customer: int, option: int, employee: int) -> None:
        """Give a customer to an employee."""
        asked = self.question
        self.hours[employee] -= asked.hours[customer, option]
        self.money[asked.tiers[customer]] -= asked.costs[customer, option]
        self._options[customer], self._employees[customer] = option, employee

    def clear(self, customer: int) -> None:
        """Take back what a customer was given."""
        asked, option = self.question, self._options[customer]
        self.hours[self._employees[customer]] += asked.hours[customer, option]
        self.money[asked.tiers[customer]] += asked.costs[customer, option]
        self._options[customer] = self._employees[customer] = -1

    def anybody(self, customer: int, option: int) -> int:
        """Return who of the pool should do it: the least skilled that can, with most hours left.

        -1 where nobody has the hours, or the money is gone.
        """
        asked = self.question
        if asked.costs[customer, option] > self.money[asked.tiers[customer]] + HOUR:
            return -1
        able = self._able[int(asked.levels[customer, option])]
        able = able[self.hours[able] + HOUR >= asked.hours[customer, option]]
        if len(able) == 0:
            return -1
        order = np.lexsort((-self.hours[able], asked.skills[able]))
        return int(able[order[0]])

    def better(self, customer: int, option: int, employee: int) -> bool:
        """Give a customer something else than so far, if it fits and is worth more; say whether."""
        before = int(self._options[customer]), int(self._employees[customer])
        if self.question.worth(customer, *before) >= self.question.worth(
            customer, option, employee
        ):
            return False
        self.clear(customer)
        if self.fits(customer, option, employee):
            self.take(customer, option, employee)
            return True
        self.take(customer, *before)
        return False

    def place(self, customer: int, option: int) -> bool:
        """Give a customer to their owner if that fits, else to anybody; say whether it did."""
        asked = self.question
        owner = int(asked.owners[customer])
        if asked.by_owner[customer, option] and self.fits(customer, option, owner):
            self.take(customer, option, owner)
            return True
        if not asked.by_others[customer, option]:
            return False
        return self.place_with_anybody(customer, option)

    def place_with_anybody(self, customer: int, option: int) -> bool:
        """Give a customer to somebody of the pool; say whether it fitted."""
        found = self.anybody(customer, option)
        if found >= 0:
            self.take(customer, option, found)
        return found >= 0

    def made(self) -> Assignment:
        """Return what was given so far."""
        return Assignment(self._options.copy(), self._employees.copy())
