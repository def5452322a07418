"""The record of an explanation: everything that a decision about one customer was made from.

Kept with a decision, it answers what a person may ask who was decided about by a machine: which
data, which model, which rules, and what each of them added (PIPL, Article 24).
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Sequence
from typing import Any

from configs.section import Text
from configs.version import VERSION
from serving.console.acting.events import Event
from serving.console.customer.asked import Asked
from serving.console.customer.changed import changed
from serving.console.customer.gaps import gaps
from serving.console.customer.history import history
from serving.console.customer.sentence import sentence
from serving.console.masking import is_masked

FORMAT = "echelon-explanation-record/1"
PURPOSE = Text(
    zh="本记录说明自动化评分所依据的数据、模型、规则及各项贡献，供客户依《个人信息保护法》第二十四条要求"
    "说明时使用。评分供人员参考，等级可由人员调整，客户可要求人工处理。",
    en="This record states the data, the model, the rules and every contribution behind an "
    "automated score, for when a customer asks for an explanation (PIPL, Article 24). Scores "
    "advise people; people may change a tier, and a customer may ask for a person's decision.",
)


def record(asked: Asked) -> dict[str, Any]:
    """Return everything behind a customer's numbers, JSON-safe."""
    manifest, visit = asked.served.publication.manifest, asked.visit
    found = history(asked, None)
    return {
        "format": FORMAT,
        "purpose": PURPOSE.model_dump(),
        "made_at": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "made_by": visit.person.name,
        "echelon": VERSION,
        "company": visit.config.company.model_dump(),
        "customer_id": asked.shown,
        "sentence": {"zh": sentence(asked, "zh"), "en": sentence(asked, "en")},
        "publication": {
            "id": manifest.id,
            "as_of": manifest.as_of.isoformat(),
            "published_at": manifest.created_at.isoformat(),
            "records": manifest.records,
            "bundle_sha256": manifest.bundle,
            "inputs_sha256": manifest.inputs,
            "versions": manifest.terms.versions,
        },
        "policy": manifest.terms.policy.model_dump(mode="json"),
        "answer": asked.answer,
        "explanation": {**asked.explained, "customer_id": asked.shown},
        "features": dict(asked.features),
        "gaps": [one.model_dump() for one in gaps(asked)],
        "changed": _changed(asked),
        "tiers": list(found.entries),
        "deeds": _deeds(asked, found.deeds),
    }


def _changed(asked: Asked) -> dict[str, Any] | None:
    found = changed(asked)
    return None if found is None else {**found, "customer_id": asked.shown}


def _deeds(asked: Asked, deeds: Sequence[Event]) -> list[dict[str, Any]]:
    """Return what people did; who and what they wrote only for those who may read it."""
    if is_masked(asked.visit):
        return [{"kind": one.kind, "at": one.at.isoformat()} for one in deeds]
    return [
        {
            "id": one.id,
            "kind": one.kind,
            "at": one.at.isoformat(),
            "person": one.person,
            "publication": one.publication,
            "details": dict(one.details),
        }
        for one in deeds
    ]


def as_file(found: dict[str, Any]) -> bytes:
    """Return the record as a file that people can read."""
    return json.dumps(found, ensure_ascii=False, indent=1, allow_nan=False).encode()
