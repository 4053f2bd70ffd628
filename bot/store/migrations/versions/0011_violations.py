"""violations: cases that a manager confirms or dismisses, with the sanction that is proposed

Revision: 0011, after 0010
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    whole = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    json = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
    evidence = ("customer_id", "event_id", "inbound_id", "ticket_id", "task_id", "decided_by")
    op.create_table(
        "violation",
        sa.Column("id", whole, autoincrement=True, nullable=False),
        sa.Column("dedupe_key", sa.String(length=128), nullable=False),
        sa.Column("program_id", sa.String(length=64), nullable=False),
        sa.Column("program_version_id", whole, nullable=False),
        sa.Column("kind", sa.String(length=64), nullable=False),
        sa.Column("about", sa.String(length=100), nullable=False),
        *(sa.Column(name, whole, server_default="0", nullable=False) for name in evidence),
        sa.Column("because", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("sanction", json, nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("dedupe_key"),
        sa.ForeignKeyConstraint(["program_version_id"], ["program_version.id"], ondelete="CASCADE"),
        sa.CheckConstraint("state IN ('suspected', 'confirmed', 'dismissed')", name="state_is_known"),
    )
    confirmed = sa.text("state = 'confirmed'")
    op.create_index(
        "one_violation_of_a_number",
        "violation",
        ["program_id", "kind", "about", "number"],
        unique=True,
        sqlite_where=confirmed,
        postgresql_where=confirmed,
    )
