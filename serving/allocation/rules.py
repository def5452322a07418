"""What teams do without a plan: rules to compare with, under the very same limits."""

from __future__ import annotations

import numpy as np

from serving.allocation.columns import POOL, Columns, columns_of
from serving.allocation.question import Assignment, Floats, Ints, Question
from serving.allocation.seats import Seats


def greedy(question: Question) -> Assignment:
    """Return what is owed, and then whatever comes first, as long as it fits.

    First comes what brings most value, or most value an hour: the better of the two is returned.
    """
    columns = columns_of(question)
    made = []
    for keys in (columns.gains, columns.gains / columns.hours):
        seats = Seats(question)
        keep_duties(seats)
        fill(seats, columns, np.argsort(-keys, kind="stable"))
        made.append(seats.made())
    return max(made, key=lambda one: one.value(question))


def equal_split(question: Question) -> Assignment:
    """Return each employee working down a list of their own, the most at stake first.

    Customers stay with their owners; the others are dealt out in turn to people of the highest
    skill that their best option asks for.
    """
    seats = Seats(question)
    keep_duties(seats)
    best = np.where(question.possible, question.gains, -np.inf).argmax(axis=1)
    top = question.gains[np.arange(question.n_customers), best]
    people = np.arange(len(question.capacities))
    dealt = 0
    for customer in np.argsort(-top, kind="stable").tolist():
        if seats.is_served(customer) or top[customer] <= 0 or len(people) == 0:
            continue
        owner = int(question.owners[customer])
        turn = owner if owner >= 0 else int(people[dealt % len(people)])
        dealt += owner < 0
        for option in _by_gain(question, customer).tolist():
            if question.may(customer, option, turn) and seats.fits(customer, option, turn):
                seats.take(customer, option, turn)
                break
    return seats.made()


def in_order(question: Question, ranks: Floats) -> Assignment:
    """Return customers served by rank, the highest first, each with their best option that fits.

    Args:
        question: customers, people, limits.
        ranks: of each customer, such as the churn probability.
    """
    seats = Seats(question)
    keep_duties(seats)
    for customer in np.argsort(-ranks, kind="stable").tolist():
        if not seats.is_served(customer):
            _best_that_fits(seats, customer)
    return seats.made()


def keep_duties(seats: Seats) -> None:
    """Give what is owed in the fewest hours: who has but one to serve them, then by skill."""
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


def _best_that_fits(seats: Seats, customer: int) -> None:
    for option in _by_gain(seats.question, customer).tolist():
        if seats.place(customer, option):
            return
