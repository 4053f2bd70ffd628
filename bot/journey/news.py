"""A customer hears of what staff have settled: a new time for an appointment, an answer to a suggestion (R89, R155).

What the bot answers by itself, to a reply at hand: apply.py. What staff are told: notices.py.
"""

from collections.abc import Mapping
from typing import Any

from sqlmodel import Session

from bot.journey import wording
from bot.journey.subject import Subject, note
from bot.store import customers, messages
from flows.own_times import own_times
from flows.windows import next_moment
from messages.catalog import Purpose


def tell_customer(
    session: Session, subject: Subject, template: str, key: str, because: str, variables: Mapping[str, Any]
) -> None:
    """Write to a customer where we wrote last, within their hours; the same key: once.

    Who opted out, or has no address left, hears nothing, and the trail says so.
    """
    runtime, program, customer = subject.runtime, subject.in_force.program, subject.customer
    usable = [(each.channel, each.address) for each in customers.points_of(session, [customer.id]).get(customer.id, [])]
    if customer.opted_out_at is not None or not usable:
        note(session, subject, "skipped", customers.OPTED_OUT if usable else "no address is left")
        return
    written = [row for row in messages.of_customer(session, customer.id) if (row.channel, row.address) in usable]
    channel, address, sender = (
        (written[-1].channel, written[-1].address, written[-1].sender) if written else (*usable[0], "")
    )
    known = {**wording.variables_for(runtime, program, customer), **variables}
    permits = program.permits().of_customer(own_times(customer.windows))
    columns = wording.compose(runtime, program, template, customer.language, customer.zone, known)
    messages.put(
        session,
        {
            **columns,
            "reason": because,
            "dedupe_key": key,
            "customer_id": customer.id,
            "purpose": str(Purpose.SERVICE),
            "channel": channel,
            "sender": sender,
            "address": address,
            "created_at": subject.now,
            "due_at": next_moment(
                subject.now, permits=permits, calendar=subject.calendar, zone=subject.zone, exempt=True
            ),
            "expires_at": None,
        },
    )
