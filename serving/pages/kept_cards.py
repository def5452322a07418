"""Model cards beside the publications, so that they are read without the registry."""

from __future__ import annotations

from pathlib import Path

from configs.files import write_text
from configs.schema import Stores

PAGE = "card.html"


def keep_card(stores: Stores, version: str, folder: Path) -> None:
    """Keep the card in ``folder`` as the one of a model version."""
    write_text(stores.cards / f"{version}.html", (folder / PAGE).read_text(encoding="utf-8"))


def kept_card(stores: Stores, version: str) -> str | None:
    """Return the card of a version as a page; ``None`` where it was trained elsewhere."""
    path = stores.cards / f"{version}.html"
    return path.read_text(encoding="utf-8") if path.is_file() else None
