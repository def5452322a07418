"""A real server and a real Chromium, for whoever looks at the console as a manager does."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from html import unescape
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from benchmarks.serving.contestants import answers, free_port
from configs.errors import ServiceError
from configs.load import load
from configs.section import Language
from serving.console.routes import MENU, PAGES
from serving.console.visitors.people_office import link
from serving.endpoint.route import RouteTable, Row

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

READY_SECONDS = 120
AXE_RULES = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa")
GRAVE = ("serious", "critical")
SCROLLED_AT_MOST = 1
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
WIDTHS = (1360, 390)
HEIGHTS = {1360: 900, 390: 844}
LANGUAGES: tuple[Language, ...] = ("zh", "en")
LOCALES = {"zh": "zh-CN", "en": "en-GB"}
TABLE = RouteTable([Row(page.path, page.methods, page.roles, page.name) for page in PAGES])
LINK = re.compile(r'<a\b[^>]*\bhref="(/console/[^"]+)"')
NOT_LOOKED_AT = frozenset(
    {"console_home", "console_start", "console_link", "console_static", "console_card"}
)
"""The model card is a page of its own under a policy of its own: nothing may run in it, nor may
what looks for barriers."""


@contextmanager
def serving(
    config_path: Path, log: Path, settings: Mapping[str, str] = MappingProxyType({})
) -> Iterator[str]:
    """Run `echelon serve` for the company of ``config_path``, and yield where it answers.

    Args:
        config_path: of the company.
        log: what the server writes.
        settings: variables of its environment that go before the file.

    Raises:
        ServiceError: it did not get ready; ``log`` says why.
    """
    port = free_port()
    command = [sys.executable, "-m", "serving.cli", "serve", "-c", str(config_path)]
    kept = {k: v for k, v in os.environ.items() if k == "ECHELON_DATA" or "ECHELON_" not in k}
    with log.open("wb") as out:
        process = subprocess.Popen(
            [*command, "--port", str(port)], stdout=out, stderr=out, env={**kept, **settings}
        )
    url = f"http://127.0.0.1:{port}"
    try:
        if not answers(f"{url}/readyz", lambda: process.poll() is None, READY_SECONDS):
            raise ServiceError(f"the console of {config_path} did not get ready; see {log}")
        yield url
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(60)


@contextmanager
def chromium() -> Iterator[Browser]:
    """Yield Debian's Chromium, without its window.

    Raises:
        ServiceError: it is not installed.
    """
    from playwright.sync_api import sync_playwright

    path = shutil.which("chromium")
    if path is None:
        raise ServiceError("there is no chromium on this machine: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield browser
        browser.close()


def window(
    browser: Browser, language: Language, width: int = 1360, has_scripts: bool = True
) -> BrowserContext:
    """Return a window of nobody's, in which pages are read in ``language``."""
    return browser.new_context(
        viewport={"width": width, "height": HEIGHTS[width]},
        locale=LOCALES[language],
        java_script_enabled=has_scripts,
    )


def come_in(context: BrowserContext, url: str, config_path: Path) -> Page:
    """Sign the administrator of this machine in by a link, and return the first page."""
    page = context.new_page()
    page.goto(url + link(load(config_path)))
    page.locator("main button").click(timeout=10_000)
    page.wait_for_url("**/console/queue*")
    return page


def problems(page: Page) -> list[str]:
    """Return what axe-core finds grave about a page, and by how much it is too wide."""
    from axe_playwright_python.sync_playwright import Axe

    options = {"runOnly": list(AXE_RULES), "resultTypes": ["violations"]}
    found = [
        f"{violation['id']}: {violation['nodes'][0]['html'][:200]}"
        for violation in Axe().run(page, options=options).response["violations"]
        if violation["impact"] in GRAVE
    ]
    wider = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    return [*found, f"{wider} pixels wider than its window"] if wider > SCROLLED_AT_MOST else found


def addresses(page: Page, url: str) -> Mapping[str, str]:
    """Return one address of each page that links lead to, by the name of its row.

    Pictures and downloads are left out.
    """
    found: dict[str, str] = {}
    waiting = [path for path, _ in MENU]
    while waiting:
        path = waiting.pop(0)
        name = _name(path)
        if name is None or name in found or name in NOT_LOOKED_AT:
            continue
        text = _page_at(page, url + path)
        if text is not None:
            found[name] = path
            waiting.extend(dict.fromkeys(unescape(link) for link in LINK.findall(text)))
    return found


def _page_at(page: Page, address: str) -> str | None:
    """Return the page at ``address``; ``None`` for a picture, a download or a refusal."""
    answer = page.context.request.get(address)
    is_page = answer.headers.get("content-type", "").startswith("text/html")
    return answer.text() if answer.ok and is_page else None


def _name(path: str) -> str | None:
    rows = TABLE.at(urlsplit(path).path)
    row = None if rows is None else rows.get("GET")
    return None if row is None else row.name
