"""People, sessions and everything else that the console keeps."""

import sqlalchemy as sa
from alembic import op

revision = "v004"
down_revision = "v003"


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "console_secrets",
        sa.Column("name", sa.String(32), primary_key=True),
        sa.Column("value", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "views",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("person", sa.String(24), nullable=False),
        sa.Column("name", sa.String(60), nullable=False),
        sa.Column("query", sa.Text, nullable=False),
        sa.Column("is_shared", sa.Boolean, nullable=False),
        sa.Column("created_at", sa.DateTime, nullable=False),
        sa.UniqueConstraint("person", "name"),
    )
    op.create_table(
        "people",
        sa.Column("id", sa.String(24), primary_key=True),
        sa.Column("name", sa.String(60), nullable=False, unique=True),
        sa.Column("role", sa.String(32), nullable=False),
        sa.Column("password_hash", sa.String(200), nullable=True),
        sa.Column("created_at", sa.DateTime, nullable=False),
        sa.Column("disabled_at", sa.DateTime, nullable=True),
    )
    op.create_table(
        "sessions",
        sa.Column("token_sha256", sa.String(64), primary_key=True),
        sa.Column("person", sa.String(24), nullable=False, index=True),
        sa.Column("is_link", sa.Boolean, nullable=False),
        sa.Column("created_at", sa.DateTime, nullable=False),
        sa.Column("seen_at", sa.DateTime, nullable=False),
        sa.Column("expires_at", sa.DateTime, nullable=False),
    )
    op.create_table(
        "wrong_sign_ins",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("subject", sa.String(64), nullable=False, index=True),
        sa.Column("at", sa.DateTime, nullable=False),
    )
    op.create_table(
        "events",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("token", sa.String(64), nullable=False),
        sa.Column("at", sa.DateTime, nullable=False),
        sa.Column("person", sa.String(24), nullable=False),
        sa.Column("customer_id", sa.Text, nullable=False, index=True),
        sa.Column("kind", sa.String(24), nullable=False, index=True),
        sa.Column("details", sa.JSON, nullable=False),
        sa.Column("publication", sa.String(100), nullable=False),
        sa.UniqueConstraint("token", "customer_id"),
    )
    op.create_table(
        "holdouts",
        sa.Column("quarter", sa.String(8), primary_key=True),
        sa.Column("action", sa.String(60), primary_key=True),
        sa.Column("salt", sa.Integer, nullable=False),
        sa.Column("share", sa.Float, nullable=False),
        sa.Column("publication", sa.String(120), nullable=False),
        sa.Column("drawn_at", sa.DateTime, nullable=False),
    )
    op.create_table(
        "trials",
        sa.Column("id", sa.String(24), primary_key=True),
        sa.Column("action", sa.String(60), nullable=False),
        sa.Column("quarter", sa.String(8), nullable=False),
        sa.Column("origin", sa.String(16), nullable=False),
        sa.Column("publication", sa.String(120), nullable=False),
        sa.Column("as_of", sa.Date, nullable=False),
        sa.Column("opened_at", sa.DateTime, nullable=False),
        sa.Column("person", sa.String(24), nullable=False),
        sa.Column("holdout_share", sa.Float, nullable=False),
        sa.Column("n_offered", sa.Integer, nullable=False),
        sa.Column("n_held_out", sa.Integer, nullable=False),
        sa.Column("audience_sha256", sa.String(64), nullable=False),
    )
    op.create_table(
        "policy_versions",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("settings", sa.JSON, nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("based_on", sa.Integer, nullable=True),
        sa.Column("comment", sa.String(500), nullable=False),
        sa.Column("made_by", sa.String(24), nullable=False),
        sa.Column("made_by_name", sa.String(60), nullable=False),
        sa.Column("made_at", sa.DateTime, nullable=False),
        sa.Column("standing", sa.String(16), nullable=False),
        sa.Column("policy", sa.JSON, nullable=True),
        sa.Column("publication", sa.String(120), nullable=True),
        sa.Column("decided_by_name", sa.String(60), nullable=True),
        sa.Column("decided_at", sa.DateTime, nullable=True),
        sa.Column("decision", sa.String(500), nullable=True),
    )
    op.create_table(
        "publishings",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("policy", sa.String(80), nullable=False),
        sa.Column("person_name", sa.String(60), nullable=False),
        sa.Column("started_at", sa.DateTime, nullable=False),
        sa.Column("told_at", sa.DateTime, nullable=False),
        sa.Column("step", sa.String(40), nullable=False),
        sa.Column("share", sa.Float, nullable=False),
        sa.Column("ended_at", sa.DateTime, nullable=True),
        sa.Column("publication", sa.String(120), nullable=True),
        sa.Column("failure", sa.Text, nullable=True),
    )
    op.create_table(
        "review_notes",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("quarter", sa.String(6), nullable=False, index=True),
        sa.Column("step", sa.String(24), nullable=False),
        sa.Column("details", sa.JSON, nullable=False),
        sa.Column("person", sa.String(24), nullable=False),
        sa.Column("person_name", sa.String(60), nullable=False),
        sa.Column("at", sa.DateTime, nullable=False),
    )
    op.create_table(
        "plans",
        sa.Column("id", sa.String(40), primary_key=True),
        sa.Column("asked_at", sa.DateTime, nullable=False),
        sa.Column("person", sa.String(24), nullable=False),
        sa.Column("person_name", sa.String(60), nullable=False),
        sa.Column("publication", sa.String(120), nullable=False),
        sa.Column("scenario", sa.JSON, nullable=False),
        sa.Column("standing", sa.String(12), nullable=False),
        sa.Column("share", sa.Float, nullable=False),
        sa.Column("told_at", sa.DateTime, nullable=False),
        sa.Column("inputs", sa.String(64), nullable=True),
        sa.Column("failure", sa.JSON, nullable=True),
        sa.Column("approved_at", sa.DateTime, nullable=True),
        sa.Column("approved_by_name", sa.String(60), nullable=True),
    )
