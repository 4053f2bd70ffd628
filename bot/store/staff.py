"""Members of staff: their roles, and the phone number and the chat at which they are reached."""

from collections.abc import Sequence
from functools import cache
from typing import Any

from sqlalchemy import bindparam, update
from sqlmodel import Session, col, select

from bot.store.rows import core, table_of
from bot.store.tables import StaffRow

CHAT = "telegram"
"""The channel on which a member of staff has a chat, beside the phone number."""


def everybody(session: Session) -> Sequence[StaffRow]:
    return session.execute(_everybody()).scalars().all()


@cache
def _everybody() -> Any:
    return select(StaffRow).where(col(StaffRow.active)).order_by(col(StaffRow.id))


def get(session: Session, staff_id: int) -> StaffRow | None:
    return session.get(StaffRow, staff_id)


def by_address(session: Session, address: str) -> StaffRow | None:
    """Whoever has this phone number, on duty or not."""
    return session.exec(select(StaffRow).where(StaffRow.address == address)).first()


def writing_from(session: Session, channel: str, address: str) -> StaffRow | None:
    """The member of staff on duty who writes from there: a linked chat, or a phone number."""
    return session.execute(_writing_from(channel == CHAT), {"address": address}).scalars().first()


@cache
def _writing_from(in_a_chat: bool) -> Any:
    theirs = col(StaffRow.chat) if in_a_chat else col(StaffRow.address)
    return select(StaffRow).where(theirs == bindparam("address"), col(StaffRow.active))


def add(session: Session, row: StaffRow) -> StaffRow:
    session.add(row)
    session.flush()
    return row


def link_chat(session: Session, staff_id: int, chat: str) -> bool:
    """Join a chat to a member of staff; False when it is another's who is on duty."""
    owner = session.exec(select(StaffRow).where(StaffRow.chat == chat)).first()
    if owner is not None and owner.id != staff_id:
        if owner.active:
            return False
        unlink_chat(session, chat)
    table = table_of(StaffRow)
    core(session).execute(update(table).where(table.c.id == staff_id).values(chat=chat))
    return True


def unlink_chat(session: Session, chat: str) -> None:
    """Forget a chat: its owner is reached by phone again."""
    table = table_of(StaffRow)
    core(session).execute(update(table).where(table.c.chat == chat).values(chat=None))


def with_role(session: Session, program_id: str, role: str) -> list[StaffRow]:
    """Who has this role, in this program (`auto_repair:leader`) or in all (`leader`)."""
    return [member for member in everybody(session) if role in member.roles or f"{program_id}:{role}" in member.roles]
