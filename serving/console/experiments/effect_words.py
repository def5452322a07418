"""How effects, and what they are ranked by, are said."""

from __future__ import annotations

from collections.abc import Mapping

from configs.section import Language, Text
from serving.console.experiments.effects import Ranking, Standing
from serving.console.experiments.trials import Origin
from training.trial_effects import Difference

RANKINGS: Mapping[Ranking, Text] = {
    "uplift": Text(zh="个体增益模型", en="each customer's own uplift"),
    "average": Text(zh="实测平均效果", en="measured average effect"),
    "break_even": Text(zh="仅盈亏平衡点", en="break-even effect only"),
}
ORIGIN_NAMES: Mapping[Origin, Text] = {
    "list": Text(zh="自选名单", en="a manager's list"),
    "queue": Text(zh="季度初全部中高风险客户", en="all at risk at the quarter's start"),
}
STANDINGS: Mapping[Standing, Text] = {
    "running": Text(zh="观察中", en="running"),
    "closed": Text(zh="已到期", en="closed"),
    "not_as_drawn": Text(zh="分组比例异常，不计入", en="arms not as drawn: not counted"),
    "missing": Text(zh="名单文件缺失，不计入", en="its file is lost: not counted"),
}
HELD_OUT = Text(zh="对照组，不采取此行动", en="Left out: do not take this action")
WHY_HELD_OUT = Text(
    zh="本季度随机抽取的对照组客户：与其他客户对比，才能知道这项行动是否真的有效。",
    en="Drawn at random this quarter: only beside such customers can one tell whether the action "
    "works.",
)


def points(change: float, language: Language) -> str:
    """Return a change of a probability in percentage points, with its sign.

    >>> points(0.0312, "en"), points(-0.004, "zh")
    ('+3.1', '−0.4')
    """
    shown = f"{abs(change) * 100:.1f}"
    return shown if shown == "0.0" else ("−" if change < 0 else "+") + shown


def points_range(told: Difference, language: Language) -> str:
    """Return an interval in percentage points."""
    to = "至" if language == "zh" else " to "
    return f"{points(told.low, language)}{to}{points(told.high, language)}"
