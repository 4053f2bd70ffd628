"""Step 1: an event is accepted once. Step 2: follow-ups are planned.

Customers and events come one by one or by the thousand, from the API, a file or the command line; a good row beside
a bad one is kept, and the bad one is named with its field and reason. What comes twice changes nothing.
Next: occasions.py.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from math import isfinite
from typing import Any, Literal
from zoneinfo import ZoneInfo, available_timezones

import phonenumbers
from sqlmodel import Session

from bot.errors import Conflict
from bot.journey.apply import apply, note, set_class, take_back
from bot.journey.subject import Subject, enrol, facts_of, first_class, follow_up_line
from bot.runtime import Runtime
from bot.shelf import InForce
from bot.store import customers, events, follow_ups, trail
from bot.store.storable import storable, storable_text
from bot.store.tables import CustomerRow, EnrolmentRow
from flows import plan
from flows.events import Event
from flows.program import Program, field_kind

BATCH = 500
"""Rows of one transaction."""
RACES = 5
"""How often a batch is begun anew because somebody else added the same customer in the meantime."""
LONGEST = {"id": 128, "name": 200, "title": 32, "language": 8, "telegram": 128}
"""Characters that a field of a customer may have."""
YEARS = range(1900, 2200)
"""Outside them a date is a slip of the pen, and sums with it leave the calendar."""
Verdict = Literal["new", "known", "changed", "refused"]


@dataclass(frozen=True)
class CustomerIn:
    """A customer as another system tells it. `id` is that system's key; a name and one address are needed (R12)."""

    id: str
    name: str = ""
    phone: str = ""
    telegram: str = ""
    title: str = ""
    language: str = ""
    zone: str = ""
    class_: str = ""
    programs: tuple[str, ...] = ()
    marketing_consent: bool = False
    attributes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class EventIn:
    """Something that happened. `id` is unique in its source; `customer` is the source's key or a phone number."""

    id: str
    type: str
    customer: str
    at: datetime
    data: Mapping[str, Any] = field(default_factory=dict)
    matter: str = ""


@dataclass(frozen=True)
class Result:
    """What became of one row; `faults` say field and reason where it was refused."""

    id: str
    verdict: Verdict
    row_id: int = 0
    faults: tuple[Mapping[str, str], ...] = ()


def normalise_phone(text: str, region: str) -> str | None:
    """A number as E.164, or None when it cannot be one. Numbers reserved for fiction are numbers, too."""
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_possible_number(number):
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


# ----- customers


def accept_customers(runtime: Runtime, source: str, rows: Sequence[CustomerIn]) -> list[Result]:
    """Keep these customers: new, changed or known already; the same phone is the same customer (R12)."""
    results: list[Result] = []
    for start in range(0, len(rows), BATCH):
        results.extend(_accept_batch(runtime, source, rows[start : start + BATCH]))
    return results


def _accept_batch(runtime: Runtime, source: str, rows: Sequence[CustomerIn]) -> list[Result]:
    """One batch; anew where another process was faster with the same phone or key, who is then found."""
    for _ in range(RACES - 1):
        try:
            return _accept_customers(runtime, source, rows)
        except Conflict:
            continue
    return _accept_customers(runtime, source, rows)


def _accept_customers(runtime: Runtime, source: str, rows: Sequence[CustomerIn]) -> list[Result]:
    """1 check each row  2 load whom the good ones may mean  3 add strangers at once  4 bring the others up to date.

    Conflict: somebody else has just added one of the strangers; nothing was written.
    """
    runtime.shelf.refresh()
    checked = [_check_customer(runtime, row) for row in rows]
    now = runtime.clock.now()
    with runtime.db.write() as session:
        good = [row for row, faults in checked if not faults]
        register = _Register.load(session, source, good)
        strangers = register.strangers(good)
        _add_customers(session, runtime, register, [good[index] for index in sorted(strangers)], now)
        verdicts = iter(
            (register.find(row), "new" if index in strangers else _meet(session, runtime, register, row, now))
            for index, row in enumerate(good)
        )
        results = []
        for row, faults in checked:
            if faults:
                results.append(Result(row.id, "refused", faults=tuple(faults)))
            else:
                customer_id, verdict = next(verdicts)
                results.append(Result(row.id, verdict, customer_id))
    return results


@dataclass
class _Register:
    """Whom the rows of a batch may mean, loaded at once and kept up to date row by row."""

    session: Session
    source: str
    keys: dict[str, int]
    owners: dict[str, int]
    people: dict[int, CustomerRow]
    persons: dict[int, int]
    enrolments: dict[tuple[int, str], EnrolmentRow]

    @staticmethod
    def load(session: Session, source: str, rows: Sequence[CustomerIn]) -> "_Register":
        keys = customers.by_keys(session, source, (row.id for row in rows if row.id))
        owners = customers.by_addresses(session, {address for row in rows for _, address in _addresses(row)})
        register = _Register(session, source, keys, owners, {}, {}, {})
        register.know({*keys.values(), *owners.values()})
        return register

    def know(self, customer_ids: Iterable[int]) -> None:
        """Load everything about these customers."""
        ids = list(customer_ids)
        self.people.update(customers.by_ids(self.session, ids))
        self.persons.update(customers.first_persons(self.session, ids))
        self.enrolments.update(customers.enrolments_by_customer(self.session, ids))

    def find(self, row: CustomerIn) -> int:
        """The customer whom this row means: by key, then by address; 0: nobody."""
        mine = (self.owners[address] for _, address in _addresses(row) if address in self.owners)
        return self.keys.get(row.id) or next(mine, 0)

    def strangers(self, rows: Sequence[CustomerIn]) -> set[int]:
        """Indices of the rows that bring somebody new; a later row of the same key or address means the same one."""
        seen: set[str] = set()
        found: set[int] = set()
        for index, row in enumerate(rows):
            names = {f"key {row.id}"} if row.id else set()
            names |= {address for _, address in _addresses(row)}
            if not self.find(row) and not names & seen:
                found.add(index)
            seen |= names
        return found


def _check_customer(runtime: Runtime, row: CustomerIn) -> tuple[CustomerIn, list[dict[str, str]]]:
    faults: list[dict[str, str]] = []

    def fault(name: str, reason: str, remedy: str) -> None:
        faults.append({"field": name, "reason": reason, "remedy": remedy})

    texts: dict[str, Any] = {name: storable_text(getattr(row, name)) for name in (*LONGEST, "phone", "zone", "class_")}
    row = replace(row, **texts, attributes=storable(row.attributes))
    for name, most in LONGEST.items():
        if len(getattr(row, name)) > most:
            fault(name, f"is longer than {most} characters", "shorten it")
    if not row.name.strip():
        fault("name", "is missing", "give the customer a name")
    if row.phone:
        phone = normalise_phone(row.phone, runtime.settings.region)
        if phone is None:
            fault(
                "phone",
                "is no phone number",
                f"write it as +8613800000000, or without prefix for {runtime.settings.region}",
            )
        row = replace(row, phone=phone or "")
    elif not row.telegram:
        fault(
            "phone", "is missing, and there is no other way to reach the customer", "give a phone number or a chat id"
        )
    if row.zone and row.zone not in _zones():
        fault("zone", f"{row.zone!r} is no time zone", "use an IANA name such as Asia/Shanghai")
    known = {each.program.id: each.program for each in runtime.shelf.in_force}
    for name in row.programs:
        if name not in known:
            fault("program", f"{name!r} does not run here", f"one of {', '.join(known)}")
    if row.class_:
        programs = [known[name] for name in row.programs if name in known] or list(known.values())
        if not any(row.class_ in program.classes.names for program in programs):
            classes = sorted({name for program in programs for name in program.classes.names})
            fault("class", f"{row.class_!r} is no class", f"one of {', '.join(classes)}")
    return row, faults


def _zones() -> set[str]:
    if not _ZONES:
        _ZONES.update(available_timezones())
    return _ZONES


_ZONES: set[str] = set()


def _addresses(row: CustomerIn) -> list[tuple[str, str]]:
    pairs = [("sms", row.phone), ("telegram", row.telegram)]
    return [(channel, address) for channel, address in pairs if address]


def _add_customers(
    session: Session, runtime: Runtime, register: _Register, rows: Sequence[CustomerIn], now: datetime
) -> None:
    """Add new customers with their keys, addresses, consents and enrolments: one statement for each table."""
    if not rows:
        return
    values = [_customer_values(runtime, row, now) for row in rows]
    ids = customers.add_customers(session, values)
    names = [(customer_id, row.name.strip(), row.title) for customer_id, row in zip(ids, rows, strict=True)]
    persons = customers.add_persons(session, names)
    added = list(zip(ids, persons, rows, values, strict=True))
    points = [(*pair, id_, person) for id_, person, row, _ in added for pair in _addresses(row)]
    keys = [(id_, row.id) for id_, _, row, _ in added if row.id]
    new = customers.add_points(session, points) + customers.add_keys(session, register.source, keys)
    if new < len(points) + len(keys):
        raise Conflict("somebody else added the same customer")
    consenting = [customer_id for customer_id, _, row, _ in added if row.marketing_consent]
    customers.add_consents(session, consenting, "given", "marketing", "import", now)
    customers.enrol_many(
        session,
        [
            (customer_id, each.program.id, _class_of(each.program, row), _day(now, value["zone"]))
            for customer_id, _, row, value in added
            for each in _named(runtime, row)
        ],
    )
    register.keys.update({row.id: customer_id for customer_id, _, row, _ in added if row.id})
    for customer_id, _, row, _ in added:
        register.owners.update({address: customer_id for _, address in _addresses(row)})


def _customer_values(runtime: Runtime, row: CustomerIn, now: datetime) -> dict[str, Any]:
    program = _program_of(runtime, row)
    return {
        "external_id": row.id,
        "name": row.name.strip(),
        "title": row.title,
        "language": row.language or (program.language if program else "zh"),
        "zone": row.zone or (program.zone if program else "Asia/Shanghai"),
        "attributes": dict(row.attributes),
        "opted_out_at": None,
        "marketing_consent_at": now if row.marketing_consent else None,
        "created_at": now,
    }


def _day(now: datetime, zone: str) -> date:
    return now.astimezone(ZoneInfo(zone)).date()


def _named(runtime: Runtime, row: CustomerIn) -> list[InForce]:
    """The programs that a row enrols in: those it names, and those that have its class."""
    return [
        each
        for each in runtime.shelf.in_force
        if each.program.id in row.programs or (row.class_ and row.class_ in each.program.classes.names)
    ]


def _class_of(program: Program, row: CustomerIn) -> str | None:
    return row.class_ if row.class_ in program.classes.names else first_class(program, row.attributes)


def _meet(session: Session, runtime: Runtime, register: _Register, row: CustomerIn, now: datetime) -> Verdict:
    """A row about somebody whom we know: what it says is taken over, addresses and programs are added."""
    customer_id = register.find(row)
    if customer_id not in register.people:  # added by an earlier row of this batch
        register.know([customer_id])
    customer = register.people[customer_id]
    changed = _update_customer(session, runtime, customer, row, now)
    if row.id and row.id not in register.keys:
        customers.add_key(session, customer_id, register.source, row.id)
        register.keys[row.id] = customer_id
    for channel, address in _addresses(row):
        if address in register.owners:
            continue
        person = register.persons.get(customer_id) or customers.add_person(
            session, customer_id, row.name, title=row.title
        )
        register.persons[customer_id] = person
        if customers.add_point(session, customer_id, person, channel, address):
            register.owners[address] = customer_id
            changed = True
        else:  # somebody else was faster
            register.owners.update(customers.by_addresses(session, [address]))
    changed |= _enrol_named(session, runtime, register, customer, row, now)
    return "changed" if changed else "known"


def _program_of(runtime: Runtime, row: CustomerIn) -> Program | None:
    for each in runtime.shelf.in_force:
        if not row.programs or each.program.id in row.programs:
            return each.program
    return None


def _update_customer(session: Session, runtime: Runtime, customer: CustomerRow, row: CustomerIn, now: datetime) -> bool:
    before = (customer.name, customer.title, customer.language, customer.zone, customer.attributes)
    customer.name = row.name.strip() or customer.name
    customer.title = row.title or customer.title
    customer.language = row.language or customer.language
    customer.zone = row.zone or customer.zone
    if row.attributes:
        customer.attributes = {**customer.attributes, **row.attributes}
    if row.marketing_consent and customer.marketing_consent_at is None and customer.opted_out_at is None:
        customers.note_consent(session, customer.id, "given", "marketing", "import", now)
        customer.marketing_consent_at = now  # a later row of this batch says nothing new
        return True
    session.add(customer)
    return before != (customer.name, customer.title, customer.language, customer.zone, customer.attributes)


def _enrol_named(
    session: Session, runtime: Runtime, register: _Register, customer: CustomerRow, row: CustomerIn, now: datetime
) -> bool:
    """Enrol in the named programs, in the named class; whether the class is another one now (R5)."""
    changed = False
    for each in _named(runtime, row):
        program = each.program
        enrolment = register.enrolments.get((customer.id, program.id))
        if enrolment is None:
            enrolment = enrol(session, runtime, each, customer, now)
            register.enrolments[customer.id, program.id] = enrolment
        if row.class_ in program.classes.names and enrolment.class_ != row.class_:
            subject = Subject(runtime, each, customer, enrolment, now)
            set_class(session, subject, row.class_, f"told by {register.source}")
            changed = True
    return changed


# ----- events


def accept_events(runtime: Runtime, source: str, rows: Sequence[EventIn]) -> list[Result]:
    """Keep these events, note what they mean for measures, and plan what they call for (R13-R19)."""
    results: list[Result] = []
    for start in range(0, len(rows), BATCH):
        results.extend(_accept_events(runtime, source, rows[start : start + BATCH]))
    return results


def _accept_events(runtime: Runtime, source: str, rows: Sequence[EventIn]) -> list[Result]:
    runtime.shelf.refresh()
    now = runtime.clock.now()
    rows = [_sayable(row) for row in rows]
    results: dict[int, Result] = {}
    with runtime.db.write() as session:
        found = _customers_of(session, runtime, source, rows)
        good: dict[str, tuple[int, EventIn, int]] = {}
        for index, row in enumerate(rows):
            faults = _check_event(runtime, row, found.get(row.customer))
            if faults:
                results[index] = Result(row.id, "refused", faults=tuple(faults))
            elif row.id in good:
                results[index] = Result(row.id, "known")
            else:
                good[row.id] = (index, row, found[row.customer])
        values = [_event_values(session, source, row, customer_id, now) for _, row, customer_id in good.values()]
        new = events.add_many(session, values)
        matters = {value["external_id"]: value["matter_id"] for value in values}
        people = customers.lock(session, (good[external_id][2] for external_id in new))
        enrolments = _enrolments_for(session, runtime, people, (good[each] for each in new), now)
        activity: dict[int, customers.Activity] = {}
        for external_id, (index, row, customer_id) in good.items():
            if external_id not in new:
                results[index] = Result(row.id, "known")
                continue
            event = Event(new[external_id], row.type, row.at, row.data, matters[external_id])
            _take_in(session, runtime, people[customer_id], enrolments, event, activity, now)
            results[index] = Result(row.id, "new", event.id)
        customers.note_activity(session, activity)
    return [results[index] for index in range(len(rows))]


def _enrolments_for(
    session: Session,
    runtime: Runtime,
    people: Mapping[int, CustomerRow],
    rows: Iterable[tuple[int, EventIn, int]],
    now: datetime,
) -> dict[tuple[int, str], EnrolmentRow]:
    """(customer, program) -> enrolment, in every program that knows the events; who is not enrolled yet now is.

    The rows are taken out of the session: their measures are counted here, and written as increments.
    """
    enrolments = customers.enrolments_by_customer(session, people)
    known = runtime.shelf.event_types()
    wanted = {(customer_id, program_id) for _, row, customer_id in rows for program_id in known[row.type]}
    missing = sorted(wanted - set(enrolments))
    if missing:
        programs = {each.program.id: each.program for each in runtime.shelf.in_force}
        new = [
            (id_, name, first_class(programs[name], people[id_].attributes), _day(now, people[id_].zone))
            for id_, name in missing
        ]
        customers.enrol_many(session, new)
        enrolments = customers.enrolments_by_customer(session, people)
    for enrolment in enrolments.values():
        session.expunge(enrolment)
    return enrolments


def _customers_of(session: Session, runtime: Runtime, source: str, rows: Sequence[EventIn]) -> dict[str, int]:
    """What the rows call their customers -> our ids, by key first, then by phone."""
    found = customers.by_keys(session, source, (row.customer for row in rows))
    phones = {
        row.customer: phone
        for row in rows
        if row.customer not in found and (phone := normalise_phone(row.customer, runtime.settings.region))
    }
    owners = customers.by_addresses(session, phones.values())
    found.update({name: owners[phone] for name, phone in phones.items() if phone in owners})
    return found


def _sayable(row: EventIn) -> EventIn:
    """The row in texts that every database takes."""
    id_, customer, matter = (storable_text(text) for text in (row.id, row.customer, row.matter))
    return replace(row, id=id_, customer=customer, matter=matter)


def _check_event(runtime: Runtime, row: EventIn, customer_id: int | None) -> list[dict[str, str]]:
    faults: list[dict[str, str]] = []
    if not row.id:
        faults.append(
            {"field": "id", "reason": "is missing", "remedy": "give each event an id that is unique in its source"}
        )
    if len(row.id) > LONGEST["id"]:
        faults.append({"field": "id", "reason": f"is longer than {LONGEST['id']} characters", "remedy": "shorten it"})
    kind, _, key = row.matter.partition(":")
    if len(kind) > 32 or len(key) > LONGEST["id"]:
        faults.append({"field": "matter", "reason": "is longer than 32:128 characters", "remedy": "shorten it"})
    if customer_id is None:
        faults.append(
            {
                "field": "customer",
                "reason": f"{row.customer!r} is not known",
                "remedy": "import the customer first, under the same source, or name a known phone",
            }
        )
    if row.at.tzinfo is None:
        faults.append({"field": "at", "reason": "has no time zone", "remedy": "write 2026-09-29T10:00:00+08:00"})
    elif row.at.year not in YEARS:
        faults.append({"field": "at", "reason": f"the year {row.at.year} is out of range", "remedy": "mend the date"})
    known = runtime.shelf.event_types()
    if row.type not in known:
        faults.append(
            {
                "field": "type",
                "reason": f"unknown event type {row.type!r}",
                "remedy": f"one of {', '.join(sorted(known))}",
            }
        )
        return faults
    fields: dict[str, str] = {}
    for program_id in known[row.type]:
        fields.update(runtime.shelf.program(program_id).program.events[row.type].fields)
    for name, value in row.data.items():
        if name not in fields:
            faults.append({"field": f"data.{name}", "reason": "unknown field", "remedy": f"one of {', '.join(fields)}"})
        elif value is not None and not _fits(fields[name], value):
            faults.append(
                {"field": f"data.{name}", "reason": f"{value!r} is no {fields[name]}", "remedy": "mend the value"}
            )
    return faults


def _fits(kind: str, value: Any) -> bool:
    if kind == "date":
        try:
            date.fromisoformat(str(value)[:10])
        except ValueError:
            return False
        return True
    return field_kind(value) == kind and not (isinstance(value, float) and not isfinite(value))


def _event_values(session: Session, source: str, row: EventIn, customer_id: int, now: datetime) -> dict[str, Any]:
    kind, _, key = row.matter.partition(":")
    matter_id = customers.matter(session, customer_id, source, kind, key) if row.matter else 0
    return {
        "source": source,
        "external_id": row.id,
        "type": row.type,
        "customer_id": customer_id,
        "matter_id": matter_id,
        "occurred_at": row.at,
        "received_at": now,
        "cancelled_at": None,
        "data": storable(row.data),
    }


def _take_in(
    session: Session,
    runtime: Runtime,
    customer: CustomerRow,
    enrolments: Mapping[tuple[int, str], EnrolmentRow],
    event: Event,
    activity: dict[int, customers.Activity],
    now: datetime,
) -> None:
    """One new event: count activity, plan, in every program that knows its type."""
    event_on = event.occurred_at.astimezone(ZoneInfo(customer.zone)).date()
    for in_force in runtime.shelf.in_force:
        program = in_force.program
        if event.type not in program.events:
            continue
        enrolment = enrolments[customer.id, program.id]
        if program.activity and program.activity.event == event.type:
            _count_activity(program, enrolment, event, event_on, activity)
        if program.active_from is not None and event_on < program.active_from:
            continue  # a fact that plans nothing, and that no line of the trail needs to tell
        subject = Subject(runtime, in_force, customer, enrolment, now, event_id=event.id)
        note(session, subject, "event", event.type, data={"event": event.id})
        apply(session, subject, plan.plan_event(program, event, facts_of(customer, enrolment), now, subject.calendar))


def _count_activity(
    program: Program, enrolment: EnrolmentRow, event: Event, on: date, activity: dict[int, customers.Activity]
) -> None:
    """Count it for the decisions that follow, and for the increment that is written at the end of the batch."""
    assert program.activity is not None
    value = event.data.get(program.activity.amount or "", 0)
    amount = float(value) if isinstance(value, int | float) else 0.0
    enrolment.activity_count += 1
    enrolment.activity_total += amount
    enrolment.activity_on = max(enrolment.activity_on or on, on)
    counted = activity.get(enrolment.id, customers.Activity(on))
    activity[enrolment.id] = customers.Activity(max(counted.on, on), counted.count + 1, counted.amount + amount)


def cancel_event(runtime: Runtime, source: str, external_id: str, because: str) -> int:
    """Cancel an event and its unsent steps (R19); how many steps were."""
    now = runtime.clock.now()
    with runtime.db.write() as session:
        event = events.by_external_id(session, source, external_id)
        if event is None:
            return 0
        events.cancel(session, event.id, now)
        customers.lock(session, [event.customer_id])
        steps = [row for row in follow_ups.unsent(session, event.customer_id) if row.event_id == event.id]
        rows = take_back(session, steps, because)
        trail.write(session, [follow_up_line(now, "cancelled", because, row) for row in rows])
    return len(rows)


def faults_of(results: Iterable[Result]) -> list[dict[str, Any]]:
    """Every fault of refused rows, with the row's id."""
    return [{"id": result.id, **fault} for result in results for fault in result.faults]
