"""Step 4: messages are sent, one effect each; outcomes and receipts are noted; doubt is resolved.

    dispatch      message READY -> SENDING + attempt                   one transaction, durable before any byte leaves
                  the call                                             outside any transaction
                  SENDING -> ACCEPTED | READY | FAILED | UNKNOWN       one transaction
    reconcile     UNKNOWN, and SENDING past its lease -> proof, one new attempt, or a person

A process may die at any point: what it leaves in SENDING is looked up at the provider, never blindly sent again.
Next: replies.py.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlmodel import Session

from bot.channels.contract import Accepted, Channel, NotSent, Outcome, Outgoing, Refused, Trace, Unknown
from bot.errors import Conflict, NotFound
from bot.journey.apply import AUTOMATIC
from bot.journey.outreach import BATCH, Step
from bot.journey.subject import follow_up_line
from bot.runtime import Runtime
from bot.store import customers, follow_ups, messages, settings, surveys, tickets, trail
from bot.store.agenda import STOPPED
from bot.store.rows import move
from bot.store.tables import CustomerRow, FollowUpRow, MessageRow, SurveyRow
from flows import plan
from flows.consent import No, may_still_send
from flows.program import Unanswered
from flows.resurvey import FLOW as RESURVEY
from flows.states import FollowUpState, MessageState, SurveyState
from flows.windows import is_open, is_reachable, next_opening
from messages.catalog import Purpose

CALL = timedelta(seconds=5)
"""A claimed call that has not begun by then is given back."""
LEASE = timedelta(seconds=60)
"""SENDING for longer than this is in doubt: deadline, total timeout and a margin."""
FENCE = timedelta(minutes=10)
"""No copy can turn up later than this after the claim."""
LOOK_AGAIN = timedelta(seconds=60)
ONE_NEW_ATTEMPT = frozenset({Purpose.SURVEY, Purpose.SERVICE, Purpose.STAFF})
"""Purposes for which a second copy does no harm: the same token, or a notice to staff."""


@dataclass(frozen=True)
class _Call:
    """One claimed message: what is sent, and until when the call may begin."""

    message: MessageRow
    attempt_id: str
    begin_before: float


async def dispatch(runtime: Runtime, limit: int = BATCH) -> int:
    """Send what waits in the outbox, first in line first; how many messages were looked at.

    1 claim: one durable transaction, opt-out and expiry asked again.  2 past the deadline: give it back.
    3 the calls, side by side as far as the channel allows.  4 one transaction with the outcomes.
    """
    claimed, looked_at = await runtime.db.beside(_claim, runtime, limit)
    if claimed:
        outcomes = await _call_all(runtime, claimed)
        await runtime.db.beside(_settle, runtime, claimed, outcomes)
    return looked_at


def _claim(runtime: Runtime, limit: int) -> tuple[list[_Call], int]:
    now = runtime.clock.now()
    with runtime.db.write() as session:
        if settings.read(session, STOPPED).get("stopped"):
            return [], 0
        rows = messages.ready(session, now, tuple(runtime.channels), limit)
        if not rows:
            return [], 0
        people = customers.lock(session, (row.customer_id for row in rows if row.customer_id))
        silent = {customer.id for customer in people.values() if customer.opted_out_at is not None}
        willing = {customer.id for customer in people.values() if customer.marketing_consent_at is not None}
        promoted = [row.customer_id for row in rows if row.purpose == Purpose.MARKETING]
        complaining = tickets.with_live(session, promoted)
        sources = messages.follow_ups_of(session, rows)
        calls = []
        lines: list[dict[str, Any]] = []
        for row in rows:
            verdict = may_still_send(
                Purpose(row.purpose),
                row.customer_id in silent,
                row.expires_at,
                now,
                marketing_consent=row.customer_id in willing,
                open_ticket=row.customer_id in complaining,
            )
            source = sources.get(row.follow_up_id)
            if isinstance(verdict, No):
                _refuse(session, row, verdict.because, now, lines)
            elif source is not None and (opens := _opens_later(runtime, source, people[source.customer_id], now)):
                messages.wait(session, row.id, opens)
                lines.append(follow_up_line(now, "moved", "outside window", source, data={"due": opens.isoformat()}))
            else:
                calls.append(_Call(row, runtime.dice.attempt_id(), 0.0))
        messages.claim(session, [(call.message, call.attempt_id) for call in calls], now, CALL, LEASE)
        trail.write(session, lines)
    begin_before = runtime.clock.monotonic() + CALL.total_seconds()
    return [_Call(call.message, call.attempt_id, begin_before) for call in calls], len(rows)


def _refuse(session: Session, row: MessageRow, because: str, now: datetime, lines: list[dict[str, Any]]) -> None:
    expired = because == "expired"
    messages.refuse(session, [row.id], MessageState.EXPIRED if expired else MessageState.SUPPRESSED, because)
    if row.follow_up_id:
        target = FollowUpState.EXPIRED if expired else FollowUpState.SUPPRESSED
        follow_ups.settle(session, [row.follow_up_id], target, reason=because)
        surveys.withdraw_unsent(session, [row.follow_up_id])
    what = "missed" if expired else "skipped"
    lines.append(
        trail.line(now, what, because, customer_id=row.customer_id, message_id=row.id, follow_up_id=row.follow_up_id)
    )


def _opens_later(runtime: Runtime, row: FollowUpRow, customer: CustomerRow, now: datetime) -> datetime | None:
    """When the customer's window that closed since the text was rendered opens again; None: it is open."""
    program = runtime.shelf.version(row.program_version_id)
    step = Step.of(program, row)
    zone = ZoneInfo(customer.zone)
    permits, calendar = step.permits(), runtime.calendar(program.region)
    if step.exempt_from_windows(row):
        open_now = is_reachable(now, permits=permits, zone=zone)
    else:
        open_now = is_open(now, permits=permits, calendar=calendar, zone=zone)
    return None if open_now else next_opening(now, permits=permits, calendar=calendar, zone=zone)


async def _call_all(runtime: Runtime, calls: Sequence[_Call]) -> list[Outcome]:
    """Every call, at most `at_once` side by side on each channel."""
    gates = {name: asyncio.Semaphore(channel.at_once) for name, channel in runtime.channels.items()}

    async def one(call: _Call) -> Outcome:
        async with gates[call.message.channel]:
            if runtime.clock.monotonic() > call.begin_before:
                return NotSent("its turn came too late", retry_after=0)
            return await _send(runtime.channels[call.message.channel], call)

    return list(await asyncio.gather(*(one(call) for call in calls)))


async def _send(channel: Channel, call: _Call) -> Outcome:
    row = call.message
    try:
        return await channel.send(Outgoing(call.attempt_id, row.address, row.body, row.purpose))
    except Exception as error:  # a channel that breaks has left us in doubt, never certain that nothing was sent
        return Unknown(f"{type(error).__name__} in the channel")


def _settle(runtime: Runtime, calls: Sequence[_Call], outcomes: Sequence[Outcome]) -> None:
    now = runtime.clock.now()
    pairs = list(zip(calls, outcomes, strict=True))
    with runtime.db.write() as session:
        # a refusal may end in the customer's row: it is locked before any other, as everywhere
        customers.lock(session, (call.message.customer_id for call, outcome in pairs if isinstance(outcome, Refused)))
        messages.settle(session, [_row_of(call, outcome, now) for call, outcome in pairs])
        note_accepted(session, runtime, [call.message for call, outcome in pairs if isinstance(outcome, Accepted)], now)
        for call, outcome in pairs:
            if isinstance(outcome, Refused):
                surveys.withdraw_unsent(session, [call.message.follow_up_id])
                _note_refused(session, runtime, call.message, outcome, now)


def _row_of(call: _Call, outcome: Outcome, now: datetime) -> dict[str, Any]:
    """What `messages.settle` writes for one outcome."""
    row: dict[str, Any] = {
        "row": call.message.id,
        "attempt": call.attempt_id,
        "at": now,
        "provider_id": None,
        "error": "",
        "retry_at": None,
        "sent_at": None,
    }
    match outcome:
        case Accepted(provider_id=provider_id, delivered=delivered):
            state = MessageState.DELIVERED if delivered else MessageState.ACCEPTED
            return row | {"state": state, "outcome": "accepted", "provider_id": provider_id, "sent_at": now}
        case NotSent(because=because, retry_after=seconds):
            retry_at = now + timedelta(seconds=seconds)
            return row | {"state": MessageState.READY, "outcome": "not_sent", "error": because, "retry_at": retry_at}
        case Refused(because=because):
            return row | {"state": MessageState.FAILED, "outcome": "refused", "error": because}
        case Unknown(because=because):
            retry_at = now + LOOK_AGAIN
            return row | {"state": MessageState.UNKNOWN, "outcome": "unknown", "error": because, "retry_at": retry_at}


def note_accepted(session: Session, runtime: Runtime, rows: Sequence[MessageRow], now: datetime) -> None:
    """The provider has these: their follow-ups are sent, reminders are planned, the trail says so."""
    if not rows:
        return
    sources = messages.follow_ups_of(session, rows)
    follow_ups.settle(session, list(sources), FollowUpState.SENT, sent_at=now)
    trail.write(session, [_sent_line(row, sources.get(row.follow_up_id), now) for row in rows])
    _plan_reminders(session, runtime, [row for row in rows if row.follow_up_id and row.survey_id], sources, now)


def _sent_line(row: MessageRow, source: FollowUpRow | None, now: datetime) -> dict[str, Any]:
    return trail.line(
        now,
        "resurvey" if source and source.flow == RESURVEY else "message",
        row.reason,
        customer_id=row.customer_id,
        program_id=source.program_id if source else "",
        flow=source.flow if source else "",
        follow_up_id=row.follow_up_id,
        message_id=row.id,
        ticket_id=row.ticket_id,
        data={"purpose": row.purpose, "channel": row.channel, "staff": row.staff_id},
    )


def _plan_reminders(
    session: Session, runtime: Runtime, rows: Sequence[MessageRow], sources: Mapping[int, FollowUpRow], now: datetime
) -> None:
    """Reminders of the surveys that these messages have opened (R71)."""
    rows = [row for row in rows if has_reminder(runtime, sources[row.follow_up_id])]
    open_surveys = surveys.by_ids(session, (row.survey_id for row in rows))
    people = customers.by_ids(session, (row.customer_id for row in rows))
    planned = []
    lines = []
    for row in rows:
        source, survey = sources[row.follow_up_id], open_surveys[row.survey_id]
        program = runtime.shelf.version(source.program_version_id)
        zone = ZoneInfo(people[row.customer_id].zone)
        sent_on = now.astimezone(zone).date()
        owner = follow_ups.Owner(program.id, source.program_version_id, now)
        calendar = runtime.calendar(program.region)
        for each in plan.plan_reminders(
            program, source.flow, source.occasion, sent_on, survey.id, survey.closes_at, zone, calendar
        ):
            planned.append((owner, row.customer_id, each, source.event_id))
            data = {"due": each.slot.due_at.isoformat(), "nominal": each.slot.nominal_on.isoformat()}
            line = follow_up_line(now, "planned", each.because, source, data=data)
            lines.append(line | {"flow": each.flow, "follow_up_id": 0})
    follow_ups.plan_many(session, planned)
    trail.write(session, lines)


def has_reminder(runtime: Runtime, source: FollowUpRow) -> bool:
    """Does any flow remind of the survey that this follow-up opened?"""
    program = runtime.shelf.version(source.program_version_id)
    return any(isinstance(flow.on, Unanswered) and flow.on.unanswered == source.flow for flow in program.flows)


def _note_refused(session: Session, runtime: Runtime, row: MessageRow, outcome: Refused, now: datetime) -> None:
    """A definite no: the follow-up is unreachable; a bad number or a refusal to hear from us is remembered."""
    if row.follow_up_id:
        follow_ups.settle(session, [row.follow_up_id], FollowUpState.UNREACHABLE, reason=outcome.because)
    if outcome.suppress:
        customers.suppress_address(session, row.channel, row.address, now, outcome.because)
    if outcome.opted_out and row.customer_id:
        customers.note_consent(session, row.customer_id, "withdrawn", "all", "provider", now, outcome.because)
        because, purposes = "opted out at the provider", [str(purpose) for purpose in AUTOMATIC]
        stopped = follow_ups.suppress(session, row.customer_id, (), because, purposes)
        trail.write(session, [_message_line(now, "opted_out", outcome.because, row)])
        trail.write(session, [follow_up_line(now, "skipped", because, each) for each in stopped])
    trail.write(session, [_message_line(now, "unreachable", outcome.because, row)])


def _message_line(at: datetime, what: str, because: str, row: MessageRow) -> dict[str, Any]:
    return trail.line(
        at,
        what,
        because,
        customer_id=row.customer_id,
        message_id=row.id,
        follow_up_id=row.follow_up_id,
        ticket_id=row.ticket_id,
    )


# ----- receipts and doubt


def note_receipt(runtime: Runtime, attempt_id: str, state: MessageState, provider_id: str, error: str = "") -> bool:
    """What the provider says later of a message; late and out of order it changes nothing. Whether it did."""
    now = runtime.clock.now()
    with runtime.db.write() as session:
        row = messages.by_attempt(session, attempt_id)
        if row is None:
            return False
        customers.lock(session, [row.customer_id])
        before = MessageState(row.state)
        if not messages.raise_state(session, row, state, provider_id, now, error):
            return False
        if state in (MessageState.FAILED, MessageState.UNDELIVERED):
            _note_refused(session, runtime, row, Refused(error or str(state)), now)
        elif before in (MessageState.READY, MessageState.SENDING, MessageState.UNKNOWN, MessageState.HELD):
            note_accepted(session, runtime, [row], now)
    return True


async def reconcile(runtime: Runtime, limit: int = 100) -> int:
    """Resolve what is in doubt: a copy at the provider is proof; after fence and two empty looks the purpose decides.

    Killed in the middle, it simply runs again: every step is idempotent.
    """
    doubtful = await runtime.db.beside(_in_doubt, runtime, limit)
    for row, attempt in doubtful:
        channel = runtime.channels.get(row.channel)
        traces: Sequence[Trace] | None = None
        if channel is not None:
            try:
                traces = await channel.find(row.address, attempt.claimed_at - timedelta(seconds=60))
            except Exception:  # a provider that cannot be asked now is asked again
                await runtime.db.beside(_look_later, runtime, row, attempt)
                continue
        await runtime.db.beside(_resolve, runtime, row, attempt, traces)
    return len(doubtful)


def _in_doubt(runtime: Runtime, limit: int) -> list[Any]:
    """SENDING past its lease becomes UNKNOWN; all that is due for a look."""
    with runtime.db.write() as session:
        doubtful = messages.in_doubt(session, runtime.clock.now(), limit)
        stalled = [row.id for row, _ in doubtful if row.state == MessageState.SENDING]
        messages.doubt(session, stalled, "the sender died or hung")
    return doubtful


def _look_later(runtime: Runtime, row: MessageRow, attempt: Any) -> None:
    with runtime.db.write() as session:
        at = runtime.clock.now() + LOOK_AGAIN
        messages.look_again(session, row.id, attempt.id, at, attempt.empty_reads)


def _resolve(runtime: Runtime, row: MessageRow, attempt: Any, traces: Sequence[Trace] | None) -> None:
    now = runtime.clock.now()
    purpose = Purpose(row.purpose)
    with runtime.db.write() as session:
        proof = _proof(session, row, traces or ())
        if proof is not None:
            state = MessageState.DELIVERED if proof.delivered else MessageState.ACCEPTED
            if messages.raise_state(session, row, state, proof.provider_id, now):
                note_accepted(session, runtime, [row], now)
            return
        if traces is not None:
            empty = attempt.empty_reads + 1
            if empty < 2 or now < attempt.claimed_at + FENCE:
                at = now + LOOK_AGAIN if empty >= 2 or now >= attempt.claimed_at + FENCE else attempt.claimed_at + FENCE
                messages.look_again(session, row.id, attempt.id, max(at, now + LOOK_AGAIN), empty)
                return
        again = traces is not None and purpose in ONE_NEW_ATTEMPT and messages.doubtful_attempts(session, row.id) < 2
        target = MessageState.READY if again else MessageState.HELD
        because = "not found at the provider: one new attempt" if again else "in doubt: a person decides"
        if move(session, MessageRow, row.id, target, retry_at=None, reason=because):
            if not again and row.follow_up_id:
                follow_ups.settle(session, [row.follow_up_id], FollowUpState.HELD, reason=because)
            trail.write(session, [_message_line(now, "retry" if again else "held", because, row)])


def _proof(session: Session, row: MessageRow, traces: Sequence[Trace]) -> Trace | None:
    """The provider's copy of this very text that is not known as another message of ours."""
    same = [trace for trace in traces if trace.body == row.body]
    taken = messages.provider_ids_known(session, row.channel, [trace.provider_id for trace in same])
    return next((trace for trace in same if trace.provider_id not in taken), None)


# ----- surveys that nobody answered


def lapse_surveys(runtime: Runtime, limit: int = BATCH) -> int:
    """Close surveys whose closing date has passed (R58); how many."""
    now = runtime.clock.now()
    with runtime.db.write() as session:
        rows = surveys.lapsed(session, now, limit)
        for row in rows:
            if move(session, SurveyRow, row.id, SurveyState.LAPSED):
                _after_lapse(session, runtime, row, now)
    return len(rows)


def _after_lapse(session: Session, runtime: Runtime, row: SurveyRow, now: datetime) -> None:
    """A silent re-survey leaves its ticket resolved: a manager may close it with a reason."""
    ticket = tickets.get(session, row.ticket_id) if row.ticket_id else None
    because = "no answer before the closing date"
    if ticket is not None:
        because += f"; ticket {ticket.id} stays resolved"
    trail.write(
        session,
        [
            trail.line(
                now,
                "lapsed",
                because,
                customer_id=row.customer_id,
                follow_up_id=row.follow_up_id,
                ticket_id=row.ticket_id,
            )
        ],
    )


# ----- what a person decides


def decide_held(runtime: Runtime, message_id: int, staff_name: str, *, again: bool) -> None:
    """A person settles a message whose outcome nobody can know: one new attempt, or let it go.

    NotFound: there is no such message. Conflict: it is not held any more.
    """
    now = runtime.clock.now()
    target = MessageState.READY if again else MessageState.CANCELLED
    because = f"{'sent again' if again else 'let go'} by {staff_name}"
    with runtime.db.write() as session:
        row = messages.get(session, message_id)
        if row is None:
            raise NotFound(f"there is no message {message_id}")
        if row.state != MessageState.HELD or not move(session, MessageRow, row.id, target, due_at=now, reason=because):
            raise Conflict(f"message {message_id} is {row.state}: it does not wait for a decision")
        if row.follow_up_id:
            follow_ups.settle(session, [row.follow_up_id], FollowUpState.READY if again else FollowUpState.CANCELLED)
            if not again:
                surveys.withdraw_unsent(session, [row.follow_up_id])
        trail.write(session, [_message_line(now, "retry" if again else "cancelled", because, row)])


def set_stopped(runtime: Runtime, staff_name: str, stopped: bool) -> None:
    """The kill switch: while it is set nothing leaves the outbox. Said twice it changes nothing."""
    now = runtime.clock.now()
    with runtime.db.write() as session:
        if bool(settings.read(session, STOPPED).get("stopped")) == stopped:
            return
        settings.write(session, STOPPED, {"stopped": stopped, "by": staff_name, "at": now.isoformat()})
        trail.write(session, [trail.line(now, "stopped" if stopped else "resumed", f"by {staff_name}")])
