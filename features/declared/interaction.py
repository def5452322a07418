"""How customers and the company are in touch: how often, where, who begins, how fast it ends.

A *campaign* is what the company sends to many; every other kind is an *interaction*. Answers and
resolutions count from the day they came, which is why they have sources of their own.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from configs.section import Text
from features.declared.behaviour import LONGEST_RECENCY_DAYS
from features.declared.windows import HALF_YEAR, MONTH, QUARTER, YEAR, before, change, changed, over
from features.spec import Feature, ratio

CHANNELS: dict[str, tuple[Text, tuple[str, ...]]] = {
    "phone": (Text(zh="电话", en="phone"), ("phone",)),
    "message": (Text(zh="微信与短信", en="WeChat and text message"), ("wechat", "sms")),
    "chat": (Text(zh="在线客服", en="live chat"), ("chat",)),
    "email": (Text(zh="邮件", en="email"), ("email",)),
    "web": (Text(zh="网站", en="website"), ("web",)),
    "app": (Text(zh="App", en="app"), ("app",)),
    "store": (Text(zh="门店", en="store"), ("store",)),
    "social": (Text(zh="社交媒体", en="social media"), ("social",)),
}
"""Kinds of channel: name, and the words of ``interactions.channel`` that belong to it."""

Reduction = Callable[[Any], Any]


def in_touch(t: Any) -> Any:
    """Return the claim that an interaction is more than a campaign sent."""
    return t.kind != "campaign"


def of_kind(kind: str, t: Any) -> Any:
    """Return the number of interactions of one kind."""
    return t.count(where=t.kind == kind)


def counted(
    name: str, days: int, value: Reduction, concept: str, zh: str, en: str, actionable: bool = False
) -> Feature:
    """Return a count of interactions over the last ``days``."""
    return Feature(
        name=f"{name}_count_{days}d",
        source="interactions",
        window_days=days,
        value=value,
        when_empty=0,
        family="interaction",
        concept=concept,
        unit="times",
        label=over(days, zh, en),
        actionable=actionable,
    )


def counted_before(name: str, days: int, value: Reduction, zh: str, en: str) -> Feature:
    """Return the count over the window just before the last ``days``."""
    return Feature(
        name=f"{name}_count_{days}d_before",
        source="interactions",
        window_days=days,
        lag_days=days,
        value=value,
        when_empty=0,
        family="interaction",
        concept="interaction_trend",
        unit="times",
        label=before(days, zh, en),
    )


def trend(name: str, days: int, zh: str, en: str) -> Feature:
    """Return the change of a count from the window before to the window."""
    now, earlier = f"{name}_count_{days}d", f"{name}_count_{days}d_before"
    return Feature(
        name=f"{name}_trend_{days}d",
        inputs=(now, earlier),
        value=lambda f: change(f[now], f[earlier]),
        family="interaction",
        concept="interaction_trend",
        unit="balance",
        label=changed(days, zh, en),
    )


def share_of_channel(kind: str) -> Feature:
    """Return the share of interactions that came by one kind of channel."""
    name, words = CHANNELS[kind]
    return Feature(
        name=f"{kind}_share_364d",
        source="interactions",
        window_days=YEAR,
        value=lambda t: ratio(
            t.count(where=in_touch(t) & t.channel.isin(words)), t.channel.count(where=in_touch(t))
        ),
        family="interaction",
        concept="channels",
        unit="share",
        label=over(YEAR, f"{name.zh}互动占比", f"Share of interactions by {name.en}"),
    )


def preferred(f: Any) -> Any:
    """Return the share of the most used kind of channel."""
    import ibis

    return ibis.greatest(*(f[f"{kind}_share_364d"] for kind in CHANNELS))


def all_in_touch(t: Any) -> Any:
    """Return the number of interactions, campaigns left out."""
    return t.count(where=in_touch(t))


VISIT = partial(of_kind, "visit")

FREQUENCY = (
    *(
        counted(
            "interaction", days, all_in_touch, "interaction_frequency", "互动次数", "Interactions"
        )
        for days in (MONTH, QUARTER, YEAR)
    ),
    counted("visit", QUARTER, VISIT, "interaction_frequency", "访问次数", "Visits"),
    Feature(
        name="interaction_day_count_84d",
        source="interactions",
        window_days=QUARTER,
        value=lambda t: t.day.nunique(where=in_touch(t)),
        when_empty=0,
        family="interaction",
        concept="interaction_frequency",
        unit="days",
        label=over(QUARTER, "有互动的天数", "Days with an interaction"),
    ),
    Feature(
        name="days_since_last_interaction",
        source="interactions",
        value=lambda t: (t.cutoff - t.day.max(where=in_touch(t))).clip(upper=LONGEST_RECENCY_DAYS),
        family="interaction",
        concept="interaction_recency",
        unit="days",
        label={
            "zh": "距最近一次互动天数（一年封顶）",
            "en": "Days since the last interaction (capped at a year)",
        },
        actionable=True,
    ),
    Feature(
        name="interaction_minutes_364d",
        source="interactions",
        window_days=YEAR,
        value=lambda t: t.duration_seconds.mean(where=in_touch(t)) / 60,
        family="interaction",
        concept="interaction_frequency",
        unit="minutes",
        label=over(YEAR, "平均互动时长", "Mean length of an interaction"),
    ),
)

DECLINE = (
    counted_before("interaction", QUARTER, all_in_touch, "互动次数", "Interactions"),
    counted_before("visit", QUARTER, VISIT, "访问次数", "Visits"),
    trend("interaction", QUARTER, "互动次数", "interactions"),
    trend("visit", QUARTER, "访问次数", "visits"),
)

CHANNEL_MIX = (
    Feature(
        name="channel_count_364d",
        source="interactions",
        window_days=YEAR,
        value=lambda t: t.channel.nunique(where=in_touch(t)),
        when_empty=0,
        family="interaction",
        concept="channels",
        unit="channels",
        label=over(YEAR, "互动渠道数", "Channels used"),
    ),
    *(share_of_channel(kind) for kind in CHANNELS),
    Feature(
        name="preferred_channel_share_364d",
        inputs=tuple(f"{kind}_share_364d" for kind in CHANNELS),
        value=preferred,
        family="interaction",
        concept="channels",
        unit="share",
        label=over(YEAR, "首选渠道互动占比", "Share of interactions by the preferred channel"),
    ),
)

INTEREST = (
    *(
        counted("enquiry", days, partial(of_kind, "enquiry"), "enquiries", "咨询次数", "Enquiries")
        for days in (QUARTER, YEAR)
    ),
    counted("event", YEAR, partial(of_kind, "event"), "events", "参加活动次数", "Events attended"),
    counted("share", YEAR, partial(of_kind, "share"), "advocacy", "分享次数", "Shares"),
    counted("referral", YEAR, partial(of_kind, "referral"), "advocacy", "推荐次数", "Referrals"),
    *(
        counted(
            "support",
            days,
            partial(of_kind, "support"),
            "support",
            "售后求助次数",
            "Support requests",
        )
        for days in (QUARTER, YEAR)
    ),
)

CAMPAIGNS = (
    counted(
        "campaign",
        HALF_YEAR,
        partial(of_kind, "campaign"),
        "campaigns",
        "收到营销次数",
        "Campaigns sent",
        actionable=True,
    ),
    counted("click", HALF_YEAR, partial(of_kind, "click"), "campaigns", "营销点击次数", "Clicks"),
    Feature(
        name="campaign_response_364d",
        source="interactions",
        window_days=YEAR,
        value=lambda t: ratio(of_kind("click", t), of_kind("campaign", t)),
        family="interaction",
        concept="campaigns",
        unit="ratio",
        label=over(YEAR, "每次营销的点击次数", "Clicks per campaign"),
    ),
)

SERVICE = (
    Feature(
        name="outbound_share_364d",
        source="interactions",
        window_days=YEAR,
        value=lambda t: ratio(
            t.count(where=in_touch(t) & (t.direction == "outbound")),
            t.direction.count(where=in_touch(t)),
        ),
        family="interaction",
        concept="contact_direction",
        unit="share",
        label=over(YEAR, "公司主动联系占比", "Share of interactions that the company began"),
        actionable=True,
    ),
    Feature(
        name="response_hours_364d",
        source="responses",
        window_days=YEAR,
        value=lambda t: t.response_hours.mean(),
        family="interaction",
        concept="service_speed",
        unit="hours",
        label=over(YEAR, "平均首次响应时间", "Mean time to first response"),
        actionable=True,
    ),
    Feature(
        name="resolution_hours_364d",
        source="resolutions",
        window_days=YEAR,
        value=lambda t: t.resolution_hours.mean(),
        family="interaction",
        concept="service_speed",
        unit="hours",
        label=over(YEAR, "平均问题解决时间", "Mean time to resolution"),
        actionable=True,
    ),
    Feature(
        name="longest_resolution_hours_364d",
        source="resolutions",
        window_days=YEAR,
        value=lambda t: t.resolution_hours.max(),
        family="interaction",
        concept="service_speed",
        unit="hours",
        label=over(YEAR, "最长问题解决时间", "Longest time to resolution"),
    ),
)

INTERACTION = (*FREQUENCY, *DECLINE, *CHANNEL_MIX, *INTEREST, *CAMPAIGNS, *SERVICE)
