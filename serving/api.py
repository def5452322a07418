"""The endpoint as a BentoML service; the one module that knows BentoML.

``echelon serve`` runs it, and so does ``bentoml serve serving.api:service --arg config=my.yaml``.
BentoML gives liveness, readiness and the server; the routes of the contract are a
Starlette app mounted in it, since a BentoML route is POST only, answers 400 in a shape of its own
and documents neither problem documents nor examples. The gate (``serving/endpoint/gate.py``) stands
in front of everything, BentoML's own middleware included, and hands plain addresses straight to
their handlers (``serving/endpoint/app.py``).
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bentoml
from pydantic import BaseModel

from configs.load import load, named_file
from configs.schema import Config
from serving.access.access import Access
from serving.access.audit_writer import AuditWriter
from serving.access.key_office import prepare_start
from serving.access.keyring import KeyRing
from serving.console.door import Console, Door
from serving.console.routes import PAGES
from serving.console.warm import Warm
from serving.endpoint import logs
from serving.endpoint.app import Direct, app
from serving.endpoint.current import Current
from serving.endpoint.endpoint import Endpoint
from serving.endpoint.gate import App, Gate, Rules
from serving.endpoint.meters import Meters
from serving.endpoint.observed import Observed
from serving.endpoint.route import ANSWER_SECONDS
from serving.endpoint.routes import TABLE
from serving.endpoint.state import open_state
from serving.endpoint.tracing import start as tracing_to

if TYPE_CHECKING:
    from serving.endpoint.served import Served

ANSWERS_AT_ONCE = 64


class Arguments(BaseModel):
    """What ``bentoml serve --arg`` may say: the configuration file."""

    config: Path | None = None


class GatedService(bentoml.Service[Any]):
    """A BentoML service whose ASGI app is made for one configuration and stands behind the gate."""

    current: Current[Served]

    def example(self) -> str:
        """Return the id of a customer who is published."""
        assert self.current.served is not None
        return self.current.served.publication.examples(1)[0]

    def to_asgi(self, is_main: bool = True) -> App:
        """Return the ASGI app for ``--arg config=…``, or for what ``ECHELON_CONFIG`` names."""
        config = load(bentoml.use_arguments(Arguments).config or named_file())
        prepare_start(config, "127.0.0.1")
        gate = self.for_config(config, is_main)
        self.current.refresh()
        return gate

    def for_config(self, config: Config, is_main: bool = True) -> App:
        """Return the ASGI app that serves ``config``, not ready before ``current`` is."""
        meters, tracing = Meters(), tracing_to(config.serving.traces_endpoint)
        self.current = Current(config.stores.publications, partial(_with_book, config), meters)
        state = open_state(config.stores)
        keys = KeyRing(state)
        audit = AuditWriter(config.stores, state)
        endpoint = Endpoint(config, self.current, meters, state, keys, audit)
        console = Console(endpoint, PAGES)
        self.mount_asgi_app(app(endpoint, (Warm(console),)), name="v1")
        direct = Direct(super().to_asgi(is_main), endpoint)
        access = Access(keys, config.serving.requests_per_minute_per_key)
        rules = Rules(TABLE, config.serving)
        gate = Gate(direct, rules, access, meters.refused)
        door = Door(gate, console, rules)
        return Observed(door, meters, logs.start(), tracing, audit.answered)


class Scores:
    """Scores, tiers and reasons of customers."""

    bento_service: GatedService

    def __is_ready__(self) -> bool:
        """Whether the service is ready; BentoML answers ``/readyz`` by it."""
        return self.bento_service.current.is_ready


def _with_book(config: Config, folder: Path, before: Served | None) -> Served:
    """Return the publication in ``folder`` ready to answer, the console's columns included."""
    from serving.endpoint.served import open_served

    served = open_served(config, folder, before)
    _ = served.book
    return served


service = GatedService(
    name="echelon",
    config={
        "workers": 1,
        "traffic": {"timeout": ANSWER_SECONDS, "max_concurrency": ANSWERS_AT_ONCE},
        "logging": {"access": {"enabled": False}},
        "metrics": {"enabled": False},
    },
    inner=Scores,
)
