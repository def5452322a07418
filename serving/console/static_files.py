"""The console's style sheet and script: the few files of this package, read once."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from starlette.responses import Response

from serving.console.page import PageError, Visit

TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


@cache
def contents() -> dict[str, bytes]:
    """Return the files by name."""
    folder = files("serving.console").joinpath("static")
    return {
        file.name: file.read_bytes()
        for file in folder.iterdir()
        if any(file.name.endswith(ending) for ending in TYPES)
    }


def static(visit: Visit) -> Response:
    """Answer with one of the files."""
    from serving.console.door import GO_BACK, NO_PAGE

    name = visit.parameters["name"]
    content = contents().get(name)
    if content is None:
        raise PageError(404, NO_PAGE, GO_BACK)
    media_type = next(kind for ending, kind in TYPES.items() if name.endswith(ending))
    return Response(content, media_type=media_type, headers={"cache-control": "max-age=3600"})
