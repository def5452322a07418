"""The words people use for the kinds of things, in Chinese and English, and the canonical ones."""

from __future__ import annotations

from collections.abc import Mapping

TRANSACTION_KINDS: Mapping[str, tuple[str, ...]] = {
    "purchase": (
        *("buy", "order", "sale", "sales", "sold", "paid", "payment", "completed", "invoice"),
        *("购买", "消费", "下单", "交易", "销售", "付款", "支付", "成交", "已完成", "交易成功"),
    ),
    "refund": (
        *("refunded", "return", "returned", "credit", "credit note", "chargeback"),
        *("退款", "退货", "退单", "返款", "冲销", "已退款", "退货退款", "红冲"),
    ),
}
INTERACTION_KINDS: Mapping[str, tuple[str, ...]] = {
    "visit": (
        *("view", "session", "login", "pageview", "page_view", "browse"),
        *("访问", "浏览", "到店", "到访", "登录", "拜访", "回访"),
    ),
    "enquiry": ("inquiry", "question", "咨询", "询价", "询问", "问询", "产品咨询"),
    "support": (
        *("ticket", "service", "repair", "help"),
        *("支持", "售后", "报修", "服务", "工单", "维修", "技术支持"),
    ),
    "complaint": ("complain", "投诉", "抱怨", "客诉"),
    "event": ("attendance", "seminar", "活动", "参加活动", "参会", "会议", "线下活动"),
    "campaign": (
        *("promotion", "mailing", "newsletter", "exposure", "advert"),
        *("营销", "推广", "促销", "群发", "营销活动"),
    ),
    "click": ("redemption", "open", "点击", "核销", "打开"),
    "referral": ("refer", "recommend", "invite", "推荐", "转介绍", "邀请"),
    "share": ("repost", "forward", "分享", "转发"),
}
INSTRUMENTS: Mapping[str, tuple[str, ...]] = {
    "csat": ("satisfaction", "survey", "满意度", "满意度评分", "满意度调查"),
    "nps": ("net promoter score", "推荐意愿", "净推荐值", "客户推荐指数", "推荐指数"),
    "ces": ("effort", "customer effort score", "费力度", "省力度"),
    "review": ("rating", "stars", "comment", "评价", "评论", "点评", "评分"),
}
DIRECTIONS: Mapping[str, tuple[str, ...]] = {
    "inbound": ("in", "incoming", "received", "呼入", "来电", "客户发起"),
    "outbound": ("out", "outgoing", "sent", "呼出", "去电", "外呼", "公司发起"),
}
CHANNELS: Mapping[str, tuple[str, ...]] = {
    "phone": ("telephone", "call", "电话", "热线"),
    "email": ("e-mail", "mail", "邮件", "电子邮件", "邮箱"),
    "chat": ("live chat", "在线客服", "在线聊天", "在线"),
    "web": ("website", "site", "网站", "官网", "网页"),
    "app": ("mobile app", "小程序", "手机应用", "客户端"),
    "store": ("shop", "branch", "门店", "线下", "实体店"),
    "social": ("social media", "社交媒体", "微博", "抖音", "小红书"),
    "sms": ("text message", "短信"),
    "wechat": ("weixin", "微信", "企业微信", "公众号"),
}
WORDS: Mapping[tuple[str, str], Mapping[str, tuple[str, ...]]] = {
    ("transactions", "kind"): TRANSACTION_KINDS,
    ("interactions", "kind"): INTERACTION_KINDS,
    ("interactions", "direction"): DIRECTIONS,
    ("interactions", "channel"): CHANNELS,
    ("satisfaction", "instrument"): INSTRUMENTS,
}
OPEN = frozenset({("interactions", "channel")})
"""Columns where a word of a company's own is welcome."""

SCALES: Mapping[str, tuple[float, float]] = {
    "csat": (1, 5),
    "nps": (0, 10),
    "ces": (1, 7),
    "review": (1, 5),
}
"""Lowest and highest score of each instrument, where the source does not say."""


def canonical_word(
    text: str, words: Mapping[str, tuple[str, ...]]
) -> tuple[str, str | None] | None:
    """Return the canonical word for ``text`` and the repair it took, or ``None`` if unknown.

    >>> canonical_word("refund", TRANSACTION_KINDS), canonical_word("Refund", TRANSACTION_KINDS)
    (('refund', None), ('refund', 'case'))
    >>> canonical_word("退款", TRANSACTION_KINDS), canonical_word("gift", TRANSACTION_KINDS)
    (('refund', 'word'), None)
    """
    if text in words:
        return text, None
    folded = text.strip().lower()
    if folded in words:
        return folded, "case"
    for canonical, synonyms in words.items():
        if folded in synonyms:
            return canonical, "word"
    return None
