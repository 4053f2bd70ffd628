"""tasks: several kinds of contact may do one

Revision: 0014, after 0013
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    kinds = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
    op.add_column("task", sa.Column("counted", kinds, nullable=False, server_default="[]"))
    one = "'[\"' || counts_as || '\"]'"
    if op.get_bind().dialect.name == "postgresql":
        one = f"CAST({one} AS JSONB)"
    op.execute(f"UPDATE task SET counted = {one} WHERE counts_as <> ''")  # noqa: S608 two expressions of ours
    op.drop_column("task", "counts_as")
    op.execute("ALTER TABLE task RENAME COLUMN counted TO counts_as")
