"""A customer in one sentence: who, what risk and worth, what weighs most, and what to do first."""

from __future__ import annotations

from collections.abc import Sequence

from configs.section import Language, Text
from serving.console.customer.asked import Asked
from serving.scores.answers import Answer
from serving.scores.concept_names import concept_name
from serving.scores.lead import advice, state
from serving.scores.points import LEADS
from serving.scores.reasons import REST_CONCEPT
from serving.scores.wording import Described

MOST_WEIGHS = 2
WHY = Text(zh="；最主要的风险因素是{told}", en="; what weighs most is {told}")
POINTS = Text(zh="{name}（+{points:.1f}个百分点）", en="{name} (+{points:.1f} pp)")
AND = Text(zh="和", en=" and ")


def sentence(asked: Asked, language: Language) -> str:
    """Return why the customer is at risk and what to do, in one sentence."""
    told, todo = state(asked.answer, language), advice(asked.answer, language)
    told += _why(asked, language)
    if language == "zh":
        return f"{told}{'；' + todo if todo else ''}。"
    return f"{told}{': ' + todo if todo else ''}."


def raising(answer: Answer) -> list[dict[str, object]]:
    """Return the reasons that raise the risk, the strongest first, where there is one to tell."""
    if answer["churn"] is None or answer["churn"]["band"] == "low":
        return []
    own = [one for one in answer["reasons"] if one["target"] == "churn"]
    leading = [one for one in own if one["points"] >= LEADS["churn"]]
    return [one for one in leading if one["concept"] != REST_CONCEPT]


def _why(asked: Asked, language: Language) -> str:
    told = weighing(asked.answer, asked.served.bundle.features, language)
    return WHY[language].format(told=told) if told else ""


def weighing(answer: Answer, features: Sequence[Described], language: Language) -> str:
    """Return what raises the risk most, empty where nothing does so much that it is told."""
    told = [
        POINTS[language].format(
            name=_named(concept_name(str(one["concept"]), features)[language], language),
            points=one["points"],
        )
        for one in raising(answer)[:MOST_WEIGHS]
    ]
    return AND[language].join(told)


def _named(name: str, language: Language) -> str:
    """Return a concept's name within a sentence; abbreviations keep their capitals."""
    return name[:1].lower() + name[1:] if language == "en" and not name[:2].isupper() else name
