"""Step 4, after the call: what providers say later of a message.

    note_receipts    late, twice and out of order: a state only rises in rank (R209)
    chase_receipts   what never got its last word is asked for it

Next: inbox.py.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

import structlog
from sqlmodel import Session

from bot.channels.contract import Receipt, Refused, Sign
from bot.journey import senders
from bot.journey.asking import side_by_side
from bot.journey.refusals import settle_refused
from bot.journey.scheduled import settle_withdrawn
from bot.journey.sending import note_accepted
from bot.runtime import Runtime
from bot.store import customers, follow_ups, messages
from bot.store.tables import MessageRow
from flows.states import MessageState

log = structlog.get_logger()
NO_COPY = frozenset({MessageState.FAILED, MessageState.UNDELIVERED, MessageState.CANCELLED})
"""What a receipt may say of a copy that reached nobody."""
OVERDUE = timedelta(hours=1)
"""A message that went out so long ago should have its last receipt."""
CHASED_FOR = timedelta(days=3)
"""After this nobody asks any more: the phone is off, or the network never tells."""
BATCH = 100


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
        return settle_withdrawn(session, runtime, row, now)
    if not messages.raise_state(session, row, state, receipt.provider_id, now, _because(receipt)):
        return False
    if before in (MessageState.READY, MessageState.SENDING, MessageState.UNKNOWN, MessageState.HELD):
        note_accepted(session, runtime, [row], follow_ups.briefs(session, [row.follow_up_id]), now)
    if state in (MessageState.FAILED, MessageState.UNDELIVERED):
        settle_refused(session, runtime, row.id, receipt.refused or Refused(str(state)), now)
    return True


def _because(receipt: Receipt) -> str:
    return receipt.refused.because if receipt.refused else ""


# ----- receipts that never came


async def chase_receipts(runtime: Runtime, limit: int = BATCH) -> int:
    """Ask for the last word on what went out an hour ago or more; receipts are best effort, and some are lost."""
    rows = await runtime.db.beside(_overdue, runtime, limit)
    return await side_by_side(_chase, runtime, rows)


def _overdue(runtime: Runtime, limit: int) -> list[tuple[MessageRow, str]]:
    """Each with the id of its newest attempt; put off, so that each is asked about once in an hour."""
    now = runtime.clock.now()
    with runtime.db.write() as session:
        rows = messages.without_last_word(session, now - CHASED_FOR, now - OVERDUE, now, limit)
        messages.rest(session, [row.id for row, _ in rows], now + OVERDUE)
    return rows


async def _chase(runtime: Runtime, overdue: tuple[MessageRow, str]) -> bool:
    row, attempt_id = overdue
    channel = runtime.channels.get(row.channel)
    if channel is None:
        return False
    try:
        receipt = await channel.look_up(row.provider_id or "", attempt_id)
    except Exception as error:  # asked again in an hour
        log.warning("provider cannot be asked", channel=row.channel, error=type(error).__name__)
        return False
    if receipt is None:
        return False
    return bool(await runtime.db.beside(note_receipts, runtime, [receipt]))
