"""Step 4, when an outcome is in doubt: UNKNOWN, and SENDING past its lease -> proof, a new attempt, or a person.

A copy at the provider is proof. Where there is none behind the fence, the purpose decides. Killed in the middle, it
simply runs again: every step is idempotent. Next: scheduled.py.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

import structlog
from sqlmodel import Session

from bot.channels.contract import Trace
from bot.journey.asking import side_by_side
from bot.journey.sending import LOOK_AGAIN, message_line, note_accepted
from bot.runtime import Runtime
from bot.store import follow_ups, messages, trail
from bot.store.rows import move
from bot.store.tables import AttemptRow, MessageRow
from flows.states import FollowUpState, MessageState
from messages.catalog import Purpose

log = structlog.get_logger()
FENCE = timedelta(minutes=10)
"""Sent at once: no copy can turn up later than this after the claim."""
SCHEDULED_FENCE = timedelta(seconds=60)
"""Scheduled: a request that comes later than half of this is refused, and the other half is for the list to show it."""
ONE_NEW_ATTEMPT = frozenset({Purpose.SURVEY, Purpose.SERVICE, Purpose.STAFF})
"""Purposes for which a second copy does no harm: the same token, or a notice to staff."""
BATCH = 100


async def reconcile(runtime: Runtime, limit: int = BATCH) -> int:
    """Resolve what is in doubt: a copy at the provider is proof; after fence and empty looks the purpose decides."""
    doubtful = await runtime.db.beside(_in_doubt, runtime, limit)
    await side_by_side(_look_up, runtime, doubtful)
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
