"""The answer to a what-if, in the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text as Line

from configs.section import Language, Text
from serving.scores.lead import BANDS
from serving.scores.numbers import money, number, percent, signed
from serving.scores.wording import REST

Facts = Mapping[str, Any]
COLUMNS = {
    "today": Text(zh="今天（{as_of}）", en="today ({as_of})"),
    "idle": Text(zh="什么都不发生（{until}）", en="nothing happens ({until})"),
    "with_events": Text(zh="发生这些事件（{until}）", en="with the events ({until})"),
}
CHURN = Text(zh="流失概率（{days}天）", en="Churn ({days} days)")
VALUE = Text(zh="预期价值（{days}天）", en="Expected value ({days} days)")
TIER = Text(zh="等级", en="Tier")
EFFECT = Text(zh="与什么都不发生相比", en="Against nothing happening")
NO_EFFECT = Text(zh="几乎没有差别", en="hardly any difference")
CHURN_WORD = Text(zh="流失概率", en="churn")
VALUE_WORD = Text(zh="预期价值", en="expected value")
CONCEPTS_SHOWN = 4


def render_what_if(facts: Facts, language: Language, tier_names: Mapping[str, Text]) -> Group:
    """Return the three situations side by side, and what moved."""
    parts: list[RenderableType] = [
        Line(what_if_lead(facts, language, tier_names), style="bold"),
        *(Line(f"· {event_text(one, facts['currency'], language)}") for one in facts["events"]),
        Line(),
        _table(facts, language, tier_names),
        Line(),
        _effects(facts, language),
        Line(facts["note"][language], style="dim"),
    ]
    return Group(*parts)


def what_if_lead(facts: Facts, language: Language, tier_names: Mapping[str, Text]) -> str:
    """Return the answer in one sentence: who, until when, and each number against doing nothing."""
    idle, with_events, told = facts["idle"], facts["with_events"], []
    if idle["churn"] is not None:
        pair = [percent(one["churn"], language) for one in (with_events, idle)]
        told.append(INSTEAD["churn"][language].format(*pair))
    if idle["clv"] is not None:
        pair = [money(one["clv"], facts["currency"], language) for one in (with_events, idle)]
        told.append(INSTEAD["clv"][language].format(*pair))
    if idle["tier"] is not None:
        tiers = [tier_names[one["tier"]][language] for one in (with_events, idle)]
        key = "same_tier" if tiers[0] == tiers[1] else "tier"
        told.append(INSTEAD[key][language].format(*tiers))
    joint = "，" if language == "zh" else ", "
    return IF[language].format(
        who=facts["customer_id"], until=facts["until"], told=joint.join(told)
    )


IF = Text(
    zh="{who}：如果发生下列事件，到{until}预计{told}。",
    en="{who}, if the events below happened by {until}: {told}.",
)
INSTEAD = {
    "churn": Text(zh="流失概率为{}，而非{}", en="{} likely to leave instead of {}"),
    "clv": Text(zh="预期价值为{}，而非{}", en="worth {} instead of {}"),
    "tier": Text(zh="等级为{}，而非{}", en="tier {} instead of {}"),
    "same_tier": Text(zh="等级仍为{}", en="still tier {}"),
}


def render_paths(facts: Facts, language: Language, tier_names: Mapping[str, Text]) -> Group:
    """Return the goal and the paths to it as a table, or that there is none."""
    parts: list[RenderableType] = [Line(paths_lead(facts, language, tier_names), style="bold")]
    if facts["paths"]:
        parts.append(_paths(facts, language, tier_names))
    if not facts["is_whole"]:
        parts.append(Line(CUT_OFF[language].format(tried=facts["tried"]), style="yellow"))
    return Group(*parts, Line(facts["note"][language], style="dim"))


def paths_lead(facts: Facts, language: Language, tier_names: Mapping[str, Text]) -> str:
    """Return the answer in one sentence: who, what is to be reached, and the cheapest way there."""
    at, status = facts["goal"]["at"], facts["status"]
    head = PATH_TO if facts["goal"]["kind"] == "next_tier" else PATH_BELOW
    shown = tier_names[at][language] if isinstance(at, str) else percent(at or 0.0, language)
    goal = "" if at is None else head[language].format(goal=shown, until=facts["until"])
    comma = "，" if language == "zh" else ", "
    whose = comma.join(one for one in (facts["customer_id"], goal) if one)
    if status != "paths":
        return COLON[language].join((whose, facts["text"][language]))
    path = facts["paths"][0]
    joint = "；" if language == "zh" else "; "
    actions = joint.join(_times(action, language) for action in path["actions"])
    cost = money(path["cost"], facts["currency"], language)
    way = CHEAPEST[language].format(actions=actions, cost=cost)
    return comma.join((whose, way))


COLON = Text(zh="：", en=": ")
CHEAPEST = Text(
    zh="最便宜的途径费用{cost}：{actions}", en="the cheapest way costs {cost}: {actions}"
)
PATH_TO = Text(zh="到{until}升为{goal}", en="to {goal} by {until}")
PATH_BELOW = Text(zh="到{until}流失概率降到{goal}以下", en="churn below {goal} by {until}")
CUT_OFF = Text(
    zh="行动组合太多，只试了最便宜的{tried}种",
    en="There are too many sets of actions: only the {tried} cheapest were tried",
)
HEADS: dict[Language, tuple[str, ...]] = {
    "zh": ("费用", "行动", "流失概率", "预期价值", "等级"),
    "en": ("cost", "actions", "churn", "expected value", "tier"),
}
IDLE = Text(zh="什么都不做", en="nothing")


def _paths(facts: Facts, language: Language, tier_names: Mapping[str, Text]) -> Table:
    table = Table(*HEADS[language], box=None, header_style="dim")
    table.add_row("–", IDLE[language], *_cells(facts["idle"], facts, language, tier_names))
    for path in facts["paths"]:
        actions = "\n".join(_times(action, language) for action in path["actions"])
        cost = money(path["cost"], facts["currency"], language)
        table.add_row(cost, actions, *_cells(path["outcome"], facts, language, tier_names))
    return table


def _times(action: Facts, language: Language) -> str:
    name = str(action["name"][language])
    if action["count"] == 1:
        return name
    return (
        f"{name}（{action['count']}次）"
        if language == "zh"
        else f"{name} ({action['count']} times)"
    )


def _cells(
    outcome: Facts, facts: Facts, language: Language, tier_names: Mapping[str, Text]
) -> tuple[str, str, str]:
    churn, value, tier = outcome["churn"], outcome["clv"], outcome["tier"]
    return (
        "" if churn is None else percent(churn, language, 1),
        "" if value is None else money(value, facts["currency"], language),
        "" if tier is None else tier_names[tier][language],
    )


def event_text(event: Facts, currency: str, language: Language) -> str:
    """Return one hypothetical event in words, with its day where it has one."""
    kind = event["event"]
    zh = language == "zh"
    if kind == "order":
        amount = event.get("amount")
        usual = "通常金额" if zh else "the usual amount"
        worth = usual if amount is None else money(amount, currency, language)
        text = f"下单{worth}" if zh else f"an order of {worth}"
    elif kind == "survey":
        score = number(event["score"], language)
        name = event["instrument"].upper()
        text = f"{name}评分{score}" if zh else f"{name} answered with {score}"
    elif kind == "contact":
        text = CONTACTS[event["kind"], event["direction"]][language]
    else:
        text = "未决投诉得到解决" if zh else "open complaints resolved"
    return f"{text}（{event['on']}）" if zh else f"{text} ({event['on']})"


CONTACTS = {
    ("visit", "inbound"): Text(zh="客户到访", en="a visit by the customer"),
    ("visit", "outbound"): Text(zh="回访客户", en="a call on the customer"),
    ("enquiry", "inbound"): Text(zh="客户咨询", en="an enquiry"),
    ("enquiry", "outbound"): Text(zh="主动询问客户", en="an enquiry of ours"),
    ("event", "inbound"): Text(zh="参加活动", en="an event attended"),
    ("event", "outbound"): Text(zh="邀请参加活动", en="an event of ours"),
    ("click", "inbound"): Text(zh="点击营销内容", en="a click"),
    ("click", "outbound"): Text(zh="营销触达", en="a campaign sent"),
    ("referral", "inbound"): Text(zh="推荐新客户", en="a referral"),
    ("referral", "outbound"): Text(zh="邀请推荐", en="a referral asked for"),
    ("share", "inbound"): Text(zh="分享", en="a share"),
    ("share", "outbound"): Text(zh="邀请分享", en="a share asked for"),
}


def _table(facts: Facts, language: Language, tier_names: Mapping[str, Text]) -> Table:
    days = {"as_of": facts["as_of"], "until": facts["until"]}
    heads = [name[language].format(**days) for name in COLUMNS.values()]
    table = Table("", *heads, box=None, header_style="dim")
    outcomes = [facts[column] for column in COLUMNS]
    horizons = facts["horizon_days"]
    if outcomes[0]["churn"] is not None:
        label = CHURN[language].format(days=horizons["churn"])
        table.add_row(label, *(_churn(one, language) for one in outcomes))
    if outcomes[0]["clv"] is not None:
        label = VALUE[language].format(days=horizons["clv"])
        amounts = [money(one["clv"], facts["currency"], language) for one in outcomes]
        table.add_row(label, *amounts)
        table.add_row(TIER[language], *(tier_names[one["tier"]][language] for one in outcomes))
    return table


def _churn(outcome: Facts, language: Language) -> str:
    band = BANDS[outcome["churn_band"]][language]
    return f"{percent(outcome['churn'], language, 1)}  {band}"


def _effects(facts: Facts, language: Language) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for place, (target, word) in enumerate((("churn", CHURN_WORD), ("clv", VALUE_WORD))):
        effect = facts["effect"][target]
        if effect is None:
            continue
        moved = [
            f"{one['name'][language]} {_points(one['points'], target, facts, language)}"
            for one in effect["concepts"][:CONCEPTS_SHOWN]
        ]
        total = _points(effect["change"], target, facts, language)
        joint = "，" if language == "zh" else ", "
        head = EFFECT[language] if place == 0 else ""
        rest = sum(one["points"] for one in effect["concepts"][CONCEPTS_SHOWN:])
        if rest:
            moved.append(f"{REST[language]} {_points(rest, target, facts, language)}")
        shown = joint.join(moved) or NO_EFFECT[language]
        table.add_row(head, f"{word[language]} {total}", shown)
    return table


def _points(points: float, target: str, facts: Facts, language: Language) -> str:
    if target == "clv":
        return signed(money(abs(points), facts["currency"], language), points)
    unit = "个百分点" if language == "zh" else " pp"
    return signed(f"{abs(points):.1f}{unit}", round(points, 1))
