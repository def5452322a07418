"""JSON read as RFC 8259 has it and no wider: what Python takes beyond that is refused."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Any

from serving.problems import FieldError, ProblemError, pointer


def strict_json(body: bytes) -> Any:
    """Return the value of ``body``, read as RFC 8259 has it and no wider.

    Raises:
        ProblemError: not UTF-8, not JSON, nested too deeply, half a surrogate pair, NaN, Infinity,
            a number beyond float64, or a key twice in one object.

    >>> strict_json(b'{"a": [1, 2.5]}')
    {'a': [1, 2.5]}
    >>> try:
    ...     strict_json(b'{"a": [1, NaN]}')
    ... except ProblemError as problem:
    ...     problem.code, problem.errors[0].pointer
    ('not-finite-number', '/a/1')
    """
    odd: list[str] = []
    try:
        text = body.decode("utf-8")
        value = _decoder(odd).decode(text)
        if "\\ud" in text.lower():
            json.dumps(value, ensure_ascii=False).encode()
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise ProblemError("malformed-json", f"The body stops being JSON at {where}.") from error
    except UnicodeError as error:
        raise ProblemError("malformed-json", "Send the body as UTF-8 text.") from error
    except RecursionError as error:
        raise ProblemError("malformed-json", "The body is nested too deeply.") from error
    except ValueError as error:
        raise ProblemError("malformed-json", "A number has too many digits.") from error
    if odd:
        raise _odd(odd[0], value)
    return value


class _Repeated(dict[str, Any]):
    """An object in which a key stood twice."""


def _decoder(odd: list[str]) -> json.JSONDecoder:
    def number(text: str) -> float:
        value = float(text)
        if not math.isfinite(value):
            odd.append("not-finite-number")
        return value

    def members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        value = dict(pairs)
        if len(value) < len(pairs):
            odd.append("repeated-key")
            return _Repeated(value)
        return value

    return json.JSONDecoder(
        parse_float=number, parse_constant=number, object_pairs_hook=members, strict=True
    )


def _odd(code: str, value: Any) -> ProblemError:
    """Return the problem that ``code`` names, with every place where it occurs."""
    if code == "repeated-key":
        detail, remedy = "A key stands twice in this object.", "Send each key once."
        places = [where for where, part in _parts(value) if isinstance(part, _Repeated)]
    else:
        detail = "The number is NaN, infinite or beyond the range of a double."
        remedy = "Leave a missing value out, or send null."
        places = [
            where
            for where, part in _parts(value)
            if isinstance(part, float) and not math.isfinite(part)
        ]
    errors = tuple(FieldError(pointer(where), detail, remedy) for where in places)
    return ProblemError(code, f"{detail} {remedy}", errors)


def _parts(value: Any) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    """Yield every value inside ``value`` with its location; deep nesting costs no stack."""
    waiting: list[tuple[tuple[str | int, ...], Any]] = [((), value)]
    while waiting:
        where, part = waiting.pop()
        yield where, part
        if isinstance(part, dict):
            waiting += [((*where, key), inner) for key, inner in part.items()]
        elif isinstance(part, list):
            waiting += [((*where, key), inner) for key, inner in enumerate(part)]
