"""The report for managers: one self-contained HTML page, Chinese and English."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from configs.files import write_text
from configs.schema import Config
from configs.section import Language, Text
from configs.version import VERSION
from features.concepts import CONCEPTS
from serving.changes.change_facts import portfolio_sums
from serving.changes.change_shown import PART_NAMES
from serving.changes.changes import compare
from serving.pages import charts
from serving.pages.explain import TRENDS
from serving.pages.report_facts import Facts, histogram
from serving.pages.report_words import METRICS, OBJECTIVES, PROTOCOLS, Metric
from serving.pages.tier_rules import Rules
from serving.scores.answers import Answer
from serving.scores.lead import BANDS, advice
from serving.scores.numbers import compact_money, money, number, percent, signed
from serving.scores.publication import Publication
from training.coverage import in_words
from training.evaluate import Evaluation, TargetEvaluation
from training.lifecycle import STAGES
from training.outlook_quality import in_words as outlook_in_words
from training.results import METHODS, RULE_SERVED, grade_line, served_name

SHOWN_METRICS = {
    "churn": ("auc", "brier", "ece15", "top_decile_lift"),
    "clv": ("ngini", "mae", "bias", "dmape"),
}
TEMPLATE = "report.html"


@dataclass(frozen=True)
class Quality:
    """How one target's model did, beside the rules, with its two charts."""

    target: str
    evaluation: TargetEvaluation
    metrics: tuple[Metric, ...]
    rows: tuple[tuple[Text, bool, tuple[float | None, ...]], ...]
    calibration: Markup
    lift: Markup

    @property
    def is_beaten(self) -> bool:
        """Whether a simple rule orders customers better than what is served."""
        best, main = self.evaluation.best_rule, self.evaluation.main_metric
        if best is None or main not in self.evaluation.model:
            return False
        return self.evaluation.baselines[best][main] > self.evaluation.model[main]

    @property
    def grade(self) -> Text | None:
        """The grade in one line, with its interval."""
        return None if self.evaluation.grade is None else grade_line(self.evaluation.grade)


def write_report(
    config: Config,
    publication: Publication,
    evaluation: Evaluation,
    path: Path,
    rules: Rules | None = None,
    segments: Text | None = None,
) -> Path:
    """Write the report on ``publication`` to ``path``, wholly or not at all, and return it.

    Args:
        config: the company's names and the language shown first.
        publication: what is reported on; compared with the one of an earlier day.
        evaluation: how the model did, from its bundle.
        path: the HTML file.
        rules: what the tiers come to in words.
        segments: how often the words of segments are right.
    """
    write_text(path, report_html(config, publication, evaluation, rules, segments))
    return path


def report_html(
    config: Config,
    publication: Publication,
    evaluation: Evaluation,
    rules: Rules | None = None,
    segments: Text | None = None,
) -> str:
    """Return the report as HTML text; nothing in it is loaded from elsewhere."""
    facts = Facts(publication, STAGES)
    earlier = publication.earlier()
    at_stake = facts.most_at_stake
    traces = publication.traces([one["customer_id"] for one in at_stake])
    page = environment_of(config.currency).get_template(TEMPLATE)
    return page.render(
        company=config.company,
        language=config.language,
        facts=facts,
        headline=facts.headline,
        tiers=facts.tiers,
        migration=facts.migration(earlier),
        change=None if earlier is None else portfolio_sums(compare(config, earlier, publication)),
        parts=PART_NAMES,
        most_at_stake=at_stake,
        traces={customer_id: _traced(trace) for customer_id, trace in traces.items()},
        todo=_todo,
        rules=rules,
        segments=segments,
        qualities=[
            _quality(one, config.currency)
            for one in evaluation.targets.values()
            if one.protocol != "none" and one.model
        ],
        unmeasured=[one for one in evaluation.targets.values() if one.protocol == "none"],
        histogram=_histogram(facts),
        bands=BANDS,
        trends=TRENDS,
        concepts=CONCEPTS,
        covered_in_words=in_words,
        outlook=None if evaluation.outlook is None else outlook_in_words(evaluation.outlook),
        objective=OBJECTIVES[publication.manifest.terms.policy.objective],
        protocols=PROTOCOLS,
        rule_served=RULE_SERVED,
        echelon=VERSION,
    )


def _todo(answer: Answer) -> Markup:
    """Return what to do about a customer as a sentence of its own."""
    zh, en = advice(answer, "zh"), advice(answer, "en")
    return both(f"{zh}。", f"{en[:1].upper()}{en[1:]}.") if zh else Markup("")


def _traced(trace: Mapping[str, Any] | None) -> list[Mapping[str, str]]:
    """Return which rules set a customer's tier, and how far its edges are, line by line."""
    if trace is None:
        return []
    edges = [trace[side] for side in ("above", "below") if trace[side] is not None]
    return [line["text"] for line in [*trace["lines"], *edges]]


def environment_of(currency: str) -> Environment:
    """Return templates that escape everything, with numbers and words in both languages."""
    environment = Environment(
        loader=PackageLoader("serving", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {
        "t": both,
        "text": lambda text: (
            both(text["zh"], text["en"]) if isinstance(text, dict) else (both(text.zh, text.en))
        ),
        "money": _in_both(lambda x, language: money(x, currency, language)),
        "compact": _in_both(lambda x, language: compact_money(x, currency, language)),
        "compact_delta": _in_both(
            lambda x, language: signed(compact_money(abs(x), currency, language), x)
        ),
        "many": lambda x: signed(number(abs(x), "en"), round(x)),
        "delta": _in_both(lambda x, language: signed(money(abs(x), currency, language), x)),
        "pct": lambda share, digits=0: "–" if share is None else percent(share, "en", digits),
        "num": lambda x: "–" if x is None else number(x, "en"),
        "points": lambda x: signed(f"{abs(x):.1f}", round(x, 1)),
        "figure": lambda x, metric: _figure(x, metric, currency),
    }
    return environment


def both(zh: str, en: str) -> Markup:
    """Return a phrase in both languages, escaped; the page shows one.

    >>> print(both("客户", "<5"))
    <span class="zh" lang="zh">客户</span><span class="en" lang="en">&lt;5</span>
    """
    if zh == en:
        return Markup.escape(zh)
    return Markup(
        '<span class="zh" lang="zh">{}</span><span class="en" lang="en">{}</span>'
    ).format(zh, en)


def _in_both(shown: Callable[[float, Language], str]) -> Callable[[float | None], Markup]:
    def write(value: float | None) -> Markup:
        if value is None:
            return Markup("–")
        return both(shown(value, "zh"), shown(value, "en"))

    return write


def _figure(value: float | None, metric: Metric, currency: str) -> Markup:
    if value is None:
        return Markup("–")
    if metric.form == "money":
        return both(money(value, currency, "zh"), money(value, currency, "en"))
    if metric.form == "percent":
        return Markup(percent(value, "en", 1))
    if metric.form == "signed":
        return Markup(signed(percent(abs(value), "en", 1), round(value, 3)))
    return Markup(f"{value:.3f}" if metric.form == "score" else f"{value:.1f}×")


def _histogram(facts: Facts) -> Markup:
    bands = facts.terms.policy.churn_bands

    def band_of(probability: float) -> str:
        if probability >= bands.high:
            return "high"
        return "medium" if probability >= bands.medium else "low"

    about = Text(zh="客户按流失概率的分布", en="customers by churn probability")
    return charts.histogram(histogram(facts.churn), band_of, about)


def _quality(evaluation: TargetEvaluation, currency: str) -> Quality:
    names = [name for name in SHOWN_METRICS[evaluation.target] if name in evaluation.model]
    rules = sorted(
        evaluation.baselines,
        key=lambda rule: -evaluation.baselines[rule].get(evaluation.main_metric, 0.0),
    )
    model = (served_name(evaluation), True, _row(evaluation.model, names))
    rules = [rule for rule in rules if rule != evaluation.served_rule]
    return Quality(
        target=evaluation.target,
        evaluation=evaluation,
        metrics=tuple(METRICS[name] for name in names),
        rows=(
            model,
            *((_rule(r), False, _row(evaluation.baselines[r], names)) for r in rules),
        ),
        calibration=_calibration(evaluation, currency),
        lift=_lift(evaluation),
    )


def _rule(rule: str) -> Text:
    return METHODS[rule]


def _row(figures: Mapping[str, float], names: list[str]) -> tuple[float | None, ...]:
    return tuple(figures.get(name) for name in names)


def _calibration(evaluation: TargetEvaluation, currency: str) -> Markup:
    points = [(bin.predicted, bin.actual) for bin in evaluation.calibration]

    def shown(value: float) -> str:
        return percent(value, "en") if evaluation.target == "churn" else number(value, "en")

    about = Text(zh="预测与实际的对照", en="predicted against actual")
    return charts.calibration(points, shown, about)


def _lift(evaluation: TargetEvaluation) -> Markup:
    best = evaluation.best_rule
    rule: Any = evaluation.rule_lifts.get(best, ()) if best else ()
    captured = (
        Text(zh="覆盖的流失客户", en="leavers reached")
        if evaluation.target == "churn"
        else Text(zh="覆盖的实际消费", en="actual value reached")
    )
    return charts.lift(
        [(point.share, point.captured) for point in evaluation.lift],
        [(point.share, point.captured) for point in rule],
        _rule(best) if best else Text(zh="", en=""),
        captured,
        Text(zh="按预测排序的覆盖率", en="what the highest predictions hold"),
    )
