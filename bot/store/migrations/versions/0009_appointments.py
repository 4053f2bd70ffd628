"""appointments: the time that a customer proposes for a task, and when they agreed to its own

Revision: 0009, after 0008
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("task", sa.Column("proposed_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("task", sa.Column("confirmed_at", sa.DateTime(timezone=True), nullable=True))
