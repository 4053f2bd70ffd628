"""Violations: cases that are suspected once, then confirmed with a number or dismissed, by compare-and-set."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import func
from sqlalchemy import select as core_select
from sqlmodel import Session, col, select

from bot.store.rows import core, for_update, insert_once, move
from bot.store.tables import ViolationRow
from flows.states import ViolationState

LISTED = 200
"""Cases of one list."""


def open_(session: Session, values: Mapping[str, Any]) -> int | None:
    """The id of a new case; None when it is known already."""
    new = {"state": str(ViolationState.SUSPECTED), "reason": ""}
    return insert_once(session, ViolationRow, {**new, **values})


def take(session: Session, case_id: int) -> ViolationRow | None:
    """The case, locked until the transaction ends."""
    statement = for_update(session, select(ViolationRow).where(ViolationRow.id == case_id))
    return session.execute(statement).scalars().first()


def confirmed(session: Session, program_id: str, kind: str, about: str) -> int:
    """How many cases of one kind and person are confirmed; nobody in particular has none."""
    statement = core_select(func.count()).where(
        col(ViolationRow.program_id) == program_id,
        col(ViolationRow.kind) == kind,
        col(ViolationRow.about) == about,
        col(ViolationRow.state) == ViolationState.CONFIRMED,
    )
    return int(core(session).execute(statement).scalar_one()) if about else 0


def decide(session: Session, case_id: int, target: ViolationState, staff_id: int, now: datetime, **known: Any) -> bool:
    """Confirm or dismiss it; False: somebody was faster."""
    return move(session, ViolationRow, case_id, target, decided_by=staff_id, decided_at=now, **known)


def listed(
    session: Session, state: ViolationState | None = None, customer_id: int = 0, limit: int = LISTED
) -> Sequence[ViolationRow]:
    """Cases in a state, or all of them, of one customer or of everybody; the newest first."""
    statement = select(ViolationRow)
    if state is not None:
        statement = statement.where(ViolationRow.state == state)
    if customer_id:
        statement = statement.where(ViolationRow.customer_id == customer_id)
    return session.exec(statement.order_by(col(ViolationRow.id).desc()).limit(limit)).all()
