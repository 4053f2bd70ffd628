"""What the forecast counts: who would be reached by which channel, and who is kept from it by which rule."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import ColumnElement, Date, String, and_, case, cast, exists, false, func, literal, not_, or_
from sqlalchemy import select as core_select
from sqlmodel import Session

from bot.store.audiences import condition, flag
from bot.store.chains import end_of_chain
from bot.store.rows import chunks, core, table_of
from bot.store.selections import Where, annoyed, count_group
from bot.store.tables import (
    ContactPersonRow,
    ContactPointRow,
    CustomerRow,
    EnrolmentRow,
    EventRow,
    FollowUpRow,
    Instant,
    TicketRow,
)
from flows.audience import ANONYMOUS, LEADER_INTRODUCED, VIP_GUEST, Predicate
from flows.decisions import CountsFrom, Group, Selection
from flows.states import FollowUpState, TicketState
from messages.catalog import Purpose

NO_CHANNEL = "no usable channel"


@dataclass(frozen=True)
class Way:
    """How a step reaches people: its channels in order, and the roles of those who get it.

    No channels: nobody is written to, as for a task of staff or a new class.
    """

    purpose: Purpose
    channels: tuple[str, ...]
    to: tuple[str, ...] = ()
    milestone: bool = False
    """It tells of one."""


@dataclass(frozen=True)
class Chain:
    """What ends a step that comes again: a date, or events of these types."""

    until: CountsFrom | None = None
    stops_on: tuple[str, ...] = ()


@dataclass(frozen=True)
class Greeted:
    """Who is greeted by another flow on the same occasion: one greeting per festival (R43)."""

    program_id: str
    audience: Predicate


@dataclass(frozen=True)
class Planned:
    """So many planned follow-ups of one flow; `sort`: the channel they go by, or the rule that keeps them back."""

    day: date
    occasion: str
    sort: str
    count: int
    due_at: datetime


@dataclass(frozen=True)
class Open:
    """So many chains whose next step stands planned: what the later ones count from."""

    zone: str
    nominal_on: date
    intended_on: date
    ends_on: str | None
    annoyed: bool
    sort: str
    count: int


def sort_of(dialect: str, way: Way, customer: Any, enrolment: Any, person_id: Any) -> ColumnElement[str]:
    """The first channel of the way that the customer has and allows, or the first rule that keeps it back."""
    if not way.channels:
        return literal("")
    ways = [(_has_point(channel, customer, person_id), literal(channel)) for channel in way.channels]
    rules = [(rule, literal(because)) for because, rule in _rules(dialect, way, customer, enrolment).items()]
    return case(*rules, *ways, else_=literal(NO_CHANNEL))


def _rules(dialect: str, way: Way, customer: Any, enrolment: Any) -> dict[str, Any]:
    """Because -> the condition, in the order and the words of `flows/consent.py`."""
    flags: Any = enrolment.c.flags
    rules: dict[str, Any] = {
        "opted out": customer.c.opted_out_at.is_not(None),
        "anonymous: no contact": func.coalesce(flag(dialect, flags, ANONYMOUS), false()),
    }
    if way.purpose is not Purpose.GREETING:
        if not way.milestone:
            leader = func.coalesce(flag(dialect, flags, LEADER_INTRODUCED), false())
            rules["introduced by a leader: milestones and greetings only"] = leader
        guest = func.coalesce(flag(dialect, flags, VIP_GUEST), false())
        rules["guest of the house: greetings and the company's own plan only"] = guest
    if way.purpose is Purpose.MARKETING:
        ticket = table_of(TicketRow)
        rules["no marketing consent"] = customer.c.marketing_consent_at.is_(None)
        rules["open complaint: no promotion"] = exists().where(
            ticket.c.customer_id == customer.c.id, ticket.c.state != str(TicketState.CLOSED)
        )
    return rules


def _has_point(channel: str, customer: Any, person_id: Any) -> Any:
    point = table_of(ContactPointRow)
    return exists().where(
        point.c.customer_id == customer.c.id,
        point.c.channel == channel,
        point.c.suppressed_at.is_(None),
        or_(person_id == 0, point.c.person_id == person_id),
    )


# ----- what stands planned


def planned_steps(session: Session, until: datetime) -> list[tuple[str, int, str]]:
    """(program, version, flow) of everything that stands planned and is due before an instant."""
    table = table_of(FollowUpRow)
    statement = (
        core_select(table.c.program_id, table.c.program_version_id, table.c.flow)
        .where(table.c.state == str(FollowUpState.PLANNED), table.c.due_at < until)
        .distinct()
    )
    return [(program_id, version_id, flow) for program_id, version_id, flow in core(session).execute(statement)]


def planned(
    session: Session, step: tuple[str, int, str], way: Way, chain: Chain, now: datetime, until: datetime
) -> list[Planned]:
    """What stands planned of one step and is not too late, by day, occasion (of greetings) and sort."""
    table = table_of(FollowUpRow)
    greeting = table.c.occasion if way.purpose is Purpose.GREETING else literal("")
    inner = (
        core_select(table.c.intended_on, greeting.label("occasion"), _sort(session, way).label("sort"), table.c.due_at)
        .select_from(_follow_ups())
        .where(
            *_of_step(step),
            table.c.due_at < until,
            or_(table.c.expires_at.is_(None), table.c.expires_at > now),
            *_goes_on(session, chain),
        )
        .subquery()
    )
    by = (inner.c.intended_on, inner.c.occasion, inner.c.sort)
    statement = core_select(*by, func.count(), func.min(inner.c.due_at, type_=Instant())).group_by(*by)
    return [Planned(*row) for row in core(session).execute(statement)]


def open_chains(session: Session, step: tuple[str, int, str], way: Way, chain: Chain) -> list[Open]:
    """The chains of one step, by the days of the step that is to come, by their end and by sort."""
    table = table_of(FollowUpRow)
    ends = literal(None) if chain.until is None else end_of_chain(_dialect(session), chain.until)
    inner = (
        core_select(
            table_of(CustomerRow).c.zone,
            table.c.nominal_on,
            table.c.intended_on,
            ends.label("ends_on"),
            annoyed(_dialect(session)).label("annoyed"),
            _sort(session, way).label("sort"),
        )
        .select_from(_follow_ups())
        .where(*_of_step(step), table.c.occasion.like("event:%"), *_goes_on(session, chain))
        .subquery()
    )
    by = (inner.c.zone, inner.c.nominal_on, inner.c.intended_on, inner.c.ends_on, inner.c.annoyed, inner.c.sort)
    return [Open(*row) for row in core(session).execute(core_select(*by, func.count()).group_by(*by))]


def _goes_on(session: Session, chain: Chain) -> list[Any]:
    """Not what its claim will find to be over: past the date that ends it, or stopped since its event."""
    table, event = table_of(FollowUpRow), table_of(EventRow)
    found: list[Any] = []
    if chain.until is not None:
        over = end_of_chain(_dialect(session), chain.until) < cast(table.c.nominal_on, String)
        found.append(not_(func.coalesce(over, false())))
    if chain.stops_on:
        begun, stop = event.alias(), event.alias()
        since = core_select(begun.c.occurred_at).where(begun.c.id == table.c.event_id).correlate(table)
        found.append(
            ~exists().where(
                stop.c.customer_id == table.c.customer_id,
                stop.c.type.in_(chain.stops_on),
                stop.c.cancelled_at.is_(None),
                stop.c.occurred_at > since.scalar_subquery(),
            )
        )
    return found


def _follow_ups() -> Any:
    table, customer, enrolment = table_of(FollowUpRow), table_of(CustomerRow), table_of(EnrolmentRow)
    enrolled = and_(enrolment.c.customer_id == table.c.customer_id, enrolment.c.program_id == table.c.program_id)
    return table.join(customer, customer.c.id == table.c.customer_id).outerjoin(enrolment, enrolled)


def _of_step(step: tuple[str, int, str]) -> list[Any]:
    table = table_of(FollowUpRow)
    program_id, version_id, flow = step
    return [
        table.c.state == str(FollowUpState.PLANNED),
        table.c.program_id == program_id,
        table.c.program_version_id == version_id,
        table.c.flow == flow,
    ]


def _sort(session: Session, way: Way) -> ColumnElement[str]:
    """The sort of a planned follow-up: of its own person where it has one."""
    person_id = table_of(FollowUpRow).c.person_id
    return sort_of(_dialect(session), way, table_of(CustomerRow), table_of(EnrolmentRow), person_id)


# ----- what the planner will plan


def count_members(
    session: Session,
    program_id: str,
    selection: Selection,
    group: Group,
    today: date,
    way: Way,
    greeted: Sequence[Greeted] = (),
) -> dict[str, int]:
    """How many a group would plan, by sort; not those whom another flow greets on the same occasion."""
    customer, enrolment = table_of(CustomerRow), table_of(EnrolmentRow)

    def sort(where: Where) -> ColumnElement[str]:
        return sort_of(_dialect(session), way, customer, enrolment, where.person_id)

    but = [not_(_is_greeted(session, each, today)) for each in greeted]
    if selection.purpose is Purpose.GREETING:
        there = table_of(FollowUpRow)
        but.append(
            ~exists().where(
                there.c.customer_id == customer.c.id,
                there.c.occasion == group.occasion,
                there.c.purpose == str(Purpose.GREETING),
            )
        )
    return count_group(session, program_id, selection, group, today, sort, but)


def _is_greeted(session: Session, greeted: Greeted, today: date) -> Any:
    other = table_of(EnrolmentRow).alias()
    return exists().where(
        other.c.customer_id == table_of(CustomerRow).c.id,
        other.c.program_id == greeted.program_id,
        condition(_dialect(session), greeted.audience, literal(today, Date), enrolment=other),
    )


def sorts_of(session: Session, program_id: str, customer_ids: Sequence[int], way: Way) -> dict[str, int]:
    """How many of these customers, or of the persons there who get it, are reached by which sort."""
    customer, enrolment, person = table_of(CustomerRow), table_of(EnrolmentRow), table_of(ContactPersonRow)
    joined: Any = customer.join(enrolment, enrolment.c.customer_id == customer.c.id)
    person_id: Any = literal(0)
    if way.to:
        joined = joined.join(person, and_(person.c.customer_id == customer.c.id, person.c.role.in_(way.to)))
        person_id = person.c.id
    sort = sort_of(_dialect(session), way, customer, enrolment, person_id).label("sort")
    found: dict[str, int] = {}
    for chunk in chunks(customer_ids):
        inner = (
            core_select(sort)
            .select_from(joined)
            .where(enrolment.c.program_id == program_id, customer.c.id.in_(chunk))
            .subquery()
        )
        for name, count in core(session).execute(core_select(inner.c.sort, func.count()).group_by(inner.c.sort)):
            found[name] = found.get(name, 0) + count
    return found


def kept_back(session: Session, program_id: str, way: Way) -> set[int]:
    """Ids of the enrolled customers whom the way does not reach, nor anybody there who would get it."""
    if not way.channels:
        return set()
    customer, enrolment, person = table_of(CustomerRow), table_of(EnrolmentRow), table_of(ContactPersonRow)
    joined: Any = enrolment.join(customer, customer.c.id == enrolment.c.customer_id)
    person_id: Any = literal(0)
    if way.to:
        joined = joined.outerjoin(person, and_(person.c.customer_id == customer.c.id, person.c.role.in_(way.to)))
        person_id = person.c.id
    is_reached = sort_of(_dialect(session), way, customer, enrolment, person_id).in_(way.channels)
    statement = (
        core_select(customer.c.id)
        .select_from(joined)
        .where(enrolment.c.program_id == program_id)
        .group_by(customer.c.id)
        .having(func.max(case((is_reached, 1), else_=0)) == 0)
    )
    return set(core(session).execute(statement).scalars())


def left_out(session: Session, program_id: str, audience: Predicate, today: date, way: Way) -> dict[str, int]:
    """How many of those who are meant a rule leaves out: rule -> customers; who breaks two counts for both."""
    customer, enrolment, person = table_of(CustomerRow), table_of(EnrolmentRow), table_of(ContactPersonRow)
    reached = [_has_point(channel, customer, literal(0)) for channel in way.channels]
    rules = {**_rules(_dialect(session), way, customer, enrolment), NO_CHANNEL: not_(or_(false(), *reached))}
    if way.to:
        roles = exists().where(person.c.customer_id == customer.c.id, person.c.role.in_(way.to))
        rules[f"no contact person ({', '.join(way.to)})"] = not_(roles)
    statement = (
        core_select(*(func.count().filter(rule) for rule in rules.values()))
        .select_from(enrolment.join(customer, customer.c.id == enrolment.c.customer_id))
        .where(
            enrolment.c.program_id == program_id,
            condition(_dialect(session), audience, literal(today, Date)),
        )
    )
    return dict(zip(rules, core(session).execute(statement).one(), strict=True))


def _dialect(session: Session) -> str:
    return str(session.get_bind().dialect.name)
