"""Reading the fields of a form; what is wrong is said by the field's name, with the remedy."""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Collection

from starlette.datastructures import FormData

from configs.section import Text
from serving.console.page import PageError

NOTE_LETTERS = 1000
TITLE_LETTERS = 120
AMOUNT_AT_MOST = 1e9
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


def wrong(name: Text, remedy: Text) -> PageError:
    """Return the refusal of a form for one of its fields."""
    title = Text(zh=f"“{name.zh}”填写有误", en=f"“{name.en}” is not right")
    return PageError(422, title, remedy)


def line(form: FormData, field: str) -> str:
    """Return a field as one line without space around it; empty where it is missing."""
    return " ".join(str(form.get(field, "")).split())


def chosen(form: FormData, field: str, name: Text, choices: Collection[str]) -> str:
    """Return which of ``choices`` was made."""
    value = str(form.get(field, ""))
    if value not in choices:
        raise wrong(name, Text(zh="请从列表中选择。", en="Choose one of the list."))
    return value


def note(form: FormData, is_needed: bool = False, most: int = NOTE_LETTERS) -> str:
    """Return what was written, without space around it."""
    name = Text(zh="备注", en="Note")
    text = str(form.get("note", "")).replace("\r\n", "\n").strip()
    if len(text) > most:
        remedy = Text(
            zh=f"请缩短到{most}字以内，现为{len(text)}字。",
            en=f"Shorten it to {most} letters; it has {len(text)}.",
        )
        raise wrong(name, remedy)
    if _CONTROL.search(text):
        raise wrong(name, Text(zh="请去掉不可见字符。", en="Leave out control characters."))
    if is_needed and not text:
        raise wrong(name, Text(zh="请写明情况。", en="Write what is the case."))
    return text


def title(form: FormData) -> str:
    """Return the title of a task."""
    name, text = Text(zh="任务", en="Task"), line(form, "title")
    if not text or len(text) > TITLE_LETTERS or _CONTROL.search(text):
        remedy = Text(
            zh=f"请用1到{TITLE_LETTERS}字写明要做什么。",
            en=f"Say in 1 to {TITLE_LETTERS} letters what is to be done.",
        )
        raise wrong(name, remedy)
    return text


def amount(form: FormData) -> float:
    """Return money: above nothing, to the hundredth."""
    name = Text(zh="金额", en="Amount")
    text = line(form, "amount").replace(",", "").replace("，", "").replace(" ", "")
    try:
        value = round(float(text), 2)
    except ValueError:
        value = math.nan
    if not 0 < value <= AMOUNT_AT_MOST:
        raise wrong(name, Text(zh="请填写大于0的金额。", en="Give an amount above 0."))
    return value


def day(
    form: FormData, field: str, name: Text, first: dt.date, days: int, is_needed: bool = True
) -> dt.date | None:
    """Return a day between ``first`` and so many days later; ``None`` where none was given."""
    text, last = line(form, field), first + dt.timedelta(days)
    if not text and not is_needed:
        return None
    try:
        value = dt.date.fromisoformat(text)
    except ValueError:
        value = dt.date.min
    if not first <= value <= last:
        remedy = Text(
            zh=f"请选择{first}至{last}之间的日期。", en=f"Choose a day from {first} to {last}."
        )
        raise wrong(name, remedy)
    return value


def number(form: FormData, field: str, name: Text) -> int:
    """Return a whole number that a page put into its form."""
    text = str(form.get(field, ""))
    if not (text.isascii() and text.isdigit() and len(text) < 16):
        raise wrong(name, Text(zh="请重新打开页面。", en="Open the page again."))
    return int(text)
