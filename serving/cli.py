"""The ``echelon`` command: each command reads its arguments, calls one function and prints.

Heavy imports stand inside the commands, so that ``echelon --help`` answers at once.
"""

from __future__ import annotations

import datetime as dt
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from configs.errors import EchelonError, PromotionRefused

if TYPE_CHECKING:
    from configs.schema import Config, Language
    from serving.paths import Goal

EXIT_CODES = """
Exit codes: 0 done · 2 wrong usage · 3 configuration · 4 records · 5 features · 6 training ·
7 model or registry · 8 publication · 9 endpoint · 10 alarm of `monitor` ·
11 promotion refused by the gates · 130 stopped by Ctrl-C
"""

app = typer.Typer(
    help="Customer tiers, lifetime value and churn from your own records, explained.",
    epilog=EXIT_CODES,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
config_commands = typer.Typer(help="Check or show the configuration.", no_args_is_help=True)
app.add_typer(config_commands, name="config", rich_help_panel="Your data")

ConfigPath = Annotated[
    Path | None,
    typer.Option(
        "--config",
        "-c",
        help="YAML file, or a shipped one such as datasets/telco.yaml. "
        "Default: echelon.yaml in this folder.",
    ),
]
CustomerId = Annotated[str, typer.Argument(help="As in your records.")]
ShownIn = Annotated[str | None, typer.Option("--language", help="zh or en; default: the config's.")]
Reason = Annotated[str, typer.Option(help="Why; kept on record.")]


def main() -> None:
    """Run the command line; an Echelon error becomes one message and its exit code."""
    try:
        app()
    except EchelonError as error:
        print(f"echelon: {error}", file=sys.stderr)
        raise SystemExit(error.exit_code) from error
    except KeyboardInterrupt as error:
        print("echelon: stopped; nothing is half-written", file=sys.stderr)
        raise SystemExit(130) from error


def _path(path: Path | None) -> Path | None:
    from configs.load import shipped

    if path is None:
        own = Path("echelon.yaml")
        return own if own.is_file() else None
    return path if path.exists() else shipped(path.as_posix().removeprefix("configs/"))


def _config(path: Path | None) -> Config:
    from configs.load import load

    return load(_path(path))


@config_commands.command("check")
def config_check(config: ConfigPath = None) -> None:
    """Say whether the configuration is right, and what is wrong.

    Example: echelon config check -c configs/demo.yaml
    """
    loaded = _config(config)
    typer.echo(f"{_path(config) or 'The defaults'}: right ({loaded.name}, as {loaded.language})")


@config_commands.command("show")
def config_show(config: ConfigPath = None) -> None:
    """Print every setting and where its value came from.

    Example: echelon config show -c configs/demo.yaml
    """
    from configs.load import origins
    from serving.console_output import show_origins

    show_origins(origins(_path(config)))


@app.command(rich_help_panel="Your data")
def init(
    folder: Annotated[Path, typer.Argument(help="Folder of CSV or Parquet files.")],
    out: Annotated[Path, typer.Option(help="Where to write the proposal.")] = Path("echelon.yaml"),
) -> None:
    """Look at someone's files and propose a configuration with the column mapping.

    Example: echelon init exports --out echelon.yaml
    """
    from features.proposal import write_proposal

    write_proposal(folder, out)
    typer.echo(f"{out} is written; look it over, then: echelon intake -c {out}")


@app.command(rich_help_panel="Your data")
def fetch(
    name: Annotated[str, typer.Argument(help="online-retail-ii, complete-journey, cdnow, telco")],
    out: Annotated[Path, typer.Option(help="Folder to put it in.")] = Path("var/data"),
) -> None:
    """Download a public data set from its publisher and check it.

    Example: echelon fetch online-retail-ii --out var/data
    """
    from features.publishers import fetch as fetch_data_set

    typer.echo(f"{fetch_data_set(name, out)} is here; set ECHELON_DATA={out} to use it")


@app.command(rich_help_panel="Your data")
def simulate(
    customers: Annotated[int, typer.Option(min=1, help="How many customers.")] = 5000,
    seed: Annotated[int, typer.Option(help="The same seed gives the same company.")] = 0,
    out: Annotated[Path, typer.Option(help="Folder to write.")] = Path("var/simulated"),
    dirty: Annotated[bool, typer.Option(help="Write what real exports look like.")] = False,
    csv: Annotated[bool, typer.Option(help="CSV instead of Parquet.")] = False,
) -> None:
    """Write a believable company as five tables, with its hidden truth.

    Example: echelon simulate --customers 5000 --seed 7 --out var/simulated
    """
    from features.simulator import simulate as write_company
    from serving.console_output import steps

    with steps() as progress:
        write_company(
            customers,
            seed,
            out,
            dirty=dirty,
            file_format="csv" if csv else "parquet",
            progress=progress,
        )
    typer.echo(f"{customers} customers are in {out}")


@app.command(rich_help_panel="Your data")
def intake(
    config: ConfigPath = None,
    retry: Annotated[bool, typer.Option(help="Take in the mended quarantine rows.")] = False,
) -> None:
    """Read, repair and check the records; print what was refused and what can be trained.

    Example: echelon intake -c configs/demo.yaml
    """
    from features.intake import take_in
    from features.report import show
    from serving.console_output import console, steps

    loaded = _config(config)
    with steps() as progress:
        report = take_in(loaded, progress, retry=retry)
    console().print(show(report, loaded.language))


@app.command(rich_help_panel="Models")
def train(config: ConfigPath = None) -> None:
    """Train on the records taken in, grade against simple rules, register the model.

    Example: echelon train -c configs/demo.yaml
    """
    from serving.console_output import console, steps
    from serving.pipeline import train as train_models
    from training.results import show

    loaded = _config(config)
    with steps() as progress:
        trained = train_models(loaded, progress)
    console().print(show(trained.evaluation, loaded.language))
    by = "" if config is None else f" -c {config}"
    typer.echo(
        f"Model {trained.version} is registered; to serve it: echelon promote {trained.version}{by}"
    )


@app.command(rich_help_panel="Models")
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
    from serving.console_output import show_gates, steps
    from serving.promotion import promote as promote_version

    loaded = _config(config)
    with steps() as progress:
        promotion = promote_version(loaded, version, reason, override, progress)
    show_gates(promotion.gates, loaded.language)
    typer.echo(f"Model {promotion.version} is champion")


@app.command(rich_help_panel="Models")
def rollback(reason: Reason = "rolled back", config: ConfigPath = None) -> None:
    """Make the champion before this one the champion again.

    Example: echelon rollback --reason "complaints from sales" -c configs/demo.yaml
    """
    from training.registry import rollback as roll_back

    promotion = roll_back(_config(config), reason)
    typer.echo(f"Model {promotion.version} is champion again")


@app.command(rich_help_panel="Models")
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
        _show_publications(_config(config))
        return
    from zoneinfo import ZoneInfo

    from serving.console_output import show_history
    from training.registry import history as promotions

    loaded = _config(config)
    show_history(promotions(loaded, at), ZoneInfo(loaded.timezone))


@app.command(rich_help_panel="Models")
def compare(
    challenger: Annotated[str, typer.Argument(help="Model version, latest, or challenger.")] = (
        "latest"
    ),
    champion: Annotated[
        str, typer.Option("--with", help="Model version, or champion.")
    ] = "champion",
    out: Annotated[Path | None, typer.Option(help="Default: compare.html in the store.")] = None,
    language: Annotated[str | None, typer.Option(help="zh or en; default: the config's.")] = None,
    config: ConfigPath = None,
) -> None:
    """Hold a model version against the champion: what differs, how it does, whom it moves.

    Example: echelon compare latest --with champion -c configs/demo.yaml
    """
    from serving.compare_page import write_page
    from serving.compare_text import render
    from serving.comparison import compare as compare_versions
    from serving.console_output import console, steps

    loaded = _config(config)
    shown = _language(language, loaded)
    with steps() as progress:
        comparison = compare_versions(loaded, challenger, champion, progress)
    page = write_page(loaded, comparison, out or loaded.stores.root / "compare.html", shown)
    console().print(render(loaded, comparison, shown))
    typer.echo(f"Open {page}")


@app.command(rich_help_panel="Models")
def card(
    version: Annotated[str, typer.Argument(help="Model version, latest, or champion.")] = "latest",
    out: Annotated[Path | None, typer.Option(help="Default: card.html in the store.")] = None,
    language: Annotated[str | None, typer.Option(help="zh or en; default: the config's.")] = None,
    config: ConfigPath = None,
) -> None:
    """Print the model card of a version and write it as a page, as it was when trained.

    Example: echelon card latest -c configs/demo.yaml
    """
    from serving.card_page import fetch_card
    from serving.console_output import console

    loaded = _config(config)
    shown = _language(language, loaded)
    text, page = fetch_card(loaded, version, out or loaded.stores.root / "card.html", shown)
    console().print(text)
    typer.echo(f"Open {page}")


@app.command(rich_help_panel="Scores")
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
    from serving.pipeline import score as score_customers
    from serving.pipeline import score_shadow

    loaded = _config(config)
    with steps() as progress:
        if shadow is not None:
            typer.echo(f"In the shadow: {score_shadow(loaded, shadow, progress)}")
        else:
            typer.echo(f"Published: {score_customers(loaded, progress)}")


@app.command(rich_help_panel="Scores")
def explain(
    customer_id: CustomerId,
    since: Annotated[
        str | None,
        typer.Option(help="Also what changed since: a publication, a day, or previous."),
    ] = None,
    language: ShownIn = None,
    config: ConfigPath = None,
) -> None:
    """Print one customer's tier, value and churn with the reasons.

    Example: echelon explain C0000001 --since previous -c configs/demo.yaml
    """
    from serving.console_output import console
    from serving.explain import render
    from serving.publication import open_live

    loaded = _config(config)
    shown = _language(language, loaded)
    publication = open_live(loaded.stores.publications)
    answer = publication.customer(customer_id)
    console().print(render(answer, shown, publication.trace(customer_id)))
    if since is not None:
        from serving.change_facts import customer_change, publication_before
        from serving.change_shown import render_customer
        from serving.changes import compare

        compared = compare(loaded, publication_before(publication, since), publication)
        records = loaded.stores.records / publication.manifest.records
        console().print(render_customer(customer_change(compared, customer_id, records), shown))


@app.command(rich_help_panel="Scores")
def changes(
    since: Annotated[str, typer.Option(help="A publication, a day, or previous.")] = "previous",
    language: ShownIn = None,
    config: ConfigPath = None,
) -> None:
    """Print what changed since an earlier publication, split into data, model and policy.

    Example: echelon changes --since previous -c configs/demo.yaml
    """
    from serving.change_facts import portfolio_change, publication_before
    from serving.change_shown import render_portfolio
    from serving.changes import compare
    from serving.console_output import console
    from serving.publication import open_live

    loaded = _config(config)
    shown = _language(language, loaded)
    live = open_live(loaded.stores.publications)
    compared = compare(loaded, publication_before(live, since), live)
    console().print(render_portfolio(portfolio_change(compared), shown))


@app.command("what-if", rich_help_panel="Scores")
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
    from serving.events_given import events_of
    from serving.pipeline import supposed_customer
    from serving.what_if import what_if as suppose
    from serving.what_if_shown import render_what_if

    events = events_of(order or [], complaint_resolved, survey or [], contact or [])
    loaded = _config(config)
    shown = _language(language, loaded)
    supposed = supposed_customer(loaded, customer_id)
    facts = suppose(supposed, events, in_days)
    names = supposed.served.publication.manifest.terms.tier_names
    console().print(render_what_if(facts, shown, names))


@app.command(rich_help_panel="Scores")
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
    from serving.paths import find_paths
    from serving.pipeline import supposed_customer
    from serving.what_if_shown import render_paths

    loaded = _config(config)
    shown = _language(language, loaded)
    supposed = supposed_customer(loaded, customer_id)
    goal: Goal = "next_tier" if below is None else "below_churn"
    facts = find_paths(supposed, goal, below, in_days)
    names = supposed.served.publication.manifest.terms.tier_names
    console().print(render_paths(facts, shown, names))


@app.command(rich_help_panel="Scores")
def export(
    form: Annotated[str, typer.Option("--format", help="csv, arff (Weka) or pmml.")] = "csv",
    out: Annotated[Path, typer.Option(help="Folder to write.")] = Path("exports"),
    config: ConfigPath = None,
) -> None:
    """Write the published customers, or the rules of tiers and segments, for other tools.

    Example: echelon export --format pmml --out exports -c configs/demo.yaml
    """
    from serving.pipeline import export as write_exports

    for path in write_exports(_config(config), form, out):
        typer.echo(f"{path} is written")


@app.command(rich_help_panel="Scores")
def report(
    out: Annotated[Path | None, typer.Option(help="Default: report.html in the store.")] = None,
    config: ConfigPath = None,
) -> None:
    """Write the report for managers: one self-contained page, Chinese and English.

    Example: echelon report -c configs/demo.yaml
    """
    from serving.pipeline import report as write_report

    typer.echo(f"Open {write_report(_config(config), out)}")


@app.command(rich_help_panel="Scores")
def monitor(
    since: Annotated[
        str | None, typer.Option(help="Publication to compare with; default: the training.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Also write a page there.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    config: ConfigPath = None,
) -> None:
    """Say what has moved since training, and how past forecasts did; ends with 10 on an alarm.

    Example: echelon monitor --out monitor.html -c configs/demo.yaml
    """
    from serving.console_output import console, steps
    from serving.monitor import ALARM_EXIT_CODE
    from serving.monitor import monitor as look
    from serving.monitor_console import render
    from serving.monitor_page import write_page

    loaded = _config(config)
    with steps() as progress:
        found = look(loaded, since, progress)
    if as_json:
        typer.echo(found.model_dump_json(indent=1))
    else:
        console().print(render(found, loaded.language))
    if out is not None:
        write_page(loaded, found, out)
    if found.alarms:
        raise typer.Exit(ALARM_EXIT_CODE)


@app.command(rich_help_panel="Scores")
def run(config: ConfigPath = None) -> None:
    """Do it all: intake, training, promotion, publication, report.

    Example: echelon run -c configs/demo.yaml
    """
    from serving.console_output import console, steps
    from serving.pipeline import run as run_all

    loaded = _config(config)
    with steps() as progress:
        outcome = run_all(loaded, progress)
    console().print(outcome.summary(loaded.language, _path(config)))
    if outcome.refused is not None:
        raise PromotionRefused(f"scores are published, but by the champion: {outcome.refused}")


@app.command(rich_help_panel="Endpoint")
def serve(
    config: ConfigPath = None,
    host: Annotated[str | None, typer.Option(help="Default: the config's.")] = None,
    port: Annotated[int | None, typer.Option(help="Default: the config's.")] = None,
) -> None:
    """Answer predictions over HTTP until Ctrl-C.

    Example: echelon serve -c configs/demo.yaml --port 3000
    """
    from serving.serve import serve as serve_forever

    serve_forever(_config(config), _path(config), host, port)


def _show_publications(config: Config) -> None:
    from configs.files import live_generation
    from serving.change_shown import render_publications
    from serving.console_output import console
    from serving.publication import manifests

    store = config.stores.publications
    live = live_generation(store)
    console().print(render_publications(manifests(store), None if live is None else live.name))


def _language(language: str | None, config: Config) -> Language:
    if language is None:
        return config.language
    if language not in ("zh", "en"):
        raise typer.BadParameter(f"{language!r} is no language of Echelon; zh or en")
    return "zh" if language == "zh" else "en"


if __name__ == "__main__":
    main()
