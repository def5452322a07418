"""Commands on who may ask the endpoint: keys, and what they did."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Annotated

import typer

from configs.errors import AuditError
from serving.options import ConfigPath, config_at

keys = typer.Typer(help="Make, list and revoke the keys of the endpoint.", no_args_is_help=True)
commands = typer.Typer()
audit = typer.Typer(help="Look whether the audit log is as it was written.", no_args_is_help=True)
commands.add_typer(audit, name="audit", rich_help_panel="Endpoint")
commands.add_typer(keys, name="keys", rich_help_panel="Endpoint")


@keys.command()
def create(
    name: Annotated[str, typer.Argument(help="What it is for.")],
    role: Annotated[
        str, typer.Option(help="data_scientist, application, manager or admin.")
    ] = "application",
    customers: Annotated[
        list[str] | None,
        typer.Option(help="Pattern of customer ids, such as SH-*; may be repeated. Default: all."),
    ] = None,
    expires: Annotated[
        dt.datetime | None, typer.Option(help="In the config's time zone. Default: never.")
    ] = None,
    config: ConfigPath = None,
) -> None:
    """Make a key and print it, once.

    Example: echelon keys create shop --customers "SH-*" --expires 2031-12-31 -c configs/demo.yaml
    """
    from serving.access.key_office import create as create_key

    made = create_key(config_at(config), name, role, customers or (), expires)
    typer.echo(made.text)
    typer.echo("Keep it now: it is shown this once.", err=True)


@keys.command("list")
def list_keys(config: ConfigPath = None) -> None:
    """Print the keys, without their secrets.

    Example: echelon keys list -c configs/demo.yaml
    """
    from serving.access.key_office import listed
    from serving.console_output import show_keys

    loaded = config_at(config)
    show_keys(listed(loaded), loaded)


@keys.command()
def revoke(
    key_id: Annotated[str, typer.Argument(help="As `echelon keys list` shows it.")],
    config: ConfigPath = None,
) -> None:
    """Refuse a key from now on; running endpoints know within seconds.

    Example: echelon keys revoke 4f1c0a9b2e -c configs/demo.yaml
    """
    from serving.access.key_office import revoke as revoke_key

    revoke_key(config_at(config), key_id)
    typer.echo(f"Key {key_id} is revoked")


@audit.command()
def archive(
    before: Annotated[dt.datetime, typer.Option(formats=["%Y-%m-%d"], help="Day in UTC.")],
    to: Annotated[Path, typer.Option(help="Folder, made where there is none.")],
    config: ConfigPath = None,
) -> None:
    """Move the days of the audit log before a day elsewhere; what is left is verified as before.

    Example: echelon audit archive --before 2026-01-01 --to /srv/audit -c configs/demo.yaml
    """
    from serving.access.key_office import archive_audit

    moved = archive_audit(config_at(config), before.date(), to)
    typer.echo(f"{len(moved)} days of the audit log are now in {to}")


@audit.command()
def verify(
    archived: Annotated[
        Path | None, typer.Option(help="Folder of what was archived, to verify it, too.")
    ] = None,
    config: ConfigPath = None,
) -> None:
    """Find the first line of the audit log that was edited, removed or cut off.

    Example: echelon audit verify -c configs/demo.yaml
    """
    from serving.access.key_office import verify_audit

    loaded = config_at(config)
    verdict = verify_audit(loaded, archived)
    if verdict.broken_at is not None:
        raise AuditError(
            f"{verdict.broken_at} {verdict.why}; the {verdict.n_lines:,} lines before it are as "
            "they were written. Compare with a copy kept elsewhere"
        )
    typer.echo(f"The audit log is whole: {verdict.n_lines:,} lines in {loaded.stores.audit}")
