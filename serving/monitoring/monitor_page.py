"""The page of monitoring: self-contained HTML, Chinese and English, with small charts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from configs.files import write_text
from configs.schema import Config
from configs.section import Text
from configs.version import VERSION
from serving.monitoring import monitor_words as words
from serving.monitoring.findings import MOVED_PSI
from serving.monitoring.found import Monitoring
from serving.monitoring.monitor_console import figure
from serving.monitoring.outcome import BESIDE, MAIN, Outcome
from serving.pages.report import both
from serving.scores.numbers import number, percent
from training.anchor import TargetName

TEMPLATE = "monitor.html"
SHOWN_FEATURES = 12
BAR_END_PSI = 3 * MOVED_PSI
WIDTH, HEIGHT, MARGIN = 320, 64, 8


def write_page(config: Config, found: Monitoring, path: Path) -> Path:
    """Write the page of ``found`` to ``path``, wholly or not at all, and return it."""
    write_text(path, page_html(config, found))
    return path


def page_html(config: Config, found: Monitoring) -> str:
    """Return the page as HTML text; nothing in it is loaded from elsewhere."""
    environment = Environment(
        loader=PackageLoader("serving", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {
        "t": both,
        "text": lambda text: both(text.zh, text.en),
        "num": lambda x: "–" if x is None else number(x, "en"),
        "pct": lambda share, digits=1: "–" if share is None else percent(share, "en", digits),
        "figure": figure,
    }
    return environment.get_template(TEMPLATE).render(
        company=config.company,
        language=config.language,
        found=found,
        features=[(one, bar(one.psi)) for one in found.features[:SHOWN_FEATURES]],
        groups=_groups(found.outcomes),
        kinds=words.KINDS,
        targets=words.TARGETS,
        main=MAIN,
        beside=BESIDE,
        echelon=VERSION,
    )


def bar(psi: float) -> Markup:
    """Return a bar as long as a feature has moved, with a mark where that begins to count."""
    full = 100.0 * min(psi / BAR_END_PSI, 1.0)
    mark = 100.0 * MOVED_PSI / BAR_END_PSI
    style = "high" if psi >= MOVED_PSI else "low"
    return Markup(
        '<span class="drift"><i class="band-{}" style="width:{:.1f}%"></i>'
        '<u style="left:{:.1f}%"></u></span>'
    ).format(style, full, mark)


def chart(outcomes: Sequence[Outcome]) -> Markup:
    """Return actual over expected of one target through time: 1 is right, whiskers 95 %."""
    known = [one for one in outcomes if one.expected > 0]
    ratios = [(o.actual_low / o.expected, o.actual_high / o.expected) for o in known]
    low = min([0.5, *(r[0] for r in ratios)])
    high = max([1.5, *(r[1] for r in ratios)])

    def y(ratio: float) -> float:
        return HEIGHT - MARGIN - (HEIGHT - 2 * MARGIN) * (ratio - low) / (high - low)

    drawn = Markup('<path d="M0 {:.1f}H{}" class="ideal"/>').format(y(1.0), WIDTH)
    step = WIDTH / max(len(known), 1)
    for i, (one, (least, most)) in enumerate(zip(known, ratios, strict=True)):
        x = (i + 0.5) * step
        drawn += Markup('<path d="M{:.1f} {:.1f}V{:.1f}" class="axis"/>').format(
            x, y(least), y(most)
        )
        drawn += Markup('<circle cx="{:.1f}" cy="{:.1f}" r="3.5" class="dot"/>').format(
            x, y(one.actual / one.expected)
        )
    about = Text(zh="实际与预期之比", en="actual over expected")
    return Markup(
        '<svg viewBox="0 0 {} {}" role="img" aria-label="{} / {}" class="chart">{}</svg>'
    ).format(WIDTH, HEIGHT, about.zh, about.en, drawn)


def _groups(
    outcomes: Sequence[Outcome],
) -> list[tuple[str, TargetName, list[Outcome], Markup]]:
    """Return model version, target, its outcomes by day and their chart."""
    keys = dict.fromkeys((one.model, one.target) for one in outcomes)
    groups = []
    for model, target in keys:
        own = [one for one in outcomes if (one.model, one.target) == (model, target)]
        groups.append((model, target, own, chart(own)))
    return groups
