"""The ``echelon`` command: each command reads its arguments, calls one function and prints.

Heavy imports stand inside the commands, so that ``echelon --help`` answers at once.
"""

from __future__ import annotations

import sys

import typer

from configs.errors import EchelonError
from configs.garbage import look_for_garbage_seldom
from configs.shortage import shortage, shortages
from serving import (
    commands_access,
    commands_customers,
    commands_data,
    commands_models,
    commands_plan,
    commands_policy,
    commands_users,
    commands_webhooks,
)
from serving.hints import config_of, with_config

EXIT_CODES = """
Exit codes: 0 done · 1 `doctor` found a failure, or disk or memory ran out · 2 wrong usage ·
3 configuration · 4 records · 5 features · 6 training · 7 model or registry · 8 publication ·
9 endpoint · 10 alarm of `monitor` · 11 promotion refused by the gates ·
12 audit log altered · 130 stopped by Ctrl-C
"""

app = typer.Typer(
    help="Customer tiers, lifetime value and churn from your own records, explained.",
    epilog=EXIT_CODES,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
for part in (
    commands_data,
    commands_models,
    commands_customers,
    commands_policy,
    commands_plan,
    commands_access,
    commands_users,
    commands_webhooks,
):
    app.add_typer(part.commands)


def main() -> None:
    """Run the command line; an Echelon error becomes one message and its exit code."""
    look_for_garbage_seldom()
    try:
        app()
    except EchelonError as error:
        print(f"echelon: {with_config(str(error), config_of(sys.argv[1:]))}", file=sys.stderr)
        raise SystemExit(error.exit_code) from error
    except shortages() as error:
        told = shortage(error)
        if told is None:
            raise
        print(f"echelon: {told}", file=sys.stderr)
        raise SystemExit(EchelonError.exit_code) from error
    except KeyboardInterrupt as error:
        print("echelon: stopped; nothing is half-written", file=sys.stderr)
        raise SystemExit(130) from error


if __name__ == "__main__":
    main()
