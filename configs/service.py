"""The endpoint: where it listens, its limits, its jobs, and who is told of changes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from configs.section import Section


class Jobs(Section):
    """Batch jobs of the endpoint."""

    bytes_at_most: Annotated[int, Field(ge=1024)]
    """Of one job's rows."""
    rows_at_most: Annotated[int, Field(ge=1)]
    """Of one job; a compressed file may hold any number."""
    spare_bytes_at_least: Annotated[int, Field(ge=0)]
    """What jobs leave free on the disk of the stores; none is taken in or goes on with less."""
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
    publications_kept_whole: Annotated[int, Field(ge=1)]
    """Older ones lose their look-up by id; answers about them are made of the rest anew."""
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


EventType = Literal["tier.changed", "churn.alert", "task.created", "task.closed"]
"""What a publication changed, and what people give others to do in the console."""


class Webhook(Section):
    """An application's address that is told of changes and tasks."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
    url: Annotated[str, AfterValidator(_is_safe)]
    events: Annotated[tuple[EventType, ...], Field(min_length=1)]
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
