"""Step 4, while the provider keeps a message until later: what must not go out any more is taken back.

    withdraw   its customer opted out, it was cancelled, or all sending is stopped
    audit      two copies, of which an attempt in doubt left one: one is taken back

Both may be asked again at any time. Next: receipts.py.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

import structlog
from sqlmodel import Session

from bot.channels.contract import Trace
from bot.journey.asking import side_by_side
from bot.journey.refusals import put_again
from bot.journey.sending import message_line
from bot.runtime import Runtime
from bot.store import customers, follow_ups, messages, settings, surveys, trail
from bot.store.agenda import STOPPED
from bot.store.rows import move
from bot.store.tables import MessageRow
from flows.states import FollowUpState, MessageState

log = structlog.get_logger()
LISTED_AFTER = timedelta(seconds=45)
"""How long after a claim its copy stands in the provider's list."""
NO_TURNING_BACK = timedelta(seconds=60)
"""So close before it goes out, nothing is taken back any more."""
BATCH = 100


async def withdraw(runtime: Runtime, limit: int = BATCH) -> int:
    """Take back what is scheduled and must not go out: its customer opted out, it was cancelled, all is stopped."""
    rows = await runtime.db.beside(_to_withdraw, runtime, limit)
    return await side_by_side(_withdraw, runtime, rows)


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
        settle_withdrawn(session, runtime, row, runtime.clock.now())


def settle_withdrawn(session: Session, runtime: Runtime, row: MessageRow, now: datetime) -> bool:
    """What was stopped waits in the outbox as a new message; whatever else was withdrawn is over.

    Whoever hears first that it is withdrawn does this, the provider's receipt or who asked for it; False: it is done.
    The caller holds the customer's lock.
    """
    if not move(session, MessageRow, row.id, MessageState.CANCELLED, reason="withdrawn before it went out"):
        return False
    person = customers.get(session, row.customer_id) if row.customer_id else None
    source = follow_ups.get(session, row.follow_up_id) if row.follow_up_id else None
    if person is not None and (
        person.opted_out_at is not None or customers.is_silent(session, row.channel, row.address)
    ):
        because = customers.OPTED_OUT
        follow_ups.settle(session, [row.follow_up_id], FollowUpState.SUPPRESSED, reason=because)
    elif source is not None and source.state in (FollowUpState.CANCELLED, FollowUpState.SUPPRESSED):
        because = source.reason
    else:
        put_again(session, row, f"back{row.id}", now)
        trail.write(session, [message_line(now, "moved", "withdrawn before it went out: back in the outbox", row)])
        return True
    surveys.withdraw_unsent(session, [row.follow_up_id] if row.follow_up_id else [])
    trail.write(session, [message_line(now, "cancelled", f"withdrawn before it went out: {because}", row)])
    return True


async def audit(runtime: Runtime, limit: int = BATCH) -> int:
    """Look once for a second copy of what was tried more than once, while it can still be taken back."""
    rows = await runtime.db.beside(_to_audit, runtime, limit)
    return await side_by_side(_audit, runtime, rows)


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
