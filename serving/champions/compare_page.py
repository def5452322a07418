"""The page of a comparison: one self-contained HTML file, Chinese and English."""

from __future__ import annotations

from pathlib import Path

from markupsafe import Markup

from configs.files import write_text
from configs.schema import Config
from configs.section import Language, Text
from configs.version import VERSION
from serving.champions.compare_words import (
    GATES,
    TARGETS,
    VERDICTS,
    data_key,
    metric_name,
    outcome_of,
)
from serving.champions.comparison import Comparison
from serving.champions.contest import Contest
from serving.champions.gates import failed, judged
from serving.pages import charts
from serving.pages.report import environment_of
from serving.scores.numbers import number, percent
from training.evaluate import CalibrationBin

TEMPLATE = "compare.html"
ABOUT = Text(zh="两个版本的预测与实际", en="predicted against actual of both versions")


def write_page(config: Config, comparison: Comparison, path: Path, language: Language) -> Path:
    """Write the page to ``path``, wholly or not at all, and return it; ``language`` first."""
    write_text(path, page_html(config, comparison, language))
    return path


def page_html(config: Config, comparison: Comparison, language: Language) -> str:
    """Return the page as HTML text; nothing in it is loaded from elsewhere."""
    gates = judged(config.promotion, comparison)
    page = environment_of(config.currency).get_template(TEMPLATE)
    return page.render(
        company=config.company,
        language=language,
        one=comparison.champion,
        other=comparison.challenger,
        comparison=comparison,
        contests=list(comparison.contests.values()),
        moves=comparison.moves,
        gates=gates,
        held=failed(gates),
        pictures={target: _picture(one) for target, one in comparison.contests.items()},
        targets=TARGETS,
        gate_names=GATES,
        verdicts=VERDICTS,
        metric_name=metric_name,
        outcome_of=outcome_of,
        data_key=data_key,
        echelon=VERSION,
    )


def _picture(contest: Contest) -> Markup:
    """Return both calibrations, laid over each other; nothing where nothing was compared."""
    if not contest.champion:
        return Markup("")

    def shown(value: float) -> str:
        return percent(value, "en") if contest.target == "churn" else number(value, "en")

    points = (_points(contest.champion), _points(contest.challenger))
    return charts.calibration_of_two(*points, shown, ABOUT)


def _points(bins: tuple[CalibrationBin, ...]) -> list[tuple[float, float]]:
    return [(one.predicted, one.actual) for one in bins]
