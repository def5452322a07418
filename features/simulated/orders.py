"""Transactions of simulated customers: orders of several lines, discounts, margins, refunds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from features.simulated.calendar import Floats, Ints
from features.simulated.export import (
    DAY_SECONDS,
    as_table,
    coded,
    exported,
    numbers,
    recorded,
    seconds_on,
    stamps,
)
from features.simulated.lives import Lives

CATEGORIES = (
    "美妆个护", "食品生鲜", "母婴", "数码", "家电", "服饰", "家居", "运动户外", "图书文具", "宠物",
)  # fmt: skip
MARGINS = np.array([0.48, 0.2, 0.3, 0.14, 0.18, 0.45, 0.38, 0.35, 0.28, 0.33])
PRODUCTS_PER_CATEGORY = 60
PRODUCTS = [f"P{10_000 + code}" for code in range(len(CATEGORIES) * PRODUCTS_PER_CATEGORY)]
EXTRA_LINES = 0.6
"""Mean number of lines of an order beyond its first."""
SPEND_SIGMA = 0.45
REFUNDED_LINE_SHARE = (1.0 - np.exp(-EXTRA_LINES)) / EXTRA_LINES
"""Expected share of an order's amount in one line taken at random: E[1 / (1 + Poisson)]."""


@dataclass(frozen=True)
class Lines:
    """Order lines and refunds, those of the year after the span included."""

    customer: Ints
    occurred: Ints
    order: Ints
    amount: Floats
    discount: Floats
    margin: Floats
    quantity: Ints
    product: Ints
    is_refund: Ints

    @property
    def day(self) -> Ints:
        """Day number of each line."""
        return self.occurred // DAY_SECONDS


def refund_probability(satisfaction: Floats) -> Floats:
    """Return the share of orders with a refund: 5 % of the content, 20 % of the unhappiest."""
    return 1.0 / (1.0 + np.exp(2.9 + 0.6 * np.clip(satisfaction, -2.5, 2.5)))


def expected_spend(lives: Lives, customer: Ints, day: Ints) -> Floats:
    """Return the expected amount of an order of each customer on each day."""
    traits = lives.traits
    years = (day - traits.first_order[customer]) / 365.0
    return traits.mean_spend[customer] * np.exp(traits.spend_growth[customer] * years)


def draw_lines(rng: np.random.Generator, lives: Lives) -> Lines:
    """Return all lines and refunds of the customers' orders."""
    purchases = _purchases(rng, lives)
    refunds = _refunds(rng, lives, purchases)
    columns = {
        name: np.concatenate([getattr(purchases, name), getattr(refunds, name)])
        for name in Lines.__dataclass_fields__
    }
    return Lines(**columns)


def _purchases(rng: np.random.Generator, lives: Lives) -> Lines:
    n_orders = len(lives.order_day)
    spend = expected_spend(lives, lives.order_customer, lives.order_day)
    spend *= np.exp(rng.normal(-(SPEND_SIGMA**2) / 2, SPEND_SIGMA, n_orders))
    order = np.repeat(np.arange(n_orders), 1 + rng.poisson(EXTRA_LINES, n_orders))
    weight = rng.exponential(1.0, len(order)) + 0.2
    share = weight / np.bincount(order, weight)[order]
    customer = lives.order_customer[order]
    product = _products(rng, lives.n_customers, customer)
    amount = np.maximum(np.round(spend[order] * share, 2), 1.0)
    discount = np.round(amount * _discount_rate(rng, lives, order), 2)
    margin = amount * (MARGINS[product // PRODUCTS_PER_CATEGORY] + rng.normal(0, 0.04, len(order)))
    return Lines(
        customer=customer,
        occurred=seconds_on(rng, lives.order_day)[order],
        order=order,
        amount=amount,
        discount=discount,
        margin=np.round(margin - 0.5 * discount, 2),
        quantity=1 + (rng.random(len(order)) < 0.22) + rng.poisson(0.12, len(order)),
        product=product,
        is_refund=np.zeros(len(order), np.int64),
    )


def _products(rng: np.random.Generator, n_customers: int, customer: Ints) -> Ints:
    """Return one product per line: categories as the customer likes them, popular ones first."""
    taste = rng.gamma(0.6, 1.0, (n_customers, len(CATEGORIES))) + 0.01
    ends = np.cumsum(taste, axis=1) / taste.sum(axis=1, keepdims=True)
    category = (rng.random(len(customer))[:, None] >= ends[customer, :-1]).sum(axis=1)
    rank = np.floor(PRODUCTS_PER_CATEGORY * rng.random(len(customer)) ** 2.5).astype(np.int64)
    return category * PRODUCTS_PER_CATEGORY + rank


def _discount_rate(rng: np.random.Generator, lives: Lives, order: Ints) -> Floats:
    """Return money off as a share of what was paid: usual and higher on festival days."""
    weight = lives.calendar.weights[lives.order_day - lives.calendar.first_day]
    usual = rng.random(len(lives.order_day)) < np.clip(0.15 + 0.2 * (weight - 1.0), 0.1, 0.85)
    return (usual * rng.uniform(0.05, 0.35, len(usual)))[order]


def _refunds(rng: np.random.Generator, lives: Lives, bought: Lines) -> Lines:
    """Return one refunded line of some orders, up to a fortnight later."""
    n_orders = len(lives.order_day)
    mood = lives.mood(lives.order_customer, lives.order_day)
    first = np.searchsorted(bought.order, np.arange(n_orders))
    n_lines = np.bincount(bought.order, minlength=n_orders)
    line = first + np.floor(rng.random(n_orders) * n_lines).astype(np.int64)
    line = line[rng.random(n_orders) < refund_probability(mood)]
    return Lines(
        customer=bought.customer[line],
        occurred=seconds_on(rng, bought.day[line] + rng.integers(1, 15, len(line))),
        order=bought.order[line],
        amount=bought.amount[line],
        discount=np.zeros(len(line)),
        margin=-bought.margin[line],
        quantity=bought.quantity[line],
        product=bought.product[line],
        is_refund=np.ones(len(line), np.int64),
    )


def transactions(
    rng: np.random.Generator, lives: Lives, lines: Lines, customer_ids: list[str]
) -> pa.Table:
    """Return the transactions that the span's export holds, sorted by customer and time."""
    known = recorded(rng, lines.occurred)
    rows = exported(
        lines.customer, lines.occurred, known, lives.span.last_day, lives.span.first_day
    )
    order = lines.order[rows]
    return as_table(
        {
            "customer_id": coded(lines.customer[rows], customer_ids),
            "occurred_at": stamps(lines.occurred[rows]),
            "amount": numbers(lines.amount[rows]),
            "order_id": coded(order, _order_ids(lives, customer_ids)),
            "margin": numbers(lines.margin[rows]),
            "discount": numbers(lines.discount[rows]),
            "quantity": numbers(lines.quantity[rows].astype(np.float64)),
            "product_id": coded(lines.product[rows], PRODUCTS),
            "category": coded(lines.product[rows] // PRODUCTS_PER_CATEGORY, CATEGORIES),
            "kind": coded(lines.is_refund[rows], ("purchase", "refund")),
            "recorded_at": stamps(known[rows]),
        }
    )


def _order_ids(lives: Lives, customer_ids: list[str]) -> list[str]:
    """Return one id per order: the customer's id and the order's number within it."""
    customer = lives.order_customer
    number = np.arange(len(customer)) - np.searchsorted(customer, customer) + 1
    pairs = zip(customer.tolist(), number.tolist(), strict=True)
    return [f"S{customer_ids[who][1:]}-{nth:03d}" for who, nth in pairs]
