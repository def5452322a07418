"""What people did, in a phrase: for flashes, histories and the list of overrides."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from configs.schema import Action
from configs.section import Language, Text
from serving.console.acting import choices
from serving.console.acting.events import Event, Kind
from serving.console.shown import day
from serving.console.staff.owners import called
from serving.scores.concept_names import concept_name
from serving.scores.numbers import money
from serving.scores.wording import Described

KIND_NAMES: Mapping[Kind, Text] = {
    "assign": Text(zh="指派", en="Assign"),
    "contact": Text(zh="记录联系", en="Log a contact"),
    "offer": Text(zh="给予优惠", en="Make an offer"),
    "task": Text(zh="新建任务", en="Create a task"),
    "task_done": Text(zh="完成任务", en="Complete the task"),
    "task_cancelled": Text(zh="取消任务", en="Cancel the task"),
    "snooze": Text(zh="暂缓", en="Snooze"),
    "dismiss": Text(zh="无需处理", en="Dismiss"),
    "override": Text(zh="调整等级", en="Override the tier"),
    "approve": Text(zh="批准", en="Approve"),
    "reject": Text(zh="驳回", en="Reject"),
    "wrong_reason": Text(zh="解释有误", en="This explanation is wrong"),
    "withdraw": Text(zh="撤销", en="Take back"),
}


@dataclass(frozen=True)
class Names:
    """What codes are called.

    Attributes:
        people: by id.
        tiers: by code.
        actions: by code.
        features: of the model, whose labels name concepts.
    """

    people: Mapping[str, str]
    tiers: Mapping[str, Text]
    actions: Mapping[str, Text]
    features: tuple[Described, ...] = ()

    def person(self, person: str) -> str:
        """Return who somebody is."""
        return self.people.get(person, person)

    def tier(self, code: str | None, language: Language) -> str:
        """Return the name of a tier; its code where no publication that is kept has it."""
        if code is None:
            return {"zh": "无等级", "en": "no tier"}[language]
        return self.tiers[code][language] if code in self.tiers else code


def action_names(actions: tuple[Action, ...]) -> Mapping[str, Text]:
    """Return what the company's actions are called, by code."""
    return {action.code: action.name for action in actions}


def phrase(event: Event, names: Names, language: Language) -> str:
    """Return what was done, without who, when and what they wrote.

    It may stand alone or after a name: "指派给李四，2026年10月3日前跟进", "assigned to Li Si, due
    Oct 3, 2026".
    """
    return PHRASES[event.kind](event.details, names)[language]


def _assign(details: Mapping[str, Any], names: Names) -> Text:
    zh, en = _due(details)
    name = details["name"]
    return Text(zh=f"指派给{called(name, 'zh')}{zh}", en=f"assigned to {called(name, 'en')}{en}")


def _contact(details: Mapping[str, Any], names: Names) -> Text:
    channel = choices.CHANNELS[details["channel"]]
    outcome = choices.OUTCOMES[details["outcome"]]
    return Text(zh=f"{channel.zh}联系：{outcome.zh}", en=f"contact by {channel.en.lower()}: "
                f"{outcome.en.lower()}")  # fmt: skip


def _offer(details: Mapping[str, Any], names: Names) -> Text:
    amount = {
        language: money(details["amount"], details["currency"], language)
        for language in ("zh", "en")
    }
    action = names.actions.get(details["action"] or "")
    if action is None:
        return Text(zh=f"给予优惠{amount['zh']}", en=f"offer of {amount['en']}")
    return Text(
        zh=f"给予优惠{amount['zh']}（{action.zh}）", en=f"offer of {amount['en']} ({action.en})"
    )


def _task(details: Mapping[str, Any], names: Names) -> Text:
    zh, en = _due(details)
    who = details["name"]
    to_zh = f"，交给{called(who, 'zh')}" if who else ""
    to_en = f", for {called(who, 'en')}" if who else ""
    title = details["title"]
    return Text(zh=f"新建任务“{title}”{to_zh}{zh}", en=f"task “{title}”{to_en}{en}")


def _due(details: Mapping[str, Any]) -> tuple[str, str]:
    if details["due"] is None:
        return "", ""
    due = dt.date.fromisoformat(details["due"])
    return f"，{day('zh', due)}前完成", f", due {day('en', due)}"


def _task_done(details: Mapping[str, Any], names: Names) -> Text:
    return Text(zh="任务已完成", en="task completed")


def _task_cancelled(details: Mapping[str, Any], names: Names) -> Text:
    return Text(zh="任务已取消", en="task cancelled")


def _snooze(details: Mapping[str, Any], names: Names) -> Text:
    zh, en = _until(details["until"])
    return Text(zh=f"暂缓{zh}", en=f"snoozed {en}")


def _dismiss(details: Mapping[str, Any], names: Names) -> Text:
    reason = choices.DISMISSALS[details["reason"]]
    zh, en = _until(details["until"])
    return Text(
        zh=f"无需处理（{reason.zh}）" + (f"，{zh}" if zh else ""),
        en=f"dismissed ({_lower(reason.en)})" + (f" {en}" if en else ""),
    )


def _until(until: str | None) -> tuple[str, str]:
    if until is None:
        return "", ""
    last = dt.date.fromisoformat(until)
    return f"至{day('zh', last)}", f"until {day('en', last)}"


def _override(details: Mapping[str, Any], names: Names) -> Text:
    reason = choices.OVERRIDES[details["reason"]]
    zh, en = _until(details["until"])
    of = {one: names.tier(details["published"], one) for one in ("zh", "en")}
    to = {one: names.tier(details["tier"], one) for one in ("zh", "en")}
    if details["published"] == details["tier"]:
        return Text(
            zh=f"等级保持为{to['zh']}，{zh}（{reason.zh}）",
            en=f"tier kept at {to['en']} {en} ({_lower(reason.en)})",
        )
    return Text(
        zh=f"等级由{of['zh']}调整为{to['zh']}，{zh}（{reason.zh}）",
        en=f"tier set from {of['en']} to {to['en']} {en} ({_lower(reason.en)})",
    )


def _approve(details: Mapping[str, Any], names: Names) -> Text:
    return Text(zh="批准等级调整", en="override approved")


def _reject(details: Mapping[str, Any], names: Names) -> Text:
    return Text(zh="驳回等级调整", en="override rejected")


def _wrong_reason(details: Mapping[str, Any], names: Names) -> Text:
    mistake = choices.MISTAKES[details["mistake"]]
    if details["concept"] is None:
        return Text(zh=f"解释有误：{mistake.zh}", en=f"explanation wrong: {_lower(mistake.en)}")
    concept = concept_name(details["concept"], names.features)
    return Text(
        zh=f"“{concept.zh}”的解释有误：{mistake.zh}",
        en=f"explanation by “{concept.en}” wrong: {_lower(mistake.en)}",
    )


def _withdraw(details: Mapping[str, Any], names: Names) -> Text:
    return Text(zh="撤销了先前的记录", en="took an earlier entry back")


def _lower(text: str) -> str:
    return text if text.startswith("I ") else text[:1].lower() + text[1:]


PHRASES: Mapping[Kind, Callable[[Mapping[str, Any], Names], Text]] = {
    "assign": _assign,
    "contact": _contact,
    "offer": _offer,
    "task": _task,
    "task_done": _task_done,
    "task_cancelled": _task_cancelled,
    "snooze": _snooze,
    "dismiss": _dismiss,
    "override": _override,
    "approve": _approve,
    "reject": _reject,
    "wrong_reason": _wrong_reason,
    "withdraw": _withdraw,
}
