"""The model card as a page, and how a version's card is had again."""

from __future__ import annotations

import tempfile
from pathlib import Path

from markupsafe import Markup
from rich.markdown import Markdown

from configs.errors import ModelError
from configs.files import write_text
from configs.schema import Config
from configs.section import Language, Text
from configs.version import VERSION
from serving.pages import charts
from serving.pages.report import environment_of
from serving.scores.numbers import number, percent
from training.card import CARD_FOLDER, Card, markdown
from training.card_words import LANGUAGES
from training.evaluate import Evaluation, TargetEvaluation
from training.registry import fetch_beside

TEMPLATE = "card.html"
PAGE = "card.html"
ABOUT = Text(zh="预测与实际的对照", en="predicted against actual")


def write_card(config: Config, card: Card, evaluation: Evaluation, folder: Path) -> Path:
    """Write ``card.zh.md``, ``card.en.md`` and ``card.html`` to ``folder`` and return it."""
    for language in LANGUAGES:
        write_text(folder / _text_file(language), markdown(card, language))
    write_text(folder / PAGE, page_html(config, card, evaluation))
    return folder


def page_html(config: Config, card: Card, evaluation: Evaluation) -> str:
    """Return the card as HTML text; nothing in it is loaded from elsewhere."""
    page = environment_of(config.currency).get_template(TEMPLATE)
    pictures = [_picture(one) for one in evaluation.targets.values() if one.calibration]
    return page.render(card=card, language=config.language, pictures=pictures, echelon=VERSION)


def fetch_card(
    config: Config, version: str, out: Path, language: Language
) -> tuple[Markdown, Path]:
    """Return the card of a version for the terminal, and its page written to ``out``.

    Raises:
        ModelError: there is no such version, or it was trained before cards were kept.
    """
    with tempfile.TemporaryDirectory(prefix="echelon-") as scratch:
        folder = fetch_beside(config, version, CARD_FOLDER, Path(scratch))
        if folder is None:
            raise ModelError(
                f"version {version} was trained before model cards were kept; train again"
            )
        write_text(out, (folder / PAGE).read_text(encoding="utf-8"))
        return Markdown((folder / _text_file(language)).read_text(encoding="utf-8")), out


def _text_file(language: Language) -> str:
    return f"card.{language}.md"


def _picture(one: TargetEvaluation) -> Markup:
    def shown(value: float) -> str:
        return percent(value, "en") if one.target == "churn" else number(value, "en")

    points = [(bin.predicted, bin.actual) for bin in one.calibration]
    return charts.calibration(points, shown, ABOUT)
