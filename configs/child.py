"""Child processes that must import the very packages that this process did."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).parent.parent


def child_environment() -> dict[str, str]:
    """Return the environment of a child: in a Bento, too, it imports what its parent did.

    The packages may be those of a Bento while another Echelon, or none, is installed.
    """
    before = os.environ.get("PYTHONPATH")
    path = str(ROOT) if not before else f"{ROOT}{os.pathsep}{before}"
    return os.environ | {"PYTHONPATH": path}
