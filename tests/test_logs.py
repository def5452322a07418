"""What may leave by the log, and what may not."""

from __future__ import annotations

import io
import json
import logging
import re
import sys
import threading
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.endpoint import logs
from serving.endpoint.logs import FIELDS, FORMS, Line, Requests, as_json, as_words, failure

SECRETS = ("zoe@example.org", "13800138000", "张伟", "Ada Lovelace", "C0000001 never again")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def out() -> Iterator[io.StringIO]:
    """A log that takes over this process, and gives it back."""
    root, thread, unraisable = logging.root, threading.excepthook, sys.unraisablehook
    process = sys.excepthook
    handlers, level = list(root.handlers), root.level
    stream = io.StringIO()
    logs.start(stream)
    yield stream
    logging.captureWarnings(False)
    root.handlers[:], root.level = handlers, level
    threading.excepthook, sys.unraisablehook = thread, unraisable
    sys.excepthook = process


def lines(out: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_a_line_holds_time_and_level_and_what_is_known(out):
    logging.getLogger("echelon.test").info(Line("publication-served", publication="2026-06-30-a1"))
    (line,) = lines(out)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line.pop("time"))
    assert line == {
        "level": "info",
        "event": "publication-served",
        "publication": "2026-06-30-a1",
    }


def test_what_a_library_logs_is_reduced_to_who_and_where(out):
    for secret in SECRETS:
        logging.getLogger("uvicorn.error").warning("Invalid request: %s", secret)
        logging.getLogger("bentoml").error(f"Exception on {secret}")
    assert not any(secret in out.getvalue() for secret in SECRETS)
    for line in lines(out):
        assert set(line) == {"time", "level", "event", "logger", "where"}
        assert line["event"] == "library"
        assert line["where"].startswith("test_logs.py:")


def test_an_error_leaves_as_its_type_and_frames(out):
    try:
        raise ValueError("zoe@example.org has no orders")
    except ValueError as error:
        logging.getLogger("echelon.test").error(failure("request-failed", error, "a" * 32))
        logging.getLogger("sqlalchemy").exception("while zoe@example.org was read")
    assert "zoe" not in out.getvalue()
    ours, theirs = lines(out)
    assert ours["error"] == theirs["error"] == "ValueError"
    assert "test_logs.py" in ours["where"]
    assert ours["trace"] == "a" * 32


def test_warnings_and_threads_that_end_leave_without_their_messages(out, capfd):
    def fail() -> None:
        raise LookupError("13800138000")

    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(True)
        warnings.warn("张伟", stacklevel=1)
    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()
    assert [line.get("error") for line in lines(out)] == [None, "LookupError"]
    assert not any(s in out.getvalue() + capfd.readouterr().err for s in SECRETS)


def test_handlers_that_libraries_brought_are_taken_away(out):
    logger = logging.getLogger("brought")
    theirs = io.StringIO()
    logger.addHandler(logging.StreamHandler(theirs))
    logger.propagate = False
    logs.start(out)
    logger.error("Ada Lovelace")
    assert theirs.getvalue() == ""
    assert [line["logger"] for line in lines(out)] == ["brought"]


@given(field=st.sampled_from(sorted(FORMS)), value=st.sampled_from(SECRETS) | st.text(max_size=60))
def test_no_field_takes_a_value_that_does_not_have_its_form(field, value):
    said = json.loads(as_json(0.0, "info", Line(**({"event": "request"} | {field: value}))))
    assert said[field] == (value if re.fullmatch(FORMS[field], value) else "?")
    assert set(said) <= {"time", "level", *FIELDS}


@pytest.mark.parametrize("secret", ["zoe@example.org", "张伟", "13800138000", "Ada Lovelace!"])
def test_no_form_but_that_of_a_name_made_by_us_fits_personal_data(secret):
    fits = {name for name, form in FORMS.items() if re.fullmatch(form, secret)}
    assert fits <= {"key", "publication", "model", "logger"}
    assert not fits or secret == "13800138000"


def test_a_terminal_gets_words():
    out = Terminal()
    write = logs.Requests(out, as_words)
    write(Line("request", route="predictions", status=200, ms=1.5))
    assert re.fullmatch(
        r"\d\d:\d\d:\d\d info    request route=predictions status=200 ms=1.5\n", out.getvalue()
    )


def test_the_line_of_a_request_is_whole_at_once():
    out = io.StringIO()
    Requests(out, as_json)(Line("request", status=200))
    assert out.getvalue().endswith("\n")
    assert json.loads(out.getvalue())["status"] == 200
