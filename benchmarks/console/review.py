"""A week of a manager in Chromium: ten customers, an override, policy, plan, export.

    python -m benchmarks.console.review [--config configs/demo.yaml] [--log var/review.log]

A manager is added, signs in by name and password, chooses an audience, does something about ten
customers, overrides the tier of one, sees the effect of another policy and proposes it, plans, and
exports the audience; in each language. A company that names no employees is given a few for the
plan. What the state database then holds is compared with what was done. Prints each step and the
seconds that it took; ends with 1 where one failed.
"""

from __future__ import annotations

import argparse
import csv
import os
import secrets
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa

from benchmarks.console.browsing import LANGUAGES, chromium, serving, window
from configs.load import load
from configs.schema import Config
from configs.section import Language
from serving.allocation.plan import read_tasks
from serving.console.acting.events import EVENTS
from serving.console.visitors import people_office
from serving.console.visitors.people import Person
from serving.endpoint.state import open_state

if TYPE_CHECKING:
    from playwright.sync_api import Page

WORKED = (*("contact",) * 6, "assign", "task", "snooze", "dismiss")
"""What is done about the first ten customers, in turn."""
PLAN_SECONDS = 120.0
SWAP_SECONDS = 15.0
SAID = {"zh": "已电话联系，下周回访", "en": "Called; visit next week"}
OVERRIDDEN = "override"
BY_PLAN = "plan-"
"""What tokens of events begin with that a plan handed out."""
EMPLOYEES = """code,name,skill,hours_per_week
R1,王芳,experienced,30
R2,Ann Smith,regular,30
R3,李伟,regular,30
"""
"""Who plans are made for where a company names nobody."""


class ReviewError(AssertionError):
    """A step of the review did not do what a manager would expect."""


@dataclass
class Review:
    """One manager's week.

    Attributes:
        page: of a window in which nobody has signed in yet.
        url: where the console answers.
        config: the company.
        language: what the manager reads.
        told: what was done, and how long it took.
    """

    page: Page
    url: str
    config: Config
    language: Language
    told: list[tuple[str, float]] = field(default_factory=list)

    def run(self) -> list[tuple[str, float]]:
        """Return the steps with the seconds that each took.

        Raises:
            ReviewError: one did not do what it should.
        """
        name, password = f"Review {secrets.token_hex(3)}", secrets.token_urlsafe(12)
        person = people_office.add(self.config, name, "manager", password)
        self._step("sign in", lambda: self._sign_in(name, password))
        self._step("choose an audience", self._choose)
        customers = self._customers()
        for customer, kind in zip(customers, WORKED, strict=False):
            self._step(kind, lambda customer=customer, kind=kind: self._act(customer, kind))
        self._step("override", lambda: self._act(customers[0], OVERRIDDEN))
        self._step("change the policy", self._policy)
        self._step("plan", self._plan)
        self._step("export", lambda: self._export(customers))
        done = self._on_record(person)
        expected = sorted([*WORKED[: len(customers)], OVERRIDDEN])
        _check(done == expected, f"on record are {done}, not {expected}")
        return self.told

    def _step(self, name: str, work: Callable[[], None]) -> None:
        begun = time.perf_counter()
        work()
        self.told.append((name, time.perf_counter() - begun))

    def _open(self, path: str) -> None:
        answer = self.page.goto(self.url + path)
        _check(answer is not None and answer.ok, f"{path} answered {answer and answer.status}")

    def _sign_in(self, name: str, password: str) -> None:
        self._open("/console/queue")
        self.page.fill("[name=name]", name)
        self.page.fill("[name=password]", password)
        self.page.locator("main form button").click()
        self.page.wait_for_url("**/console/queue*")

    def _choose(self) -> None:
        before = self.page.locator("main .lead").first.inner_text()
        slider = self.page.locator("input[name=churn]")
        slider.focus()
        for _ in range(20):
            slider.press("ArrowRight")
        self.page.locator("form.ask button").first.click()
        end = time.perf_counter() + SWAP_SECONDS
        while self.page.locator("main .lead").first.inner_text() == before:
            _check(time.perf_counter() < end, "another audience says the same")
            self.page.wait_for_timeout(50)

    def _customers(self) -> list[str]:
        rows = self.page.locator("a[data-row]")
        found = [rows.nth(i).get_attribute("href") or "" for i in range(rows.count())]
        _check(bool(found), "nobody is in the audience")
        return found[: len(WORKED)]

    def _act(self, customer: str, kind: str) -> None:
        self._open(customer)
        form = self.page.locator(f'form[action="/console/actions/{kind}"]').first
        if not form.is_visible():
            form.locator("xpath=ancestor::details[1]/summary").click()
        for select in form.locator("select[required]").all():
            values = select.locator("option").evaluate_all("all => all.map(one => one.value)")
            if not select.input_value():
                select.select_option(next(value for value in values if value))
        for text in form.locator("textarea, input[name=title]").all():
            text.fill(SAID[self.language])
        with self.page.expect_response(f"**/console/actions/{kind}") as answer:
            form.locator("button").last.click()
        status = answer.value.status
        _check(status in (200, 303), f"{kind} about {customer} answered {status}")
        self.page.wait_for_load_state("networkidle")

    def _policy(self) -> None:
        self._open("/console/policy/edit")
        buffer = self.page.locator("[name=hysteresis]")
        buffer.fill(str(int(float(buffer.input_value())) + 5))
        self.page.locator("textarea[name=comment]").fill(SAID[self.language])
        self.page.locator("main form button[value=preview]").last.click()
        self.page.wait_for_load_state("networkidle")
        _check(self.page.locator("#preview table").count() > 0, "no effect of the policy is shown")
        self.page.locator("main form button[value=propose]").click()
        self.page.wait_for_url("**/console/policy/*")
        _check("/edit" not in self.page.url, "the policy was not taken")

    def _plan(self) -> None:
        self._open("/console/plan")
        if not self.config.team.employees:
            return
        self.page.locator('form[action="/console/plan"] button').first.click()
        approve = self.page.locator('form[action="/console/plan/approve"] button')
        end = time.perf_counter() + PLAN_SECONDS
        while not approve.count() and time.perf_counter() < end:
            self.page.wait_for_timeout(1000)
            self.page.reload()
        _check(approve.count() > 0, f"no plan was made in {PLAN_SECONDS:.0f} s")
        approve.first.click()
        self.page.wait_for_load_state("networkidle")

    def _export(self, customers: list[str]) -> None:
        self._open("/console/queue?churn=50")
        with self.page.expect_download() as saved:
            self.page.locator('a[href*="export.csv"]').click()
        with Path(saved.value.path()).open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.reader(file))
        _check(len(rows) > len(customers), f"the export has {len(rows)} rows")

    def _on_record(self, person: Person) -> list[str]:
        """Return the kinds of what this person did, without what approving the plan handed out.

        A plan hands no task out that is open from an earlier one, be it another person's.
        """
        state = open_state(self.config.stores)
        with state.reading() as connection:
            asked = EVENTS.c.person, EVENTS.c.kind, EVENTS.c.token, EVENTS.c.customer_id
            rows = connection.execute(sa.select(*asked)).all()
        state.close()
        handed_out = {customer for _, _, token, customer in rows if token.startswith(BY_PLAN)}
        if self.config.team.employees is not None:
            plans = self.config.stores.plans
            newest = max(plans.iterdir(), key=lambda folder: folder.stat().st_mtime).name
            planned = set(read_tasks(plans, newest)["customer_id"].to_pylist())
            _check(bool(planned), "the plan serves nobody")
            _check(planned <= handed_out, f"{len(planned - handed_out)} of the plan have no task")
        else:
            _check(not handed_out, "tasks were handed out without a team")
        return sorted(
            kind
            for who, kind, token, _ in rows
            if who == person.id and not token.startswith(BY_PLAN)
        )


def _check(holds: bool, otherwise: str) -> None:
    if not holds:
        raise ReviewError(otherwise)


def main() -> int:
    """Review a company in each language, and print how it went."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--config", type=Path, default=Path("configs/demo.yaml"))
    parser.add_argument("--log", type=Path, default=Path("var/review.log"))
    given = parser.parse_args()
    given.log.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="echelon-review-") as folder:
        return _reviewed(given.config, given.log, _staff(given.config, Path(folder)))


def _staff(path: Path, folder: Path) -> dict[str, str]:
    """Return the setting that gives a company some employees, where it names none itself."""
    if load(path).team.employees is not None:
        return {}
    file = folder / "employees.csv"
    file.write_text(EMPLOYEES, encoding="utf-8")
    return {"ECHELON_TEAM__EMPLOYEES": str(file)}


def _reviewed(path: Path, log: Path, settings: dict[str, str]) -> int:
    """Return 0 where the review went well in each language, 1 else; print how it went."""
    from playwright.sync_api import Error

    config = load(path, {**os.environ, **settings})
    with serving(path, log, settings) as url, chromium() as browser:
        for language in LANGUAGES:
            context = window(browser, language)
            review = Review(context.new_page(), url, config, language)
            try:
                review.run()
            except (ReviewError, Error) as error:
                review.page.screenshot(path=log.with_suffix(f".{language}.png"))
                print(f"{language}: after {[name for name, _ in review.told]}: {error}")
                return 1
            for name, seconds in review.told:
                print(f"{language}  {name:20}  {seconds:6.1f} s")
            context.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
