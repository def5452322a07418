"""Commands on the tier policy: its versions, and which is in force."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from serving.options import ConfigPath, ShownIn, config_at, language_of

commands = typer.Typer()
policy = typer.Typer(no_args_is_help=True, help="Versions of the tier policy; one is in force.")
commands.add_typer(policy, name="policy", rich_help_panel="Scores")

VersionId = Annotated[int, typer.Argument(help="As `echelon policy list` shows it.")]
Comment = Annotated[str, typer.Option(help="Why; kept on record.")]


@policy.command("list")
def list_versions(language: ShownIn = None, config: ConfigPath = None) -> None:
    """Print all versions of the tier policy, the newest first.

    Example: echelon policy list -c configs/demo.yaml
    """
    from serving.console_output import console
    from serving.policies.office import render

    loaded = config_at(config)
    console().print(render(loaded, language_of(language, loaded)))


@policy.command()
def show(version: VersionId, config: ConfigPath = None) -> None:
    """Print one version as it stands in a configuration.

    Example: echelon policy show 3 -c configs/demo.yaml
    """
    from serving.policies.office import content

    typer.echo(content(config_at(config), version), nl=False)


@policy.command()
def export(
    version: VersionId,
    out: Annotated[Path, typer.Option(help="YAML file to write.")],
    config: ConfigPath = None,
) -> None:
    """Write one version as YAML.

    Example: echelon policy export 3 --out policy.yaml -c configs/demo.yaml
    """
    from serving.policies.office import export as write

    write(config_at(config), version, out)
    typer.echo(f"Written: {out}")


@policy.command("import")
def bring_in(
    file: Annotated[Path, typer.Argument(help="YAML, as `echelon policy export` writes it.")],
    comment: Comment = "from a file",
    config: ConfigPath = None,
) -> None:
    """Propose the policy in a file; somebody approves it at /console/policy.

    Example: echelon policy import policy.yaml --comment "next quarter" -c configs/demo.yaml
    """
    from serving.policies.office import bring_in as propose

    made = propose(config_at(config), file, comment)
    typer.echo(f"Version {made.id} waits for approval at /console/policy/{made.id}")


@policy.command("use-bundle")
def use_bundle(
    comment: Comment = "back to the model's own policy", config: ConfigPath = None
) -> None:
    """Take the approved version out of force: the next publication follows the model's own policy.

    Example: echelon policy use-bundle --comment "fresh start" -c configs/demo.yaml
    """
    from serving.policies.office import use_bundle as go_back

    gone = go_back(config_at(config), comment)
    if gone is None:
        typer.echo("The model's own policy is in force already")
    else:
        typer.echo(f"{gone.label} is retired; `echelon score` publishes by the model's own policy")
