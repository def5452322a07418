"""What employees attained with the customers they look after, as ``echelon effects`` found it."""

from __future__ import annotations

import datetime as dt
from functools import lru_cache
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from configs.schema import Config
from configs.section import Text
from configs.team import Skill
from training.adjusted import Attained

KPI_FILE = "kpi.json"
MeasureName = Literal["retention", "sales", "satisfaction", "resolution_hours"]
MEASURES: tuple[MeasureName, ...] = ("retention", "sales", "satisfaction", "resolution_hours")
MEASURE_NAMES: dict[MeasureName, Text] = {
    "retention": Text(zh="客户保留率", en="Retention"),
    "sales": Text(zh="客均销售额", en="Sales per customer"),
    "satisfaction": Text(zh="客户满意度", en="Satisfaction"),
    "resolution_hours": Text(zh="问题解决时间", en="Hours to resolve"),
}
LOWER_IS_BETTER: frozenset[MeasureName] = frozenset({"resolution_hours"})


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class EmployeeKpi(_Frozen):
    """One employee.

    Attributes:
        code, name, skill: as in the team's file.
        customers: whom they looked after when the period began.
        tiers: how many of these were in each tier, by code.
        measures: what they attained; a measure with too few results is left out.
    """

    code: str
    name: str
    skill: Skill
    customers: int
    tiers: dict[str, int]
    measures: dict[MeasureName, Attained]


class KpiReport(_Frozen):
    """What all employees attained in the last period that has closed.

    Attributes:
        publication: whose expectations they are measured by.
        begins_after, ends_on: the period, ``(begins_after, ends_on]``.
    """

    made_at: dt.datetime
    publication: str
    begins_after: dt.date
    ends_on: dt.date
    employees: tuple[EmployeeKpi, ...]


def kpi_report(config: Config) -> KpiReport | None:
    """Return the last report, read again when it changes; ``None`` before the first."""
    path = config.stores.trials / KPI_FILE
    try:
        changed = path.stat().st_mtime_ns
    except OSError:
        return None
    return _read(path, changed)


@lru_cache(maxsize=4)
def _read(path: Path, changed: int) -> KpiReport | None:
    try:
        return KpiReport.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None
