"""The door of the console: every page is asked for through it, every refusal is a page.

An ASGI app beside the gate of the endpoint. It lets in who has a session, by the row of the table
of pages; takes forms from this site's own pages only (Sec-Fetch-Site, and Origin where a browser
does not send that: OWASP's cross-site request forgery sheet, Fetch metadata); and answers with a
policy under which the browser runs nothing but the files of this package.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, MutableMapping
from functools import partial
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

from anyio import to_thread
from starlette.datastructures import FormData, Headers, QueryParams, UploadFile
from starlette.requests import cookie_parser
from starlette.responses import RedirectResponse, Response
from starlette.routing import compile_path

from configs.section import Language, Text
from serving.console import sessions
from serving.console.kept import Kept
from serving.console.page import Page, PageError, Visit
from serving.console.people import Person
from serving.endpoint.endpoint import Endpoint
from serving.endpoint.gate import KEY, ROW, TRACE_ID, App, Receive, Rules, Scope, Send, check_head
from serving.endpoint.languages import preferred
from serving.endpoint.logs import failure
from serving.endpoint.problems import ProblemError
from serving.endpoint.route import PUBLIC, RouteTable, Row

HOME = "/console"
FORM_BYTES = 64 * 1024
FORM_SECONDS = 10.0
FORM_FIELDS = 400
PAGE_SECONDS = 30.0
SESSION_COOKIE = "echelon_session"
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
FAILED = Text(zh="页面无法显示", en="The page cannot be shown")
GO_BACK = Text(zh="请从左侧菜单继续。", en="Go on from the menu.")
ASK_ADMIN = Text(zh="请联系管理员。", en="Ask an administrator.")
SEND_FROM_HERE = Text(
    zh="请在本控制台的页面上重新提交。", en="Send it again from a page of this console."
)
TELL_OPERATOR = Text(
    zh="请稍后重试；若仍失败，请将编号{trace}告知运维人员。",
    en="Try again; if it fails still, tell the operator the number {trace}.",
)

logger = logging.getLogger("echelon.console")


class Console:
    """What all pages share.

    Args:
        endpoint: what is served, the state database, the audit log.
        pages: the table of pages; what is not in it does not exist.

    Attributes:
        kept: what pages work out once per publication.
    """

    def __init__(self, endpoint: Endpoint, pages: tuple[Page, ...]) -> None:
        self.endpoint = endpoint
        self.pages = pages
        self.kept = Kept()
        self.is_secure = endpoint.config.serving.tls_certificate is not None

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
        language = self._language(query, cookies, headers)
        person: Person | None = None
        visit = Visit(self.console, _NOBODY, language, scope["path"], query=query)
        try:
            if scope["path"] in ("/", HOME):
                return RedirectResponse(f"{HOME}/queue", 303)
            row = scope[ROW] = check_head(scope, headers, self._rules)
            _check_site(scope["method"], headers)
            token = cookies.get(SESSION_COOKIE, "")
            person = await to_thread.run_sync(sessions.holder, self.console.endpoint.state, token)
            scope[KEY] = person
            if person is None and row.roles != PUBLIC:
                return _to_sign_in(scope, headers)
            if row.roles != PUBLIC and person is not None and person.role not in row.roles:
                raise PageError(403, NOT_YOURS, ASK_ADMIN)
            visit = Visit(
                self.console,
                person or _NOBODY,
                language,
                scope["path"],
                self._parameters(scope),
                query,
                await _form(scope, headers, receive),
                headers.get("hx-request-type") == "partial",
            )
            page = self._pages[row.path, scope["method"]]
            async with asyncio.timeout(PAGE_SECONDS):
                response = await to_thread.run_sync(
                    partial(page.handler, visit), abandon_on_cancel=True
                )
            return self._with_language(response, query, cookies)
        except PageError as error:
            return self._refused(visit, error)
        except ProblemError as error:
            return self._refused(visit, _told(error))
        except Exception as error:  # noqa: BLE001  the outermost frame: the reader gets a page
            logger.error(failure("page-failed", error, scope[TRACE_ID]))
            detail = Text(
                zh=TELL_OPERATOR.zh.format(trace=scope[TRACE_ID]),
                en=TELL_OPERATOR.en.format(trace=scope[TRACE_ID]),
            )
            return self._refused(visit, PageError(500, FAILED, detail))

    def _refused(self, visit: Visit, error: PageError) -> Response:
        self.console.endpoint.meters.refused(f"console-{error.status}")
        return visit.page("error.html", error.status, error=error)

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
        self, response: Response, query: QueryParams, cookies: Mapping[str, str]
    ) -> Response:
        wanted = query.get("lang")
        if wanted in ("zh", "en") and cookies.get(LANGUAGE_COOKIE) != wanted:
            cookie = f"{LANGUAGE_COOKIE}={wanted}; {COOKIE}; Max-Age={YEAR_SECONDS}"
            response.headers.append("set-cookie", cookie)
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
    names = "etag", "cache-control", "content-security-policy"
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
    if origin is not None and urlsplit(origin).netloc != headers.get("host", ""):
        raise PageError(403, FROM_ELSEWHERE, SEND_FROM_HERE)
    if site is None and origin is None:
        raise PageError(403, FROM_ELSEWHERE, SEND_FROM_HERE)


def _to_sign_in(scope: MutableMapping[str, Any], headers: Headers) -> Response:
    asked = scope["path"]
    if scope.get("query_string"):
        asked += "?" + scope["query_string"].decode("latin-1")
    target = f"{HOME}/sign-in?next={quote(asked, safe='')}"
    if headers.get("hx-request") == "true":
        return Response(status_code=204, headers={"HX-Redirect": target})
    return RedirectResponse(target, 303)


async def _form(scope: Scope, headers: Headers, receive: Receive) -> FormData:
    """Return the fields of a form, as browsers send it without files.

    Raises:
        PageError: 400 or 413.
    """
    if scope["method"] != "POST":
        return FormData()
    wrong = Text(zh="表单无法读取", en="The form cannot be read")
    if headers.get("content-type", "").partition(";")[0] != "application/x-www-form-urlencoded":
        raise PageError(400, wrong, SEND_FROM_HERE)
    body, more = b"", True
    try:
        async with asyncio.timeout(FORM_SECONDS):
            while more and len(body) <= FORM_BYTES:
                message = await receive()
                body += message.get("body", b"")
                more = message.get("more_body", False)
        if len(body) > FORM_BYTES:
            raise PageError(413, wrong, SEND_FROM_HERE)
        fields = parse_qsl(
            body.decode(), keep_blank_values=True, errors="strict", max_num_fields=FORM_FIELDS
        )
    except (ValueError, TimeoutError) as error:
        raise PageError(400, wrong, SEND_FROM_HERE) from error
    return FormData(list[tuple[str, str | UploadFile]](fields))


def _told(error: ProblemError) -> PageError:
    if error.kind.status == 404:
        return PageError(404, NO_PAGE, GO_BACK)
    detail = error.detail if isinstance(error.detail, Text) else error.kind.detail
    return PageError(error.kind.status, error.kind.title, detail)
