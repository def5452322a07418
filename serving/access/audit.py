"""The audit log: who did what and when, in lines that each hold the hash of the one before.

One file a day of JSON lines in the stores' folder, one chain through all of them. Where the chain
ends is kept in the state database as well, so that not even its end, or all of it, can be cut off
or written anew unseen. Nothing of what was asked or answered is in it.
"""

from __future__ import annotations

import datetime as dt
import errno
import hashlib
import json
import os
import socket
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from configs.schema import Stores
from serving.endpoint.state import METADATA, State, open_state

BEGINNING = "0" * 64
"""What the first line names as the hash of the one before."""

AUDIT_CHAINS = sa.Table(
    "audit_chains",
    METADATA,
    sa.Column("id", sa.String(500), primary_key=True),
    sa.Column("n_lines", sa.BigInteger, nullable=False),
    sa.Column("last_hash", sa.String(64), nullable=False),
)

ENCODER = json.JSONEncoder(separators=(",", ":"))
"""Made once: `json.dumps` makes one a line, which takes longer than the line."""

TAIL_BYTES = 1 << 16
"""No line is longer; the last is looked for in so many."""

Entry = Mapping[str, str | int]


@dataclass(frozen=True)
class End:
    """Where a chain ends: how many lines there are, and the hash of the last."""

    n_lines: int = 0
    last_hash: str = BEGINNING


def entry(what: str, **details: str | int) -> Entry:
    """Return what a line says: ``what`` happened, now, and its details."""
    now = dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds")
    return {"at": now.replace("+00:00", "Z"), "what": what} | details


def record(stores: Stores, state: State, entries: Sequence[Entry]) -> None:
    """Add ``entries`` to the chain, in order, and wait until they are on disk.

    Several processes that do so at once take turns: each adds while it holds the row of the
    database that says where the chain ends.
    """
    with state.writing() as connection:
        record_in(connection, stores, entries)


def record_in(connection: sa.Connection, stores: Stores, entries: Sequence[Entry]) -> None:
    """Add ``entries`` within a transaction that writes what they tell of.

    They are on disk before it ends: what is kept is on record, and after a crash between the two
    the record tells of what was begun.
    """
    name = chain_name(stores)
    end = _end_for_update(connection, name)
    files = files_in(stores.audit)
    found = end if not files else _last(files[-1], end)
    made = list(_lines(entries, found))
    file = stores.audit / f"{dt.datetime.now(dt.UTC):%Y-%m-%d}.jsonl"
    _append(file if not files else max(file, files[-1]), b"".join(made))
    values = {"n_lines": found.n_lines + len(made), "last_hash": _hash(made[-1])}
    connection.execute(sa.update(AUDIT_CHAINS).where(AUDIT_CHAINS.c.id == name).values(values))


def note(stores: Stores, what: str, **details: str | int) -> None:
    """Put on record that somebody at the command line did ``what``.

    Raises:
        ServiceError: the state database cannot be opened.
    """
    state = open_state(stores)
    try:
        record(stores, state, [entry(what, uid=os.getuid(), **details)])
    finally:
        state.close()


def chain_name(stores: Stores) -> str:
    """Return what the chain of ``stores`` is called in its state database.

    A database of its own goes wherever the stores go; one that machines share tells them apart.
    """
    if stores.state is None:
        return "here"
    return f"{socket.gethostname()}:{stores.root.resolve()}"[:500]


def archived_name(stores: Stores) -> str:
    """Return what the end of the part that was archived is called in the state database."""
    return f"{chain_name(stores)[:480]} archived"


def _end_for_update(connection: sa.Connection, name: str) -> End:
    if connection.dialect.name == "postgresql":
        connection.execute(sa.text("LOCK TABLE audit_chains IN EXCLUSIVE MODE"))
    found = end_of(connection, name)
    if found is None:
        first = {"id": name, "n_lines": 0, "last_hash": BEGINNING}
        connection.execute(sa.insert(AUDIT_CHAINS).values(first))
    return found or End()


def end_of(connection: sa.Connection, name: str) -> End | None:
    """Return where the chain ends by the database; ``None`` before it begins."""
    columns = AUDIT_CHAINS.c.n_lines, AUDIT_CHAINS.c.last_hash
    row = connection.execute(sa.select(*columns).where(AUDIT_CHAINS.c.id == name)).one_or_none()
    return None if row is None else End(*row)


def files_in(folder: Path) -> list[Path]:
    """Return the files of a log, the oldest first."""
    return sorted(folder.glob("*.jsonl"))


def _last(file: Path, known: End) -> End:
    """Return where ``file`` ends, if that is after what is ``known``; a torn line is cut off.

    A process that was killed between file and database leaves whole lines that count.
    """
    content = file.read_bytes() if file.stat().st_size < TAIL_BYTES else _tail(file)
    whole, _, torn = content.rpartition(b"\n")
    if torn:
        os.truncate(file, file.stat().st_size - len(torn))
    line = whole.rpartition(b"\n")[2] + b"\n"
    number = _number(line)
    return known if number is None or number <= known.n_lines else End(number, _hash(line))


def _tail(file: Path) -> bytes:
    with file.open("rb") as opened:
        opened.seek(-TAIL_BYTES, os.SEEK_END)
        return opened.read()


def _lines(entries: Sequence[Entry], end: End) -> Iterator[bytes]:
    previous = end.last_hash
    for number, one in enumerate(entries, end.n_lines + 1):
        text = ENCODER.encode({"n": number, "previous": previous, **one})
        line = text.encode() + b"\n"
        previous = _hash(line)
        yield line


def _append(file: Path, lines: bytes) -> None:
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle = os.open(file, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
    try:
        before = os.fstat(handle).st_size
        if os.write(handle, lines) < len(lines):
            os.ftruncate(handle, before)
            raise OSError(errno.ENOSPC, "the audit log could not be written whole")
        os.fsync(handle)
    finally:
        os.close(handle)


def _hash(line: bytes) -> str:
    return hashlib.sha256(line).hexdigest()


def _number(line: bytes) -> int | None:
    try:
        number = json.loads(line)["n"]
    except (ValueError, KeyError, TypeError):
        return None
    return number if isinstance(number, int) else None


@dataclass(frozen=True)
class Verdict:
    """What became of the audit log.

    Attributes:
        n_lines: whole lines from the beginning on.
        broken_at: file and line of the first that is not as it was written, or what is missing.
        why: what is wrong there.
    """

    n_lines: int
    broken_at: str | None = None
    why: str | None = None


def end_of_file(file: Path) -> End:
    """Return where a file of whole lines ends."""
    return _last(file, End())


def verify(stores: Stores, state: State, archived: Path | None = None) -> Verdict:
    """Look for the first line that was edited, removed, put in or cut off.

    Args:
        stores: whose log it is.
        state: knows where the chain ends, and where it goes on after what was archived.
        archived: folder of what was archived, to begin with the first line of all.

    Where a line does not name the hash of the one before, the one of the two whose own hash is not
    named either, by the next line or the database, was altered.
    """
    with state.reading() as connection:
        end = end_of(connection, chain_name(stores)) or End()
        kept_from = end_of(connection, archived_name(stores)) or End()
    start = kept_from if archived is None else End()
    older = () if archived is None else _placed(archived)
    seen, before = start, str(stores.audit)
    for (place, line), after in pairwise(chain(older, _placed(stores.audit), [("", b"")])):
        told = _told(line)
        if told is None:
            return Verdict(seen.n_lines, place, "is no whole line")
        number, previous = told
        if number <= start.n_lines:
            continue
        now = End(number, _hash(line))
        if number != seen.n_lines + 1:
            return Verdict(seen.n_lines, place, f"is line {number}, not {seen.n_lines + 1}")
        if (
            previous != seen.last_hash
            and number > start.n_lines + 1
            and _is_named(now, after[1], end)
        ):
            return Verdict(number - 2, before, "was altered")
        if previous != seen.last_hash:
            return Verdict(number - 1, place, "was altered")
        if number == end.n_lines and now != end:
            return Verdict(number - 1, place, "was altered, or all before it written anew")
        seen, before = now, place
    if seen.n_lines < end.n_lines:
        missing = end.n_lines - seen.n_lines
        return Verdict(seen.n_lines, before, f"is followed by {missing} lines that are missing")
    return Verdict(seen.n_lines)


def _placed(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Yield every line with its file and number, through all files."""
    for file in files_in(folder):
        with file.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                yield f"{file}:{number}", line


def _is_named(line: End, after: bytes, end: End) -> bool:
    """Return whether the next line, or the database, names the hash of ``line``."""
    told = _told(after)
    return line == end or (told is not None and told[1] == line.last_hash)


def _told(line: bytes) -> tuple[int, str] | None:
    number = _number(line) if line.endswith(b"\n") else None
    if number is None:
        return None
    content: dict[str, Any] = json.loads(line)
    return number, str(content.get("previous"))
