from __future__ import annotations

from pathlib import Path

import pytest
from starlette.datastructures import QueryParams

from serving.console.customer.asked import Asked, find
from serving.console.customer.waterfall import waterfall
from serving.console.page import Visit
from serving.endpoint.served import Served
from tests.console import Office, opened, served_by

PAGE = "/console/customers/"


@pytest.fixture(scope="module")
def served(returning_company: Path) -> Served:
    return served_by(returning_company)


@pytest.fixture(scope="module")
def office(
    returning_company: Path,
    served: Served,
    empty_state: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Office:
    return opened(returning_company, served, empty_state, tmp_path_factory.mktemp("office"))


def asked(office: Office, customer_id: str, language: str = "en") -> Asked:
    visit = Visit(office.console, office.person("manager"), language, PAGE, query=QueryParams())  # type: ignore[arg-type]
    found = find(visit, customer_id)
    assert found is not None
    return found


@pytest.mark.slow
@pytest.mark.parametrize("target", ["churn", "clv"])
def test_the_bars_and_all_parts_of_every_customer_add_up_to_the_number(office, served, target):
    for customer_id in served.book.customer_ids.to_pylist()[::5]:
        found = asked(office, customer_id)
        told = waterfall(found, target)
        assert told is not None
        number = found.answer[target]["probability" if target == "churn" else "expected"]
        shown = 100 * number if target == "churn" else number
        for steps in (told.steps, told.bars):
            assert told.base + sum(one.points for one in steps) == pytest.approx(shown, abs=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize(("language", "words"), [("en", "likely to leave"), ("zh", "流失概率")])
def test_the_first_words_say_who_what_risk_and_what_to_do(office, served, language, words):
    (who,) = served.publication.examples(1)
    page = office.browser("manager", language=language).get(PAGE + who)
    assert page.status_code == 200
    sentence = page.text.partition('class="sentence">')[2].partition("</p>")[0]
    assert who in sentence
    assert words in sentence


def test_who_is_not_published_finds_those_of_a_near_id(office, served):
    (who,) = served.publication.examples(1)
    page = office.browser("manager").get(PAGE + who.lower())
    assert page.status_code == 404
    assert f'href="{PAGE}{who}"' in page.text
