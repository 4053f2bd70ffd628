"""What comes with a customer: contact persons with roles, matters with dates, and the staff who are responsible.

All of it may be told again and again; what is there already stays one. Dates that change move what counts from them:
the planner looks again at once.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from sqlmodel import Session

from bot.phones import normalise_phone
from bot.store import agenda, customers, matters, staff, trail
from bot.store.tables import EnrolmentRow
from flows.assignment import not_allowed
from flows.program import Program

Fault = dict[str, str]


@dataclass(frozen=True)
class PersonIn:
    """One human at a customer, as another system tells it (R2)."""

    name: str
    role: str
    title: str = ""
    phone: str = ""
    telegram: str = ""
    email: str = ""

    def addresses(self) -> list[tuple[str, str]]:
        pairs = [("sms", self.phone), ("telegram", self.telegram), ("email", self.email)]
        return [(channel, address) for channel, address in pairs if address]


@dataclass(frozen=True)
class MatterIn:
    """A contract, vehicle, invoice, order or project; `dates` are ISO days, None takes one away."""

    kind: str
    id: str
    dates: Mapping[str, Any] = field(default_factory=dict)
    state: str = ""


def check_persons(persons: Sequence[PersonIn], programs: Iterable[Program], region: str) -> Iterator[Fault]:
    """What is wrong with contact persons, each named by its place."""
    roles = sorted({role for program in programs for role in program.persons})
    for index, person in enumerate(persons):
        place = f"contacts[{index}]"
        if not person.name.strip():
            yield {"field": f"{place}.name", "reason": "is missing", "remedy": "give the person a name"}
        if person.role not in roles:
            remedy = f"one of {', '.join(roles)}" if roles else "name roles under `persons` of the program"
            yield {"field": f"{place}.role", "reason": f"unknown role {person.role!r}", "remedy": remedy}
        if person.phone and normalise_phone(person.phone, region) is None:
            yield {"field": f"{place}.phone", "reason": "is no phone number", "remedy": "write it as +8613800000000"}


def check_matters(told: Sequence[MatterIn], programs: Iterable[Program]) -> Iterator[Fault]:
    """What is wrong with matters, each named by its place."""
    kinds = {kind: each.dates for program in programs for kind, each in program.matters.items()}
    for index, matter in enumerate(told):
        place = f"matters[{index}]"
        if not matter.id:
            yield {"field": f"{place}.id", "reason": "is missing", "remedy": "give the key of your own system"}
        if matter.kind not in kinds:
            yield {
                "field": f"{place}.kind",
                "reason": f"unknown kind {matter.kind!r}",
                "remedy": f"one of {', '.join(sorted(kinds))}" if kinds else "name it under `matters` of the program",
            }
            continue
        for name, value in matter.dates.items():
            if name not in kinds[matter.kind]:
                known = f"one of {', '.join(kinds[matter.kind])}"
                yield {"field": f"{place}.dates.{name}", "reason": "unknown date", "remedy": known}
            elif value is not None and day_of(value) is None:
                reason = f"{value!r} is no date"
                yield {"field": f"{place}.dates.{name}", "reason": reason, "remedy": "write it as 2027-03-01"}


def check_staff(session: Session, program: Program, facts: Mapping[str, Any], names: Sequence[str]) -> Iterator[Fault]:
    """Who may not be responsible for a customer with these facts, as the program's `assignment` says (R162)."""
    if not program.assignment:
        return
    roles: dict[str, set[str]] = {name: set() for name in names}
    for member in staff.everybody(session):
        if member.name in roles:
            roles[member.name] |= {role.removeprefix(f"{program.id}:") for role in member.roles}
    for name, rule in not_allowed(program.assignment, facts, roles):
        remedy = f"name somebody who is {' or '.join(rule.roles)}"
        if rule.extension:
            remedy = f"{remedy}, or write {name!r} into the customer's {rule.extension!r}"
        reason = f"{name!r} is not {' or '.join(rule.roles)}, and nobody else may have this customer in {program.id}"
        yield {"field": "staff", "reason": reason, "remedy": remedy}


def day_of(value: object) -> date | None:
    """A day as systems and files write it: a date, an instant, or ISO text."""
    if isinstance(value, datetime):
        return value.date()
    if isinstance(value, date):
        return value
    try:
        return date.fromisoformat(str(value)[:10])
    except ValueError:
        return None


def iso_day(value: object) -> str | None:
    """As `day_of`, in the text that the tables keep."""
    day = day_of(value)
    return None if day is None else day.isoformat()


def keep_persons(session: Session, customer_id: int, persons: Sequence[PersonIn], region: str) -> bool:
    """Add persons and their addresses; whether anything is new. An address of somebody else stays theirs."""
    new = False
    for person in persons:
        person_id = customers.add_person(session, customer_id, person.name.strip(), person.role, person.title)
        for channel, address in person.addresses():
            address = normalise_phone(address, region) or address if channel == "sms" else address
            new |= customers.add_point(session, customer_id, person_id, channel, address)
    return new


def keep_matters(session: Session, source: str, customer_id: int, told: Sequence[MatterIn]) -> bool:
    """Add matters and bring their dates up to date; whether anything changed."""
    changed = False
    for matter in told:
        matter_id = matters.find_or_add(session, customer_id, source, matter.kind, matter.id)
        days = {name: iso_day(value) for name, value in matter.dates.items()}
        changed |= matters.update(session, matter_id, days, matter.state)
    if changed:
        agenda.replan(session)
    return changed


def keep_staff(
    session: Session, enrolment: EnrolmentRow, program: Program, names: Sequence[str], now: datetime
) -> bool:
    """Who is responsible for this customer in this program; too few are noted for the data check (R10)."""
    if not names or enrolment.staff == list(names):
        return False
    customers.set_staff(session, enrolment.id, names)
    enrolment.staff = list(names)
    note_too_few(session, enrolment, program, now)
    return True


def note_misplaced(
    session: Session, enrolment: EnrolmentRow, program: Program, facts: Mapping[str, Any], now: datetime
) -> None:
    """A line of the trail where a customer has changed, and who is responsible may not be any more (R162)."""
    for fault in check_staff(session, program, facts, enrolment.staff):
        known = {"customer_id": enrolment.customer_id, "program_id": program.id}
        trail.write(session, [trail.line(now, "notice", fault["reason"], **known)])


def note_too_few(session: Session, enrolment: EnrolmentRow, program: Program, now: datetime) -> None:
    """A line of the trail where a customer has fewer responsible members of staff than the program wants."""
    if len(enrolment.staff) >= program.responsible:
        return
    because = f"needs {program.responsible} responsible members of staff, has {len(enrolment.staff)}"
    line = trail.line(now, "notice", because, customer_id=enrolment.customer_id, program_id=program.id)
    trail.write(session, [line])
