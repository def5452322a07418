"""Signing in and out: by name and password, or once by the link that the start printed."""

from __future__ import annotations

import datetime as dt
import math
from urllib.parse import quote

from starlette.responses import Response

from configs.section import Text
from serving.console.page import PageError, Visit
from serving.console.visitors import people, sessions, wrong_sign_ins

HOME = "/console/queue"
SESSION_COOKIE = "echelon_session"
SECURE_SESSION_COOKIE = "__Host-echelon_session"
"""Under TLS: no other host and no plain connection can set a cookie of this name (RFC 6265bis)."""

NOT_KNOWN = Text(zh="姓名或密码不正确", en="The name or the password is wrong")
LINK_USED = Text(zh="此链接已使用或已过期", en="This link was used or has expired")
START_AGAIN = Text(
    zh="请在服务器终端运行 echelon users link 获取新链接，或用姓名和密码登录。",
    en="Run `echelon users link` on the server for another, or sign in by name and password.",
)


def home(visit: Visit) -> Response:
    """Send the browser to the first page."""
    wanted = visit.query.get("lang")
    return visit.see(f"{HOME}?lang={wanted}" if wanted in ("zh", "en") else HOME)


def form(visit: Visit) -> Response:
    """Return the page that asks for name and password."""
    return _form(visit, 200, None, visit.query.get("next"))


def enter(visit: Visit) -> Response:
    """Open a session for who gave the right name and password."""
    name, password = str(visit.form.get("name", "")), str(visit.form.get("password", ""))
    state, after = visit.endpoint.state, str(visit.form.get("next", ""))
    attempt = wrong_sign_ins.begin(state, name, visit.address)
    if attempt.wait is not None:
        _note_refused(visit, name)
        response = _form(visit, 429, _wait(attempt.wait), after)
        response.headers["retry-after"] = str(math.ceil(attempt.wait.total_seconds()))
        return response
    person = people.checked(state, name, password)
    if person is None:
        _note_refused(visit, name)
        return _form(visit, 403, NOT_KNOWN, after)
    wrong_sign_ins.forget(state, name, attempt)
    return _entered(visit, person, after)


def link(visit: Visit) -> Response:
    """Return the page with the button that uses a link up; looking at it does not.

    Mail scanners and browsers open addresses before anybody asks for them.
    """
    token = visit.query.get("token", "")
    person = sessions.linked(visit.endpoint.state, token)
    if person is None:
        raise PageError(403, LINK_USED, START_AGAIN)
    return visit.page("link.html", who=person, token=token)


def by_link(visit: Visit) -> Response:
    """Open a session for who has a link, once."""
    person = sessions.use_link(visit.endpoint.state, str(visit.form.get("token", "")))
    if person is None:
        raise PageError(403, LINK_USED, START_AGAIN)
    return _entered(visit, person, HOME)


def leave(visit: Visit) -> Response:
    """End the session of this browser."""
    sessions.close_session(visit.endpoint.state, visit.session)
    visit.endpoint.audit.happened("signed-out", key=visit.person.id)
    response = visit.see("/console/sign-in")
    response.headers.append("set-cookie", _cookie(visit, "", dt.timedelta()))
    return response


def _entered(visit: Visit, person: people.Person, after: str) -> Response:
    """Send who has signed in on, with a new session; the one that this browser had ends."""
    sessions.close_session(visit.endpoint.state, visit.session)
    token = sessions.open_session(visit.endpoint.state, person)
    visit.endpoint.audit.happened("signed-in", key=person.id, role=person.role)
    response = visit.see(next_page(after))
    response.headers.append("set-cookie", _cookie(visit, token, sessions.LASTS))
    return response


def _form(visit: Visit, status: int, wrong: Text | None, after: str | None) -> Response:
    return visit.page("sign_in.html", status, wrong=wrong, next=next_page(after))


def _note_refused(visit: Visit, name: str) -> None:
    person = people.named(visit.endpoint.state, name)
    visit.endpoint.audit.happened("sign-in-refused", key="none" if person is None else person.id)


def _wait(wait: dt.timedelta) -> Text:
    minutes = math.ceil(wait.total_seconds() / 60)
    return Text(
        zh=f"错误次数过多，请在{minutes}分钟后重试；也可请管理员提供一次性登录链接。",
        en=f"Too many wrong tries. Try again in {minutes} minutes, or ask an administrator for a "
        "one-time link.",
    )


def _cookie(visit: Visit, token: str, lasts: dt.timedelta) -> str:
    name = SECURE_SESSION_COOKIE if visit.is_secure else SESSION_COOKIE
    ends = f"Max-Age={int(lasts.total_seconds())}"
    cookie = f"{name}={token}; Path=/; SameSite=Lax; HttpOnly; {ends}"
    return f"{cookie}; Secure" if visit.is_secure else cookie


def next_page(path: str | None) -> str:
    """Return a page of this console; never another site's.

    >>> next_page("/console/queue?page=2"), next_page("//evil.example"), next_page(None)
    ('/console/queue?page=2', '/console/queue', '/console/queue')
    >>> next_page("/console/queue\\r\\nset-cookie: a=b"), next_page("/console/\\\\evil.example")
    ('/console/queue', '/console/queue')
    """
    is_ours = path is not None and path.startswith("/console/") and path.isprintable()
    if path is None or not is_ours or "\\" in path or " " in path:
        return HOME
    return quote(path, safe="/?&=%:,;@!*'()+~#$-._")
