"""The outbox: messages put in once, claimed with an attempt, settled with an outcome, and what stays in doubt."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import bindparam, func, or_, update
from sqlalchemy import select as core_select
from sqlmodel import Session, col, select

from bot.store import customers
from bot.store.rows import (
    chunks,
    core,
    for_update,
    insert_many,
    insert_many_once,
    insert_once,
    move_many,
    rows_by,
    stands,
    state_is,
    table_of,
)
from bot.store.tables import AttemptRow, FollowUpRow, MessageRow
from flows.states import REACHED, MessageState, sources_of

PRIORITY = {"reply": 0, "staff": 1}
"""First in line: answers inside a conversation, then notices to staff, then everything else (5)."""
NEVER_LEFT = (MessageState.SUPPRESSED, MessageState.EXPIRED, MessageState.CANCELLED, MessageState.FAILED)


BLANK: Mapping[str, Any] = {
    "customer_id": 0,
    "staff_id": 0,
    "follow_up_id": 0,
    "survey_id": 0,
    "ticket_id": 0,
    "inbound_id": 0,
    "template_version_id": 0,
    "counts": False,
    "segments": 1,
    "state": str(MessageState.READY),
    "attempts": 0,
    "reason": "",
}


def put(session: Session, values: Mapping[str, Any]) -> int | None:
    """The id of a new message in the outbox, or None when its dedupe key is there already: one effect."""
    return insert_once(session, MessageRow, {**BLANK, "priority": PRIORITY.get(values["purpose"], 5), **values})


def put_many(session: Session, rows: Sequence[Mapping[str, Any]]) -> None:
    """As `put`, for many."""
    full = [{**BLANK, "priority": PRIORITY.get(values["purpose"], 5), **values} for values in rows]
    insert_many_once(session, MessageRow, full, "dedupe_key")


def ready(session: Session, now: datetime, channels: Sequence[str], limit: int) -> list[MessageRow]:
    """Messages that may go now, first in line first; on PostgreSQL locked, their customers first.

    What others hold is passed over: they are at work on it.
    """
    known = {"now": now, "channels": list(channels), "most": limit}
    if session.get_bind().dialect.name == "sqlite":
        return list(session.execute(_ready(), known).scalars())
    seen = core(session).execute(_ready_ids(), known).all()
    free = customers.lock_free(session, (customer_id for _, customer_id in seen if customer_id))
    wanted = [row_id for row_id, customer_id in seen if not customer_id or customer_id in free]
    statement = for_update(session, _still_ready(), skip_locked=True)
    return list(session.execute(statement, {**known, "wanted": wanted}).scalars())


@cache
def _ready_ids() -> Any:
    table = table_of(MessageRow)
    return _ready().with_only_columns(table.c.id, table.c.customer_id)


@cache
def _still_ready() -> Any:
    return _ready().where(col(MessageRow.id).in_(bindparam("wanted", expanding=True)))


@cache
def _ready() -> Any:
    now = bindparam("now", type_=table_of(MessageRow).c.due_at.type)
    return (
        select(MessageRow)
        .where(
            stands(table_of(MessageRow), MessageState.READY),
            col(MessageRow.channel).in_(bindparam("channels", expanding=True)),
            col(MessageRow.due_at) <= now,
            or_(col(MessageRow.retry_at).is_(None), col(MessageRow.retry_at) <= now),
        )
        .order_by(col(MessageRow.priority), col(MessageRow.due_at), col(MessageRow.id))
        .limit(bindparam("most"))
    )


def claim(
    session: Session, claimed: Sequence[tuple[MessageRow, str]], now: datetime, call: timedelta, lease: timedelta
) -> None:
    """READY -> SENDING with one attempt each, (message, attempt id), durable before any byte leaves."""
    if not claimed:
        return
    rows = [{"row": message.id, "lease": now + lease} for message, _ in claimed]
    core(session).execute(_claim(), rows)
    attempt = {"claimed_at": now, "deadline_at": now + call, "outcome": "", "error": "", "empty_reads": 0}
    insert_many(
        session,
        AttemptRow,
        [
            {**attempt, "id": attempt_id, "message_id": message.id, "number": message.attempts + 1}
            for message, attempt_id in claimed
        ],
    )


@cache
def _claim() -> Any:
    table = table_of(MessageRow)
    return (
        update(table)
        .where(table.c.id == bindparam("row"), table.c.state == str(MessageState.READY))
        .values(
            state=str(MessageState.SENDING),
            attempts=table.c.attempts + 1,
            retry_at=bindparam("lease", type_=table.c.retry_at.type),
        )
    )


def settle(session: Session, outcomes: Sequence[Mapping[str, Any]]) -> None:
    """Write what the calls came to. Each: row, attempt, state, outcome, at, provider_id, error, retry_at, sent_at.

    A receipt may have been faster: only a state below the outcome's rank is replaced (R209).
    """
    connection = core(session)
    by_state: dict[str, list[Mapping[str, Any]]] = {}
    for outcome in outcomes:
        by_state.setdefault(str(outcome["state"]), []).append(outcome)
    for state, same in by_state.items():
        keys = ("row", "provider_id", "retry_at", "sent_at", "error")
        connection.execute(_settle(MessageState(state)), [{f"b_{key}": one[key] for key in keys} for one in same])
    keys = ("attempt", "at", "outcome", "provider_id", "error")
    connection.execute(_finish(), [{f"b_{key}": one[key] for key in keys} for one in outcomes])


@cache
def _settle(state: MessageState) -> Any:
    table = table_of(MessageRow)
    instant = table.c.sent_at.type
    return (
        update(table)
        .where(table.c.id == bindparam("b_row"), state_is(table, sources_of(state)))
        .values(
            state=str(state),
            provider_id=func.coalesce(bindparam("b_provider_id", type_=table.c.provider_id.type), table.c.provider_id),
            retry_at=bindparam("b_retry_at", type_=instant),
            sent_at=func.coalesce(bindparam("b_sent_at", type_=instant), table.c.sent_at),
            reason=func.coalesce(func.nullif(bindparam("b_error", type_=table.c.reason.type), ""), table.c.reason),
        )
    )


@cache
def _finish() -> Any:
    table = table_of(AttemptRow)
    return (
        update(table)
        .where(table.c.id == bindparam("b_attempt"))
        .values(
            finished_at=bindparam("b_at", type_=table.c.finished_at.type),
            outcome=bindparam("b_outcome"),
            provider_id=bindparam("b_provider_id"),
            error=bindparam("b_error"),
        )
    )


def refuse(session: Session, message_ids: Sequence[int], target: MessageState, because: str) -> int:
    """READY -> SUPPRESSED, EXPIRED or CANCELLED."""
    return move_many(session, MessageRow, message_ids, target, reason=because)


def wait(session: Session, message_id: int, until: datetime) -> None:
    """Stay in the outbox until the window opens again."""
    table = table_of(MessageRow)
    session.execute(update(table).where(table.c.id == message_id).values(due_at=until))


def get(session: Session, message_id: int) -> MessageRow | None:
    return session.get(MessageRow, message_id)


def in_doubt(session: Session, now: datetime, limit: int) -> list[tuple[MessageRow, AttemptRow]]:
    """SENDING past its lease and UNKNOWN whose next look is due, each with its newest attempt."""
    statement = for_update(
        session,
        select(MessageRow)
        .where(
            stands(table_of(MessageRow), MessageState.SENDING, MessageState.UNKNOWN),
            col(MessageRow.retry_at) <= now,
        )
        .order_by(col(MessageRow.retry_at))
        .limit(limit),
        skip_locked=True,
    )
    doubtful = []
    for message in session.execute(statement).scalars():
        attempt = session.exec(
            select(AttemptRow)
            .where(AttemptRow.message_id == message.id)
            .order_by(col(AttemptRow.number).desc())
            .limit(1)
        ).one()
        doubtful.append((message, attempt))
    return doubtful


def look_again(session: Session, message_id: int, attempt_id: str, at: datetime, empty_reads: int) -> None:
    """Nothing found yet: look again at `at`."""
    messages, attempts = table_of(MessageRow), table_of(AttemptRow)
    session.execute(update(messages).where(messages.c.id == message_id).values(retry_at=at))
    session.execute(update(attempts).where(attempts.c.id == attempt_id).values(empty_reads=empty_reads))


def doubt(session: Session, message_ids: Sequence[int], because: str) -> int:
    """SENDING -> UNKNOWN."""
    return move_many(session, MessageRow, message_ids, MessageState.UNKNOWN, reason=because)


def provider_ids_known(session: Session, channel: str, provider_ids: Sequence[str]) -> set[str]:
    """Which of the provider's messages are ours already."""
    statement = core_select(col(MessageRow.provider_id)).where(
        col(MessageRow.channel) == channel, col(MessageRow.provider_id).in_(list(provider_ids))
    )
    return {row[0] for row in session.execute(statement)}


def raise_state(
    session: Session,
    message: MessageRow,
    target: MessageState,
    provider_id: str | None,
    now: datetime,
    error: str = "",
) -> bool:
    """Apply a receipt: the tables of states lead only upwards in rank (R209); what is settled stays as it is."""
    values: dict[str, Any] = {"reason": error} if error else {}
    if provider_id:
        values["provider_id"] = provider_id
    if target in REACHED and message.sent_at is None:
        values["sent_at"] = now
    return move_many(session, MessageRow, [message.id], target, **values) > 0


def doubtful_attempts(session: Session, message_id: int) -> int:
    """How many calls for this message may have sent a copy: those that surely sent nothing do not count."""
    statement = select(func.count()).where(
        AttemptRow.message_id == message_id, col(AttemptRow.outcome).in_(["", "unknown"])
    )
    return session.exec(statement).one()


def by_attempt(session: Session, attempt_id: str) -> MessageRow | None:
    statement = (
        select(MessageRow)
        .join(AttemptRow, col(AttemptRow.message_id) == col(MessageRow.id))
        .where(AttemptRow.id == attempt_id)
    )
    return session.exec(statement).first()


def recent_by_customer(
    session: Session, customer_ids: Iterable[int], since: datetime
) -> dict[int, tuple[datetime, ...]]:
    """When messages that count for the weekly cap went into the outbox, by customer (R82)."""
    recent: dict[int, list[datetime]] = {}
    for chunk in chunks(dict.fromkeys(customer_ids)):
        for customer_id, at in core(session).execute(_recent(), {"wanted": chunk, "since": since}):
            recent.setdefault(customer_id, []).append(at)
    return {customer_id: tuple(sorted(instants)) for customer_id, instants in recent.items()}


@cache
def _recent() -> Any:
    table = table_of(MessageRow)
    return core_select(table.c.customer_id, table.c.due_at).where(
        table.c.customer_id.in_(bindparam("wanted", expanding=True)),
        table.c.due_at > bindparam("since", type_=table.c.due_at.type),
        table.c.counts,
        table.c.state.not_in([str(state) for state in NEVER_LEFT]),
    )


def cancel_waiting(session: Session, customer_id: int, purposes: Sequence[str], because: str) -> list[MessageRow]:
    """Suppress what waits in the outbox for a customer (R84)."""
    rows = session.exec(
        select(MessageRow).where(
            MessageRow.customer_id == customer_id,
            MessageRow.state == MessageState.READY,
            col(MessageRow.purpose).in_(purposes),
        )
    ).all()
    refuse(session, [row.id for row in rows], MessageState.SUPPRESSED, because)
    return list(rows)


def take_back(session: Session, follow_up_ids: Sequence[int], because: str) -> set[int]:
    """Cancel what waits in the outbox for these follow-ups; the ids of those whose text had not left."""
    taken: set[int] = set()
    for row in rows_by(session, MessageRow, col(MessageRow.follow_up_id), follow_up_ids):
        if row.state == MessageState.READY and refuse(session, [row.id], MessageState.CANCELLED, because):
            taken.add(row.follow_up_id)
    return taken


def follow_ups_of(session: Session, rows: Iterable[MessageRow]) -> dict[int, FollowUpRow]:
    """follow-up id -> the follow-up, of those that have one."""
    ids = [row.follow_up_id for row in rows if row.follow_up_id]
    return {row.id: row for row in rows_by(session, FollowUpRow, col(FollowUpRow.id), ids)}


def by_ids(session: Session, message_ids: Iterable[int]) -> dict[int, MessageRow]:
    return {row.id: row for row in rows_by(session, MessageRow, col(MessageRow.id), message_ids)}


def of_customer(session: Session, customer_id: int, limit: int = 200) -> list[MessageRow]:
    statement = (
        select(MessageRow)
        .where(MessageRow.customer_id == customer_id)
        .order_by(col(MessageRow.due_at).desc(), col(MessageRow.id).desc())
        .limit(limit)
    )
    return list(reversed(session.exec(statement).all()))


def counts_by_state(session: Session) -> dict[str, int]:
    statement = select(MessageRow.state, func.count()).group_by(col(MessageRow.state))
    return {state: count for state, count in session.execute(statement)}


def held(session: Session, limit: int = 100) -> Sequence[MessageRow]:
    """Messages in doubt that wait for a person, oldest first."""
    statement = (
        select(MessageRow).where(MessageRow.state == MessageState.HELD).order_by(col(MessageRow.id)).limit(limit)
    )
    return session.exec(statement).all()
