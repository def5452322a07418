"""Commands on who may sign in to the console."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from serving.options import ConfigPath, config_at

commands = typer.Typer()
users = typer.Typer(help="Say who may sign in to the console.", no_args_is_help=True)
commands.add_typer(users, name="users", rich_help_panel="Endpoint")

Name = Annotated[str, typer.Argument(help="What they sign in by.")]


@users.command()
def add(
    name: Name,
    role: Annotated[str, typer.Option(help="manager, data_scientist or admin.")] = "manager",
    config: ConfigPath = None,
) -> None:
    """Add somebody; the password is asked for, or read from a pipe.

    Example: echelon users add "Li Na" --role manager -c configs/demo.yaml
    """
    from serving.console.visitors.people_office import add as add_person

    person = add_person(config_at(config), name, role, _password())
    typer.echo(f"{person.name} may sign in as {person.role}")


@users.command("list")
def list_users(config: ConfigPath = None) -> None:
    """Print who may sign in, and who may no more.

    Example: echelon users list -c configs/demo.yaml
    """
    from serving.console.visitors.people_office import listed
    from serving.console_output import show_people

    loaded = config_at(config)
    show_people(listed(loaded), loaded)


@users.command()
def disable(name: Name, config: ConfigPath = None) -> None:
    """Let somebody in no more; their sessions end at once.

    Example: echelon users disable "Li Na" -c configs/demo.yaml
    """
    from serving.console.visitors.people_office import disable as disable_person

    person = disable_person(config_at(config), name)
    typer.echo(f"{person.name} may sign in no more")


@users.command()
def password(name: Name, config: ConfigPath = None) -> None:
    """Give somebody another password, asked for or read from a pipe; their sessions end.

    Example: echelon users password "Li Na" -c configs/demo.yaml
    """
    from serving.console.visitors.people_office import set_password

    person = set_password(config_at(config), name, _password())
    typer.echo(f"{person.name} has another password")


@users.command()
def link(
    name: Annotated[str, typer.Argument(help="Default: this machine's administrator.")] = "local",
    config: ConfigPath = None,
) -> None:
    """Print a link that signs somebody in once, within half an hour.

    Example: echelon users link "Li Na" -c configs/demo.yaml
    """
    from serving.console.visitors.people_office import link as made_link
    from serving.console.visitors.people_office import url

    loaded = config_at(config)
    typer.echo(url(loaded) + made_link(loaded, name))


def _password() -> str:
    """Return a password from who types it twice, or from the first line of a pipe."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    asked: str = typer.prompt("Password", hide_input=True, confirmation_prompt=True)
    return asked
