"""Consent that is withdrawn without a reply: by the provider's word, by staff whom the customer told, or by the button
of the survey page.

A customer's own reply goes through replies.py and `apply`. Opted out stays opted out until the customer says otherwise
(R85), so staff have no way back.
"""

from datetime import datetime

from sqlmodel import Session

from bot.errors import Conflict, NotFound
from bot.journey.apply import AUTOMATIC
from bot.journey.subject import follow_up_line
from bot.runtime import Runtime
from bot.store import customers, follow_ups, messages, surveys, trail


def opt_out(runtime: Runtime, customer_id: int, staff_name: str) -> None:
    """A member of staff writes down that the customer wants no messages. NotFound; Conflict: it is known already."""
    with runtime.db.write() as session:
        person = customers.lock(session, [customer_id]).get(customer_id)
        if person is None:
            raise NotFound(f"there is no customer {customer_id}")
        if person.opted_out_at is not None:
            raise Conflict("this customer has opted out already")
        withdraw_consent(session, customer_id, "staff", f"told {staff_name}", runtime.clock.now())


def opt_out_on_page(runtime: Runtime, token: str) -> None:
    """The customer wants no messages, says the page of this survey; again changes nothing. NotFound: no such link."""
    with runtime.db.write() as session:
        survey = surveys.by_token(session, token)
        if survey is None:
            raise NotFound("this link is not known")
        withdraw_consent(session, survey.customer_id, "page", "asked on the survey page", runtime.clock.now())


def withdraw_consent(session: Session, customer_id: int, source: str, because: str, now: datetime) -> None:
    """Note it in the ledger, once, and stop everything automatic that has not left (R84)."""
    person = customers.lock(session, [customer_id])[customer_id]
    if person.opted_out_at is None:
        customers.note_consent(session, customer_id, "withdrawn", "all", source, now, because)
        trail.write(session, [trail.line(now, "opted_out", because, customer_id=customer_id)])
    purposes = [str(purpose) for purpose in AUTOMATIC]
    waiting = [each.follow_up_id for each in messages.cancel_waiting(session, customer_id, purposes, "opted out")]
    stopped = follow_ups.suppress(session, customer_id, waiting, "opted out", purposes)
    surveys.withdraw_others(session, customer_id, but=0)
    trail.write(session, [follow_up_line(now, "skipped", "opted out", each) for each in stopped])
