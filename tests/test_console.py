"""The console's pages as people of each role meet them."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.slow


def test_a_manager_reads_the_queue_in_both_languages(office):
    english = office.browser("manager").get("/console/queue")
    chinese = office.browser("manager", "zh").get("/console/queue")
    assert (english.status_code, chinese.status_code) == (200, 200)
    assert '<html lang="en">' in english.text
    assert '<html lang="zh-CN">' in chinese.text


def test_nobody_is_sent_to_sign_in_first(office):
    answer = office.browser().get("/console/queue", page=2)
    assert answer.status_code == 303
    assert answer.headers["location"] == "/console/sign-in?next=%2Fconsole%2Fqueue%3Fpage%3D2"
