"""How what was done is found out to work: some customers are left out at random."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from configs.section import Section


class Trials(Section):
    """Hold-outs of actions."""

    holdout_share: Annotated[float, Field(ge=0, le=0.5)]
    """Of the customers of an action and quarter; an action may name its own."""
