"""The outbox: messages put in once, claimed with an attempt, settled with an outcome, and what stays in doubt."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import and_, bindparam, case, exists, func, insert, literal, or_, update
from sqlalchemy import select as core_select
from sqlmodel import Session, col, select

from bot.store import customers
from bot.store.bulk import columns_of_bulk, in_bulk
from bot.store.customers import OPTED_OUT, Consent
from bot.store.follow_ups import Brief
from bot.store.rows import (
    chunks,
    core,
    execute_many,
    for_update,
    insert_many_once,
    insert_once,
    move_many,
    rows_by,
    stands,
    state_is,
    table_of,
)
from bot.store.tables import AttemptRow, ContactPointRow, CustomerRow, FollowUpRow, Instant, MessageRow
from flows.states import REACHED, FollowUpState, MessageState, sources_of

PRIORITY = {"reply": 0, "staff": 1}
"""First in line: answers inside a conversation, then notices to staff, then everything else (5)."""
NEVER_ARRIVED = (
    MessageState.SUPPRESSED,
    MessageState.EXPIRED,
    MessageState.CANCELLED,
    MessageState.FAILED,
    MessageState.UNDELIVERED,
)

RECALLED_FOR = timedelta(days=1)
"""How long after it was to go out a message may still turn out to have been taken back."""


class Outbound(NamedTuple):
    """One message as the sender needs it; its fields are columns of the same names."""

    id: int
    customer_id: int
    staff_id: int
    follow_up_id: int
    survey_id: int
    ticket_id: int
    purpose: str
    channel: str
    sender: str
    address: str
    title: str
    body: str
    buttons: list[list[list[str]]]
    segments: int
    attempts: int
    expires_at: datetime | None
    reason: str


BLANK: Mapping[str, Any] = {
    "customer_id": 0,
    "staff_id": 0,
    "follow_up_id": 0,
    "survey_id": 0,
    "ticket_id": 0,
    "inbound_id": 0,
    "template_version_id": 0,
    "counts": False,
    "sender": "",
    "title": "",
    "buttons": [],
    "segments": 1,
    "state": str(MessageState.READY),
    "attempts": 0,
    "again": 0,
    "reason": "",
}


def put(session: Session, values: Mapping[str, Any]) -> int | None:
    """The id of a new message in the outbox, or None when its dedupe key is there already: one effect."""
    return insert_once(session, MessageRow, {**BLANK, "priority": PRIORITY.get(values["purpose"], 5), **values})


def put_many(session: Session, rows: Sequence[Mapping[str, Any]]) -> None:
    """As `put`, for many."""
    full = [{**BLANK, "priority": PRIORITY.get(values["purpose"], 5), **values} for values in rows]
    insert_many_once(session, MessageRow, full, "dedupe_key")


class Waiting(NamedTuple):
    """One message that may go now, its follow-up and its customer, where it has them."""

    message: Outbound
    source: Brief | None
    person: Consent | None

    @staticmethod
    def of(row: Sequence[Any]) -> "Waiting":
        """From the columns of the three, one after the other."""
        source, person = row[_SOURCE], row[_PERSON]
        return Waiting(
            Outbound._make(row[_MESSAGE]),
            Brief._make(source) if source[0] else None,
            Consent._make(person) if person[0] else None,
        )


_MESSAGE = slice(len(Outbound._fields))
_SOURCE = slice(_MESSAGE.stop, _MESSAGE.stop + len(Brief._fields))
_PERSON = slice(_SOURCE.stop, None)


def ready(session: Session, now: datetime, channels: Sequence[str], limit: int) -> list[Waiting]:
    """Messages that may go now, first in line first; on PostgreSQL locked, their customers first.

    What others hold is passed over: they are at work on it.
    """
    known = {"now": now, "channels": list(channels), "most": limit}
    if session.get_bind().dialect.name == "sqlite":
        return [Waiting.of(row) for row in core(session).execute(_ready(), known).all()]
    seen = core(session).execute(_ready_ids(), known).all()
    free = customers.lock_free(session, (customer_id for _, customer_id in seen if customer_id))
    wanted = [row_id for row_id, customer_id in seen if not customer_id or customer_id in free]
    statement = for_update(session, _still_ready(), skip_locked=True, of=table_of(MessageRow))
    return [Waiting.of(row) for row in core(session).execute(statement, {**known, "wanted": wanted})]


@cache
def _ready_ids() -> Any:
    table = table_of(MessageRow)
    return _ready().with_only_columns(table.c.id, table.c.customer_id)


@cache
def _still_ready() -> Any:
    return _ready().where(table_of(MessageRow).c.id.in_(bindparam("wanted", expanding=True)))


@cache
def _ready() -> Any:
    table, follow_up, customer = table_of(MessageRow), table_of(FollowUpRow), table_of(CustomerRow)
    now = bindparam("now", type_=table.c.due_at.type)
    parts = ((table, Outbound), (follow_up, Brief), (customer, Consent))
    joined = table.outerjoin(follow_up, follow_up.c.id == table.c.follow_up_id)
    return (
        core_select(*(each.c[name] for each, part in parts for name in part._fields))
        .select_from(joined.outerjoin(customer, customer.c.id == table.c.customer_id))
        .where(
            stands(table, MessageState.READY),
            table.c.channel.in_(bindparam("channels", expanding=True)),
            table.c.due_at <= now,
            or_(table.c.retry_at.is_(None), table.c.retry_at <= now),
        )
        .order_by(table.c.priority, table.c.due_at, table.c.id)
        .limit(bindparam("most"))
    )


def earliest(session: Session, channel: str) -> datetime | None:
    """When the first message on this channel may go."""
    table = table_of(MessageRow)
    waits = case((table.c.retry_at > table.c.due_at, table.c.retry_at), else_=table.c.due_at)
    statement = core_select(func.min(waits, type_=Instant())).where(
        stands(table, MessageState.READY), table.c.channel == channel
    )
    found: datetime | None = core(session).execute(statement).scalar()
    return found


class Claim(NamedTuple):
    """One message that is about to be sent: by which attempt and sender, and when the provider lets it go."""

    message: Outbound
    attempt_id: str
    sender: str = ""
    leaves_at: datetime | None = None


def claim(session: Session, claims: Sequence[Claim], now: datetime, call: timedelta, lease: timedelta) -> None:
    """READY -> SENDING with one attempt each, durable before any byte leaves."""
    groups: dict[tuple[str, datetime | None], list[int]] = {}
    for each in claims:
        groups.setdefault((each.sender, each.leaves_at), []).append(each.message.id)
    statement = _claim(session.get_bind().dialect.name)
    for (sender, leaves_at), ids in groups.items():
        known = {"by": sender, "leaves": leaves_at, "lease": now + lease}
        core(session).execute(statement, {"rows": in_bulk([[each] for each in ids]), **known})
    attempts: dict[str, list[Any]] = {
        "id": [each.attempt_id for each in claims],
        "message_id": [each.message.id for each in claims],
        "number": [each.message.attempts + 1 for each in claims],
    }
    blank = {"outcome": "", "error": "", "empty_reads": 0}
    execute_many(session, _attempt(), attempts, claimed_at=now, deadline_at=now + call, **blank)


@cache
def _attempt() -> Any:
    return insert(table_of(AttemptRow))


@cache
def _claim(dialect: str) -> Any:
    table = table_of(MessageRow)
    ids = core_select(*columns_of_bulk(dialect, {"id": table.c.id.type}).values())
    instant = table.c.retry_at.type
    return (
        update(table)
        .where(table.c.id.in_(ids), stands(table, MessageState.READY))
        .values(
            state=str(MessageState.SENDING),
            attempts=table.c.attempts + 1,
            sender=bindparam("by"),
            leaves_at=bindparam("leaves", type_=instant),
            retry_at=bindparam("lease", type_=instant),
        )
    )


def rest(session: Session, message_ids: Sequence[int], until: datetime) -> None:
    """Stay in the outbox, and out of the way, until this instant."""
    table = table_of(MessageRow)
    for chunk in chunks(message_ids):
        core(session).execute(update(table).where(table.c.id.in_(chunk)).values(retry_at=until))


def busy_addresses(session: Session, channel: str, addresses: Iterable[str], since: datetime) -> set[str]:
    """Which of these addresses are being written to, or were since then."""
    table = table_of(MessageRow)
    busy: set[str] = set()
    for chunk in chunks(dict.fromkeys(addresses)):
        statement = core_select(table.c.address).where(
            table.c.channel == channel,
            table.c.address.in_(chunk),
            or_(table.c.state == str(MessageState.SENDING), table.c.sent_at > since),
        )
        busy.update(core(session).execute(statement).scalars())
    return busy


class Result(NamedTuple):
    """What one call came to, as its message and its attempt keep it. `number`: of the attempt."""

    message_id: int
    attempt_id: str
    number: int
    state: MessageState
    outcome: str
    provider_id: str | None = None
    error: str | None = None
    retry_at: datetime | None = None
    sent_at: datetime | None = None


def settle(session: Session, results: Sequence[Result]) -> set[int]:
    """Write what calls came to into their messages; the ids of those for which that was news.

    Proof always counts: it is news where nobody has brought any, and else it only raises the state (R209). Anything
    else is old news, and changes nothing, once the attempt is no longer the newest or no longer in doubt.
    """
    _lock(session, [each.message_id for each in results])
    alike: dict[tuple[MessageState, datetime | None], list[Result]] = {}
    for result in results:
        alike.setdefault((result.state, result.sent_at), []).append(result)
    news: set[int] = set()
    for (state, _), same in alike.items():
        news |= _settle(session, same, proven=False)
        if state in REACHED and (known := [each for each in same if each.message_id not in news]):
            _settle(session, known, proven=True)
    return news


def _lock(session: Session, message_ids: Iterable[int]) -> None:
    """Lock these until the transaction ends, always in one order; SQLite has one writer and needs nothing."""
    if session.get_bind().dialect.name == "sqlite":
        return
    table = table_of(MessageRow)
    for chunk in chunks(sorted(message_ids)):
        statement = core_select(table.c.id).where(table.c.id.in_(chunk)).order_by(table.c.id)
        core(session).execute(for_update(session, statement))


def _settle(session: Session, alike: Sequence[Result], *, proven: bool) -> set[int]:
    """Results of one state; the ids of the messages that they moved. `proven`: those that had some proof already."""
    told: dict[str, list[Any]] = {
        "provider_id": [each.provider_id for each in alike],
        "retry_at": [each.retry_at for each in alike],
        "reason": [each.error or None for each in alike],
    }
    told = {name: values for name, values in told.items() if any(values)}
    statement = _settled(session.get_bind().dialect.name, alike[0].state, tuple(told), proven)
    columns = ([each.message_id for each in alike], [each.number for each in alike], *told.values())
    known = {"rows": in_bulk(list(zip(*columns, strict=True))), "at": alike[0].sent_at}
    return set(core(session).execute(statement, known).scalars())


@cache
def _settled(dialect: str, state: MessageState, told: tuple[str, ...], proven: bool) -> Any:
    """`told`: what any of the results says; what one does not say stays as it is, but for a next try."""
    table = table_of(MessageRow)
    kinds = {name: table.c[name].type for name in ("id", "attempts", *told)}
    said = core_select(*(each.label(name) for name, each in columns_of_bulk(dialect, kinds).items())).subquery("said")
    new = {name: said.c[name] for name in told} | {"sent_at": bindparam("at", type_=table.c.sent_at.type)}
    values: dict[str, Any] = {name: func.coalesce(value, table.c[name]) for name, value in new.items()}
    values |= {"state": str(state), "retry_at": new.get("retry_at")}
    if state in REACHED:
        moves = state_is(table, sources_of(state if proven else MessageState.ACCEPTED))
    else:
        moves = and_(state_is(table, _in_doubt(state)), table.c.attempts == said.c.attempts)
    return update(table).where(table.c.id == said.c.id, moves).values(values).returning(table.c.id)


def _in_doubt(target: MessageState) -> list[MessageState]:
    """From where a call that is still under way, or whose end nobody knows, may lead there."""
    return [each for each in sources_of(target) if each in (MessageState.SENDING, MessageState.UNKNOWN)]


def finish(session: Session, results: Sequence[Result], now: datetime) -> None:
    """Write what calls came to into their attempts."""
    columns: dict[str, list[Any]] = {
        "b_attempt": [each.attempt_id for each in results],
        "b_outcome": [each.outcome for each in results],
        "b_provider_id": [each.provider_id for each in results],
        "b_error": [each.error or "" for each in results],
    }
    execute_many(session, _finish(), columns, b_at=now)


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


def is_in_doubt(session: Session, message_id: int, attempt_number: int) -> bool:
    """Is this attempt still the newest, and nobody knows what it came to? The message is locked until the end."""
    table = table_of(MessageRow)
    newest = core_select(table.c.id).where(table.c.id == message_id, table.c.attempts == attempt_number)
    doubtful = newest.where(table.c.state == str(MessageState.UNKNOWN))
    return core(session).execute(for_update(session, doubtful)).first() is not None


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


def by_attempt(session: Session, attempt_id: str) -> tuple[MessageRow, int] | None:
    """The message that this attempt was about, and the attempt's number."""
    statement = (
        select(MessageRow, AttemptRow.number)
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
        table.c.state.not_in([str(state) for state in NEVER_ARRIVED]),
    )


def recent_to(session: Session, addresses: Sequence[str], since: datetime) -> tuple[datetime, ...]:
    """As `recent_by_customer`, to some addresses: those of one contact person."""
    table = table_of(MessageRow)
    statement = core_select(table.c.due_at).where(
        table.c.address.in_(addresses),
        table.c.due_at > since,
        table.c.counts,
        table.c.state.not_in([str(state) for state in NEVER_ARRIVED]),
    )
    return tuple(sorted(core(session).execute(statement).scalars()))


def cancel_waiting(
    session: Session,
    customer_id: int,
    purposes: Sequence[str],
    because: str,
    to: Collection[tuple[str, str]] | None = None,
) -> list[MessageRow]:
    """Suppress what waits in the outbox for a customer, or only for some (channel, address) of theirs (R84)."""
    waiting = session.exec(
        select(MessageRow).where(
            MessageRow.customer_id == customer_id,
            MessageRow.state == MessageState.READY,
            col(MessageRow.purpose).in_(purposes),
        )
    ).all()
    rows = [row for row in waiting if to is None or (row.channel, row.address) in to]
    refuse(session, [row.id for row in rows], MessageState.SUPPRESSED, because)
    return list(rows)


def take_back(session: Session, follow_up_ids: Sequence[int], because: str) -> set[int]:
    """Cancel what waits in the outbox for these follow-ups; the ids of those whose text had not left."""
    taken: set[int] = set()
    for row in rows_by(session, MessageRow, col(MessageRow.follow_up_id), follow_up_ids):
        if row.state == MessageState.READY and refuse(session, [row.id], MessageState.CANCELLED, because):
            taken.add(row.follow_up_id)
    return taken


def without_last_word(
    session: Session, since: datetime, before: datetime, now: datetime, limit: int
) -> list[tuple[MessageRow, str]]:
    """What went out in this span and nobody knows whether it arrived, each with its newest attempt's id."""
    newest: Any = (
        select(AttemptRow.id)
        .where(AttemptRow.message_id == MessageRow.id)
        .order_by(col(AttemptRow.number).desc())
        .limit(1)
        .scalar_subquery()
    )
    statement = (
        select(MessageRow, newest)
        .where(
            col(MessageRow.sent_at) >= since,
            col(MessageRow.sent_at) < before,
            state_is(table_of(MessageRow), (MessageState.ACCEPTED, MessageState.SENT)),
            or_(col(MessageRow.retry_at).is_(None), col(MessageRow.retry_at) <= now),
        )
        .order_by(col(MessageRow.sent_at))
        .limit(limit)
    )
    return [(row, attempt_id) for row, attempt_id in session.exec(statement)]


def wake(session: Session, channel: str, now: datetime) -> None:
    """What was set aside on this channel is due again."""
    table = table_of(MessageRow)
    waiting = (table.c.state == str(MessageState.READY), table.c.channel == channel, table.c.retry_at > now)
    core(session).execute(update(table).where(*waiting).values(retry_at=now))


def overdue(session: Session, before: datetime) -> int:
    """How many messages have waited in the outbox since before this instant."""
    table = table_of(MessageRow)
    statement = core_select(func.count()).where(stands(table, MessageState.READY), table.c.due_at < before)
    return int(core(session).execute(statement).scalar_one())


def left_since(session: Session, since: datetime) -> bool:
    """Has any message left since then? A notice to staff, which may tell that none does, is none."""
    table = table_of(MessageRow)
    left = (table.c.sent_at >= since, table.c.staff_id == 0)
    statement = core_select(table.c.id).where(*left).limit(1)
    return core(session).execute(statement).first() is not None


# ----- scheduled at the provider


def scheduled(session: Session, now: datetime, limit: int, *, all_of_them: bool) -> list[MessageRow]:
    """What the provider keeps until later and must not go out: of those who opted out or whose follow-up is off.

    `all_of_them`: everything that it keeps, whoever it is for. And what was recalled with an end that nobody knows yet.
    """
    message, customer, follow_up = table_of(MessageRow), table_of(CustomerRow), table_of(FollowUpRow)
    off = [str(FollowUpState.CANCELLED), str(FollowUpState.SUPPRESSED)]
    point = table_of(ContactPointRow)
    silent = exists().where(
        point.c.channel == message.c.channel,
        point.c.address == message.c.address,
        point.c.suppressed_because == OPTED_OUT,
        message.c.customer_id != 0,
    )
    statement = (
        select(MessageRow)
        .outerjoin(CustomerRow, customer.c.id == message.c.customer_id)
        .outerjoin(FollowUpRow, follow_up.c.id == message.c.follow_up_id)
        .where(
            stands(message, MessageState.ACCEPTED),
            message.c.leaves_at > now - RECALLED_FOR,
            or_(
                message.c.recalled_at.is_not(None),
                and_(
                    message.c.leaves_at > now,
                    or_(literal(all_of_them), customer.c.opted_out_at.is_not(None), follow_up.c.state.in_(off), silent),
                ),
            ),
        )
        .order_by(message.c.leaves_at)
        .limit(limit)
    )
    return list(session.exec(statement).all())


def recall(session: Session, message_ids: Sequence[int], now: datetime | None) -> None:
    """Remember that these are taken back, before the provider hears of it; None: they have gone, and it is over."""
    table = table_of(MessageRow)
    for chunk in chunks(message_ids):
        core(session).execute(update(table).where(table.c.id.in_(chunk)).values(recalled_at=now))


def to_audit(session: Session, now: datetime, after: timedelta, margin: timedelta, limit: int) -> list[MessageRow]:
    """Scheduled messages of which an earlier attempt may have left a second copy: looked for once."""
    message, attempt = table_of(MessageRow), table_of(AttemptRow)
    newest = core_select(func.max(attempt.c.claimed_at, type_=Instant())).where(attempt.c.message_id == message.c.id)
    statement = (
        select(MessageRow)
        .where(
            stands(message, MessageState.ACCEPTED),
            message.c.leaves_at > now + margin,
            message.c.attempts > 1,
            message.c.audited_at.is_(None),
            newest.scalar_subquery() <= now - after,
        )
        .order_by(message.c.leaves_at)
        .limit(limit)
    )
    return list(session.exec(statement).all())


def note_audited(session: Session, message_id: int, now: datetime) -> None:
    """A second copy was looked for."""
    table = table_of(MessageRow)
    core(session).execute(update(table).where(table.c.id == message_id).values(audited_at=now))


def absent(session: Session, attempt_id: str) -> None:
    """This attempt surely left no copy: the provider would refuse it by now, and has none."""
    table = table_of(AttemptRow)
    core(session).execute(update(table).where(table.c.id == attempt_id).values(outcome="absent"))


def copy_of(row: MessageRow) -> dict[str, Any]:
    """The columns of a new message with the same words to the same person."""
    kept = (*BLANK.keys() - {"state", "attempts"}, "purpose", "channel", "address", "body", "expires_at")
    return {name: getattr(row, name) for name in kept}


def other_channels(session: Session, follow_up_id: int) -> set[str]:
    """The channels on which this follow-up has a message."""
    table = table_of(MessageRow)
    statement = core_select(table.c.channel).where(table.c.follow_up_id == follow_up_id)
    return set(core(session).execute(statement).scalars())


def follow_ups_of(session: Session, rows: Iterable[Outbound | MessageRow]) -> dict[int, FollowUpRow]:
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
