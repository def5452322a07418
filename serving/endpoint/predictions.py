"""From a request to the body of its answer: by id from the publication, by records from models."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from configs.section import Text
from serving.endpoint.complaints import invalid
from serving.endpoint.problem_kinds import KINDS
from serving.endpoint.problems import FieldError, ProblemError, pointer
from serving.endpoint.replies import as_text
from serving.endpoint.requests import ROWS, Closed
from serving.endpoint.rules import check_rows, of_repeated

if TYPE_CHECKING:
    from serving.access.customer_scope import CustomerScope
    from serving.endpoint.contract_rows import ContractRows
    from serving.endpoint.served import Served

UNKNOWN = Text(zh="不在当前发布结果中", en="is not in the live publication")
HOW_TO_KNOW = KINDS["unknown-customer"].detail


NOBODY = FieldError(
    "/records",
    Text(zh="没有客户", en="names no customer"),
    Text(zh="请在任一表中发送一行。", en="Send a row of any table."),
)


def unknown_at(where: str) -> ProblemError:
    """Return that the customer whom the request names at ``where`` is not published."""
    detail = Text(
        zh=f"该客户{UNKNOWN.zh}。{HOW_TO_KNOW.zh}",
        en=f"The customer {UNKNOWN.en}. {HOW_TO_KNOW.en}",
    )
    return ProblemError("unknown-customer", detail, (FieldError(where, UNKNOWN, HOW_TO_KNOW),))


def by_ids(served: Served, customer_ids: Sequence[str], scope: CustomerScope) -> str:
    """Return the answer about ``customer_ids`` in the order asked; outside ``scope`` is unknown.

    Raises:
        ProblemError: see :func:`in_order`.
    """
    return in_order("predictions", served.texts_by_id(scope.of(customer_ids)), customer_ids)


def in_order(name: str, texts: Mapping[str, str], customer_ids: Sequence[str]) -> str:
    """Return the body that holds ``texts`` under ``name`` in the order asked.

    Raises:
        ProblemError: unknown-customer, when one is asked for and not published. Of several, those
            not published are listed under ``not_found``.
    """
    if len(customer_ids) == 1 and not texts:
        raise unknown_at("/customer_ids/0")
    missing = [
        {
            "customer_id": customer_id,
            "code": "unknown-customer",
            "pointer": pointer(("customer_ids", place)),
            "detail": HOW_TO_KNOW.model_dump(),
        }
        for place, customer_id in enumerate(customer_ids)
        if customer_id not in texts
    ]
    found = [texts[customer_id] for customer_id in customer_ids if customer_id in texts]
    return _body(name, found, as_text(missing))


def by_records(served: Served, records: Closed, today: dt.date, scope: CustomerScope) -> str:
    """Return the answer about the customers in ``records``, scored now.

    Raises:
        ProblemError: see :func:`checked`.
    """
    as_of = checked(served, records, today, scope)
    return _body("predictions", served.texts_by_records(records, as_of), "[]")


def explained_by_ids(served: Served, customer_ids: Sequence[str], scope: CustomerScope) -> str:
    """Return the explanations of ``customer_ids`` in the order asked; outside ``scope`` is unknown.

    Raises:
        ProblemError: see :func:`in_order`.
    """
    return in_order("explanations", served.explained_by_id(scope.of(customer_ids)), customer_ids)


def explained_by_records(
    served: Served, records: Closed, today: dt.date, scope: CustomerScope
) -> str:
    """Return the explanations of the customers in ``records``, scored now.

    Raises:
        ProblemError: see :func:`checked`.
    """
    as_of = checked(served, records, today, scope)
    return _body("explanations", served.explained_by_records(records, as_of), "[]")


def checked(served: Served, records: Closed, today: dt.date, scope: CustomerScope) -> dt.date:
    """Return the day that ``records`` are scored at, once they can be.

    Raises:
        ProblemError: unknown-customer for a row of somebody outside ``scope``, since a published
            customer is held against their past; invalid-request for rows after ``as_of`` or an
            ``as_of`` still to come; rows of tables, or of columns, that the served model does not
            know.
    """
    if not scope.is_everybody:
        _check_scope(records, scope)
    as_of = getattr(records, "as_of", None) or served.as_of
    latest = max(today, served.as_of)
    if as_of > latest:
        detail = Text(zh="尚未到来", en="is still to come")
        remedy = Text(zh=f"请发送不晚于{latest}的日期。", en=f"Send a day on or before {latest}.")
        raise invalid([FieldError("/records/as_of", detail, remedy)])
    if served.contract is not None:
        _check_contract(served.contract, records)
    else:
        _check_events(records, as_of, served.zone)
    return as_of


def _check_scope(records: Any, scope: CustomerScope) -> None:
    for table in (*ROWS, "snapshot"):
        for place, row in enumerate(getattr(records, table)):
            customer_id = row.get("customer_id") if table == "snapshot" else row.customer_id
            if not isinstance(customer_id, str) or customer_id not in scope:
                raise unknown_at(pointer(("records", table, place, "customer_id")))


def _check_contract(contract: ContractRows, records: Any) -> None:
    check_only(records, ROWS, EVENTS_OF_CONTRACT)
    rows = contract.read(records.snapshot)
    repeated = of_repeated("snapshot", rows)
    if repeated:
        raise invalid(repeated)
    if not rows:
        raise invalid([NO_CONTRACT])


def _check_events(records: Any, as_of: dt.date, zone: ZoneInfo) -> None:
    check_only(records, ("snapshot",), SNAPSHOT_OF_EVENTS)
    check_rows(records, as_of, zone)
    if not any(getattr(records, table) for table in ROWS):
        raise invalid([NOBODY])


def check_only(records: Any, refused: Iterable[str], said: tuple[Text, Text]) -> None:
    """Refuse rows in tables that the served model does not know.

    Raises:
        ProblemError: invalid-request, with a pointer to each of them.
    """
    sent = [table for table in refused if getattr(records, table)]
    if sent:
        raise invalid([FieldError(pointer(("records", table)), *said) for table in sent])


EVENTS_OF_CONTRACT = (
    Text(zh="不是合同客户的表", en="is no table of contract customers"),
    Text(zh="请在records.snapshot中发送行。", en="Send rows under records.snapshot."),
)
SNAPSHOT_OF_EVENTS = (
    Text(zh="只供合同客户的模型使用", en="is for models of contract customers"),
    Text(
        zh="请发送customers、transactions等表的行。",
        en="Send rows of customers, transactions and the other tables.",
    ),
)
NO_CONTRACT = FieldError(
    "/records/snapshot", NOBODY.detail, Text(zh="请发送一行。", en="Send a row.")
)


def _body(name: str, answers: Sequence[str], missing: str) -> str:
    return f'{{"{name}":[{",".join(answers)}],"not_found":{missing}}}'
