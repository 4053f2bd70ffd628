"""Whom a step is about: one customer as rows, beside the same customer as the facts that `flows` decides from."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlmodel import Session

from bot.runtime import Runtime
from bot.shelf import InForce
from bot.store import customers, matters, trail
from bot.store.follow_ups import Brief
from bot.store.tables import (
    SELF,
    ContactPersonRow,
    CustomerRow,
    EnrolmentRow,
    EventRow,
    FollowUpRow,
    InboundRow,
    MatterRow,
    SurveyRow,
    TicketRow,
)
from flows.audience import FLAGS
from flows.calendar import Calendar
from flows.events import Customer
from flows.program import Program


@dataclass
class Subject:
    """One customer in one program at one moment, and what the step at hand is about."""

    runtime: Runtime
    in_force: InForce
    customer: CustomerRow
    enrolment: EnrolmentRow | None
    now: datetime
    inbound: InboundRow | None = None
    person: ContactPersonRow | None = None
    """The contact person who wrote, or whose ticket it is; None: the customer."""
    survey: SurveyRow | None = None
    ticket: TicketRow | None = None
    event: EventRow | None = None
    matter: MatterRow | None = None
    event_id: int = 0

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.customer.zone)

    @property
    def calendar(self) -> Calendar:
        return self.runtime.calendar(self.in_force.program)

    @property
    def today(self) -> date:
        """The customer's present date."""
        return self.now.astimezone(self.zone).date()

    @property
    def is_annoyed(self) -> bool:
        """Has this customer shown annoyance with us (R83)?"""
        return self.enrolment is not None and bool(self.enrolment.flags.get("annoyed_since"))

    def date_named(self, session: Session, name: str | None, matter_id: int) -> date | None:
        """A date as programs name it: an attribute, or kind.date of the matter at hand; None: nobody has told it."""
        kind, dot, field = (name or "").partition(".")
        if not dot:
            return iso_date(self.customer.attributes.get(kind))
        matter = matters.by_ids(session, [matter_id]).get(matter_id)
        return iso_date(matter.dates.get(field)) if matter and matter.kind == kind else None

    @property
    def facts(self) -> Customer:
        return facts_of(self.customer, self.enrolment)


def who_wrote(session: Session, reply: InboundRow | None) -> ContactPersonRow | None:
    """The contact person from whose address a reply came; None: the customer."""
    person = customers.person_at(session, reply.channel, reply.from_address) if reply else None
    return None if person is None or person.role == SELF else person


def iso_date(value: object) -> date | None:
    """A day as attributes and matters hold it; None for anything else."""
    try:
        return date.fromisoformat(str(value)[:10])
    except ValueError:
        return None


def facts_of(customer: CustomerRow, enrolment: EnrolmentRow | None) -> Customer:
    """The customer as `flows` sees them."""
    if enrolment is None:
        return Customer(customer.id, ZoneInfo(customer.zone), attributes=customer.attributes)
    return Customer(
        id=customer.id,
        zone=ZoneInfo(customer.zone),
        class_=enrolment.class_,
        attributes=customer.attributes,
        flags=flags_of(enrolment),
        activity_on=enrolment.activity_on,
        activity_count=enrolment.activity_count,
        activity_total=enrolment.activity_total,
    )


def flags_of(enrolment: EnrolmentRow | None) -> frozenset[str]:
    """The flags that are set of a customer in a program, among those that every program knows."""
    return frozenset(name for name in FLAGS if enrolment is not None and enrolment.flags.get(name) is True)


def enrol(session: Session, runtime: Runtime, in_force: InForce, customer: CustomerRow, now: datetime) -> EnrolmentRow:
    """The customer's enrolment in a program; an event or an import of that program makes it."""
    program = in_force.program
    today = now.astimezone(ZoneInfo(customer.zone)).date()
    return customers.enrol(session, customer.id, program.id, first_class(program, customer.attributes), today)


def first_class(program: Program, attributes: Mapping[str, Any]) -> str | None:
    """The class of somebody who comes without one."""
    class_ = program.classes.default if program.classes.names else attributes.get("class")
    return class_ if isinstance(class_, str) else None


def follow_up_line(at: datetime, what: str, because: str, row: FollowUpRow | Brief, **known: Any) -> dict[str, Any]:
    """A line of the trail about one follow-up."""
    return trail.line(
        at,
        what,
        because,
        customer_id=row.customer_id,
        program_id=row.program_id,
        flow=row.flow,
        follow_up_id=row.id,
        ticket_id=row.ticket_id,
        **known,
    )


def note(session: Session, subject: Subject, what: str, because: str, **known: Any) -> None:
    """One line of the trail about the subject."""
    known.setdefault("customer_id", subject.customer.id)
    known.setdefault("program_id", subject.in_force.program.id)
    if subject.ticket is not None:
        known.setdefault("ticket_id", subject.ticket.id)
    trail.write(session, [trail.line(subject.now, what, because, **known)])
