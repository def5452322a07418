"""The configuration: frozen, typed, checked at birth. Units stand in the names.

Defaults that users may change live in ``configs/default.yaml``, not here, so that one file shows
them all; only what is truly absent unless given defaults to ``None`` or empty.
"""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from configs.events import AnyEvent

Language = Literal["zh", "en"]
TableName = Literal["customers", "transactions", "interactions", "satisfaction", "attributes"]


def _known_timezone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise ValueError(f"{name!r} is no IANA time zone (such as 'Asia/Shanghai')") from error
    return name


class Section(BaseModel):
    """A part of the configuration: immutable, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)


class Text(Section):
    """A name in both languages."""

    zh: str
    en: str

    def __getitem__(self, language: Language) -> str:
        """Return the text in ``language``.

        >>> Text(zh="客户", en="customer")["zh"]
        '客户'
        """
        return self.zh if language == "zh" else self.en


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
    def bundles(self) -> Path:
        """Verified bundles of registered model versions, by version."""
        return self.root / "bundles"

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
    def keys(self) -> Path:
        """Signing keys, readable by the owner alone."""
        return self.root / "keys"


class Condition(Section):
    """A test on one raw column; all the tests given must hold."""

    column: str
    equals: str | float | None = None
    is_in: tuple[str, ...] | None = None
    not_in: tuple[str, ...] | None = None
    starts_with: str | None = None
    below: float | dt.datetime | dt.date | None = None
    at_most: float | dt.datetime | dt.date | None = None
    at_least: float | dt.datetime | dt.date | None = None
    is_missing: bool | None = None


class Mapped(Section):
    """How one canonical column is made when a plain source column does not do.

    Exactly one of: ``column`` (with optional ``values`` to translate and ``format`` for dates),
    ``constant``, ``product`` of columns, ``total`` (sum) of columns, ``choose`` by condition.
    ``times`` converts units of a number: 0.01 turns cents into money, 60 minutes into seconds.
    """

    column: str | None = None
    values: dict[str, str] | None = None
    otherwise: str | None = None
    format: str | None = None
    constant: str | float | None = None
    product: tuple[str, ...] | None = None
    total: tuple[str, ...] | None = None
    choose: tuple[Choice, ...] | None = None
    times: float = 1.0

    @model_validator(mode="after")
    def _one_way(self) -> Mapped:
        ways = (self.column, self.constant, self.product, self.total, self.choose)
        if sum(way is not None for way in ways) != 1:
            raise ValueError("give exactly one of column, constant, product, total, choose")
        return self


class Choice(Section):
    """A value taken where its conditions hold; no condition means otherwise."""

    value: str
    when: tuple[Condition, ...] = ()


class Join(Section):
    """A look-up file whose columns are added before mapping (product → category)."""

    path: str
    on: tuple[str, ...]
    columns: tuple[str, ...]


class Source(Section):
    """One file, folder, glob or database query that becomes rows of one record table."""

    path: str | None = None
    database: str | None = None
    query: str | None = None
    format: Literal["auto", "csv", "parquet"] = "auto"
    encoding: Literal["auto", "utf-8", "gb18030", "latin-1"] = "auto"
    delimiter: str = "auto"
    decimal: Literal[".", ","] = "."
    timezone: Annotated[str, AfterValidator(_known_timezone)] | None = None
    columns: dict[str, str | Mapped]
    attributes: tuple[str, ...] = ()
    """Further raw columns kept as text on ``customers`` (region, industry …)."""
    names: dict[str, Text] = {}
    """What people call the attributes, where figures are split by them."""
    leave_out: tuple[tuple[Condition, ...], ...] = ()
    """Rows not meant for Echelon: a row that meets every condition of one entry is left out."""
    duplicates: Literal["quarantine", "keep"] = "quarantine"
    unique_by: tuple[str, ...] = ()
    join: Join | None = None
    unpivot: Unpivot | None = None

    @model_validator(mode="after")
    def _one_origin(self) -> Source:
        if (self.path is None) == (self.database is None):
            raise ValueError("give either path or database (with query)")
        if self.database is not None and self.query is None:
            raise ValueError("database needs query: the SELECT or table to read")
        return self


class Unpivot(Section):
    """Turns several columns into (name, value) rows, for ``attributes``."""

    columns: tuple[str, ...]


class SnapshotSource(Section):
    """Contract customers whose history is already aggregated: one row each, with a label."""

    source: SnapshotFile
    customer_id: str | None = None
    label: str
    positive: str
    value_per_month: str | None = None
    observed_on: dt.date
    numbers: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    leave_out_columns: tuple[str, ...] = ()
    monotone: dict[str, Literal[-1, 1]] = {}
    """Numbers with which churn only rises (1) or only falls (-1), where the company is sure."""
    names: dict[str, Text] = {}

    @model_validator(mode="after")
    def _directions_of_numbers(self) -> SnapshotSource:
        unknown = sorted(set(self.monotone) - set(self.numbers))
        if self.numbers and unknown:
            raise ValueError(f"monotone names {unknown[0]!r}, which is not among the numbers")
        return self


class SnapshotFile(Section):
    """The file of a snapshot source."""

    path: str
    format: Literal["auto", "csv", "parquet"] = "auto"
    encoding: Literal["auto", "utf-8", "gb18030", "latin-1"] = "auto"
    delimiter: str = "auto"
    decimal: Literal[".", ","] = "."


class Sources(Section):
    """Every source; only transactions are needed, or a snapshot alone."""

    customers: tuple[Source, ...] = ()
    transactions: tuple[Source, ...] = ()
    interactions: tuple[Source, ...] = ()
    satisfaction: tuple[Source, ...] = ()
    attributes: tuple[Source, ...] = ()
    snapshot: SnapshotSource | None = None

    @model_validator(mode="after")
    def _something_to_score(self) -> Sources:
        if self.snapshot is not None and self.tables:
            raise ValueError("a snapshot source stands alone: remove the event sources or it")
        return self

    @property
    def tables(self) -> dict[str, tuple[Source, ...]]:
        """The event sources that are given, by table."""
        names = ("customers", "transactions", "interactions", "satisfaction", "attributes")
        return {name: getattr(self, name) for name in names if getattr(self, name)}


class Churn(Section):
    """What counts as lost."""

    horizon_days: Annotated[int, Field(ge=7, le=1460)]
    rule: Literal["no_purchase", "contract_end"]


class Clv(Section):
    """What is counted as value."""

    horizon_days: Annotated[int, Field(ge=7, le=3650)]
    measure: Literal["spend", "margin"]


class Snapshots(Section):
    """The cutoffs that models learn from."""

    spacing_days: Annotated[int, Field(ge=1)]
    count: Annotated[int, Field(ge=1)]
    year_back: bool
    minimum_history_days: Annotated[int, Field(ge=1)]
    evaluation_cutoff: dt.date | None = None
    """Default: the horizon before the as-of day. Everything trained for it closes by then."""


class Engine(Section):
    """What computes features."""

    name: Literal["duckdb", "spark"]
    threads: Annotated[int, Field(ge=1)]
    memory_limit_gib: Annotated[float, Field(gt=0)]
    spark_master: str


class FeatureChoice(Section):
    """Which declared features are used."""

    families: tuple[Literal["behaviour", "interaction", "satisfaction", "profile"], ...]
    leave_out: tuple[str, ...] = ()
    sensitive: tuple[str, ...]
    """Words in names of columns that are kept to split figures by, never to score with."""


class Trees(Section):
    """LightGBM's settings, one set for every target; contract customers' are found inside."""

    count: Annotated[int, Field(ge=1)]
    leaves: Annotated[int, Field(ge=2)]
    learning_rate: Annotated[float, Field(gt=0, le=1)]
    minimum_rows_per_leaf: Annotated[int, Field(ge=1)]
    tweedie_power: Annotated[float, Field(gt=1, lt=2)]


class Training(Section):
    """How models are fitted."""

    seed: int
    threads: Annotated[int, Field(ge=1)]
    minimum_customers: Annotated[int, Field(ge=1)]
    customers_at_most: Annotated[int, Field(ge=1000)]
    """A company with more is learnt from this many, drawn by a digest of their ids."""
    interval_level: Annotated[float, Field(gt=0, lt=1)]
    segments_at_most: Annotated[int, Field(ge=2, le=12)]
    purchase_model: Literal["mbg_nbd", "bg_nbd", "pareto_nbd"]
    trees: Trees


class Tier(Section):
    """One value tier; listed from the highest to the lowest."""

    code: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
    name: Text


class Thresholds(Section):
    """Where the tiers divide, from the lowest boundary to the highest."""

    by: Literal["quantile", "amount", "revenue_share", "natural_breaks"]
    at: tuple[float, ...] = ()


class Guard(Section):
    """A rule that caps or lifts a tier, whatever the expected value."""

    name: Text
    feature: str
    at_least: float | None = None
    at_most: float | None = None
    cap: str | None = None
    lift: str | None = None


class ChurnBands(Section):
    """From which churn probability a customer counts as medium or high risk."""

    medium: Annotated[float, Field(gt=0, lt=1)]
    high: Annotated[float, Field(gt=0, lt=1)]


class TierPolicy(Section):
    """How expected value becomes a tier."""

    name: str
    objective: Literal["revenue", "margin", "retention"]
    """What tiers are for. Revenue and margin must be what `clv.measure` counts, and put customers
    of most value at stake first in the report; retention puts the likeliest to leave first."""
    tiers: Annotated[tuple[Tier, ...], Field(min_length=2)]
    thresholds: Thresholds
    hysteresis: Annotated[float, Field(ge=0, lt=1)]
    minimum_stay_days: Annotated[int, Field(ge=0)]
    guards: tuple[Guard, ...] = ()
    churn_bands: ChurnBands

    @model_validator(mode="after")
    def _consistent(self) -> TierPolicy:
        codes = [tier.code for tier in self.tiers]
        at = self.thresholds.at
        if len(set(codes)) != len(codes):
            raise ValueError(f"tier codes repeat: {codes}")
        if self.thresholds.by != "natural_breaks" and len(at) != len(codes) - 1:
            raise ValueError(f"{len(codes)} tiers need {len(codes) - 1} thresholds, got {len(at)}")
        if list(at) != sorted(set(at)):
            raise ValueError(f"thresholds must rise strictly, got {list(at)}")
        if self.thresholds.by in ("quantile", "revenue_share") and not all(0 < x < 1 for x in at):
            raise ValueError(f"{self.thresholds.by} thresholds lie between 0 and 1, got {list(at)}")
        for guard in self.guards:
            for code in (guard.cap, guard.lift):
                if code is not None and code not in codes:
                    raise ValueError(f"guard names tier {code!r}; tiers are {codes}")
        return self


class Promotion(Section):
    """What a challenger must hold to become champion; somebody may still say otherwise."""

    ranking_loss_at_most: Annotated[float, Field(ge=0, lt=1)]
    """By how much AUC or nGini may be surely lower than the champion's."""
    calibration_error_at_most: Annotated[float, Field(gt=0, le=1)]
    """Of churn (ECE15); more is let through where the champion's is no less."""
    tier_changes_at_most: Annotated[float, Field(ge=0, le=1)]
    """Share of customers who would be in another tier."""
    lowest_grade: Literal["A", "B", "C", "D"]


class Lifecycle(Section):
    """Boundaries of the lifecycle stages."""

    new_within_days: Annotated[int, Field(ge=1)]
    lost_after_days: Annotated[int, Field(ge=1)]


class Jobs(Section):
    """Batch jobs of the endpoint."""

    bytes_at_most: Annotated[int, Field(ge=1024)]
    """Of one job's rows."""
    waiting_at_most: Annotated[int, Field(ge=1)]
    """Jobs queued or running; more are refused."""
    kept_days: Annotated[int, Field(ge=1)]
    """For how long rows and results of a job are kept after its end."""


class Serving(Section):
    """The endpoint."""

    host: str
    port: Annotated[int, Field(ge=1, le=65535)]
    rows_per_request: Annotated[int, Field(ge=1)]
    request_bytes: Annotated[int, Field(ge=1024)]
    requests_per_minute_per_key: Annotated[int, Field(ge=1)]
    """Counted by each process for itself."""
    allowed_hosts: tuple[str, ...]
    tls_certificate: Path | None = None
    """PEM file of the certificate and those that signed it; needed where others come in."""
    tls_key: Path | None = None
    reasons: Annotated[int, Field(ge=1, le=10)]
    score_rows_at_once: Annotated[int, Field(ge=1000)]
    traces_endpoint: str | None = None
    """OTLP/HTTP address that traces are sent to, such as http://127.0.0.1:4318/v1/traces."""
    workers: Annotated[int, Field(ge=1, le=64)]
    """Processes that answer; more than one is watched over, and one that dies is replaced."""
    drain_seconds: Annotated[float, Field(ge=0, le=60)]
    """How long readiness is refused after SIGTERM while requests are still answered."""
    jobs: Jobs

    @model_validator(mode="after")
    def _certificate_with_key(self) -> Serving:
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("give both of tls_certificate and tls_key, or neither")
        return self


def _is_safe(url: str) -> str:
    parts = urlsplit(url)
    if parts.username is not None or parts.fragment or not parts.hostname:
        raise ValueError("give an address with a host, without user name, password or fragment")
    is_loopback = parts.hostname in ("localhost", "127.0.0.1", "::1")
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback):
        raise ValueError("webhooks go to https only; plain http to this machine alone")
    return url


class Webhook(Section):
    """An application's address that is told what a publication changed."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
    url: Annotated[str, AfterValidator(_is_safe)]
    events: Annotated[tuple[Literal["tier.changed", "churn.alert"], ...], Field(min_length=1)]
    secret_file: Path | None = None
    secret_variable: Annotated[str | None, Field(pattern=r"^[A-Z_][A-Z0-9_]*$")] = None
    """Environment variable that holds the secret, in place of a file."""
    churn_alert_at: Annotated[float | None, Field(gt=0, lt=1)] = None
    """Churn probability; default: where the policy's high band begins."""

    @model_validator(mode="after")
    def _one_secret(self) -> Webhook:
        if (self.secret_file is None) == (self.secret_variable is None):
            raise ValueError("give either secret_file or secret_variable")
        if (self.secret_variable or "").startswith("ECHELON_"):
            raise ValueError("variables that begin with ECHELON_ are settings; name it otherwise")
        return self


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


class Config(Section):
    """Everything that can be set."""

    name: str
    company: Text
    language: Language
    timezone: Annotated[str, AfterValidator(_known_timezone)]
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
    def _objective_is_counted(self) -> Config:
        counted = {"revenue": "spend", "margin": "margin"}.get(self.policy.objective)
        if counted is not None and self.clv.measure != counted:
            raise ValueError(
                f"policy.objective is {self.policy.objective}, but clv.measure counts "
                f"{self.clv.measure}; set clv.measure to {counted}, or the objective to what is "
                "counted"
            )
        return self
