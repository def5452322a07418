"""How good the models are, for the terminal: the model's figures beside every simple rule's."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text as Line

from configs.section import Language, Text
from training.coverage import in_words
from training.evaluate import HIGHER_IS_BETTER, Evaluation, TargetEvaluation
from training.grade import Grade
from training.metric_names import METRIC_NAMES
from training.outlook_quality import in_words as outlook_in_words

SHOWN = {
    "churn": ("auc", "brier", "log_loss", "ece15", "top_decile_lift"),
    "clv": ("ngini", "mae", "rmse", "dmape", "bias", "top10"),
}
METHODS: dict[str, Text] = {
    "model": Text(zh="本模型", en="This model"),
    "recency": Text(zh="距上次购买的天数", en="Days since last purchase"),
    "no_purchase_rule": Text(zh="若干天未购即流失", en="No purchase for so long"),
    "rfm_logit": Text(zh="RFM 逻辑回归", en="RFM logistic regression"),
    "purchase_model": Text(zh="仅购买模型", en="Purchase model alone"),
    "spend_rate": Text(zh="历史消费速度", en="Spend rate so far"),
    "last_period": Text(zh="上期消费重现", en="Last period repeats"),
    "base_rate": Text(zh="人人取平均", en="Same for everybody"),
    "model_not_served": Text(zh="模型（未采用）", en="The model, not served"),
    "logistic_regression": Text(zh="逻辑回归", en="Logistic regression"),
    "full_value": Text(zh="假设无人流失", en="As if nobody left"),
}
TITLES: dict[str, Text] = {
    "churn": Text(zh="流失（未来{days}天）", en="Churn, {days} days ahead"),
    "clv": Text(zh="客户终身价值（未来{days}天）", en="Lifetime value, {days} days ahead"),
}
MEASURED: dict[str, Text] = {
    "out_of_time": Text(
        zh="在{cutoff}评估，{n}位客户；此日之后的结果未参与训练",
        en="graded at {cutoff} on {n} customers; nothing after that day was trained on",
    ),
    "cross_validated": Text(
        zh="五折交叉验证，{n}位客户", en="five-fold cross-validation on {n} customers"
    ),
    "none": Text(
        zh="尚无可评估的时段：训练之后还没有完整的预测期",
        en="not graded: no horizon has closed after training",
    ),
}
RULE = Text(zh="方法", en="method")
SERVED_RULE = Text(zh="所用规则：{name}", en="Served rule: {name}")
RULE_SERVED = Text(
    zh="模型不优于简单规则，故采用规则。",
    en="The model does not beat the simple rule, so the rule is served.",
)
GRADED = Text(
    zh="评级{letter}：{why}。相对“{rule}”的技能{skill}（{low}至{high}）",
    en="Grade {letter}: {why}. Skill over “{rule}” {skill} ({low} to {high})",
)
NOT_GRADED = Text(zh="评级N：{why}", en="Grade N: {why}")
GRADE_STYLES = {
    "A": "bold green",
    "B": "green",
    "C": "yellow",
    "D": "red",
    "N": "dim",
}
BETTER = Text(
    zh="箭头指向更好的方向；粗体为该列最佳", en="arrows: better; bold: the best of its column"
)


def show(evaluation: Evaluation, language: Language) -> RenderableType:
    """Return the figures of every target as rich renders them in a terminal."""
    parts = [_shown(one, language) for one in evaluation.targets.values()]
    if evaluation.outlook is not None:
        parts.append(Line(outlook_in_words(evaluation.outlook)[language], style="dim"))
    return Group(*parts)


def _shown(evaluation: TargetEvaluation, language: Language) -> RenderableType:
    title = TITLES[evaluation.target][language].format(days=evaluation.horizon_days)
    measured = MEASURED[evaluation.protocol][language].format(
        cutoff=evaluation.cutoff, n=f"{evaluation.n:,}"
    )
    if evaluation.protocol == "none":
        return Group(Line(f"{title}: {measured}"), *_graded(evaluation, language))
    table = Table(title=f"{title}\n{measured}", title_justify="left", caption=BETTER[language])
    table.add_column(RULE[language])
    for metric in SHOWN[evaluation.target]:
        name = METRIC_NAMES[metric][language]
        table.add_column(f"{name} {_arrow(metric)}", justify="right")
    table.add_row(served_name(evaluation)[language], *_cells(evaluation, evaluation.model))
    for method, figures in evaluation.baselines.items():
        if method != evaluation.served_rule:
            table.add_row(METHODS[method][language], *_cells(evaluation, figures))
    covered = evaluation.coverage
    told = [] if covered is None else [Line(in_words(covered)[language], style="dim")]
    return Group(table, *told, *_graded(evaluation, language))


def served_name(evaluation: TargetEvaluation) -> Text:
    """Return what is served: the model, or the rule that took its place."""
    rule = evaluation.served_rule
    return METHODS["model"] if rule is None else _in(SERVED_RULE, METHODS[rule])


def grade_line(grade: Grade) -> Text:
    """Return the letter with its skill, interval and reason in one line."""
    if grade.skill is None or grade.low is None or grade.high is None or grade.rule is None:
        return Text(
            zh=NOT_GRADED.zh.format(why=grade.why.zh), en=NOT_GRADED.en.format(why=grade.why.en)
        )
    zh, en = (
        GRADED[language].format(
            letter=grade.letter,
            why=grade.why[language],
            skill=f"{grade.skill:+.1%}",
            low=f"{grade.low:+.1%}",
            high=f"{grade.high:+.1%}",
            rule=METHODS[grade.rule][language],
        )
        for language in ("zh", "en")
    )
    return Text(zh=zh, en=en)


def _graded(evaluation: TargetEvaluation, language: Language) -> list[RenderableType]:
    grade = evaluation.grade
    if grade is None:
        return []
    style = GRADE_STYLES[grade.letter]
    lines: list[RenderableType] = [Line(grade_line(grade)[language], style=style)]
    if evaluation.served_rule is not None:
        lines.append(Line(RULE_SERVED[language], style="yellow"))
    return [*lines, Line(grade.formula[language], style="dim"), Line()]


def _in(frame: Text, name: Text) -> Text:
    return Text(zh=frame.zh.format(name=name.zh), en=frame.en.format(name=name.en))


def _arrow(metric: str) -> str:
    if metric == "bias":
        return "→0"
    return "↑" if metric in HIGHER_IS_BETTER else "↓"


def _cells(evaluation: TargetEvaluation, figures: dict[str, float]) -> list[str]:
    return [_cell(evaluation, metric, figures.get(metric)) for metric in SHOWN[evaluation.target]]


def _cell(evaluation: TargetEvaluation, metric: str, value: float | None) -> str:
    if value is None:
        return "–"
    shown = f"{value:,.1f}" if abs(value) >= 10 else f"{value:.3f}"
    return f"[bold]{shown}[/]" if value == _best(evaluation, metric) else shown


def _best(evaluation: TargetEvaluation, metric: str) -> float:
    everyone = [evaluation.model, *evaluation.baselines.values()]
    known = [figures[metric] for figures in everyone if metric in figures]
    if metric == "bias":
        return min(known, key=abs)
    return max(known) if metric in HIGHER_IS_BETTER else min(known)
