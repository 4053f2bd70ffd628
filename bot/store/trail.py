"""The trail: one line for each decision about a customer, and why."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlmodel import Session, col, select

from bot.store.rows import insert_later
from bot.store.tables import TrailRow


def line(at: datetime, what: str, because: str, **known: Any) -> dict[str, Any]:
    """One line as values; `known`: customer_id, program_id, flow, follow_up_id, message_id, ticket_id, data."""
    blank = {
        "customer_id": 0,
        "program_id": "",
        "flow": "",
        "follow_up_id": 0,
        "message_id": 0,
        "ticket_id": 0,
        "data": {},
    }
    return {**blank, "at": at, "what": what, "because": because, **known}


def write(session: Session, lines: Sequence[dict[str, Any]]) -> None:
    """Add lines, together with all others of this transaction, at its end."""
    insert_later(session, TrailRow, lines)


def of_customer(session: Session, customer_id: int, limit: int = 500) -> Sequence[TrailRow]:
    """The lines about one customer, oldest first."""
    newest = select(TrailRow).where(TrailRow.customer_id == customer_id).order_by(col(TrailRow.id).desc()).limit(limit)
    return list(reversed(session.exec(newest).all()))


def of_kind(session: Session, customer_id: int, what: str) -> Sequence[TrailRow]:
    """All lines of one kind about one customer, oldest first."""
    statement = select(TrailRow).where(TrailRow.customer_id == customer_id, TrailRow.what == what)
    return session.exec(statement.order_by(col(TrailRow.id))).all()


def last_because(session: Session, customer_id: int, follow_up_id: int) -> str:
    """What the newest line about a follow-up gives as its reason; empty: there is none."""
    statement = select(TrailRow.because).where(
        TrailRow.customer_id == customer_id, TrailRow.follow_up_id == follow_up_id
    )
    return session.exec(statement.order_by(col(TrailRow.id).desc()).limit(1)).first() or ""


def after(session: Session, line_id: int, limit: int = 1000) -> Sequence[TrailRow]:
    """Lines newer than `line_id`, oldest first: what a live page or a rehearsal has not shown yet."""
    statement = select(TrailRow).where(col(TrailRow.id) > line_id).order_by(col(TrailRow.id)).limit(limit)
    return session.exec(statement).all()


def newest_id(session: Session) -> int:
    """Where the trail ends now."""
    return session.exec(select(TrailRow.id).order_by(col(TrailRow.id).desc()).limit(1)).first() or 0


def is_not_drawn(session: Session, customer_id: int, program_id: str, flow: str, event_id: int) -> bool:
    """Does a line say that this event is not one of the share that a flow follows up?"""
    statement = select(TrailRow).where(
        TrailRow.customer_id == customer_id,
        TrailRow.program_id == program_id,
        TrailRow.flow == flow,
        TrailRow.what == "skipped",
    )
    return any(row.data.get("event") == event_id for row in session.exec(statement))


def is_told(session: Session, program_id: str, flow: str, because: str) -> bool:
    """Does a line about nobody in particular already say this?"""
    statement = select(TrailRow.id).where(
        TrailRow.customer_id == 0,
        TrailRow.program_id == program_id,
        TrailRow.flow == flow,
        TrailRow.because == because,
    )
    return session.exec(statement.limit(1)).first() is not None
