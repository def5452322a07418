"""What teams do without a plan: rules to compare with, under the very same limits."""

from __future__ import annotations

import numpy as np

from serving.allocation.columns import POOL, Columns, columns_of
from serving.allocation.question import HOUR, Assignment, Floats, Ints, Question
from serving.allocation.seats import Seats


def greedy(question: Question) -> Assignment:
    """Return what is owed, and then whatever comes first, as long as it fits.

    First comes what brings most value, most an hour, or most for its shares of all hours and of
    its tier's budget together: the best of the three is returned.
    """
    columns = columns_of(question)
    hours = question.capacities.sum() + HOUR
    budgets = question.budgets[question.tiers[columns.customers]] + HOUR
    scarce = columns.hours / hours + columns.costs / budgets
    made = []
    for keys in (columns.gains, columns.gains / columns.hours, columns.gains / scarce):
        seats = Seats(question)
        duties = keep_duties(seats)
        order = np.argsort(-keys, kind="stable")
        for at in order[columns.gains[order] > 0].tolist():
            customer, option = int(columns.customers[at]), int(columns.options[at])
            employee = int(columns.employees[at])
            if employee == POOL:
                employee = seats.anybody(customer, option)
            if employee >= 0:
                _give(seats, duties, customer, option, employee)
        made.append(seats.made())
    return max(made, key=lambda one: one.value(question))


def equal_split(question: Question) -> Assignment:
    """Return each employee working down a list of their own, the most at stake first.

    Customers stay with their owners; the others are dealt out in turn.
    """
    seats = Seats(question)
    duties = keep_duties(seats)
    best = np.where(question.possible, question.gains, -np.inf).max(axis=1)
    n_people, dealt = len(question.capacities), 0
    for customer in np.argsort(-best, kind="stable").tolist():
        if best[customer] <= 0 or n_people == 0:
            continue
        owner = int(question.owners[customer])
        turn = owner if owner >= 0 else dealt % n_people
        dealt += owner < 0
        for option in _by_gain(question, customer).tolist():
            may = question.may(customer, option, turn)
            if may and _give(seats, duties, customer, option, turn):
                break
    return seats.made()


def in_order(question: Question, ranks: Floats) -> Assignment:
    """Return customers served by rank, the highest first, each with their best option that fits.

    Args:
        question: customers, people, limits.
        ranks: of each customer, such as the churn probability.
    """
    seats = Seats(question)
    duties = keep_duties(seats)
    for customer in np.argsort(-ranks, kind="stable").tolist():
        for option in _by_gain(question, customer).tolist():
            if _by_anybody(seats, duties, customer, option):
                break
    return seats.made()


def _by_anybody(seats: Seats, duties: set[int], customer: int, option: int) -> bool:
    """Give an option to the owner if that fits, else to anybody; say whether it fitted."""
    question = seats.question
    owner = int(question.owners[customer])
    if question.by_owner[customer, option] and _give(seats, duties, customer, option, owner):
        return True
    if not question.by_others[customer, option]:
        return False
    found = seats.anybody(customer, option)
    return found >= 0 and _give(seats, duties, customer, option, found)


def _give(seats: Seats, duties: set[int], customer: int, option: int, employee: int) -> bool:
    """Give a customer an option, in place of a mere duty, too; say whether it fitted."""
    if customer in duties:
        fitted = seats.better(customer, option, employee)
        duties -= {customer} if fitted else set()
        return fitted
    if seats.is_served(customer) or not seats.fits(customer, option, employee):
        return False
    seats.take(customer, option, employee)
    return True


def keep_duties(seats: Seats) -> set[int]:
    """Give what is owed in the fewest hours, and return to whom.

    Whoever has but one to serve them comes first, then what needs most skill.
    """
    question = seats.question
    owed = np.flatnonzero(question.obliged & ~question.out_of_reach)
    bound = question.dedicated[owed] & (question.owners[owed] >= 0)
    usable = question.by_owner[owed] | question.by_others[owed]
    least = np.where(usable, question.hours[owed], np.inf).argmin(axis=1)
    levels = question.levels[owed, least]
    for at in np.lexsort((-question.hours[owed, least], -levels, ~bound)).tolist():
        customer = int(owed[at])
        order = np.argsort(np.where(usable[at], question.hours[customer], np.inf), kind="stable")
        next((one for one in order.tolist() if seats.place(customer, one)), None)
    return {customer for customer in owed.tolist() if seats.is_served(customer)}


def fill(seats: Seats, columns: Columns, order: Ints, gainful: bool = True) -> None:
    """Take columns in ``order``, by value an hour unless given, as long as they fit.

    Args:
        seats: what is free.
        columns: to choose from.
        order: indices of columns.
        gainful: leave out what brings no value.
    """
    if gainful:
        order = order[columns.gains[order] > 0]
    at = zip(
        columns.customers[order].tolist(),
        columns.options[order].tolist(),
        columns.employees[order].tolist(),
        strict=True,
    )
    for customer, option, employee in at:
        if seats.is_served(customer):
            continue
        if employee == POOL:
            seats.place_with_anybody(customer, option)
        elif seats.fits(customer, option, employee):
            seats.take(customer, option, employee)


def _by_gain(question: Question, customer: int) -> Ints:
    gains = question.gains[customer]
    good = np.flatnonzero(question.possible[customer] & (gains > 0))
    return good[np.argsort(-gains[good], kind="stable")]
