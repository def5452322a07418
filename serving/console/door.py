"""The door of the console: every page is asked for through it, every refusal is a page.

An ASGI app beside the gate of the endpoint. It lets in who has a session, by the row of the table
of pages; takes forms from this site's own pages only (Sec-Fetch-Site, and Origin where a browser
does not send that: OWASP's cross-site request forgery sheet, Fetch metadata); and answers with a
policy under which the browser runs nothing but the files of this package.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar
from urllib.parse import SplitResult, parse_qsl, quote, urlsplit

from starlette.datastructures import FormData, Headers, QueryParams, UploadFile
from starlette.requests import cookie_parser
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import compile_path

from configs.section import Language, Text
from serving.console.kept import Kept
from serving.console.page import Page, PageError, Visit
from serving.console.threads import FILES_AT_ONCE, PAGES_AT_ONCE, in_threads
from serving.console.visitors import sessions
from serving.console.visitors.people import Person
from serving.console.visitors.sign_in import SECURE_SESSION_COOKIE, SESSION_COOKIE
from serving.endpoint.endpoint import Endpoint
from serving.endpoint.gate import (
    KEY,
    ROW,
    TRACE_ID,
    App,
    Incoming,
    Receive,
    Rules,
    Scope,
    Send,
    check_head,
    failed,
)
from serving.endpoint.languages import preferred
from serving.endpoint.logs import failure
from serving.endpoint.problems import ProblemError
from serving.endpoint.route import PUBLIC, RouteTable, Row
from serving.endpoint.state import AWAY

HOME = "/console"
FORM_BYTES = 64 * 1024
FORM_SECONDS = 10.0
FORM_FIELDS = 400
PAGE_SECONDS = 30.0
LANGUAGE_COOKIE = "echelon_language"
COOKIE = "Path=/; SameSite=Lax; HttpOnly"
YEAR_SECONDS = 365 * 86_400

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = (
    ("content-security-policy", POLICY),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "same-origin"),
    ("cross-origin-opener-policy", "same-origin"),
)
NO_PAGE = Text(zh="没有这个页面", en="There is no such page")
NOT_YOURS = Text(zh="您的角色不能使用此功能", en="Your role may not do this")
FROM_ELSEWHERE = Text(zh="此请求来自其他网站", en="This request came from another site")
TOO_SLOW = Text(zh="页面准备时间过长", en="The page took too long")
TRY_AGAIN = Text(zh="请稍后重试。", en="Try again in a moment.")
FAILED = Text(zh="页面无法显示", en="The page cannot be shown")
GO_BACK = Text(zh="请从上方菜单继续。", en="Go on from the menu.")
ASK_ADMIN = Text(zh="请联系管理员。", en="Ask an administrator.")
SEND_FROM_HERE = Text(
    zh="请在本控制台的页面上重新提交。", en="Send it again from a page of this console."
)
TELL_OPERATOR = Text(
    zh="请稍后重试；若仍失败，请将编号{trace}告知运维人员。",
    en="Try again; if it fails still, tell the operator the number {trace}.",
)

T = TypeVar("T")
logger = logging.getLogger("echelon.console")


class Console:
    """What all pages share.

    Args:
        endpoint: what is served, the state database, the audit log.
        pages: the table of pages; what is not in it does not exist.

    Attributes:
        kept: what pages work out once per publication.
        pages_threads, files_threads: where pages are made, and long files.
    """

    def __init__(self, endpoint: Endpoint, pages: tuple[Page, ...]) -> None:
        self.endpoint = endpoint
        self.pages = pages
        self.kept = Kept()
        self.pages_threads = ThreadPoolExecutor(PAGES_AT_ONCE, "pages")
        self.files_threads = ThreadPoolExecutor(FILES_AT_ONCE, "files")

    def menu(self, visit: Visit) -> list[tuple[str, Text, bool]]:
        """Return address, name and whether it is the present one, of each page in the menu."""
        from serving.console.routes import MENU

        allowed = {page.path for page in self.pages if visit.person.role in page.roles}
        return [
            (path, name, visit.path == path or visit.path.startswith(f"{path}/"))
            for path, name in MENU
            if path in allowed
        ]


class Door:
    """ASGI app that answers ``/`` and everything under ``/console``; the rest is left to ``app``.

    Args:
        app: the gate of the endpoint.
        console: the pages.
        rules: of the gate: allowed hosts.
    """

    def __init__(self, app: App, console: Console, rules: Rules) -> None:
        self.app = app
        self.console = console
        self._pages = {
            (page.path, method): page for page in console.pages for method in page.methods
        }
        self._patterns = [
            (compile_path(path)[0], path) for path in {page.path for page in console.pages}
        ]
        rows = [Row(page.path, page.methods, page.roles, page.name) for page in console.pages]
        self._rules = Rules(RouteTable(rows), rules.serving)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        is_page = scope["type"] == "http" and (
            scope["path"] in ("/", HOME) or scope["path"].startswith(f"{HOME}/")
        )
        if not is_page:
            await self.app(scope, receive, send)
            return
        response = _unchanged(await self._response(scope, receive), scope)
        for name, value in HEADERS:
            response.headers.setdefault(name, value)
        response.headers.setdefault("cache-control", "no-store")
        await response(scope, receive, send)

    async def _response(self, scope: Scope, receive: Receive) -> Response:
        headers = Headers(scope=scope)
        cookies = cookie_parser(headers.get("cookie", ""))
        query = QueryParams(scope.get("query_string", b""))
        visit = Visit(
            self.console,
            _NOBODY,
            self._language(query, cookies, headers),
            scope["path"],
            query=query,
            is_partial=headers.get("hx-request-type") == "partial",
            session=cookies.get(_cookie_name(scope), ""),
            address=(scope.get("client") or ("",))[0],
            is_secure=scope.get("scheme") == "https",
        )
        try:
            row = scope[ROW] = check_head(scope, headers, self._rules)
            _check_site(scope["method"], headers)
            person = await self._in_thread(
                partial(sessions.holder, self.console.endpoint.state, visit.session)
            )
            scope[KEY] = person
            if row.roles != PUBLIC:
                if person is None:
                    return _to_sign_in(scope, headers)
                if person.role not in row.roles:
                    raise PageError(403, NOT_YOURS, ASK_ADMIN)
            visit = replace(
                visit,
                person=person or _NOBODY,
                parameters=self._parameters(scope),
                form=await _form(scope, headers, receive),
            )
            page = self._pages[row.path, scope["method"]]
            response = await self._in_thread(partial(page.handler, visit))
            return self._with_language(response, visit, cookies)
        except Exception as error:  # noqa: BLE001  the outermost frame: the reader gets a page
            return self._refused(visit, scope, error)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        async with asyncio.timeout(PAGE_SECONDS):
            return await in_threads(self.console.pages_threads, work)

    def _refused(self, visit: Visit, scope: Scope, error: Exception) -> Response:
        told = _told(error)
        if told is None:
            logger.error(failure("page-failed", error, scope[TRACE_ID]))
            told = PageError(500, FAILED, _with_trace(scope[TRACE_ID]))
        self.console.endpoint.meters.refused(f"console-{told.status}")
        try:
            response = visit.page("error.html", told.status, error=told)
        except Exception as again:  # noqa: BLE001  a page that says so must not need what failed
            logger.error(failure("page-failed", again, scope[TRACE_ID]))
            text = f"{visit.say(told.title)}\n{visit.say(told.detail)}\n"
            response = PlainTextResponse(text, told.status)
        response.headers.update(told.headers)
        return response

    def _language(
        self, query: QueryParams, cookies: Mapping[str, str], headers: Headers
    ) -> Language:
        for wanted in (query.get("lang"), cookies.get(LANGUAGE_COOKIE)):
            if wanted in ("zh", "en"):
                return wanted  # type: ignore[return-value]
        return (
            preferred(headers.get("accept-language", "")) or self.console.endpoint.config.language
        )

    def _with_language(
        self, response: Response, visit: Visit, cookies: Mapping[str, str]
    ) -> Response:
        wanted = visit.query.get("lang")
        if wanted in ("zh", "en") and cookies.get(LANGUAGE_COOKIE) != wanted:
            cookie = f"{LANGUAGE_COOKIE}={wanted}; {COOKIE}; Max-Age={YEAR_SECONDS}"
            response.headers.append(
                "set-cookie", f"{cookie}; Secure" if visit.is_secure else cookie
            )
        return response

    def _parameters(self, scope: Scope) -> dict[str, str]:
        for pattern, path in self._patterns:
            found = pattern.match(scope["path"])
            if found is not None and path == scope[ROW].path:
                return dict(found.groupdict())
        return {}


_NOBODY = Person("nobody", "", "application")


def _unchanged(response: Response, scope: Scope) -> Response:
    """Return ``response`` without its body where the browser has it already."""
    etag = response.headers.get("etag")
    if etag is None or etag != Headers(scope=scope).get("if-none-match"):
        return response
    names = [name for name in ("etag", "cache-control") if name in response.headers]
    return Response(status_code=304, headers={name: response.headers[name] for name in names})


def _check_site(method: str, headers: Headers) -> None:
    """Refuse a form that another site sent.

    Raises:
        PageError: 403.
    """
    if method in ("GET", "HEAD"):
        return
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    if site is not None and site != "same-origin":
        raise PageError(403, FROM_ELSEWHERE, SEND_FROM_HERE)
    if origin is not None and _split(origin).netloc != headers.get("host", ""):
        raise PageError(403, FROM_ELSEWHERE, SEND_FROM_HERE)
    if site is None and origin is None:
        raise PageError(403, FROM_ELSEWHERE, SEND_FROM_HERE)


def _split(address: str) -> SplitResult:
    """Return the parts of an address; none of one that is none.

    >>> _split("https://a.example/b").netloc, _split("http://[").netloc
    ('a.example', '')
    """
    try:
        return urlsplit(address)
    except ValueError:
        return urlsplit("")


def _cookie_name(scope: Scope) -> str:
    return SECURE_SESSION_COOKIE if scope.get("scheme") == "https" else SESSION_COOKIE


def _to_sign_in(scope: MutableMapping[str, Any], headers: Headers) -> Response:
    """Send the browser to sign in, and from there to the page that it was on or asked for."""
    asked = scope["path"]
    if scope.get("query_string"):
        asked += "?" + scope["query_string"].decode("latin-1")
    is_part = headers.get("hx-request") == "true"
    if is_part or scope["method"] not in ("GET", "HEAD"):
        was_on = _split(headers.get("hx-current-url") or headers.get("referer") or "")
        asked = f"{was_on.path}?{was_on.query}" if was_on.query else was_on.path
    target = f"{HOME}/sign-in?next={quote(asked, safe='')}"
    if is_part:
        return Response(status_code=204, headers={"HX-Redirect": target})
    return RedirectResponse(target, 303)


async def _form(scope: Scope, headers: Headers, receive: Receive) -> FormData:
    """Return the fields of a form, as browsers send it without files.

    Raises:
        PageError: 400, it is none.
        ProblemError: body-too-large, body-too-slow.
    """
    if scope["method"] != "POST":
        return FormData()
    wrong = PageError(400, Text(zh="表单无法读取", en="The form cannot be read"), SEND_FROM_HERE)
    if headers.get("content-type", "").partition(";")[0] != "application/x-www-form-urlencoded":
        raise wrong
    incoming = Incoming(receive, FORM_BYTES, FORM_SECONDS)
    try:
        body = await incoming.body()
    except ProblemError:
        await incoming.discard()
        raise
    try:
        fields = parse_qsl(
            body.decode("ascii"),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=FORM_FIELDS,
        )
    except ValueError as error:
        raise wrong from error
    return FormData(list[tuple[str, str | UploadFile]](fields))


def _told(error: Exception) -> PageError | None:
    """Return what a reader is told of ``error``; ``None`` where it is our fault."""
    if isinstance(error, PageError):
        return error
    if isinstance(error, TimeoutError):
        return PageError(503, TOO_SLOW, TRY_AGAIN, {"Retry-After": "5"})
    if isinstance(error, AWAY):
        error = failed(error)
    if not isinstance(error, ProblemError):
        return None
    if error.kind.status == 404:
        return PageError(404, NO_PAGE, GO_BACK)
    detail = error.detail if isinstance(error.detail, Text) else error.kind.detail
    return PageError(error.kind.status, error.kind.title, detail, error.headers)


def _with_trace(trace: str) -> Text:
    return Text(zh=TELL_OPERATOR.zh.format(trace=trace), en=TELL_OPERATOR.en.format(trace=trace))
