"""The report of an intake: rows read and refused, days, coverage, what can be trained."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

from configs.errors import RecordsError
from configs.records import SnapshotSource
from configs.schema import Config
from features.contract_customers import SnapshotRows
from features.sources import date_of, day_number
from features.stored.report import IntakeReport, TableReport
from features.stored.taking import Tally
from features.stored.tally import Description
from features.stored.trainable import trainable, trainable_contracts


def table_reports(
    config: Config, tallies: Mapping[str, Tally], about: Mapping[str, Description]
) -> dict[str, TableReport]:
    """Return the report of each table.

    Raises:
        RecordsError: no transaction could be accepted.
    """
    as_of = _as_of(config, about)
    reports = {
        name: _table_report(tally, about[name], None if name == "customers" else as_of)
        for name, tally in tallies.items()
    }
    _require_transactions(reports)
    return reports


def records_report(
    config: Config,
    generation: str,
    reports: dict[str, TableReport],
    about: Mapping[str, Description],
    coverage: dict[str, float],
) -> IntakeReport:
    """Return the report of the records written, whatever was read of them now."""
    bought = reports["transactions"]
    assert bought.first_day is not None
    assert bought.last_day is not None
    return IntakeReport(
        name=config.name,
        generation=generation,
        as_of=_as_of(config, about),
        tables=reports,
        coverage=coverage,
        trainable=trainable(config, bought.first_day, bought.last_day, bought.customers),
    )


def contract_report(
    config: Config,
    generation: str,
    tally: Tally,
    about: Description,
    rows: SnapshotRows,
    source: SnapshotSource,
) -> IntakeReport:
    """Return the report of a snapshot of contract customers."""
    table = _table_report(tally, about, None).model_copy(update={"notes": rows.notes})
    has_value = source.value_per_month is not None
    return IntakeReport(
        name=config.name,
        generation=generation,
        as_of=config.as_of or source.observed_on,
        tables={"snapshot": table},
        coverage={},
        trainable=trainable_contracts(config, rows.labels, has_value),
    )


def _as_of(config: Config, about: Mapping[str, Description]) -> dt.date | None:
    """Return the day that is taken for today: the last purchase, else the last record."""
    lasts = [d.last_day for d in about.values() if d.last_day is not None]
    bought = about.get("transactions")
    last = bought.last_day if bought and bought.last_day is not None else max(lasts, default=None)
    return config.as_of or (None if last is None else date_of(last))


def _table_report(tally: Tally, about: Description, as_of: dt.date | None) -> TableReport:
    return TableReport(
        read=tally.read,
        accepted=tally.accepted,
        quarantined=dict(sorted(tally.quarantined.items())),
        repaired=dict(sorted((what, count) for what, count in tally.repaired.items() if count)),
        left_out=tally.left_out,
        first_day=_date(about.first_day),
        last_day=_date(about.last_day),
        days_behind=_behind(as_of, about.last_day),
        customers=about.customers,
        completeness=about.completeness,
    )


def _require_transactions(reports: dict[str, TableReport]) -> None:
    bought = reports.get("transactions")
    if bought is None:
        raise RecordsError("sources.transactions is missing: Echelon scores what customers bought")
    if bought.accepted == 0:
        worst = max(
            bought.quarantined, key=lambda r: bought.quarantined[r], default="no rows at all"
        )
        raise RecordsError(
            f"none of {bought.read} rows of transactions could be accepted (most often: {worst}, "
            f"{bought.quarantined.get(worst, 0)} rows). Look at the mapping in the configuration"
        )


def _date(day: int | None) -> dt.date | None:
    return None if day is None else date_of(day)


def _behind(as_of: dt.date | None, last_day: int | None) -> int | None:
    return None if as_of is None or last_day is None else max(0, day_number(as_of) - last_day)
