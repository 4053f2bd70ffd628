"""matters: the id of one is its customer's own

Revision: 0015, after 0014
"""

from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

NAMES = {"uq": "%(table_name)s_%(column_0_N_name)s_key"}
"""As PostgreSQL names a unique key that has no name; SQLite keeps none."""


def upgrade() -> None:
    with op.batch_alter_table("matter", naming_convention=NAMES) as matter:
        matter.drop_constraint("matter_source_kind_external_id_key", type_="unique")
        matter.create_unique_constraint(
            "matter_customer_id_source_kind_external_id_key", ["customer_id", "source", "kind", "external_id"]
        )
