"""Step 4: messages are sent, one effect each.

    dispatch      message READY -> SENDING + attempt                   one transaction, durable before any byte leaves
                  the call                                             outside any transaction
                  SENDING -> ACCEPTED | READY | FAILED | UNKNOWN       one transaction

Who carries a message and how much may leave: senders.py, limits.py. A process may die at any point: what it leaves in
SENDING is looked up at the provider, never blindly sent again: receipts.py. What a definite no leads to: refusals.py.
"""

import asyncio
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from sqlmodel import Session

from bot.channels.contract import Accepted, Button, NotSent, Outcome, Outgoing, Refused, Unknown
from bot.errors import Conflict, NotFound
from bot.journey import refusals, senders
from bot.journey.limits import Limits
from bot.journey.outreach import BATCH, Step
from bot.journey.senders import Lanes, Slot
from bot.journey.subject import follow_up_line
from bot.phones import forbidden_country
from bot.runtime import Runtime
from bot.store import customers, follow_ups, messages, settings, surveys, tickets, trail
from bot.store.agenda import STOPPED
from bot.store.customers import Consent
from bot.store.follow_ups import Brief
from bot.store.messages import Claim, Outbound, Result, Waiting
from bot.store.rows import move
from bot.store.tables import MessageRow
from flows import plan
from flows.consent import ALWAYS, No, may_still_send
from flows.own_times import own_times
from flows.resurvey import FLOW as RESURVEY
from flows.states import FollowUpState, MessageState
from flows.triggers import Unanswered
from flows.windows import ANY_TIME, OwnTimes, next_moment
from messages.catalog import Purpose

CALL = timedelta(seconds=5)
"""A claimed call that has not begun by then is given back."""
LEASE = timedelta(seconds=60)
"""SENDING for longer than this is in doubt: deadline, total timeout and a margin."""
LOOK_AGAIN = timedelta(seconds=60)
STOP_SEEN_WITHIN = 0.5
"""Seconds after which a running batch of calls looks at the kill switch again."""


class _Call(NamedTuple):
    """One claimed message: what is sent, and between which two moments (monotonic seconds) the call may begin."""

    message: Outbound
    claim: Claim
    begin_at: float
    begin_before: float


@dataclass
class _Batch:
    """What is known of a batch of waiting messages, and what has been judged so far."""

    runtime: Runtime
    now: datetime
    lanes: Lanes
    limits: Limits
    people: dict[int, Consent]
    complaining: set[int]
    silent: set[tuple[str, str]]
    sources: dict[int, Brief]
    busy: set[tuple[str, str]]
    claims: list[tuple[Claim, Slot]] = field(default_factory=list)
    rests: dict[datetime, list[int]] = field(default_factory=dict)
    waits: list[tuple[int, datetime]] = field(default_factory=list)
    refused: dict[tuple[MessageState, str], list[Outbound]] = field(default_factory=dict)
    lines: list[dict[str, Any]] = field(default_factory=list)
    openings: dict[Any, datetime | None] = field(default_factory=dict)


async def dispatch(runtime: Runtime, only: str = "", limit: int = BATCH) -> int:
    """Send what waits in the outbox, first in line first; how many messages were looked at.

    `only`: on this channel, so that one whose provider is slow holds up no other; empty: on all of them.

    1 claim: one durable transaction, opt-out and expiry asked again.  2 past the deadline: give it back.
    3 the calls, side by side as far as the channel allows.  4 one transaction with the outcomes.
    """
    calls, sources, looked_at = await runtime.db.beside(_claim, runtime, only, limit)
    if calls:
        outcomes = await _call_all(runtime, calls)
        await runtime.db.beside(_settle, runtime, calls, outcomes, sources)
    return looked_at


def _claim(runtime: Runtime, only: str, limit: int) -> tuple[list[_Call], dict[int, Brief], int]:
    with runtime.db.write() as session:
        if settings.read(session, STOPPED).get("stopped"):
            return [], {}, 0
        # only now, when the wait for other writers is over: every deadline counts from here
        now, begun = runtime.clock.now(), runtime.clock.monotonic()
        lanes = Lanes(session, runtime, now)
        rows = [row for names, room in lanes.rooms(limit, only) for row in messages.ready(session, now, names, room)]
        if not rows:
            return [], {}, 0
        batch = _load(session, runtime, rows, lanes, now)
        for row in rows:
            _judge(batch, row.message)
        _write(session, batch)
    begin_before = begun + CALL.total_seconds()
    calls = [
        _Call(claim.message, claim, begun + (slot.at - now).total_seconds(), begin_before)
        for claim, slot in batch.claims
    ]
    return calls, batch.sources, len(rows)


def _load(session: Session, runtime: Runtime, rows: Sequence[Waiting], lanes: Lanes, now: datetime) -> _Batch:
    sources = {row.source.id: row.source for row in rows if row.source}
    promoted = [row.message.customer_id for row in rows if row.message.purpose == Purpose.MARKETING]
    return _Batch(
        runtime=runtime,
        now=now,
        lanes=lanes,
        limits=Limits.open(session, runtime, sources, now),
        people={row.person.id: row.person for row in rows if row.person},
        complaining=tickets.with_live(session, promoted),
        silent=customers.silent_addresses(session, (row.person.id for row in rows if row.person)),
        sources=sources,
        busy=lanes.busy([row.message for row in rows]),
    )


def _judge(batch: _Batch, row: Outbound) -> None:
    """One waiting message: still allowed? its window open? a sender free? What follows is kept in the batch."""
    leaves_at = _leaves_at(batch, row)
    at = leaves_at or batch.now
    because = _forbidden(batch, row, at)
    if because:
        state = MessageState.EXPIRED if because == "expired" else MessageState.SUPPRESSED
        batch.refused.setdefault((state, because), []).append(row)
        return None
    source = batch.sources.get(row.follow_up_id)
    if source is not None and (opens := _opens_later(batch, source, at)):
        return _wait(batch, row, source, "outside window", opens)
    if (row.channel, row.address) in batch.busy:
        return _rest(batch, row, batch.now + batch.lanes.pause_per_address(row.channel))
    over = batch.limits.reason_to_wait(row, source)
    if over:
        return _wait(batch, row, source, over, batch.limits.tomorrow)
    slot = batch.lanes.give(row)
    if isinstance(slot, datetime):
        return _rest(batch, row, slot)
    batch.limits.count(row, source)
    claim = Claim(row, batch.runtime.dice.attempt_id(), slot.sender, leaves_at)
    batch.claims.append((claim, slot))
    if batch.lanes.pause_per_address(row.channel):
        batch.busy.add((row.channel, row.address))
    return None


def _leaves_at(batch: _Batch, row: Outbound) -> datetime | None:
    """When the provider lets it go, where what is not urgent is scheduled there; None: at once."""
    ahead = batch.runtime.channels[row.channel].ahead
    return None if ahead is None or row.purpose in ALWAYS else batch.now + ahead


def _forbidden(batch: _Batch, row: Outbound, at: datetime) -> str | None:
    person = batch.people.get(row.customer_id)
    verdict = may_still_send(
        Purpose(row.purpose),
        (person is not None and person.opted_out_at is not None) or (row.channel, row.address) in batch.silent,
        row.expires_at,
        at,
        marketing_consent=person is not None and person.marketing_consent_at is not None,
        open_ticket=row.customer_id in batch.complaining,
    )
    if isinstance(verdict, No):
        return verdict.because
    countries = batch.runtime.settings.countries
    return forbidden_country(countries, row.address) if countries else None


def _opens_later(batch: _Batch, row: Brief, at: datetime) -> datetime | None:
    """When the customer's window that is closed at this instant opens again; None: it is open."""
    runtime = batch.runtime
    person = batch.people[row.customer_id]
    own = own_times(person.windows) if person.windows else None
    key = (row.program_version_id, row.flow, row.reason, person.zone, at, own)
    if key not in batch.openings:
        batch.openings[key] = _opening(runtime, row, ZoneInfo(person.zone), own or ANY_TIME, at)
    return batch.openings[key]


def _opening(runtime: Runtime, row: Brief, zone: ZoneInfo, own: OwnTimes, at: datetime) -> datetime | None:
    step = Step.of(runtime.shelf.version(row.program_version_id), row)
    permits, calendar = step.permits().of_customer(own), runtime.calendar(step.program)
    opens = next_moment(at, permits=permits, calendar=calendar, zone=zone, exempt=step.exempt_from_windows(row))
    return opens if opens > at else None


def _wait(batch: _Batch, row: Outbound, source: Brief | None, because: str, until: datetime) -> None:
    batch.waits.append((row.id, until))
    if source is not None:
        line = follow_up_line(batch.now, "moved", because, source, data={"due": until.isoformat()})
    else:
        line = message_line(batch.now, "moved", because, row, data={"due": until.isoformat()})
    batch.lines.append(line)


def _rest(batch: _Batch, row: Outbound, until: datetime) -> None:
    batch.rests.setdefault(until, []).append(row.id)


def _write(session: Session, batch: _Batch) -> None:
    """Everything that was judged, durable before any byte leaves."""
    messages.claim(session, [claim for claim, _ in batch.claims], batch.now, CALL, LEASE)
    for until, ids in batch.rests.items():
        messages.rest(session, ids, until)
    for row_id, until in batch.waits:
        messages.wait(session, row_id, until)
    for (state, because), rows in batch.refused.items():
        _withdraw(session, batch, rows, state, because)
    batch.lanes.close()
    batch.limits.close(session, batch.runtime, batch.now)
    trail.write(session, batch.lines)


def _withdraw(session: Session, batch: _Batch, rows: Sequence[Outbound], state: MessageState, because: str) -> None:
    messages.refuse(session, [row.id for row in rows], state, because)
    expired = state is MessageState.EXPIRED
    ids = [row.follow_up_id for row in rows if row.follow_up_id]
    target = FollowUpState.EXPIRED if expired else FollowUpState.SUPPRESSED
    follow_ups.settle(session, ids, target, reason=because)
    surveys.withdraw_unsent(session, ids)
    batch.lines.extend(message_line(batch.now, "missed" if expired else "skipped", because, row) for row in rows)


# ----- the calls


async def _call_all(runtime: Runtime, calls: Sequence[_Call]) -> list[Outcome]:
    """Every call, each in its slot, at most `at_once` side by side on each channel."""
    outcomes: dict[int, Outcome] = {}
    switch = _Switch(runtime)
    by_channel: dict[str, list[_Call]] = {}
    for call in sorted(calls, key=lambda each: each.begin_at):
        by_channel.setdefault(call.message.channel, []).append(call)

    async def work(waiting: Iterator[_Call]) -> None:
        for call in waiting:
            outcomes[call.message.id] = await _call_one(runtime, switch, call)

    workers: list[Coroutine[Any, Any, None]] = []
    for name, mine in by_channel.items():
        waiting = iter(mine)
        workers.extend(work(waiting) for _ in range(min(runtime.channels[name].at_once, len(mine))))
    await asyncio.gather(*workers)
    return [outcomes[call.message.id] for call in calls]


async def _call_one(runtime: Runtime, switch: "_Switch", call: _Call) -> Outcome:
    clock = runtime.clock
    if (early := call.begin_at - (now := clock.monotonic())) > 0:
        await clock.sleep(early)
        now = clock.monotonic()
    if switch.is_stale(now):
        await switch.look(now)
        now = clock.monotonic()
    if switch.is_off:
        return NotSent("everything is stopped", retry_after=0)
    if now > call.begin_before:
        return NotSent("its turn came too late", retry_after=0)
    row = call.message
    try:
        return await runtime.channels[row.channel].send(
            Outgoing(
                call.claim.attempt_id,
                row.address,
                row.body,
                row.purpose,
                call.claim.sender,
                call.claim.leaves_at,
                row.expires_at,
                row.title,
                tuple([tuple([Button(label, data) for label, data in line]) for line in row.buttons]),
            )
        )
    except Exception as error:  # a channel that breaks has left us in doubt, never certain that nothing was sent
        return Unknown(f"{type(error).__name__} in the channel")


class _Switch:
    """The kill switch, as a running batch sees it: at most half a second old."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._looked_at = runtime.clock.monotonic()
        self.is_off = False

    def is_stale(self, now: float) -> bool:
        return now - self._looked_at > STOP_SEEN_WITHIN

    async def look(self, now: float) -> None:
        self._looked_at = now
        self.is_off = await self._runtime.db.beside(self._read)

    def _read(self) -> bool:
        with self._runtime.db.read() as session:
            return bool(settings.read(session, STOPPED).get("stopped"))


# ----- what the calls came to


def _settle(
    runtime: Runtime, calls: Sequence[_Call], outcomes: Sequence[Outcome], sources: Mapping[int, Brief]
) -> None:
    now = runtime.clock.now()
    pairs = list(zip(calls, outcomes, strict=True))
    with runtime.db.write() as session:
        # a refusal may end in the customer's row: it is locked before any other, as everywhere
        customers.lock(session, (call.message.customer_id for call, out in pairs if isinstance(out, Refused)))
        results = [_result(call, outcome, now) for call, outcome in pairs]
        # a receipt or a look-up may have been faster, or others took over from a sender that stood still
        news = messages.settle(session, results)
        messages.finish(session, results, now)
        accepted = [call.message for call, outcome in pairs if isinstance(outcome, Accepted)]
        note_accepted(session, runtime, [row for row in accepted if row.id in news], sources, now)
        for call, outcome in pairs:
            if isinstance(outcome, Refused) and call.message.id in news:
                refusals.settle_refused(session, runtime, call.message.id, outcome, now)
        _give_back(session, runtime, pairs, dict(sources), now)
    senders.note_outcomes(
        runtime, senders.told_of((call.message, call.claim.sender, outcome) for call, outcome in pairs)
    )


def _result(call: _Call, outcome: Outcome, now: datetime) -> Result:
    """What is kept of one outcome."""
    ids = (call.message.id, call.claim.attempt_id, call.message.attempts + 1)
    match outcome:
        case Accepted(provider_id=provider_id, delivered=delivered):
            state = MessageState.DELIVERED if delivered else MessageState.ACCEPTED
            return Result(*ids, state, "accepted", provider_id, sent_at=call.claim.leaves_at or now)
        case NotSent(because=because, retry_after=seconds):
            retry_at = now + timedelta(seconds=seconds)
            return Result(*ids, MessageState.READY, "not_sent", error=because, retry_at=retry_at)
        case Refused(because=because):
            return Result(*ids, MessageState.FAILED, "refused", error=because)
        case Unknown(because=because):
            return Result(*ids, MessageState.UNKNOWN, "unknown", error=because, retry_at=now + LOOK_AGAIN)


def _give_back(
    session: Session,
    runtime: Runtime,
    pairs: Sequence[tuple[_Call, Outcome]],
    sources: dict[int, Brief],
    now: datetime,
) -> None:
    """What did not leave does not count for the limits."""
    back = [call.message for call, outcome in pairs if isinstance(outcome, NotSent)]
    if back:
        limits = Limits.open(session, runtime, sources, now)
        for row in back:
            limits.give_back(row, sources.get(row.follow_up_id))
        limits.close(session, runtime, now)


def note_accepted(
    session: Session,
    runtime: Runtime,
    rows: Sequence[Outbound | MessageRow],
    sources: Mapping[int, Brief],
    now: datetime,
) -> None:
    """The provider has these: their follow-ups are sent, reminders are planned, the trail says so."""
    if not rows:
        return
    follow_ups.settle(session, [row.follow_up_id for row in rows if row.follow_up_id], FollowUpState.SENT, sent_at=now)
    trail.write(session, [_sent_line(runtime, row, sources.get(row.follow_up_id), now) for row in rows])
    _plan_reminders(session, runtime, [row for row in rows if row.follow_up_id and row.survey_id], sources, now)


def _sent_line(runtime: Runtime, row: Outbound | MessageRow, source: Brief | None, now: datetime) -> dict[str, Any]:
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
        data=_sent_data(row.purpose, row.channel, row.staff_id, _occasion_of(runtime, source)),
    )


def _occasion_of(runtime: Runtime, source: Brief | None) -> str:
    """What a message is sent for, where its flow says so (R87)."""
    if source is None or source.flow == RESURVEY:
        return ""
    return runtime.shelf.version(source.program_version_id).flow(source.flow).occasion or ""


@lru_cache(maxsize=1000)
def _sent_data(purpose: str, channel: str, staff_id: int, occasion: str) -> dict[str, Any]:
    """One value for many lines: it is written as JSON once for all of them."""
    data = {"purpose": purpose, "channel": channel, "staff": staff_id}
    return {**data, "occasion": occasion} if occasion else data


def _plan_reminders(
    session: Session,
    runtime: Runtime,
    rows: Sequence[Outbound | MessageRow],
    sources: Mapping[int, Brief],
    now: datetime,
) -> None:
    """Reminders of the surveys that these messages have opened (R71)."""
    later = follow_ups.LATER  # the second and last time
    rows = [row for row in rows if not sources[row.follow_up_id].occasion.startswith(later)]
    kinds = {_kind(sources[row.follow_up_id]): sources[row.follow_up_id] for row in rows}
    reminded = {kind for kind, source in kinds.items() if has_reminder(runtime, source)}
    rows = [row for row in rows if _kind(sources[row.follow_up_id]) in reminded]
    if not rows:
        return
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
        calendar = runtime.calendar(program)
        for each in plan.plan_reminders(
            program, source.flow, source.occasion, sent_on, survey.id, survey.closes_at, zone, calendar
        ):
            each = replace(each, person_id=source.person_id, matter_id=source.matter_id)
            planned.append((owner, row.customer_id, each, source.event_id))
            data = {"due": each.slot.due_at.isoformat(), "nominal": each.slot.nominal_on.isoformat()}
            line = follow_up_line(now, "planned", each.because, source, data=data)
            lines.append(line | {"flow": each.flow, "follow_up_id": 0})
    follow_ups.plan_many(session, planned)
    trail.write(session, lines)


def _kind(source: Brief) -> tuple[int, str]:
    return source.program_version_id, source.flow


def has_reminder(runtime: Runtime, source: Brief) -> bool:
    """Does any flow remind of the survey that this follow-up opened?"""
    program = runtime.shelf.version(source.program_version_id)
    return any(isinstance(flow.on, Unanswered) and flow.on.unanswered == source.flow for flow in program.flows)


def message_line(at: datetime, what: str, because: str, row: Outbound | MessageRow, **known: Any) -> dict[str, Any]:
    """A line of the trail about one message."""
    return trail.line(
        at,
        what,
        because,
        customer_id=row.customer_id,
        message_id=row.id,
        follow_up_id=row.follow_up_id,
        ticket_id=row.ticket_id,
        **known,
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
        trail.write(session, [message_line(now, "retry" if again else "cancelled", because, row)])


def set_stopped(runtime: Runtime, staff_name: str, stopped: bool) -> None:
    """The kill switch: while it is set nothing leaves the outbox. Said twice it changes nothing."""
    now = runtime.clock.now()
    with runtime.db.write() as session:
        if bool(settings.read(session, STOPPED).get("stopped")) == stopped:
            return
        settings.write(session, STOPPED, {"stopped": stopped, "by": staff_name, "at": now.isoformat()})
        trail.write(session, [trail.line(now, "stopped" if stopped else "resumed", f"by {staff_name}")])
