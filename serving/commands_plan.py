"""The command that plans who does what for whom."""

from __future__ import annotations

from typing import Annotated

import typer

from serving.options import ConfigPath, ShownIn, config_at, language_of

commands = typer.Typer()


@commands.command(rich_help_panel="Scores")
def plan(
    more_experienced: Annotated[
        int, typer.Option(min=0, max=50, help="Suppose so many more experienced employees.")
    ] = 0,
    language: ShownIn = None,
    config: ConfigPath = None,
) -> None:
    """Plan who does what for whom: the most value within hours, skills and budgets.

    Example: echelon plan -c configs/demo.yaml
    """
    from serving.allocation.plan_shown import render
    from serving.allocation.planning import plan_now
    from serving.console_output import console, steps

    loaded = config_at(config)
    with steps() as progress:
        made = plan_now(loaded, more_experienced, progress)
    console().print(render(made, loaded.currency, language_of(language, loaded)))
