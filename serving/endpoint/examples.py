"""Example requests of the OpenAPI document; tests send each to the endpoint."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

from serving.endpoint.contract_rows import ContractRows

Named = dict[str, dict[str, Any]]
BY_ID = {
    "summary": "Customers of the live publication",
    "value": {"customer_ids": ["C0000001", "C0000002"]},
}


def of_customers(as_of: dt.date, contract: ContractRows | None) -> Named:
    """Return questions about customers that a publication of ``as_of`` answers."""
    if contract is not None:
        rows = [contract.example("N1"), {"customer_id": "N2"}]
        summary = "A contract customer's own columns, and one of whom nothing is known"
        return {
            "by_id": BY_ID,
            "by_records": {"summary": summary, "value": {"records": {"snapshot": rows}}},
        }
    return {
        "by_id": BY_ID,
        "by_records": {
            "summary": "A customer's own records, scored now",
            "value": {"records": records(as_of)},
        },
        "without_history": {
            "summary": "A customer of whom nothing is known yet",
            "value": {"records": {"customers": [{"customer_id": "N2"}]}},
        },
    }


def records(as_of: dt.date) -> dict[str, Any]:
    """Return the records of a customer with a little of everything."""

    def ago(days: int) -> str:
        return (as_of - dt.timedelta(days=days)).isoformat()

    orders = [
        {"occurred_at": f"{ago(75)}T10:15:00", "amount": 128.5, "order_id": "O-1"},
        {"occurred_at": ago(20), "amount": 64.0, "order_id": "O-2", "category": "tea"},
        {"occurred_at": ago(9), "amount": 64.0, "order_id": "O-2", "kind": "refund"},
    ]
    complaint = {"occurred_at": f"{ago(18)}T09:00:00+08:00", "kind": "complaint"}
    survey = {"occurred_at": ago(17), "instrument": "csat", "score": 2, "comment": "Too slow"}
    followers = {"observed_at": ago(30), "name": "followers", "value": 1200}
    new = {"customer_id": "N1"}
    return {
        "as_of": as_of.isoformat(),
        "customers": [new | {"signed_up_on": ago(90)}],
        "transactions": [new | order for order in orders],
        "interactions": [new | complaint | {"channel": "phone"}],
        "satisfaction": [new | survey],
        "attributes": [new | followers],
    }


def of_events(as_of: dt.date, contract: ContractRows | None) -> Named:
    """Return questions about hypothetical events; none of contract customers."""
    if contract is not None:
        return {}
    orders = {"event": "order", "amount": 300, "count": 2}
    survey = {"event": "survey", "instrument": "nps", "score": 9, "in_days": 20}
    resolved = {"event": "complaint_resolved", "in_days": 7}
    return {
        "by_id": {
            "summary": "Two orders of 300 in the next four weeks, and a survey answered with 9",
            "value": {"customer_id": "C0000001", "events": [orders, survey], "in_days": 28},
        },
        "by_records": {
            "summary": "A complaint resolved in a week, of a customer whose records are sent",
            "value": {"records": records(as_of), "events": [resolved]},
        },
    }


def of_paths(as_of: dt.date, contract: ContractRows | None) -> Named:
    """Return questions about paths; none of contract customers."""
    if contract is not None:
        return {}
    return {
        "next_tier": {
            "summary": "The way of a published customer to the next tier",
            "value": {"customer_id": "C0000001"},
        },
        "below_churn": {
            "summary": "The way below a churn probability of 0.3, of a customer's own records",
            "value": {"records": records(as_of), "goal": "below_churn", "below": 0.3},
        },
    }


def of_rows(as_of: dt.date, contract: ContractRows | None) -> Named:
    """Return rows of batch jobs as NDJSON that a publication of ``as_of`` answers."""
    own = of_customers(as_of, contract)["by_records"]["value"]["records"]
    one = {name: rows[:1] if isinstance(rows, list) else rows for name, rows in own.items()}
    lines = ({"customer_id": "C0000001"}, {"customer_id": "C0000002"}, {"records": one})
    return {
        "rows": {
            "summary": "Two published customers, and the records of a third",
            "value": "".join(json.dumps(line) + "\n" for line in lines),
        }
    }
