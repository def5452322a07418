"""What is wrong with a request and how to mend it, in both languages and without the value."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pydantic_core import ErrorDetails

from configs.errors import nearest
from configs.events import KINDS
from configs.section import Text
from features.contracts import LARGEST_NUMBER
from serving.endpoint.problems import (
    SHOWN_AT_MOST,
    FieldError,
    ProblemError,
    Said,
    in_one,
    is_plain,
    pointer,
)

Known = Callable[[Sequence[int | str], str | None], Sequence[str]]
"""From a place in a request, and the kind of event there, to the fields accepted at it."""

Words = tuple[Text, Text]
"""What is wrong, and how to mend it."""

UNKNOWN_FIELD = Text(zh="是、或含有未知的字段", en="is, or holds, a field that is not known")
"""Where the name of a field looks like data, the pointer ends at the object that holds it."""


def _words(zh: str, en: str, remedy_zh: str, remedy_en: str) -> Words:
    return Text(zh=zh, en=en), Text(zh=remedy_zh, en=remedy_en)


UNFIT = _words("不符合要求", "does not fit", "形式见/docs.json。", "See /docs.json for its form.")
REMEDIES = {
    "missing": _words("缺失", "is missing", "请发送该字段。", "Send it."),
    "not_a_date": _words(
        "不是日期", "is no date", "请发送如'2026-11-20'的文本。", "Send text such as '2026-11-20'."
    ),
    "not_a_moment": _words(
        "不是日期时间",
        "is no date and time",
        "请发送如'2026-11-20T09:30:00'的文本；非本地时间请带时差，如'+08:00'。",
        "Send text such as '2026-11-20T09:30:00', with an offset such as '+08:00' if not local.",
    ),
    "day_out_of_range": _words(
        "不在1900年至2200年之间",
        "lies outside the years 1900 to 2200",
        "请发送发生的日期。",
        "Send the day it happened.",
    ),
    "one_way": _words(
        "customer_ids与records都没有，或都有",
        "gives neither or both of customer_ids and records",
        "请只发送其中之一。",
        "Send exactly one of them.",
    ),
    "one_customer": _words(
        "customer_id与records都没有，或都有",
        "gives neither or both of customer_id and records",
        "请只发送其中之一。",
        "Send exactly one of them.",
    ),
    "below_of_another_goal": _words(
        "给出了below，而goal不是below_churn",
        "gives below, which only the goal below_churn has",
        '请同时发送"goal": "below_churn"，或去掉below。',
        'Send "goal": "below_churn" with it, or leave it out.',
    ),
    "string_type": _words(
        "不是文本", "is no text", "请发送双引号中的文本。", "Send text in double quotes."
    ),
    "not_a_category": _words(
        "既非文本也非数字", "is neither text nor number", "请发送类别。", "Send the category."
    ),
    "string_pattern_mismatch": _words(
        "含有控制字符", "holds control characters", "请去掉。", "Remove them."
    ),
    "int_type": _words(
        "不是整数",
        "is no whole number",
        "请发送不带小数的JSON数字。",
        "Send a JSON number without a fraction.",
    ),
    "bool_type": _words(
        "不是真假值", "is no boolean", "请发送true或false。", "Send true or false."
    ),
    "float_type": _words(
        "不是数字",
        "is no number",
        "请发送JSON数字，不带引号和分隔符。",
        "Send a JSON number, without quotes or separators.",
    ),
    "finite_number": _words(
        "不是有限值",
        "is not finite",
        "缺失的值请省略，或发送null。",
        "Leave a missing value out, or send null.",
    ),
    "tuple_type": _words("不是列表", "is no list", "请发送JSON列表。", "Send a JSON list."),
    "model_type": _words(
        "不是JSON对象",
        "is no JSON object",
        "请发送花括号中的对象。",
        "Send an object in braces.",
    ),
    "string_too_short": _words(
        "为空", "is empty", "请至少发送一个字符。", "Send at least one character."
    ),
    "too_short": _words("为空", "is empty", "请至少发送一个。", "Send at least one."),
}
"""By pydantic's type of error."""
ALIASES = {
    "model_attributes_type": "model_type",
    "dict_type": "model_type",
    "list_type": "tuple_type",
}


def refused(found: Sequence[ErrorDetails], known: Known) -> ProblemError:
    """Return the problem that pydantic's errors make; those that are not shown are counted only."""
    shown = [explained(one, known) for one in found[:SHOWN_AT_MOST]]
    return invalid(shown, len(found))


def invalid(errors: Sequence[FieldError], count: int | None = None) -> ProblemError:
    """Return the problem that lists ``errors``; its detail is the first of them.

    Args:
        errors: in the order of the request; at least one.
        count: how many there are, where ``errors`` are only the first.
    """
    count = len(errors) if count is None else count
    first, more = errors[0], count - 1
    detail, remedy = first.detail, first.remedy
    zh = f"{first.pointer or '请求体'}{in_one(detail, 'zh')}。{in_one(remedy, 'zh')}"
    en = f"{first.pointer or 'The body'} {in_one(detail, 'en')}. {in_one(remedy, 'en')}"
    if more:
        zh, en = f"{zh}（另有{more}处）", f"{en} ({more} more)"
    return ProblemError("invalid-request", Text(zh=zh, en=en), tuple(errors), count=count)


def explained(error: ErrorDetails, known: Known) -> FieldError:
    """Return what pydantic found wrong as a place, what is wrong there, and how to mend it."""
    where, context = error["loc"], error.get("ctx", {})
    event = str(where[2]) if len(where) > 2 and where[0] == "events" else None
    if event is not None:
        where = (*where[:2], *where[3:])  # pydantic puts the kind of event into the place
    if error["type"] == "extra_forbidden":
        names = known(where[:-1], event)
        return FieldError(pointer(where), UNKNOWN_FIELD, near(str(where[-1]), names))
    if error["type"] in ("union_tag_invalid", "union_tag_not_found"):
        where = (*where, "event")
    detail, remedy = _told(error["type"], where, context)
    return FieldError(pointer(where), detail, remedy)


def near(wrong: str, right: Sequence[str]) -> Text:
    """Return a sentence that lists the right names, the nearest first; never the wrong one."""
    likely = nearest(wrong, right) if is_plain(wrong) else None
    listed = ", ".join(sorted(right))
    if likely is None:
        return Text(zh=f"已知字段：{listed}。", en=f"Known: {listed}.")
    return Text(
        zh=f"是否为{likely}？已知字段：{listed}。",
        en=f"Did you mean {likely!r}? Known: {listed}.",
    )


def _told(kind: str, where: Sequence[int | str], context: Mapping[str, Any]) -> Words:
    match kind:
        case "string_too_long":
            most = f"{context['max_length']:,}"
            return _words(
                "过长", "is too long", f"最多{most}个字符。", f"Send at most {most} characters."
            )
        case "too_long":
            most = f"{context['max_length']:,}"
            return _words(
                "条目过多", "has too many entries", f"最多{most}项。", f"Send at most {most}."
            )
        case "greater_than_equal" | "less_than_equal" | "greater_than" | "less_than":
            return TOO_LARGE if where[0] == "records" else _out_of_range(context)
        case "union_tag_invalid" | "union_tag_not_found":
            words = ", ".join(KINDS)
            return _words(
                "不是事件", "is no event", f"请发送其中之一：{words}。", f"Send one of {words}."
            )
        case "literal_error":
            words = context["expected"]
            return _words(
                "不在已知的词中",
                "is none of the known words",
                f"请发送其中之一：{words}。",
                f"Send one of {words}.",
            )
        case _:
            return REMEDIES.get(ALIASES.get(kind, kind), UNFIT)


TOO_LARGE = _words(
    "过大",
    "is too large",
    f"请发送±{LARGEST_NUMBER:,.0f}以内的数字。",
    f"Send a number within ±{LARGEST_NUMBER:,.0f}.",
)
BOUNDS: dict[str, tuple[str, str]] = {
    "ge": ("不小于", "at least"),
    "gt": ("大于", "more than"),
    "le": ("不大于", "at most"),
    "lt": ("小于", "less than"),
}


def _out_of_range(context: Mapping[str, Any]) -> Words:
    told = [(*words, context[name]) for name, words in BOUNDS.items() if name in context]
    zh = "且".join(f"{word}{bound:g}" for word, _, bound in told)
    en = " and ".join(f"{word} {bound:g}" for _, word, bound in told)
    return _words("超出范围", "is out of range", f"请发送{zh}的数字。", f"Send {en}.")


def field_error(where: Sequence[int | str], zh: str, en: str, remedy: Said) -> FieldError:
    """Return what is wrong at ``where``, a location in the request."""
    return FieldError(pointer(where), Text(zh=zh, en=en), remedy)
