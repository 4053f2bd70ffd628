"""Single-use links, the chats that they join to people, and what becomes of a chat whose owner leaves.

Only a hash of a link's token is kept: who reads the table can open nothing.
"""

from datetime import datetime

from sqlalchemy import func, update
from sqlmodel import Session, col, select

from bot.store.customers import OPTED_OUT
from bot.store.rows import core, insert_many, table_of
from bot.store.tables import ConsentRow, ContactPointRow, LinkRow, MessageRow
from flows.states import MessageState
from flows.survey import NOT_THEIRS

LEFT = "left this channel"
"""Why an address whose owner left is not used."""


# ----- links


def add(
    session: Session,
    token_hash: str,
    channel: str,
    *,
    customer_id: int,
    staff_id: int,
    now: datetime,
    expires_at: datetime,
) -> None:
    """Keep a new link."""
    row = {
        "token_hash": token_hash,
        "channel": channel,
        "customer_id": customer_id,
        "staff_id": staff_id,
        "created_at": now,
        "expires_at": expires_at,
        "address": "",
    }
    insert_many(session, LinkRow, [row])


def by_hash(session: Session, channel: str, token_hash: str) -> LinkRow | None:
    return session.exec(select(LinkRow).where(LinkRow.token_hash == token_hash, LinkRow.channel == channel)).first()


def use(session: Session, link_id: int, address: str, now: datetime) -> bool:
    """Open a link for this address by compare-and-set: a race has one winner. False: used before, or expired."""
    table = table_of(LinkRow)
    opened = (
        update(table)
        .where(table.c.id == link_id, table.c.used_at.is_(None), table.c.expires_at > now)
        .values(used_at=now, address=address)
    )
    return core(session).execute(opened).rowcount > 0


# ----- chats


def leave(session: Session, customer_id: int, channel: str, address: str, source: str, now: datetime) -> bool:
    """No more messages to this address, written in the ledger; False when it was not in use any more."""
    table = table_of(ContactPointRow)
    left = (
        update(table)
        .where(table.c.channel == channel, table.c.address == address, table.c.suppressed_at.is_(None))
        .values(suppressed_at=now, suppressed_because=LEFT)
    )
    if core(session).execute(left).rowcount == 0:
        return False
    _note(session, customer_id, "withdrawn", source, now, f"left {channel}")
    return True


def come_back(session: Session, customer_id: int, channel: str, address: str, now: datetime) -> bool:
    """Use an address again that its owner had left, written in the ledger; False when it was in use.

    The provider may have told of it first ("blocked by the user"); who said that it is not theirs stays left alone.
    """
    table = table_of(ContactPointRow)
    left = (table.c.suppressed_at.is_not(None), table.c.suppressed_because.not_in((NOT_THEIRS, OPTED_OUT)))
    back = (
        update(table)
        .where(table.c.channel == channel, table.c.address == address, *left)
        .values(suppressed_at=None, suppressed_because="")
    )
    if core(session).execute(back).rowcount == 0:
        return False
    _note(session, customer_id, "given", "reply", now, f"came back to {channel}")
    return True


def use_again(session: Session, channel: str, address: str) -> None:
    """Lift whatever keeps this address unused: its owner has just shown that it is theirs, and that it works."""
    table = table_of(ContactPointRow)
    lifted = update(table).where(
        table.c.channel == channel, table.c.address == address, table.c.suppressed_because != OPTED_OUT
    )
    core(session).execute(lifted.values(suppressed_at=None, suppressed_because=""))


def _note(session: Session, customer_id: int, action: str, source: str, now: datetime, note: str) -> None:
    """Consent for one channel alone: the customer's row, which speaks for all channels, stays as it is."""
    row = {"customer_id": customer_id, "action": action, "scope": "channel", "source": source, "at": now, "note": note}
    insert_many(session, ConsentRow, [row])


def customer_with_number(session: Session, number: str) -> int:
    """The customer whose usable phone number this is, or 0."""
    point = select(ContactPointRow.customer_id).where(
        ContactPointRow.channel == "sms",
        ContactPointRow.address == number,
        col(ContactPointRow.suppressed_at).is_(None),
    )
    return session.exec(point).first() or 0


# ----- what goes to a chat


def in_outbox(session: Session, channel: str, address: str) -> list[MessageRow]:
    """Messages that wait in the outbox for this address."""
    statement = select(MessageRow).where(
        MessageRow.channel == channel, MessageRow.address == address, MessageRow.state == MessageState.READY
    )
    return list(session.exec(statement))


def told(session: Session, channel: str, address: str, kind: str) -> tuple[int, datetime | None]:
    """How often a stranger at this address was told something of this kind, and when last."""
    statement = select(func.count(), func.max(col(MessageRow.created_at))).where(
        col(MessageRow.channel) == channel,
        col(MessageRow.address) == address,
        col(MessageRow.dedupe_key).startswith(f"{kind}:", autoescape=True),
    )
    count, last = session.execute(statement).one()
    return count, last
