"""What the terminal says of a customer, word for word: kept so that it can be read as a whole.

``python -m tests.test_customer_pages`` writes the golden files anew; read them then.
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console, RenderableType

from configs.section import Language, Text
from serving.changes.change_facts import customer_change
from serving.changes.change_shown import render_customer
from serving.changes.changes import Comparison
from serving.hints import with_config
from serving.pages.explain import render
from serving.scores.lead import advice, lead
from serving.scores.publication import open_publication
from serving.scores.publish import publish_matrix
from serving.scores.wording import REST
from serving.suppositions.paths import STATUSES
from serving.suppositions.what_if import NOTE
from serving.suppositions.what_if_shown import render_paths, render_what_if
from tests.small_bundle import SmallBundle, job_in, matrix_of, small_bundle

GOLDEN = Path(__file__).parent / "golden"
LANGUAGES: tuple[Language, ...] = ("en", "zh")
WIDTH = 100
CUSTOMERS = ("C000017", "C000002", "C000008", "C000001")
"""At high risk; the most valuable, at some risk; at high risk, of little value; never bought."""
CONCEPTS = {
    "frequency": "purchase_frequency",
    "recency": "purchase_recency",
    "tenure": "relationship",
    "visits": "interaction_frequency",
}
TIERS = {
    "vip": Text(zh="VIP客户", en="VIP"),
    "potential": Text(zh="潜力客户", en="Potential"),
}


def bundle() -> SmallBundle:
    """Return the small bundle, its features of the concepts that Echelon speaks in."""
    small = small_bundle()
    own = [replace(one, concept=CONCEPTS.get(one.concept, one.concept)) for one in small.features]
    return replace(small, features=tuple(own))


def pages() -> dict[str, dict[Language, list[RenderableType]]]:
    """Return every page in both languages, by the name of its golden file."""
    whole: dict[str, dict[Language, list[RenderableType]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        job = job_in(Path(folder), bundle())
        old = open_publication(publish_matrix(job, matrix_of(60, day=19_972, seed=5)))
        new = open_publication(publish_matrix(job, matrix_of(60, day=20_000)))
        compared = Comparison(old, new, bundle())
        for language in LANGUAGES:
            for one in CUSTOMERS:
                page = render(new.customer(one), language, new.trace(one))
                change = render_customer(customer_change(compared, one, Path("none")), language)
                whole.setdefault("explain", {}).setdefault(language, []).extend([page, change])
            whole.setdefault("what_if", {})[language] = [render_what_if(WHAT_IF, language, TIERS)]
            found = [render_paths(facts, language, TIERS) for facts in (PATHS, NO_PATH, AT_THE_END)]
            whole.setdefault("paths", {})[language] = found
    return whole


def text_of(parts: list[RenderableType]) -> str:
    console = Console(width=WIDTH, no_color=True, legacy_windows=False)
    with console.capture() as capture:
        for part in parts:
            console.print(part, end="\n\n")
    return "\n".join(line.rstrip() for line in capture.get().splitlines()).strip() + "\n"


OUTCOMES: dict[str, dict[str, Any]] = {
    "today": {"churn": 0.62, "churn_band": "high", "clv": 2_940.0, "tier": "potential"},
    "idle": {"churn": 0.66, "churn_band": "high", "clv": 2_710.0, "tier": "potential"},
    "with_events": {"churn": 0.41, "churn_band": "medium", "clv": 3_420.0, "tier": "vip"},
}
SHARED: dict[str, Any] = {
    "customer_id": "C000017",
    "as_of": "2024-10-04",
    "until": "2024-11-01",
    "currency": "CNY",
    "note": NOTE.model_dump(),
}
WHAT_IF = {
    **SHARED,
    **OUTCOMES,
    "horizon_days": {"churn": 90, "clv": 365},
    "events": [
        {"event": "order", "amount": 300.0, "on": "2024-10-13"},
        {"event": "complaint_resolved", "on": "2024-10-07"},
        {"event": "survey", "instrument": "nps", "score": 9.0, "on": "2024-10-18"},
    ],
    "effect": {
        "churn": {
            "change": -25.0,
            "concepts": [
                {"name": {"zh": "投诉情况", "en": "Complaints"}, "points": -14.2},
                {"name": {"zh": "购买频率", "en": "Purchase frequency"}, "points": -8.1},
                {"name": {"zh": "客户推荐指数", "en": "Recommendation (NPS)"}, "points": -2.7},
            ],
        },
        "clv": {
            "change": 710.0,
            "concepts": [{"name": {"zh": "购买频率", "en": "Purchase frequency"}, "points": 710.0}],
        },
    },
}
ACTIONS = {
    "resolve": {"name": {"zh": "解决未决投诉", "en": "Resolve the open complaints"}, "count": 1},
    "order": {
        "name": {"zh": "促成通常金额的消费", "en": "Win an order of the usual amount"},
        "count": 2,
    },
}
PATHS = {
    **SHARED,
    "goal": {"kind": "next_tier", "at": "vip"},
    "idle": OUTCOMES["idle"],
    "status": "paths",
    "text": STATUSES["paths"].model_dump(),
    "paths": [
        {"actions": [ACTIONS["order"]], "cost": 120.0, "outcome": OUTCOMES["with_events"]},
        {"actions": list(ACTIONS.values()), "cost": 170.0, "outcome": OUTCOMES["with_events"]},
    ],
    "tried": 24,
    "is_whole": True,
}
NO_PATH = PATHS | {
    "goal": {"kind": "below_churn", "at": 0.3},
    "status": "no_path",
    "text": STATUSES["no_path"].model_dump(),
    "paths": [],
}
AT_THE_END = NO_PATH | {
    "goal": {"kind": "next_tier", "at": None},
    "status": "at_the_end",
    "text": STATUSES["at_the_end"].model_dump(),
}


@pytest.fixture(scope="module")
def written() -> dict[str, dict[Language, list[RenderableType]]]:
    return pages()


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", ["explain", "what_if", "paths"])
def test_the_page_reads_as_it_was_kept(written, name, language):
    kept = (GOLDEN / f"{name}.{language}.txt").read_text(encoding="utf-8")
    assert text_of(written[name][language]) == kept


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_first_line_says_who_which_tier_what_risk_and_what_to_do(written, language):
    text = text_of(written["explain"][language])
    told = {"en": ("likely to leave", "get in touch"), "zh": ("流失概率", "联系")}
    lead = " ".join(text.splitlines()[2:4])
    assert CUSTOMERS[0] in lead
    assert all(words in lead for words in told[language])
    assert "…" not in text


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_moved_adds_up_however_many_subjects_there_are(language):
    points = [-9.0, 5.0, -3.0, 2.0, 1.5, -0.5]
    concepts = [
        {"name": {"zh": f"方面{i}", "en": f"S{i}"}, "points": p} for i, p in enumerate(points)
    ]
    number = {"before": 50.0, "after": 46.0, "change": sum(points), "concepts": concepts}
    effect = {"churn": number, "clv": None}
    what_if = text_of([render_what_if(WHAT_IF | {"effect": effect}, language, TIERS)])
    facts = {
        "since": {"as_of": "2024-09-06", "versions": {"model": "1", "policy": "vip4"}},
        "churn": number | {"parts": {"data": sum(points), "model": 0.0, "policy": 0.0}},
        **dict.fromkeys(("clv", "tier", "records", "why_not_split")),
    }
    changed = text_of([render_customer(facts, language)])
    assert "…" not in changed
    assert all(f"{REST[language]} +1.0" in " ".join(text.split()) for text in (what_if, changed))


def test_near_the_next_tier_the_command_for_paths_is_there_to_be_typed():
    answer = {
        "customer_id": "No 7",
        "tier": {
            "name": {"zh": "一般客户", "en": "General"},
            "falls_below": 1.0,
            "rises_at": 110.0,
        },
        "churn": {"probability": 0.1, "band": "low", "trend": "steady", "horizon_days": 90},
        "clv": {"expected": 100.0, "currency": "CNY", "horizon_days": 365},
        "reasons": [],
    }
    told = with_config(lead(answer, "en"), "shop.yaml")
    assert "`echelon paths 'No 7' -c shop.yaml`" in told
    assert "CN¥10" in told


def test_where_nothing_can_be_mended_at_once_the_strongest_reason_says_what_to_ask_about():
    points = {"relationship": 9.0, "purchase_recency": 6.0, "complaints": -1.0}
    reasons = [
        {"target": "churn", "concept": concept, "points": size, "actionable": False}
        for concept, size in points.items()
    ]
    answer = {
        "tier": {"falls_below": 900.0},
        "churn": {"band": "high", "trend": None},
        "reasons": reasons,
    }
    assert "what they plan to buy" in advice(answer, "en")
    mended = [{**reasons[1], "concept": "complaints", "actionable": True}, *reasons]
    assert "settle their complaint first" in advice(answer | {"reasons": mended}, "en")
    assert "how they are" in advice(answer | {"reasons": reasons[:1]}, "en")


if __name__ == "__main__":
    for name, by_language in pages().items():
        for language, parts in by_language.items():
            path = GOLDEN / f"{name}.{language}.txt"
            path.write_text(text_of(parts), encoding="utf-8")
