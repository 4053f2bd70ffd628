"""Many follow-ups at once: a Selection of `flows` becomes one INSERT ... SELECT for each group, or is only counted.

The same condition chooses who is planned, who is counted for the forecast, and who may be drawn.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property, lru_cache, partial
from typing import Any

from sqlalchemy import ColumnElement, Date, String, and_, bindparam, case, exists, func, literal, or_, true
from sqlalchemy import select as core_select
from sqlalchemy.sql.elements import UnaryExpression
from sqlalchemy.sql.operators import custom_op
from sqlmodel import Session, col

from bot.store.audiences import condition, day_text, is_set
from bot.store.follow_ups import Owner
from bot.store.rows import core, dialect_of, on_conflict_do_nothing, rows_by, table_of
from bot.store.tables import (
    ContactPersonRow,
    CustomerRow,
    EnrolmentRow,
    EventRow,
    FollowUpRow,
    Id,
    Instant,
    MatterRow,
    RestartRow,
)
from flows.audience import Predicate
from flows.decisions import CountsFrom, Group, Selection
from flows.selections import Anchor
from flows.states import FollowUpState

CLOSED = "closed"
"""State of a matter that nothing is due for any more."""
ANNOYED = "annoyed_since"
"""Flag of an enrolment: since when the customer has shown annoyance."""
LINK = "due:%"
"""Occasions of the links of a cadence; what was planned by hand beside it is none."""
NAMES = (
    "program_id",
    "program_version_id",
    "flow",
    "customer_id",
    "person_id",
    "matter_id",
    "event_id",
    "ticket_id",
    "survey_id",
    "occasion",
    "purpose",
    "state",
    "nominal_on",
    "intended_on",
    "due_at",
    "expires_at",
    "planned_at",
    "reason",
)
BOUNDS = ("first", "last")
Span = tuple[int, int]
"""Enrolments after the first id and up to the second."""
SPAN = ("after", "upto")


@dataclass(frozen=True)
class Where:
    """Whom a Selection is about: the tables joined, what is counted from, and which person and matter a row is for."""

    joined: Any
    anchor: ColumnElement[Any]
    person_id: ColumnElement[int]
    matter_id: ColumnElement[int]
    conditions: tuple[ColumnElement[bool], ...]


@dataclass(frozen=True)
class Planning:
    """A Selection as it is planned: one INSERT ... SELECT for each group, built once for all slices of the enrolments.

    Those planned already are passed over. `fresh` slices: hardly anybody is planned yet, so that the unique keys alone
    pass over those who are. That is faster then, and SQLite need not gather the rows first, as it does where it reads
    the table that it writes.
    """

    dialect: str
    owner: Owner
    selection: Selection
    today: date
    sliced: bool

    def insert(self, session: Session, span: Span | None, *, fresh: bool = False) -> dict[Group, int]:
        """Plan one slice, or everybody (None): how many were new of each group that had any."""
        bounds = dict(zip(SPAN, span or (), strict=False))
        new = {}
        for group, statement in self._fresh if fresh else self._again:
            count = core(session).execute(statement, bounds, execution_options={"preserve_rowcount": True}).rowcount
            if count > 0:
                new[group] = count
        return new

    @cached_property
    def _fresh(self) -> list[tuple[Group, Any]]:
        return [(group, self._statement(group)) for group in self.selection.groups]

    @cached_property
    def _again(self) -> list[tuple[Group, Any]]:
        where = self._where
        new = partial(_is_new, self.dialect, self.owner.program_id, self.selection, where=where)
        return [(group, self._statement(group, new(group))) for group in self.selection.groups]

    @cached_property
    def _where(self) -> Where:
        return _where(self.dialect, self.owner.program_id, self.selection, sliced=self.sliced)

    def _statement(self, group: Group, *but: Any) -> Any:
        owner, selection, slot, where = self.owner, self.selection, group.slot, self._where
        rows = (
            core_select(
                literal(owner.program_id, String).label("program_id"),
                literal(owner.version_id, Id).label("program_version_id"),
                literal(selection.flow, String).label("flow"),
                col(EnrolmentRow.customer_id),
                where.person_id,
                where.matter_id,
                literal(0, Id),
                literal(0, Id),
                literal(0, Id),
                literal(group.occasion, String),
                literal(str(selection.purpose), String),
                literal(str(FollowUpState.PLANNED), String),
                literal(slot.nominal_on, Date),
                literal(slot.intended_on, Date),
                literal(slot.due_at, Instant),
                literal(slot.expires_at, Instant),
                literal(owner.now, Instant),
                literal(selection.because, String),
            )
            .select_from(where.joined)
            .where(*where.conditions, *_meant_of(self.dialect, selection, group, where, self.today), *but)
        )
        if self.sliced:
            after, upto = (bindparam(name, type_=Id) for name in SPAN)
            rows = rows.where(col(EnrolmentRow.id) > after, col(EnrolmentRow.id) <= upto)
        return on_conflict_do_nothing(self.dialect, table_of(FollowUpRow)).from_select(NAMES, rows)


def count_group(
    session: Session,
    program_id: str,
    selection: Selection,
    group: Group,
    today: date,
    sort: Callable[[Where], ColumnElement[str]],
    but: Sequence[Any] = (),
) -> dict[str, int]:
    """How many a group of the Selection would plan: the same condition as `Planning`, counted by a sort.

    `but`: conditions that the forecast adds.
    """
    dialect = dialect_of(session)
    where = _where(dialect, program_id, selection)
    inner = (
        core_select(sort(where).label("sort"))
        .select_from(where.joined)
        .where(*where.conditions, *_meant_of(dialect, selection, group, where, today), *but)
        .where(_is_new(dialect, program_id, selection, group, where))
        .subquery()
    )
    statement = core_select(inner.c.sort, func.count()).group_by(inner.c.sort)
    return {sort_: count for sort_, count in core(session).execute(statement)}


def newest_enrolment(session: Session) -> int:
    """The greatest id of any enrolment."""
    return core(session).execute(core_select(func.max(table_of(EnrolmentRow).c.id))).scalar() or 0


def _where(dialect: str, program_id: str, selection: Selection, *, sliced: bool = False) -> Where:
    return _joined(dialect, program_id, selection.flow, selection.counts_from, selection.to, sliced)


@lru_cache(maxsize=1000)
def _joined(
    dialect: str, program_id: str, flow: str, counts_from: CountsFrom, to: tuple[str, ...] = (), sliced: bool = False
) -> Where:
    """`sliced`: the ids of enrolments are limited besides, and no other index serves as well as they do."""
    enrolment, customer = table_of(EnrolmentRow), table_of(CustomerRow)
    joined: Any = enrolment.join(customer, customer.c.id == enrolment.c.customer_id)
    program: Any = enrolment.c.program_id
    if sliced and dialect == "sqlite":
        program = UnaryExpression(program, operator=custom_op("+"))  # SQLite: of this column, use no index
    conditions = [program == program_id]
    anchor: ColumnElement[Any] = literal(None, Date)
    person_id: ColumnElement[int] = literal(0, Id)
    matter_id: ColumnElement[int] = literal(0, Id)
    match counts_from.kind:
        case "activity":
            anchor = enrolment.c.activity_on
        case "chain":
            anchor, joined = _chain_anchor(dialect, joined, program_id, flow)
        case "attribute":
            anchor = day_text(dialect, customer.c.attributes, counts_from.field)
        case "matter":
            matter = table_of(MatterRow)
            joined = joined.join(matter, matter.c.customer_id == enrolment.c.customer_id)
            conditions += [matter.c.kind == counts_from.matter, matter.c.state != CLOSED]
            anchor, matter_id = day_text(dialect, matter.c.dates, counts_from.field), matter.c.id
        case "none":
            pass
    if to:
        person = table_of(ContactPersonRow)
        joined = joined.join(person, person.c.customer_id == enrolment.c.customer_id)
        conditions.append(person.c.role.in_(to))
        person_id = person.c.id
    return Where(joined, anchor, person_id, matter_id, tuple(conditions))


def _chain_anchor(dialect: str, joined: Any, program_id: str, flow: str) -> tuple[ColumnElement[Any], Any]:
    """The last nominal date of this chain; else where it began anew, or the day the class began.

    What was planned before it began anew, or before the class where it never did, is no link of it any more, and what
    somebody added by hand never was. A cadence that outlives its class has begun anew on the day it had begun.
    """
    enrolment, there, anew = table_of(EnrolmentRow), table_of(FollowUpRow), table_of(RestartRow)
    of_program, of_flow = _not_by_index(dialect, there.c.program_id, there.c.flow)
    began = enrolment.c.class_since
    joined = joined.outerjoin(
        anew,
        and_(
            anew.c.customer_id == enrolment.c.customer_id,
            anew.c.program_id == program_id,
            anew.c.flow == flow,
            anew.c.matter_id == 0,
        ),
    )
    last = (
        core_select(func.max(there.c.nominal_on))
        .where(
            of_program == program_id,
            of_flow == flow,
            there.c.customer_id == enrolment.c.customer_id,
            case((anew.c.at.is_(None), there.c.nominal_on >= began), else_=there.c.planned_at > anew.c.at),
            there.c.occasion.like(LINK),
        )
        .correlate(enrolment, anew)
        .scalar_subquery()
    )
    return func.coalesce(last, anew.c.on, began, type_=Date()), joined


def _is_new(dialect: str, program_id: str, selection: Selection, group: Group, where: Where) -> Any:
    """Has nobody planned this before? Asked customer by customer."""
    there, enrolment = table_of(FollowUpRow), table_of(EnrolmentRow)
    of_program, of_flow = _not_by_index(dialect, there.c.program_id, there.c.flow)
    before = (
        core_select(there.c.id)
        .where(
            of_program == program_id,
            of_flow == selection.flow,
            there.c.customer_id == enrolment.c.customer_id,
            there.c.person_id == where.person_id,
            there.c.matter_id == where.matter_id,
            there.c.occasion == group.occasion,
        )
        .limit(1)
        .correlate_except(there)
        .scalar_subquery()
    )
    return before.is_(None)


def _not_by_index(dialect: str, *columns: Any) -> list[Any]:
    """The columns, such that PostgreSQL finds a follow-up only by its customer.

    It would compare everybody with everything of the flow while its statistics do not know yet what has just been
    planned: 20,000 customers took 40 seconds.
    """
    return [column if dialect == "sqlite" else column.concat("") for column in columns]


def _meant_of(dialect: str, selection: Selection, group: Group, where: Where, today: date) -> list[Any]:
    """Who of the group is meant."""
    enrolment = table_of(EnrolmentRow)
    members = [
        col(CustomerRow.zone) == group.zone,
        condition(dialect, selection.audience, literal(today, Date)),
    ]
    if group.anchor is not None:
        members.append(where.anchor == _as_kept(selection.counts_from, group.anchor))
    if group.annoyed is not None:
        members.append(annoyed(dialect) == int(group.annoyed))
    if group.enrolled_by is not None:
        members.append(enrolment.c.class_since <= group.enrolled_by)
    if group.part is not None:
        members.append(enrolment.c.customer_id % group.part[1] == group.part[0])
    if group.quiet_since is not None and selection.stops_on:
        members.append(~_stopped(selection.stops_on, group.quiet_since, where))
    if selection.until is not None:
        members.append(_not_over(dialect, selection.until, group.slot.nominal_on))
    return members


def _as_kept(counts_from: CountsFrom, day: date) -> Any:
    """A date as the anchor's column has it: attributes and matters keep ISO text."""
    return day.isoformat() if counts_from.kind in ("attribute", "matter") else day


def _stopped(events: tuple[str, ...], since: datetime, where: Where) -> Any:
    """Has one of these events come since then, about the same matter or about none?"""
    enrolment, event = table_of(EnrolmentRow), table_of(EventRow)
    return exists().where(
        event.c.customer_id == enrolment.c.customer_id,
        event.c.type.in_(events),
        event.c.cancelled_at.is_(None),
        event.c.occurred_at >= since,
        or_(event.c.matter_id == 0, event.c.matter_id == where.matter_id),
    )


def _not_over(dialect: str, until: CountsFrom, nominal: date) -> Any:
    """Nothing comes after this date of the customer, or of the last of its matters; without one there is no end."""
    enrolment, customer, matter = table_of(EnrolmentRow), table_of(CustomerRow), table_of(MatterRow)
    if until.kind == "attribute":
        ends: Any = day_text(dialect, customer.c.attributes, until.field)
    else:
        ends = (
            core_select(func.max(day_text(dialect, matter.c.dates, until.field)))
            .where(matter.c.customer_id == enrolment.c.customer_id, matter.c.kind == until.matter)
            .correlate(enrolment)
            .scalar_subquery()
        )
    return func.coalesce(ends >= nominal.isoformat(), true())


def annoyed(dialect: str) -> Any:
    """1 where the customer has shown annoyance in this program, else 0 (R83)."""
    return case((is_set(dialect, table_of(EnrolmentRow).c.flags, ANNOYED), 1), else_=0)


def anchors(
    session: Session,
    program_id: str,
    flow: str,
    counts_from: CountsFrom,
    audience: Predicate,
    today: date,
    between: tuple[date | None, date | None] = (None, None),
) -> list[Anchor]:
    """The distinct (zone, date, annoyed) from which a set-based flow counts, among those who are meant.

    `between`: dates outside mean nobody now, and are left out where that is cheap to know.
    """
    known: dict[str, Any] = {"today": today}
    known |= {name: _as_kept(counts_from, day) for name, day in zip(BOUNDS, between, strict=True) if day is not None}
    found: list[Anchor] = []
    for statement in _anchors(dialect_of(session), program_id, flow, counts_from, audience, tuple(known)[1:]):
        rows = core(session).execute(statement, known)
        found += [Anchor(zone, on, count, bool(half)) for zone, day, half, count in rows if (on := _day(day))]
    return found


def _day(kept: date | str | None) -> date | None:
    """The day as the tables keep it; what is no date counts for nothing."""
    if not isinstance(kept, str):
        return kept
    try:
        return date.fromisoformat(kept)
    except ValueError:
        return None


@lru_cache(maxsize=1000)
def _anchors(
    dialect: str, program_id: str, flow: str, counts_from: CountsFrom, audience: Predicate, bounds: tuple[str, ...]
) -> tuple[Any, ...]:
    """The statements whose rows together are the anchors."""
    where = _joined(dialect, program_id, flow, counts_from)
    is_chain = counts_from.kind == "chain"
    columns: tuple[Any, ...] = (
        col(CustomerRow.zone).label("zone"),
        where.anchor.label("anchor"),
        (annoyed(dialect) if is_chain else literal(0)).label("annoyed"),
    )
    meant = (*where.conditions, condition(dialect, audience, bindparam("today", type_=Date)))
    sides = _chain_bounds(bounds) if is_chain else [_bounds(counts_from, where.anchor, bounds)]
    statements = []
    for side in sides:
        inner = core_select(*columns).select_from(where.joined).where(*meant, *side).subquery()
        by = (inner.c.zone, inner.c.anchor, inner.c.annoyed)
        statements.append(core_select(*by, func.count()).where(inner.c.anchor.is_not(None)).group_by(*by))
    return tuple(statements)


def _bounds(counts_from: CountsFrom, anchor: Any, bounds: tuple[str, ...]) -> list[Any]:
    kind: Any = String() if counts_from.kind in ("attribute", "matter") else Date()
    sides = {"first": lambda bound: anchor >= bound, "last": lambda bound: anchor <= bound}
    return [sides[name](bindparam(name, type_=kind)) for name in bounds]


def _chain_bounds(bounds: tuple[str, ...]) -> list[list[Any]]:
    """A chain counts from the day the class began or from later; only one that began anew may count from before."""
    if "last" not in bounds:
        return [[]]
    last = bindparam("last", type_=Date())
    began = table_of(EnrolmentRow).c.class_since
    return [[began <= last], [began > last, table_of(RestartRow).c.on <= last]]


def zones(session: Session) -> list[Anchor]:
    """The zones of all customers: what the calendar alone calls for counts from no date."""
    found = core(session).execute(core_select(table_of(CustomerRow).c.zone).distinct())
    return [Anchor(zone, None) for (zone,) in found]


# ----- random draws


@dataclass(frozen=True)
class Happened:
    """What must have happened to somebody who is drawn: an event of a type, with such data, since an instant."""

    event: str
    where: Predicate
    since: datetime


def members(
    session: Session, program_id: str, audience: Predicate, today: date, happened: Happened | None = None
) -> list[int]:
    """Ids of the enrolled customers who are meant, for a draw."""
    statement = core_select(col(EnrolmentRow.customer_id)).where(
        *_meant(session, program_id, audience, today, happened)
    )
    return list(core(session).execute(statement).scalars())


def _meant(session: Session, program_id: str, audience: Predicate, today: date, happened: Happened | None) -> list[Any]:
    dialect, on = dialect_of(session), literal(today, Date)
    meant = [
        col(EnrolmentRow.program_id) == program_id,
        col(CustomerRow.id) == col(EnrolmentRow.customer_id),
        condition(dialect, audience, on),
    ]
    if happened is not None:
        event = table_of(EventRow)
        meant.append(
            exists().where(
                event.c.customer_id == table_of(CustomerRow).c.id,
                event.c.type == happened.event,
                event.c.cancelled_at.is_(None),
                event.c.occurred_at >= happened.since,
                condition(dialect, happened.where, on, event.c.data),
            )
        )
    return meant


def drawn_since(session: Session, program_id: str, flow: str, since: date) -> set[int]:
    """Customers whom this flow has drawn for a day since then (R69)."""
    there = table_of(FollowUpRow)
    statement = core_select(there.c.customer_id).where(
        there.c.program_id == program_id, there.c.flow == flow, there.c.nominal_on >= since
    )
    return set(core(session).execute(statement).scalars())


def occasion_exists(session: Session, program_id: str, flow: str, occasion: str) -> bool:
    """Has anybody been planned for this occasion?"""
    there = table_of(FollowUpRow)
    statement = core_select(there.c.id).where(
        there.c.program_id == program_id, there.c.flow == flow, there.c.occasion == occasion
    )
    return core(session).execute(statement.limit(1)).first() is not None


def persons_with_roles(session: Session, customer_ids: Sequence[int], roles: Sequence[str]) -> dict[int, list[int]]:
    """Customer -> the contact persons there who have one of these roles."""
    found: dict[int, list[int]] = {}
    for row in rows_by(session, ContactPersonRow, col(ContactPersonRow.customer_id), customer_ids):
        if row.role in roles:
            found.setdefault(row.customer_id, []).append(row.id)
    return found
