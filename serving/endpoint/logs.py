"""The log of the endpoint: lines whose fields are listed here, and no text that anybody formats.

A line is a :class:`Line`; there is no other field, and each field has a form that a name, a phone
number or a comment does not fit. What libraries log is reduced to the logger, the place in the
code and the type of an error: their messages may repeat what a client sent. JSON to a file or a
pipe, one line a record; plain words to a terminal.
"""

from __future__ import annotations

import datetime as dt
import json
import logging
import re
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import lru_cache
from operator import attrgetter
from types import TracebackType
from typing import TextIO

NAME = "echelon"
FRAMES_SHOWN = 12

_FRAME = r"[A-Za-z0-9_.<>-]+:\d+(?: [A-Za-z0-9_.<>]+)?"

FORMS = {
    "event": r"[a-z][a-z-]{0,39}",
    "route": r"[a-z][a-z_-]{0,59}",
    "method": r"[A-Z]{3,7}",
    "code": r"[a-z][a-z-]{0,39}",
    "key": r"[A-Za-z0-9]{1,24}",
    "trace": r"[0-9a-f]{8}(?:-?[0-9a-f]{4}){3}-?[0-9a-f]{12}",
    "publication": r"[0-9A-Za-z.-]{1,80}",
    "model": r"[0-9A-Za-z.-]{1,80}",
    "job": r"job_[0-9a-f]{32}",
    "webhook": r"[a-z][a-z0-9_]{0,63}",
    "message": r"msg_[0-9a-f]{32}",
    "logger": r"[A-Za-z0-9_.]{1,80}",
    "error": r"[A-Za-z_][A-Za-z0-9_]{0,79}",
    "where": rf"{_FRAME}(?: > {_FRAME})*",
}
"""The form that each text of a line has; what does not fit it is written as ``?``."""

_FORMS = {name: re.compile(form) for name, form in FORMS.items()}


@dataclass(frozen=True, slots=True)
class Line:
    """Everything that one line can say; ``None`` and what is not known are left out.

    Attributes:
        event: what happened, of few.
        route: the row of the table of routes, never the address asked for.
        method: of the request.
        status: of the answer.
        code: of the problem document.
        ms: milliseconds until the last byte was handed over.
        rows: customers answered about.
        key: id of the API key, never its secret.
        trace: names the request, in its answer and its trace too.
        publication: the one that is meant.
        model: the version that is meant.
        job: id of a batch job.
        webhook: name of a webhook.
        message: id of a message that a webhook is sent.
        logger: who said it, where a library did.
        error: type of an error.
        where: files, lines and functions that an error came through.
        worker: process id of a worker.
        exit_code: that it ended with; below 0 the signal that killed it.
    """

    event: str
    route: str | None = None
    method: str | None = None
    status: int | None = None
    code: str | None = None
    ms: float | None = None
    rows: int | None = None
    key: str | None = None
    trace: str | None = None
    publication: str | None = None
    model: str | None = None
    job: str | None = None
    webhook: str | None = None
    message: str | None = None
    logger: str | None = None
    error: str | None = None
    where: str | None = None
    worker: int | None = None
    exit_code: int | None = None

    def said(self) -> dict[str, str | int | float]:
        """Return the fields that are known, each in its form."""
        known = zip(FIELDS, _VALUES(self), strict=True)
        return {name: _in_form(name, value) for name, value in known if value is not None}


FIELDS = tuple(field.name for field in fields(Line))
"""The allow-list; ``time`` and ``level`` stand before them in every line."""

_VALUES = attrgetter(*FIELDS)
_ENCODER = json.JSONEncoder(separators=(",", ":"), ensure_ascii=True)


def _in_form(name: str, value: str | float) -> str | int | float:
    form = _FORMS.get(name)
    if form is None:
        return value if isinstance(value, (int, float)) else "?"
    return value if isinstance(value, str) and form.fullmatch(value) else "?"


def failure(event: str, error: BaseException, trace: str | None = None) -> Line:
    """Return the line about ``error``: its type and frames, without its message."""
    return Line(event, trace=trace, error=type(error).__name__, where=frames(error.__traceback__))


def frames(trace: TracebackType | None) -> str | None:
    """Return the files, lines and functions of the innermost frames; the message stays behind."""
    found = []
    while trace is not None:
        code = trace.tb_frame.f_code
        found.append(f"{code.co_filename.rpartition('/')[2]}:{trace.tb_lineno} {code.co_name}")
        trace = trace.tb_next
    return " > ".join(found[-FRAMES_SHOWN:]) or None


def line_of(record: logging.LogRecord) -> Line:
    """Return what may be said of ``record``; of a library's, nothing that it formatted."""
    if isinstance(record.msg, Line):
        return record.msg
    error = record.exc_info[1] if record.exc_info else None
    return Line(
        "library",
        logger=record.name,
        error=type(error).__name__ if error is not None else None,
        where=(error is not None and frames(error.__traceback__))
        or f"{record.filename}:{record.lineno}",
    )


def as_json(moment: float, level: str, line: Line) -> str:
    """Return a line as one JSON object: time in UTC, level, and the fields that are known.

    >>> as_json(1_750_000_000.25, "info", Line("request", route="predictions", ms=1.5))
    '{"time":"2025-06-15T15:06:40.250Z","level":"info","event":"request","route":"predictions","ms":1.5}'
    """
    seconds = int(moment)
    stamp = f"{_second(seconds)}.{int((moment - seconds) * 1000):03d}Z"
    return _ENCODER.encode({"time": stamp, "level": level, **line.said()})


def as_words(moment: float, level: str, line: Line) -> str:
    """Return the same fields for people: local time, level, event, then what is known of it."""
    said = line.said()
    clock = dt.datetime.fromtimestamp(moment).strftime("%H:%M:%S")
    facts = " ".join(f"{name}={value}" for name, value in list(said.items())[1:])
    return f"{clock} {level:7} {line.event} {facts}".rstrip()


@lru_cache(maxsize=2)
def _second(seconds: int) -> str:
    return dt.datetime.fromtimestamp(seconds, dt.UTC).strftime("%Y-%m-%dT%H:%M:%S")


class Lines(logging.Formatter):
    """Formats every record as a :class:`Line`, by :func:`as_json` or :func:`as_words`."""

    def __init__(self, write: Callable[[float, str, Line], str]) -> None:
        super().__init__()
        self.write = write

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, without its end."""
        return self.write(record.created, record.levelname.lower(), line_of(record))


class Requests:
    """Writes the line of each request straight to ``out``: ``logging`` would cost it twice.

    Args:
        out: where every line goes.
        write: how a line looks.
    """

    def __init__(self, out: TextIO, write: Callable[[float, str, Line], str]) -> None:
        self._out = out
        self._write = write

    def __call__(self, line: Line) -> None:
        """Write one line."""
        self._out.write(self._write(time.time(), "info", line) + "\n")
        self._out.flush()


def start(out: TextIO | None = None) -> Requests:
    """Make every logger of this process write lines to ``out``; return what writes requests.

    Handlers that libraries brought are taken away. Warnings, and errors that end a thread or the
    process, go the same way, since Python would print their messages.

    Args:
        out: by default standard error.
    """
    out = out or sys.stderr
    write = as_words if out.isatty() else as_json
    handler = logging.StreamHandler(out)
    handler.setFormatter(Lines(write))
    for logger in logging.root.manager.loggerDict.values():
        if isinstance(logger, logging.Logger):
            logger.handlers.clear()
            logger.propagate = True
    logging.root.handlers[:] = [handler]
    logging.root.setLevel(logging.WARNING)
    logging.getLogger(NAME).setLevel(logging.INFO)
    logging.captureWarnings(True)
    threading.excepthook = _thread_ended
    sys.unraisablehook = _not_raised
    sys.excepthook = _process_ended
    return Requests(out, write)


def _thread_ended(given: threading.ExceptHookArgs) -> None:
    if given.exc_value is not None:
        logging.getLogger(NAME).error(failure("thread-ended", given.exc_value))


def _process_ended(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    logging.getLogger(NAME).error(failure("process-ended", error))


def _not_raised(given: sys.UnraisableHookArgs) -> None:
    if given.exc_value is not None:
        logging.getLogger(NAME).error(failure("not-raised", given.exc_value))
