"""What of a table's sources is new: files that came, and rows appended to files read before.

Whatever else changed, a file altered or removed, another mapping, another Echelon, makes the whole
table be read again, and is said.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from configs.records import Source
from configs.schema import Config
from configs.section import Text
from features.raw.reading import FilePart, Start, files_of, is_parquet
from features.stored.ledger import (
    FileRead,
    Ledger,
    TableRead,
    digest_of_start,
    end_of_parquet,
    layout_of,
    settings_of,
)

SPOILT = ("unterminated_quote", "stray_quote")
"""Refusals that more text after them might have undone."""


@dataclass(frozen=True)
class Growth:
    """What to read of one table.

    Attributes:
        parts: by source, what is new of its files; nothing where nothing is.
        kept: by source, files that hold what they held, as they are by now.
        whole: why all of it must be read again, ``None`` where that is not so.
    """

    parts: tuple[tuple[FilePart, ...], ...]
    kept: tuple[tuple[FileRead, ...], ...] = ()
    whole: Text | None = None

    @property
    def files(self) -> int:
        """How many files there is something to read of."""
        return sum(map(len, self.parts))


def growth_of(config: Config, name: str, clock_day: int, ledger: Ledger) -> Growth:
    """Return what is new in the sources of table ``name`` since ``ledger`` was written."""
    sources = config.sources.tables[name]
    before = ledger.tables.get(name)
    reason = _read_otherwise(config, sources, clock_day, ledger, before)
    if reason is not None or before is None:
        return _whole(reason or NOT_READ)
    parts, kept = [], []
    for source, files in zip(sources, before.files, strict=True):
        found = None if files is None else _new_parts(config.data, source, files)
        if found is None or isinstance(found, Text):
            return _whole(found or DATABASE)
        parts.append(tuple(one for one in found if isinstance(one, FilePart)))
        kept.append(tuple(one for one in found if isinstance(one, FileRead)))
    growth = Growth(tuple(parts), tuple(kept))
    return growth if _can_follow(name, sources, before, growth, ledger) else _whole(OUT_OF_ORDER)


NOT_READ = Text(zh="此前没有读过", en="it was not read before")
DATABASE = Text(
    zh="来自数据库，无法得知哪些行是新的", en="it comes from a database, which tells no new rows"
)
OUT_OF_ORDER = Text(
    zh="新的行会改变此前的行如何读取", en="the new rows change how earlier ones are read"
)


def _whole(reason: Text) -> Growth:
    return Growth((), whole=reason)


def _read_otherwise(
    config: Config,
    sources: tuple[Source, ...],
    clock_day: int,
    ledger: Ledger,
    before: TableRead | None,
) -> Text | None:
    """Return why rows already read would be read otherwise now."""
    if before is None:
        return NOT_READ
    if before.settings != settings_of(config, sources):
        return Text(zh="配置或软件版本已变", en="its configuration, or Echelon itself, has changed")
    if clock_day < ledger.clock_day:
        return Text(zh="as_of 早于上一次", en="as_of is earlier than last time")
    if before.future_day is not None and before.future_day <= clock_day:
        return Text(
            zh="此前因日期在未来而被拒的行已到期",
            en="rows refused for lying in the future are due by now",
        )
    return None


def _new_parts(
    folder: Path, source: Source, files: Sequence[FileRead]
) -> list[FilePart | FileRead] | Text:
    """Return a source's files, those that are new or grew as the part to read.

    Or why they must all be read again.
    """
    known = {one.path: one for one in files}
    present = files_of(folder, source.path or "")
    if gone := sorted(set(known) - {str(part.path) for part in present}):
        return Text(zh=f"{gone[0]} 已不存在", en=f"{gone[0]} is gone")
    found: list[FilePart | FileRead] = []
    for part in present:
        before = known.get(str(part.path))
        more = part if before is None else _appended(part, before, source)
        if isinstance(more, Text):
            return more
        found.append(more)
    return found


def _appended(part: FilePart, before: FileRead, source: Source) -> FilePart | FileRead | Text:
    """Return what was appended to a file, the file for nothing, or why it is another one now."""
    about = part.path.stat()
    if (about.st_size, about.st_mtime_ns) == (before.size, before.modified_ns):
        return before
    end = _end(part.path, source)
    if end < before.end or digest_of_start(part.path, before.n_bytes) != before.sha256:
        return Text(zh=f"{part.path} 已被改动", en=f"{part.path} was altered")
    if end.n_bytes == before.n_bytes:
        now = {"size": about.st_size, "modified_ns": about.st_mtime_ns}
        return before.model_copy(update=now)
    if before.layout and layout_of(part.path, source) != before.layout:
        return Text(
            zh=f"{part.path} 的编码或分隔符已变",
            en=f"{part.path} has another encoding or delimiter now",
        )
    if not before.ends_a_line:
        return Text(
            zh=f"{part.path} 的末行当时没有结束", en=f"the last line of {part.path} had not ended"
        )
    return FilePart(part.path, part.partition, before.end)


def _end(path: Path, source: Source) -> Start:
    """Return where the rows of a file end now; the lines of a delimited one are not counted."""
    if not is_parquet(path, source.format):
        return Start(path.stat().st_size, 1 << 62, 1 << 62)
    return end_of_parquet(path)


def _can_follow(
    name: str,
    sources: Sequence[Source],
    before: TableRead,
    growth: Growth,
    ledger: Ledger,
) -> bool:
    """Return whether new rows may be read after all that were read before.

    Of rows that share a key the first read stays: where such rows may differ, the new ones must
    come after the old ones in the order of reading. A quote left open may be closed by more text.
    """
    appended = any(part.start.n_bytes for parts in growth.parts for part in parts)
    if appended and set(SPOILT) & set(ledger.report.tables[name].quarantined):
        return False
    if name != "customers" and not any(source.unique_by for source in sources):
        return True
    new = {(n, str(part.path)) for n, parts in enumerate(growth.parts) for part in parts}
    old = {(n, one.path) for n, files in enumerate(before.files) for one in files or ()}
    return max(old, default=(0, "")) <= min(new, default=(len(sources), ""))
