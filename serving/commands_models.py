"""Commands on models: train, judge, promote."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from serving.options import ConfigPath, ShownIn, config_at, language_of

if TYPE_CHECKING:
    from configs.schema import Config

commands = typer.Typer()

Reason = Annotated[str, typer.Option(help="Why; kept on record.")]


@commands.command(rich_help_panel="Models")
def train(config: ConfigPath = None) -> None:
    """Train on the records taken in, grade against simple rules, register the model.

    Example: echelon train -c configs/demo.yaml
    """
    from serving.console_output import console, steps
    from serving.pipeline import train as train_models
    from training.results import show

    loaded = config_at(config)
    with steps() as progress:
        trained = train_models(loaded, progress)
    console().print(show(trained.evaluation, loaded.language))
    by = "" if config is None else f" -c {config}"
    typer.echo(
        f"Model {trained.version} is registered; to serve it: echelon promote {trained.version}{by}"
    )


@commands.command(rich_help_panel="Models")
def promote(
    version: Annotated[str, typer.Argument(help="Model version, or latest.")] = "latest",
    reason: Reason = "promoted from the command line",
    override: Annotated[
        str | None, typer.Option(help="Promote though a gate fails; why, kept on record.")
    ] = None,
    config: ConfigPath = None,
) -> None:
    """Make a model version the champion if the gates under `promotion:` let it through.

    Example: echelon promote latest --reason "first model" -c configs/demo.yaml
    """
    from serving.champions.promotion import promote as promote_version
    from serving.console_output import show_gates, steps

    loaded = config_at(config)
    with steps() as progress:
        promotion = promote_version(loaded, version, reason, override, progress)
    show_gates(promotion.gates, loaded.language)
    typer.echo(f"Model {promotion.version} is champion")


@commands.command(rich_help_panel="Models")
def rollback(reason: Reason = "rolled back", config: ConfigPath = None) -> None:
    """Make the champion before this one the champion again.

    Example: echelon rollback --reason "complaints from sales" -c configs/demo.yaml
    """
    from serving.champions.promotion import rollback as roll_back

    promotion = roll_back(config_at(config), reason)
    typer.echo(f"Model {promotion.version} is champion again")


@commands.command(rich_help_panel="Models")
def history(
    at: Annotated[
        dt.datetime | None,
        typer.Option(help="What was live then, in the config's time zone: 2026-11-20T08:00:00."),
    ] = None,
    publications: Annotated[
        bool, typer.Option("--publications", help="What was published instead, the newest first.")
    ] = False,
    config: ConfigPath = None,
) -> None:
    """Print which models were champion when, and why; or what was published.

    Example: echelon history --at 2030-01-01 -c configs/demo.yaml
    """
    if publications:
        _show_publications(config_at(config))
        return
    from zoneinfo import ZoneInfo

    from serving.console_output import show_history
    from training.registry import history as promotions

    loaded = config_at(config)
    show_history(promotions(loaded, at), ZoneInfo(loaded.timezone))


@commands.command(rich_help_panel="Models")
def compare(
    challenger: Annotated[str, typer.Argument(help="Model version, latest, or challenger.")] = (
        "latest"
    ),
    champion: Annotated[
        str, typer.Option("--with", help="Model version, or champion.")
    ] = "champion",
    out: Annotated[Path | None, typer.Option(help="Default: compare.html in the store.")] = None,
    language: ShownIn = None,
    config: ConfigPath = None,
) -> None:
    """Hold a model version against the champion: what differs, how it does, whom it moves.

    Example: echelon compare latest --with champion -c configs/demo.yaml
    """
    from serving.champions.compare_page import write_page
    from serving.champions.compare_text import render
    from serving.champions.comparison import compare as compare_versions
    from serving.console_output import console, steps

    loaded = config_at(config)
    shown = language_of(language, loaded)
    with steps() as progress:
        comparison = compare_versions(loaded, challenger, champion, progress)
    page = write_page(loaded, comparison, out or loaded.stores.root / "compare.html", shown)
    console().print(render(loaded, comparison, shown))
    typer.echo(f"Open {page}")


@commands.command(rich_help_panel="Models")
def card(
    version: Annotated[str, typer.Argument(help="Model version, latest, or champion.")] = "latest",
    out: Annotated[Path | None, typer.Option(help="Default: card.html in the store.")] = None,
    language: ShownIn = None,
    config: ConfigPath = None,
) -> None:
    """Print the model card of a version and write it as a page, as it was when trained.

    Example: echelon card latest -c configs/demo.yaml
    """
    from serving.console_output import console
    from serving.pages.card_page import fetch_card

    loaded = config_at(config)
    shown = language_of(language, loaded)
    text, page = fetch_card(loaded, version, out or loaded.stores.root / "card.html", shown)
    console().print(text)
    typer.echo(f"Open {page}")


def _show_publications(config: Config) -> None:
    from configs.files import live_generation
    from serving.changes.change_shown import render_publications
    from serving.console_output import console
    from serving.scores.publication import manifests

    store = config.stores.publications
    live = live_generation(store)
    console().print(render_publications(manifests(store), None if live is None else live.name))
