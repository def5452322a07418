"""Commands on records and settings."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from serving.options import ConfigPath, config_at, path_of

commands = typer.Typer()
config_commands = typer.Typer(help="Check or show the configuration.", no_args_is_help=True)
commands.add_typer(config_commands, name="config", rich_help_panel="Your data")


@config_commands.command("check")
def config_check(config: ConfigPath = None) -> None:
    """Say whether the configuration is right, and what is wrong.

    Example: echelon config check -c configs/demo.yaml
    """
    loaded = config_at(config)
    typer.echo(f"{path_of(config) or 'The defaults'}: right ({loaded.name}, as {loaded.language})")


@config_commands.command("show")
def config_show(config: ConfigPath = None) -> None:
    """Print every setting and where its value came from.

    Example: echelon config show -c configs/demo.yaml
    """
    from configs.load import origins
    from serving.console_output import show_origins

    show_origins(origins(path_of(config)))


@commands.command(rich_help_panel="Your data")
def init(
    folder: Annotated[Path, typer.Argument(help="Folder of CSV or Parquet files.")],
    out: Annotated[Path, typer.Option(help="Where to write the proposal.")] = Path("echelon.yaml"),
) -> None:
    """Look at someone's files and propose a configuration with the column mapping.

    Example: echelon init exports --out echelon.yaml
    """
    from features.raw.proposal import write_proposal

    write_proposal(folder, out)
    typer.echo(f"{out} is written; look it over, then: echelon intake -c {out}")


@commands.command(rich_help_panel="Your data")
def fetch(
    name: Annotated[str, typer.Argument(help="online-retail-ii, complete-journey, cdnow, telco")],
    out: Annotated[Path, typer.Option(help="Folder to put it in.")] = Path("var/data"),
) -> None:
    """Download a public data set from its publisher and check it.

    Example: echelon fetch online-retail-ii --out var/data
    """
    from features.raw.publishers import fetch as fetch_data_set

    typer.echo(f"{fetch_data_set(name, out)} is here; set ECHELON_DATA={out} to use it")


@commands.command(rich_help_panel="Your data")
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


@commands.command(rich_help_panel="Your data")
def intake(
    config: ConfigPath = None,
    retry: Annotated[bool, typer.Option(help="Take in the mended quarantine rows.")] = False,
) -> None:
    """Read, repair and check the records; print what was refused and what can be trained.

    Example: echelon intake -c configs/demo.yaml
    """
    from features.intake import take_in
    from features.stored.report import show
    from serving.console_output import console, steps

    loaded = config_at(config)
    with steps() as progress:
        report = take_in(loaded, progress, retry=retry)
    console().print(show(report, loaded.language))
