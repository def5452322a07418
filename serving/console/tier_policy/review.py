"""The quarterly review of tiers: guided steps, what people said at each, and who signed."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from functools import partial
from typing import Any

from starlette.responses import Response

from configs.section import Text
from serving.changes.change_shown import PART_NAMES
from serving.console.masking import mask, unmask
from serving.console.page import PageError, Visit
from serving.console.portfolios.portfolio import Reasons, earlier_ones
from serving.console.portfolios.tier_facts import tier_facts
from serving.console.portfolios.what_came import what_came
from serving.console.tier_policy import policy as pages
from serving.console.tier_policy.review_facts import (
    criterion,
    live_effect,
    overridden_since,
    since_last_quarter,
    sunset,
)
from serving.endpoint.served import Served
from serving.policies import review_notes, versions
from serving.policies.review_notes import Note, quarter_of, started_on

HOME = "/console/review"
TEXT_LETTERS = 2000
STEP_NAMES: Mapping[str, Text] = {
    "criteria": Text(zh="标准是否有效", en="Did the criteria hold"),
    "movers": Text(zh="谁变了等级", en="Who moved"),
    "overrides": Text(zh="人工调整与规则", en="Overrides and rules"),
    "sunset": Text(zh="淘汰候选", en="Candidates to let go"),
    "decision": Text(zh="保留或调整", en="Keep or change"),
    "sign_off": Text(zh="签字", en="Sign off"),
}
REQUIRED = ("criteria", "movers", "overrides", "decision")
CHOICES: Mapping[str, Text] = {
    "keep": Text(zh="保留现行策略", en="Keep the policy"),
    "change": Text(zh="调整策略", en="Change the policy"),
}
WRONG = Text(zh="表单不完整", en="The form is not complete")
CHOOSE = Text(zh="请选择保留或调整，并写明理由。", en="Choose to keep or to change, and say why.")
NOT_YET = Text(zh="还不能签字", en="It cannot be signed yet")
FIRST = Text(zh="请先完成：{steps}。", en="Finish first: {steps}.")
NO_QUARTER = Text(zh="没有这个季度的复核", en="There is no review of this quarter")
NOBODY_CHOSEN = Text(zh="请至少勾选一位客户。", en="Tick one customer at least.")
SIGNED = Text(zh="本季度复核已签字", en="The review of this quarter is signed")
SIGNED_SINCE = Text(
    zh="签字之后不能再改动记录；新的意见请写入下一季度的复核。",
    en="Nothing is added after it was signed; what is new belongs to the next review.",
)


def page(visit: Visit) -> Response:
    """Return the review of the published quarter, or of an earlier one as it was left."""
    served, state = visit.served, visit.endpoint.state
    present = quarter_of(served.as_of)
    known = sorted({present, *review_notes.quarters(state)}, reverse=True)
    quarter = visit.query.get("quarter", present)
    if quarter not in known:
        raise PageError(404, NO_QUARTER, pages.SEE_LIST)
    notes = review_notes.notes_of(state, quarter)
    done = [step for step in STEP_NAMES if notes.get(step)]
    return visit.page(
        "review.html",
        quarter=quarter,
        quarters=known,
        is_present=quarter == present,
        notes=notes,
        done=done,
        current=next((one for one in STEP_NAMES if one not in done and one != "sunset"), None),
        step_names=STEP_NAMES,
        choices=CHOICES,
        is_signed=bool(notes["sign_off"]),
        may_act=visit.person.role in ("manager", "admin"),
        mask=partial(mask, visit),
        facts=_facts(visit, served, quarter, notes) if quarter == present else None,
    )


def _facts(
    visit: Visit, served: Served, quarter: str, notes: Mapping[str, list[Note]]
) -> dict[str, Any]:
    state, came = visit.endpoint.state, what_came(visit)
    manifests = visit.kept(served, earlier_ones)
    earlier = since_last_quarter(manifests, quarter)
    moved = None if earlier is None else visit.kept(served, Reasons).since(visit, earlier)
    has_tiers = "clv" in served.bundle.models
    return {
        "as_of": served.as_of,
        "policy": served.publication.manifest.terms.policy,
        "in_force": versions.in_force(state),
        "value": criterion(came.last_clv),
        "churn": criterion(came.last_churn),
        "closes_on": _closes_on(served, "clv"),
        "churn_closes_on": _closes_on(served, "churn"),
        "tiers": visit.kept(served, tier_facts),
        "earlier": earlier,
        "moved": moved,
        "parts": PART_NAMES,
        "overrides": overridden_since(served, state, started_on(quarter)),
        "effect": visit.kept(served, live_effect) if has_tiers else None,
        "sunset": sunset(served, _decided(notes)),
    }


def _closes_on(served: Served, target: str) -> dt.date:
    """Return when what is published now can be held against what came."""
    terms = served.publication.manifest.terms
    days = terms.clv_horizon_days if target == "clv" else terms.churn_horizon_days
    return served.as_of + dt.timedelta(days=days)


def _decided(notes: Mapping[str, list[Note]]) -> frozenset[str]:
    """Return whom people have decided on."""
    return frozenset(one for note in notes.get("sunset", ()) for one in note.details["customers"])


def add(visit: Visit) -> Response:
    """Take what somebody said at a step, and go on to the next."""
    served, state = visit.served, visit.endpoint.state
    quarter, step = quarter_of(served.as_of), str(visit.form.get("step", ""))
    if visit.form.get("quarter") != quarter or step not in STEP_NAMES:
        raise PageError(409, pages.CHANGED, pages.NEW_DATA)
    notes = review_notes.notes_of(state, quarter)
    if notes["sign_off"]:
        raise PageError(409, SIGNED, SIGNED_SINCE)
    details = _details(visit, served, step, notes)
    review_notes.add(state, quarter, step, details, pages.author_of(visit))
    pages.note(visit, "review-noted", quarter=quarter, step=step)
    return visit.see(f"{HOME}#{step}")


def _details(
    visit: Visit, served: Served, step: str, notes: Mapping[str, list[Note]]
) -> dict[str, Any]:
    """Return what is kept of a step.

    Raises:
        PageError: 422, something is missing.
    """
    manifest = served.publication.manifest
    text = str(visit.form.get("text", "")).strip()[:TEXT_LETTERS]
    details: dict[str, Any] = {
        "text": text,
        "publication": manifest.id,
        "policy": manifest.terms.policy.name,
    }
    if step == "decision":
        choice = str(visit.form.get("choice", ""))
        if choice not in CHOICES or not text:
            raise PageError(422, WRONG, CHOOSE)
        details["choice"] = choice
    if step == "sunset":
        asked = [str(one) for one in visit.form.getlist("customer")]
        if not asked:
            raise PageError(422, WRONG, NOBODY_CHOSEN)
        details["customers"] = [unmask(visit, one, served) for one in asked]
        details["choice"] = "let_go" if visit.form.get("do") == "let_go" else "nurture"
    if step == "sign_off":
        _require_all(notes)
    return details


def _require_all(notes: Mapping[str, list[Note]]) -> None:
    missing = [STEP_NAMES[step] for step in REQUIRED if not notes[step]]
    if missing:
        zh = "、".join(one.zh for one in missing)
        en = ", ".join(one.en for one in missing)
        raise PageError(
            422, NOT_YET, Text(zh=FIRST.zh.format(steps=zh), en=FIRST.en.format(steps=en))
        )
