"""Batch jobs, idempotency keys, and messages of webhooks on their way."""

import sqlalchemy as sa
from alembic import op

revision = "v002"
down_revision = "v001"


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "jobs",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("owner", sa.String(16), nullable=True),
        sa.Column("form", sa.String(16), nullable=False),
        sa.Column("state", sa.String(16), nullable=False, index=True),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("created_at", sa.DateTime, nullable=False),
        sa.Column("started_at", sa.DateTime, nullable=True),
        sa.Column("finished_at", sa.DateTime, nullable=True),
        sa.Column("expires_at", sa.DateTime, nullable=True, index=True),
        sa.Column("total", sa.BigInteger, nullable=True),
        sa.Column("n_ok", sa.BigInteger, nullable=False),
        sa.Column("n_error", sa.BigInteger, nullable=False),
        sa.Column("publication", sa.String(100), nullable=True),
        sa.Column("as_of", sa.Date, nullable=True),
        sa.Column("versions", sa.JSON, nullable=True),
        sa.Column("failure", sa.JSON, nullable=True),
    )
    op.create_table(
        "idempotency_keys",
        sa.Column("caller", sa.String(64), primary_key=True),
        sa.Column("digest", sa.String(64), primary_key=True),
        sa.Column("reserved_at", sa.DateTime, nullable=False, index=True),
        sa.Column("fingerprint", sa.String(64), nullable=True),
        sa.Column("status", sa.Integer, nullable=True),
        sa.Column("headers", sa.JSON, nullable=True),
        sa.Column("body", sa.Text, nullable=True),
    )
    op.create_table(
        "announced",
        sa.Column("subscription", sa.String(64), primary_key=True),
        sa.Column("publication", sa.String(100), nullable=False),
        sa.Column("turn", sa.Integer, nullable=False),
    )
    op.create_table(
        "outbox",
        sa.Column("place", sa.Integer, primary_key=True),
        sa.Column("id", sa.String(64), nullable=False, unique=True),
        sa.Column("subscription", sa.String(64), nullable=False, index=True),
        sa.Column("body", sa.Text, nullable=True),
        sa.Column("state", sa.String(16), nullable=False, index=True),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("due_at", sa.DateTime, nullable=False),
        sa.Column("ended_at", sa.DateTime, nullable=True),
        sa.Column("last_outcome", sa.String(200), nullable=True),
    )
