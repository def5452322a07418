"""The concepts that reasons speak in: what a group of features is about, in both languages."""

from __future__ import annotations

from configs.section import Text

CONCEPTS: dict[str, Text] = {
    # behaviour
    "purchase_recency": Text(zh="最近一次购买", en="Last purchase"),
    "purchase_frequency": Text(zh="购买频率", en="Purchase frequency"),
    "spend": Text(zh="消费金额", en="Spend"),
    "relationship": Text(zh="合作时长", en="Length of relationship"),
    "purchase_interval": Text(zh="购买周期", en="Purchase rhythm"),
    "purchase_trend": Text(zh="购买趋势", en="Purchase trend"),
    "season": Text(zh="季节性", en="Season"),
    "habits": Text(zh="消费习惯", en="Buying habits"),
    "basket": Text(zh="客单价", en="Basket"),
    "variety": Text(zh="购买类别", en="Product variety"),
    "refunds": Text(zh="退款情况", en="Refunds"),
    "discounts": Text(zh="专属优惠", en="Discounts"),
    "margin": Text(zh="毛利", en="Margin"),
    # interaction
    "interaction_recency": Text(zh="最近一次互动", en="Last interaction"),
    "interaction_frequency": Text(zh="互动频率", en="Interaction frequency"),
    "interaction_trend": Text(zh="互动趋势", en="Interaction trend"),
    "channels": Text(zh="互动渠道", en="Channels"),
    "enquiries": Text(zh="咨询产品信息", en="Enquiries"),
    "events": Text(zh="参加活动", en="Events"),
    "campaigns": Text(zh="营销响应", en="Campaign response"),
    "advocacy": Text(zh="分享与推荐", en="Sharing and referral"),
    "support": Text(zh="问题反馈", en="Support"),
    "service_speed": Text(zh="响应与解决时间", en="Response and resolution"),
    "contact_direction": Text(zh="回访与来访", en="Who contacts whom"),
    # satisfaction
    "satisfaction": Text(zh="满意度评分", en="Satisfaction score"),
    "recommendation": Text(zh="客户推荐指数", en="Recommendation (NPS)"),
    "effort": Text(zh="办事便利度", en="Ease of service (CES)"),
    "survey_coverage": Text(zh="问卷调查", en="Survey coverage"),
    "complaints": Text(zh="投诉情况", en="Complaints"),
    "feedback": Text(zh="反馈意见", en="Feedback"),
    # profile
    "membership": Text(zh="会员等级", en="Membership"),
    "points": Text(zh="积分", en="Points"),
    "influence": Text(zh="社交影响力", en="Social influence"),
    "credit": Text(zh="信用记录", en="Credit"),
    "industry": Text(zh="行业发展趋势", en="Industry growth"),
}
