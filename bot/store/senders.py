"""What is known of the senders of each channel: when one is free again, why it is paused, and what has left."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from functools import cache
from typing import Any

from sqlalchemy import bindparam, delete, update
from sqlmodel import Session, col, select

from bot.store.rows import chunks, core, for_update, insert_once, table_of
from bot.store.tables import SenderRow, TallyRow

BLANK: Mapping[str, Any] = {"country": "", "troubles": 0, "paused_because": ""}
CAMPAIGN = date(1, 1, 1)
"""The day under which a campaign is counted: all its days are one."""


def known(session: Session, *, lock: bool = False) -> Sequence[SenderRow]:
    """Every sender that anything is known of; `lock`: until the transaction ends, always in one order.

    The rows are copies: what is changed in them is written by `change` alone.
    """
    rows = session.execute(for_update(session, _known()) if lock else _known()).scalars().all()
    for row in rows:
        session.expunge(row)
    return rows


@cache
def _known() -> Any:
    return select(SenderRow).order_by(col(SenderRow.id))


def add(session: Session, channel: str, name: str, country: str = "") -> None:
    """Know this sender from now on."""
    insert_once(session, SenderRow, {**BLANK, "channel": channel, "name": name, "country": country})


def change(session: Session, sender_id: int, **values: Any) -> None:
    """Note what has changed about a sender."""
    table = table_of(SenderRow)
    core(session).execute(update(table).where(table.c.id == sender_id).values(**values))


def forget_country(session: Session, sender_id: int) -> None:
    """A country that was paused goes on: nothing needs to be known of it."""
    table = table_of(SenderRow)
    core(session).execute(delete(table).where(table.c.id == sender_id, table.c.country != ""))


# ----- what has left the house


def tallies(session: Session, keys: Iterable[tuple[date, str]]) -> dict[tuple[date, str], tuple[int, int]]:
    """What has left, (messages, segments) by day and scope: locked until the transaction ends, always in one order."""
    wanted = sorted(set(keys))
    found = _tallies(session, wanted)
    missing = [key for key in wanted if key not in found]
    for day, scope in missing:
        insert_once(session, TallyRow, {"day": day, "scope": scope, "messages": 0, "segments": 0})
    return _tallies(session, wanted) if missing else found


def _tallies(session: Session, keys: Sequence[tuple[date, str]]) -> dict[tuple[date, str], tuple[int, int]]:
    table, found = table_of(TallyRow), {}
    for chunk in chunks(keys):
        statement = (
            select(table.c.day, table.c.scope, table.c.messages, table.c.segments)
            .where(table.c.day.in_({day for day, _ in chunk}), table.c.scope.in_({scope for _, scope in chunk}))
            .order_by(table.c.day, table.c.scope)
        )
        for day, scope, messages, segments in core(session).execute(for_update(session, statement)):
            found[day, scope] = (messages, segments)
    return found


def count(session: Session, day: date, scope: str, messages: int, segments: int) -> None:
    """Count what leaves, where `tallies` has looked; less than nothing where it came back."""
    core(session).execute(_count(), {"of": day, "about": scope, "n": messages, "parts": segments})


@cache
def _count() -> Any:
    table = table_of(TallyRow)
    return (
        update(table)
        .where(table.c.day == bindparam("of"), table.c.scope == bindparam("about"))
        .values(messages=table.c.messages + bindparam("n"), segments=table.c.segments + bindparam("parts"))
    )
