"""Pictures of every page of the console, in both languages, at laptop and phone width.

    python -m benchmarks.console.screenshots --config configs/demo.yaml [--out var/screenshots]

Prints the files, and ends with 1 where axe-core finds something grave, a page is wider than its
window, or a script or the page's policy failed.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.console.browsing import (
    LANGUAGES,
    WIDTHS,
    addresses,
    chromium,
    come_in,
    problems,
    serving,
    window,
)
from configs.section import Language

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext


@dataclass(frozen=True)
class Shot:
    """A picture of a page.

    Attributes:
        file: where it is.
        problems: what the browser said against the page.
    """

    file: Path
    problems: tuple[str, ...]


def shots(config: Path, out: Path) -> Iterator[Shot]:
    """Yield pictures of every page as they are taken, of the sign-in page first."""
    out.mkdir(parents=True, exist_ok=True)
    with serving(config, out / "serve.log") as url, chromium() as browser:
        for language in LANGUAGES:
            for width in WIDTHS:
                yield from _in_window(browser, url, config, out, language, width)


def _in_window(
    browser: Browser, url: str, config: Path, out: Path, language: Language, width: int
) -> Iterator[Shot]:
    context = window(browser, language, width)
    yield _shot(context, f"{url}/console/sign-in", out / f"sign_in.{language}.{width}.png")
    page = come_in(context, url, config)
    for name, path in addresses(page, url).items():
        file = out / f"{name.removeprefix('console_')}.{language}.{width}.png"
        yield _shot(context, url + path, file)
    context.close()


def _shot(context: BrowserContext, address: str, file: Path) -> Shot:
    page = context.new_page()
    said: list[str] = []
    page.on("console", lambda one: said.append(one.text) if one.type == "error" else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(address)
    page.evaluate("for (const one of document.images) one.loading = 'eager'")
    page.wait_for_load_state("networkidle")
    page.screenshot(path=file, full_page=True)
    said.extend(problems(page))
    page.close()
    return Shot(file, tuple(said))


def main() -> int:
    """Take the pictures that the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--config", type=Path, default=Path("configs/demo.yaml"))
    parser.add_argument("--out", type=Path, default=Path("var/screenshots"))
    given = parser.parse_args()
    is_well = True
    for shot in shots(given.config, given.out):
        print(shot.file, *shot.problems, sep="\n  ", flush=True)
        is_well = is_well and not shot.problems
    return 0 if is_well else 1


if __name__ == "__main__":
    sys.exit(main())
