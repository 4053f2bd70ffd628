"""Step 4, after the call: what providers say later, and what is in doubt.

    note_receipts   late, twice and out of order: a state only rises in rank (R209)
    reconcile       UNKNOWN, and SENDING past its lease -> proof, a new attempt, or a person
    withdraw        what the provider keeps until later and must not go out any more is taken back
    audit           two copies of a scheduled message, of which an attempt in doubt left one: one is taken back

Killed in the middle, each simply runs again: every step is idempotent. Next: inbox.py.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import TypeVar

import structlog
from sqlmodel import Session

from bot.channels.contract import Receipt, Refused, Sign, Trace
from bot.journey import senders
from bot.journey.refusals import put_again, settle_refused
from bot.journey.sending import LOOK_AGAIN, message_line, note_accepted
from bot.runtime import Runtime
from bot.store import customers, follow_ups, messages, settings, surveys, trail
from bot.store.agenda import STOPPED
from bot.store.rows import move
from bot.store.tables import AttemptRow, MessageRow
from flows.states import FollowUpState, MessageState
from messages.catalog import Purpose

log = structlog.get_logger()
NO_COPY = frozenset({MessageState.FAILED, MessageState.UNDELIVERED, MessageState.CANCELLED})
"""What a receipt may say of a copy that reached nobody."""
FENCE = timedelta(minutes=10)
"""Sent at once: no copy can turn up later than this after the claim."""
SCHEDULED_FENCE = timedelta(seconds=60)
"""Scheduled: a request that comes later than half of this is refused, and the other half is for the list to show it."""
LISTED_AFTER = timedelta(seconds=45)
"""How long after a claim its copy stands in the provider's list."""
NO_TURNING_BACK = timedelta(seconds=60)
"""So close before it goes out, nothing is taken back any more."""
ONE_NEW_ATTEMPT = frozenset({Purpose.SURVEY, Purpose.SERVICE, Purpose.STAFF})
"""Purposes for which a second copy does no harm: the same token, or a notice to staff."""
BATCH = 100
AT_ONCE = 16
"""Questions to a provider side by side: one in trouble answers none of them in time."""
Item = TypeVar("Item")


# ----- receipts


def note_receipts(runtime: Runtime, receipts: Sequence[Receipt]) -> int:
    """What the provider says later of messages; how many receipts changed anything."""
    now = runtime.clock.now()
    told = []
    with runtime.db.write() as session:
        found = {each.attempt_id: messages.by_attempt(session, each.attempt_id) for each in receipts}
        known = [(*pair, each) for each in receipts if (pair := found[each.attempt_id]) is not None]
        customers.lock(session, (row.customer_id for row, _, _ in known if row.customer_id))
        changed = 0
        for row, number, receipt in sorted(known, key=lambda each: each[0].id):  # in one order, as senders lock them
            if _note(session, runtime, row, number, receipt, now):
                changed += 1
                if receipt.refused is not None and receipt.refused.sign is not Sign.FINE:
                    told.append((row, row.sender, receipt.refused))
    if told:
        senders.note_outcomes(runtime, senders.told_of(told))
    return changed


def _note(session: Session, runtime: Runtime, row: MessageRow, number: int, receipt: Receipt, now: datetime) -> bool:
    """One receipt for the attempt of this number."""
    session.refresh(row)
    before, state = MessageState(row.state), MessageState(receipt.state)
    counts = row.provider_id == receipt.provider_id if row.provider_id else number == row.attempts
    if state in NO_COPY and not counts:
        return False  # a copy of an earlier attempt, or one too many: it says nothing of the one that counts
    if state is MessageState.CANCELLED:
        return _settle_withdrawn(session, runtime, row, now)
    if not messages.raise_state(session, row, state, receipt.provider_id, now, _because(receipt)):
        return False
    if before in (MessageState.READY, MessageState.SENDING, MessageState.UNKNOWN, MessageState.HELD):
        note_accepted(session, runtime, [row], follow_ups.briefs(session, [row.follow_up_id]), now)
    if state in (MessageState.FAILED, MessageState.UNDELIVERED):
        settle_refused(session, runtime, row.id, receipt.refused or Refused(str(state)), now)
    return True


def _because(receipt: Receipt) -> str:
    return receipt.refused.because if receipt.refused else ""


# ----- doubt


async def reconcile(runtime: Runtime, limit: int = BATCH) -> int:
    """Resolve what is in doubt: a copy at the provider is proof; after fence and empty looks the purpose decides."""
    doubtful = await runtime.db.beside(_in_doubt, runtime, limit)
    await _side_by_side(_look_up, runtime, doubtful)
    return len(doubtful)


async def _look_up(runtime: Runtime, doubtful: tuple[MessageRow, AttemptRow]) -> bool:
    row, attempt = doubtful
    channel = runtime.channels.get(row.channel)
    traces: Sequence[Trace] | None = None
    asked_at = runtime.clock.now()
    if channel is not None:
        try:
            traces = await channel.find(row.address, attempt.claimed_at - timedelta(seconds=60))
        except Exception as error:  # a provider that cannot be asked now is asked again when the row is due again
            log.warning("provider cannot be asked", channel=row.channel, error=type(error).__name__)
            return False
    await runtime.db.beside(_resolve, runtime, row, attempt, traces, asked_at)
    return True


async def _side_by_side(
    step: Callable[[Runtime, Item], Awaitable[bool]], runtime: Runtime, items: Sequence[Item]
) -> int:
    """Do the step for each of them, at most `AT_ONCE` at the same time; for how many it came to an end."""
    waiting: Iterator[Item] = iter(items)

    async def work() -> int:
        return sum([await step(runtime, item) for item in waiting])

    return sum(await asyncio.gather(*(work() for _ in items[:AT_ONCE])))


def _in_doubt(runtime: Runtime, limit: int) -> list[tuple[MessageRow, AttemptRow]]:
    """SENDING past its lease becomes UNKNOWN; all that is due for a look, put off a little for everybody else."""
    now = runtime.clock.now()
    with runtime.db.write() as session:
        doubtful = messages.in_doubt(session, now, limit)
        stalled = [row.id for row, _ in doubtful if row.state == MessageState.SENDING]
        messages.doubt(session, stalled, "the sender died or hung")
        messages.rest(session, [row.id for row, _ in doubtful], now + LOOK_AGAIN)
    return doubtful


def _resolve(
    runtime: Runtime, row: MessageRow, attempt: AttemptRow, traces: Sequence[Trace] | None, asked_at: datetime
) -> None:
    """Proof always counts; an empty look only while it is this attempt that is in doubt.

    Another reconciler may have been faster than the provider's answer, and a new attempt may be under way.
    """
    now = runtime.clock.now()
    with runtime.db.write() as session:
        proof = _proof(session, row, traces or ())
        if proof is not None:
            _believe(session, runtime, row, proof, now)
        elif not messages.is_in_doubt(session, row.id, attempt.number):
            return
        elif traces is None:
            _decide(session, row, again=False, now=now)
        elif row.leaves_at is not None:
            _after_empty_look_scheduled(session, row, attempt, asked_at, now)
        else:
            _after_empty_look(session, row, attempt, asked_at, now)


def _proof(session: Session, row: MessageRow, traces: Sequence[Trace]) -> Trace | None:
    """The provider's copy of this very text that is not known as another message of ours."""
    same = [trace for trace in traces if trace.body == row.body]
    taken = messages.provider_ids_known(session, row.channel, [trace.provider_id for trace in same])
    return next((trace for trace in same if trace.provider_id not in taken), None)


def _believe(session: Session, runtime: Runtime, row: MessageRow, proof: Trace, now: datetime) -> None:
    state = MessageState.DELIVERED if proof.delivered else MessageState.ACCEPTED
    if messages.raise_state(session, row, state, proof.provider_id, now):
        note_accepted(session, runtime, [row], follow_ups.briefs(session, [row.follow_up_id]), now)


def _after_empty_look(
    session: Session, row: MessageRow, attempt: AttemptRow, asked_at: datetime, now: datetime
) -> None:
    """Sent at once: two empty looks behind the fence, and then one new attempt where the purpose allows it."""
    empty, fence = attempt.empty_reads + 1, attempt.claimed_at + FENCE
    if empty < 2 or asked_at < fence:
        at = now + LOOK_AGAIN if empty >= 2 or asked_at >= fence else fence
        messages.look_again(session, row.id, attempt.id, max(at, now + LOOK_AGAIN), empty)
        return
    once = messages.doubtful_attempts(session, row.id) < 2
    _decide(session, row, again=once and Purpose(row.purpose) in ONE_NEW_ATTEMPT, now=now)


def _after_empty_look_scheduled(
    session: Session, row: MessageRow, attempt: AttemptRow, asked_at: datetime, now: datetime
) -> None:
    """Scheduled: behind its fence an attempt that left no copy never will, since the provider refuses late ones."""
    fence = attempt.claimed_at + SCHEDULED_FENCE
    if asked_at < fence:
        messages.look_again(session, row.id, attempt.id, max(fence, now), attempt.empty_reads + 1)
        return
    again = Purpose(row.purpose) in ONE_NEW_ATTEMPT
    if again:
        messages.absent(session, attempt.id)
    _decide(session, row, again=again, now=now)


def _decide(session: Session, row: MessageRow, *, again: bool, now: datetime) -> None:
    target = MessageState.READY if again else MessageState.HELD
    because = "not found at the provider: one new attempt" if again else "in doubt: a person decides"
    if move(session, MessageRow, row.id, target, retry_at=None, reason=because):
        if not again and row.follow_up_id:
            follow_ups.settle(session, [row.follow_up_id], FollowUpState.HELD, reason=because)
        trail.write(session, [message_line(now, "retry" if again else "held", because, row)])


# ----- what the provider keeps until later


async def withdraw(runtime: Runtime, limit: int = BATCH) -> int:
    """Take back what is scheduled and must not go out: its customer opted out, it was cancelled, all is stopped."""
    rows = await runtime.db.beside(_to_withdraw, runtime, limit)
    return await _side_by_side(_withdraw, runtime, rows)


async def _withdraw(runtime: Runtime, row: MessageRow) -> bool:
    taken = await _take_back(runtime, row, row.provider_id or "")
    if taken:
        await runtime.db.beside(_note_withdrawn, runtime, row)
    elif taken is False:
        await runtime.db.beside(_note_gone, runtime, row)
    return bool(taken)


def _to_withdraw(runtime: Runtime, limit: int) -> list[MessageRow]:
    """Remembered before the provider is asked: its answer may be lost, and whoever stopped it go on meanwhile."""
    now = runtime.clock.now()
    with runtime.db.read() as session:
        stopped = bool(settings.read(session, STOPPED).get("stopped"))
        rows = messages.scheduled(session, now, limit, all_of_them=stopped)
    if new := [row.id for row in rows if row.recalled_at is None]:
        with runtime.db.write() as session:
            messages.recall(session, new, now)
    return rows


async def _take_back(runtime: Runtime, row: MessageRow, provider_id: str) -> bool | None:
    """True: it will not go out; False: it has gone; None: nobody knows, it is asked again."""
    channel = runtime.channels.get(row.channel)
    if channel is None:
        return None
    try:
        return await channel.withdraw(provider_id)
    except Exception as error:
        log.warning("cannot be withdrawn now", channel=row.channel, error=type(error).__name__)
        return None


def _note_gone(runtime: Runtime, row: MessageRow) -> None:
    """It went out before it could be taken back; one that waits still is asked for again."""
    now = runtime.clock.now()
    if row.leaves_at is not None and row.leaves_at <= now:
        with runtime.db.write() as session:
            messages.recall(session, [row.id], None)


def _note_withdrawn(runtime: Runtime, row: MessageRow) -> None:
    with runtime.db.write() as session:
        customers.lock(session, [row.customer_id] if row.customer_id else [])
        _settle_withdrawn(session, runtime, row, runtime.clock.now())


def _settle_withdrawn(session: Session, runtime: Runtime, row: MessageRow, now: datetime) -> bool:
    """What was stopped waits in the outbox as a new message; whatever else was withdrawn is over.

    Whoever hears first that it is withdrawn does this, the provider's receipt or who asked for it; False: it is done.
    The caller holds the customer's lock.
    """
    if not move(session, MessageRow, row.id, MessageState.CANCELLED, reason="withdrawn before it went out"):
        return False
    person = customers.get(session, row.customer_id) if row.customer_id else None
    source = follow_ups.get(session, row.follow_up_id) if row.follow_up_id else None
    if person is not None and person.opted_out_at is not None:
        because = "opted out"
        follow_ups.settle(session, [row.follow_up_id], FollowUpState.SUPPRESSED, reason=because)
    elif source is not None and source.state in (FollowUpState.CANCELLED, FollowUpState.SUPPRESSED):
        because = source.reason
    else:
        put_again(session, row, f"back{row.id}", now)
        trail.write(session, [message_line(now, "moved", "everything is stopped: back in the outbox", row)])
        return True
    surveys.withdraw_unsent(session, [row.follow_up_id] if row.follow_up_id else [])
    trail.write(session, [message_line(now, "cancelled", f"withdrawn before it went out: {because}", row)])
    return True


async def audit(runtime: Runtime, limit: int = BATCH) -> int:
    """Look once for a second copy of what was tried more than once, while it can still be taken back."""
    rows = await runtime.db.beside(_to_audit, runtime, limit)
    return await _side_by_side(_audit, runtime, rows)


async def _audit(runtime: Runtime, row: MessageRow) -> bool:
    channel = runtime.channels.get(row.channel)
    if channel is None:
        return False
    try:
        traces = await channel.find(row.address, row.created_at - timedelta(seconds=60))
    except Exception as error:  # asked again while there is time
        log.warning("provider cannot be asked", channel=row.channel, error=type(error).__name__)
        return False
    extra = await runtime.db.beside(_second_copies, runtime, row, traces or ())
    if not all([await _take_back(runtime, row, each) for each in extra]):
        return False
    await runtime.db.beside(_note_audited, runtime, row, len(extra))
    return True


def _to_audit(runtime: Runtime, limit: int) -> list[MessageRow]:
    with runtime.db.read() as session:
        return messages.to_audit(session, runtime.clock.now(), LISTED_AFTER, NO_TURNING_BACK, limit)


def _second_copies(runtime: Runtime, row: MessageRow, traces: Sequence[Trace]) -> list[str]:
    """The provider's ids of copies of this text that no message of ours has; none where ours is not waiting there."""
    with runtime.db.read() as session:
        present = messages.get(session, row.id)
        if present is None or present.state != MessageState.ACCEPTED:
            return []
        same = [trace.provider_id for trace in traces if trace.body == row.body and not trace.delivered]
        known = messages.provider_ids_known(session, row.channel, same)
    return [provider_id for provider_id in same if provider_id not in known]


def _note_audited(runtime: Runtime, row: MessageRow, copies: int) -> None:
    now = runtime.clock.now()
    with runtime.db.write() as session:
        messages.note_audited(session, row.id, now)
        if copies:
            trail.write(session, [message_line(now, "cancelled", f"second copies taken back: {copies}", row)])
