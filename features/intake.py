"""Takes in every source: reads, maps, cleans, checks, and writes a generation of records.

Each row read is accepted, quarantined with its line and reason, or left out as the configuration
says; intake fails rather than lose count of one. A generation is named by its content, so taking
in the same files again changes nothing.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pyarrow as pa

from configs.errors import RecordsError
from configs.files import (
    draft_folder,
    held_alone,
    make_live,
    new_generation,
    sweep_drafts,
    write_text,
    written_whole,
)
from configs.progress import Progress, silent
from configs.records import SnapshotSource, Source
from configs.schema import Config, Engine, Stores
from configs.version import VERSION
from features.contract_customers import SnapshotRows, read_snapshot, snapshot_rows
from features.contracts import TABLES
from features.raw.checks import Clock
from features.raw.databases import read_database
from features.raw.mapping import Mapper, mapper_of, wanted_columns, whole_record
from features.raw.mending import Mends, read_mends, write_mends
from features.raw.reading import FilePart, RawTable, files_of, read_files
from features.sources import day_number, open_engine
from features.spark.intake import SparkTable
from features.spark.pieces import is_for_spark
from features.spark.session import open_session
from features.stored.generation import REPORT_FILE, parts_of, whole_part
from features.stored.ledger import (
    KEYS_FOLDER,
    FileRead,
    Ledger,
    TableRead,
    digest_of_start,
    file_read,
    forget_ledger,
    settings_of,
    unmoved,
    write_ledger,
)
from features.stored.records_report import contract_report, records_report, table_reports
from features.stored.report import IntakeReport
from features.stored.staging import Before, Staging
from features.stored.taking import Taker, Tally
from features.stored.tally import Description, coverage, customers_in, described
from features.totals.ahead import ahead

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

LOCK = ".lock"
ROWS_GIB = 1.0
"""Memory of the rows being read, beside what the engine that sorts them holds."""


def take_in(config: Config, progress: Progress | None = None, retry: bool = False) -> IntakeReport:
    """Return the report of taking in every source of ``config``; the records become live.

    Writes a generation under ``stores.records`` and ``stores.quarantine/<table>.csv``.

    Args:
        config: the configuration.
        progress: told of each step.
        retry: take in the rows whose ``raw`` text was mended in the quarantine files; the mends
            are kept in ``quarantine/mended`` and used by every later intake.

    Raises:
        RecordsError: a source is missing or mapped wrongly, no transaction can be accepted, or
            another process is taking records in.
    """
    with intake_draft(config.stores) as draft:
        return Intake(config, draft, progress or silent, retry).run()


@contextmanager
def intake_draft(stores: Stores) -> Iterator[Path]:
    """Yield a folder to take records in to, alone; what killed runs left beside it is removed.

    Raises:
        RecordsError: another process is taking records in to these stores.
    """
    with ExitStack() as stack:
        try:
            stack.enter_context(held_alone(stores.records / LOCK))
        except BlockingIOError as error:
            raise RecordsError(
                f"another process is taking records in to {stores.records}; wait for it to end, "
                "then try again"
            ) from error
        for folder in (stores.root, stores.records):
            sweep_drafts(folder)
        yield stack.enter_context(draft_folder(stores.root, "intake"))


def _beside_rows(engine: Engine) -> Engine:
    """Return DuckDB with what the rows being read leave of the memory limit."""
    limit = max(engine.memory_limit_gib - ROWS_GIB, engine.memory_limit_gib / 2)
    return engine.model_copy(update={"name": "duckdb", "memory_limit_gib": limit})


class Intake:
    """One run: holds the draft folder, the engine and the clock."""

    def __init__(self, config: Config, draft: Path, progress: Progress, retry: bool) -> None:
        self.retry = retry
        self.config = config
        self.draft = draft
        self.progress = progress
        self.zone = ZoneInfo(config.timezone)
        today = dt.datetime.now(self.zone).date()
        self.clock = Clock(day_number(config.as_of or today))
        self.backend = open_engine(_beside_rows(config.engine))
        self.records = draft / "records"
        self.records.mkdir()
        self.tables: dict[str, TableRead] = {}
        """What the ledger will say of tables read."""
        self.digests: dict[str, str] = {}
        """Of record files that are known."""
        self.by_workers: dict[str, Description] = {}
        """Tables that Spark's workers took in; no ledger is kept of them."""

    def run(self) -> IntakeReport:
        """Take in everything and return the report."""
        snapshot = self.config.sources.snapshot
        if snapshot is None and not self.config.sources.tables:
            raise RecordsError(
                "the configuration names no sources; `echelon init DIR` proposes them for a folder"
            )
        if snapshot is not None and self.retry:
            raise RecordsError("a snapshot is one file: mend it there and run `echelon intake`")
        if snapshot is not None:
            tally, rows = self._snapshot(snapshot)
            about = described(self.backend, parts_of(self.records, "snapshot"))
            generation = self._fingerprint()
            report = contract_report(self.config, generation, tally, about, rows, snapshot)
            return self.published(report)
        tallies = {name: self.whole(name) for name in self.config.sources.tables}
        return self.published(self.report(tallies))

    def _snapshot(self, source: SnapshotSource) -> tuple[Tally, SnapshotRows]:
        self.progress("reading snapshot", 0.0)
        raw = read_snapshot(self.config.data, source)
        taken = snapshot_rows(source, raw)
        tally = Tally(read=len(raw.lines) + len(raw.refused), accepted=len(taken.table))
        tally.repaired = taken.repaired
        staging = Staging(self.draft, "snapshot", taken.table.schema)
        tally.quarantined += staging.refuse(raw.refused)
        tally.quarantined += staging.refuse(taken.rows.refusals())
        nothing = pa.nulls(len(taken.table), pa.string())
        staging.accept(taken.table, raw.source, taken.lines, nothing, nothing)
        self.progress("reading snapshot", 1.0)
        self.finish("snapshot", staging, tally, whole_part(self.records, "snapshot"))
        return tally, taken

    def whole(self, name: str) -> Tally:
        """Take in all of table ``name`` and return its counts."""
        sources, tally = self.config.sources.tables[name], Tally()
        if self.config.engine.name == "spark" and is_for_spark(self.config.data, sources):
            return self._whole_by_workers(name, sources)
        mends = read_mends(*self.mending_files(name), self.retry)
        files = [self._files(source) for source in sources]
        parts = [None if some is None else [part for part, _ in some] for some in files]
        staging = self.read(name, parts, tally, mends)
        write_mends(self.draft / f"{name}.mended", mends)
        self.finish(name, staging, tally, whole_part(self.records, name))
        self.tables[name] = TableRead(
            settings=settings_of(self.config, sources),
            files=tuple(None if some is None else tuple(r for _, r in some) for some in files),
            counts=described(self.backend, [whole_part(self.records, name)]).counts,
            future_day=tally.future_day,
        )
        return tally

    def _whole_by_workers(self, name: str, sources: tuple[Source, ...]) -> Tally:
        mends = read_mends(*self.mending_files(name), self.retry)
        mappers = [mapper_of(name, one, self.zone, self.config.data) for one in sources]
        table = SparkTable(
            draft=self.draft,
            name=name,
            schema=_schema_of(name, sources),
            order=_order_of(name),
            mappers=mappers,
            clock=self.clock,
            mends=mends,
            progress=self.progress,
        )
        table.read(self._spark, self.config.data)
        write_mends(self.draft / f"{name}.mended", mends)
        repeated, about = table.write(self._spark, self.backend, whole_part(self.records, name))
        _check(name, table.tally, repeated)
        _check_written(name, table.tally, about.counts.rows)
        self.by_workers[name] = about
        duplicate, path = _duplicate_of(name), self.draft / f"{name}.csv"
        table.write_quarantine(self.backend, path, duplicate, self.config.language)
        table.discard()
        (self.draft / KEYS_FOLDER).mkdir(exist_ok=True)
        return table.tally

    @cached_property
    def _spark(self) -> SparkSession:
        session: SparkSession = open_session(self.config.engine)
        return session

    def _files(self, source: Source) -> list[tuple[FilePart, FileRead]] | None:
        """Return the files of a source as they are before they are read."""
        if source.path is None:
            return None
        return [
            (part, file_read(part.path, source)) for part in files_of(self.config.data, source.path)
        ]

    def read(
        self, name: str, parts: Sequence[Sequence[FilePart] | None], tally: Tally, mends: Mends
    ) -> Staging:
        """Stage the rows of ``parts``, by source, of table ``name``; ``None`` is a database."""
        sources = self.config.sources.tables[name]
        schema, threads = _schema_of(name, sources), self.config.engine.threads
        staging = Staging(self.draft, name, schema, threads=threads)
        for number, (source, some) in enumerate(zip(sources, parts, strict=True)):
            mapper = mapper_of(name, source, self.zone, self.config.data)
            taker = Taker(mapper, number, self.clock, mends)
            for raw in self._raw_tables(mapper, some):
                self.progress(f"reading {name}", (number + raw.share) / len(sources))
                taker.take(raw, staging, tally)
        self.progress(f"reading {name}", 1.0)
        return staging

    def finish(
        self, name: str, staging: Staging, tally: Tally, records: Path, before: Before | None = None
    ) -> None:
        """Sort what was staged of table ``name`` to disk and check that no row was lost."""
        self.progress(f"sorting {name}", 0.0)
        staging.close()
        order, duplicate = _order_of(name), _duplicate_of(name)
        repeated = staging.write(self.backend, records, order, duplicate, before)
        keys = self.draft / KEYS_FOLDER
        keys.mkdir(exist_ok=True)
        os.replace(staging.keys, keys / records.name)
        _check(name, tally, repeated)
        staging.write_quarantine(self.draft / f"{name}.csv", self.config.language)
        staging.discard()
        self.progress(f"sorting {name}", 1.0)

    def _raw_tables(self, mapper: Mapper, parts: Sequence[FilePart] | None) -> Iterator[RawTable]:
        source = mapper.source
        if source.database is not None:
            yield from read_database(self.config.data, source.database, source.query or "")
        else:
            wanted = wanted_columns(source)
            whole = whole_record(mapper.table, source)
            tables = read_files(self.config.data, source, wanted, whole, parts)
            yield from tables if self.config.engine.threads == 1 else ahead(tables)

    def mending_files(self, name: str) -> tuple[Path, Path]:
        """Return the files of the mends kept of table ``name`` and of its refused rows."""
        folder = self.config.stores.quarantine
        return folder / "mended" / f"{name}.csv", folder / f"{name}.csv"

    def report(self, tallies: Mapping[str, Tally]) -> IntakeReport:
        """Return the report of the records written, whatever was read of them now."""
        tables = {name: parts_of(self.records, name) for name in tallies}
        about = {name: self._described(name, parts) for name, parts in tables.items()}
        reports = table_reports(self.config, tallies, about)
        shares = coverage(self.backend, tables)
        return records_report(self.config, self._fingerprint(), reports, about, shares)

    def _described(self, name: str, parts: Sequence[Path]) -> Description:
        if name in self.by_workers:
            return self.by_workers[name]
        counts = self.tables[name].counts
        for since in parts[1:]:
            counts = counts.and_more(described(self.backend, [since]).counts)
        return Description(counts, customers_in(self.backend, parts))

    def published(self, report: IntakeReport) -> IntakeReport:
        """Make the records live with their quarantine and ledger, and return the report."""
        stores = self.config.stores
        forget_ledger(stores.records)
        for name in report.tables:
            self._publish_quarantine(name)
        for stale in stores.quarantine.glob("*.csv"):
            if stale.stem not in report.tables:
                stale.unlink()
        there = stores.records / report.generation
        if there.exists() and not (there / KEYS_FOLDER).is_dir():
            os.replace(self.draft / KEYS_FOLDER, there / KEYS_FOLDER)
        if not there.exists():
            with new_generation(stores.records, report.generation) as folder:
                for file in self.records.iterdir():
                    os.replace(file, folder / file.name)
                os.replace(self.draft / KEYS_FOLDER, folder / KEYS_FOLDER)
                write_text(folder / REPORT_FILE, report.model_dump_json(indent=2) + "\n")
        make_live(stores.records, report.generation)
        ledger = Ledger(
            echelon=VERSION,
            generation=report.generation,
            clock_day=self.clock.last_possible_day,
            report=report,
            tables={name: unmoved(table) for name, table in self.tables.items()},
            digests=self.digests,
        )
        write_ledger(stores.records, ledger)
        return report

    def _publish_quarantine(self, name: str) -> None:
        """Put the drafts of a table's quarantine and mends in place, where there are some."""
        folder = self.config.stores.quarantine
        kept, refused = self.mending_files(name)
        for draft, place in (
            (self.draft / f"{name}.csv", refused),
            (self.draft / f"{name}.mended", kept),
        ):
            if draft.is_file():
                folder.mkdir(parents=True, exist_ok=True)
                with written_whole(place) as target:
                    os.replace(draft, target)

    def _fingerprint(self) -> str:
        """Return the name of the generation: a digest of its record files."""
        digest = hashlib.sha256()
        for file in sorted(one for one in self.records.rglob("*") if one.is_file()):
            name = file.relative_to(self.records).as_posix()
            if name not in self.digests:
                self.digests[name] = digest_of_start(file, file.stat().st_size)
            digest.update(name.encode())
            digest.update(bytes.fromhex(self.digests[name]))
        return digest.hexdigest()[:16]


def _schema_of(name: str, sources: Sequence[Source]) -> pa.Schema:
    attributes = tuple(dict.fromkeys(a for source in sources for a in source.attributes))
    return TABLES[name].arrow_schema(attributes)


def _order_of(name: str) -> tuple[str, ...]:
    """Return the columns that a table is sorted by, before the order of reading."""
    return ("customer_id",) if name == "snapshot" else ("customer_id", "day")


def _duplicate_of(name: str) -> str:
    """Return the reason that a repeated row of a table is refused for."""
    return "duplicate_customer" if name == "customers" else "duplicate_row"


def _check(name: str, tally: Tally, repeated: int) -> None:
    """Count the repeated rows as refused and check that no row was lost."""
    if repeated:
        tally.accepted -= repeated
        tally.quarantined[_duplicate_of(name)] += repeated
    tally.check(name)


def _check_written(name: str, tally: Tally, rows: int) -> None:
    """Check that the workers wrote every row that was accepted.

    Raises:
        RecordsError: they did not.
    """
    if rows != tally.accepted:
        raise RecordsError(
            f"{name}: {tally.accepted} rows were accepted, but Spark wrote {rows}. "
            "This is a fault of Echelon; nothing was published"
        )
