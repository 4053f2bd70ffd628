"""Customers, their people and addresses, the consent ledger, enrolments and matters."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from typing import Any, NamedTuple, cast

from sqlalchemy import Date, bindparam, func, insert, or_, update
from sqlalchemy import select as core_select
from sqlalchemy.orm.attributes import set_committed_value
from sqlmodel import Session, SQLModel, col, select

from bot.store.rows import (
    chunks,
    core,
    for_update,
    insert_many,
    insert_many_once,
    insert_once,
    row_of,
    rows_by,
    table_of,
)
from bot.store.tables import (
    SELF,
    ConsentRow,
    ContactPersonRow,
    ContactPointRow,
    CustomerKeyRow,
    CustomerRow,
    EnrolmentRow,
)
from flows.survey import NOT_THEIRS


def get(session: Session, customer_id: int) -> CustomerRow | None:
    return row_of(session, CustomerRow, customer_id)


def by_keys(session: Session, source: str, external_ids: Iterable[str]) -> dict[str, int]:
    """What a source calls its customers -> our ids."""
    found: dict[str, int] = {}
    for chunk in chunks(dict.fromkeys(external_ids)):
        statement = select(CustomerKeyRow.external_id, CustomerKeyRow.customer_id).where(
            CustomerKeyRow.source == source, col(CustomerKeyRow.external_id).in_(chunk)
        )
        found.update({key: customer_id for key, customer_id in session.execute(statement)})
    return found


def ids_of(session: Session, source: str) -> dict[str, int]:
    """What a source calls all its customers -> our ids."""
    table = table_of(CustomerKeyRow)
    statement = core_select(table.c.external_id, table.c.customer_id).where(table.c.source == source)
    return {key: customer_id for key, customer_id in core(session).execute(statement)}


def by_addresses(session: Session, addresses: Iterable[str]) -> dict[str, int]:
    """Addresses (of any channel) -> the customers who have them."""
    rows = rows_by(session, ContactPointRow, col(ContactPointRow.address), addresses)
    return {row.address: row.customer_id for row in rows}


def by_ids(session: Session, customer_ids: Iterable[int]) -> dict[int, CustomerRow]:
    return {row.id: row for row in rows_by(session, CustomerRow, col(CustomerRow.id), customer_ids)}


def add_key(session: Session, customer_id: int, source: str, external_id: str) -> None:
    """From now on this source may call the customer so."""
    insert_once(session, CustomerKeyRow, {"customer_id": customer_id, "source": source, "external_id": external_id})


def by_address(session: Session, channel: str, address: str) -> CustomerRow | None:
    """The customer who answers at this address, suppressed or not."""
    return session.execute(_by_address(), {"channel": channel, "address": address}).scalars().first()


@cache
def _by_address() -> Any:
    return (
        select(CustomerRow)
        .join(ContactPointRow, col(ContactPointRow.customer_id) == col(CustomerRow.id))
        .where(ContactPointRow.channel == bindparam("channel"), ContactPointRow.address == bindparam("address"))
    )


def lock(session: Session, customer_ids: Iterable[int]) -> dict[int, CustomerRow]:
    """The customers, locked until the transaction ends: caps and opt-out have one judge."""
    statement = for_update(session, _lock())
    found: dict[int, CustomerRow] = {}
    for chunk in chunks(sorted(set(customer_ids))):
        found.update((row.id, row) for row in session.execute(statement, {"wanted": chunk}).scalars())
    return found


class Consent(NamedTuple):
    """What the sender must know of a customer at the last moment."""

    id: int
    zone: str
    opted_out_at: datetime | None
    marketing_consent_at: datetime | None
    windows: dict[str, Any] | None = None


def lock_free(session: Session, customer_ids: Iterable[int]) -> set[int]:
    """Lock those whom nobody else holds: a claim locks the customer before the row that it takes.

    The other way round, a claim and a reply of the same customer would each wait for what the other holds.
    """
    statement = for_update(session, _free(), skip_locked=True)
    found: set[int] = set()
    for chunk in chunks(sorted(set(customer_ids))):
        found.update(core(session).execute(statement, {"wanted": chunk}).scalars())
    return found


@cache
def _free() -> Any:
    id_ = table_of(CustomerRow).c.id
    return core_select(id_).where(id_.in_(bindparam("wanted", expanding=True))).order_by(id_)


@cache
def _lock() -> Any:
    wanted: Any = bindparam("wanted", expanding=True)
    return select(CustomerRow).where(col(CustomerRow.id).in_(wanted)).order_by(col(CustomerRow.id))


def points_of(session: Session, customer_ids: Iterable[int]) -> dict[int, list[ContactPointRow]]:
    """Usable addresses by customer: not suppressed, in the order in which they were added."""
    points: dict[int, list[ContactPointRow]] = {}
    for row in sorted(
        rows_by(session, ContactPointRow, col(ContactPointRow.customer_id), customer_ids), key=lambda r: r.id
    ):
        if row.suppressed_at is None:
            points.setdefault(row.customer_id, []).append(row)
    return points


def add_customers(session: Session, rows: Sequence[Mapping[str, Any]]) -> list[int]:
    """The ids of new customers, in the order of the rows."""
    return _insert_in_order(session, CustomerRow, rows)


def add_persons(session: Session, people: Sequence[tuple[int, str, str]]) -> list[int]:
    """The ids of the persons whom new private customers are, in order; each: customer, name, title."""
    rows = [{"customer_id": id_, "role": SELF, "name": name, "title": title} for id_, name, title in people]
    return _insert_in_order(session, ContactPersonRow, rows)


def _insert_in_order(session: Session, model: type[SQLModel], rows: Sequence[Mapping[str, Any]]) -> list[int]:
    table = table_of(model)
    statement = insert(table).returning(table.c.id, sort_by_parameter_order=True)
    return list(session.execute(statement, rows).scalars())


def add_points(session: Session, points: Sequence[tuple[str, str, int, int]]) -> int:
    """Give persons addresses, unless somebody has them already; each: channel, address, customer, person.

    How many are new. In one order, so that two who add the same ones wait for each other only once.
    """
    rows = [
        {"channel": channel, "address": address, "customer_id": id_, "person_id": person, "suppressed_because": ""}
        for channel, address, id_, person in sorted(points)
    ]
    new = insert_many_once(session, ContactPointRow, rows, "id")
    if new:
        _keep_silent(session, {person for _, _, _, person in points})
    return len(new)


def add_keys(session: Session, source: str, keys: Sequence[tuple[int, str]]) -> int:
    """From now on this source may call these customers so; each: customer, key. How many are new."""
    rows = [
        {"customer_id": id_, "source": source, "external_id": key}
        for id_, key in sorted(keys, key=lambda pair: pair[1])
    ]
    return len(insert_many_once(session, CustomerKeyRow, rows, "id"))


def add_consents(
    session: Session, customer_ids: Sequence[int], action: str, scope: str, source: str, at: datetime
) -> None:
    """Write the ledger of customers who are new: their rows say the same already."""
    common = {"action": action, "scope": scope, "source": source, "at": at, "note": ""}
    insert_many(session, ConsentRow, [{"customer_id": each, **common} for each in customer_ids])


def add_person(session: Session, customer_id: int, name: str, role: str = SELF, title: str = "") -> int:
    """The id of this person at this customer; added when new."""
    values = {"customer_id": customer_id, "role": role, "name": name, "title": title}
    new = insert_once(session, ContactPersonRow, values)
    if new is not None:
        return new
    statement = select(ContactPersonRow.id).where(
        ContactPersonRow.customer_id == customer_id, ContactPersonRow.role == role, ContactPersonRow.name == name
    )
    return session.exec(statement).one()


def first_persons(session: Session, customer_ids: Iterable[int]) -> dict[int, int]:
    """Customer -> the first person there."""
    found: dict[int, int] = {}
    for row in rows_by(session, ContactPersonRow, col(ContactPersonRow.customer_id), customer_ids):
        found[row.customer_id] = min(row.id, found.get(row.customer_id, row.id))
    return found


def persons_by_ids(session: Session, person_ids: Iterable[int]) -> dict[int, ContactPersonRow]:
    return {row.id: row for row in rows_by(session, ContactPersonRow, col(ContactPersonRow.id), person_ids)}


def add_point(session: Session, customer_id: int, person_id: int, channel: str, address: str) -> bool:
    """Give a person an address; False when somebody has it already."""
    values = {
        "customer_id": customer_id,
        "person_id": person_id,
        "channel": channel,
        "address": address,
        "suppressed_because": "",
    }
    new = insert_once(session, ContactPointRow, values) is not None
    if new:
        _keep_silent(session, [person_id])
    return new


OPTED_OUT = "opted out"
"""Why no address of a contact person is used who wants no messages, whatever the customer's other people want."""


def silence_person(session: Session, person_id: int, now: datetime) -> list[tuple[str, str]]:
    """Never send to this person again, until they say otherwise; their (channel, address)es."""
    table = table_of(ContactPointRow)
    theirs = (table.c.person_id == person_id, table.c.suppressed_because != NOT_THEIRS)
    session.execute(update(table).where(*theirs).values(suppressed_at=now, suppressed_because=OPTED_OUT))
    statement = core_select(table.c.channel, table.c.address).where(table.c.person_id == person_id)
    return [(channel, address) for channel, address in core(session).execute(statement)]


def hear_person_again(session: Session, person_id: int) -> None:
    """The person wants messages again."""
    table = table_of(ContactPointRow)
    theirs = (table.c.person_id == person_id, table.c.suppressed_because == OPTED_OUT)
    session.execute(update(table).where(*theirs).values(suppressed_at=None, suppressed_because=""))


def _keep_silent(session: Session, person_ids: Iterable[int]) -> None:
    """A new address of somebody who wants no messages is not used, either."""
    table = table_of(ContactPointRow)
    for chunk in chunks(sorted(set(person_ids))):
        statement = core_select(table.c.person_id, table.c.suppressed_at).where(
            table.c.person_id.in_(chunk), table.c.suppressed_because == OPTED_OUT
        )
        for person_id, since in core(session).execute(statement).all():
            silence_person(session, person_id, since)


def is_silent(session: Session, channel: str, address: str) -> bool:
    """Does this address belong to a contact person who wants no messages?"""
    return core(session).execute(_is_silent(), {"of_channel": channel, "of_address": address}).first() is not None


@cache
def _is_silent() -> Any:
    table = table_of(ContactPointRow)
    there = (table.c.channel == bindparam("of_channel"), table.c.address == bindparam("of_address"))
    return core_select(table.c.id).where(*there, table.c.suppressed_because == OPTED_OUT)


def silent_people(session: Session, customer_id: int) -> set[int]:
    """The contact persons of a customer who want no messages, each for themselves."""
    statement = select(ContactPointRow.person_id).where(
        ContactPointRow.customer_id == customer_id, ContactPointRow.suppressed_because == OPTED_OUT
    )
    return set(session.exec(statement).all())


def silent_addresses(session: Session, customer_ids: Iterable[int]) -> set[tuple[str, str]]:
    """(channel, address) of those people at these customers who want no messages."""
    found: set[tuple[str, str]] = set()
    for chunk in chunks(dict.fromkeys(customer_ids)):
        rows = core(session).execute(_silent_addresses(), {"wanted": chunk})
        found.update((channel, address) for channel, address in rows)
    return found


@cache
def _silent_addresses() -> Any:
    table = table_of(ContactPointRow)
    theirs = table.c.customer_id.in_(bindparam("wanted", expanding=True))
    return core_select(table.c.channel, table.c.address).where(theirs, table.c.suppressed_because == OPTED_OUT)


def person_at(session: Session, channel: str, address: str) -> ContactPersonRow | None:
    """Whose address this is."""
    found = session.execute(_person_at(), {"channel": channel, "address": address}).scalars().first()
    return cast(ContactPersonRow | None, found)


@cache
def _person_at() -> Any:
    return (
        select(ContactPersonRow)
        .join(ContactPointRow, col(ContactPointRow.person_id) == col(ContactPersonRow.id))
        .where(ContactPointRow.channel == bindparam("channel"), ContactPointRow.address == bindparam("address"))
    )


def note_person_consent(session: Session, person: ContactPersonRow, action: str, source: str, at: datetime) -> None:
    """Write the ledger of one contact person alone: the customer's own answer stays as it is."""
    who = f"{person.name} ({person.role})"
    session.add(
        ConsentRow(customer_id=person.customer_id, action=action, scope="channel", source=source, at=at, note=who)
    )


def suppress_address(session: Session, channel: str, address: str, now: datetime, because: str) -> None:
    """Never send to this address again, until it is edited."""
    table = table_of(ContactPointRow)
    session.execute(
        update(table)
        .where(table.c.channel == channel, table.c.address == address, table.c.suppressed_at.is_(None))
        .values(suppressed_at=now, suppressed_because=because)
    )


def note_consent(
    session: Session, customer_id: int, action: str, scope: str, source: str, at: datetime, note: str = ""
) -> None:
    """Write the ledger and its present answer: `given` or `withdrawn`, of `all` or `marketing` (R84, R85)."""
    session.add(ConsentRow(customer_id=customer_id, action=action, scope=scope, source=source, at=at, note=note))
    values: dict[str, Any] = {}
    if action == "withdrawn":
        values["marketing_consent_at"] = None
        if scope == "all":
            values["opted_out_at"] = at
    elif scope == "all":
        values["opted_out_at"] = None
    else:
        values["marketing_consent_at"] = at
    table = table_of(CustomerRow)
    session.execute(update(table).where(table.c.id == customer_id).values(**values))


def enrol(session: Session, customer_id: int, program_id: str, class_: str | None, today: date) -> EnrolmentRow:
    """The enrolment of this customer in this program; made with `class_` when there is none."""
    insert_once(
        session,
        EnrolmentRow,
        {
            "customer_id": customer_id,
            "program_id": program_id,
            "class": class_,
            "class_since": today,
            "flags": {},
            "activity_count": 0,
        },
    )
    return enrolment(session, customer_id, program_id)  # type: ignore[return-value]


def enrol_many(session: Session, enrolments: Sequence[tuple[int, str, str | None, date]]) -> None:
    """Enrol many; who is enrolled already stays so. Each: customer, program, class, since."""
    rows: list[dict[str, Any]] = [
        {
            "customer_id": customer_id,
            "program_id": program_id,
            "class": class_,
            "class_since": since,
            "flags": {},
            "activity_count": 0,
        }
        for customer_id, program_id, class_, since in enrolments
    ]
    insert_many_once(session, EnrolmentRow, rows, "customer_id")


def enrolment(session: Session, customer_id: int, program_id: str) -> EnrolmentRow | None:
    return session.execute(_enrolment(), {"customer": customer_id, "program": program_id}).scalars().first()


@cache
def _enrolment() -> Any:
    key = (EnrolmentRow.customer_id == bindparam("customer"), EnrolmentRow.program_id == bindparam("program"))
    return select(EnrolmentRow).where(*key)


def enrolments_of(session: Session, customer_id: int) -> Sequence[EnrolmentRow]:
    return session.exec(select(EnrolmentRow).where(EnrolmentRow.customer_id == customer_id)).all()


def enrolments_by_customer(session: Session, customer_ids: Iterable[int]) -> dict[tuple[int, str], EnrolmentRow]:
    """(customer, program) -> enrolment."""
    rows = rows_by(session, EnrolmentRow, col(EnrolmentRow.customer_id), customer_ids)
    return {(row.customer_id, row.program_id): row for row in rows}


def enrolments_by_ids(session: Session, enrolment_ids: Iterable[int]) -> list[EnrolmentRow]:
    return rows_by(session, EnrolmentRow, col(EnrolmentRow.id), enrolment_ids)


def set_class(session: Session, enrolment: EnrolmentRow, class_: str, today: date) -> None:
    """Write a new class; the row at hand knows it, and is not written a second time for it."""
    known = {"of_row": enrolment.id, "new_class": class_, "today": today}
    core(session).execute(_set_class(), known)
    set_committed_value(enrolment, "class_", class_)
    set_committed_value(enrolment, "class_since", today)


@cache
def _set_class() -> Any:
    table = table_of(EnrolmentRow)
    new = {"class": bindparam("new_class"), "class_since": bindparam("today", type_=table.c.class_since.type)}
    return update(table).where(table.c.id == bindparam("of_row")).values(new)


@dataclass(frozen=True)
class Activity:
    """What came to the measures of one enrolment: the last date, how often, how much."""

    on: date
    count: int = 0
    amount: float = 0.0


def set_flag(session: Session, enrolment: EnrolmentRow, name: str, value: Any) -> None:
    """Keep one flag of an enrolment beside the others."""
    table = table_of(EnrolmentRow)
    set_committed_value(enrolment, "flags", {**enrolment.flags, name: value})
    core(session).execute(update(table).where(table.c.id == enrolment.id).values(flags=enrolment.flags))


def set_staff(session: Session, enrolment_id: int, names: Sequence[str]) -> None:
    """Who is responsible for a customer in a program, by name."""
    table = table_of(EnrolmentRow)
    core(session).execute(update(table).where(table.c.id == enrolment_id).values(staff=list(names)))


def note_activity(session: Session, activity: Mapping[int, Activity]) -> None:
    """Enrolment -> what came: counted on top of what is there; an older date never moves the last one back."""
    if not activity:
        return
    rows = [{"row": id_, "new_on": each.on, "n": each.count, "sum": each.amount} for id_, each in activity.items()]
    core(session).execute(_note_activity(session.get_bind().dialect.name), rows)


@cache
def _note_activity(dialect: str) -> Any:
    table = table_of(EnrolmentRow)
    greater = func.max if dialect == "sqlite" else func.greatest
    on = bindparam("new_on", type_=Date)
    return (
        update(table)
        .where(table.c.id == bindparam("row"))
        .values(
            activity_count=table.c.activity_count + bindparam("n"),
            activity_total=table.c.activity_total + bindparam("sum"),
            activity_on=func.coalesce(greater(table.c.activity_on, on, type_=Date()), on),
        )
    )


def search(session: Session, words: str, limit: int = 50, offset: int = 0) -> Sequence[CustomerRow]:
    """Customers whose name, external id or address holds `words`, newest first."""
    statement = select(CustomerRow).order_by(col(CustomerRow.id).desc()).limit(limit).offset(offset)
    if words:
        pattern = f"%{words.replace('%', '').replace('_', '')}%"
        addresses = select(ContactPointRow.customer_id).where(col(ContactPointRow.address).like(pattern))
        statement = statement.where(
            or_(
                col(CustomerRow.name).ilike(pattern),
                col(CustomerRow.external_id).ilike(pattern),
                col(CustomerRow.id).in_(addresses),
            )
        )
    return session.exec(statement).all()


def count(session: Session) -> int:
    return session.exec(select(func.count()).select_from(CustomerRow)).one()


def people_of(session: Session, customer_id: int) -> Sequence[ContactPersonRow]:
    return session.exec(select(ContactPersonRow).where(ContactPersonRow.customer_id == customer_id)).all()


def all_points_of(session: Session, customer_id: int) -> Sequence[ContactPointRow]:
    """Every address, suppressed ones too."""
    return session.exec(
        select(ContactPointRow).where(ContactPointRow.customer_id == customer_id).order_by(col(ContactPointRow.id))
    ).all()


def ledger_of(session: Session, customer_id: int) -> Sequence[ConsentRow]:
    return session.exec(
        select(ConsentRow).where(ConsentRow.customer_id == customer_id).order_by(col(ConsentRow.id))
    ).all()


def unreachable(session: Session, limit: int = 200) -> Sequence[CustomerRow]:
    """Customers without a usable address (R1)."""
    usable = select(ContactPointRow.customer_id).where(col(ContactPointRow.suppressed_at).is_(None))
    return session.exec(select(CustomerRow).where(col(CustomerRow.id).not_in(usable)).limit(limit)).all()
