"""Answers as they leave: JSON text in the language that the request prefers."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from serving.endpoint.gate import LANGUAGE
from serving.endpoint.languages import VARY, in_language

JSON = "application/json"


def spoken(request: Request, body: str, status: int = 200) -> Response:
    """Return the answer ``body``, whose texts are in both languages, as ``request`` wants it."""
    language = request.scope[LANGUAGE]
    headers = VARY if language is None else VARY | {"Content-Language": language}
    return Response(in_language(body, language), status, headers, JSON)
