"""The configuration: frozen, typed, checked at birth. Units stand in the names.

Defaults that users may change live in ``configs/default.yaml``, not here, so that one file shows
them all; only what is truly absent unless given defaults to ``None`` or empty.
"""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from configs.events import AnyEvent
from configs.learning import Churn, Clv, FeatureChoice, Promotion, Snapshots, Training
from configs.records import Sources
from configs.section import Language, Section, Text, Timezone
from configs.service import Serving, Webhook
from configs.service_levels import ServiceLevel
from configs.team import Skill, Team
from configs.tiers import Lifecycle, TierPolicy
from configs.trials import Trials


class Stores(Section):
    """Where Echelon keeps what it makes."""

    root: Path
    tracking_uri: str | None = None
    artifacts: str | None = None
    state: str | None = None
    """URL of the database of keys and jobs; default: SQLite in ``root``."""
    model_name: str = "echelon"

    @property
    def records(self) -> Path:
        """Generations of accepted records."""
        return self.root / "records"

    @property
    def signals(self) -> Path:
        """Sentiments of texts, by model, so that each text is scored once."""
        return self.root / "signals"

    @property
    def quarantine(self) -> Path:
        """Refused rows, one CSV file per source."""
        return self.root / "quarantine"

    @property
    def publications(self) -> Path:
        """Generations of published scores."""
        return self.root / "publications"

    @property
    def monitoring(self) -> Path:
        """What `echelon monitor` found, one file per publication looked at."""
        return self.root / "monitoring"

    @property
    def plans(self) -> Path:
        """Plans of who does what for whom, a folder each."""
        return self.root / "plans"

    @property
    def bundles(self) -> Path:
        """Verified bundles of registered model versions, by version."""
        return self.root / "bundles"

    @property
    def cards(self) -> Path:
        """Model cards as pages, by version: the registry's copy, for who has no registry."""
        return self.root / "cards"

    @property
    def verdicts(self) -> Path:
        """Bundles that passed their check in a process of its own, by digest."""
        return self.root / "verdicts"

    @property
    def shadows(self) -> Path:
        """Scores by models that are not champion, seen by nobody who reads publications."""
        return self.root / "shadows"

    @property
    def jobs(self) -> Path:
        """Rows and results of batch jobs, a folder each."""
        return self.root / "jobs"

    @property
    def audit(self) -> Path:
        """The audit log of the endpoint, one file a day."""
        return self.root / "audit"

    @property
    def trials(self) -> Path:
        """Audiences of trials, what came of them, and models of whom an action moves."""
        return self.root / "trials"

    @property
    def keys(self) -> Path:
        """Signing keys, readable by the owner alone."""
        return self.root / "keys"


class Engine(Section):
    """What computes features."""

    name: Literal["duckdb", "spark"]
    threads: Annotated[int, Field(ge=1)]
    memory_limit_gib: Annotated[float, Field(gt=0)]
    """Of DuckDB, or of the process that drives Spark."""
    spark_master: str
    """``local[2]``, ``spark://host:7077``, ``yarn`` or ``k8s://…``."""
    spark_executor_memory_gib: Annotated[float, Field(gt=0)]
    """Of the Java process on each worker; docs/spark.md says what Python takes beside it."""
    spark_driver_host: str | None = None
    """Address by which workers reach this machine; default: its host name."""
    spark_python: str | None = None
    """Python on the workers; default: the path of the one that runs here."""


class Action(Section):
    """Something the company can do, and the events it stands for if it works."""

    code: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
    name: Text
    events: Annotated[tuple[AnyEvent, ...], Field(min_length=1)]
    """What is supposed to come of it, each time."""
    cost: Annotated[float, Field(ge=0)]
    """Money, each time."""
    at_most: Annotated[int, Field(ge=1, le=10)]
    """How often it may be part of a path."""
    hours: Annotated[float | None, Field(gt=0)] = None
    """Of work by whoever does it, each time; plans leave out an action that does not say."""
    minimum_skill: Skill = "regular"
    """The least skill of whoever does it."""
    effect: Annotated[float | None, Field(ge=0, le=1)] = None
    """The share that it is assumed to take of a churn probability of one half, everybody's odds of
    leaving changing alike (:mod:`training.odds`); plans leave out an action that says none and has
    no measured one."""
    holdout_share: Annotated[float, Field(ge=0, le=0.5)] | None = None
    """Share of customers left out at random; default: ``trials.holdout_share``."""


class Config(Section):
    """Everything that can be set."""

    name: str
    company: Text
    language: Language
    timezone: Timezone
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
    data: Path
    """Folder that relative source paths start from."""
    as_of: dt.date | None = None
    """The day scores hold for; default: the last day with records."""
    sources: Sources
    stores: Stores
    engine: Engine
    features: FeatureChoice
    churn: Churn
    clv: Clv
    snapshots: Snapshots
    training: Training
    policy: TierPolicy
    promotion: Promotion
    lifecycle: Lifecycle
    actions: tuple[Action, ...]
    """The menu that paths to the next tier, or below a churn probability, are made of."""
    team: Team
    """Who carries actions out, and what each tier may cost."""
    service_levels: tuple[ServiceLevel, ...]
    """Service standards by tier; a tier that is not named has those of its place, called so."""
    trials: Trials
    serving: Serving
    webhooks: tuple[Webhook, ...]

    @model_validator(mode="after")
    def _webhooks_differ(self) -> Config:
        names = [webhook.name for webhook in self.webhooks]
        if len(set(names)) != len(names):
            raise ValueError(f"names of webhooks repeat: {names}")
        return self

    @model_validator(mode="after")
    def _actions_differ(self) -> Config:
        codes = [action.code for action in self.actions]
        if len(set(codes)) != len(codes):
            raise ValueError(f"codes of actions repeat: {codes}")
        return self

    @model_validator(mode="after")
    def _terms_are_of_tiers(self) -> Config:
        codes = [tier.code for tier in self.policy.tiers]
        for terms in self.team.tiers:
            if terms.tier not in codes:
                raise ValueError(f"team.tiers names tier {terms.tier!r}; tiers are {codes}")
        promised = [level.tier for level in self.service_levels]
        if unknown := [tier for tier in promised if tier not in codes]:
            raise ValueError(f"service_levels names tier {unknown[0]!r}; tiers are {codes}")
        if len(set(promised)) != len(promised):
            raise ValueError(f"tiers of service_levels repeat: {promised}")
        return self

    @model_validator(mode="after")
    def _objective_is_counted(self) -> Config:
        counted = {"revenue": "spend", "margin": "margin"}.get(self.policy.objective)
        if counted is not None and self.clv.measure != counted:
            raise ValueError(
                f"policy.objective is {self.policy.objective}, but clv.measure counts "
                f"{self.clv.measure}; set clv.measure to {counted}, or the objective to what is "
                "counted"
            )
        return self
