"""Pictures of a training for the data scientist: how well calibrated, how sharp, and why.

``shap`` draws what the trees found; everything else is matplotlib. Chinese labels need a font that
has them (Noto Sans CJK and others are looked for); without one, labels are English.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from configs.section import Language
from training.additive import AdditiveModel
from training.anchor import Vector
from training.contract_model import ContractChurn
from training.derived import with_derived
from training.evaluate import LiftPoint, TargetEvaluation
from training.fitted import Fitted, column_values

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CHINESE_FONTS = (
    "Noto Sans CJK SC",
    "Source Han Sans SC",
    "Noto Sans SC",
    "PingFang SC",
    "Microsoft YaHei",
    "WenQuanYi Micro Hei",
    "SimHei",
    "Noto Sans CJK JP",
)
BLUE, ORANGE, GREY = "#2563a8", "#d9772b", "#8a8f98"
STYLE = {
    "axes.edgecolor": GREY,
    "axes.grid": True,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 12,
    "axes.unicode_minus": False,
    "figure.figsize": (6.4, 4.4),
    "figure.constrained_layout.use": True,
    "grid.alpha": 0.25,
    "legend.frameon": False,
    "savefig.dpi": 144,
}
NOT_FOR_FILES = re.compile(r"[^\w=.-]+")
DEPENDENCES = 4
"""Of how many features, the most important first, the dependence is drawn."""
WORDS: dict[str, dict[Language, str]] = {
    "calibration": {"zh": "校准：预测与实际", "en": "Calibration: predicted and actual"},
    "lift": {"zh": "捕获率：按预测排序", "en": "Captured by the highest predictions"},
    "deciles": {"zh": "十分位平均价值", "en": "Mean value by decile"},
    "summary": {"zh": "SHAP 汇总", "en": "SHAP summary"},
    "dependence": {"zh": "SHAP 依赖", "en": "SHAP dependence"},
    "churn": {"zh": "流失概率", "en": "churn probability"},
    "clv": {"zh": "客户终身价值", "en": "lifetime value"},
    "predicted": {"zh": "预测", "en": "Predicted"},
    "actual": {"zh": "实际", "en": "Actual"},
    "perfect": {"zh": "完全校准", "en": "Perfectly calibrated"},
    "random": {"zh": "随机", "en": "Random"},
    "model": {"zh": "模型", "en": "Model"},
    "share": {"zh": "客户占比", "en": "Share of customers"},
    "captured": {"zh": "捕获占比", "en": "Share captured"},
    "decile": {"zh": "预测十分位（1 最低）", "en": "Decile of prediction (1 lowest)"},
    "value": {"zh": "平均价值", "en": "Mean value"},
    "impact": {"zh": "对模型输出的贡献（对数尺度）", "en": "Contribution to the link score"},
    "feature_value": {"zh": "特征取值", "en": "Feature value"},
    "low": {"zh": "低", "en": "Low"},
    "high": {"zh": "高", "en": "High"},
}


def draw(fitted: Fitted, folder: Path, language: Language = "zh") -> list[Path]:
    """Draw every picture of ``fitted`` into ``folder`` as PNG and return their paths.

    ``<target>_calibration``, ``<target>_lift``, ``clv_deciles`` where the target was measured;
    ``<target>_shap_summary`` and ``<target>_shap_dependence_<n>_<feature>`` where it has trees.

    Args:
        fitted: what training ended in.
        folder: created if missing.
        language: of titles and feature names, if a font can show it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    drawn: list[Path] = []
    with _style(language) as spoken:
        for target, measured in fitted.evaluation.targets.items():
            drawn += _measured_pictures(target, measured, folder, spoken)
        for target, model in fitted.models.items():
            if isinstance(model, AdditiveModel | ContractChurn) and not model.is_rules_only:
                drawn += _explained_pictures(target, model, fitted, folder, spoken)
    return drawn


def calibration(axes: Axes, measured: TargetEvaluation, language: Language) -> None:
    """Draw mean prediction against mean outcome in ten bins, with the line of a perfect model."""
    predicted = [bin.predicted for bin in measured.calibration]
    actual = [bin.actual for bin in measured.calibration]
    top = max([*predicted, *actual], default=1.0) * 1.05 or 1.0
    axes.plot([0, top], [0, top], "--", color=GREY, label=WORDS["perfect"][language])
    axes.plot(predicted, actual, "o-", color=BLUE, label=WORDS["model"][language])
    axes.set(
        xlabel=WORDS["predicted"][language],
        ylabel=WORDS["actual"][language],
        xlim=(0, top),
        ylim=(0, top),
    )
    axes.legend()


def lift(axes: Axes, measured: TargetEvaluation, language: Language) -> None:
    """Draw the share of churners or money among the highest predictions.

    Beside it stand the best simple rule and chance.
    """
    axes.plot([0, 1], [0, 1], "--", color=GREY, label=WORDS["random"][language])
    rule = measured.best_rule
    if rule in measured.rule_lifts:
        words = measured.rules.get(rule)
        label = rule if words is None else words[language]
        axes.plot(*_curve(measured.rule_lifts[rule]), color=ORANGE, label=label)
    axes.plot(
        *_curve(measured.lift), "o-", color=BLUE, markersize=4, label=WORDS["model"][language]
    )
    axes.set(
        xlabel=WORDS["share"][language],
        ylabel=WORDS["captured"][language],
        xlim=(0, 1),
        ylim=(0, 1.02),
    )
    axes.legend()


def _curve(points: Sequence[LiftPoint]) -> tuple[list[float], list[float]]:
    shares = [0.0, *(point.share for point in points)]
    return shares, [0.0, *(point.captured for point in points)]


def deciles(axes: Axes, measured: TargetEvaluation, language: Language) -> None:
    """Draw predicted and actual mean value side by side for each tenth of customers."""
    at = np.arange(1, len(measured.calibration) + 1)
    predicted = [bin.predicted for bin in measured.calibration]
    actual = [bin.actual for bin in measured.calibration]
    axes.bar(at - 0.2, predicted, 0.4, color=BLUE, label=WORDS["predicted"][language])
    axes.bar(at + 0.2, actual, 0.4, color=ORANGE, label=WORDS["actual"][language])
    axes.set(xlabel=WORDS["decile"][language], ylabel=WORDS["value"][language], xticks=at)
    axes.grid(axis="x", visible=False)
    axes.legend()


def tree_explanation(model: AdditiveModel, columns: Mapping[str, Vector]) -> Any:
    """Return ``shap.TreeExplainer``'s explanation of the trees, on the link scale before slope."""
    shap = _shap()
    X = np.column_stack([columns[name] for name in model.tree_inputs])
    return shap.TreeExplainer(model.booster)(X)


def chinese_font() -> str | None:
    """Return an installed font with Chinese characters, ``None`` if there is none."""
    from matplotlib import font_manager

    installed = {font.name for font in font_manager.fontManager.ttflist}
    return next((name for name in CHINESE_FONTS if name in installed), None)


def _measured_pictures(
    target: str, measured: TargetEvaluation, folder: Path, language: Language
) -> list[Path]:
    import matplotlib.pyplot as plt

    kinds = {"calibration": calibration} if measured.calibration else {}
    if measured.lift:
        kinds["lift"] = lift
    if measured.calibration and target == "clv":
        kinds["deciles"] = deciles
    drawn = []
    for kind, paint in kinds.items():
        figure, axes = plt.subplots()
        paint(axes, measured, language)
        axes.set_title(_title(kind, target, language))
        drawn.append(_saved(figure, folder / f"{target}_{kind}.png"))
    return drawn


def _explained_pictures(
    target: str,
    model: AdditiveModel | ContractChurn,
    fitted: Fitted,
    folder: Path,
    language: Language,
) -> list[Path]:
    labels = {feature.name: feature.label[language] for feature in fitted.features}
    columns = {name: column_values(fitted.golden, name) for name in model.inputs}
    if isinstance(model, ContractChurn):
        columns, model = with_derived(columns, model.derived), model.boosted
    explanation = tree_explanation(model, columns)
    explanation.feature_names = [labels.get(name, name) for name in model.tree_inputs]
    drawn = [_summary(explanation, folder / f"{target}_shap_summary.png", target, language)]
    importance = np.abs(explanation.values).mean(axis=0)
    order = [int(i) for i in np.argsort(-importance, kind="stable") if importance[i] > 0]
    for place, column in enumerate(order[:DEPENDENCES], start=1):
        of = NOT_FOR_FILES.sub("_", model.tree_inputs[column])
        name = f"{target}_shap_dependence_{place}_{of}.png"
        drawn.append(_dependence(explanation[:, column], folder / name, target, language))
    return drawn


def _summary(explanation: Any, path: Path, target: str, language: Language) -> Path:
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots()
    _shap().plots.beeswarm(
        explanation,
        max_display=15,
        ax=axes,
        plot_size=None,
        show=False,
        color_bar_label=WORDS["feature_value"][language],
    )
    figure.axes[-1].set_yticklabels([WORDS["low"][language], WORDS["high"][language]])
    axes.set_xlabel(WORDS["impact"][language])
    axes.set_title(_title("summary", target, language))
    figure.set_size_inches(9.0, 6.0)
    return _saved(figure, path)


def _dependence(explanation: Any, path: Path, target: str, language: Language) -> Path:
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots()
    _shap().plots.scatter(explanation, ax=axes, color=BLUE, alpha=0.6, show=False)
    axes.set_ylabel(WORDS["impact"][language])
    axes.set_title(_title("dependence", target, language))
    return _saved(figure, path)


def _title(kind: str, target: str, language: Language) -> str:
    return f"{WORDS[kind][language]} · {WORDS[target][language]}"


def _saved(figure: Figure, path: Path) -> Path:
    import matplotlib.pyplot as plt

    figure.savefig(path, facecolor="white")
    plt.close(figure)
    return path


@contextmanager
def _style(language: Language) -> Iterator[Language]:
    """Draw in our style, off screen, and yield the language that the fonts can show."""
    import matplotlib as mpl

    font = chinese_font()
    families = ["DejaVu Sans"] if font is None else ["DejaVu Sans", font]
    before = mpl.get_backend(auto_select=False)
    mpl.use("Agg")
    try:
        with mpl.rc_context({**STYLE, "font.family": families}):
            yield language if font is not None else "en"
    finally:
        if before is not None:
            mpl.use(before)


def _shap() -> Any:
    """Return ``shap``, whose import uses what matplotlib will one day drop."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PendingDeprecationWarning)
        import shap
    return shap
