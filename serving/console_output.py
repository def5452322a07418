"""What the command line prints: progress and the small tables of its own commands."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from configs.load import Origin
from configs.progress import Progress as Callback

if TYPE_CHECKING:
    from configs.schema import Config
    from configs.section import Language
    from serving.access.keys import Key
    from serving.console.visitors.people import Listed
    from training.promotions import GateOutcome, Promotion


MARKS = {"passed": "✓", "failed": "✗", "not_judged": "–"}
WIDTH = 118
"""Columns where output is no terminal: wide enough for the tables."""


def console() -> Console:
    """Return the terminal; wide enough for tables where output is no terminal."""
    probe = Console()
    return probe if probe.is_terminal else Console(width=WIDTH)


@contextmanager
def steps() -> Iterator[Callback]:
    """Show one progress bar per named step on standard error while the block runs."""
    bars = Progress(
        TextColumn("{task.description:<28}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeElapsedColumn(),
        console=Console(stderr=True),
    )
    tasks: dict[str, int] = {}

    def progress(step: str, share: float) -> None:
        if step not in tasks:
            tasks[step] = bars.add_task(step, total=1.0)
        bars.update(tasks[step], completed=min(max(share, 0.0), 1.0))  # type: ignore[arg-type]

    with bars:
        yield progress


def show_origins(origins: Sequence[Origin]) -> None:
    """Print each setting, its value and the layer that set it."""
    table = Table("setting", "value", "from", box=None)
    for origin in origins:
        table.add_row(origin.key, str(origin.value), origin.source)
    console().print(table)


def show_history(promotions: Sequence[Promotion], zone: ZoneInfo) -> None:
    """Print promotions in local time, the newest first, or that there is none."""
    if not promotions:
        console().print("No model was champion; `echelon promote` makes one")
        return
    table = Table("model", f"live from ({zone.key})", "by", "reason", "gates", box=None)
    for promotion in promotions:
        at = promotion.at.astimezone(zone).isoformat(" ", "seconds")
        table.add_row(promotion.version, at, promotion.way, promotion.reason, _counted(promotion))
    console().print(table)


def show_gates(gates: Sequence[GateOutcome], language: Language) -> None:
    """Print what each gate said; nothing where there was no champion to be held against."""
    if not gates:
        return
    table = Table("gate", "", "", box=None)
    for gate in gates:
        table.add_row(gate.gate, MARKS[gate.verdict], gate.said[language])
    console().print(table)


def _counted(promotion: Promotion) -> str:
    if not promotion.gates:
        return "–"
    passed = sum(gate.verdict == "passed" for gate in promotion.gates)
    overridden = ", overridden" if promotion.overridden else ""
    return f"{passed} of {len(promotion.gates)} passed{overridden}"


def show_keys(keys: Sequence[Key], config: Config) -> None:
    """Print keys without their secrets; moments are of the config's time zone."""
    zone = ZoneInfo(config.timezone)
    table = Table(
        "id", "name", "role", "customers", "made", "expires", "last used", "revoked", box=None
    )
    for key in keys:
        moments = (key.created_at, key.expires_at, key.last_used_at, key.revoked_at)
        shown = ["–" if at is None else f"{at.astimezone(zone):%Y-%m-%d %H:%M}" for at in moments]
        table.add_row(key.id, key.name, key.role, " ".join(key.customers.patterns) or "*", *shown)
    console().print(table)


def show_people(people: Sequence[Listed], config: Config) -> None:
    """Print who may sign in; moments are of the config's time zone."""
    zone = ZoneInfo(config.timezone)
    table = Table("id", "name", "role", "signs in by", "added", "disabled", box=None)
    for one in people:
        moments = (one.created_at, one.disabled_at)
        shown = ["–" if at is None else f"{at.astimezone(zone):%Y-%m-%d %H:%M}" for at in moments]
        by = "password" if one.has_password else "link"
        table.add_row(one.person.id, one.person.name, one.person.role, by, *shown)
    console().print(table)
