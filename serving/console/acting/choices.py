"""The closed lists that people choose from when they put something on record."""

from __future__ import annotations

from collections.abc import Mapping

from configs.section import Text

Choices = Mapping[str, Text]

CHANNELS: Choices = {
    "phone": Text(zh="电话", en="Phone"),
    "visit": Text(zh="上门拜访", en="Visit"),
    "wechat": Text(zh="微信", en="WeChat"),
    "email": Text(zh="邮件", en="E-mail"),
    "sms": Text(zh="短信", en="Text message"),
    "store": Text(zh="到店接待", en="At our place"),
    "other": Text(zh="其他", en="Other"),
}
OUTCOMES: Choices = {
    "reached": Text(zh="已联系上", en="Reached"),
    "interested": Text(zh="有购买意向", en="Interested"),
    "follow_up": Text(zh="约定再联系", en="To be called again"),
    "complaint": Text(zh="提出不满", en="Complained"),
    "declined": Text(zh="明确拒绝", en="Declined"),
    "no_answer": Text(zh="未联系上", en="Not reached"),
}
DISMISSALS: Choices = {
    "handled": Text(zh="已妥善处理", en="Handled already"),
    "seasonal": Text(zh="季节性客户，会照常回来", en="Seasonal, comes back by itself"),
    "one_off": Text(zh="一次性采购", en="Bought once, for one occasion"),
    "closed": Text(zh="已停业或已离开", en="Closed down or moved away"),
    "not_worth": Text(zh="挽留成本高于价值", en="Costs more to keep than it brings"),
    "wrong_records": Text(zh="数据有误", en="The records are wrong"),
}
OVERRIDES: Choices = {
    "contract": Text(zh="已签新合同或年度协议", en="A new contract is signed"),
    "strategic": Text(zh="战略客户", en="Strategic customer"),
    "group": Text(zh="属于更大的集团客户", en="Part of a larger group"),
    "credit": Text(zh="信用或合规风险", en="Credit or compliance risk"),
    "known_loss": Text(zh="已确认流失", en="Known to have left"),
    "wrong_records": Text(zh="数据有误", en="The records are wrong"),
}
MISTAKES: Choices = {
    "fact": Text(zh="事实不对", en="The fact is not so"),
    "direction": Text(zh="影响方向反了", en="It works the other way"),
    "weight": Text(zh="影响没有这么大", en="It matters less than shown"),
    "missing": Text(zh="漏了更重要的原因", en="A weightier reason is missing"),
    "unclear": Text(zh="看不懂", en="I cannot understand it"),
}
TARGETS: Choices = {
    "churn": Text(zh="流失概率", en="Churn probability"),
    "clv": Text(zh="客户终身价值", en="Lifetime value"),
}
