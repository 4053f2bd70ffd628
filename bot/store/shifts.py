"""Who of the staff is on duty on which days. For whom: `stand_in` in `flows/callback.py`, night duty in
`flows/shifts.py`.
"""

from collections.abc import Iterable
from datetime import date

from sqlalchemy import delete
from sqlmodel import Session, col, select

from bot.store.rows import core, insert_once, table_of
from bot.store.tables import ShiftRow


def add(session: Session, staff_id: int, days: Iterable[date]) -> None:
    """Name a member of staff for these days; one that is named already stays so."""
    for day in days:
        insert_once(session, ShiftRow, {"staff_id": staff_id, "on": day})


def remove(session: Session, staff_id: int, days: Iterable[date]) -> None:
    """Name them for these days no more."""
    table = table_of(ShiftRow)
    core(session).execute(delete(table).where(table.c.staff_id == staff_id, table.c.on.in_(list(days))))


def on(session: Session, day: date) -> set[int]:
    """The ids of those who are named for a day."""
    return set(session.exec(select(ShiftRow.staff_id).where(ShiftRow.on == day)))


def named_between(session: Session, staff_ids: Iterable[int], first: date, last: date) -> set[date]:
    """The days between two, both included, for which any of these members is named."""
    days = col(ShiftRow.on)
    statement = select(days).where(col(ShiftRow.staff_id).in_(list(staff_ids)), days >= first, days <= last)
    return set(session.exec(statement))


def days_of(session: Session, staff_id: int, first: date) -> list[date]:
    """The days from `first` on for which a member of staff is named."""
    days = col(ShiftRow.on)
    statement = select(days).where(ShiftRow.staff_id == staff_id, days >= first)
    return list(session.exec(statement.order_by(days)))
