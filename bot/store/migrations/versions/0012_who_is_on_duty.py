"""who is on duty: the days on which a member of staff stands in, and the tickets about one topic

Revision: 0012, after 0011
"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    whole = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "shift",
        sa.Column("id", whole, autoincrement=True, nullable=False),
        sa.Column("staff_id", whole, nullable=False),
        sa.Column("on", sa.Date(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.ForeignKeyConstraint(["staff_id"], ["staff.id"], ondelete="CASCADE"),
        sa.UniqueConstraint("on", "staff_id"),
    )
    op.create_index("ticket_by_topic", "ticket", ["program_id", "topic", "opened_at"])
