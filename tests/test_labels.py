"""What happened after the cutoff."""

from __future__ import annotations

import pytest

from features.build import feature_matrix
from features.labels import CONTRACT_END, MARGIN, NO_PURCHASE, SPEND, Label, label_table
from features.sources import day_number
from tests.engines import Row, day_of, records_of, table, typed

TRANSACTIONS = """
    customer_id | occurred_at | recorded_at | kind     | amount | margin
    ada         | 2024-03-31  |             | purchase | 1      | 1
    ada         | 2024-04-01  | 2024-09-01  | purchase | 10     | 5
    ada         | 2024-06-29  |             | purchase | 100    |
    ada         | 2024-06-30  |             | purchase | 1000   | 7
    bob         | 2024-03-01  |             | purchase | 1      |
    bob         | 2024-05-01  |             | refund   | 5      | 5
    eve         | 2024-05-01  |             | purchase | 5      | 5
"""


def labelled(
    label: Label, cutoff: str, last: str = "2025-01-01", **tables: list[Row]
) -> dict[str, float | None]:
    records = records_of(tables or {"transactions": table(TRANSACTIONS)})
    day, end = (day_of(typed("occurred_at", text)) for text in (cutoff, last))
    found = label_table(records, [label], [day], 90, last=end)
    return dict(zip(found["customer_id"].to_pylist(), found[label.name].to_pylist(), strict=True))


def test_spend_counts_from_the_day_after_the_cutoff_to_the_end_of_the_horizon() -> None:
    assert labelled(SPEND, "2024-03-31") == {"ada": 110, "bob": 0}


def test_margin_leaves_out_purchases_without_one() -> None:
    assert labelled(MARGIN, "2024-03-31") == {"ada": 5, "bob": 0}


def test_a_refund_is_no_purchase() -> None:
    assert labelled(NO_PURCHASE, "2024-03-31") == {"ada": 0, "bob": 1}


def test_a_horizon_that_has_not_closed_gives_no_label() -> None:
    assert labelled(SPEND, "2024-03-31", last="2024-06-29") == {"ada": 110, "bob": 0}
    assert labelled(SPEND, "2024-03-31", last="2024-06-28") == {"ada": None, "bob": None}


def test_records_end_with_the_last_transaction_unless_said_otherwise() -> None:
    records = records_of({"transactions": table(TRANSACTIONS)})
    last = day_of(typed("occurred_at", "2024-06-30"))
    found = label_table(records, [SPEND], [last - 90, last - 89], 90)
    closed = [value is not None for value in found["spend"].to_pylist()]
    assert closed == [day == last - 90 for day in found["cutoff"].to_pylist()]
    assert any(closed)


def test_a_contract_that_ended_before_the_cutoff_cannot_end_again() -> None:
    customers = table("""
        customer_id | signed_up_on | ended_on
        ada         | 2024-01-01   | 2024-04-01
        bob         | 2024-01-01   | 2024-06-29
        eve         | 2024-01-01   | 2024-06-30
        fay         | 2024-01-01   |
        gus         | 2024-01-01   | 2024-03-31
        hal         | 2024-04-01   | 2024-04-02
    """)
    ended = labelled(CONTRACT_END, "2024-03-31", customers=customers)
    assert ended == {"ada": 1, "bob": 1, "eve": 0, "fay": 0, "gus": None}


@pytest.mark.parametrize("horizon_days", [30, 365])
def test_labels_and_features_are_of_the_same_customers_in_the_same_order(horizon_days: int) -> None:
    records = records_of({"transactions": table(TRANSACTIONS)})
    cutoffs = [
        day_number(date) for date in (typed("ended_on", d) for d in ("2024-03-31", "2024-05-30"))
    ]
    labels = label_table(records, [SPEND, NO_PURCHASE], cutoffs, horizon_days)
    features = feature_matrix(records, [], cutoffs)
    assert labels.select(["customer_id", "cutoff"]).equals(features)
