"""Commands on customers: score, explain, suppose, watch, serve."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from configs.errors import PromotionRefused
from serving.options import ConfigPath, CustomerId, ShownIn, config_at, language_of, path_of

if TYPE_CHECKING:
    from serving.suppositions.paths import Goal

commands = typer.Typer()


@commands.command(rich_help_panel="Scores")
def score(
    shadow: Annotated[
        str | None, typer.Option(help="Score by this version beside, unseen by readers.")
    ] = None,
    config: ConfigPath = None,
) -> None:
    """Score all customers with the champion and publish scores, tiers and reasons at once.

    Example: echelon score -c configs/demo.yaml
    """
    from serving.console_output import steps
    from serving.pipeline import policy_of, score_shadow
    from serving.pipeline import score as score_customers

    loaded = config_at(config)
    with steps() as progress:
        if shadow is not None:
            typer.echo(f"In the shadow: {score_shadow(loaded, shadow, progress)}")
        else:
            folder = score_customers(loaded, progress)
            typer.echo(f"Published by policy {policy_of(folder)}: {folder}")


@commands.command(rich_help_panel="Scores")
def effects(config: ConfigPath = None) -> None:
    """Measure what actions changed, beside the customers left out of them at random.

    Example: echelon effects -c configs/demo.yaml
    """
    from serving.console_output import console, steps
    from serving.endpoint.state import open_state
    from serving.trials.effects_shown import shown
    from serving.trials.measure import measure

    loaded = config_at(config)
    state = open_state(loaded.stores)
    with steps() as progress:
        report = measure(loaded, state, progress)
    state.close()
    console().print(shown(loaded, report))


@commands.command(rich_help_panel="Scores")
def explain(
    customer_id: CustomerId,
    since: Annotated[
        str | None,
        typer.Option(help="What changed since: a publication, a day; default: previous."),
    ] = None,
    language: ShownIn = None,
    config: ConfigPath = None,
) -> None:
    """Print what to do about one customer, the reasons, the tier's rules and what changed.

    Example: echelon explain C0000001 -c configs/demo.yaml
    """
    from serving.changes.customer_page import customer_page
    from serving.console_output import console

    loaded = config_at(config)
    shown = language_of(language, loaded)
    console().print(customer_page(loaded, customer_id, since, shown, config))


@commands.command(rich_help_panel="Scores")
def changes(
    since: Annotated[str, typer.Option(help="A publication, a day, or previous.")] = "previous",
    language: ShownIn = None,
    config: ConfigPath = None,
) -> None:
    """Print what changed since an earlier publication, split into data, model and policy.

    Example: echelon changes --since previous -c configs/demo.yaml
    """
    from serving.changes.change_facts import portfolio_change, publication_before
    from serving.changes.change_shown import render_portfolio
    from serving.changes.changes import compare
    from serving.console_output import console
    from serving.scores.publication import open_live

    loaded = config_at(config)
    shown = language_of(language, loaded)
    live = open_live(loaded.stores.publications)
    compared = compare(loaded, publication_before(live, since), live)
    console().print(render_portfolio(portfolio_change(compared), shown))


@commands.command("what-if", rich_help_panel="Scores")
def what_if(
    customer_id: CustomerId,
    order: Annotated[
        list[float] | None, typer.Option(help="An order of this amount; may be repeated.")
    ] = None,
    complaint_resolved: Annotated[
        bool, typer.Option("--complaint-resolved", help="Open complaints are resolved.")
    ] = False,
    survey: Annotated[
        list[str] | None,
        typer.Option(help="A score: csat=4, ces=6, or 9 alone for an NPS answer of 0 to 10."),
    ] = None,
    contact: Annotated[
        list[str] | None,
        typer.Option(help="visit, enquiry, event, click, referral, share; outbound:visit is ours."),
    ] = None,
    in_days: Annotated[int, typer.Option(min=1, max=365, help="Until how many days on.")] = 28,
    language: ShownIn = None,
    config: ConfigPath = None,
) -> None:
    """Print what the models would say of a customer if certain events came.

    Example: echelon what-if C0000001 --order 300 --order 300 --survey 9 -c configs/demo.yaml
    """
    from serving.console_output import console
    from serving.pipeline import supposed_customer
    from serving.suppositions.events_given import events_of
    from serving.suppositions.what_if import what_if as suppose
    from serving.suppositions.what_if_shown import render_what_if

    events = events_of(order or [], complaint_resolved, survey or [], contact or [])
    loaded = config_at(config)
    shown = language_of(language, loaded)
    supposed = supposed_customer(loaded, customer_id)
    facts = suppose(supposed, events, in_days)
    names = supposed.served.publication.manifest.terms.tier_names
    console().print(render_what_if(facts, shown, names))


@commands.command(rich_help_panel="Scores")
def paths(
    customer_id: CustomerId,
    below: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Get below this churn probability, not to the next tier."),
    ] = None,
    in_days: Annotated[int, typer.Option(min=1, max=365, help="Within how many days.")] = 28,
    language: ShownIn = None,
    config: ConfigPath = None,
) -> None:
    """Print the cheapest actions that lead a customer to the next tier.

    Example: echelon paths C0000001 -c configs/demo.yaml
    """
    from serving.console_output import console
    from serving.pipeline import supposed_customer
    from serving.suppositions.paths import find_paths
    from serving.suppositions.what_if_shown import render_paths

    loaded = config_at(config)
    shown = language_of(language, loaded)
    supposed = supposed_customer(loaded, customer_id)
    goal: Goal = "next_tier" if below is None else "below_churn"
    facts = find_paths(supposed, goal, below, in_days)
    names = supposed.served.publication.manifest.terms.tier_names
    console().print(render_paths(facts, shown, names))


@commands.command(rich_help_panel="Scores")
def export(
    form: Annotated[
        str, typer.Option("--format", help="csv, arff (Weka), pmml, or rules in words.")
    ] = "csv",
    out: Annotated[Path, typer.Option(help="Folder to write.")] = Path("exports"),
    config: ConfigPath = None,
) -> None:
    """Write the published customers, or the rules of tiers and segments, for other tools.

    Example: echelon export --format pmml --out exports -c configs/demo.yaml
    """
    from serving.pipeline import export as write_exports

    for path in write_exports(config_at(config), form, out):
        typer.echo(f"{path} is written")


@commands.command(rich_help_panel="Scores")
def report(
    out: Annotated[Path | None, typer.Option(help="Default: report.html in the store.")] = None,
    config: ConfigPath = None,
) -> None:
    """Write the report for managers: one self-contained page, Chinese and English.

    Example: echelon report -c configs/demo.yaml
    """
    from serving.pipeline import report as write_report

    typer.echo(f"Open {write_report(config_at(config), out)}")


@commands.command(rich_help_panel="Scores")
def monitor(
    since: Annotated[
        str | None, typer.Option(help="Publication to compare with; default: the training.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Also write a page there.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    language: ShownIn = None,
    config: ConfigPath = None,
) -> None:
    """Say what has moved since training, and how past forecasts did; ends with 10 on an alarm.

    Example: echelon monitor --out monitor.html -c configs/demo.yaml
    """
    from serving.console_output import console, steps
    from serving.monitoring.monitor import ALARM_EXIT_CODE
    from serving.monitoring.monitor import monitor as look
    from serving.monitoring.monitor_console import render
    from serving.monitoring.monitor_page import write_page

    loaded = config_at(config)
    shown = language_of(language, loaded)
    with steps() as progress:
        found = look(loaded, since, progress)
    if as_json:
        typer.echo(found.model_dump_json(indent=1))
    else:
        console().print(render(found, shown))
    if out is not None:
        write_page(loaded, found, out)
    if found.alarms:
        raise typer.Exit(ALARM_EXIT_CODE)


@commands.command(rich_help_panel="Scores")
def run(config: ConfigPath = None) -> None:
    """Do it all: intake, training, promotion, publication, report.

    Example: echelon run -c configs/demo.yaml
    """
    from serving.console_output import console, steps
    from serving.pipeline import run as run_all

    loaded = config_at(config)
    with steps() as progress:
        outcome = run_all(loaded, progress)
    console().print(outcome.summary(loaded.language, path_of(config)))
    if outcome.refused is not None:
        raise PromotionRefused(f"scores are published, but by the champion: {outcome.refused}")


@commands.command(rich_help_panel="Scores")
def refresh(config: ConfigPath = None) -> None:
    """Read only what is new since the last time and publish anew by the champion, untrained.

    Example: echelon refresh -c configs/demo.yaml
    """
    from serving.console_output import console, steps
    from serving.pipeline import refresh as refresh_all
    from serving.refresh_shown import render_refresh

    loaded = config_at(config)
    with steps() as progress:
        renewed = refresh_all(loaded, progress)
    console().print(render_refresh(renewed, loaded.language))


@commands.command(rich_help_panel="Endpoint")
def serve(
    config: ConfigPath = None,
    host: Annotated[str | None, typer.Option(help="Default: the config's.")] = None,
    port: Annotated[int | None, typer.Option(help="Default: the config's.")] = None,
) -> None:
    """Answer predictions over HTTP until Ctrl-C.

    Example: echelon serve -c configs/demo.yaml --port 3000
    """
    from serving.endpoint.serve import serve as serve_forever

    serve_forever(config_at(config), path_of(config), host, port)


@commands.command(rich_help_panel="Endpoint")
def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    language: ShownIn = None,
    config: ConfigPath = None,
) -> None:
    """Say whether this machine and the stores are fit to serve; ends with 1 where not.

    Example: echelon doctor -c configs/demo.yaml
    """
    import json

    from serving.console_output import console
    from serving.doctor.doctor import examine
    from serving.doctor.doctor_shown import render

    loaded = config_at(config)
    found = list(examine(loaded))
    if as_json:
        typer.echo(json.dumps([one.as_json() for one in found], ensure_ascii=False, indent=1))
    else:
        console().print(render(found, language_of(language, loaded), config))
    if any(one.finding.state == "fail" for one in found):
        raise typer.Exit(1)
