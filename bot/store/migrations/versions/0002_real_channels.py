"""real channels: senders, scheduled messages, buttons, links, tallies

Revision: 0002, after 0001
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
JSON = sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), "postgresql")
INSTANT = sa.DateTime(timezone=True)
SCOPE = "scope IN ('all', 'marketing', 'channel')"


def upgrade() -> None:
    for column in (
        sa.Column("sender", sa.String(length=64), nullable=False, server_default=""),
        sa.Column("title", sa.String(length=200), nullable=False, server_default=""),
        sa.Column("buttons", JSON, nullable=False, server_default="[]"),
        sa.Column("again", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("leaves_at", INSTANT, nullable=True),
        sa.Column("audited_at", INSTANT, nullable=True),
        sa.Column("recalled_at", INSTANT, nullable=True),
    ):
        op.add_column("message", column)
    op.create_index(
        "message_scheduled",
        "message",
        ["leaves_at"],
        sqlite_where=sa.text("state = 'accepted'"),
        postgresql_where=sa.text("state = 'accepted'"),
    )
    op.create_index(
        "message_left",
        "message",
        ["sent_at"],
        sqlite_where=sa.text("sent_at IS NOT NULL"),
        postgresql_where=sa.text("sent_at IS NOT NULL"),
    )
    for column in (
        sa.Column("flag", sa.String(length=16), nullable=False, server_default=""),
        sa.Column("tapped", sa.String(length=64), nullable=False, server_default=""),
        sa.Column("media", sa.Integer(), nullable=False, server_default="0"),
    ):
        op.add_column("inbound", column)
    _give_staff_chats()
    _widen_consent()
    op.create_table(
        "sender",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("channel", sa.String(length=32), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("country", sa.String(length=2), nullable=False),
        sa.Column("next_free_at", INSTANT, nullable=True),
        sa.Column("troubles", sa.Integer(), nullable=False),
        sa.Column("paused_at", INSTANT, nullable=True),
        sa.Column("paused_because", sa.Text(), nullable=False),
        sa.Column("probe_at", INSTANT, nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("channel", "name", "country"),
    )
    op.create_table(
        "tally",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("scope", sa.String(length=200), nullable=False),
        sa.Column("messages", sa.Integer(), nullable=False),
        sa.Column("segments", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("day", "scope"),
    )
    op.create_table(
        "link",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("channel", sa.String(length=32), nullable=False),
        sa.Column("customer_id", ID, server_default="0", nullable=False),
        sa.Column("staff_id", ID, server_default="0", nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("expires_at", INSTANT, nullable=False),
        sa.Column("used_at", INSTANT, nullable=True),
        sa.Column("address", sa.String(length=128), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("token_hash"),
    )


def _give_staff_chats() -> None:
    with op.batch_alter_table("staff") as staff:
        staff.add_column(sa.Column("chat", sa.String(length=128), nullable=True))
        staff.create_unique_constraint("staff_chat_key", ["chat"])


def _widen_consent() -> None:
    """Consent may be withdrawn for one channel alone."""
    with op.batch_alter_table("consent") as consent:
        consent.drop_constraint("scope_is_known", type_="check")
        consent.create_check_constraint("scope_is_known", SCOPE)
