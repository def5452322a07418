"""Commands on webhooks: send what is due where no endpoint runs, and show how they stand."""

from __future__ import annotations

import typer

from configs.errors import ServiceError
from serving.options import ConfigPath, ShownIn, config_at, language_of

commands = typer.Typer()
webhooks = typer.Typer(
    no_args_is_help=True, help="Tell applications what a new publication changed, signed."
)
commands.add_typer(webhooks, name="webhooks", rich_help_panel="Endpoint")


@webhooks.command()
def send(config: ConfigPath = None) -> None:
    """Tell of the live publication and send what is due; the endpoint does so by itself.

    Example: echelon webhooks send -c configs/demo.yaml
    """
    from serving.jobs.webhook_sender import send_once

    loaded = config_at(config)
    if not loaded.webhooks:
        raise ServiceError("the configuration names no webhooks; docs/api.md shows how")
    outcomes = send_once(loaded)
    told = ", ".join(f"{n} {name.replace('_', ' ')}" for name, n in sorted(outcomes.items()))
    typer.echo(f"Messages: {told or 'none is due'}")
    if outcomes.keys() - {"delivered"}:
        raise ServiceError("not every message arrived; see `echelon webhooks status`")


@webhooks.command()
def status(language: ShownIn = None, config: ConfigPath = None) -> None:
    """Show for each webhook how many messages wait, arrived and were given up.

    Example: echelon webhooks status -c configs/demo.yaml
    """
    from serving.console_output import console
    from serving.jobs.webhooks_shown import render, standings

    loaded = config_at(config)
    console().print(render(standings(loaded), language_of(language, loaded)))
