"""whose ticket it is: the event that it is about, the task that it calls for, and what became of that task

Revision: 0008, after 0007
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    whole = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.add_column("ticket", sa.Column("event_id", whole, nullable=False, server_default="0"))
    op.add_column("ticket", sa.Column("task_at", sa.DateTime(timezone=True), nullable=True))
    op.create_index(
        "ticket_task_due",
        "ticket",
        ["task_at"],
        sqlite_where=sa.text("task_at IS NOT NULL"),
        postgresql_where=sa.text("task_at IS NOT NULL"),
    )
    op.add_column("task", sa.Column("unheard", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.create_index(
        "task_unheard", "task", ["id"], sqlite_where=sa.text("unheard"), postgresql_where=sa.text("unheard")
    )
