"""Consent that is withdrawn without a reply: by the provider's word, by staff whom the customer told, or by the button
of the survey page.

A customer's own reply goes through replies.py and `apply`. Opted out stays opted out until the customer says otherwise
(R85), so staff have no way back.
"""

from datetime import datetime

from sqlmodel import Session

from bot.errors import Conflict, NotFound
from bot.journey.apply import refuse_messages, speaks_alone
from bot.runtime import Runtime
from bot.store import customers, follow_ups, surveys
from bot.store.tables import MessageRow


def opt_out(runtime: Runtime, customer_id: int, staff_name: str) -> None:
    """A member of staff writes down that the customer wants no messages. NotFound; Conflict: it is known already."""
    with runtime.db.write() as session:
        customer = customers.lock(session, [customer_id]).get(customer_id)
        if customer is None:
            raise NotFound(f"there is no customer {customer_id}")
        if customer.opted_out_at is not None:
            raise Conflict("this customer has opted out already")
        refuse_messages(session, runtime, customer, "staff", f"told {staff_name}", runtime.clock.now())


def opt_out_on_page(runtime: Runtime, token: str) -> None:
    """The customer wants no messages, says the page of this survey; again changes nothing. NotFound: no such link."""
    with runtime.db.write() as session:
        survey = surveys.by_token(session, token)
        if survey is None:
            raise NotFound("this link is not known")
        customer = customers.lock(session, [survey.customer_id])[survey.customer_id]
        asked_by = follow_ups.get(session, survey.follow_up_id) if survey.follow_up_id else None
        found = customers.persons_by_ids(session, [asked_by.person_id]) if asked_by else {}
        alone = speaks_alone(session, customer.id, next(iter(found.values()), None), survey.follow_up_id)
        now = runtime.clock.now()
        refuse_messages(session, runtime, customer, "page", "asked on the survey page", now, alone)


def opt_out_at_provider(session: Session, runtime: Runtime, refused: MessageRow, because: str, now: datetime) -> None:
    """The provider refuses a message since its reader wants none."""
    customer = customers.lock(session, [refused.customer_id])[refused.customer_id]
    person = customers.person_at(session, refused.channel, refused.address)
    alone = speaks_alone(session, customer.id, person, refused.follow_up_id)
    refuse_messages(session, runtime, customer, "provider", because, now, alone)
