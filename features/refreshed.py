"""The daily intake: only what is new is read; what was read before is shared with the last records.

The same rows are accepted and refused as by reading everything again; of rows that are the same to
the letter, the one that came first stays. Where that could not be so (a file altered or removed,
another mapping), the whole table is read again, and it is said why.
"""

from __future__ import annotations

import os
import shutil
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from configs.errors import ConfigError
from configs.files import live_generation
from configs.progress import Progress, silent
from configs.schema import Config
from configs.section import Text
from features.intake import Intake, intake_draft
from features.raw.mending import Mends, read_mends, write_mends
from features.raw.reading import files_of
from features.sources import fetch
from features.stored.generation import parts_of, require_whole, share, since_part
from features.stored.growth import Growth, growth_of
from features.stored.ledger import (
    KEYS_FOLDER,
    FileRead,
    Ledger,
    ends_a_line,
    file_read,
    read_ledger,
)
from features.stored.report import IntakeReport
from features.stored.staging import Before
from features.stored.taking import Tally

NO_LEDGER = Text(zh="没有上次读入的记载", en="there is no account of what was read last time")
SNAPSHOT = Text(zh="快照是一份完整的文件", en="a snapshot is one file and comes whole")

ON_SPARK = (
    "`echelon refresh` reads only what is new on one machine; with engine.name: spark all records "
    "are read each time. Run `echelon intake` and then `echelon score`, which publish the same, or "
    "set engine.name to duckdb (docs/spark.md)"
)


@dataclass(frozen=True)
class Refreshed:
    """What a daily intake did.

    Attributes:
        report: of all records, as a whole intake would report them.
        before: the generation that was added to; ``None`` where everything was read again.
        rows: rows read now.
        files: files that there was something new in.
        whole: tables that were read again as a whole, and why.
        customers: who has new or other records, sorted; all who might, were everything read again.
    """

    report: IntakeReport
    before: str | None
    rows: int
    files: int
    whole: dict[str, Text] = field(default_factory=dict)
    customers: pa.ChunkedArray | pa.Array | None = None


def take_in_new(config: Config, progress: Progress = silent) -> Refreshed:
    """Return what was read of the sources of ``config`` that is new; the records become live.

    Raises:
        ConfigError: records are read by Spark.
        RecordsError: as :func:`features.intake.take_in`.
    """
    if config.engine.name == "spark":
        raise ConfigError(ON_SPARK)
    with intake_draft(config.stores) as draft:
        intake = Intake(config, draft, progress, retry=False)
        live = live_generation(config.stores.records)
        ledger = read_ledger(config.stores.records)
        if config.sources.snapshot is not None:
            return _everything(intake, SNAPSHOT)
        if live is None or ledger is None or not (live / KEYS_FOLDER).is_dir():
            return _everything(intake, NO_LEDGER)
        parts = [path for name in ledger.tables for path in parts_of(live, name)]
        require_whole(live, [*parts, *(live / KEYS_FOLDER / part.name for part in parts)])
        return _Refresh(intake, live, ledger).run()


def _everything(intake: Intake, reason: Text) -> Refreshed:
    config, report = intake.config, intake.run()
    rows = sum(table.read for table in report.tables.values())
    sources = [source for one in config.sources.tables.values() for source in one]
    files = sum(len(files_of(config.data, one.path)) for one in sources if one.path)
    return Refreshed(report, None, rows, files, dict.fromkeys(report.tables, reason))


class _Refresh:
    """One daily intake: what was live, and the intake that adds to it."""

    def __init__(self, intake: Intake, live: Path, ledger: Ledger) -> None:
        self.intake = intake
        self.live = live
        self.ledger = ledger
        self.old = ledger.report
        self.customers: list[pa.ChunkedArray] = []
        """Who has new or other records, by table."""

    def run(self) -> Refreshed:
        names = list(self.intake.config.sources.tables)
        clock = self.intake.clock.last_possible_day
        growths = {name: growth_of(self.intake.config, name, clock, self.ledger) for name in names}
        tallies = {name: self._taken(name, growth) for name, growth in growths.items()}
        report = self.intake.published(self.intake.report(tallies))
        whole = {name: growth.whole for name, growth in growths.items() if growth.whole is not None}
        old = {name: self.old.tables[name].read for name in names if name not in whole}
        return Refreshed(
            report=report,
            before=self.live.name,
            rows=sum(tally.read - old.get(name, 0) for name, tally in tallies.items()),
            files=sum(self._files(name, growth) for name, growth in growths.items()),
            whole=whole,
            customers=self._customers(),
        )

    def _files(self, name: str, growth: Growth) -> int:
        if growth.whole is None:
            return growth.files
        sources = self.intake.config.sources.tables[name]
        return sum(len(files_of(self.intake.config.data, one.path)) for one in sources if one.path)

    def _taken(self, name: str, growth: Growth) -> Tally:
        if growth.whole is not None:
            tally = self.intake.whole(name)
            self.customers.append(self._of_other_rows(name))
            return tally
        self._share(name, growth)
        return self._more(name, growth) if growth.files else self._tally(name)

    def _share(self, name: str, growth: Growth) -> None:
        """Take over the files of a table; what came since the whole is written anew if it grows."""
        parts = parts_of(self.live, name)
        for part in parts[:1] if growth.files else parts:
            share(part, self.intake.records / part.name)
            keys = self.live / KEYS_FOLDER / part.name
            share(keys, self.intake.draft / KEYS_FOLDER / part.name)
            if part.name in self.ledger.digests:
                self.intake.digests[part.name] = self.ledger.digests[part.name]
        after = {"files": self._after(name, growth)}
        self.intake.tables[name] = self.ledger.tables[name].model_copy(update=after)

    def _tally(self, name: str) -> Tally:
        """Return the counts of a table as they were."""
        old = self.old.tables[name]
        return Tally(
            read=old.read,
            accepted=old.accepted,
            left_out=old.left_out,
            quarantined=Counter(old.quarantined),
            repaired=Counter(old.repaired),
            future_day=self.ledger.tables[name].future_day,
        )

    def _more(self, name: str, growth: Growth) -> Tally:
        """Add what is new of a table and return its counts, old and new."""
        tally, intake = self._tally(name), self.intake
        kept, refused = intake.mending_files(name)
        mends = read_mends(kept, refused, retry=False)
        staging = intake.read(name, growth.parts, tally, mends)
        write_mends(intake.draft / f"{name}.mended", Mends(mends.known, dict(mends.known)))
        intake.finish(name, staging, tally, since_part(intake.records, name), self._before(name))
        _put_first(refused, intake.draft / f"{name}.csv")
        told = {"future_day": tally.future_day}
        intake.tables[name] = intake.tables[name].model_copy(update=told)
        self.customers.append(staging.customers)
        return tally

    def _before(self, name: str) -> Before:
        parts = parts_of(self.live, name)
        keys = tuple(self.live / KEYS_FOLDER / part.name for part in parts)
        return Before(parts[1] if parts[1:] else None, keys)

    def _after(self, name: str, growth: Growth) -> tuple[tuple[FileRead, ...] | None, ...]:
        """Return what is to be remembered of the files of a table, by source."""
        config, remembered = self.intake.config, []
        sources = config.sources.tables[name]
        for source, files, parts in zip(sources, growth.kept, growth.parts, strict=True):
            old = {one.path: one for one in files}
            new = {str(part.path): file_read(part.path, source) for part in parts}
            present = [str(part.path) for part in files_of(config.data, source.path or "")]
            remembered.append(tuple(new.get(path) or old[path] for path in present))
        return tuple(remembered)

    def _of_other_rows(self, name: str) -> pa.ChunkedArray:
        """Return whose rows of a table that was read again are not what they were."""
        backend, earlier = self.intake.backend, parts_of(self.live, name)
        new = backend.read_parquet(list(map(str, parts_of(self.intake.records, name))))
        if not earlier:
            return fetch(backend, new.select("customer_id").distinct())["customer_id"]
        old = backend.read_parquet([str(path) for path in earlier])
        if set(old.columns) != set(new.columns):
            both = old.select("customer_id").union(new.select("customer_id"), distinct=True)
            return fetch(backend, both)["customer_id"]
        new = new.select(old.columns)
        other = [one.difference(two, distinct=False) for one, two in ((old, new), (new, old))]
        ids = other[0].select("customer_id").union(other[1].select("customer_id"), distinct=True)
        return fetch(backend, ids)["customer_id"]

    def _customers(self) -> pa.Array:
        ids = pa.chunked_array([chunk for one in self.customers for chunk in one.chunks], "string")
        unique = pc.unique(ids)
        return unique.take(pc.sort_indices(unique))


def _put_first(file: Path, draft: Path) -> None:
    """Put the rows of ``file`` before those of ``draft``, which has the same header."""
    if not file.is_file():
        return
    both = draft.with_suffix(".both")
    with both.open("wb") as target, file.open("rb") as old, draft.open("rb") as new:
        shutil.copyfileobj(old, target)
        if not ends_a_line(file):
            target.write(b"\n")
        new.readline()
        shutil.copyfileobj(new, target)
    os.replace(both, draft)
