"""One row of the console's table of pages, and one visit of a signed-in person."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from starlette.datastructures import FormData, QueryParams
from starlette.responses import HTMLResponse, RedirectResponse, Response

from configs.section import Language, Text
from serving.console.shown import render
from serving.console.visitors.people import Person
from serving.endpoint.route import Role

if TYPE_CHECKING:
    from configs.schema import Config
    from serving.console.door import Console
    from serving.endpoint.endpoint import Endpoint
    from serving.endpoint.served import Served

T = TypeVar("T")
READ = ("GET", "HEAD")


class PageError(Exception):
    """A page cannot be shown or an action cannot be taken; the reader is told why.

    Args:
        status: of HTTP: 400 wrong input, 403, 404, 409 somebody was faster, 422.
        title: what is wrong.
        detail: how to mend it.
        headers: of the answer.
    """

    def __init__(
        self, status: int, title: Text, detail: Text, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(title.en)
        self.headers = dict(headers or {})
        self.status = status
        self.title = title
        self.detail = detail


@dataclass(frozen=True)
class Visit:
    """One request, by one person, who reads one language.

    Attributes:
        console: what pages share.
        person: who asks.
        language: what they read.
        path: the address, without its query.
        parameters: what stands in braces in the row's path.
        query: what stands after the question mark.
        form: what was sent by a form; empty for GET.
        is_partial: htmx asks for a part of a page: what extends `base.html` is then sent without
            what stands around `main`.
    """

    console: Console
    person: Person
    language: Language
    path: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    query: QueryParams = field(default_factory=QueryParams)
    form: FormData = field(default_factory=FormData)
    is_partial: bool = False
    session: str = ""
    address: str = ""
    is_secure: bool = False

    @property
    def endpoint(self) -> Endpoint:
        """Configuration, state database, audit log and what is served."""
        return self.console.endpoint

    @property
    def config(self) -> Config:
        """The company and its settings."""
        return self.console.endpoint.config

    @property
    def served(self) -> Served:
        """What is served; take it once in a handler.

        Raises:
            ProblemError: not-ready, before anything is served.
        """
        return self.console.endpoint.served

    def kept(self, served: Served, make: Callable[[Served], T]) -> T:
        """Return ``make(served)``, worked out once per publication; ``make`` is module level."""
        return self.console.kept.get(served, make)

    def say(self, text: Text) -> str:
        """Return ``text`` in the reader's language."""
        return text.zh if self.language == "zh" else text.en

    def page(self, template: str, status: int = 200, **shown: Any) -> Response:
        """Return the page made of ``template`` (of this package) and ``shown``."""
        return HTMLResponse(render(template, self, shown), status)

    def see(self, path: str) -> Response:
        """Send the browser on to ``path`` after a form was taken."""
        return RedirectResponse(path, 303)


Handler = Callable[[Visit], Response]
"""Runs in a thread, so it may read files and the database; parses, calls, formats."""


@dataclass(frozen=True)
class Page:
    """An address of the console, who may come, and what answers.

    Attributes:
        path: in Starlette's form, such as ``/console/customers/{customer_id:path}``.
        methods: in upper case; ``POST`` takes a form and is checked for cross-site requests.
        roles: who may come; the table's default is nobody.
        name: what metrics, logs and the audit call it, such as ``console_queue``.
        handler: what answers.
    """

    path: str
    methods: tuple[str, ...]
    roles: frozenset[Role]
    name: str
    handler: Handler
