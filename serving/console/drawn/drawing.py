"""A child process that draws pictures: Vega-Lite in, SVG out, one JSON line each.

Run as ``python -m serving.console.drawn.drawing``. Vega runs in an engine of its own that takes
70 MB and holds the interpreter's lock while it draws (0.6 s the first time, some 50 ms from then
on), so the process that answers requests never loads it.
"""

from __future__ import annotations

import json
import select
import sys
from typing import Any

IDLE_SECONDS = 600.0
"""A child that has had nothing to draw for so long ends; the next picture starts another."""


def drawn(line: str) -> dict[str, Any]:
    """Return the SVG of the specification in ``line``, or what is wrong with it.

    Nothing is fetched: a specification holds its data.
    """
    import vl_convert

    try:
        svg = vl_convert.vegalite_to_svg(json.loads(line), allowed_base_urls=[])
    except ValueError as error:
        return {"error": str(error)}
    return {"svg": svg}


def main() -> None:
    """Draw what comes in line by line, until the other end closes or nothing comes."""
    while select.select([sys.stdin], [], [], IDLE_SECONDS)[0]:
        line = sys.stdin.readline()
        if not line:
            return
        sys.stdout.write(json.dumps(drawn(line)) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
