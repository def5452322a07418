"""The data page: how fresh every source is, what was refused and why, what is missing, how to mend.

It reads the report that intake left beside the records that were scored, and the files of the
quarantine, whose first lines are shown with letters and digits masked.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import ValidationError
from starlette.responses import Response

from configs.section import Text
from features.contracts import TABLES
from features.raw.quarantine import REASONS
from features.stored.report import REPAIRS, TABLE_NAMES, IntakeReport, TableReport
from serving.console.drawn.pictures import ACCENT, Chart, Column, Picture
from serving.console.page import Visit
from serving.scores.numbers import percent
from serving.scores.publication import FEATURES_FILE, SCORES_FILE
from training.card_words import FAMILIES

if TYPE_CHECKING:
    from serving.endpoint.served import Served

REPORT_FILE = "report.json"
EXAMPLES = 3
"""Refused rows shown of each reason."""
READ_AT_MOST = 5_000
"""Refused rows looked through for examples."""
STALE_DAYS = 35
"""A source is late when its last record is older than a month and some days."""
RAW_LETTERS = 120


@dataclass(frozen=True)
class Source:
    """One record table.

    Attributes:
        name: in words.
        told: what intake counted.
        is_late: its last record is far behind the day that was scored.
        missing: columns that are empty or nearly so, with the share that is known.
    """

    name: Text
    told: TableReport
    is_late: bool
    missing: tuple[tuple[str, float], ...]

    @property
    def quarantined(self) -> int:
        """How many rows were refused."""
        return sum(self.told.quarantined.values())

    @property
    def adds_up(self) -> bool:
        """Whether every row that was read is accounted for."""
        return self.told.read == self.told.accepted + self.quarantined + self.told.left_out


@dataclass(frozen=True)
class Refused:
    """One reason for refusing rows of a table.

    Attributes:
        table: in words.
        reason: its code; ``meaning`` says how to mend it.
        rows: how many.
        examples: source, line, column and the masked text of the first ones.
    """

    table: Text
    reason: str
    meaning: Text
    rows: int
    examples: tuple[tuple[str, str, str, str], ...]


@dataclass(frozen=True)
class Family:
    """One family of features.

    Attributes:
        name: in words.
        features: how many.
        known: share of values that are there, over customers and features.
        customers: share of customers with any value that may be missing.
    """

    name: Text
    features: int
    known: float
    customers: float


def page(visit: Visit) -> Response:
    """Return how the data are."""
    served = visit.served
    report = visit.kept(served, intake_report)
    return visit.page(
        "data.html",
        as_of=served.as_of,
        report=report,
        sources=[] if report is None else sources(report),
        refused=[] if report is None else refused(report, visit.config.stores.quarantine),
        repaired=[] if report is None else repaired(report),
        coverage=[] if report is None else _coverage(report),
        families=[one for one in visit.kept(served, families) if one.customers],
        absent=[one.name for one in visit.kept(served, families) if not one.customers],
        warnings=visit.kept(served, warnings),
        stale_days=STALE_DAYS,
        picture=COMPLETE.shown(visit),
    )


def intake_report(served: Served) -> IntakeReport | None:
    """Return what intake told of the records that were scored; ``None`` where it is gone."""
    path = served.generations / served.publication.manifest.records / REPORT_FILE
    try:
        return IntakeReport.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None


def sources(report: IntakeReport) -> list[Source]:
    """Return the tables, those with rows first, in the contract's order."""
    return [
        Source(
            name=TABLE_NAMES[name],
            told=told,
            is_late=told.days_behind is not None and told.days_behind > STALE_DAYS,
            missing=tuple(
                (column, share)
                for column, share in told.completeness.items()
                if share < 0.5 and told.accepted and _is_given(name, column)
            ),
        )
        for name, told in report.tables.items()
    ]


def _is_given(table: str, column: str) -> bool:
    """Return whether a column is the company's own, not one that intake derived."""
    return table not in TABLES or column in {one.name for one in TABLES[table].columns}


def refused(report: IntakeReport, quarantine: Path) -> list[Refused]:
    """Return the reasons for refusing rows, the most frequent first."""
    found = [
        Refused(
            table=TABLE_NAMES[name],
            reason=reason,
            meaning=REASONS.get(reason, Text(zh=reason, en=reason)),
            rows=n,
            examples=tuple(_examples(quarantine / f"{name}.csv", reason)),
        )
        for name, told in report.tables.items()
        for reason, n in told.quarantined.items()
    ]
    return sorted(found, key=lambda one: -one.rows)


def _examples(path: Path, reason: str) -> Iterator[tuple[str, str, str, str]]:
    """Yield the first refused rows of a reason: source, line, column and masked text."""
    if not path.is_file():
        return
    with path.open(encoding="utf-8", newline="", errors="replace") as file:
        shown = 0
        for place, row in enumerate(csv.DictReader(file)):
            if place >= READ_AT_MOST or shown == EXAMPLES:
                return
            if row.get("reason") == reason:
                shown += 1
                source = Path(row.get("source") or "").name
                yield source, row.get("line") or "", row.get("column") or "", masked(row.get("raw"))


def masked(raw: str | None) -> str:
    """Return a refused row with letters and digits hidden, so that its form is seen alone.

    >>> masked("C001,2026-13-01,12,5O,张三")
    'A999,9999-99-99,99,9A,文文'
    """
    return "".join(_form_of(sign) for sign in (raw or "")[:RAW_LETTERS])


def _form_of(sign: str) -> str:
    if sign.isdigit():
        return "9"
    if sign.isalnum():
        return "A" if sign.isascii() else "文"
    return sign if sign.isprintable() else "·"


def repaired(report: IntakeReport) -> list[tuple[Text, Text, int]]:
    """Return table, what was mended on the way in, and of how many values."""
    found = [
        (TABLE_NAMES[name], REPAIRS.get(what, Text(zh=what, en=what)), n)
        for name, told in report.tables.items()
        for what, n in told.repaired.items()
    ]
    return sorted(found, key=lambda one: -one[2])


def _coverage(report: IntakeReport) -> list[tuple[Text, float]]:
    return [(TABLE_NAMES[name], share) for name, share in report.coverage.items()]


def families(served: Served) -> tuple[Family, ...]:
    """Return how complete each family of features is, over all published customers.

    Columns are read one at a time, so memory holds a number per customer.
    """
    features = pq.ParquetFile(served.publication.folder / FEATURES_FILE)
    there = set(features.schema_arrow.names)
    groups: dict[str, list[str]] = {}
    for one in served.bundle.features:
        if one.name in there:
            groups.setdefault(one.family, []).append(one.name)
    return tuple(_family(features, name, names) for name, names in groups.items())


def _family(features: pq.ParquetFile, family: str, names: Sequence[str]) -> Family:
    n, known = max(features.metadata.num_rows, 1), 0
    anybody = np.zeros(features.metadata.num_rows, dtype=bool)
    may_miss = False
    for name in names:
        values = features.read(columns=[name])[name].cast(pa.float64()).to_numpy()
        there = ~np.isnan(values)
        known += int(there.sum())
        if not there.all():
            may_miss = True
            anybody |= there
    return Family(
        name=FAMILIES.get(family, Text(zh=family, en=family)),
        features=len(names),
        known=known / (n * len(names)),
        customers=float(anybody.mean()) if may_miss and len(anybody) else 1.0,
    )


def warnings(served: Served) -> list[tuple[str, int]]:
    """Return how many customers' scores carry each kind of warning, the most frequent first."""
    path = served.publication.folder / SCORES_FILE
    told = pq.read_table(path, columns=["warnings"])["warnings"].combine_chunks()
    counts: Counter[str] = Counter()
    for one in told.flatten().value_counts().to_pylist():
        counts[one["values"].partition(":")[0]] += one["counts"]
    return counts.most_common()


def _complete(visit: Visit) -> Chart | None:
    found = [one for one in visit.kept(visit.served, families) if one.customers]
    if not found:
        return None
    rows = [{"family": visit.say(one.name), "known": one.known} for one in found]
    least = found[int(np.argmin([one.known for one in found]))]
    alt = Text(
        zh=f"最不完整的是{least.name.zh}特征：{percent(least.known, 'zh')}",
        en=f"Least complete: {least.name.en}, {percent(least.known, 'en')}",
    )
    spec = {
        "mark": {"type": "bar", "height": {"band": 0.6}, "color": ACCENT},
        "encoding": {
            "y": {
                "field": "family",
                "type": "nominal",
                "sort": [row["family"] for row in rows],
                "axis": {"title": None},
            },
            "x": {
                "field": "known",
                "type": "quantitative",
                "scale": {"domain": [0, 1]},
                "axis": {"format": ".0%", "title": None, "tickCount": 5},
            },
        },
    }
    columns = (
        Column("family", Text(zh="特征类别", en="Family")),
        Column("known", Text(zh="完整度", en="Completeness"), "percent"),
    )
    return Chart(rows, columns, spec, alt, height=60 + 44 * len(rows))


COMPLETE = Picture(
    "feature-completeness", Text(zh="各类特征的完整度", en="Completeness by family"), _complete
)
PICTURES = (COMPLETE,)
