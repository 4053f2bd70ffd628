"""deletions: forms that need not be kept are deleted once those who approve that have done so

Revision: 0013, after 0012
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

JSON = sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), "postgresql")
WAITS = sa.text("state IN ('asked', 'approved')")
APPROVED = sa.text("state = 'approved'")


def upgrade() -> None:
    whole = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "deletion",
        sa.Column("id", whole, autoincrement=True, nullable=False),
        sa.Column("program_id", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("through", sa.Date(), nullable=False),
        sa.Column("sent_before", sa.DateTime(timezone=True), nullable=False),
        sa.Column("forms", sa.Integer(), nullable=False),
        sa.Column("deleted", sa.Integer(), nullable=False),
        sa.Column("asked_by", whole, server_default="0", nullable=False),
        sa.Column("roles", JSON, nullable=False),
        sa.Column("approvers", JSON, nullable=False),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.CheckConstraint("state IN ('asked', 'approved', 'refused', 'done')", name="state_is_known"),
    )
    op.create_index(
        "one_live_deletion", "deletion", ["program_id"], unique=True, sqlite_where=WAITS, postgresql_where=WAITS
    )
    op.create_index("deletion_due", "deletion", ["at"], sqlite_where=APPROVED, postgresql_where=APPROVED)
