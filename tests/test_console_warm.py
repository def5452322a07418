"""Nobody is the first: what pages work out once per publication is there before they are opened."""

from __future__ import annotations

import logging
from copy import copy

from serving.console import warm
from serving.console.warm import NOBODY, Warm


def made(office) -> set[object]:
    """Return what was worked out of the publication so far."""
    return set(office.console.kept._found)


def test_a_first_visitor_waits_for_nothing_that_is_worked_out_once(office, caplog):
    Warm(office.console).once()
    before, manager = made(office), office.browser("manager")
    for path in ("queue", "portfolio", "service", "model", "data"):
        assert manager.get(f"/console/{path}").status_code == 200
    assert before
    assert made(office) == before
    assert caplog.records == []


def test_a_publication_is_warmed_once_and_in_nobodys_name(office, monkeypatch):
    opened = []
    monkeypatch.setattr(warm, "FIRST", (("/console/queue", opened.append, {}),))
    of_office = Warm(office.console)
    of_office.once()
    of_office.once()
    (visit,) = opened
    assert visit.person == NOBODY
    assert NOBODY.id not in office.audited()


def test_a_page_that_fails_leaves_the_others_to_be_warmed(office, monkeypatch, caplog):
    def failing(visit):
        raise OSError("the disk is gone")

    opened = []
    pages = (("/console/queue", failing, {}), ("/console/portfolio", opened.append, {}))
    monkeypatch.setattr(warm, "FIRST", pages)
    with caplog.at_level(logging.WARNING):
        Warm(office.console).once()
    assert len(opened) == 1
    assert [record.msg.event for record in caplog.records] == ["page-not-warmed"]
    assert "the disk is gone" not in caplog.text


def test_it_begins_with_the_service_and_ends_with_it(office, monkeypatch):
    opened = []
    monkeypatch.setattr(warm, "LOOK_EVERY_SECONDS", 0.001)
    monkeypatch.setattr(warm, "FIRST", (("/console/queue", opened.append, {}),))
    of_office = Warm(office.console)
    of_office.start()
    while of_office._done is None:
        pass
    of_office.stop()
    assert not of_office._thread.is_alive()


def test_a_publication_that_follows_another_is_warmed_once_it_has_stood(office, monkeypatch):
    opened = []
    monkeypatch.setattr(warm, "FIRST", (("/console/queue", opened.append, {}),))
    of_office, current = Warm(office.console), office.console.endpoint.current
    assert of_office._has_settled(0.0)
    of_office.once()
    current.served = copy(current.served)
    assert [of_office._has_settled(at) for at in (100.0, 102.9, 103.0)] == [False, False, True]


def test_a_publication_that_is_replaced_is_not_worked_out_further(office, monkeypatch):
    current, opened = office.console.endpoint.current, []

    def replaced_meanwhile(visit):
        opened.append(visit)
        current.served = copy(current.served)

    pages = (("/console/queue", replaced_meanwhile, {}), ("/console/data", opened.append, {}))
    monkeypatch.setattr(warm, "FIRST", pages)
    Warm(office.console).once()
    assert len(opened) == 1
