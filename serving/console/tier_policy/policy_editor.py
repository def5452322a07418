"""Writing a tier policy: the form, the effect of what stands in it, and proposing it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from starlette.responses import Response

from configs.errors import TrainingError
from configs.section import Text
from configs.tiers import TierPolicy
from serving.console.page import Visit
from serving.console.tier_policy import policy as pages
from serving.console.tier_policy.policy_form import (
    GUARDS_AT_MOST,
    HINTS,
    TIERS_AT_MOST,
    WAYS,
    GuardRow,
    PolicyForm,
    Read,
    TierRow,
    form_of,
    read,
    renamed,
    sent,
)
from serving.policies import versions
from serving.policies.effect import effect_of
from serving.policies.tier_names import NAME_SETS
from serving.policies.versions import COMMENT_LETTERS, PolicyRefused

NO_COMMENT = Text(zh="请写明调整的理由，审批人会看到。", en="Say why; who approves will read it.")
NOBODY = Text(zh="没有可供划分的客户。", en="There are no customers to divide.")


def form(visit: Visit) -> Response:
    """Return the form, filled with the policy in force or the version asked for."""
    now = versions.in_force(visit.endpoint.state)
    asked = visit.query.get("from", "")
    found = (
        versions.version_of(visit.endpoint.state, int(asked))
        if pages.VERSION.fullmatch(asked)
        else now
    )
    settings = _bundle_settings(visit) if found is None else found.settings
    return _page(visit, form_of(settings, None if now is None else now.id), Read(), 200)


def edited(visit: Visit) -> Response:
    """Take the form: add a row, take a set of names, show the effect, or propose the policy."""
    filled = sent({name: str(value) for name, value in visit.form.items()})
    do, _, place = str(visit.form.get("do", "preview")).partition(":")
    if do in STEPS:
        return _page(visit, STEPS[do](filled, place, visit), Read(), 200)
    taken = read(filled, _objective(visit), _features(visit))
    if do != "propose":
        return _page(visit, filled, taken, 422 if taken.errors else 200)
    if not filled.comment or len(filled.comment) > COMMENT_LETTERS:
        taken.errors["comment"] = NO_COMMENT
    if taken.errors or taken.settings is None:
        return _page(visit, filled, taken, 422)
    return _propose(visit, filled, taken, taken.settings)


def preview(visit: Visit) -> Response:
    """Return the effect of what stands in the form, as a part of the page."""
    filled = sent({name: str(value) for name, value in visit.form.items()})
    taken = read(filled, _objective(visit), _features(visit))
    return visit.page("policy_preview.html", errors=taken.errors, **_effect(visit, taken))


def _propose(visit: Visit, filled: PolicyForm, taken: Read, settings: TierPolicy) -> Response:
    """Propose the policy; who wrote on one no longer in force is told, and keeps the form."""
    based_on = int(filled.based_on) if pages.VERSION.fullmatch(filled.based_on) else None
    state, author = visit.endpoint.state, pages.author_of(visit)
    try:
        made = versions.propose(state, settings, author, filled.comment, based_on)
    except PolicyRefused as refused:
        now = versions.in_force(state)
        taken.errors["whole"] = refused.said
        anew = replace(filled, based_on="" if now is None else str(now.id))
        return _page(visit, anew, taken, 409)
    pages.note(visit, "policy-proposed", policy=made.label, digest=made.digest)
    return visit.see(f"{pages.HOME}/{made.id}")


def _with_names(filled: PolicyForm, place: str, visit: Visit) -> PolicyForm:
    return renamed(filled, str(visit.form.get("names", "")))


def _with_tier(filled: PolicyForm, place: str, visit: Visit) -> PolicyForm:
    return replace(filled, tiers=(*filled.tiers, TierRow())[:TIERS_AT_MOST])


def _without_tier(filled: PolicyForm, place: str, visit: Visit) -> PolicyForm:
    rows = tuple(row for i, row in enumerate(filled.tiers) if str(i) != place)
    return replace(filled, tiers=rows)


def _with_guard(filled: PolicyForm, place: str, visit: Visit) -> PolicyForm:
    return replace(filled, guards=(*filled.guards, GuardRow())[:GUARDS_AT_MOST])


def _without_guard(filled: PolicyForm, place: str, visit: Visit) -> PolicyForm:
    rows = tuple(row for i, row in enumerate(filled.guards) if str(i) != place)
    return replace(filled, guards=rows)


STEPS = {
    "names": _with_names,
    "add_tier": _with_tier,
    "drop_tier": _without_tier,
    "add_guard": _with_guard,
    "drop_guard": _without_guard,
}


def _page(visit: Visit, filled: PolicyForm, taken: Read, status: int) -> Response:
    served = visit.served
    language = visit.language
    if not taken.errors and taken.settings is None:
        taken = replace(taken, settings=read(filled, _objective(visit), _features(visit)).settings)
    return visit.page(
        "policy_edit.html",
        status,
        form=filled,
        errors=taken.errors,
        now=versions.in_force(visit.endpoint.state),
        ways=WAYS,
        hints=HINTS,
        name_sets=NAME_SETS,
        features=sorted(
            ((one.name, one.label[language]) for one in served.bundle.features),
            key=lambda feature: feature[1],
        ),
        can_add_tier=len(filled.tiers) < TIERS_AT_MOST,
        can_add_guard=len(filled.guards) < GUARDS_AT_MOST,
        **_effect(visit, taken),
    )


def _effect(visit: Visit, taken: Read) -> dict[str, Any]:
    """Return the effect of a policy that holds, on the customers who are published."""
    if taken.settings is None or taken.errors:
        return {"shown": None}
    served = visit.served
    shared = pages.basis(visit, served)
    try:
        policy = shared.frozen(taken.settings)
    except TrainingError:
        taken.errors["whole"] = NOBODY
        return {"shown": None}
    return {"shown": pages.shown_effect(visit, effect_of(shared, policy))}


def _bundle_settings(visit: Visit) -> TierPolicy:
    """Return the bundle's policy: as configured where it is that, else by its amounts."""
    live, own = visit.served.publication.manifest.terms.policy, visit.config.policy
    alike = (own.name, own.tiers, own.hysteresis, own.guards, own.churn_bands) == (
        live.name,
        live.tiers,
        live.hysteresis,
        live.guards,
        live.churn_bands,
    )
    return own if alike else live.settings


def _objective(visit: Visit) -> str:
    return visit.served.publication.manifest.terms.policy.objective


def _features(visit: Visit) -> tuple[str, ...]:
    return tuple(one.name for one in visit.served.bundle.features)
