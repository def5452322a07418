"""The console in a real Chromium: nobody is kept out by how they see, type or browse."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from benchmarks.console.browsing import (
    LANGUAGES,
    addresses,
    chromium,
    come_in,
    problems,
    serving,
    window,
)
from benchmarks.console.review import Review
from configs.load import load
from configs.section import Language
from tests.companies import own_copy

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Route

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("chromium") is None, reason="chromium is not installed"),
]


@dataclass(frozen=True)
class Console:
    """A console that is served, and a browser in front of it."""

    url: str
    config: Path
    browser: Browser
    log: Path

    def window(
        self, language: Language, width: int = 1360, has_scripts: bool = True
    ) -> BrowserContext:
        """Return a window in which the administrator of this machine has signed in."""
        context = window(self.browser, language, width, has_scripts)
        come_in(context, self.url, self.config).close()
        return context


@pytest.fixture(scope="module")
def console(returning_company, tmp_path_factory) -> Iterator[Console]:
    folder = tmp_path_factory.mktemp("browser")
    config = own_copy(returning_company, folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("ECHELON_DATA", raising=False)  # the company's records are its own
        with serving(config, folder / "log") as url, chromium() as browser:
            yield Console(url, config, browser, folder / "log")


@pytest.fixture(scope="module")
def pages(console) -> Mapping[str, str]:
    """Return an address of every page that links lead to."""
    context = console.window("en")
    found = addresses(context.new_page(), console.url)
    context.close()
    return found


@pytest.mark.parametrize(("language", "width"), [("zh", 1360), ("en", 390)])
def test_no_page_keeps_anybody_out_or_breaks_its_policy_or_its_width(
    console, pages, language, width
):
    """`make screenshots` looks at both languages at both widths."""
    found = []
    context = console.window(language, width)
    page = context.new_page()
    page.on("console", lambda said: found.append(f"{page.url} {said.type}: {said.text}"))
    page.on("pageerror", lambda error: found.append(f"{page.url} {error}"))
    for name, path in {"sign_in": "/console/sign-in", **pages}.items():
        shown = page.goto(console.url + path)
        assert shown.ok, (name, shown.status, page.locator("main").inner_text())
        assert page.locator("html").get_attribute("lang") == {"zh": "zh-CN", "en": "en"}[language]
        found.extend(f"{name}: {problem}" for problem in problems(page))
    context.close()
    assert found == []


@pytest.mark.parametrize(("language", "width"), [("zh", 1360), ("en", 390)])
def test_the_model_card_keeps_nobody_out(console, language, width):
    """Nothing may run in the card, so what it says is looked at in a page without its policy."""
    context = console.window(language, width)
    card = context.request.get(f"{console.url}/console/model/card").text()
    context.close()
    page = console.browser.new_page(bypass_csp=True, viewport={"width": width, "height": 900})
    page.set_content(card)
    assert page.locator("h1").count() == 1
    assert problems(page) == []
    page.close()


WITHOUT_PARTS = """main => {
  const copy = main.cloneNode(true);
  const parts = [...copy.querySelectorAll("[hx-trigger]")];
  parts.forEach((part) => part.remove());
  return [copy.textContent, parts.filter((part) => !part.querySelector("a[href], button")).length];
}"""


def is_part(asked: Route) -> bool:
    """Return whether a script asks for a part of a page."""
    return "hx-request" in asked.request.headers


def test_without_scripts_every_page_says_the_same_or_leads_there(console, pages):
    """What comes by a script of its own has a link or a button in its place."""
    said = {}
    for has_scripts in (True, False):
        context = console.window("en", has_scripts=has_scripts)
        page = context.new_page()
        page.route("**/*", lambda asked: asked.abort() if is_part(asked) else asked.continue_())
        for name, path in pages.items():
            page.goto(console.url + path)
            text, n_lost = page.locator("main").evaluate(WITHOUT_PARTS)
            said[name, has_scripts] = re.sub(r"\d\d:\d\d:\d\d|\s+", " ", text)
            assert has_scripts or n_lost == 0, name
        context.close()
    for name in pages:
        assert len(said[name, False]) > 20, name
        assert said[name, False] == said[name, True], name


def test_the_keyboard_reaches_the_content_and_walks_through_rows(console):
    context = console.window("en")
    page = context.new_page()
    page.goto(f"{console.url}/console/queue")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    page.keyboard.press("j")
    first = page.evaluate("document.activeElement.getAttribute('href')")
    page.keyboard.press("j")
    second = page.evaluate("document.activeElement.getAttribute('href')")
    page.keyboard.press("k")
    assert page.evaluate("document.activeElement.getAttribute('href')") == first != second
    page.keyboard.press("Enter")
    page.wait_for_url(f"{console.url}{first}")
    page.keyboard.press("?")
    assert page.locator("#keys").is_visible()
    page.locator("#keys input").uncheck()
    page.keyboard.press("Escape")
    page.reload()
    page.keyboard.press("?")
    assert not page.locator("#keys").is_visible()
    context.close()


def test_the_other_language_is_the_same_page_with_the_same_question(console):
    context = console.window("en")
    page = context.new_page()
    page.goto(f"{console.url}/console/queue?sort=clv")
    page.get_by_role("link", name="中文").click()
    assert page.url.endswith("/console/queue?sort=clv&lang=zh")
    page.goto(f"{console.url}/console/queue")
    assert page.locator("html").get_attribute("lang") == "zh-CN"
    context.close()


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_weeks_review_goes_from_sign_in_to_export_and_all_of_it_is_on_record(console, language):
    context = window(console.browser, language)
    done = Review(context.new_page(), console.url, load(console.config), language).run()
    assert len(done) == 16
    context.close()


def test_neither_the_link_nor_a_session_is_in_the_log(console):
    context = console.window("en")
    (token,) = (one["value"] for one in context.cookies() if "session" in one["name"])
    lines = [one for one in console.log.read_text().splitlines() if one.startswith("{")]
    assert any('"route":"console_queue"' in line for line in lines)
    assert not any("token=" in line or token in line for line in lines)
    context.close()
