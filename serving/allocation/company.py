"""The question of a company: from what is published, its team, its actions and what people did."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from zoneinfo import ZoneInfo

import numpy as np

from configs.errors import RecordsError
from configs.schema import Config
from configs.section import Text
from configs.team import SKILLS
from serving.allocation.question import Flags, Floats, Ints, Question
from serving.allocation.scenario import Scenario
from serving.console.acting.offers import offered_by_tier
from serving.console.acting.standing import Standing, standings
from serving.console.book import Book, read_book
from serving.console.experiments.effects import Effects, Source, effect_of, effects, share_of
from serving.console.experiments.holdout import holdouts
from serving.console.staff.team import Employee, TeamRead, team_of
from serving.endpoint.state import State
from serving.scores.publication import Publication
from training.odds import share_taken
from training.policy import Policy

CONTACT = "contact"
"""Code of the option that keeps what a tier is owed and does nothing else."""
CUSTOMERS_AT_MOST = 20_000
"""Asked about at once; what the others could add is bounded, and almost always nothing."""
CONTACT_NAME = Text(zh="例行回访", en="Return visit")


@dataclass(frozen=True)
class Option:
    """Something that may be done.

    Attributes:
        code: of the action, or :data:`CONTACT`.
        name: for people.
        effects: share taken from a churn probability of one half (:mod:`training.odds`), per tier
            in :attr:`Posed.tiers`.
        sources: whether each is measured or assumed.
        is_own: whether each customer's own effect is known, which then stands for these.
    """

    code: str
    name: Text
    effects: tuple[float, ...]
    sources: tuple[Source, ...]
    is_own: bool


@dataclass(frozen=True)
class Posed:
    """A question in numbers, and what its numbers stand for.

    Attributes:
        question: over the customers in ``rows``.
        rest: over those with less to gain who are not asked about; only a bound is made of it.
        book: all who are published.
        rows: of the book, for each customer of the question.
        options: for each column of the question.
        shares: of each customer's churn probability that each option takes away; none for contacts.
        employees: for each person of the question; supposed ones have codes that begin with +.
        tier_names: by code, the highest first, for each tier of the question.
        offered: money to each tier within the planning period so far; its budget is less by it.
    """

    question: Question
    rest: Question
    book: Book
    rows: Ints
    options: tuple[Option, ...]
    shares: Floats
    employees: tuple[Employee, ...]
    tier_names: Mapping[str, Text]
    offered: tuple[float, ...]

    @property
    def tiers(self) -> tuple[str, ...]:
        """Codes of the tiers, the highest first."""
        return tuple(self.tier_names)

    @property
    def digest(self) -> str:
        """SHA-256 of everything that decides the plan."""
        made = hashlib.sha256(repr((self.options, self.employees, self.tiers)).encode())
        for name in Question.__dataclass_fields__:
            made.update(np.asarray(getattr(self.question, name)).tobytes())
        for customer_id in self.book.ids_of(self.rows):
            made.update(customer_id.encode() + b"\0")
        return made.hexdigest()


def posed(config: Config, state: State, publication: Publication, scenario: Scenario) -> Posed:
    """Return the question of a company on the day of ``publication``.

    Raises:
        RecordsError: there is no team, or its files are wrong; or no action can be planned.
    """
    team = team_of(config)
    names = publication.manifest.terms.tier_names
    tiers = tuple(names)
    known = effects(config, publication.manifest.id)
    options = _options(config, tiers, known)
    _check(config, team, options)
    book = read_book(publication)
    stands = _stands(state, book)
    employees = _employees(team, scenario)
    with state.reading() as connection:
        offered = offered_by_tier(connection, config.team, tiers, dt.datetime.now(dt.UTC))
    asked = _Asked(config, book, stands, team, publication.manifest.terms.policy, options, known)
    question = Question(
        gains=asked.gains(),
        costs=asked.costs(),
        hours=asked.hours(),
        levels=asked.levels(),
        possible=asked.possible(state, publication),
        tiers=asked.tier_of,
        owners=asked.owners,
        obliged=asked.obliged,
        dedicated=np.array([config.team.terms(code).dedicated for code in tiers])[asked.tier_of],
        capacities=np.array([one.hours_per_week for one in employees])
        * config.team.weeks
        * scenario.hours,
        skills=np.array([SKILLS.index(one.skill) for one in employees]),
        budgets=_budgets(config, tiers, scenario, offered),
        handover_cost=config.team.handover_cost,
    )
    rows, rest = divided(question, CUSTOMERS_AT_MOST)
    asked_about = narrowed(question, rows)
    return Posed(
        asked_about,
        narrowed(question, rest),
        book,
        rows,
        options,
        asked.shares[rows],
        employees,
        names,
        offered,
    )


def _options(config: Config, tiers: Sequence[str], effects: Effects) -> tuple[Option, ...]:
    """Return what can be planned: actions that say their hours and have an effect; contacts."""
    found = []
    for action in config.actions:
        by_tier = [effect_of(config, action.code, tier) for tier in tiers]
        known = [one for one in by_tier if one is not None]
        if action.hours is not None and len(known) == len(tiers):
            found.append(
                Option(
                    action.code,
                    action.name,
                    tuple(one.estimate for one in known),
                    tuple(one.source for one in known),
                    action.code in effects.own,
                )
            )
    return tuple(found)


def _check(config: Config, team: TeamRead, options: Sequence[Option]) -> None:
    if not team.employees:
        raise RecordsError(
            "there is no team to plan for: team.employees is not set. Name a CSV file there with "
            "the columns code, name, skill, hours_per_week; configs/demo.yaml shows one"
        )
    if not options:
        codes = ", ".join(action.code for action in config.actions)
        raise RecordsError(
            f"no action can be planned: give hours and effect to some of actions ({codes})"
        )


def _stands(state: State, book: Book) -> dict[int, Standing]:
    known = standings(state)
    return {row: known[customer_id] for customer_id, row in book.rows_of(known).items()}


def _employees(team: TeamRead, scenario: Scenario) -> tuple[Employee, ...]:
    found = list(team.employees)
    for skill, more in scenario.people.items():
        hours = [one.hours_per_week for one in team.employees if one.skill == skill]
        usual = float(np.median(hours)) if hours else 0.0
        found += [Employee(f"+{skill}{n}", f"+{n + 1}", skill, usual) for n in range(more)]
    return tuple(found)


def _budgets(
    config: Config, tiers: Sequence[str], scenario: Scenario, offered: Sequence[float]
) -> Floats:
    """Return what each tier's budget leaves after the offers made; infinite without a limit."""
    budgets = [config.team.terms(code).budget for code in tiers]
    whole = np.array([np.inf if one is None else one for one in budgets]) * scenario.budget
    return np.maximum(whole - np.array(offered), 0.0)


@dataclass(frozen=True)
class _Asked:
    """What the arrays of a question are made from; a row per published customer."""

    config: Config
    book: Book
    stands: Mapping[int, Standing]
    team: TeamRead
    policy: Policy
    options: tuple[Option, ...]
    effects: Effects

    @cached_property
    def today(self) -> dt.date:
        """The company's local day, on which overrides and snoozes are in force or have ended."""
        return dt.datetime.now(ZoneInfo(self.config.timezone)).date()

    @property
    def tiers(self) -> tuple[str, ...]:
        """Codes of the tiers, the highest first."""
        return tuple(tier.code for tier in self.policy.tiers)

    @cached_property
    def tier_of(self) -> Ints:
        """Index of each customer's tier; the lowest where none is published."""
        words = [self.tiers.index(word) for word in self.book.tier.words]
        by_code = np.array([*words, len(self.tiers) - 1])
        found = by_code[self.book.tier.codes]
        for row, standing in self.stands.items():
            published = self.book.tier.at(row)
            tier = standing.effective_tier(published, self.today, self.policy)
            if tier in self.tiers:
                found[row] = self.tiers.index(tier)
        return found

    def _of_tier(self, values: Mapping[str, float]) -> Floats:
        return np.array([values[code] for code in self.tiers])[self.tier_of]

    def _actions(self, values: Sequence[float], contact: Floats) -> Floats:
        """Return a column per action, the same for everybody, and the one of the contact."""
        each = [np.full(len(self.book), value) for value in values]
        return np.stack([*each, contact], axis=1)

    def _planned(self) -> list[int]:
        codes = [action.code for action in self.config.actions]
        return [codes.index(option.code) for option in self.options]

    def costs(self) -> Floats:
        """Return money per option."""
        costs = [self.config.actions[at].cost for at in self._planned()]
        return self._actions(costs, np.zeros(len(self.book)))

    def hours(self) -> Floats:
        """Return work per option."""
        hours = [self.config.actions[at].hours or 0.0 for at in self._planned()]
        minutes = {code: self.config.team.minutes(code) for code in self.tiers}
        return self._actions(hours, self._of_tier(minutes) / 60.0)

    def levels(self) -> Ints:
        """Return the least skill per option; what is owed asks for the tier's own."""
        team = self.config.team
        actions = [self.config.actions[at].minimum_skill for at in self._planned()]
        least = {code: float(SKILLS.index(team.terms(code).contact_skill)) for code in self.tiers}
        contact = self._of_tier(least)
        found = self._actions([float(SKILLS.index(skill)) for skill in actions], contact)
        owed = np.where(self.obliged, contact, 0.0)
        return np.maximum(found, owed[:, None]).astype(np.int64)

    def gains(self) -> Floats:
        """Return what an option is expected to save, less its cost."""
        return self.shares * np.nan_to_num(self.book.at_risk)[:, None] - self.costs()

    @cached_property
    def shares(self) -> Floats:
        """Share of the churn probability that an option takes away; a contact takes none."""
        churn = np.nan_to_num(self.book.churn)
        each = [self._share(option, churn) for option in self.options]
        return np.stack([*each, np.zeros(len(self.book))], axis=1)

    def _share(self, option: Option, churn: Floats) -> Floats:
        if option.is_own:
            return share_of(self.effects.own[option.code], churn)
        return share_taken(churn, np.array(option.effects)[self.tier_of])

    @cached_property
    def owners(self) -> Ints:
        """Index of each customer's owner: by what was decided here, else by the file."""
        found = self.team.owner_indices(self.book.customer_ids)
        codes = {one.code: at for at, one in enumerate(self.team.employees)}
        for row, standing in self.stands.items():
            if standing.assignment is not None and standing.assignment.owner in codes:
                found[row] = codes[standing.assignment.owner]
        return found

    @cached_property
    def at_rest(self) -> Flags:
        """Who is snoozed or dismissed: nothing is planned for them."""
        found = np.zeros(len(self.book), bool)
        for row, one in self.stands.items():
            found[row] = one.is_snoozed(self.today) or one.is_dismissed(self.today)
        return found

    @property
    def days_silent(self) -> Floats:
        """Days since anybody was in touch, by the records or by what is on record here."""
        found = self.book.last_contact_days.copy()
        for row, one in self.stands.items():
            if one.last_contact is not None:
                on = one.last_contact.at.astimezone(ZoneInfo(self.config.timezone)).date()
                since = float((self.book.as_of - on).days)
                found[row] = np.fmin(found[row], max(since, 0.0))
        return found

    @cached_property
    def obliged(self) -> Flags:
        """Who is owed a contact, or a first one by an owner of their own."""
        team = self.config.team
        every = {code: float(team.terms(code).contact_every_days or np.inf) for code in self.tiers}
        overdue = self.days_silent > self._of_tier(every)
        alone = self._of_tier({code: float(team.terms(code).dedicated) for code in self.tiers})
        return (overdue | ((alone > 0) & (self.owners < 0))) & ~self.at_rest

    def possible(self, state: State, publication: Publication) -> Flags:
        """Return which options may be chosen."""
        team = self.config.team
        caps = {
            code: np.inf if (cap := team.terms(code).offer_cap) is None else cap
            for code in self.tiers
        }
        found = self.costs() <= self._of_tier(caps)[:, None]
        found[:, -1] = self.obliged
        held = holdouts(state, self.config, publication)
        ids = self.book.customer_ids.to_pylist()
        for at, option in enumerate(self.options):
            found[:, at] &= ~held.held_out(option.code, ids) & self._applies(self._planned()[at])
        return found & ~self.at_rest[:, None]

    def _applies(self, action: int) -> Flags:
        """Return for whom an action has a sense: complaints can be resolved where some are open."""
        events = self.config.actions[action].events
        if any(event.event == "complaint_resolved" for event in events):
            return np.nan_to_num(self.book.open_complaints) > 0
        return np.ones(len(self.book), bool)


def divided(question: Question, at_most: int) -> tuple[Ints, Ints]:
    """Return the customers to ask about, and the others with something to gain.

    Asked about is who is owed something, and who has most to gain, ``at_most`` unless more are
    owed something.
    """
    best = np.where(question.possible, question.gains, 0.0).max(axis=1, initial=0.0)
    order = np.argsort(np.where(question.obliged, -np.inf, -best), kind="stable")
    order = order[question.obliged[order] | (best[order] > 0)]
    n = max(at_most, int(question.obliged.sum()))
    return np.sort(order[:n]), np.sort(order[n:])


def narrowed(question: Question, rows: Ints) -> Question:
    """Return the question over some of its customers."""
    per_customer = (
        "gains", "costs", "hours", "levels", "possible", "tiers", "owners", "obliged", "dedicated",
    )  # fmt: skip
    return replace(question, **{name: getattr(question, name)[rows] for name in per_customer})
