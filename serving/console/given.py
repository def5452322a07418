"""Which records a company gives at all: what it does not keep is neither empty nor nothing."""

from __future__ import annotations

from collections.abc import Set
from typing import Literal

from configs.schema import Config

Kind = Literal["interaction", "satisfaction"]


def given(config: Config) -> Set[Kind]:
    """Return the families of records about customers that the company's sources hold.

    Contract customers come as ready columns, and none of these.
    """
    sources = config.sources
    found: set[Kind] = {"interaction"} if sources.interactions else set()
    return found | {"satisfaction"} if sources.satisfaction else found
