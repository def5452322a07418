"""The console's style sheet and scripts: the few files of this package, read once."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from starlette.responses import Response

if TYPE_CHECKING:
    from serving.console.page import Visit

TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
FOR_GOOD = "public, max-age=31536000, immutable"
ASK_AGAIN = "no-cache"
DIGITS = 12


@cache
def contents() -> dict[str, tuple[bytes, str]]:
    """Return the files by name, each with the first digits of its SHA-256."""
    folder = files("serving.console").joinpath("static")
    found = {
        file.name: file.read_bytes()
        for file in folder.iterdir()
        if any(file.name.endswith(ending) for ending in TYPES)
    }
    return {
        name: (content, hashlib.sha256(content).hexdigest()[:DIGITS])
        for name, content in found.items()
    }


def address(name: str) -> str:
    """Return where a browser gets a file; another content has another address.

    >>> address("console.css").partition("?")[0]
    '/console/static/console.css'
    """
    return f"/console/static/{name}?v={contents()[name][1]}"


def static(visit: Visit) -> Response:
    """Answer with one of the files; a browser keeps it for good by the address with its version."""
    from serving.console.door import GO_BACK, NO_PAGE
    from serving.console.page import PageError

    name = visit.parameters["name"]
    if name not in contents():
        raise PageError(404, NO_PAGE, GO_BACK)
    content, version = contents()[name]
    media_type = next(kind for ending, kind in TYPES.items() if name.endswith(ending))
    kept = FOR_GOOD if visit.query.get("v") == version else ASK_AGAIN
    headers = {"cache-control": kept, "etag": f'"{version}"'}
    return Response(content, media_type=media_type, headers=headers)
