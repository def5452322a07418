"""JSON read as RFC 8259 has it and no wider: what Python takes beyond that is refused."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Any

from configs.section import Text
from serving.endpoint.problem_kinds import KINDS
from serving.endpoint.problems import FieldError, ProblemError, pointer

NOT_UTF8 = Text(zh="请以UTF-8文本发送请求体。", en="Send the body as UTF-8 text.")
TOO_DEEP = Text(zh="请求体嵌套过深。", en="The body is nested too deeply.")
TOO_MANY_DIGITS = Text(zh="有数字的位数过多。", en="A number has too many digits.")


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
        raise ProblemError("malformed-json", _stops_at(error.lineno, error.colno)) from error
    except UnicodeError as error:
        raise ProblemError("malformed-json", NOT_UTF8) from error
    except RecursionError as error:
        raise ProblemError("malformed-json", TOO_DEEP) from error
    except ValueError as error:
        raise ProblemError("malformed-json", TOO_MANY_DIGITS) from error
    if odd:
        raise _odd(odd[0], value)
    return value


def _stops_at(line: int, column: int) -> Text:
    return Text(
        zh=f"请求体自第{line}行第{column}列起不是JSON。",
        en=f"The body stops being JSON at line {line}, column {column}.",
    )


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
        detail = Text(zh="该对象中有重复的键。", en="A key stands twice in this object.")
        places = [where for where, part in _parts(value) if isinstance(part, _Repeated)]
    else:
        detail = Text(
            zh="数字为NaN、无穷，或超出双精度范围。",
            en="The number is NaN, infinite or beyond the range of a double.",
        )
        places = [
            where
            for where, part in _parts(value)
            if isinstance(part, float) and not math.isfinite(part)
        ]
    remedy = KINDS[code].detail
    both = Text(zh=f"{detail.zh}{remedy.zh}", en=f"{detail.en} {remedy.en}")
    return ProblemError(code, both, tuple(FieldError(pointer(p), detail, remedy) for p in places))


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
