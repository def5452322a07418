"""What changed, as facts to show: of one customer, and of the whole portfolio."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from configs.errors import PublicationError
from configs.section import Text
from features.sources import day_number
from serving.changes.changes import PARTS, Comparison, Walk
from serving.changes.new_records import records_since
from serving.scores.concept_names import concept_name
from serving.scores.points import SCALE
from serving.scores.publication import Publication, open_publication
from training.anchor import TargetName

MOVERS = 5


def customer_change(comparison: Comparison, customer_id: str, records: Path) -> dict[str, Any]:
    """Return what changed for one customer, JSON-safe.

    Args:
        comparison: of two publications.
        customer_id: published in either.
        records: folder of the records generation that the newer was made from.

    For ``churn`` (percentage points) and ``clv`` (money) the ``parts`` add up to the ``change``,
    and ``concepts`` to the part of the data. ``records`` counts what became known since; ``None``
    where those records are no longer kept.

    Raises:
        PublicationError: nobody of that id is published in either.
    """
    walk = comparison.walk([customer_id])
    if not walk.customer_ids:
        comparison.new.customer(customer_id)
    days = (day_number(p.manifest.as_of) for p in (comparison.old, comparison.new))
    return {
        "customer_id": customer_id,
        **_ends(comparison),
        "is_new": bool(walk.is_new[0]),
        "is_gone": bool(walk.is_gone[0]),
        "churn": _number("churn", comparison, walk, [customer_id]),
        "clv": _number("clv", comparison, walk, [customer_id]),
        "tier": _tier(walk),
        "records": records_since(records, customer_id, *days),
    }


def portfolio_change(comparison: Comparison) -> dict[str, Any]:
    """Return what changed for all customers together, JSON-safe.

    ``churn`` is in expected leavers, ``clv`` in money, both over the customers of either
    publication: a customer who is new adds all of theirs, one who is gone takes it away.
    ``migration`` maps tier before → tier now → customers published both times, and ``moved_by``
    counts those whose tier each part changed.
    """
    walk = comparison.walk()
    return {
        **_ends(comparison),
        "customers": {
            "both": int((~walk.is_new & ~walk.is_gone).sum()),
            "new": int(walk.is_new.sum()),
            "gone": int(walk.is_gone.sum()),
        },
        "churn": _number("churn", comparison, walk, None),
        "clv": _number("clv", comparison, walk, None),
        "migration": _migration(walk),
        "moved_by": _moved_by(comparison, walk),
        "movers": _movers(walk),
    }


def portfolio_sums(comparison: Comparison) -> dict[str, Any]:
    """Return of :func:`portfolio_change` what takes no contributions of any customer.

    That is ``why_not_split``, ``moved_by``, and ``churn`` and ``clv`` without their ``concepts``.
    """
    walk = comparison.walk()
    return {
        "churn": _sum("churn", comparison, walk, 1.0),
        "clv": _sum("clv", comparison, walk, 1.0),
        "moved_by": _moved_by(comparison, walk),
        "why_not_split": comparison.why_not_split,
    }


def publication_before(new: Publication, asked: str | None) -> Publication:
    """Return the publication to compare ``new`` with.

    Args:
        new: usually the live one.
        asked: an id; a day, then the last publication on or before it; ``None`` or ``previous``
            for the one that ``new`` held tiers against.

    Raises:
        PublicationError: there is none.
    """
    if asked is None or asked == "previous":
        earlier = new.earlier()
        if earlier is None:
            raise PublicationError(_nothing_before(new))
        return earlier
    store = new.folder.parent
    names = sorted(folder.name for folder in store.iterdir() if _is_publication(folder))
    if asked in names:
        return open_publication(store / asked)
    day = asked.replace("-", "")
    until = [name for name in names if name[:8] <= day and name != new.manifest.id]
    if len(day) == len("20260630") and day.isdecimal() and until:
        return open_publication(store / until[-1])
    raise PublicationError(
        f"there is no publication {asked!r} in {store}; `echelon history --publications` lists "
        "them. A day such as 2026-06-30 stands for the last one on or before it"
    )


def _nothing_before(new: Publication) -> str:
    """Return what to do where ``new`` held tiers against nothing: its day may have others."""
    day = new.manifest.as_of
    others = [folder.name for folder in new.folder.parent.iterdir() if _is_publication(folder)]
    same = sorted(
        name for name in others if name[:8] == f"{day:%Y%m%d}" and name != new.manifest.id
    )
    if same:
        return (
            f"nothing was published before {day}; that day itself was also published by another "
            f"model or policy: `--since {same[-1]}` compares with it"
        )
    return (
        f"nothing was published before {new.manifest.id}; publish another day, then "
        "`echelon changes` compares the two"
    )


def _is_publication(folder: Path) -> bool:
    return folder.is_dir() and not folder.name.startswith(".")


def _ends(comparison: Comparison) -> dict[str, Any]:
    ends = {"since": comparison.old.manifest, "until": comparison.new.manifest}
    told = {
        name: {
            "publication": manifest.id,
            "as_of": manifest.as_of.isoformat(),
            "versions": manifest.terms.versions,
        }
        for name, manifest in ends.items()
    }
    terms = comparison.new.manifest.terms
    tiers = comparison.old.manifest.terms.tier_names | terms.tier_names
    names = {code: name.model_dump() for code, name in tiers.items()}
    more = {"currency": terms.currency, "tier_names": names}
    return {**told, **more, "why_not_split": comparison.why_not_split}


def _number(
    target: TargetName, comparison: Comparison, walk: Walk, customer_ids: list[str] | None
) -> dict[str, Any] | None:
    """Return one number's change by parts and by concepts."""
    told = _sum(target, comparison, walk, SCALE[target] if customer_ids is not None else 1.0)
    if told is None:
        return None
    is_split = comparison.old_bundle is not None
    concepts = _concepts(target, comparison, walk, customer_ids) if is_split else None
    return {**told, "concepts": concepts}


def _sum(
    target: TargetName, comparison: Comparison, walk: Walk, scale: float
) -> dict[str, Any] | None:
    """Return one number's change by parts; a portfolio's probabilities are summed to leavers."""
    before, *_, after = (scale * float(step.sum()) for step in walk.numbers[target])
    if math.isnan(before) or math.isnan(after):
        return None
    parts = {part: scale * float(step.sum()) for part, step in walk.parts(target).items()}
    return {
        "before": before,
        "after": after,
        "change": after - before,
        "parts": parts if comparison.old_bundle is not None else None,
    }


def _concepts(
    target: TargetName, comparison: Comparison, walk: Walk, customer_ids: list[str] | None
) -> list[dict[str, Any]]:
    """Return the data part by concept; who is new or gone is an entry of its own."""
    unit = 1.0 if customer_ids is not None else 1.0 / SCALE[target]
    found = [
        {
            "concept": concept,
            "name": concept_name(concept, comparison.features).model_dump(),
            "points": unit * points,
        }
        for concept, points in comparison.concepts(target, customer_ids).items()
    ]
    by_data = walk.parts(target)["data"] * SCALE[target] * unit
    sides = {"new_customers": walk.is_new, "gone_customers": walk.is_gone}
    found += [
        {"concept": side, "name": SIDES[side].model_dump(), "points": float(by_data[who].sum())}
        for side, who in sides.items()
        if who.any()
    ]
    return sorted(found, key=lambda one: -abs(one["points"]))


SIDES = {
    "new_customers": Text(zh="新增客户", en="new customers"),
    "gone_customers": Text(zh="不再发布的客户", en="customers gone"),
}


def _tier(walk: Walk) -> dict[str, Any] | None:
    codes = walk.tiers[:, 0]
    if codes[0] is None and codes[3] is None:
        return None
    path = [
        {"part": part, "before": codes[i], "after": codes[i + 1]}
        for i, part in enumerate(PARTS)
        if codes[i] != codes[i + 1]
    ]
    is_split = codes[1] is not None and not walk.is_new[0] and not walk.is_gone[0]
    return {"before": codes[0], "after": codes[3], "path": path if is_split else None}


def _migration(walk: Walk) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for before, after in zip(walk.tiers[0], walk.tiers[3], strict=True):
        if before is not None and after is not None:
            row = found.setdefault(before, {})
            row[after] = row.get(after, 0) + 1
    return found


def _moved_by(comparison: Comparison, walk: Walk) -> dict[str, int] | None:
    if comparison.old_bundle is None:
        return None
    return {part: int(walk.moved_by(part).sum()) for part in PARTS}


def _movers(walk: Walk) -> list[dict[str, Any]]:
    """Return those whose expected value rose or fell most, of those published both times."""
    value = walk.numbers["clv"]
    change = np.where(walk.is_new | walk.is_gone, 0.0, value[3] - value[0])
    order = np.argsort(change, kind="stable")
    chosen = dict.fromkeys([*order[::-1][:MOVERS].tolist(), *order[:MOVERS].tolist()])
    return [_mover(walk, row, change) for row in chosen if change[row] != 0]


def _mover(walk: Walk, row: int, change: np.ndarray) -> dict[str, Any]:
    parts: Mapping[str, np.ndarray] = walk.parts("clv")
    split = {part: float(step[row]) for part, step in parts.items()}
    return {
        "customer_id": walk.customer_ids[row],
        "change": float(change[row]),
        "parts": None if math.isnan(split["data"]) else split,
        "tier_before": walk.tiers[0][row],
        "tier_after": walk.tiers[3][row],
    }
