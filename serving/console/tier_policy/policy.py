"""The tier policy: what is in force, its versions, and who decides on the next one."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, Literal

from starlette.responses import Response

from configs.errors import TrainingError
from configs.files import live_generation
from configs.section import Text
from serving.access.audit import entry, record
from serving.console.masking import mask
from serving.console.page import PageError, Visit
from serving.endpoint.served import Served
from serving.policies import publish_child, publishings, versions
from serving.policies.approval import ALONE, YOUR_OWN, is_alone, may_approve
from serving.policies.effect import Effect, counts_of, effect_of
from serving.policies.freezing import Basis, basis_of
from serving.policies.staffing import staffing_of
from serving.policies.versions import STANDINGS, Author, PolicyRefused, Version
from serving.policies.words import sentences
from training.policy import Policy

HOME = "/console/policy"
VERSION = re.compile(r"[0-9]{1,9}")
NO_VERSION = Text(zh="没有这个策略版本", en="There is no such version of the policy")
SEE_LIST = Text(zh="请在策略页查看所有版本。", en="The policy page lists all versions.")
NO_VALUE = Text(zh="尚无价值模型，因此没有等级", en="Without a value model there are no tiers")
TRAIN_FIRST = Text(
    zh="请先训练价值模型并发布（echelon run）。",
    en="Train a value model and publish first (echelon run).",
)
CHANGED = Text(zh="情况已有变化", en="Things have changed")
NEW_DATA = Text(
    zh="在您查看期间有了新的发布结果，影响已不同。请重新查看影响后再决定。",
    en="A new publication came while you were looking, and the effect is another. Look at it "
    "again, then decide.",
)
NOT_ALLOWED = Text(zh="需要另一个人审批", en="Somebody else must approve")
MADE_BY_BUNDLE = Text(zh="模型自带", en="the model's own")
RESTORED = Text(
    zh="恢复版本{id}（沿用当时的金额）", en="Version {id} again, with its amounts of then"
)
BY_BUNDLE = "bundle"


def index(visit: Visit) -> Response:
    """Return what is in force, and every version."""
    served, state = visit.served, visit.endpoint.state
    now = versions.in_force(state)
    live = served.publication.manifest.terms.policy
    every = versions.listed(state)
    return visit.page(
        "policy.html",
        live=live,
        tiers=_tier_rows(served, live),
        said=_said(visit, served, live),
        now=now,
        is_published=_is_published(live, now),
        waiting=[one for one in every if one.standing == "proposed"],
        every=every,
        standings=STANDINGS,
        **_progress(visit, served),
    )


def publishing(visit: Visit) -> Response:
    """Return how far the publication that was asked for is."""
    return visit.page("policy_publishing.html", **_progress(visit, visit.served))


def version(visit: Visit) -> Response:
    """Return one version: what it says, what it would do, and what was decided on it."""
    served, one = visit.served, _version(visit)
    shared = basis(visit, served)
    policy = one.policy or one.named(frozen(shared, one))
    now = versions.in_force(visit.endpoint.state)
    person, state = visit.person, visit.endpoint.state
    return visit.page(
        "policy_version.html",
        one=one,
        policy=policy,
        said=_said(visit, served, policy),
        standings=STANDINGS,
        effect=shown_effect(visit, effect_of(shared, policy)),
        now=now,
        seen=BY_BUNDLE if now is None else str(now.id),
        publication=served.publication.manifest.id,
        may_decide=one.standing == "proposed" and person.role in ("manager", "admin"),
        may_approve=may_approve(state, one, person),
        is_alone=one.made_by == person.id and is_alone(state, person),
        alone=ALONE,
        your_own=YOUR_OWN,
    )


def decide(visit: Visit) -> Response:
    """Approve or reject a version that waits, and go back to it."""
    one, author = _version(visit), author_of(visit)
    comment = str(visit.form.get("comment", "")).strip()
    if visit.form.get("do") != "approve":
        refused_as_conflict(lambda: versions.reject(visit.endpoint.state, one.id, author, comment))
        note(visit, "policy-rejected", policy=one.label)
        return visit.see(HOME)
    served = visit.served
    if visit.form.get("publication") != served.publication.manifest.id:
        raise PageError(409, CHANGED, NEW_DATA)
    if not may_approve(visit.endpoint.state, one, visit.person):
        raise PageError(403, NOT_ALLOWED, YOUR_OWN)
    _approved(visit, served, one, author, comment)
    if visit.form.get("then") == "publish":
        return _publish(visit)
    return visit.see(HOME)


def _approved(visit: Visit, served: Served, one: Version, author: Author, comment: str) -> Version:
    policy = one.policy or frozen(basis(visit, served), one)
    seen, publication = str(visit.form.get("seen", "")), served.publication.manifest.id
    made = refused_as_conflict(
        lambda: versions.approve(
            visit.endpoint.state,
            one.id,
            policy,
            publication,
            author,
            comment,
            None if seen == BY_BUNDLE else int(seen) if VERSION.fullmatch(seen) else 0,
        )
    )
    alone = "yes" if one.made_by == visit.person.id else "no"
    note(visit, "policy-approved", policy=made.label, digest=made.digest, alone=alone)
    return made


def restore(visit: Visit) -> Response:
    """Propose an earlier version anew, with the amounts it had, and show the new one."""
    one = _version(visit)
    if one.policy is None:
        raise PageError(409, CHANGED, SEE_LIST)
    settings = one.policy.settings.model_copy(update={"name": one.settings.name})
    now = versions.in_force(visit.endpoint.state)
    comment = RESTORED.zh if visit.language == "zh" else RESTORED.en
    made = refused_as_conflict(
        lambda: versions.propose(
            visit.endpoint.state,
            settings,
            author_of(visit),
            comment.format(id=one.id),
            None if now is None else now.id,
        )
    )
    note(visit, "policy-proposed", policy=made.label, digest=made.digest)
    return visit.see(f"{HOME}/{made.id}")


def use_bundle(visit: Visit) -> Response:
    """Take the version in force out of force."""
    gone = versions.retire(visit.endpoint.state, author_of(visit), MADE_BY_BUNDLE.en)
    if gone is not None:
        note(visit, "policy-retired", policy=gone.label)
    return visit.see(HOME)


def publish(visit: Visit) -> Response:
    """Publish by the policy in force, beside the answers, and go back to see how far it is."""
    return _publish(visit)


def _publish(visit: Visit) -> Response:
    now = versions.in_force(visit.endpoint.state)
    name = visit.say(MADE_BY_BUNDLE) if now is None else now.label
    started = publish_child.start(visit.config, visit.endpoint.state, name, visit.person.name)
    if started:
        note(visit, "publishing-started", policy=name if now else BY_BUNDLE)
    return visit.see(f"{HOME}#publishing")


def compare(visit: Visit) -> Response:
    """Return two versions side by side."""
    served = visit.served
    sides = [_side(visit, served, visit.query.get(name, "live")) for name in ("a", "b")]
    shared = basis(visit, served)
    effects = [effect_of(shared, policy) for policy in sides]
    return visit.page(
        "policy_compare.html",
        sides=sides,
        said=[_said(visit, served, policy) for policy in sides],
        effects=effects,
        names={code: name for one in reversed(effects) for code, name in one.names.items()},
        matrix=counts_of(
            shared.tiers(sides[0]).ranks,
            sides[0].codes,
            shared.tiers(sides[1]).ranks,
            sides[1].codes,
        ),
        every=versions.listed(visit.endpoint.state),
        chosen=[visit.query.get(name, "live") for name in ("a", "b")],
    )


def _side(visit: Visit, served: Served, asked: str) -> Policy:
    if asked == "live":
        return served.publication.manifest.terms.policy
    found = (
        versions.version_of(visit.endpoint.state, int(asked)) if VERSION.fullmatch(asked) else None
    )
    if found is None:
        raise PageError(404, NO_VERSION, SEE_LIST)
    return found.policy or found.named(frozen(basis(visit, served), found))


def basis(visit: Visit, served: Served) -> Basis:
    """Return the customers that policies are tried on, read once per publication.

    Raises:
        PageError: 409 where they have no expected value.
    """
    found = visit.kept(served, _basis_of)
    if not found.has_values:
        raise PageError(409, NO_VALUE, TRAIN_FIRST)
    return found


def _basis_of(served: Served) -> Basis:
    return basis_of(served.publication)


def frozen(shared: Basis, one: Version) -> Policy:
    """Return a version's policy with the amounts that it would have now.

    Raises:
        PageError: 409 where nobody has an expected value.
    """
    try:
        return shared.frozen(one.settings)
    except TrainingError as error:
        raise PageError(409, NO_VALUE, TRAIN_FIRST) from error


def shown_effect(visit: Visit, effect: Effect) -> dict[str, Any]:
    """Return what the part of a page on a policy's effect shows."""
    return {
        "effect": effect,
        "movers": [(mask(visit, one.customer_id), one) for one in effect.movers],
        "staffing": staffing_of(effect, visit.config.team),
        "has_new_records": _has_new_records(visit),
    }


def _has_new_records(visit: Visit) -> bool:
    """Return whether records came in since the publication, which will move customers, too."""
    live = live_generation(visit.config.stores.records)
    return live is not None and live.name != visit.served.publication.manifest.records


def _said(visit: Visit, served: Served, policy: Policy) -> Sequence[str]:
    return sentences(policy, served.bundle.features, visit.language)


def _tier_rows(served: Served, policy: Policy) -> list[dict[str, Any]]:
    """Return name, start and customers of each tier as published, the highest first."""
    manifest = served.publication.manifest
    starts = [*reversed(policy.thresholds), None]
    sums = {} if manifest.totals is None else manifest.totals.tiers
    return [
        {
            "name": tier.name,
            "start": start,
            "customers": manifest.counts.get(f"tier:{tier.code}", 0),
            "sum": sums.get(tier.code),
        }
        for tier, start in zip(policy.tiers, starts, strict=True)
    ]


def _is_published(live: Policy, now: Version | None) -> bool:
    """Return whether the tiers that are published follow the policy in force."""
    return now is None or live.name == now.label


def _progress(visit: Visit, served: Served) -> dict[str, Any]:
    latest = publishings.latest(visit.endpoint.state)
    is_live = latest is not None and latest.publication == served.publication.manifest.id
    return {"latest": latest, "is_live": is_live, "steps": publishings.STEPS}


def _version(visit: Visit) -> Version:
    asked = visit.parameters["version"]
    found = (
        versions.version_of(visit.endpoint.state, int(asked)) if VERSION.fullmatch(asked) else None
    )
    if found is None:
        raise PageError(404, NO_VERSION, SEE_LIST)
    return found


def author_of(visit: Visit) -> Author:
    """Return who visits, as the author of what they do."""
    return Author(visit.person.id, visit.person.name)


Deed = Literal[
    "policy-proposed", "policy-approved", "policy-rejected", "policy-retired",
    "publishing-started", "review-noted",
]  # fmt: skip


def note(visit: Visit, what: Deed, **details: str) -> None:
    """Put on record what the visitor did."""
    person = visit.person
    told = entry(what, person=person.id, role=person.role, **details)
    record(visit.config.stores, visit.endpoint.state, [told])


def refused_as_conflict(step: Callable[[], Version]) -> Version:
    """Return what ``step`` returns; where somebody was faster, tell on a page.

    Raises:
        PageError: 409.
    """
    try:
        return step()
    except PolicyRefused as refused:
        raise PageError(409, CHANGED, refused.said) from refused
