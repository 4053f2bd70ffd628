"""What pages show: questions over several tables at once. Nothing here writes.

Counts, lists with the names beside the ids, and everything that a page about one customer or one ticket needs, each
in a handful of statements whatever the number of rows shown.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import ColumnElement, Select, exists, func, or_
from sqlalchemy import select as core_select
from sqlmodel import Session, col, select

from bot.store import customers, inbound, messages, settings, staff, surveys, tickets
from bot.store.agenda import STOPPED
from bot.store.rows import rows_by
from bot.store.tables import (
    AnswerRow,
    AttemptRow,
    ContactPointRow,
    CustomerRow,
    EventRow,
    FollowUpRow,
    InboundRow,
    MessageRow,
    PingRow,
    SenderRow,
    StaffRow,
    SurveyRow,
    TemplateVersionRow,
    TicketRow,
    TrailRow,
)
from flows.states import FollowUpState, TicketState

TO_DO = (str(TicketState.OPEN), str(TicketState.CLAIMED))
"""Tickets that somebody still has to call about."""


# ----- the town


@dataclass(frozen=True)
class Counters:
    """The figures of the first page. `levels`: current answers by level, 1 to 5."""

    customers: int
    messages: int
    messages_today: int
    replies: int
    replies_today: int
    levels: Mapping[int, int]
    to_call: int
    due_soon: int
    overdue: int
    resolved: int
    waiting: int
    unreachable: int


def counters(session: Session, day_start: datetime, now: datetime, soon: datetime) -> Counters:
    """Counted now; `soon` is until when a call is due soon."""
    left = core_select(func.count()).where(col(MessageRow.sent_at).is_not(None), col(MessageRow.customer_id) != 0)
    heard = core_select(func.count()).where(col(InboundRow.customer_id) != 0)
    to_call = core_select(func.count()).where(col(TicketRow.state).in_(TO_DO))
    usable = select(ContactPointRow.customer_id).where(col(ContactPointRow.suppressed_at).is_(None))
    silent = core_select(func.count()).select_from(CustomerRow).where(col(CustomerRow.id).not_in(usable))
    by_level = surveys.counts_by_level(session)

    def count(statement: Select[int]) -> int:
        return int(session.execute(statement).scalar_one())

    return Counters(
        customers=customers.count(session),
        messages=count(left),
        messages_today=count(left.where(col(MessageRow.sent_at) >= day_start)),
        replies=count(heard),
        replies_today=count(heard.where(col(InboundRow.received_at) >= day_start)),
        levels={level: by_level.get(level, 0) for level in (5, 4, 3, 2, 1)},
        to_call=count(to_call),
        due_soon=count(to_call.where(col(TicketRow.due_at) <= soon, col(TicketRow.due_at) > now)),
        overdue=count(to_call.where(col(TicketRow.due_at) <= now)),
        resolved=count(core_select(func.count()).where(col(TicketRow.state) == TicketState.RESOLVED)),
        waiting=count(core_select(func.count()).select_from(InboundRow).where(col(InboundRow.state) == "person")),
        unreachable=count(silent),
    )


def to_call(session: Session) -> int:
    """How many tickets somebody still has to call about."""
    statement = core_select(func.count()).select_from(TicketRow).where(col(TicketRow.state).in_(TO_DO))
    return int(session.execute(statement).scalar_one())


@dataclass(frozen=True)
class Phone:
    """One phone in a list: whose it is, its address, and what its owner answered last."""

    name: str
    address: str
    channel: str
    customer_id: int = 0
    staff_id: int = 0
    roles: tuple[str, ...] = ()
    level: int | None = None
    upset: bool = False
    opted_out: bool = False


def customer_phones(session: Session, words: str = "", limit: int = 60, offset: int = 0) -> list[Phone]:
    """Phones of customers whose name or address holds `words`, in the order in which they came."""
    statement = select(CustomerRow).order_by(col(CustomerRow.id)).limit(limit).offset(offset)
    if words:
        statement = statement.where(_named(words))
    people = session.exec(statement).all()
    ids = [person.id for person in people]
    points = customers.points_of(session, ids)
    levels, upset = last_levels(session, ids), tickets.with_live(session, ids)
    return [
        Phone(
            person.name,
            points[person.id][0].address,
            points[person.id][0].channel,
            customer_id=person.id,
            level=levels.get(person.id),
            upset=person.id in upset,
            opted_out=person.opted_out_at is not None,
        )
        for person in people
        if person.id in points
    ]


def staff_phones(session: Session) -> list[Phone]:
    """Phones of everybody on the staff."""
    return [
        Phone(member.name, member.address, member.channel, staff_id=member.id, roles=tuple(member.roles))
        for member in staff.everybody(session)
    ]


def phone_at(session: Session, address: str) -> Phone | None:
    """Whose phone this is: a member of staff's, or a customer's (suppressed addresses, too)."""
    member = session.exec(select(StaffRow).where(StaffRow.address == address)).first()
    if member is not None:
        return Phone(member.name, address, member.channel, staff_id=member.id, roles=tuple(member.roles))
    point = session.exec(select(ContactPointRow).where(ContactPointRow.address == address)).first()
    person = session.get(CustomerRow, point.customer_id) if point else None
    if point is None or person is None:
        return None
    return Phone(
        person.name,
        address,
        point.channel,
        customer_id=person.id,
        level=last_levels(session, [person.id]).get(person.id),
        upset=bool(tickets.with_live(session, [person.id])),
        opted_out=person.opted_out_at is not None,
    )


def last_levels(session: Session, customer_ids: Sequence[int]) -> dict[int, int]:
    """Customer -> the level of their newest current answer."""
    found: dict[int, int] = {}
    rows = rows_by(session, AnswerRow, col(AnswerRow.customer_id), customer_ids)
    for row in sorted(rows, key=lambda row: row.id):
        if row.level is not None and row.current:
            found[row.customer_id] = row.level
    return found


# ----- lists of customers


@dataclass(frozen=True)
class Listed:
    """One line of the list of customers."""

    row: CustomerRow
    address: str
    classes: tuple[tuple[str, str | None], ...]
    level: int | None
    upset: bool


def list_customers(session: Session, words: str, limit: int, offset: int) -> list[Listed]:
    """A page of customers, newest first, each with address, classes and last level."""
    people = customers.search(session, words, limit, offset)
    ids = [person.id for person in people]
    points = customers.points_of(session, ids)
    levels, upset = last_levels(session, ids), tickets.with_live(session, ids)
    enrolments = customers.enrolments_by_customer(session, ids)
    classes: dict[int, list[tuple[str, str | None]]] = {}
    for (customer_id, program_id), row in enrolments.items():
        classes.setdefault(customer_id, []).append((program_id, row.class_))
    return [
        Listed(
            person,
            points[person.id][0].address if person.id in points else "",
            tuple(sorted(classes.get(person.id, []), key=lambda pair: pair[0])),
            levels.get(person.id),
            person.id in upset,
        )
        for person in people
    ]


def count_customers(session: Session, words: str) -> int:
    """How many customers `list_customers` could list."""
    statement = core_select(func.count()).select_from(CustomerRow)
    if words:
        statement = statement.where(_named(words))
    return int(session.execute(statement).scalar_one())


def _named(words: str) -> ColumnElement[bool]:
    """The condition of `customers.search`: name, external id or address holds the words."""
    pattern = f"%{words.replace('%', '').replace('_', '')}%"
    addresses = select(ContactPointRow.customer_id).where(col(ContactPointRow.address).like(pattern))
    return or_(
        col(CustomerRow.name).ilike(pattern),
        col(CustomerRow.external_id).ilike(pattern),
        col(CustomerRow.id).in_(addresses),
    )


# ----- the trail in words


@dataclass(frozen=True)
class Story:
    """Lines of the trail with everything that their words need."""

    lines: Sequence[TrailRow]
    people: Mapping[int, CustomerRow] = field(default_factory=dict)
    texts: Mapping[int, MessageRow] = field(default_factory=dict)
    templates: Mapping[int, str] = field(default_factory=dict)
    replies: Mapping[int, InboundRow] = field(default_factory=dict)
    addresses: Mapping[int, str] = field(default_factory=dict)
    staff: Mapping[int, StaffRow] = field(default_factory=dict)


def story_of(session: Session, lines: Sequence[TrailRow]) -> Story:
    """The customers, messages and replies that these lines speak of; `templates`: message id -> template key."""
    people = customers.by_ids(session, {line.customer_id for line in lines if line.customer_id})
    texts = messages.by_ids(session, {line.message_id for line in lines if line.message_id})
    versions = rows_by(
        session,
        TemplateVersionRow,
        col(TemplateVersionRow.id),
        {row.template_version_id for row in texts.values()},
    )
    keys = {version.id: version.key for version in versions}
    heard = {int(line.data["inbound"]) for line in lines if line.data.get("inbound")}
    points = customers.points_of(session, people)
    return Story(
        lines,
        people,
        texts,
        {row.id: keys[row.template_version_id] for row in texts.values() if row.template_version_id in keys},
        inbound.by_ids(session, sorted(heard)) if heard else {},
        {customer_id: found[0].address for customer_id, found in points.items()},
        {member.id: member for member in staff.everybody(session)},
    )


def newest_lines(session: Session, kinds: Iterable[str], limit: int) -> list[TrailRow]:
    """The newest lines of these kinds, newest first."""
    statement = (
        select(TrailRow).where(col(TrailRow.what).in_(list(kinds))).order_by(col(TrailRow.id).desc()).limit(limit)
    )
    return list(session.exec(statement).all())


def lines_of_ticket(session: Session, ticket_id: int, limit: int = 500) -> list[TrailRow]:
    """What happened to one ticket, oldest first; the lines of its customer since it opened, where it is named."""
    ticket = tickets.get(session, ticket_id)
    if ticket is None:
        return []
    statement = (
        select(TrailRow)
        .where(TrailRow.customer_id == ticket.customer_id, TrailRow.ticket_id == ticket_id)
        .order_by(col(TrailRow.id))
        .limit(limit)
    )
    return list(session.exec(statement).all())


def planned_in_sets(session: Session, customer_id: int, limit: int = 200) -> list[FollowUpRow]:
    """Follow-ups that a set-based plan gave this customer: the trail has no line of their own for them."""
    own = exists().where(
        col(TrailRow.customer_id) == customer_id,
        col(TrailRow.what) == "planned",
        col(TrailRow.flow) == col(FollowUpRow.flow),
        col(TrailRow.at) == col(FollowUpRow.planned_at),
    )
    statement = (
        select(FollowUpRow)
        .where(FollowUpRow.customer_id == customer_id, ~own)
        .order_by(col(FollowUpRow.planned_at).desc())
        .limit(limit)
    )
    return list(session.exec(statement).all())


def coming(session: Session, customer_id: int, limit: int = 20) -> list[FollowUpRow]:
    """What stands planned for a customer, next first."""
    statement = (
        select(FollowUpRow)
        .where(FollowUpRow.customer_id == customer_id, FollowUpRow.state == FollowUpState.PLANNED)
        .order_by(col(FollowUpRow.due_at))
        .limit(limit)
    )
    return list(session.exec(statement).all())


# ----- the queue


@dataclass(frozen=True)
class Call:
    """One ticket as the queue shows it."""

    row: TicketRow
    person: CustomerRow
    address: str
    holder: StaffRow | None
    first: AnswerRow | None


def calls(session: Session, rows: Sequence[TicketRow]) -> list[Call]:
    """The tickets with their customers, holders and first answers."""
    people = customers.by_ids(session, {row.customer_id for row in rows})
    points = customers.points_of(session, people)
    holders = {member.id: member for member in rows_by(session, StaffRow, col(StaffRow.id), _holders(rows))}
    answers = rows_by(session, AnswerRow, col(AnswerRow.survey_id), {row.survey_id for row in rows if row.survey_id})
    first: dict[int, AnswerRow] = {}
    for answer in sorted(answers, key=lambda answer: answer.id):
        if answer.current and answer.points is not None:
            first.setdefault(answer.survey_id, answer)
    return [
        Call(
            row,
            people[row.customer_id],
            points[row.customer_id][0].address if row.customer_id in points else "",
            holders.get(row.claimed_by),
            first.get(row.survey_id),
        )
        for row in rows
    ]


def _holders(rows: Sequence[TicketRow]) -> set[int]:
    return {row.claimed_by for row in rows if row.claimed_by}


def owner_roles(session: Session) -> list[str]:
    """The roles that own tickets."""
    return sorted(session.exec(select(TicketRow.owner_role).distinct()).all())


@dataclass(frozen=True)
class Unclear:
    """One reply that waits for a person, with its customer and the question that was asked."""

    row: InboundRow
    person: CustomerRow | None
    survey: SurveyRow | None


def unclear_replies(session: Session, limit: int = 50, customer_id: int = 0) -> list[Unclear]:
    """Replies that wait for a person, of everybody or of one customer, oldest first (R124)."""
    rows = inbound.for_person(session, limit, customer_id)
    people = customers.by_ids(session, {row.customer_id for row in rows if row.customer_id})
    asked = {
        row.id: row
        for row in rows_by(session, SurveyRow, col(SurveyRow.id), {row.survey_id for row in rows if row.survey_id})
    }
    return [Unclear(row, people.get(row.customer_id), asked.get(row.survey_id)) for row in rows]


@dataclass(frozen=True)
class InDoubt:
    """One message that waits for a person, and whom it was for. `error`: what its last attempt came to."""

    row: MessageRow
    person: CustomerRow | None
    member: StaffRow | None
    error: str


def held_messages(session: Session, limit: int = 50) -> list[InDoubt]:
    """Messages whose outcome nobody knows, oldest first."""
    rows = messages.held(session, limit)
    people = customers.by_ids(session, {row.customer_id for row in rows if row.customer_id})
    crew = rows_by(session, StaffRow, col(StaffRow.id), {row.staff_id for row in rows if row.staff_id})
    members = {member.id: member for member in crew}
    attempts = rows_by(session, AttemptRow, col(AttemptRow.message_id), [row.id for row in rows])
    errors = {each.message_id: each.error for each in sorted(attempts, key=lambda each: each.number)}
    return [
        InDoubt(row, people.get(row.customer_id), members.get(row.staff_id), errors.get(row.id, "")) for row in rows
    ]


@dataclass(frozen=True)
class Unreached:
    """A follow-up that could not be delivered on any channel, and whose it is (R94)."""

    row: FollowUpRow
    person: CustomerRow


def unreached(session: Session, limit: int = 100) -> list[Unreached]:
    """Follow-ups that reached nobody, newest first."""
    statement = (
        select(FollowUpRow, CustomerRow)
        .join(CustomerRow, col(CustomerRow.id) == col(FollowUpRow.customer_id))
        .where(FollowUpRow.state == FollowUpState.UNREACHABLE)
        .order_by(col(FollowUpRow.due_at).desc())
        .limit(limit)
    )
    return [Unreached(row, person) for row, person in session.exec(statement)]


def waiting(session: Session, now: datetime) -> int:
    """How many messages wait in the outbox and are due."""
    return messages.overdue(session, now)


def paused_senders(session: Session) -> int:
    """How many senders do not send now."""
    return session.exec(select(func.count()).where(col(SenderRow.paused_at).is_not(None))).one()


@dataclass(frozen=True)
class Stopped:
    """Who stopped all sending, and when."""

    by: str
    at: datetime


def stopped(session: Session) -> Stopped | None:
    """The kill switch, while it is set."""
    value = settings.read(session, STOPPED)
    return Stopped(value["by"], datetime.fromisoformat(value["at"])) if value.get("stopped") else None


def told_of(session: Session, staff_id: int, limit: int = 8) -> list[TicketRow]:
    """Tickets that this member of staff was told of and that are not closed, newest first."""
    told = select(MessageRow.ticket_id).where(MessageRow.staff_id == staff_id, MessageRow.ticket_id != 0)
    statement = (
        select(TicketRow)
        .where(col(TicketRow.id).in_(told), TicketRow.state != TicketState.CLOSED)
        .order_by(col(TicketRow.id).desc())
        .limit(limit)
    )
    return list(session.exec(statement).all())


# ----- one ticket


@dataclass(frozen=True)
class Asked:
    """One survey of a ticket, round 0 being the one that opened it, and its current answers."""

    round: int
    survey: SurveyRow
    answers: Sequence[AnswerRow]

    @property
    def main(self) -> AnswerRow | None:
        """The first answer that has points."""
        return next((answer for answer in self.answers if answer.points is not None), None)


@dataclass(frozen=True)
class Case:
    """Everything about one ticket."""

    call: Call
    pings: Sequence[PingRow]
    asked: Sequence[Asked]
    staff: Mapping[int, StaffRow]


def case(session: Session, ticket_id: int) -> Case | None:
    """One ticket with its pings and every survey that belongs to it, oldest first."""
    ticket = tickets.get(session, ticket_id)
    if ticket is None:
        return None
    first = surveys.get(session, ticket.survey_id) if ticket.survey_id else None
    again = session.exec(select(SurveyRow).where(SurveyRow.ticket_id == ticket_id).order_by(col(SurveyRow.id))).all()
    asked = [Asked(0, first, surveys.answers_of(session, first.id))] if first else []
    asked += [Asked(row.round, row, surveys.answers_of(session, row.id)) for row in again if row is not first]
    everybody = {member.id: member for member in session.exec(select(StaffRow))}
    return Case(calls(session, [ticket])[0], tickets.pings_of(session, ticket_id), asked, everybody)


# ----- the survey page


@dataclass(frozen=True)
class Sheet:
    """What a survey page may know: the survey, its answers, and what it is about. No name, no address."""

    survey: SurveyRow
    language: str
    zone: str
    program_id: str
    answers: Sequence[AnswerRow]
    event: EventRow | None
    ticket: TicketRow | None


def sheet(session: Session, token: str) -> Sheet | None:
    """The survey behind a link, or None."""
    survey = surveys.by_token(session, token)
    person = session.get(CustomerRow, survey.customer_id) if survey else None
    follow_up = session.get(FollowUpRow, survey.follow_up_id) if survey else None
    if survey is None or person is None or follow_up is None:
        return None
    event = session.get(EventRow, follow_up.event_id) if follow_up.event_id else None
    return Sheet(
        survey,
        person.language,
        person.zone,
        follow_up.program_id,
        surveys.answers_of(session, survey.id),
        event,
        tickets.live(session, person.id, follow_up.program_id),
    )
