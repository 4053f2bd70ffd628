"""Step 4, after a definite no: the address is remembered, and the message tries again, goes another way, or is listed.

one that may be tried again       a later copy on the same channel, as often as the provider's table says
a final failure                   the next channel of the step, once (R94)
no other channel                  the follow-up is UNREACHABLE, and a person sees it
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlmodel import Session

from bot.channels.contract import Refused
from bot.journey import outreach
from bot.journey.consents import opt_out_at_provider
from bot.runtime import Runtime
from bot.staffing import reach
from bot.store import customers, follow_ups, messages, staff, surveys, trail
from bot.store.tables import MessageRow
from flows.states import FollowUpState

UNDER_WAY = frozenset({FollowUpState.READY, FollowUpState.SENT, FollowUpState.HELD})
"""A follow-up in one of these still waits for its message to arrive."""


def settle_refused(session: Session, runtime: Runtime, message_id: int, refused: Refused, now: datetime) -> None:
    """What follows from a definite no, which is said once of a message. The caller holds the customer's lock."""
    row = messages.get(session, message_id)
    if row is None:
        return
    session.refresh(row)
    again = row.again < len(refused.again_after)
    if refused.suppress or (refused.suppress_at_last and not again):
        customers.suppress_address(session, row.channel, row.address, now, refused.because)
    if refused.opted_out and row.customer_id:
        opt_out_at_provider(session, runtime, row, refused.because, now)
    elif not _is_still_wanted(session, row):
        _line(session, row, "unreachable", f"{refused.because}: nothing more to send", now)
        return
    elif again:
        due_at = now + timedelta(seconds=refused.again_after[row.again])
        put_again(session, row, f"again{row.again + 1}", due_at, tried=1)
        _line(session, row, "retry", refused.because, now)
        return
    elif _go_another_way(session, runtime, row, refused.because, now):
        return
    if row.follow_up_id:
        follow_ups.settle(session, [row.follow_up_id], FollowUpState.UNREACHABLE, reason=refused.because)
        surveys.withdraw_unsent(session, [row.follow_up_id])
    _line(session, row, "unreachable", refused.because, now)


def _is_still_wanted(session: Session, row: MessageRow) -> bool:
    """False: they have answered in the meantime, or the follow-up was cancelled: nobody is asked once more."""
    source = follow_ups.get(session, row.follow_up_id) if row.follow_up_id else None
    if source is None:
        return True
    session.refresh(source)
    return source.state in UNDER_WAY


def put_again(session: Session, row: MessageRow, part: str, due_at: datetime, *, tried: int = 0) -> bool:
    """A new message with the same words, whose turn comes at `due_at`; the same `part` again is none.

    `tried`: 1 where it is one of the later tries that the provider's table allows.
    """
    values = {
        **messages.copy_of(row),
        "again": row.again + tried,
        "dedupe_key": f"{part}~{row.dedupe_key.split('~')[-1]}",
        "created_at": row.created_at,
        "due_at": due_at,
    }
    put = messages.put(session, values) is not None
    if put and row.follow_up_id:
        follow_ups.settle(session, [row.follow_up_id], FollowUpState.READY)
    return put


def _go_another_way(session: Session, runtime: Runtime, row: MessageRow, because: str, now: datetime) -> bool:
    """The next channel of the step takes over, once (R94); a notice goes by the member's other address."""
    if row.follow_up_id:
        values = _by_next_channel(session, runtime, row, now)
    elif row.staff_id:
        values = _by_other_address(session, runtime, row)
    else:
        values = None
    if values is None:
        return False
    known = {"created_at": now, "due_at": now, "reason": f"{row.channel} failed: {because}"}
    if messages.put(session, {**values, **known}) is None:
        return False
    _line(session, row, "fallback", f"{row.channel} failed ({because}): goes by {values['channel']}", now)
    if row.follow_up_id:
        follow_ups.settle(session, [row.follow_up_id], FollowUpState.READY)
    return True


def _by_next_channel(session: Session, runtime: Runtime, row: MessageRow, now: datetime) -> Mapping[str, Any] | None:
    source = follow_ups.get(session, row.follow_up_id)
    if source is None or messages.other_channels(session, row.follow_up_id) != {row.channel}:
        return None
    return outreach.by_next_channel(session, runtime, source, row, now)


def _by_other_address(session: Session, runtime: Runtime, row: MessageRow) -> Mapping[str, Any] | None:
    member = staff.get(session, row.staff_id)
    if member is None:
        return None
    others = {name: channel for name, channel in runtime.channels.items() if name != row.channel}
    channel, address = reach(member, others)
    if channel == row.channel or channel not in others or "#" in row.dedupe_key:
        return None
    key = f"{row.dedupe_key.split('~')[-1]}#{channel}"
    new = {"channel": channel, "address": address, "sender": "", "again": 0, "dedupe_key": key}
    return {**messages.copy_of(row), **new}


def _line(session: Session, row: MessageRow, what: str, because: str, now: datetime) -> None:
    line = trail.line(
        now,
        what,
        because,
        customer_id=row.customer_id,
        message_id=row.id,
        follow_up_id=row.follow_up_id,
        ticket_id=row.ticket_id,
    )
    trail.write(session, [line])
