"""the 27 industries: milestones, contacts, tasks, quotas, chains that begin anew

Revision: 0004, after 0002
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0002"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
JSON = sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), "postgresql")
INSTANT = sa.DateTime(timezone=True)
FOLLOW_UP_STATES = (
    "state IN ('planned', 'ready', 'sent', 'answered', 'held', 'unreachable', 'suppressed', 'expired', 'cancelled', "
    "'fulfilled')"
)


def upgrade() -> None:
    op.add_column("enrolment", sa.Column("staff", JSON, nullable=False, server_default="[]"))
    with op.batch_alter_table("follow_up") as follow_up:
        follow_up.drop_constraint("state_is_known", type_="check")
        follow_up.create_check_constraint("state_is_known", FOLLOW_UP_STATES)
    op.create_table(
        "milestone",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("program_id", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=64), nullable=False),
        sa.Column("on", sa.Date(), nullable=False),
        sa.Column("title", sa.String(length=200), nullable=False),
        sa.Column("entered_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("program_id", "kind", "on"),
    )
    op.create_table(
        "contact",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("source", sa.String(length=64), nullable=False),
        sa.Column("external_id", sa.String(length=128), nullable=False),
        sa.Column("customer_id", ID, nullable=False),
        sa.Column("person_id", ID, server_default="0", nullable=False),
        sa.Column("program_id", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=64), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("on", sa.Date(), nullable=False),
        sa.Column("staff_id", ID, server_default="0", nullable=False),
        sa.Column("task_id", ID, server_default="0", nullable=False),
        sa.Column("counts", sa.Boolean(), nullable=False),
        sa.Column("because", sa.Text(), nullable=False),
        sa.Column("data", JSON, nullable=False),
        sa.ForeignKeyConstraint(["customer_id"], ["customer.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("source", "external_id"),
    )
    op.create_index("contact_by_customer", "contact", ["customer_id", "program_id", "kind", "on"])
    op.create_index("contact_by_staff", "contact", ["program_id", "staff_id", "kind", "on"])

    op.create_table(
        "quota_check",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("program_id", sa.String(length=64), nullable=False),
        sa.Column("program_version_id", ID, nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("first", sa.Date(), nullable=False),
        sa.Column("last", sa.Date(), nullable=False),
        sa.Column("due_at", INSTANT, nullable=False),
        sa.Column("done_at", INSTANT, nullable=True),
        sa.Column("found", JSON, nullable=False),
        sa.ForeignKeyConstraint(["program_version_id"], ["program_version.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("program_id", "name", "kind", "due_at"),
    )
    op.create_index(
        "quota_check_due",
        "quota_check",
        ["due_at"],
        sqlite_where=sa.text("done_at IS NULL"),
        postgresql_where=sa.text("done_at IS NULL"),
    )

    op.create_table(
        "restart",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("customer_id", ID, nullable=False),
        sa.Column("program_id", sa.String(length=64), nullable=False),
        sa.Column("flow", sa.String(length=64), nullable=False),
        sa.Column("matter_id", ID, server_default="0", nullable=False),
        sa.Column("on", sa.Date(), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.ForeignKeyConstraint(["customer_id"], ["customer.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("customer_id", "program_id", "flow", "matter_id"),
    )
    op.create_table(
        "task",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("dedupe_key", sa.String(length=128), nullable=False),
        sa.Column("program_id", sa.String(length=64), nullable=False),
        sa.Column("program_version_id", ID, nullable=False),
        sa.Column("flow", sa.String(length=64), nullable=False),
        sa.Column("follow_up_id", ID, server_default="0", nullable=False),
        sa.Column("ticket_id", ID, server_default="0", nullable=False),
        sa.Column("customer_id", ID, server_default="0", nullable=False),
        sa.Column("person_id", ID, server_default="0", nullable=False),
        sa.Column("matter_id", ID, server_default="0", nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("role", sa.String(length=64), nullable=False),
        sa.Column("superior", sa.String(length=64), nullable=False),
        sa.Column("staff_id", ID, server_default="0", nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("counts_as", sa.String(length=64), nullable=False),
        sa.Column("required", JSON, nullable=False),
        sa.Column("data", JSON, nullable=False),
        sa.Column("opened_at", INSTANT, nullable=False),
        sa.Column("due_at", INSTANT, nullable=False),
        sa.Column("misses_at", INSTANT, nullable=True),
        sa.Column("done_at", INSTANT, nullable=True),
        sa.Column("because", sa.Text(), nullable=False),
        sa.Column("result", sa.Text(), nullable=False),
        sa.CheckConstraint("state IN ('open', 'done', 'cancelled')", name="state_is_known"),
        sa.ForeignKeyConstraint(["program_version_id"], ["program_version.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("dedupe_key"),
    )
    op.create_index("task_by_customer", "task", ["customer_id", "state"])
    op.create_index(
        "task_missing",
        "task",
        ["misses_at"],
        sqlite_where=sa.text("state = 'open'"),
        postgresql_where=sa.text("state = 'open'"),
    )
    op.create_index(
        "task_open",
        "task",
        ["due_at"],
        sqlite_where=sa.text("state = 'open'"),
        postgresql_where=sa.text("state = 'open'"),
    )
