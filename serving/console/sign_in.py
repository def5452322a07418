"""Signing in and out: by name and password, or once by the link that the start printed."""

from __future__ import annotations

from starlette.responses import Response

from configs.section import Text
from serving.console import people, sessions
from serving.console.page import PageError, Visit

NOT_KNOWN = Text(zh="姓名或密码不对", en="Name or password is wrong")
LINK_USED = Text(zh="此链接已使用或已过期", en="This link was used or has expired")
START_AGAIN = Text(
    zh="请在终端运行`echelon users link`获取新链接。",
    en="Run `echelon users link` in a terminal for another.",
)
COOKIE = "echelon_session={}; Path=/; SameSite=Lax; HttpOnly; Max-Age={}"


def form(visit: Visit) -> Response:
    """Return the page that asks for name and password."""
    return visit.page("sign_in.html", wrong=None, next=_next(visit.query.get("next")))


def enter(visit: Visit) -> Response:
    """Open a session for who gave the right name and password."""
    name, password = str(visit.form.get("name", "")), str(visit.form.get("password", ""))
    person = people.checked(visit.endpoint.state, name, password)
    after = _next(str(visit.form.get("next", "")))
    if person is None:
        return visit.page("sign_in.html", 403, wrong=NOT_KNOWN, next=after)
    return _entered(visit, person, after)


def by_link(visit: Visit) -> Response:
    """Open a session for who has the link of the start, once."""
    person = sessions.use_link(visit.endpoint.state, visit.query.get("token", ""))
    if person is None:
        raise PageError(403, LINK_USED, START_AGAIN)
    return _entered(visit, person, "/console/queue")


def leave(visit: Visit) -> Response:
    """End every session of who leaves this browser."""
    response = visit.see("/console/sign-in")
    response.headers.append("set-cookie", COOKIE.format("", 0))
    return response


def _entered(visit: Visit, person: people.Person, after: str) -> Response:
    token = sessions.open_session(visit.endpoint.state, person)
    cookie = COOKIE.format(token, int(sessions.LASTS.total_seconds()))
    if visit.console.is_secure:
        cookie += "; Secure"
    response = visit.see(after)
    response.headers.append("set-cookie", cookie)
    return response


def _next(path: str | None) -> str:
    """Return a page of this console; never another site's.

    >>> _next("/console/queue?page=2"), _next("//evil.example"), _next(None)
    ('/console/queue?page=2', '/console/queue', '/console/queue')
    """
    is_ours = path is not None and path.startswith("/console/") and "\\" not in path
    return path if is_ours and path is not None else "/console/queue"
