"""wished times: when a customer asked to be called

Revision: 0005, after 0004
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("ticket", sa.Column("wished_at", sa.DateTime(timezone=True), nullable=True))
