"""Which version was champion when the registry was last asked, while nobody has written to it.

To ask MLflow takes seconds, most of them to import it; a registry that is a SQLite file tells by
its header and its times that nothing was written since. Any other registry is always asked.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from configs.files import write_text
from configs.schema import Stores
from training.tracking import tracking_uri

FILE = "champion.json"
SQLITE = "sqlite:///"
HEADER_BYTES = 100
"""Of a SQLite file: its header, with a counter at 24 that every write raises
(https://www.sqlite.org/fileformat2.html#the_database_header)."""
OPEN_ENDED = ("-wal", "-journal")
"""Files beside a database that hold what is written to it: while one is there, it says nothing."""


class Known(BaseModel):
    """The champion as the registry in a certain state named it.

    Attributes:
        model_name: whose champion.
        state: of the registry, as :func:`state_of` returns it.
        version: the champion.
        digest: of its bundle, as registered.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    model_name: str
    state: str
    version: str
    digest: str


def state_of(stores: Stores) -> str | None:
    """Return what is another as soon as the registry is written to; ``None`` if it cannot tell.

    A store that was moved, or copied with its times, is as it was.
    """
    uri = tracking_uri(stores)
    if not uri.startswith(SQLITE):
        return None
    path = Path(uri.removeprefix(SQLITE))
    if any(path.with_name(path.name + end).exists() for end in OPEN_ENDED):
        return None
    try:
        with path.open("rb") as file:
            header, about = file.read(HEADER_BYTES), os.fstat(file.fileno())
    except OSError:
        return None
    return f"{about.st_size} {about.st_mtime_ns} {header.hex()}"


def recall(stores: Stores, state: str | None) -> Known | None:
    """Return the champion that the registry named in ``state``, if that was kept."""
    try:
        known = Known.model_validate_json((stores.root / FILE).read_bytes())
    except (OSError, ValidationError):
        return None
    return known if (known.model_name, known.state) == (stores.model_name, state) else None


def keep(stores: Stores, state: str | None, version: str, digest: str) -> None:
    """Keep the champion that the registry named in ``state``, unless it was written to since.

    Whoever may not write here asks the registry each time.
    """
    if state is None or state_of(stores) != state:
        return
    known = Known(model_name=stores.model_name, state=state, version=version, digest=digest)
    with suppress(OSError):
        write_text(stores.root / FILE, known.model_dump_json(indent=1) + "\n")
