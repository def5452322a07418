"""What one look at the live publication found, as it is kept beside the publications."""

from __future__ import annotations

import datetime as dt

from pydantic import BaseModel, ConfigDict, ValidationError

from configs.schema import Stores
from configs.section import Text
from serving.monitoring.findings import FeatureDrift, Finding
from serving.monitoring.outcome import Outcome


class Monitoring(BaseModel):
    """What one look at the live publication found; JSON by ``model_dump_json``.

    Attributes:
        publication, as_of, model: what was looked at.
        since: id of the publication compared with; ``None`` for the model's training.
        customers, reference_customers: how many there are, and how many were compared with.
        findings: what has changed, alarms first.
        features: the sizes of every feature's change, the largest first.
        tiers, reference_tiers: tier code → share of customers, the highest tier first.
        outcomes: expected and actual of publications whose horizon has closed.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    publication: str
    as_of: dt.date
    made_at: dt.datetime
    model: str
    since: str | None
    customers: int
    reference_customers: int
    findings: tuple[Finding, ...]
    features: tuple[FeatureDrift, ...]
    tier_names: dict[str, Text]
    tiers: dict[str, float]
    reference_tiers: dict[str, float]
    outcomes: tuple[Outcome, ...] = ()

    @property
    def alarms(self) -> tuple[Finding, ...]:
        """The findings that somebody should look at."""
        return tuple(one for one in self.findings if one.is_alarm)


def last_found(stores: Stores) -> Monitoring | None:
    """Return the newest look that was compared with training; ``None`` before the first.

    It may be of an earlier publication than the live one, or kept by another version of Echelon,
    which is passed over.
    """
    kept = [path for path in stores.monitoring.glob("*.json") if ".since." not in path.name]
    for path in sorted(kept, key=lambda path: path.name, reverse=True):
        try:
            return Monitoring.model_validate_json(path.read_bytes())
        except (OSError, ValidationError):
            continue
    return None
