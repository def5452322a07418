"""The head of the queue: what is at risk, what changed, how far the team and the model go."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass

import numpy as np

from configs.schema import Config
from serving.console.book import book
from serving.console.page import Visit
from serving.console.review_queue.audience import minutes
from serving.console.review_queue.risk_change import Making, RiskChange
from serving.console.review_queue.worked import Worked
from serving.console.staff.team import team_shown
from serving.endpoint.served import Served
from serving.monitoring.found import last_found
from serving.monitoring.outcome import Outcome
from training.grade import Letter


@dataclass(frozen=True)
class AtRisk:
    """What is lost if customers leave as likely as forecast; money.

    Attributes:
        expected: the sum of churn probability times expected value.
        low, high: hold it as surely as ``level`` says, as totals strayed in the past: a bootstrap,
            never a sum of customers' bounds. Churn probabilities are taken as they are.
            ``None`` where nothing was measured.
    """

    expected: float
    low: float | None
    high: float | None
    level: float | None


@dataclass(frozen=True)
class Capacity:
    """Hours of the team in this week.

    Attributes:
        hours: that employees have for customers.
        assigned: what contacts take that are assigned and due in this week.
        until: the last day of the week.
    """

    hours: float
    assigned: float
    until: dt.date

    @property
    def minutes_left(self) -> float:
        """What is not assigned yet."""
        return 60 * max(self.hours - self.assigned, 0.0)

    @property
    def used(self) -> float | None:
        """The share of hours that is assigned."""
        return self.assigned / self.hours if self.hours > 0 else None


@dataclass(frozen=True)
class Headline:
    """The head of the queue.

    Attributes:
        at_risk: ``None`` without models of both churn and value.
        change: since the publication before; ``None`` where there is none; not done while it is
            worked out.
        capacity: ``None`` where no team is set.
        grade: the weaker of the models'.
        grades: by target.
        outcome: leavers expected and actual of the latest closed horizon; ``None`` before one is.
        closes_on: the day on which the first can be told.
    """

    at_risk: AtRisk | None
    change: Future[RiskChange | None]
    capacity: Capacity | None
    grade: Letter | None
    grades: Mapping[str, Letter]
    outcome: Outcome | None
    closes_on: dt.date


def headline(visit: Visit, served: Served, done: Worked) -> Headline:
    """Return the head of the queue."""
    terms = served.publication.manifest.terms
    return Headline(
        at_risk=visit.kept(served, at_risk),
        change=visit.kept(served, Making(visit.config)),
        capacity=capacity(visit.config, done),
        grade=terms.grade,
        grades={str(target): grade for target, grade in terms.grades.items()},
        outcome=_outcome(visit.config),
        closes_on=served.as_of + dt.timedelta(days=terms.churn_horizon_days),
    )


def at_risk(served: Served) -> AtRisk | None:
    """Return what is at risk, with an interval where the bundle knows how totals stray."""
    found, portfolio = book(served), served.bundle.portfolio
    if np.isnan(found.at_risk).all():
        return None
    lost = np.nan_to_num(found.at_risk)
    total = float(lost.sum())
    if portfolio is None:
        return AtRisk(total, None, None, None)
    rank = len(found.tier.words) - 1 - found.tier.codes.astype(np.int64)
    draws = portfolio.draws(lost, np.where(found.tier.codes < 0, 0, rank)).sum(axis=1)
    tail = (1.0 - portfolio.level) / 2.0
    low, high = np.quantile(draws, [tail, 1.0 - tail])
    return AtRisk(total, min(float(low), total), max(float(high), total), portfolio.level)


def capacity(config: Config, done: Worked) -> Capacity | None:
    """Return how much of the team's week is assigned; ``None`` where no team is set."""
    team = team_shown(config)
    if not team.employees:
        return None
    return Capacity(
        hours=sum(employee.hours_per_week for employee in team.employees),
        assigned=float(minutes(done, config.team, done.is_due_this_week).sum()) / 60,
        until=done.sunday,
    )


def _outcome(config: Config) -> Outcome | None:
    """Return the latest closed churn horizon that monitoring has looked at."""
    found = last_found(config.stores)
    closed = [] if found is None else [one for one in found.outcomes if one.target == "churn"]
    return max(closed, key=lambda one: one.as_of, default=None)
