"""Versions of the tier policy in the state database: proposed by one person, approved by another.

What a version says never changes; its state does: proposed, then approved or rejected, and retired
once another is approved. At most one is approved: the one in force. Without one, the policy that
the model bundle was trained with is in force.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import sqlalchemy as sa

from configs.errors import PublicationError
from configs.section import Text
from configs.tiers import TierPolicy
from serving.endpoint.state import METADATA, Moment, State
from training.policy import Policy

Standing = Literal["proposed", "approved", "rejected", "retired"]
COMMENT_LETTERS = 500

POLICY_VERSIONS = sa.Table(
    "policy_versions",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("settings", sa.JSON, nullable=False),
    sa.Column("digest", sa.String(64), nullable=False),
    sa.Column("based_on", sa.Integer, nullable=True),
    sa.Column("comment", sa.String(COMMENT_LETTERS), nullable=False),
    sa.Column("made_by", sa.String(24), nullable=False),
    sa.Column("made_by_name", sa.String(60), nullable=False),
    sa.Column("made_at", Moment, nullable=False),
    sa.Column("standing", sa.String(16), nullable=False),
    sa.Column("policy", sa.JSON, nullable=True),
    sa.Column("publication", sa.String(120), nullable=True),
    sa.Column("decided_by_name", sa.String(60), nullable=True),
    sa.Column("decided_at", Moment, nullable=True),
    sa.Column("decision", sa.String(COMMENT_LETTERS), nullable=True),
)
"""``settings``, of that ``digest``, is what was proposed; ``policy`` is it with the amounts found
on ``publication`` when it was approved."""


@dataclass(frozen=True)
class Author:
    """Who does something to policies: a person of the console, or whoever is at a terminal."""

    id: str
    name: str


@dataclass(frozen=True)
class Version:
    """One version; the attributes are those of the table.

    Attributes:
        policy: with its amounts frozen; ``None`` before it was approved.
    """

    id: int
    settings: TierPolicy
    digest: str
    based_on: int | None
    comment: str
    made_by: str
    made_by_name: str
    made_at: dt.datetime
    standing: Standing
    policy: Policy | None
    publication: str | None
    decided_by_name: str | None
    decided_at: dt.datetime | None
    decision: str | None

    @property
    def label(self) -> str:
        """What answers call the version: ``vip4-v3``."""
        return label_of(self.settings.name, self.id)

    def named(self, policy: Policy) -> Policy:
        """Return ``policy`` under this version's label."""
        return policy.model_copy(update={"name": self.label})


class PolicyRefused(Exception):  # noqa: N818
    """A step that is not open now; ``said`` tells why, in both languages."""

    def __init__(self, said: Text) -> None:
        super().__init__(said.en)
        self.said = said


NOT_OPEN = Text(
    zh="版本{id}已不再待审批（现为：{standing}），请刷新后再看。",
    en="Version {id} is no longer waiting for approval (now: {standing}); look at the page anew.",
)
OTHER_IN_FORCE = Text(
    zh="在您查看期间，{who}已使另一版策略生效。请对照新的现行策略重新预览，再决定。",
    en="While you were looking, {who} put another policy in force. Preview against it again, then "
    "decide.",
)
STANDINGS = {
    "proposed": Text(zh="待审批", en="proposed"),
    "approved": Text(zh="现行", en="in force"),
    "rejected": Text(zh="已驳回", en="rejected"),
    "retired": Text(zh="已停用", en="retired"),
}


def label_of(name: str, id: int) -> str:
    """Return what answers call version ``id`` of the policy ``name``.

    >>> label_of("vip4", 3)
    'vip4-v3'
    """
    return f"{name}-v{id}"


def digest_of(settings: Mapping[str, Any]) -> str:
    """Return the SHA-256 of what a version says."""
    text = json.dumps(settings, ensure_ascii=False, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def propose(
    state: State, settings: TierPolicy, author: Author, comment: str, based_on: int | None
) -> Version:
    """Keep a new version that waits for approval, and return it.

    Args:
        state: where versions are kept.
        settings: the policy.
        author: who proposes it.
        comment: why.
        based_on: version that was in force when it was written; ``None`` for the bundle's.

    Raises:
        PolicyRefused: another is in force by now.
    """
    content = settings.model_dump(mode="json")
    values = {
        "settings": content,
        "digest": digest_of(content),
        "based_on": based_on,
        "comment": comment[:COMMENT_LETTERS],
        "made_by": author.id,
        "made_by_name": author.name,
        "made_at": dt.datetime.now(dt.UTC),
        "standing": "proposed",
    }
    with state.writing() as connection:
        _require_in_force(connection, based_on)
        made = sa.insert(POLICY_VERSIONS).values(values).returning(POLICY_VERSIONS.c.id)
        return _version(_row(connection, connection.execute(made).scalar_one()))


def approve(
    state: State,
    id: int,
    policy: Policy,
    publication: str,
    author: Author,
    comment: str,
    seen_in_force: int | None,
) -> Version:
    """Put a proposed version in force and return it; the one before is retired.

    Args:
        state: where versions are kept.
        id: of the version.
        policy: its amounts, as found on ``publication``.
        publication: id of the publication.
        author: who approves; :func:`serving.policies.approval.may_approve` says who may.
        comment: why.
        seen_in_force: the version in force when they decided.

    Raises:
        PolicyRefused: it was decided on meanwhile, or another is in force by now.
    """
    with state.writing() as connection:
        _require_in_force(connection, seen_in_force)
        found = _open_row(connection, id)
        _retire(connection, author, comment)
        frozen = _version(found).named(policy).model_dump(mode="json")
        _decide(connection, id, "approved", author, comment, policy=frozen, publication=publication)
        return _version(_row(connection, id))


def reject(state: State, id: int, author: Author, comment: str) -> Version:
    """Turn a proposed version down and return it.

    Raises:
        PolicyRefused: it was decided on meanwhile.
    """
    with state.writing() as connection:
        _open_row(connection, id)
        _decide(connection, id, "rejected", author, comment)
        return _version(_row(connection, id))


def retire(state: State, author: Author, comment: str) -> Version | None:
    """Take the version in force out of force, so that the bundle's policy is; return it."""
    with state.writing() as connection:
        found = _in_force_row(connection)
        _retire(connection, author, comment)
        return None if found is None else _version(_row(connection, found["id"]))


def in_force(state: State) -> Version | None:
    """Return the version in force; ``None`` where it is the bundle's policy."""
    with state.reading() as connection:
        row = _in_force_row(connection)
    return None if row is None else _version(row)


def listed(state: State) -> list[Version]:
    """Return all versions, the newest first."""
    with state.reading() as connection:
        query = sa.select(POLICY_VERSIONS).order_by(POLICY_VERSIONS.c.id.desc())
        return [_version(row) for row in connection.execute(query).mappings()]


def version_of(state: State, id: int) -> Version | None:
    """Return one version; ``None`` where there is none."""
    with state.reading() as connection:
        query = sa.select(POLICY_VERSIONS).where(POLICY_VERSIONS.c.id == id)
        row = connection.execute(query).mappings().one_or_none()
    return None if row is None else _version(row)


def _row(connection: sa.Connection, id: int) -> Mapping[Any, Any]:
    query = sa.select(POLICY_VERSIONS).where(POLICY_VERSIONS.c.id == id)
    return connection.execute(query).mappings().one()


def _in_force_row(connection: sa.Connection) -> Mapping[Any, Any] | None:
    query = sa.select(POLICY_VERSIONS).where(POLICY_VERSIONS.c.standing == "approved")
    return connection.execute(query.with_for_update()).mappings().one_or_none()


def _require_in_force(connection: sa.Connection, expected: int | None) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(sa.text("LOCK TABLE policy_versions IN SHARE ROW EXCLUSIVE MODE"))
    row = _in_force_row(connection)
    if (None if row is None else row["id"]) != expected:
        who = "–" if row is None else str(row["decided_by_name"])
        raise PolicyRefused(
            Text(zh=OTHER_IN_FORCE.zh.format(who=who), en=OTHER_IN_FORCE.en.format(who=who))
        )


def _open_row(connection: sa.Connection, id: int) -> Mapping[Any, Any]:
    query = sa.select(POLICY_VERSIONS).where(POLICY_VERSIONS.c.id == id).with_for_update()
    row = connection.execute(query).mappings().one()
    if row["standing"] != "proposed":
        now = STANDINGS[row["standing"]]
        raise PolicyRefused(
            Text(
                zh=NOT_OPEN.zh.format(id=id, standing=now.zh),
                en=NOT_OPEN.en.format(id=id, standing=now.en),
            )
        )
    return row


def _retire(connection: sa.Connection, author: Author, comment: str) -> None:
    row = _in_force_row(connection)
    if row is not None:
        change = {"standing": "retired"}
        where = POLICY_VERSIONS.c.id == row["id"]
        connection.execute(sa.update(POLICY_VERSIONS).where(where).values(change))


def _decide(
    connection: sa.Connection,
    id: int,
    standing: Standing,
    author: Author,
    comment: str,
    policy: Mapping[str, Any] | None = None,
    publication: str | None = None,
) -> None:
    values = {
        "standing": standing,
        "policy": policy,
        "publication": publication,
        "decided_by_name": author.name,
        "decided_at": dt.datetime.now(dt.UTC),
        "decision": comment[:COMMENT_LETTERS],
    }
    where = POLICY_VERSIONS.c.id == id
    connection.execute(sa.update(POLICY_VERSIONS).where(where).values(values))


def _version(row: Mapping[Any, Any]) -> Version:
    """Return a row as a version.

    Raises:
        PublicationError: what it says was altered in the database.
    """
    if digest_of(row["settings"]) != row["digest"]:
        raise PublicationError(
            f"version {row['id']} of the policy was altered in the state database: its SHA-256 is "
            "not the one it was proposed with. `echelon policy use-bundle` goes back to the policy "
            "of the model"
        )
    policy = row["policy"]
    return Version(
        **{
            **row,
            "settings": TierPolicy.model_validate(row["settings"]),
            "policy": None if policy is None else Policy.model_validate(policy),
        }
    )
