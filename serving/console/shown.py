"""Templates of the console and how numbers, days and words stand in them."""

from __future__ import annotations

import datetime as dt
import secrets
from collections.abc import Mapping
from functools import cache, partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from babel.dates import format_date, format_datetime
from jinja2 import Environment, PackageLoader, StrictUndefined

from configs.section import Language, Text
from configs.version import VERSION
from serving.console.static_files import address
from serving.scores.numbers import LOCALES, compact_money, money, number, percent, signed

if TYPE_CHECKING:
    from serving.console.page import Visit

TOKEN_BYTES = 18


@cache
def environment() -> Environment:
    """Return the templates; what is not defined is an error, and everything is escaped."""
    made = Environment(
        loader=PackageLoader("serving.console"),
        autoescape=True,
        undefined=StrictUndefined,
        auto_reload=False,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals["echelon"] = VERSION
    made.globals["static"] = address
    made.filters["signed"] = signed
    return made


def render(template: str, visit: Visit, shown: Mapping[str, Any]) -> str:
    """Return ``template`` filled.

    Every template has ``_(zh, en)`` and ``t(text)``, which say a text in the reader's language;
    ``money``, ``compact``, ``number``, ``percent``, ``day`` and ``moment``, which write values in
    it; ``static``, which names a file of the package; ``form_token``, which makes one for a form;
    ``flash``, which tells of the form that led here; ``without_ids``, which puts stand-ins into
    what people wrote, for who sees no ids; ``visit``; and ``menu``, the pages of the
    navigation that this person may see.
    """
    language = visit.language
    words = {
        "_": lambda zh, en: zh if language == "zh" else en,
        "t": visit.say,
        "money": partial(_money, visit.config.currency, language),
        "compact": partial(_compact, visit.config.currency, language),
        "number": lambda value: "–" if value is None else number(value, language),
        "percent": lambda share, digits=0: (
            "–" if share is None else percent(share, language, digits)
        ),
        "day": partial(day, language),
        "moment": partial(moment, visit, language),
        "language": language,
        "visit": visit,
        "company": visit.say(visit.config.company),
        "menu": visit.console.menu(visit),
        "other_language": _in_other_language(visit),
        "form_token": form_token,
        "flash": partial(_flash, visit),
        "iso_day": dt.date.fromisoformat,
        "called": lambda name: _called(name, language),
        "n_pending": partial(_n_pending, visit),
        "team_problem": partial(_team_problem, visit),
        "without_ids": partial(_without_ids, visit),
    }
    return environment().get_template(template).render({**words, **shown})


def form_token() -> str:
    """Return what tells a form that is sent twice from two forms."""
    return secrets.token_urlsafe(TOKEN_BYTES)


def _flash(visit: Visit) -> str | None:
    from serving.console.acting.actions import flash

    return flash(visit) if "did" in visit.query else None


def _n_pending(visit: Visit) -> int:
    """Return how many overrides wait for a second person."""
    from serving.console.acting.overrides import pending_now

    return len(pending_now(visit))


def _team_problem(visit: Visit) -> Text | None:
    """Return why the team's files cannot be read, to those who can have them mended."""
    from serving.console.staff.team import team_problem

    return team_problem(visit.config) if visit.person.role in ("manager", "admin") else None


def _without_ids(visit: Visit, text: str) -> str:
    from serving.console.masking import without_ids

    return without_ids(visit, text)


def _called(name: str, language: Language) -> str:
    from serving.console.staff.owners import called

    return called(name, language)


def _in_other_language(visit: Visit) -> str:
    """Return this page's address with its query, in the other language."""
    asked = [(name, value) for name, value in visit.query.multi_items() if name != "lang"]
    return f"?{urlencode([*asked, ('lang', 'en' if visit.language == 'zh' else 'zh')])}"


def _money(currency: str, language: Language, amount: float | None) -> str:
    return "–" if amount is None else money(amount, currency, language)


def _compact(currency: str, language: Language, amount: float | None) -> str:
    return "–" if amount is None else compact_money(amount, currency, language)


def day(language: Language, value: dt.date | None) -> str:
    """Return a day as people write it.

    >>> day("zh", dt.date(2026, 7, 1)), day("en", dt.date(2026, 7, 1)), day("en", None)
    ('2026年7月1日', 'Jul 1, 2026', '–')
    """
    return "–" if value is None else format_date(value, "medium", LOCALES[language])


def short_day(language: Language, value: dt.date, today: dt.date) -> str:
    """Return a day as people write it, without the year that they are in.

    >>> short_day("zh", dt.date(2026, 7, 1), dt.date(2026, 9, 1))
    '7月1日'
    >>> short_day("en", dt.date(2025, 7, 1), dt.date(2026, 9, 1))
    'Jul 1, 2025'
    """
    if value.year != today.year:
        return day(language, value)
    return format_date(value, "M月d日" if language == "zh" else "MMM d", LOCALES[language])


def moment(visit: Visit, language: Language, value: dt.datetime | None) -> str:
    """Return a moment in the company's time zone."""
    if value is None:
        return "–"
    local = value.astimezone(ZoneInfo(visit.config.timezone))
    form = "y年M月d日 HH:mm" if language == "zh" else "MMM d, y, HH:mm"
    return format_datetime(local, form, locale=LOCALES[language])
