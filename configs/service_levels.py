"""Service standards: how soon each tier is answered and its complaints are resolved."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from configs.section import Section

Hours = Annotated[float, Field(gt=0)]


class ServiceLevel(Section):
    """What one tier is promised; elapsed hours, nights and weekends included.

    How often its customers are owed a contact is ``contact_every_days`` of the team's terms.
    """

    tier: str
    first_response_hours: Hours | None = None
    """From an enquiry, a support case or a complaint to the first answer."""
    resolution_hours: Hours | None = None
    """From a support case or a complaint to its resolution."""
