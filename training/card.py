"""The model card: what a training is, may be used for, and is worth, in Chinese and English.

After Mitchell et al., "Model Cards for Model Reporting" (2019): details, use, data, figures by
part of the population, limits. A card is a list of sections of sentences and tables, written as
Markdown here and as a page by ``serving/pages/card_page.py``. No customer is named in it.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from configs.schema import Config
from configs.section import Language, Text
from features.sensitive import is_sensitive
from features.stored.generation import parts_of
from features.stored.report import TABLE_NAMES, IntakeReport
from training import card_words as words
from training.coverage import in_words
from training.evaluate import TargetEvaluation
from training.fitted import Fitted, column_values
from training.manifest import Verified
from training.metric_names import METRIC_NAMES
from training.results import METHODS, SHOWN
from training.sliced import sliced
from training.surrogate import SurrogateTree, fit_surrogate

CARD_FOLDER = "card"
DASH = Text(zh="–", en="–")
Row = tuple[Text, ...]


@dataclass(frozen=True)
class Section:
    """A part of the card.

    Attributes:
        code: what it is about, for pictures beside it.
        title: its heading.
        lines: sentences.
        head, rows: a table; empty where there is none.
    """

    code: str
    title: Text
    lines: tuple[Text, ...] = ()
    head: Row = ()
    rows: tuple[Row, ...] = ()


@dataclass(frozen=True)
class Card:
    """A model card: its title and its sections."""

    title: Text
    sections: tuple[Section, ...]


def card_of(config: Config, fitted: Fitted, bundle: Verified, records: Path) -> Card:
    """Return the card of a training.

    Args:
        config: what it was trained with.
        fitted: what it ended in.
        bundle: the bundle written from it, for versions and digests.
        records: folder of the records generation that it learnt from.
    """
    sections = (
        _data(fitted, records),
        _definitions(config, fitted),
        _use(fitted),
        _features(fitted),
        _cutoffs(config, fitted),
        *(_figures(one) for one in fitted.evaluation.targets.values()),
        _calibration(fitted),
        _slices(config, fitted, records),
        _sensitive(config, fitted, records),
        *_rules(fitted),
        _segments(fitted),
        _intervals(fitted),
        _versions(bundle),
    )
    title = words.TITLE
    name = Text(
        zh=title.zh.format(company=config.company.zh, day=fitted.as_of),
        en=title.en.format(company=config.company.en, day=fitted.as_of),
    )
    return Card(name, sections)


def markdown(card: Card, language: Language) -> str:
    """Return the card as Markdown in one language."""
    parts = [f"# {card.title[language]}", *(_written(one, language) for one in card.sections)]
    return "\n\n".join(parts) + "\n"


def summary(card: Card, most: int) -> str:
    """Return the figures of the card in both languages, at most ``most`` characters."""
    told = [one for one in card.sections if one.code.startswith("figures")]
    parts = [
        f"## {card.title[language]}\n\n" + "\n\n".join(_written(one, language) for one in told)
        for language in words.LANGUAGES
    ]
    text = "\n\n".join(parts)
    return text if len(text) <= most else text[: most - 1] + "…"


def _written(section: Section, language: Language) -> str:
    parts = [f"## {section.title[language]}"]
    if section.lines:
        parts.append("\n".join(f"- {_cell(line, language)}" for line in section.lines))
    if section.rows:
        rule = "|".join("---" for _ in section.head)
        head = " | ".join(_cell(one, language) for one in section.head)
        rows = [" | ".join(_cell(one, language) for one in row) for row in section.rows]
        parts.append("\n".join([f"| {head} |", f"|{rule}|", *(f"| {row} |" for row in rows)]))
    return "\n\n".join(parts)


def _cell(text: Text, language: Language) -> str:
    return text[language].replace("|", "\\|").replace("\n", " ").strip() or "–"


def _data(fitted: Fitted, records: Path) -> Section:
    lines = [_filled(words.AS_OF, day=fitted.as_of)]
    lines.append(_learnt_from(fitted))
    path = records / "report.json"
    rows: tuple[Row, ...] = ()
    if path.is_file():
        report = IntakeReport.model_validate_json(path.read_bytes())
        rows = tuple(
            (
                TABLE_NAMES[name],
                _plain(f"{one.accepted:,}"),
                _plain(f"{sum(one.quarantined.values()):,}"),
                _plain(f"{one.customers:,}"),
                _plain(f"{one.first_day or '–'} – {one.last_day or '–'}"),
            )
            for name, one in report.tables.items()
        )
    return Section("data", words.DATA, tuple(lines), words.DATA_HEAD if rows else (), rows)


def _learnt_from(fitted: Fitted) -> Text:
    if fitted.drawn is None:
        return _filled(words.LEARNT_FROM_ALL, n=f"{fitted.reference.n_customers:,}")
    n, of = fitted.drawn
    return _filled(words.LEARNT_FROM, n=f"{n:,}", of=f"{of:,}", share=f"{n / of:.1%}")


def _definitions(config: Config, fitted: Fitted) -> Section:
    policy = fitted.policy
    lines = [
        *_targets(config),
        _filled(words.POLICY, name=policy.name, hysteresis=f"{policy.hysteresis:.0%}"),
    ]
    floors = [*reversed(policy.thresholds), None]
    rows = tuple(
        (tier.name, DASH if floor is None else _plain(f"{floor:,.0f}"))
        for tier, floor in zip(policy.tiers, floors, strict=True)
    )
    return Section("definitions", words.DEFINITIONS, tuple(lines), words.TIER_HEAD, rows)


def _targets(config: Config) -> tuple[Text, Text]:
    """Return what churn and value mean; of contract customers, the company's own label says."""
    churn, clv = config.churn, config.clv
    rule, value = words.CHURN_RULES[churn.rule], words.CLV
    if config.sources.snapshot is not None:
        rule, value = words.CONTRACT_CHURN, words.CONTRACT_CLV
    measure = words.MEASURES[clv.measure]
    told: dict[str, object] = {"days": clv.horizon_days, "currency": config.currency}
    in_words = Text(
        zh=value.zh.format(measure=measure.zh, **told),
        en=value.en.format(measure=measure.en, **told),
    )
    return _filled(rule, days=churn.horizon_days), in_words


def _use(fitted: Fitted) -> Section:
    limits = list(words.LIMITS)
    limits += [note for one in fitted.evaluation.targets.values() for note in one.notes if note.en]
    return Section("use", words.USE, (*words.USES, *dict.fromkeys(limits)))


def _features(fitted: Fitted) -> Section:
    counts = Counter(feature.family for feature in fitted.features)
    used = {name for model in fitted.models.values() for name in model.inputs}
    read = Counter(feature.family for feature in fitted.features if feature.name in used)
    rows = tuple(
        (words.FAMILIES[family], _plain(str(n)), _plain(str(read[family])))
        for family, n in counts.items()
    )
    lines = (_filled(words.FEATURES_LINE, n=len(fitted.features), used=len(used)),)
    return Section("features", words.FEATURES, lines, words.FEATURE_HEAD, rows)


def _cutoffs(config: Config, fitted: Fitted) -> Section:
    rows = tuple(
        (
            words.TARGETS[target],
            _plain(" ".join(day.isoformat() for day in days) or "–"),
            _plain(" ".join(day.isoformat() for day in one.training_cutoffs) or "–"),
            _plain("–" if one.cutoff is None else one.cutoff.isoformat()),
        )
        for target, days in fitted.cutoffs.items()
        for one in [fitted.evaluation.targets[target]]
    )
    line = words.TWIN if config.sources.snapshot is None else words.FOLDS
    return Section("training", words.TRAINING, (line,), words.CUTOFF_HEAD, rows)


def _figures(one: TargetEvaluation) -> Section:
    title = _joined(words.FIGURES, words.TARGETS[one.target])
    code = f"figures.{one.target}"
    if one.protocol == "none":
        return Section(code, title, (words.NOT_MEASURED, *one.notes))
    metrics = [metric for metric in SHOWN[one.target] if metric in one.model]
    everyone = {"model": one.model, **one.baselines}
    rows = tuple(
        (
            METHODS.get(name, _plain(name)),
            *(_plain(_shown(figures.get(metric))) for metric in metrics),
        )
        for name, figures in everyone.items()
    )
    n = f"{one.n:,}"
    lines = [_filled(words.PROTOCOLS[one.protocol], n=n, day=one.cutoff), *_graded(one)]
    heads = (words.METHOD, *(METRIC_NAMES[metric] for metric in metrics))
    return Section(code, title, tuple(lines), heads, rows)


def _graded(one: TargetEvaluation) -> list[Text]:
    """Return the grade in words, with its interval and how it is given."""
    if one.grade is None:
        return []
    letter, skill = one.grade.letter, one.grade.skill
    why = _joined(_filled(words.GRADE, letter=letter), one.grade.why)
    if skill is None or one.grade.low is None or one.grade.high is None:
        return [why, one.grade.formula]
    bounds = {"skill": f"{skill:.3f}", "low": f"{one.grade.low:.3f}"}
    return [
        why,
        _filled(words.SKILL, high=f"{one.grade.high:.3f}", **bounds),
        one.grade.formula,
    ]


def _calibration(fitted: Fitted) -> Section:
    rows = tuple(
        (
            words.TARGETS[target],
            _plain(str(place + 1)),
            _plain(f"{bin.n:,}"),
            _plain(_shown(bin.predicted)),
            _plain(_shown(bin.actual)),
        )
        for target, one in fitted.evaluation.targets.items()
        for place, bin in enumerate(one.calibration)
    )
    lines = (words.CALIBRATION_LINE,) if rows else (words.NOT_MEASURED,)
    return Section("calibration", words.CALIBRATION, lines, words.BIN_HEAD if rows else (), rows)


def _slices(config: Config, fitted: Fitted, records: Path) -> Section:
    """Return the main figure of every part of the customers with its interval."""
    rows: list[Row] = []
    for target, told in fitted.evaluation.targets.items():
        rows += [
            (
                words.TARGETS[target],
                _joined(one.axis, one.level),
                _plain(f"{one.n:,}"),
                _plain(f"{one.figure:.3f} ({one.low:.3f} – {one.high:.3f})"),
                _plain(_shown(one.predicted)),
                _plain(_shown(one.actual)),
            )
            for one in told.slices or sliced(config, fitted, target, records)
        ]
    lines = (words.SLICES_LINE,) if rows else (words.NOT_MEASURED,)
    return Section("slices", words.SLICES, lines, words.SLICE_HEAD if rows else (), tuple(rows))


def _sensitive(config: Config, fitted: Fitted, records: Path) -> Section:
    told = config.features.sensitive
    if not told:
        return Section("sensitive", words.SENSITIVE, (words.NONE_SENSITIVE,))
    seen = [name for name in _columns(records) if is_sensitive(name, told)]
    scored = {feature.concept for feature in fitted.features}
    left_out = [name for name in seen if name not in scored]
    found = Text(zh="、".join(left_out), en=", ".join(left_out)) if left_out else words.NONE_FOUND
    listed = Text(zh="、".join(told), en=", ".join(told))
    lines = (_joined(words.LEFT_OUT, found), _joined(words.SENSITIVE_WORDS, listed))
    return Section("sensitive", words.SENSITIVE, lines)


def _columns(records: Path) -> list[str]:
    import pyarrow.parquet as pq

    parts = [parts_of(records, name)[:1] for name in ("customers", "snapshot")]
    return [name for one in parts for path in one for name in pq.read_schema(path).names]


def _rules(fitted: Fitted) -> tuple[Section, ...]:
    """Return what the tiers come to in rules, and how often these are right; none without tiers."""
    tree = _tree_of_tiers(fitted)
    if tree is None:
        return ()
    labels = {feature.name: feature.label for feature in fitted.features}
    units = {feature.name: feature.unit for feature in fitted.features}
    names = {tier.code: tier.name for tier in fitted.policy.tiers}
    rows = tuple((condition, names[tier]) for tier, _, condition in tree.rules(labels, units))
    lines = (tree.fidelity_in_words,)
    return (Section("rules", words.RULES, lines, words.RULE_HEAD, rows),)


def _tree_of_tiers(fitted: Fitted) -> SurrogateTree | None:
    """Return a tree of the tiers that the customers drawn at the fit get by value and guards."""
    model = fitted.models.get("clv")
    if model is None:
        return None
    columns = {one.name: column_values(fitted.golden, one.name) for one in fitted.features}
    tiers = fitted.policy.assign(model.predict(columns), guard_columns=columns).codes.tolist()
    return fit_surrogate(columns, tiers) if len(set(tiers)) > 1 else None


def _segments(fitted: Fitted) -> Section:
    last = fitted.segments.prospects
    everyone = [*fitted.segments.segments, *([] if last is None else [last])]
    rows = tuple((one.name, _plain(f"{one.share:.0%}"), one.description) for one in everyone)
    agreement = fitted.segments.agreement
    lines = () if rows else (words.NO_SEGMENTS,)
    if agreement is not None:
        lines = (_filled(words.SEGMENT_RULES, agreement=f"{agreement:.0%}"),)
    return Section("segments", words.SEGMENTS, lines, words.SEGMENT_HEAD if rows else (), rows)


def _intervals(fitted: Fitted) -> Section:
    told = [
        in_words(one.coverage)
        for one in fitted.evaluation.targets.values()
        if one.coverage is not None
    ]
    return Section("intervals", words.INTERVALS, tuple(told) or (words.NO_COVERAGE,))


def _versions(bundle: Verified) -> Section:
    manifest = bundle.manifest
    told = {
        "bundle": bundle.digest,
        **manifest.versions,
        **manifest.provenance,
        **manifest.libraries,
        "signed_by": manifest.signed_by,
    }
    rows = tuple((_plain(key), _plain(value)) for key, value in told.items())
    return Section("versions", words.VERSIONS, (), words.VERSION_HEAD, rows)


def _plain(text: str) -> Text:
    """Return what is the same in both languages."""
    return Text(zh=text, en=text)


def _filled(text: Text, **values: object) -> Text:
    return Text(zh=text.zh.format(**values), en=text.en.format(**values))


def _joined(one: Text, other: Text) -> Text:
    return Text(zh=f"{one.zh}：{other.zh}", en=f"{one.en}: {other.en}")


def _shown(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:,.1f}" if abs(value) >= 10 else f"{value:.3f}"
