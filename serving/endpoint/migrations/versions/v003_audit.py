"""Where the audit log's chain ends."""

import sqlalchemy as sa
from alembic import op

revision = "v003"
down_revision = "v002"


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "audit_chains",
        sa.Column("id", sa.String(500), primary_key=True),
        sa.Column("n_lines", sa.BigInteger, nullable=False),
        sa.Column("last_hash", sa.String(64), nullable=False),
    )
