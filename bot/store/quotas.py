"""What periods have reached: the looks that are planned, and the counts that they ask for."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import and_, case, exists, false, func, or_
from sqlalchemy import select as core_select
from sqlmodel import Session, col, select

from bot.store.follow_ups import LATER
from bot.store.rows import core, insert_once, table_of
from bot.store.tables import (
    ContactPointRow,
    ContactRow,
    CustomerRow,
    EnrolmentRow,
    EventRow,
    FollowUpRow,
    InboundRow,
    MessageRow,
    QuotaCheckRow,
    SurveyRow,
    TicketRow,
)
from flows.states import FollowUpState, MessageState, SurveyState, TicketState

Counts = dict[str, tuple[int, int]]
"""class (empty: all together) -> (numerator, denominator)"""
_OUT = (FollowUpState.SENT, FollowUpState.ANSWERED, FollowUpState.FULFILLED)
_UNEXPECTED = (FollowUpState.CANCELLED,)
_NOT_ANONYMOUS = or_(
    col(EnrolmentRow.flags)["anonymous"].as_boolean().is_(None),
    col(EnrolmentRow.flags)["anonymous"].as_boolean().is_(False),
)


# ----- the looks


def plan(session: Session, values: Mapping[str, Any]) -> bool:
    """Plan one look; False when it is planned already."""
    return insert_once(session, QuotaCheckRow, {"found": {}, "done_at": None, **values}) is not None


def due(session: Session, now: datetime, limit: int) -> Sequence[QuotaCheckRow]:
    statement = select(QuotaCheckRow).where(col(QuotaCheckRow.done_at).is_(None), col(QuotaCheckRow.due_at) <= now)
    ordered = statement.order_by(col(QuotaCheckRow.due_at), col(QuotaCheckRow.id)).limit(limit)
    return session.execute(ordered.with_for_update(skip_locked=True)).scalars().all()


def note(session: Session, check_id: int, now: datetime, found: Mapping[str, Any]) -> None:
    row = session.get(QuotaCheckRow, check_id)
    if row is not None:
        row.done_at, row.found = now, dict(found)
        session.add(row)


# ----- the counts: each by class, the class as it is now


def _eligible(program_id: str, flows: Sequence[str], first: date, last: date) -> list[Any]:
    """The cases of a period: what was cancelled and who is anonymous are none (R73).

    Neither is what did not go out and whose event was cancelled, such as one told too late. Whoever has no time and is
    asked once more is one case: an answer is booked to the follow-up that asked first.
    """
    return [
        col(FollowUpRow.program_id) == program_id,
        col(FollowUpRow.flow).in_(list(flows)),
        col(FollowUpRow.nominal_on) >= first,
        col(FollowUpRow.nominal_on) <= last,
        col(FollowUpRow.state).not_in(_UNEXPECTED),
        ~col(FollowUpRow.occasion).startswith(LATER),
        or_(col(FollowUpRow.state).in_(_OUT), ~_of_cancelled_event()),
        _NOT_ANONYMOUS,
    ]


def _of_cancelled_event() -> Any:
    return exists().where(col(EventRow.id) == col(FollowUpRow.event_id), col(EventRow.cancelled_at).is_not(None))


def _of_enrolment() -> Any:
    return and_(
        col(EnrolmentRow.customer_id) == col(FollowUpRow.customer_id),
        col(EnrolmentRow.program_id) == col(FollowUpRow.program_id),
    )


@dataclass(frozen=True)
class Reach:
    """What counts as contacted: at least this, or a logged contact of one of these kinds."""

    least: str
    kinds: tuple[str, ...]


def _contacted(reached: Reach, last: date) -> Any:
    """Answered, or reached by a call that a person recorded (R75); with `reached` less is enough."""
    recorded = exists().where(
        col(ContactRow.customer_id) == col(FollowUpRow.customer_id),
        col(ContactRow.program_id) == col(FollowUpRow.program_id),
        col(ContactRow.counts),
        col(ContactRow.kind).in_(reached.kinds),
        col(ContactRow.on) >= col(FollowUpRow.nominal_on),
        col(ContactRow.on) <= last,
    )
    met = [col(FollowUpRow.state).in_((FollowUpState.ANSWERED, FollowUpState.FULFILLED)), recorded]
    if reached.least == "attempted":
        met.append(col(FollowUpRow.state) == FollowUpState.SENT)
    if reached.least == "delivered":
        met.append(
            exists().where(
                col(MessageRow.follow_up_id) == col(FollowUpRow.id), col(MessageRow.state) == MessageState.DELIVERED
            )
        )
    return or_(*met)


def _counted(session: Session, numerator: Any, conditions: Sequence[Any], by_class: bool, joined: Any = None) -> Counts:
    grade = func.coalesce(col(EnrolmentRow.class_), "") if by_class else func.min("")
    source = table_of(FollowUpRow).join(table_of(EnrolmentRow), _of_enrolment())
    if joined is not None:
        source = source.join(*joined)
    statement = core_select(grade, func.count().filter(numerator), func.count()).select_from(source).where(*conditions)
    if by_class:
        statement = statement.group_by(grade)
    return {class_ or "": (met, of) for class_, met, of in core(session).execute(statement)}


def contacted(
    session: Session, program_id: str, flows: Sequence[str], first: date, last: date, reached: Reach, by_class: bool
) -> Counts:
    """Follow-up rate: contacted of eligible. A case with several contact persons counts when each was (R2)."""
    grade = func.coalesce(col(EnrolmentRow.class_), "")
    case_of = (FollowUpRow.customer_id, FollowUpRow.flow, FollowUpRow.occasion, FollowUpRow.matter_id)
    each_met = func.min(case((_contacted(reached, last), 1), else_=0))
    cases = (
        core_select(grade.label("class_"), each_met.label("met"))
        .select_from(table_of(FollowUpRow).join(table_of(EnrolmentRow), _of_enrolment()))
        .where(*_eligible(program_id, flows, first, last))
        .group_by(*(col(field) for field in case_of), grade)
        .subquery()
    )
    class_of = cases.c.class_ if by_class else func.min("")
    statement = core_select(class_of, func.coalesce(func.sum(cases.c.met), 0), func.count()).select_from(cases)
    if by_class:
        statement = statement.group_by(cases.c.class_)
    return {class_ or "": (int(met), of) for class_, met, of in core(session).execute(statement)}


def members_contacted(
    session: Session,
    program_id: str,
    flows: Sequence[str],
    first: date,
    last: date,
    reached: Reach,
    classes: Sequence[str],
    by_class: bool,
) -> Counts:
    """Contacted of all customers of these classes, asked or not; who came after the period is not judged by it."""
    grade = col(EnrolmentRow.class_) if by_class else func.min("")
    met = func.count().filter(_member_met(program_id, flows, first, last, reached))
    statement = core_select(grade, met, func.count()).where(*_members(program_id, classes, last))
    if by_class:
        statement = statement.group_by(grade)
    return {class_ or "": (n, of) for class_, n, of in core(session).execute(statement)}


def members_not_contacted(
    session: Session,
    program_id: str,
    flows: Sequence[str],
    first: date,
    last: date,
    reached: Reach,
    classes: Sequence[str],
) -> list[int]:
    """Ids of those of these classes who are missing, and whom somebody may and can still reach."""
    id_ = col(EnrolmentRow.customer_id)
    missing = (*_members(program_id, classes, last), ~_member_met(program_id, flows, first, last, reached))
    statement = core_select(id_).where(*missing, *_may_be_reached(id_))
    return sorted(core(session).execute(statement).scalars())


def _members(program_id: str, classes: Sequence[str], last: date) -> list[Any]:
    return [
        col(EnrolmentRow.program_id) == program_id,
        col(EnrolmentRow.class_).in_(list(classes)),
        col(EnrolmentRow.class_since) <= last,
        _NOT_ANONYMOUS,
    ]


def _member_met(program_id: str, flows: Sequence[str], first: date, last: date, reached: Reach) -> Any:
    asked = exists().where(
        col(FollowUpRow.customer_id) == col(EnrolmentRow.customer_id),
        col(FollowUpRow.program_id) == program_id,
        col(FollowUpRow.flow).in_(list(flows)),
        col(FollowUpRow.nominal_on) >= first,
        col(FollowUpRow.nominal_on) <= last,
        _contacted(reached, last),
    )
    recorded = exists().where(
        col(ContactRow.customer_id) == col(EnrolmentRow.customer_id),
        col(ContactRow.program_id) == program_id,
        col(ContactRow.counts),
        col(ContactRow.kind).in_(reached.kinds),
        col(ContactRow.on) >= first,
        col(ContactRow.on) <= last,
    )
    return or_(asked, recorded)


def _may_be_reached(customer_id: Any) -> tuple[Any, Any]:
    """Nobody is called who wants nothing of us, or has no address that works."""
    wants_none = exists().where(col(CustomerRow.id) == customer_id, col(CustomerRow.opted_out_at).is_not(None))
    usable = exists().where(
        col(ContactPointRow.customer_id) == customer_id, col(ContactPointRow.suppressed_at).is_(None)
    )
    return ~wants_none, usable


def not_contacted(
    session: Session, program_id: str, flows: Sequence[str], first: date, last: date, reached: Reach, class_: str | None
) -> list[int]:
    """Ids of the customers of the cases that are missing, of one class where it is named."""
    return _customers(session, [*_eligible(program_id, flows, first, last), ~_contacted(reached, last)], class_)


def not_issued(
    session: Session, program_id: str, flows: Sequence[str], first: date, last: date, class_: str | None
) -> list[int]:
    """Ids of the customers whom nothing was sent, as `not_contacted`."""
    not_out = col(FollowUpRow.state).not_in(_OUT)
    return _customers(session, [*_eligible(program_id, flows, first, last), not_out], class_)


def silent(
    session: Session, program_id: str, flows: Sequence[str], first: date, last: date, class_: str | None
) -> list[int]:
    """Ids of the customers who were asked and have sent nothing since then, not even too late; as `not_contacted`."""
    heard = exists().where(
        col(InboundRow.customer_id) == col(FollowUpRow.customer_id),
        col(InboundRow.received_at) >= col(SurveyRow.opened_at),
    )
    conditions = [*_eligible(program_id, flows, first, last), col(FollowUpRow.state).in_(_OUT), ~_back(), ~heard]
    return _customers(session, conditions, class_, _SURVEY)


def _customers(session: Session, conditions: Sequence[Any], class_: str | None, joined: Any = None) -> list[int]:
    """Ids of the customers of these cases, of one class where it is named, whom somebody may and can still reach."""
    of_class = [] if class_ is None else [func.coalesce(col(EnrolmentRow.class_), "") == class_]
    source = table_of(FollowUpRow).join(table_of(EnrolmentRow), _of_enrolment())
    if joined is not None:
        source = source.join(*joined)
    id_ = col(FollowUpRow.customer_id)
    statement = core_select(id_).select_from(source).where(*conditions, *of_class, *_may_be_reached(id_)).distinct()
    return sorted(core(session).execute(statement).scalars())


def issued(session: Session, program_id: str, flows: Sequence[str], first: date, last: date, by_class: bool) -> Counts:
    """Issue rate: sent of the population."""
    conditions = _eligible(program_id, flows, first, last)
    return _counted(session, col(FollowUpRow.state).in_(_OUT), conditions, by_class)


def returned(
    session: Session, program_id: str, flows: Sequence[str], first: date, last: date, by_class: bool
) -> Counts:
    """Collection rate: returned before the closing date of sent; late ones do not count (R58)."""
    conditions = [*_eligible(program_id, flows, first, last), col(FollowUpRow.state).in_(_OUT)]
    return _counted(session, _back(), conditions, by_class, _SURVEY)


_SURVEY = (table_of(SurveyRow), col(SurveyRow.follow_up_id) == col(FollowUpRow.id))


def _back() -> Any:
    answered = col(SurveyRow.state) == SurveyState.ANSWERED
    return and_(answered, func.coalesce(col(SurveyRow.answered_at) <= col(SurveyRow.closes_at), false()))


def handled(session: Session, program_id: str, since: datetime, until: datetime) -> Counts:
    """Handling rate: closed of raised, among the tickets that were opened in a span."""
    closed = func.count().filter(col(TicketRow.state) == TicketState.CLOSED)
    statement = core_select(closed, func.count()).where(
        col(TicketRow.program_id) == program_id, col(TicketRow.opened_at) >= since, col(TicketRow.opened_at) < until
    )
    done, raised = core(session).execute(statement).one()
    return {"": (done, raised)}


# ----- logged contacts


def made_with(
    session: Session,
    program_id: str,
    kinds: Iterable[str],
    customer_id: int,
    first: date,
    last: date,
    until: datetime | None = None,
) -> int:
    """How many counting contacts of these kinds a customer had between two days, both included, up to an instant."""
    made = _made(program_id, kinds, first, last, until)
    statement = core_select(func.count()).where(col(ContactRow.customer_id) == customer_id, *made)
    return int(core(session).execute(statement).scalar_one())


def customers_met(
    session: Session, program_id: str, kinds: Iterable[str], first: date, last: date, until: datetime | None = None
) -> dict[int, int]:
    """Member of staff -> how many different customers they have contacted (R72)."""
    statement = (
        core_select(col(ContactRow.staff_id), func.count(col(ContactRow.customer_id).distinct()))
        .where(*_made(program_id, kinds, first, last, until))
        .group_by(col(ContactRow.staff_id))
    )
    return {staff_id: met for staff_id, met in core(session).execute(statement)}


def _made(program_id: str, kinds: Iterable[str], first: date, last: date, until: datetime | None) -> list[Any]:
    made = [
        col(ContactRow.program_id) == program_id,
        col(ContactRow.kind).in_(list(kinds)),
        col(ContactRow.counts),
        col(ContactRow.on) >= first,
        col(ContactRow.on) <= last,
    ]
    return made if until is None else [*made, col(ContactRow.at) <= until]
