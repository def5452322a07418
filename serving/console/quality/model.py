"""The model page: what is served and why, how good it is and for whom, and what has moved since."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.responses import Response

from configs.section import Text
from serving.console.acting.mistakes import reported
from serving.console.page import PageError, Visit
from serving.console.portfolios.risk_history import risk_history
from serving.console.quality.model_pictures import PICTURES, TARGETS
from serving.monitoring.found import last_found
from serving.monitoring.monitor_words import KINDS
from serving.pages.kept_cards import kept_card
from serving.pages.tier_rules import segment_fidelity
from serving.scores.numbers import number
from training.anchor import TargetName
from training.coverage import in_words
from training.evaluate import TargetEvaluation
from training.metric_names import METRIC_NAMES
from training.notes import RULES_ONLY
from training.results import METHODS, RULE_SERVED, SHOWN, grade_line, served_name

FEATURES_SHOWN = 12
CARD_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox"
"""The card is a page of its own, with its styles inside; it runs and fetches nothing."""
NO_CARD = Text(zh="本机没有这个版本的模型卡", en="The card of this version is not on this machine")
GET_CARD = Text(
    zh="请在能访问模型注册表的机器上运行`echelon card`。",
    en="Run `echelon card` on a machine that reaches the registry.",
)
NAMES = {
    "churn": Text(zh="流失", en="Churn"),
    "clv": Text(zh="客户终身价值", en="Customer lifetime value"),
}
GRADES = {
    "A": Text(zh="明显优于任何简单规则", en="clearly better than any simple rule"),
    "B": Text(zh="优于简单规则", en="better than simple rules"),
    "C": Text(zh="略优于简单规则", en="a little better than simple rules"),
    "D": Text(zh="不优于简单规则", en="no better than a simple rule"),
    "N": Text(zh="数据太少，尚不能评级", en="too little data to grade"),
}


@dataclass(frozen=True)
class Told:
    """One target as the page tells of it.

    Attributes:
        target, name: which.
        horizon_days: of what is served.
        served: the model, or the rule that took its place.
        why: why the rule is served; ``None`` for the model.
        grade: the letter; ``None`` where it is not graded.
        grade_text: its reason, skill and interval.
        found: figures at training; ``None`` where nothing was measured.
        heads: names of the metrics.
        lines: method and its figures, as text.
        coverage: how many customers their intervals hold.
        is_rules_only: no trees are served: too few customers.
        was_rules_only: trees are served, but before the day measured on there was too little
            history for them, so the figures are those of the basic rule.
    """

    target: TargetName
    name: Text
    horizon_days: int
    served: Text
    why: Text | None
    grade: str | None
    grade_text: Text | None
    found: TargetEvaluation | None
    heads: tuple[Text, ...]
    lines: tuple[tuple[Text, bool, tuple[str, ...]], ...]
    coverage: Text | None
    is_rules_only: bool
    was_rules_only: bool


def page(visit: Visit) -> Response:
    """Return what is served and how good it is."""
    served = visit.served
    bundle, manifest = served.bundle, served.publication.manifest
    return visit.page(
        "model.html",
        as_of=served.as_of,
        terms=manifest.terms,
        bundle=bundle,
        targets=[_told(visit, one) for one in TARGETS if one in bundle.models],
        grades=GRADES,
        fidelity=segment_fidelity(bundle.segments),
        monitoring=last_found(visit.config.stores),
        publication=manifest.id,
        kinds=KINDS,
        features_shown=FEATURES_SHOWN,
        mistakes=len(reported(visit.endpoint.state)),
        history=tuple(reversed(visit.kept(served, risk_history))),
        has_card=kept_card(visit.config.stores, manifest.terms.model) is not None,
        pictures={one.name: one.shown(visit) for one in PICTURES},
    )


def card(visit: Visit) -> Response:
    """Answer with the card of the model that is served."""
    found = kept_card(visit.config.stores, visit.served.publication.manifest.terms.model)
    if found is None:
        raise PageError(404, NO_CARD, GET_CARD)
    headers = {"content-security-policy": CARD_POLICY}
    return Response(found, media_type="text/html; charset=utf-8", headers=headers)


def _told(visit: Visit, target: TargetName) -> Told:
    bundle = visit.served.bundle
    found = bundle.evaluation.targets.get(target)
    model = bundle.models[target]
    is_measured = found is not None and found.protocol != "none"
    heads = () if found is None else tuple(m for m in SHOWN[target] if m in found.model)
    grade = None if found is None else found.grade
    return Told(
        target=target,
        name=NAMES[target],
        horizon_days=model.horizon_days,
        served=METHODS["model"] if found is None else served_name(found),
        why=RULE_SERVED if found is not None and found.served_rule else None,
        grade=None if grade is None else grade.letter,
        grade_text=None if grade is None else grade_line(grade),
        found=found if is_measured else None,
        heads=tuple(METRIC_NAMES[metric] for metric in heads),
        lines=() if found is None else tuple(_lines(visit, found, heads)),
        coverage=None if found is None or found.coverage is None else in_words(found.coverage),
        is_rules_only=model.is_rules_only,
        was_rules_only=grade is not None and grade.why == RULES_ONLY and not model.is_rules_only,
    )


def _lines(
    visit: Visit, found: TargetEvaluation, heads: tuple[str, ...]
) -> list[tuple[Text, bool, tuple[str, ...]]]:
    everyone = {"served": found.model, **found.baselines}
    return [
        (
            served_name(found) if name == "served" else METHODS.get(name, Text(zh=name, en=name)),
            name == "served",
            tuple(_figure(visit, figures.get(metric)) for metric in heads),
        )
        for name, figures in everyone.items()
        if name != found.served_rule
    ]


def _figure(visit: Visit, value: float | None) -> str:
    if value is None:
        return "–"
    return number(value, visit.language) if abs(value) >= 10 else f"{value:.3f}"
