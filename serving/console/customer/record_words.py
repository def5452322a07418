"""Records of one customer in words: orders, contacts, tickets and surveys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from configs.section import Language, Text
from serving.scores.numbers import money, number

Row = Mapping[str, Any]
LANGUAGES: tuple[Language, Language] = ("zh", "en")

KINDS: dict[str, Text] = {
    "visit": Text(zh="到访", en="Visit"),
    "enquiry": Text(zh="咨询", en="Enquiry"),
    "support": Text(zh="服务请求", en="Support case"),
    "complaint": Text(zh="投诉", en="Complaint"),
    "event": Text(zh="参加活动", en="Event attended"),
    "campaign": Text(zh="营销触达", en="Campaign contact"),
    "click": Text(zh="营销点击", en="Click"),
    "referral": Text(zh="推荐", en="Referral"),
    "share": Text(zh="分享", en="Share"),
}
OUTBOUND: dict[str, Text] = {
    "visit": Text(zh="我方拜访", en="Our visit"),
    "enquiry": Text(zh="我方询问", en="Our enquiry"),
    "event": Text(zh="邀请参加活动", en="Event invitation"),
}
CHANNELS: dict[str, Text] = {
    "phone": Text(zh="电话", en="phone"),
    "email": Text(zh="邮件", en="e-mail"),
    "chat": Text(zh="在线客服", en="chat"),
    "web": Text(zh="网站", en="web"),
    "app": Text(zh="应用", en="app"),
    "store": Text(zh="门店", en="store"),
    "social": Text(zh="社交媒体", en="social media"),
    "sms": Text(zh="短信", en="text message"),
    "wechat": Text(zh="微信", en="WeChat"),
}
INSTRUMENTS: dict[str, Text] = {
    "csat": Text(zh="满意度评分", en="Satisfaction score"),
    "nps": Text(zh="推荐意愿评分", en="Willingness to recommend"),
    "ces": Text(zh="费力度评分", en="Effort score"),
    "review": Text(zh="评价", en="Review"),
}
HOURS_A_DAY = 24


def order_text(kind: str, amount: float, lines: Sequence[Row], currency: str) -> Text:
    """Return an order or a refund: money, and how many lines it has."""
    n = len(lines)
    zh = f"{'退款' if kind == 'refund' else '下单'}{money(abs(amount), currency, 'zh')}"
    en = f"{'Refund' if kind == 'refund' else 'Order'} of {money(abs(amount), currency, 'en')}"
    if n > 1:
        zh, en = f"{zh}（{n}行明细）", f"{en} ({n} lines)"
    return Text(zh=zh, en=en)


def contact_text(row: Row, is_ticket: bool) -> Text:
    """Return a contact: what, by which channel; of a ticket, whether and when it was resolved."""
    zh, en = (_contact(row, language) for language in LANGUAGES)
    if not is_ticket:
        return Text(zh=zh, en=en)
    return Text(zh=f"{zh}：{_resolved(row, 'zh')}", en=f"{en}: {_resolved(row, 'en')}")


def _contact(row: Row, language: Language) -> str:
    kind, channel = row["kind"] or "", row["channel"] or ""
    words = OUTBOUND if row["direction"] == "outbound" and kind in OUTBOUND else KINDS
    name = words[kind][language] if kind in words else kind
    by = CHANNELS[channel][language] if channel in CHANNELS else channel
    if not by:
        return name
    return f"{name}（{by}）" if language == "zh" else f"{name} ({by})"


def _resolved(row: Row, language: Language) -> str:
    if row["resolved_at"] is None:
        return "尚未解决" if language == "zh" else "not resolved yet"
    hours = max((row["resolved_at"] - row["occurred_at"]).total_seconds() / 3600, 0.0)
    days = hours / HOURS_A_DAY
    if hours < HOURS_A_DAY:
        shown = number(max(hours, 0.1), language)
        return f"{shown}小时后解决" if language == "zh" else f"resolved after {shown} hours"
    shown = number(float(round(days)), language)
    if language == "zh":
        return f"{shown}天后解决"
    return f"resolved after {shown} {'day' if shown == '1' else 'days'}"


def survey_text(row: Row) -> Text:
    """Return an answer to a survey: which, the score, and what it is out of."""
    zh, en = (_survey(row, language) for language in LANGUAGES)
    return Text(zh=zh, en=en)


def _survey(row: Row, language: Language) -> str:
    instrument = row["instrument"] or ""
    name = INSTRUMENTS[instrument][language] if instrument in INSTRUMENTS else instrument
    score = number(row["score"], language)
    if row["scale_max"] is None:
        return f"{name}：{score}分" if language == "zh" else f"{name}: {score}"
    most = number(row["scale_max"], language)
    return (
        f"{name}：{score}分（满分{most}分）"
        if language == "zh"
        else f"{name}: {score} out of {most}"
    )
