"""The console without a server process: people with roles, and a browser for each.

A test asks for ``office``: the pages over the returning company, with a state database and an audit
log that are this test's alone. What is published is shared: read it, never change it.

    def test_a_manager_reads_the_queue(office):
        page = office.browser("manager").get("/console/queue")
        assert page.status_code == 200

``post`` sends a form as a browser does from the console's own page. Redirects are not followed.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx

from configs.load import load
from configs.schema import Config
from configs.section import Language
from serving.access.audit_writer import AuditWriter
from serving.access.keyring import KeyRing
from serving.console.door import SESSION_COOKIE, Console, Door
from serving.console.page import Page
from serving.console.routes import PAGES
from serving.console.visitors import people, sessions
from serving.console.visitors.people import Person
from serving.endpoint.current import Current
from serving.endpoint.endpoint import Endpoint
from serving.endpoint.gate import Rules
from serving.endpoint.logs import Line
from serving.endpoint.meters import Meters
from serving.endpoint.observed import Observed
from serving.endpoint.route import Role
from serving.endpoint.routes import TABLE
from serving.endpoint.served import Served, open_served
from serving.endpoint.state import State, open_state
from serving.scores.publication import open_live

HOST = "http://localhost:3000"
FORM = "application/x-www-form-urlencoded"
SAME_SITE = {"sec-fetch-site": "same-origin", "origin": HOST}
PARTIAL = {"hx-request": "true", "hx-request-type": "partial"}
OWN = ("state.db", "audit", "first.key")
"""What of the stores each test has for itself."""


async def no_endpoint(scope: Any, receive: Any, send: Any) -> None:
    """Answer 404 for what the door leaves to the gate."""
    await send({"type": "http.response.start", "status": 404, "headers": []})
    await send({"type": "http.response.body", "body": b"no endpoint"})


@dataclass
class Browser:
    """What one person's browser sends, its cookies included."""

    app: Any
    cookies: httpx.Cookies = field(default_factory=httpx.Cookies)
    language: Language = "en"

    def get(self, path: str, **query: str | int) -> httpx.Response:
        """Return the answer to opening an address."""
        return self.ask("GET", path + (f"?{urlencode(query)}" if query else ""))

    def part(self, path: str, **query: str | int) -> httpx.Response:
        """Return what htmx is given when it asks for a part of a page."""
        asked = path + (f"?{urlencode(query)}" if query else "")
        return self.ask("GET", asked, headers={**PARTIAL, **SAME_SITE})

    def post(
        self, path: str, form: Mapping[str, Any] | Sequence[tuple[str, Any]] = (), **headers: str
    ) -> httpx.Response:
        """Return the answer to a form sent from the console's own page."""
        sent = {"content-type": FORM, **SAME_SITE, **headers}
        return self.ask("POST", path, content=urlencode(form).encode(), headers=sent)

    def ask(self, method: str, path: str, **request: Any) -> httpx.Response:
        """Return the answer to any request; an error within the app is raised."""
        headers = {"accept-language": self.language, **request.pop("headers", {})}

        async def once() -> httpx.Response:
            transport = httpx.ASGITransport(self.app)
            async with httpx.AsyncClient(
                transport=transport, base_url=HOST, cookies=self.cookies
            ) as client:
                answer = await client.request(method, path, headers=headers, **request)
                self.cookies = client.cookies
                return answer

        return asyncio.run(once())


@dataclass
class Office:
    """The console of a company, and who may sign in to it.

    Attributes:
        config: of the company; its stores are this test's own where they may change.
        served: what is published; ``None`` before anything is.
        pages: the table of pages.
        log: every line of the log of requests.
    """

    config: Config
    served: Served | None
    pages: tuple[Page, ...] = PAGES
    log: list[Line] = field(default_factory=list)
    _people: dict[str, Person] = field(default_factory=dict)

    @cached_property
    def state(self) -> State:
        """The state database."""
        return open_state(self.config.stores)

    @cached_property
    def endpoint(self) -> Endpoint:
        """What the pages answer from."""
        current: Current[Served] = Current(self.config.stores.publications, _never)
        current.served = self.served
        audit = AuditWriter(self.config.stores, self.state)
        return Endpoint(self.config, current, Meters(), self.state, KeyRing(self.state), audit)

    @cached_property
    def console(self) -> Console:
        """What the pages share."""
        return Console(self.endpoint, self.pages)

    @cached_property
    def app(self) -> Any:
        """The door, observed as in the service."""
        door = Door(no_endpoint, self.console, Rules(TABLE, self.config.serving))
        audit = self.endpoint.audit.answered
        return Observed(door, self.endpoint.meters, self.log.append, None, audit)

    def person(self, role: Role, name: str | None = None) -> Person:
        """Return somebody of ``role``, the same each time; another one by another ``name``."""
        name = name or role
        if name not in self._people:
            self._people[name] = people.add(self.state, name, role, None)
        return self._people[name]

    def browser(
        self, role: Role | None = None, language: Language = "en", name: str | None = None
    ) -> Browser:
        """Return the browser of somebody of ``role`` who has signed in; ``None`` for nobody."""
        browser = Browser(self.app, language=language)
        if role is not None:
            token = sessions.open_session(self.state, self.person(role, name))
            browser.cookies.set(SESSION_COOKIE, token, domain="localhost.local")
        return browser

    def audited(self) -> str:
        """Return the audit log as it stands on disk."""
        self.endpoint.audit.write()
        files = sorted(self.config.stores.audit.glob("*.jsonl"))
        return "".join(file.read_text() for file in files)


def _never(folder: Path, before: Served | None) -> Served:
    raise AssertionError(f"{folder} was opened, though nobody watches the pointer")


def served_by(company: Path) -> Served:
    """Return what is published of the company configured in ``company``."""
    config = load(company, {})
    return open_served(config, open_live(config.stores.publications).folder)


def opened(company: Path, served: Served | None, empty_state: Path, folder: Path) -> Office:
    """Return the console of ``company``, with what may change in ``folder``."""
    config = load(company, {})
    folder.mkdir(exist_ok=True)
    for part in config.stores.root.iterdir():
        if not part.name.startswith(OWN):
            (folder / part.name).symlink_to(part)
    shutil.copy(empty_state, folder)
    stores = config.stores.model_copy(update={"root": folder})
    return Office(config.model_copy(update={"stores": stores}), served)
