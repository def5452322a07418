"""Hypothetical events as they are given on the command line."""

from __future__ import annotations

from collections.abc import Sequence

import typer
from pydantic import ValidationError

from configs.events import AnyEvent, ComplaintResolved, Contact, Order, Survey
from features.raw.vocabulary import SCALES


def events_of(
    orders: Sequence[float], resolved: bool, surveys: Sequence[str], contacts: Sequence[str]
) -> list[AnyEvent]:
    """Return the events that options stand for.

    Args:
        orders: amounts.
        resolved: whether open complaints are resolved.
        surveys: ``9`` (of NPS) or ``csat=4``.
        contacts: ``visit``, or ``outbound:visit``.

    Raises:
        BadParameter: an option stands for no event, or none is given.

    >>> [event.event for event in events_of([300.0], False, ["csat=4"], ["outbound:visit"])]
    ['order', 'survey', 'contact']
    """
    try:
        events: list[AnyEvent] = [Order(amount=amount) for amount in orders]
        events += [ComplaintResolved()] if resolved else []
        events += [_survey(text) for text in surveys]
        events += [_contact(text) for text in contacts]
    except (ValidationError, ValueError) as error:
        raise typer.BadParameter(_first_of(error)) from error
    if not events:
        raise typer.BadParameter("suppose something: --order, --survey, --contact, …")
    return events


def _survey(text: str) -> Survey:
    """Return the answer to a survey.

    Raises:
        ValueError: the score is no number, or off the instrument's scale.
    """
    instrument, _, score = text.rpartition("=")
    survey = Survey(instrument=instrument or "nps", score=_number(score))
    low, high = SCALES[survey.instrument]
    if not low <= survey.score <= high:
        raise ValueError(
            f"{text!r} is off the scale: {survey.instrument} goes from {low:g} to {high:g}"
        )
    return survey


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"{text!r} is no score; give one such as 9, or csat=4") from None


def _contact(text: str) -> Contact:
    direction, _, kind = text.rpartition(":")
    return Contact(kind=kind, direction=direction or "inbound")


def _first_of(error: ValidationError | ValueError) -> str:
    if not isinstance(error, ValidationError):
        return str(error)
    first = error.errors(include_url=False)[0]
    return f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"
