"""When is the next thing due, of each kind? One prepared question, asked again and again: what ticks and simulated
time look at before they do any work.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, and_, case, func, select
from sqlmodel import Session

from bot.store import settings
from bot.store.rows import core, stands, table_of
from bot.store.tables import (
    DeletionRow,
    EnrolmentRow,
    FollowUpRow,
    InboundRow,
    Instant,
    MessageRow,
    PingRow,
    ProgramVersionRow,
    QuotaCheckRow,
    SenderRow,
    SettingRow,
    SurveyRow,
    TaskRow,
    TicketRow,
)
from bot.store.tickets import UNHEARD
from flows.states import DeletionState, FollowUpState, MessageState, PingState, SurveyState, TaskState

STOPPED = "outreach"
"""Name of the kill switch among the settings."""
PLANNED = "planned"
"""Name of the setting that says how far the calendar has been planned."""


@dataclass(frozen=True)
class Agenda:
    """The earliest instant of each kind of work; None: there is none."""

    unread: datetime | None
    follow_up: datetime | None
    ping: datetime | None
    outbox: datetime | None
    doubt: datetime | None
    closing: datetime | None
    ticket_task: datetime | None
    """When a ticket calls for a task, or is to hear what became of one."""
    missing: datetime | None
    """When a superior is to hear of a task that is not done."""
    checking: datetime | None
    """When the next look at a period is due."""
    deletion: datetime | None
    """When a deletion was approved that is not done yet."""
    planned: dict[str, Any]
    """What `occasions.plan_occasions` noted last: until, enrolment, version."""
    enrolment: int
    version: int
    senders: int
    """How many senders anything is known of: a rate or a pause."""


def read(session: Session) -> Agenda:
    """The agenda as it stands."""
    return look(core(session))


def replan(session: Session) -> None:
    """Have the calendar planned anew at once: dates have moved, or new ones were told."""
    settings.write(session, PLANNED, {})


def look(connection: Connection) -> Agenda:
    """As `read`, over a bare connection: what simulated time asks thousands of times."""
    row = connection.execute(_AGENDA).one()
    outbox = None if (row.stopped or {}).get("stopped") else _earliest(row.first, row.again)
    return Agenda(
        unread=row.unread,
        follow_up=row.follow_up,
        ping=_earliest(row.ping, row.silent),
        outbox=outbox,
        doubt=row.doubt,
        closing=row.closing,
        ticket_task=_earliest(row.called_for, row.settled),
        missing=row.missing,
        checking=row.checking,
        deletion=row.deletion,
        planned=row.planned or {},
        enrolment=row.enrolment or 0,
        version=row.version or 0,
        senders=row.senders,
    )


def _earliest(*instants: datetime | None) -> datetime | None:
    return min((instant for instant in instants if instant is not None), default=None)


def _question() -> Any:
    follow_up, message, ping = table_of(FollowUpRow), table_of(MessageRow), table_of(PingRow)
    check, ticket = table_of(QuotaCheckRow), table_of(TicketRow)
    deletion = table_of(DeletionRow)
    survey, inbound, task = table_of(SurveyRow), table_of(InboundRow), table_of(TaskRow)
    setting, enrolment, version = table_of(SettingRow), table_of(EnrolmentRow), table_of(ProgramVersionRow)
    ready = stands(message, MessageState.READY)
    in_doubt = stands(message, MessageState.SENDING, MessageState.UNKNOWN)
    waits = case((message.c.retry_at > message.c.due_at, message.c.retry_at), else_=message.c.due_at)
    parts = {
        "unread": select(func.min(inbound.c.received_at, type_=Instant())).where(stands(inbound, "received")),
        "follow_up": select(func.min(follow_up.c.due_at, type_=Instant())).where(
            stands(follow_up, FollowUpState.PLANNED)
        ),
        "ping": select(func.min(ping.c.due_at, type_=Instant())).where(stands(ping, PingState.PLANNED)),
        "silent": select(func.min(ping.c.passes_on_at, type_=Instant())).where(stands(ping, PingState.SENT)),
        "first": select(func.min(message.c.due_at, type_=Instant())).where(and_(ready, message.c.retry_at.is_(None))),
        "again": select(func.min(waits, type_=Instant())).where(and_(ready, message.c.retry_at.is_not(None))),
        "doubt": select(func.min(message.c.retry_at, type_=Instant())).where(in_doubt),
        "closing": select(func.min(survey.c.closes_at, type_=Instant())).where(stands(survey, SurveyState.OPEN)),
        "called_for": select(func.min(ticket.c.task_at, type_=Instant())).where(ticket.c.task_at.is_not(None)),
        "settled": select(func.min(func.coalesce(task.c.done_at, task.c.opened_at), type_=Instant())).where(
            and_(UNHEARD, stands(task, TaskState.DONE, TaskState.CANCELLED))
        ),
        "missing": select(func.min(task.c.misses_at, type_=Instant())).where(stands(task, TaskState.OPEN)),
        "checking": select(func.min(check.c.due_at, type_=Instant())).where(check.c.done_at.is_(None)),
        "deletion": select(func.min(deletion.c.at, type_=Instant())).where(stands(deletion, DeletionState.APPROVED)),
        "stopped": select(setting.c.value).where(setting.c.name == STOPPED),
        "planned": select(setting.c.value).where(setting.c.name == PLANNED),
        "enrolment": select(func.max(enrolment.c.id)),
        "version": select(func.max(version.c.id)),
        "senders": select(func.count()).select_from(table_of(SenderRow)),
    }
    return select(*(part.scalar_subquery().label(name) for name, part in parts.items()))


_AGENDA = _question()
