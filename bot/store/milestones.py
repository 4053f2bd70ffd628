"""Milestones: dates of a program that are entered once."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime

from sqlmodel import Session, col, select

from bot.store.rows import insert_once
from bot.store.tables import MilestoneRow


def add(session: Session, program_id: str, kind: str, on: date, title: str, now: datetime) -> bool:
    """Keep one; False when it was entered before."""
    values = {"program_id": program_id, "kind": kind, "on": on, "title": title, "entered_at": now}
    return insert_once(session, MilestoneRow, values) is not None


def between(session: Session, program_id: str, kinds: Iterable[str], first: date, last: date) -> Sequence[MilestoneRow]:
    """Those of some kinds from a day to another, both included, in order of time."""
    statement = select(MilestoneRow).where(
        MilestoneRow.program_id == program_id,
        col(MilestoneRow.kind).in_(list(kinds)),
        col(MilestoneRow.on) >= first,
        col(MilestoneRow.on) <= last,
    )
    return session.exec(statement.order_by(col(MilestoneRow.on), col(MilestoneRow.kind))).all()
