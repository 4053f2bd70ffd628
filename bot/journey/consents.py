"""What customers no longer want: consent withdrawn and given, calls that annoy, addresses that are not theirs.

They say so by a reply (replies.py, by way of `apply`), to staff, on the survey page, or through the provider. Opted out
stays opted out until the customer says otherwise (R85), so staff have no way back.
"""

from collections.abc import Collection
from datetime import datetime

from sqlmodel import Session

from bot.errors import Conflict, NotFound
from bot.journey.notices import tell
from bot.journey.subject import Subject, follow_up_line, note
from bot.runtime import Runtime
from bot.store import customers, follow_ups, messages, staff, surveys, tasks, trail
from bot.store.rows import move
from bot.store.tables import ContactPersonRow, CustomerRow, FollowUpRow, MessageRow
from flows.promises import ping_time
from flows.resurvey import FLOW as RESURVEY
from flows.states import FollowUpState
from messages.catalog import Purpose

AUTOMATIC = (Purpose.GREETING, Purpose.MARKETING, Purpose.SURVEY, Purpose.SERVICE)
"""What an opt-out stops: everything but answers inside a conversation and notices to staff."""
CALL = "call"
"""The kind of task that stops for a customer who is annoyed by us (R83)."""


# ----- whoever said so


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


def opt_out_by_reply(session: Session, subject: Subject, because: str) -> None:
    """The reply at hand wants no more messages: for the customer, or for the contact person who wrote it alone."""
    reply, survey, customer = subject.inbound, subject.survey, subject.customer
    person = customers.person_at(session, reply.channel, reply.from_address) if reply else None
    alone = speaks_alone(session, customer.id, person, survey.follow_up_id if survey else 0)
    but = survey.id if survey else 0
    refuse_messages(session, subject.runtime, customer, "reply", because, subject.now, alone, but=but)
    if person is not None and alone is None and len(customers.people_of(session, customer.id)) > 1:
        customers.silence_person(session, person.id, subject.now)  # whoever else comes back, comes back alone


def opt_in_by_reply(session: Session, subject: Subject, because: str) -> None:
    """The reply at hand wants messages again: their own word, which alone brings them back (R85)."""
    reply = subject.inbound
    person = customers.person_at(session, reply.channel, reply.from_address) if reply else None
    if person is not None:
        customers.hear_person_again(session, person.id)
    customers.note_consent(session, subject.customer.id, "given", "all", "reply", subject.now, because)
    note(session, subject, "opted_in", because)


# ----- what comes of it


def speaks_alone(
    session: Session, customer_id: int, person: ContactPersonRow | None, follow_up_id: int
) -> ContactPersonRow | None:
    """The contact person who refuses for nobody but themselves; None: it is for the whole customer.

    The customer's first person speaks for it, and so does the only one who can be reached, and whoever answers what was
    meant for the customer.
    """
    asked_by = follow_ups.get(session, follow_up_id) if follow_up_id else None
    if person is None or person.customer_id != customer_id or (asked_by is not None and not asked_by.person_id):
        return None
    is_first = customers.first_persons(session, [customer_id]).get(customer_id) == person.id
    others = any(point.person_id != person.id for point in customers.all_points_of(session, customer_id))
    return person if others and not is_first else None


def refuse_messages(
    session: Session,
    runtime: Runtime,
    customer: CustomerRow,
    source: str,
    because: str,
    now: datetime,
    alone: ContactPersonRow | None = None,
    *,
    but: int = 0,
) -> None:
    """Note it in the ledger, once, and stop everything automatic that has not left, but not the survey `but` (R84).

    `alone`: only of this contact person, with all of their addresses; the customer's other people hear from us (R2).
    """
    line = trail.line(now, "opted_out", because, customer_id=customer.id, data={"person": alone.name} if alone else {})
    if alone is not None:
        if alone.id not in customers.silent_people(session, customer.id):
            customers.note_person_consent(session, alone, "withdrawn", source, now)
            trail.write(session, [line])
        addresses = customers.silence_person(session, alone.id, now)
        stop_messages(session, runtime, customer.id, now, but=but, person_id=alone.id, to=addresses)
        return
    if customer.opted_out_at is None:
        customers.note_consent(session, customer.id, "withdrawn", "all", source, now, because)
        customer.opted_out_at = now
        trail.write(session, [line])
    stop_messages(session, runtime, customer.id, now, but=but)


def stop_messages(
    session: Session,
    runtime: Runtime,
    customer_id: int,
    now: datetime,
    *,
    but: int = 0,
    person_id: int = 0,
    to: Collection[tuple[str, str]] | None = None,
) -> None:
    """Stop everything automatic that has not left, in every program, but not the survey `but` (R84).

    `person_id`: only what is for this contact person, or goes `to` one of these addresses. A step that does more than
    send stays: what staff are to do, a class, and what is only counted. Its message is left out when it is due.
    """
    because, purposes = customers.OPTED_OUT, [str(purpose) for purpose in AUTOMATIC]
    waiting = {row.follow_up_id for row in messages.cancel_waiting(session, customer_id, purposes, because, to)}
    surveys.withdraw_others(session, customer_id, but=but, person_id=person_id)
    for row in follow_ups.unsent(session, customer_id):
        is_meant = row.purpose in purposes and person_id in (0, row.person_id)
        is_message = row.state == FollowUpState.PLANNED and is_meant and _only_sends(runtime, row)
        if (row.id in waiting or is_message) and move(
            session, FollowUpRow, row.id, FollowUpState.SUPPRESSED, reason=because
        ):
            trail.write(session, [follow_up_line(now, "skipped", because, row)])


def _only_sends(runtime: Runtime, row: FollowUpRow) -> bool:
    """Is a message all that this step does? A flow without one is for staff, a class or a count."""
    if row.flow == RESURVEY:
        return True
    flow = runtime.shelf.version(row.program_version_id).flow(row.flow)
    return flow.message is not None and flow.task is None and flow.set_class is None


# ----- less, and to nobody else


def note_annoyance(session: Session, subject: Subject, because: str) -> None:
    """Half as often from now on, and no calls; whoever is responsible hears of it once (R83)."""
    enrolment, program = subject.enrolment, subject.in_force.program
    if enrolment is None or subject.is_annoyed:
        return
    customers.set_flag(session, enrolment, "annoyed_since", subject.now.isoformat())
    note(session, subject, "annoyed", because)
    for task in tasks.open_of_customer(session, subject.customer.id):
        if task.kind == CALL and task.program_id == program.id and tasks.cancel(session, task.id, "annoyed: no calls"):
            note(session, subject, "cancelled", "annoyed: no calls", flow=task.flow, data={"task": task.id})
    members = staff.with_role(session, program.id, program.callback.owner)
    members = [member for member in members if member.name in enrolment.staff] or members
    variables = {"customer_name": subject.customer.name or None, "reply_text": subject.inbound and subject.inbound.body}
    key = f"annoyed:{program.id}:{subject.customer.id}"
    at = ping_time(subject.now, program.time_zone)
    template = "staff/annoyed_opted_out" if subject.customer.opted_out_at else "staff/annoyed"
    tell(session, subject.runtime, program, members, template, key, variables, at)


def suppress_number(session: Session, subject: Subject, because: str) -> None:
    """The address of the reply at hand is somebody else's."""
    if subject.inbound is None:
        return
    customers.suppress_address(session, subject.inbound.channel, subject.inbound.from_address, subject.now, because)
    note(session, subject, "suppressed", because)
