"""Did it work: what every action changed beside customers left out of it, and what it was worth."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from starlette.responses import Response

from configs.schema import Action, Config
from configs.section import Language, Text
from serving.console.experiments.effect_words import (
    ORIGIN_NAMES,
    RANKINGS,
    STANDINGS,
    points,
    points_range,
)
from serving.console.experiments.effects import (
    FEWEST_HELD_OUT,
    FEWEST_TAKEN_UP,
    ActionEffect,
    EffectsReport,
    effects_report,
)
from serving.console.experiments.holdout import Holdouts, share_of
from serving.console.experiments.outcome_pictures import PICTURES
from serving.console.experiments.trials import Trial, begin_quarter, opened
from serving.console.page import Visit
from serving.console.portfolios.what_came import what_came
from serving.scores.numbers import number
from training.trial_effects import Difference

Money = tuple[float, float, float]
NEVER_TAKEN = Text(
    zh="行动几乎没有执行过，两组没有可比之处：在客户页记录“提供优惠”并选择此行动，才算执行。",
    en="It was hardly ever taken, so there is nothing to compare: an offer on record that names it "
    "is what counts.",
)


@dataclass(frozen=True)
class Shown:
    """One action on the page.

    Attributes:
        action: its settings.
        share: of customers left out this quarter.
        known: what the last report says; ``None`` before the first.
        verdict: whether it worked, in a sentence.
        tone: of the verdict: good, bad, or nothing.
        why: by what its customers are ranked, and why.
        saved: money that it kept so far, with interval; ``None`` before it can be told.
        closes_on: when the first trial that is still open closes.
    """

    action: Action
    share: float
    known: ActionEffect | None
    verdict: Text
    tone: str
    why: Text
    saved: Money | None
    closes_on: dt.date | None

    @property
    def n_held_out(self) -> int:
        """Customers left out so far."""
        return 0 if self.known is None else sum(one.n_held_out for one in self.known.trials)

    @property
    def has_paid(self) -> float | None:
        """Money kept for each unit of money spent."""
        if self.saved is None or self.known is None or self.known.spent <= 0:
            return None
        return self.saved[0] / self.known.spent


def page(visit: Visit) -> Response:
    """Return what worked."""
    served = visit.served
    drawn = begin_quarter(visit.endpoint.state, visit.config, served.publication)
    report = effects_report(visit.config)
    trials = opened(visit.endpoint.state)
    actions = [shown(visit.config, one, drawn, report, trials) for one in visit.config.actions]
    return visit.page(
        "outcomes.html",
        as_of=served.as_of,
        quarter=drawn.quarter,
        report=report,
        actions=actions,
        lead=lead(actions),
        running=[one for one in trials if one.quarter == drawn.quarter],
        names={one.code: one.name for one in visit.config.actions},
        tiers=served.publication.manifest.terms.tier_names,
        horizon=visit.config.churn.horizon_days,
        value_horizon=visit.config.clv.horizon_days,
        came=what_came(visit),
        rankings=RANKINGS,
        origins=ORIGIN_NAMES,
        standings=STANDINGS,
        points=_Points(visit.language),
        pictures={one.name: one.shown(visit) for one in PICTURES},
    )


def shown(
    config: Config,
    action: Action,
    drawn: Holdouts,
    report: EffectsReport | None,
    trials: tuple[Trial, ...],
) -> Shown:
    """Return one action as the page shows it."""
    known = None if report is None else report.of(action.code)
    closes_on = _closes_on(config, action.code, known, trials)
    verdict, tone = _verdict(action, known, closes_on, share_of(config, action))
    return Shown(
        action=action,
        share=drawn.shares.get(action.code, 0.0),
        known=known,
        verdict=verdict,
        tone=tone,
        why=_why(known),
        saved=_saved(known),
        closes_on=closes_on,
    )


def lead(actions: list[Shown]) -> Text:
    """Return the first sentence of the page."""
    tried = [one for one in actions if one.share > 0]
    told = [one for one in tried if one.known is not None and one.known.retained is not None]
    worked = [one for one in told if one.tone == "good"]
    if not tried:
        return Text(
            zh="没有任何行动设对照组，因此无法判断哪项行动有效。",
            en="No action leaves anybody out, so nothing can be told of what works.",
        )
    if not told:
        return Text(
            zh=f"{len(tried)}项行动正在对照观察，尚无一项到期；在此之前的效果均为假设。",
            en=f"{len(tried)} actions are being compared and none can be told yet; until then all "
            "effects are assumptions.",
        )
    names = [one.action.name for one in worked]
    if not names:
        return Text(
            zh=f"{len(tried)}项行动中有{len(told)}项已有结果，尚未证实哪一项有效。",
            en=f"{len(told)} of {len(tried)} actions have a result; none is proved to work yet.",
        )
    zh, en = "、".join(name.zh for name in names), "; ".join(name.en for name in names)
    return Text(
        zh=f"{len(tried)}项行动中，已证实有效的有{len(names)}项：{zh}。",
        en=f"Proved to work: {len(names)} of {len(tried)} actions. {en}.",
    )


def _closes_on(
    config: Config, action: str, known: ActionEffect | None, trials: tuple[Trial, ...]
) -> dt.date | None:
    done = {one.id for one in (known.trials if known else ()) if one.standing == "closed"}
    days = dt.timedelta(days=config.churn.horizon_days)
    ends = [one.as_of + days for one in trials if one.action == action and one.id not in done]
    return min(ends, default=None)


def _verdict(
    action: Action, known: ActionEffect | None, closes_on: dt.date | None, share: float
) -> tuple[Text, str]:
    """Return whether the action worked, in a sentence, and the tone of it."""
    told = None if known is None else known.retained_every_look
    if told is None or known is None:
        return _too_early(known, closes_on, share), ""
    if known.taken_up < FEWEST_TAKEN_UP:
        return NEVER_TAKEN, ""
    if told.low > 0:
        return _sure(
            told, known, Text(zh="有效：留存率提高", en="It works: retention rises by")
        ), "good"
    if told.high < 0:
        return _sure(
            told, known, Text(zh="适得其反：留存率变化", en="It harms: retention changes by")
        ), "bad"
    zh, en = points_range(told, "zh"), points_range(told, "en")
    return Text(
        zh=f"尚不能下结论：真实变化可能在{zh}个百分点之间。{_more(known, 'zh')}",
        en=f"Not proved either way: the true change may be anything from {en} points. "
        f"{_more(known, 'en')}",
    ), ""


def _sure(told: Difference, known: ActionEffect, begin: Text) -> Text:
    zh, en = points_range(told, "zh"), points_range(told, "en")
    return Text(
        zh=f"{begin.zh}{points(told.estimate, 'zh')}个百分点（{zh}，{known.looks}次查看合计95%）。",
        en=f"{begin.en} {points(told.estimate, 'en')} points ({en}; 95 % over all {known.looks} "
        "looks).",
    )


def _more(known: ActionEffect, language: Language) -> str:
    if not known.more_needed:
        return ""
    more = number(known.more_needed, language)
    if language == "zh":
        return f"还需约{more}位客户，误差才能缩小到±2个百分点。"
    return f"About {more} more customers are needed for ±2 points."


def _too_early(known: ActionEffect | None, closes_on: dt.date | None, share: float) -> Text:
    if share <= 0:
        return Text(
            zh="不设对照组，因此不衡量效果。", en="Nobody is left out of it, so it is not measured."
        )
    if known is not None and any(one.standing == "closed" for one in known.trials):
        return Text(
            zh="对照组客户太少，暂不能判断。",
            en="Too few customers were left out to tell anything.",
        )
    if closes_on is None:
        return Text(zh="尚未开始。", en="Not begun.")
    return Text(
        zh=f"为时尚早：观察期到{closes_on:%Y年%-m月%-d日}结束，到期前不看结果。",
        en=f"Too early: the window closes on {closes_on:%b %-d, %Y}; results are not read before.",
    )


def _why(known: ActionEffect | None) -> Text:
    if known is not None and known.retained is not None and known.taken_up < FEWEST_TAKEN_UP:
        return Text(
            zh="行动几乎没有执行过：只给出每位客户的盈亏平衡效果，计划按假设效果。",
            en="It was hardly ever taken: only each customer's break-even effect is told, and "
            "plans go by the assumed effect.",
        )
    if known is None or known.retained is None or not known.is_measured:
        n = 0 if known is None or known.retained is None else known.retained.n_held_out
        return Text(
            zh=f"已到期的对照组客户{n}位，不足{FEWEST_HELD_OUT}位：只给出每位客户的盈亏平衡效果，计划按假设效果。",
            en=f"{n} customers left out have a result, fewer than {FEWEST_HELD_OUT}: only each "
            "customer's break-even effect is told, and plans go by the assumed effect.",
        )
    if known.uplift is None:
        return Text(
            zh="客户还不够训练个体增益模型：按各等级实测平均效果×价值－成本排序。",
            en="Too few customers for a model of their own uplift: ranked by the tier's measured "
            "effect × value − cost.",
        )
    q = f"{known.uplift.qini:.3f}（{known.uplift.low:.3f}至{known.uplift.high:.3f}）"
    q_en = f"{known.uplift.qini:.3f} ({known.uplift.low:.3f} to {known.uplift.high:.3f})"
    if known.uplift.is_used:
        return Text(
            zh=f"个体增益模型在未参与训练的客户上优于随机，Qini {q}：按个体效果×价值－成本排序。",
            en=f"On customers it never saw, the uplift model beats chance, Qini {q_en}: ranked by "
            "each customer's effect × value − cost.",
        )
    return Text(
        zh=f"个体增益模型未优于随机，Qini {q}：按各等级实测平均效果×价值－成本排序。",
        en=f"The uplift model does not beat chance, Qini {q_en}: ranked by the tier's measured "
        "effect × value − cost.",
    )


def _saved(known: ActionEffect | None) -> Money | None:
    if known is None or known.value is None or not known.is_measured:
        return None
    n = known.value.n_offered
    return known.value.estimate * n, known.value.low * n, known.value.high * n


class _Points:
    """Writes changes of retention in the template."""

    def __init__(self, language: Language) -> None:
        self._language = language

    def __call__(self, change: float | None) -> str:
        """Return a change in points."""
        return "–" if change is None else points(change, self._language)

    def range(self, told: Difference) -> str:
        """Return an interval in points."""
        return points_range(told, self._language)

    def between(self, low: float, high: float) -> str:
        """Return two limits in points."""
        to = "至" if self._language == "zh" else " to "
        return f"{points(low, self._language)}{to}{points(high, self._language)}"
