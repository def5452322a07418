"""A plan in words: what it is worth beside rules of thumb, what more would bring, what is short."""

from __future__ import annotations

from configs.section import Language, Text
from serving.allocation.plan import Missing, Plan, Worth
from serving.console.staff.team import SKILL_NAMES
from serving.scores.numbers import money, number

RULES = {
    "greedy": Text(zh="逐个择优", en="Greedy"),
    "equal": Text(zh="平均分配", en="Equal split"),
    "risk": Text(zh="按流失概率排队", en="By churn risk"),
}
RULE_NOTES = {
    "greedy": Text(
        zh="逐个取收益最高、每小时收益最高或占用资源收益最高者，三者取优",
        en="whatever brings most, most an hour, or most for what it takes: the best of these",
    ),
    "equal": Text(
        zh="客户平均分给员工，各自从流失风险价值最高者做起",
        en="customers dealt out evenly, each employee beginning with the most at stake",
    ),
    "risk": Text(zh="流失概率最高者优先", en="the likeliest to leave first"),
}
NOTHING_MORE = 0.005
"""Money below this is nothing."""


def skill_name(code: str) -> Text:
    """Return the name of a skill."""
    return next(text for skill, text in SKILL_NAMES.items() if skill == code)


def worth_said(plan: Plan, worth: Worth, currency: str, language: Language) -> str:
    """Return what one more hour or more budget is worth, as a sentence."""
    brings = money(worth.worth, currency, language)
    if worth.kind == "hour":
        skill = skill_name(worth.of)
        if worth.worth <= NOTHING_MORE:
            return Text(
                zh=f"{skill.zh}工时再多也不增加价值：瓶颈不在这里。",
                en=f"More {skill.en} hours would add nothing: they are not what limits the plan.",
            )[language]
        return Text(
            zh=f"多一小时{skill.zh}工时，值{brings}。",
            en=f"One more {skill.en} hour is worth {brings}.",
        )[language]
    tier = next((one.name for one in plan.tiers if one.code == worth.of), Text(zh="", en=""))
    more = money(worth.more, currency, language)
    if worth.worth <= NOTHING_MORE:
        return Text(
            zh=f"“{tier.zh}”的预算没有用完，再多也不增加价值。",
            en=f"The budget of {tier.en} is not used up; more of it would add nothing.",
        )[language]
    return Text(
        zh=f"“{tier.zh}”的预算多{more}，净增价值{brings}。",
        en=f"{more} more budget for {tier.en} is worth {brings} beyond itself.",
    )[language]


def missing_said(plan: Plan, missing: Missing, currency: str, language: Language) -> str:
    """Return which limit is short and by how much, as a sentence."""
    amount = number(missing.amount, language)
    if missing.kind == "own_hours":
        who = next((one.name for one in plan.people if one.code == missing.of), missing.of)
        said = Text(
            zh=f"{who}专属的客户欠下的回访还差{amount}小时，别人不能代替；增加其工时，或为部分客户更换负责人。",
            en=f"Customers dedicated to {who} are owed {amount} hours more than {who} has, and "
            "nobody may stand in; add hours, or give some of them another owner.",
        )
    elif missing.kind == "hours":
        skill = skill_name(missing.of)
        said = Text(
            zh=f"应做的回访还差{amount}小时（至少{skill.zh}水平）；增加工时，或放宽回访周期。",
            en=f"What is owed takes {amount} more hours of at least {skill.en} skill; add hours, "
            "or let contacts be further apart.",
        )
    elif missing.kind == "budget":
        tier = next((one.name for one in plan.tiers if one.code == missing.of), Text(zh="", en=""))
        short = money(missing.amount, currency, language)
        said = Text(
            zh=f"“{tier.zh}”的预算还差{short}。", en=f"The budget of {tier.en} is short of {short}."
        )
    elif missing.kind == "skill":
        said = Text(
            zh=f"有{amount}位客户应得回访，但没有人具备所需技能，或专属负责人技能不够。",
            en=f"{amount} customers are owed a contact that nobody is skilled for, or their "
            "dedicated owner is not.",
        )
    else:
        said = Text(
            zh=f"总工时够用，但一次回访不能拆给两个人，因此有{amount}位客户排不下。",
            en=f"There are hours enough in all, but no visit can be split between people, so "
            f"{amount} customers are left out.",
        )
    return said[language]


def summary(plan: Plan, currency: str, language: Language) -> str:
    """Return what the plan does, in one sentence."""
    value, best = plan.value, max(plan.rules.values(), default=0.0)
    saves, more = money(value, currency, language), money(value - best, currency, language)
    return Text(
        zh=f"{plan.weeks}周内服务{plan.customers:,}位客户，预计净保住{saves}，"
        f"比最好的经验规则多{more}；距理论上限最多差{plan.gap:.2%}。",
        en=f"{plan.customers:,} customers served in {plan.weeks} weeks, {saves} expected to be "
        f"saved net, {more} more than the best rule of thumb; at most {plan.gap:.2%} below what "
        "any plan could reach.",
    )[language]
