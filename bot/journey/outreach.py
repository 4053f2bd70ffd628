"""Step 3: due follow-ups are claimed, consent is asked again, the text is rendered into the outbox.
Step 4: messages are sent, one effect each; outcomes and receipts are noted; doubt is resolved.

    prepare_due   follow-up PLANNED -> READY + message READY           one transaction
    dispatch      message READY -> SENDING + attempt                   one transaction, durable before any byte leaves
                  the call                                             outside any transaction
                  SENDING -> ACCEPTED | READY | FAILED | UNKNOWN       one transaction
    reconcile     UNKNOWN, and SENDING past its lease -> proof, one new attempt, or a person

A process may die at any point: what it leaves in SENDING is looked up at the provider, never blindly sent again.
Next: replies.py.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from sqlmodel import Session

from bot.channels.contract import Accepted, Channel, NotSent, Outcome, Outgoing, Refused, Trace, Unknown
from bot.journey import wording
from bot.journey.apply import AUTOMATIC, apply, set_class
from bot.journey.subject import Subject
from bot.runtime import Runtime
from bot.shelf import InForce
from bot.store import customers, events, follow_ups, messages, settings, surveys, tickets, trail
from bot.store.rows import move
from bot.store.tables import ContactPointRow, CustomerRow, EnrolmentRow, FollowUpRow, MessageRow, SurveyRow, TicketRow
from flows import plan
from flows.audience import holds
from flows.consent import CAPPED, Later, No, Standing, may_contact, may_still_send
from flows.program import Flow, OnFestival, OnSilence, Program, Resurvey, Unanswered
from flows.resurvey import FLOW as RESURVEY
from flows.states import FollowUpState, MessageState, SurveyState, TicketState
from flows.timing import NO_PERMITTED_DAY, SOFT_OVERRIDE, Permits, add_to_instant, is_open, is_reachable, next_opening
from messages.catalog import Purpose

T = TypeVar("T")
BATCH = 500
CALL = timedelta(seconds=5)
"""A claimed call that has not begun by then is given back."""
LEASE = timedelta(seconds=60)
"""SENDING for longer than this is in doubt: deadline, total timeout and a margin."""
FENCE = timedelta(minutes=10)
"""No copy can turn up later than this after the claim."""
LOOK_AGAIN = timedelta(seconds=60)
ONE_NEW_ATTEMPT = frozenset({Purpose.SURVEY, Purpose.SERVICE, Purpose.STAFF})
"""Purposes for which a second copy does no harm: the same token, or a notice to staff."""
STOPPED = "outreach"
"""Name of the kill switch among the settings."""


# ----- step 3


@dataclass
class _Due:
    """What is known of a batch of due follow-ups, loaded at once."""

    people: Mapping[int, CustomerRow]
    enrolments: Mapping[tuple[int, str], EnrolmentRow]
    points: Mapping[int, list[ContactPointRow]]
    recent: dict[int, tuple[datetime, ...]]
    complaining: set[int]
    lines: list[dict[str, Any]] = field(default_factory=list)


def prepare_due(runtime: Runtime, limit: int = BATCH) -> int:
    """Turn due follow-ups into messages in the outbox, or into a line that says why not. How many were looked at."""
    runtime.shelf.refresh()
    now = runtime.clock.now()
    with runtime.db.write() as session:
        rows = follow_ups.due(session, now, limit)
        if not rows:
            return 0
        due = _load(session, rows, now)
        for row in rows:
            _prepare(session, runtime, due, row, now)
        trail.write(session, due.lines)
    return len(rows)


def next_prepare(runtime: Runtime) -> datetime | None:
    with runtime.db.read() as session:
        return follow_ups.next_due(session)


def _load(session: Session, rows: Sequence[FollowUpRow], now: datetime) -> _Due:
    ids = [row.customer_id for row in rows]
    return _Due(
        people=customers.lock(session, ids),
        enrolments=customers.enrolments_by_customer(session, ids),
        points=customers.points_of(session, ids),
        recent=messages.recent_by_customer(session, ids, now - timedelta(days=31)),
        complaining=tickets.with_live(session, ids),
    )


def _prepare(session: Session, runtime: Runtime, due: _Due, row: FollowUpRow, now: datetime) -> None:
    """One due follow-up: still wanted? allowed? reachable? Then its message."""
    program = runtime.shelf.version(row.program_version_id)
    customer = due.people[row.customer_id]
    enrolment = due.enrolments.get((customer.id, program.id))
    subject = Subject(runtime, InForce(row.program_version_id, program), customer, enrolment, now)
    step = _Step.of(program, row)

    def settle(target: FollowUpState, what: str, because: str) -> None:
        move(session, FollowUpRow, row.id, target, reason=because)
        due.lines.append(_line(now, what, because, row))

    if row.expires_at is not None and now >= row.expires_at:
        return settle(FollowUpState.EXPIRED, "missed", "expired: its time had passed")
    gone = _no_longer_wanted(session, step, subject, row)
    if gone:
        return settle(FollowUpState.CANCELLED, "cancelled", gone)
    if step.flow and step.flow.set_class:
        set_class(session, subject, step.flow.set_class, f"{row.reason} ({step.flow.id})")
    if step.template is None:
        return settle(FollowUpState.SENT, "done", row.reason)
    point = _first_usable(runtime, due.points.get(customer.id, []), step.channels)
    if point is None:
        return settle(FollowUpState.UNREACHABLE, "unreachable", "no usable channel")
    allowed = may_contact(
        Purpose(row.purpose),
        _standing(customer, enrolment, due),
        now,
        permits=step.permits(row),
        calendar=subject.calendar,
        cap=program.cap,
        exempt_from_cap=step.exempt_from_cap,
        exempt_from_windows=step.exempt_from_windows(row),
    )
    if isinstance(allowed, No):
        return settle(FollowUpState.SUPPRESSED, "skipped", allowed.because)
    if isinstance(allowed, Later):
        return _wait(session, due, row, customer, allowed)
    _put(session, subject, due, row, step, point)
    return None


@dataclass(frozen=True)
class _Step:
    """What a follow-up sends: from its flow, or from the program's way to ask again."""

    program: Program
    flow: Flow | None
    template: str | None
    survey: str | None
    channels: tuple[str, ...]
    exempt_from_cap: bool
    resurvey: Resurvey | None = None

    @staticmethod
    def of(program: Program, row: FollowUpRow) -> "_Step":
        if row.flow == RESURVEY:
            rule = program.callback.resurvey
            return _Step(program, None, rule.template, rule.survey, ("sms", "telegram"), True, rule)
        flow = program.flow(row.flow)
        if flow.message is None:
            return _Step(program, flow, None, None, (), True)
        name = flow.message.template.replace("{festival}", _festival_of(row))
        exempt = flow.exempt_from_cap or flow.same_day
        return _Step(program, flow, name, flow.message.survey, flow.message.channels, exempt)

    def permits(self, row: FollowUpRow) -> Permits:
        return self.program.permits(self.flow, self.resurvey.off_days if self.resurvey else None)

    def exempt_from_windows(self, row: FollowUpRow) -> bool:
        """Greetings go out on the day itself, and a slot may have been placed outside on purpose."""
        if self.flow is not None and isinstance(self.flow.on, OnFestival):
            return True
        return SOFT_OVERRIDE in row.reason or NO_PERMITTED_DAY in row.reason


def _festival_of(row: FollowUpRow) -> str:
    kind, _, rest = row.occasion.partition(":")
    return rest.split(":")[0] if kind == "festival" else ""


def _no_longer_wanted(session: Session, step: _Step, subject: Subject, row: FollowUpRow) -> str | None:
    """Why a follow-up that was right when planned is not right any more (horizon: the claim re-checks)."""
    if step.flow is None:
        ticket = tickets.get(session, row.ticket_id)
        waits = ticket is not None and ticket.state == TicketState.RESOLVED
        subject.ticket = ticket
        return None if waits else "the ticket no longer waits for an answer"
    today = subject.now.astimezone(subject.zone).date()
    if not holds(step.flow.audience, subject.facts.facts(today)):
        return "no longer in the audience"
    match step.flow.on:
        case OnSilence() if subject.enrolment and row.occasion != f"silent:{subject.enrolment.activity_on}":
            return f"active again on {subject.enrolment.activity_on}"
        case Unanswered(unanswered=flow):
            survey = surveys.of_occasion(session, row.customer_id, row.program_id, flow, row.occasion)
            if survey is None or survey.state != SurveyState.OPEN:
                return "the survey no longer waits"
            if surveys.answers_of(session, survey.id):
                return "answered"
            subject.survey = survey
    return None


def _first_usable(
    runtime: Runtime, points: Sequence[ContactPointRow], channels: Sequence[str]
) -> ContactPointRow | None:
    for channel in channels:
        if channel in runtime.channels:
            for point in points:
                if point.channel == channel:
                    return point
    return None


def _standing(customer: CustomerRow, enrolment: EnrolmentRow | None, due: _Due) -> Standing:
    flags = enrolment.flags if enrolment else {}
    return Standing(
        zone=ZoneInfo(customer.zone),
        opted_out=customer.opted_out_at is not None,
        marketing_consent=customer.marketing_consent_at is not None,
        open_ticket=customer.id in due.complaining,
        paused_until=enrolment.paused_until if enrolment else None,
        anonymous=bool(flags.get("anonymous")),
        leader_introduced=bool(flags.get("leader_introduced")),
        recent=due.recent.get(customer.id, ()),
    )


def _wait(session: Session, due: _Due, row: FollowUpRow, customer: CustomerRow, later: Later) -> None:
    """Move it to when it is allowed, while its deadline holds."""
    if row.expires_at is not None and later.at >= row.expires_at:
        because = f"{later.because}: not allowed before its deadline"
        move(session, FollowUpRow, row.id, FollowUpState.SUPPRESSED, reason=because)
        due.lines.append(_line(later.at, "skipped", because, row) | {"at": max(row.due_at, row.planned_at)})
        return
    follow_ups.defer(session, row.id, later.at, later.at.astimezone(ZoneInfo(customer.zone)).date())
    because = f"{later.because} -> moved"
    due.lines.append(_line(row.due_at, "moved", because, row, data={"due": later.at.isoformat()}))


def _put(session: Session, subject: Subject, due: _Due, row: FollowUpRow, step: _Step, point: ContactPointRow) -> None:
    """Open the survey, render the text, put it into the outbox: READY."""
    program, customer, now = step.program, subject.customer, subject.now
    assert step.template is not None
    survey = subject.survey or _open_survey(session, subject, row, step, point)
    question = program.surveys[survey.survey].question(survey.asked) if survey else None
    event = events.get(session, row.event_id) if row.event_id else None
    item_field = program.events[event.type].item if event and event.type in program.events else None
    variables = wording.variables_for(
        subject.runtime,
        program,
        customer,
        survey=survey,
        question=question,
        ticket=subject.ticket,
        data=event.data if event else None,
        item=str(event.data[item_field]) if event and item_field and event.data.get(item_field) else None,
        occurred_on=event.occurred_at.astimezone(subject.zone).date() if event else None,
        festival=_festival_of(row) or None,
    )
    columns = wording.compose(subject.runtime, program, step.template, customer.language, customer.zone, variables)
    counts = Purpose(row.purpose) in CAPPED and not step.exempt_from_cap
    messages.put(
        session,
        {
            **columns,
            "reason": row.reason,
            "dedupe_key": f"follow-up:{row.id}:1:{point.channel}",
            "customer_id": customer.id,
            "follow_up_id": row.id,
            "survey_id": survey.id if survey else 0,
            "ticket_id": row.ticket_id,
            "purpose": row.purpose,
            "counts": counts,
            "channel": point.channel,
            "address": point.address,
            "created_at": now,
            "due_at": now,
            "expires_at": row.expires_at,
        },
    )
    if counts:
        due.recent[customer.id] = (*due.recent.get(customer.id, ()), now)
    move(session, FollowUpRow, row.id, FollowUpState.READY)


def _open_survey(
    session: Session, subject: Subject, row: FollowUpRow, step: _Step, point: ContactPointRow
) -> SurveyRow | None:
    if step.survey is None:
        return None
    survey = step.program.surveys[step.survey]
    return surveys.open_(
        session,
        {
            "token": subject.runtime.dice.token(),
            "customer_id": row.customer_id,
            "follow_up_id": row.id,
            "ticket_id": row.ticket_id,
            "round": subject.ticket.round if subject.ticket else 0,
            "program_version_id": row.program_version_id,
            "survey": step.survey,
            "channel": point.channel,
            "asked": survey.asked[0].id,
            "opened_at": subject.now,
            "closes_at": add_to_instant(subject.now, survey.closes_after, subject.zone),
        },
    )


def _line(at: datetime, what: str, because: str, row: FollowUpRow, **known: Any) -> dict[str, Any]:
    return trail.line(
        at,
        what,
        because,
        customer_id=row.customer_id,
        program_id=row.program_id,
        flow=row.flow,
        follow_up_id=row.id,
        ticket_id=row.ticket_id,
        **known,
    )


# ----- step 4


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
    claimed, looked_at = await _in_thread(runtime, _claim, limit)
    if claimed:
        outcomes = await _call_all(runtime, claimed)
        await _in_thread(runtime, _settle, claimed, outcomes)
    return looked_at


def next_dispatch(runtime: Runtime) -> datetime | None:
    with runtime.db.read() as session:
        if settings.read(session, STOPPED).get("stopped"):
            return None
        return messages.next_ready(session)


async def _in_thread(runtime: Runtime, step: Callable[..., T], *args: Any) -> T:
    """Database work beside the event loop; in it where the database lives in memory and has one thread."""
    if runtime.db.in_memory:
        return step(runtime, *args)
    return await asyncio.to_thread(step, runtime, *args)


def _claim(runtime: Runtime, limit: int) -> tuple[list[_Call], int]:
    now = runtime.clock.now()
    with runtime.db.write() as session:
        if settings.read(session, STOPPED).get("stopped"):
            return [], 0
        rows = messages.ready(session, now, tuple(runtime.channels), limit)
        if not rows:
            return [], 0
        silent = messages.opted_out(session, (row.customer_id for row in rows))
        sources = messages.follow_ups_of(session, [row.id for row in rows if row.follow_up_id])
        people = customers.by_ids(session, (source.customer_id for source in sources.values()))
        calls = []
        lines: list[dict[str, Any]] = []
        for row in rows:
            verdict = may_still_send(Purpose(row.purpose), row.customer_id in silent, row.expires_at, now)
            source = sources.get(row.id)
            if isinstance(verdict, No):
                _refuse(session, row, verdict.because, now, lines)
            elif source is not None and (opens := _opens_later(runtime, source, people[source.customer_id], now)):
                messages.wait(session, row.id, opens)
                lines.append(_line(now, "moved", "outside window", source, data={"due": opens.isoformat()}))
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
    what = "missed" if expired else "skipped"
    lines.append(
        trail.line(now, what, because, customer_id=row.customer_id, message_id=row.id, follow_up_id=row.follow_up_id)
    )


def _opens_later(runtime: Runtime, row: FollowUpRow, customer: CustomerRow, now: datetime) -> datetime | None:
    """When the customer's window that closed since the text was rendered opens again; None: it is open."""
    program = runtime.shelf.version(row.program_version_id)
    step = _Step.of(program, row)
    zone = ZoneInfo(customer.zone)
    permits, calendar = step.permits(row), runtime.calendar(program.region)
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
    with runtime.db.write() as session:
        messages.settle(session, [_row_of(call, outcome, now) for call, outcome in zip(calls, outcomes, strict=True)])
        accepted = [
            call.message for call, outcome in zip(calls, outcomes, strict=True) if isinstance(outcome, Accepted)
        ]
        note_accepted(session, runtime, accepted, now)
        for call, outcome in zip(calls, outcomes, strict=True):
            if isinstance(outcome, Refused):
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
    ids = [row.follow_up_id for row in rows if row.follow_up_id]
    follow_ups.settle(session, ids, FollowUpState.SENT, sent_at=now)
    sources = messages.follow_ups_of(session, [row.id for row in rows if row.follow_up_id])
    lines = []
    for row in rows:
        source = sources.get(row.id)
        lines.append(
            trail.line(
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
        )
        if source is not None and row.survey_id:
            _plan_reminders(session, runtime, row, source, now)
    trail.write(session, lines)


def _plan_reminders(session: Session, runtime: Runtime, row: MessageRow, source: FollowUpRow, now: datetime) -> None:
    """Reminders of the survey that this message has opened (R71)."""
    program = runtime.shelf.version(source.program_version_id)
    survey = surveys.get(session, row.survey_id)
    customer = customers.get(session, row.customer_id)
    if survey is None or customer is None or survey.state != SurveyState.OPEN:
        return
    zone = ZoneInfo(customer.zone)
    planned = plan.plan_reminders(
        program,
        source.flow,
        source.occasion,
        now.astimezone(zone).date(),
        survey.closes_at,
        zone,
        runtime.calendar(program.region),
    )
    if planned:
        in_force = InForce(source.program_version_id, program)
        subject = Subject(runtime, in_force, customer, None, now, event_id=source.event_id)
        apply(session, subject, planned)


def _note_refused(session: Session, runtime: Runtime, row: MessageRow, outcome: Refused, now: datetime) -> None:
    """A definite no: the follow-up is unreachable; a bad number or a refusal to hear from us is remembered."""
    if row.follow_up_id:
        follow_ups.settle(session, [row.follow_up_id], FollowUpState.UNREACHABLE, reason=outcome.because)
    if outcome.suppress:
        customers.suppress_address(session, row.channel, row.address, now, outcome.because)
    if outcome.opted_out and row.customer_id:
        customers.note_consent(session, row.customer_id, "withdrawn", "all", "provider", now, outcome.because)
        purposes = [str(purpose) for purpose in AUTOMATIC]
        follow_ups.cancel_all(session, row.customer_id, "opted out at the provider", purposes)
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
        before = MessageState(row.state)
        if not messages.raise_state(session, row, state, provider_id, error):
            return False
        if state in (MessageState.FAILED, MessageState.UNDELIVERED):
            _note_refused(session, runtime, row, Refused(error or str(state)), now)
        elif before in (MessageState.SENDING, MessageState.UNKNOWN, MessageState.HELD):
            note_accepted(session, runtime, [row], now)
    return True


async def reconcile(runtime: Runtime, limit: int = 100) -> int:
    """Resolve what is in doubt: a copy at the provider is proof; after the fence and two empty looks the purpose decides.

    Killed in the middle, it simply runs again: every step is idempotent.
    """
    doubtful = await _in_thread(runtime, _in_doubt, limit)
    for row, attempt in doubtful:
        channel = runtime.channels.get(row.channel)
        traces: Sequence[Trace] | None = None
        if channel is not None:
            try:
                traces = await channel.find(row.address, attempt.claimed_at - timedelta(seconds=60))
            except Exception:  # a provider that cannot be asked now is asked again
                await _in_thread(runtime, _look_later, row, attempt)
                continue
        await _in_thread(runtime, _resolve, row, attempt, traces)
    return len(doubtful)


def next_reconcile(runtime: Runtime) -> datetime | None:
    with runtime.db.read() as session:
        return messages.next_in_doubt(session)


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
            if messages.raise_state(session, row, state, proof.provider_id):
                note_accepted(session, runtime, [row], now)
            return
        if traces is not None:
            empty = attempt.empty_reads + 1
            if empty < 2 or now < attempt.claimed_at + FENCE:
                at = now + LOOK_AGAIN if empty >= 2 or now >= attempt.claimed_at + FENCE else attempt.claimed_at + FENCE
                messages.look_again(session, row.id, attempt.id, max(at, now + LOOK_AGAIN), empty)
                return
        again = traces is not None and purpose in ONE_NEW_ATTEMPT and row.attempts < 2
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


def next_lapse(runtime: Runtime) -> datetime | None:
    with runtime.db.read() as session:
        return surveys.next_closing(session)


def _after_lapse(session: Session, runtime: Runtime, row: SurveyRow, now: datetime) -> None:
    """A silent re-survey leaves its ticket resolved: a manager may close it with a reason."""
    ticket: TicketRow | None = tickets.get(session, row.ticket_id) if row.ticket_id else None
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
