"""The callback queue: tickets, the pings of their ladders, and the tasks that they call for."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import bindparam, func, text, update
from sqlalchemy import select as core_select
from sqlmodel import Session, col, select

from bot.store.rows import chunks, core, for_update, insert_once, move, move_many, row_of, rows_by, stands, table_of
from bot.store.tables import PingRow, TaskRow, TicketRow
from flows.callback import ALERT
from flows.decisions import PlannedPing
from flows.states import PingState, TaskState, TicketState

UNHEARD = text("task.unheard")
"""As its index says it: `= 1`, which SQLAlchemy writes on SQLite, would read the whole table."""
_LIVE = text(f"ticket.state <> '{TicketState.CLOSED}'")
"""As its index says it, too: see `rows.stands`."""


def open_(session: Session, values: Mapping[str, Any]) -> int | None:
    """The id of a new ticket; None when the customer has a live one in this program."""
    blank = {"state": str(TicketState.OPEN), "round": 1, "claimed_by": 0, "result": "", "reason": ""}
    return insert_once(session, TicketRow, {**blank, **values})


def get(session: Session, ticket_id: int) -> TicketRow | None:
    return row_of(session, TicketRow, ticket_id)


def by_ids(session: Session, ticket_ids: Iterable[int]) -> dict[int, TicketRow]:
    return {row.id: row for row in rows_by(session, TicketRow, col(TicketRow.id), ticket_ids)}


def take(session: Session, ticket_id: int) -> TicketRow | None:
    """The ticket, locked until the transaction ends."""
    statement = for_update(session, select(TicketRow).where(TicketRow.id == ticket_id))
    return session.execute(statement).scalars().first()


def live(session: Session, customer_id: int, program_id: str) -> TicketRow | None:
    """The ticket of this customer and program that is not closed, locked until the transaction ends."""
    known = {"customer": customer_id, "program": program_id}
    return session.execute(for_update(session, _live()), known).scalars().first()


@cache
def _live() -> Any:
    return select(TicketRow).where(
        TicketRow.customer_id == bindparam("customer"),
        TicketRow.program_id == bindparam("program"),
        _LIVE,
    )


def with_live(session: Session, customer_ids: Iterable[int]) -> set[int]:
    """Who of these customers has an open complaint, in any program (R88)."""
    found: set[int] = set()
    for chunk in chunks(dict.fromkeys(customer_ids)):
        found.update(core(session).execute(_with_live(), {"wanted": chunk}).scalars())
    return found


@cache
def _with_live() -> Any:
    table = table_of(TicketRow)
    wanted = table.c.customer_id.in_(bindparam("wanted", expanding=True))
    return core_select(table.c.customer_id).where(wanted, _LIVE)


def advance(session: Session, ticket_id: int, target: TicketState, **values: Any) -> bool:
    """Move by compare-and-set: a race has one winner."""
    return move(session, TicketRow, ticket_id, target, **values)


def queue(
    session: Session, *, states: Sequence[str], role: str = "", staff_id: int = 0, limit: int = 200
) -> Sequence[TicketRow]:
    """The queue, oldest due first (R145)."""
    statement = select(TicketRow).where(col(TicketRow.state).in_(states))
    if role:
        statement = statement.where(TicketRow.owner_role == role)
    if staff_id:
        statement = statement.where(TicketRow.claimed_by == staff_id)
    return session.exec(statement.order_by(col(TicketRow.due_at), col(TicketRow.id)).limit(limit)).all()


def about(session: Session, program_id: str, topic: str, after: datetime) -> Sequence[TicketRow]:
    """The tickets of a program about one topic that were opened after an instant, the oldest first."""
    statement = select(TicketRow).where(
        TicketRow.program_id == program_id, TicketRow.topic == topic, TicketRow.opened_at > after
    )
    return session.exec(statement.order_by(col(TicketRow.opened_at), col(TicketRow.id))).all()


def of_customer(session: Session, customer_id: int) -> Sequence[TicketRow]:
    return session.exec(select(TicketRow).where(TicketRow.customer_id == customer_id).order_by(col(TicketRow.id))).all()


def counts_by_state(session: Session) -> dict[str, int]:
    statement = select(TicketRow.state, func.count()).group_by(col(TicketRow.state))
    return {state: count for state, count in session.execute(statement)}


def plan_pings(session: Session, ticket_id: int, round_: int, pings: Iterable[PlannedPing]) -> int:
    """Plan the rungs of a ladder; those planned before are passed over. How many are new."""
    new = 0
    for ping in pings:
        planned = insert_once(
            session,
            PingRow,
            {
                "ticket_id": ticket_id,
                "round": round_,
                "step": ping.step,
                "role": ping.role,
                "staff_id": 0,
                "state": str(PingState.PLANNED),
                "due_at": ping.due_at,
            },
        )
        new += planned is not None
    return new


def due_pings(session: Session, now: datetime, limit: int) -> Sequence[PingRow]:
    """Pings whose time has come, oldest first."""
    return _pings(session, _due(PingState.PLANNED, "due_at"), now, limit)


def silent_pings(session: Session, now: datetime, limit: int) -> Sequence[PingRow]:
    """Pings that nobody acknowledged in time (R144)."""
    return _pings(session, _due(PingState.SENT, "passes_on_at"), now, limit)


def _pings(session: Session, statement: Any, now: datetime, limit: int) -> Sequence[PingRow]:
    locking = for_update(session, statement, skip_locked=True)
    return session.execute(locking, {"now": now, "most": limit}).scalars().all()


@cache
def _due(state: PingState, column: str) -> Any:
    table = table_of(PingRow)
    at = table.c[column]
    return (
        select(PingRow)
        .where(stands(table, state), at <= bindparam("now", type_=at.type))
        .order_by(at, table.c.id)
        .limit(bindparam("most"))
    )


def move_ping(session: Session, ping_id: int, target: PingState, **values: Any) -> bool:
    return move(session, PingRow, ping_id, target, **values)


def settle_pings(session: Session, ticket_id: int, now: datetime, *, acknowledged: bool) -> None:
    """Cancel the ladder; what was sent counts as acknowledged, or is cancelled with the rest. Alerts still go out."""
    for state, target in (
        (PingState.PLANNED, PingState.CANCELLED),
        (PingState.SENT, PingState.ACKNOWLEDGED if acknowledged else PingState.CANCELLED),
    ):
        rows = session.exec(select(PingRow).where(PingRow.ticket_id == ticket_id, PingRow.state == state)).all()
        ids = [row.id for row in rows if state is PingState.SENT or not row.step.startswith(ALERT)]
        values = {"acknowledged_at": now} if target is PingState.ACKNOWLEDGED else {}
        move_many(session, PingRow, ids, target, **values)


def quieten_pings(session: Session, ticket_id: int, now: datetime) -> int:
    """Somebody acknowledged: nothing passes on, the ladder goes on."""
    ids = session.exec(select(PingRow.id).where(PingRow.ticket_id == ticket_id, PingRow.state == PingState.SENT)).all()
    return move_many(session, PingRow, ids, PingState.ACKNOWLEDGED, acknowledged_at=now)


def pings_of(session: Session, ticket_id: int) -> Sequence[PingRow]:
    return session.exec(select(PingRow).where(PingRow.ticket_id == ticket_id).order_by(col(PingRow.due_at))).all()


def told_since(session: Session, ping: PingRow) -> Sequence[PingRow]:
    """The pings of its ticket and round that were sent with it or later."""
    statement = select(PingRow).where(
        PingRow.ticket_id == ping.ticket_id, PingRow.round == ping.round, col(PingRow.sent_at) >= ping.sent_at
    )
    return session.exec(statement).all()


def pinged(session: Session, roles: Sequence[str]) -> set[int]:
    """Tickets of which one of these roles (`leader`, or `auto_repair:leader`) has a ping to acknowledge."""
    statement = (
        select(PingRow.role, TicketRow.program_id, TicketRow.id)
        .join(TicketRow, col(TicketRow.id) == col(PingRow.ticket_id))
        .where(stands(table_of(PingRow), PingState.SENT))
    )
    waiting = session.execute(statement)
    return {ticket_id for role, program_id, ticket_id in waiting if {role, f"{program_id}:{role}"} & set(roles)}


def note(session: Session, ticket_id: int, **values: Any) -> None:
    """Write down facts that are no state."""
    table = table_of(TicketRow)
    session.execute(update(table).where(table.c.id == ticket_id).values(**values))


# ----- the tasks that tickets call for


def with_due_task(session: Session, now: datetime, limit: int) -> list[int]:
    """The ids of tickets whose task opens now, the longest due first."""
    due = select(TicketRow.id).where(col(TicketRow.task_at) <= now).order_by(col(TicketRow.task_at)).limit(limit)
    return list(session.exec(due))


def wait_for(session: Session, task_id: int) -> None:
    """A ticket waits for what becomes of this task."""
    table = table_of(TaskRow)
    session.execute(update(table).where(table.c.id == task_id).values(unheard=True))


def settled_tasks(session: Session, limit: int) -> Sequence[TaskRow]:
    """The tasks that tickets wait for and that are done or let go, the oldest first."""
    settled = stands(table_of(TaskRow), TaskState.DONE, TaskState.CANCELLED)
    statement = select(TaskRow).where(UNHEARD, settled).order_by(col(TaskRow.id)).limit(limit)
    return session.execute(for_update(session, statement, skip_locked=True)).scalars().all()


def open_tasks(session: Session, ticket_id: int, customer_id: int) -> Sequence[TaskRow]:
    """What staff are still to do about a ticket."""
    statement = select(TaskRow).where(TaskRow.customer_id == customer_id, TaskRow.state == TaskState.OPEN)
    return session.exec(statement.where(TaskRow.ticket_id == ticket_id)).all()
