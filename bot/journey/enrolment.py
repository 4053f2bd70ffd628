"""Before the story: customers are told to us, and enrolled in programs.

They come one by one or by the thousand, from the API, a file or the command line; a good row beside a bad one is kept,
and the bad one is named with its field and reason. The same phone is the same customer. Next: intake.py.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any, Literal
from zoneinfo import ZoneInfo, available_timezones

from sqlmodel import Session

from bot.errors import Conflict
from bot.journey.apply import set_class
from bot.journey.belongings import (
    MatterIn,
    PersonIn,
    check_matters,
    check_persons,
    check_staff,
    keep_matters,
    keep_persons,
    keep_staff,
    note_misplaced,
    note_too_few,
)
from bot.journey.subject import Subject, enrol, facts_of, first_class
from bot.phones import normalise_phone
from bot.runtime import Runtime
from bot.shelf import InForce
from bot.store import agenda, customers
from bot.store.storable import storable, storable_text
from bot.store.tables import CustomerRow, EnrolmentRow
from flows.audience import FLAGS
from flows.events import Customer
from flows.own_times import leaves_nothing, own_times
from flows.program import Program
from flows.windows import ANY_TIME

BATCH = 500
"""Rows of one transaction."""
RACES = 5
"""How often a batch is begun anew because somebody else added the same customer in the meantime."""
LONGEST = {"id": 128, "name": 200, "title": 32, "language": 8, "telegram": 128, "email": 128}
"""Characters that a field of a customer may have."""
_EMAIL = re.compile(r"[^@\s,;<>\"]+@[^@\s,;<>\"]+\.[^@\s,;<>\".]+")
Verdict = Literal["new", "known", "changed", "refused"]


@dataclass(frozen=True)
class CustomerIn:
    """A customer as another system tells it. `id` is that system's key; a name and one address are needed (R12)."""

    id: str
    name: str = ""
    phone: str = ""
    telegram: str = ""
    email: str = ""
    whatsapp: str = ""
    title: str = ""
    language: str = ""
    zone: str = ""
    class_: str = ""
    programs: tuple[str, ...] = ()
    marketing_consent: bool = False
    attributes: Mapping[str, Any] = field(default_factory=dict)
    flags: Mapping[str, bool] = field(default_factory=dict)
    """Of `flows.audience.FLAGS`, in the programs that the row names (R6); they may stand among the attributes."""
    windows: Mapping[str, Sequence[str]] | None = None
    """Times of their own, as `flows/own_times.py` reads them (R80); None says nothing of them, empty ends them."""
    contacts: tuple[PersonIn, ...] = ()
    matters: tuple[MatterIn, ...] = ()
    staff: tuple[str, ...] = ()


@dataclass(frozen=True)
class Result:
    """What became of one row; `faults` say field and reason where it was refused."""

    id: str
    verdict: Verdict
    row_id: int = 0
    faults: tuple[Mapping[str, str], ...] = ()


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
    """1 check each row  2 load whom the good ones may mean  3 refuse staff who may not be responsible for them
    4 add strangers at once  5 bring the others up to date.

    Conflict: somebody else has just added one of the strangers; nothing was written.
    """
    runtime.shelf.refresh()
    checked = [_check_customer(runtime, row) for row in rows]
    now = runtime.clock.now()
    with runtime.db.write() as session:
        register = _Register.load(session, source, [row for row, faults in checked if not faults])
        for row, faults in checked:
            if row.staff and not faults:
                faults.extend(_check_staff(session, runtime, register, row, now))
        good = [row for row, faults in checked if not faults]
        strangers = register.strangers(good)
        _add_customers(session, runtime, register, [good[index] for index in sorted(strangers)], now)
        verdicts = iter(
            [_settle_in(session, runtime, register, row, index in strangers, now) for index, row in enumerate(good)]
        )
        results = []
        for row, faults in checked:
            if faults:
                results.append(Result(row.id, "refused", faults=tuple(faults)))
            else:
                customer_id, verdict = next(verdicts)
                results.append(Result(row.id, verdict, customer_id))
    return results


def _settle_in(
    session: Session, runtime: Runtime, register: "_Register", row: CustomerIn, new: bool, now: datetime
) -> tuple[int, Verdict]:
    """A customer who was just added, or is met again, with everything that belongs to them."""
    verdict: Verdict = "new" if new else _meet(session, runtime, register, row, now)
    customer_id = register.find(row)
    changed = keep_persons(session, customer_id, row.contacts, runtime.settings.region)
    changed |= keep_matters(session, register.source, customer_id, row.matters)
    changed |= _keep_flags(session, runtime, register, customer_id, row)
    for each in programs_of(runtime, row) if row.staff or new else ():
        changed |= _give_staff(session, each, customer_id, row, new, now)
    for each in programs_of(runtime, row) if verdict == "changed" and not row.staff else ():
        enrolment = register.enrolments[customer_id, each.program.id]
        facts = facts_of(register.people[customer_id], enrolment).facts(local_day(now, each.program.zone))
        note_misplaced(session, enrolment, each.program, facts, now)
    return customer_id, "changed" if changed and verdict == "known" else verdict


def _keep_flags(session: Session, runtime: Runtime, register: "_Register", customer_id: int, row: CustomerIn) -> bool:
    """Set or take away the flags of a row in its programs; whether any is another one now."""
    changed = False
    for each in programs_of(runtime, row) if row.flags else ():
        key = (customer_id, each.program.id)
        enrolment = register.enrolments.get(key) or customers.enrolment(session, *key)
        for name, value in row.flags.items():
            if enrolment is not None and bool(enrolment.flags.get(name)) != value:
                customers.set_flag(session, enrolment, name, value)
                changed = True
    if changed:
        agenda.replan(session)
    return changed


def _check_staff(
    session: Session, runtime: Runtime, register: "_Register", row: CustomerIn, now: datetime
) -> Iterator[dict[str, str]]:
    """Whom of its staff the customer of a row may not have, as the customer will be with that row."""
    customer_id = register.find(row)
    customer = register.people.get(customer_id)
    for each in programs_of(runtime, row):
        program = each.program
        enrolment = register.enrolments.get((customer_id, program.id))
        if customer is None:
            told = Customer(0, ZoneInfo(program.zone), first_class(program, row.attributes))
        else:
            told = facts_of(customer, enrolment)
        told = replace(
            told,
            class_=row.class_ if row.class_ in program.classes.names else told.class_,
            attributes={**told.attributes, **row.attributes},
            flags=frozenset(name for name in FLAGS if row.flags.get(name, name in told.flags)),
        )
        yield from check_staff(session, program, told.facts(local_day(now, program.zone)), row.staff)


def _give_staff(
    session: Session, in_force: InForce, customer_id: int, row: CustomerIn, new: bool, now: datetime
) -> bool:
    program = in_force.program
    if not row.staff and not program.responsible:
        return False
    enrolment = customers.enrolment(session, customer_id, program.id)
    if enrolment is None:
        return False
    if row.staff:
        return keep_staff(session, enrolment, program, row.staff, now)
    if new:
        note_too_few(session, enrolment, program, now)
    return False


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

    texts: dict[str, Any] = {
        name: storable_text(getattr(row, name)) for name in (*LONGEST, "phone", "whatsapp", "zone", "class_")
    }
    row = _with_flags(replace(row, **texts, attributes=storable(row.attributes)))
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
    elif not row.telegram and not row.email and not row.whatsapp:
        reason = "is missing, and there is no other way to reach the customer"
        fault("phone", reason, "give a phone number or an e-mail address")
    if row.whatsapp:
        whatsapp = normalise_phone(row.whatsapp, runtime.settings.region)
        if whatsapp is None:
            fault("whatsapp", "is no phone number", "write it as +8613800000000")
        row = replace(row, whatsapp=whatsapp or "")
    if row.email:
        email = row.email.strip().lower()
        if not _EMAIL.fullmatch(email):
            fault("email", "is no e-mail address", "write it as name@example.com")
        row = replace(row, email=email)
    if row.zone and row.zone not in _zones():
        fault("zone", f"{row.zone!r} is no time zone", "use an IANA name such as Asia/Shanghai")
    known = {each.program.id: each.program for each in runtime.shelf.in_force}
    for name in row.programs:
        if name not in known:
            fault("program", f"{name!r} does not run here", f"one of {', '.join(known)}")
    meant = [known[name] for name in row.programs if name in known] or list(known.values())
    faults.extend(check_persons(row.contacts, meant, runtime.settings.region))
    faults.extend(check_matters(row.matters, meant))
    faults.extend(_check_flags(runtime, row))
    faults.extend(_check_windows(row, meant))
    if row.class_ and not any(row.class_ in program.classes.names for program in meant):
        classes = sorted({name for program in meant for name in program.classes.names})
        fault("class", f"{row.class_!r} is no class", f"one of {', '.join(classes)}")
    return row, faults


def _with_flags(row: CustomerIn) -> CustomerIn:
    """The row with the flags that were told among its attributes in their place."""
    told = {name: row.attributes[name] for name in FLAGS if name in row.attributes}
    if not told:
        return row
    rest = {name: value for name, value in row.attributes.items() if name not in told}
    return replace(row, attributes=rest, flags={**told, **row.flags})


def _check_flags(runtime: Runtime, row: CustomerIn) -> Iterator[dict[str, str]]:
    for name, value in row.flags.items():
        place = f"flags.{name}"
        if name not in FLAGS:
            yield {"field": place, "reason": f"unknown flag {name!r}", "remedy": f"one of {', '.join(FLAGS)}"}
        elif not isinstance(value, bool):
            yield {"field": place, "reason": f"{value!r} is neither true nor false", "remedy": "write true or false"}
    if row.flags and not row.programs and not programs_of(runtime, row):
        known = ", ".join(each.program.id for each in runtime.shelf.in_force)
        yield {"field": "flags", "reason": "belong to a program, and none is named", "remedy": f"name one of {known}"}


def _check_windows(row: CustomerIn, meant: Sequence[Program]) -> Iterator[dict[str, str]]:
    """What is wrong with a customer's own times: unreadable, or nothing is left of them inside the hard hours."""
    try:
        own = own_times(row.windows)
    except ValueError as error:
        remedy = "write {times: ['18:00-20:00'], days: [mon], not: ['12:00-14:00']}, each of them if needed"
        yield {"field": "windows", "reason": str(error), "remedy": remedy}
        return
    if own != ANY_TIME and all(leaves_nothing(program.permits().of_customer(own)) for program in meant):
        hard = ", ".join(dict.fromkeys(str(program.hard_hours) for program in meant))
        reason = f"leave no time inside the hard hours {hard}"
        yield {"field": "windows", "reason": reason, "remedy": "ask the customer for a time within them"}


def _zones() -> set[str]:
    if not _ZONES:
        _ZONES.update(available_timezones())
    return _ZONES


_ZONES: set[str] = set()


def _addresses(row: CustomerIn) -> list[tuple[str, str]]:
    pairs = [("sms", row.phone), ("whatsapp", row.whatsapp), ("telegram", row.telegram), ("email", row.email)]
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
            (customer_id, each.program.id, _class_of(each.program, row), local_day(now, value["zone"]))
            for customer_id, _, row, value in added
            for each in programs_of(runtime, row)
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
        "windows": _kept(row.windows),
        "opted_out_at": None,
        "marketing_consent_at": now if row.marketing_consent else None,
        "created_at": now,
    }


def _kept(windows: Mapping[str, Sequence[str]] | None) -> dict[str, list[str]] | None:
    """A customer's own times as the tables keep them; None: none."""
    return {name: list(texts) for name, texts in (windows or {}).items() if texts} or None


def local_day(now: datetime, zone: str) -> date:
    return now.astimezone(ZoneInfo(zone)).date()


def programs_of(runtime: Runtime, row: CustomerIn) -> list[InForce]:
    """The programs that a row enrols in: those it names, those that have its class, or else the only one that runs."""
    named = [
        each
        for each in runtime.shelf.in_force
        if each.program.id in row.programs or (row.class_ and row.class_ in each.program.classes.names)
    ]
    only = not (named or row.programs or row.class_) and len(runtime.shelf.in_force) == 1
    return list(runtime.shelf.in_force) if only else named


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
    before = _told(customer)
    customer.name = row.name.strip() or customer.name
    customer.title = row.title or customer.title
    customer.language = row.language or customer.language
    customer.zone = row.zone or customer.zone
    if row.windows is not None:
        customer.windows = _kept(row.windows)
    if any(customer.attributes.get(name) != value for name, value in row.attributes.items()):
        customer.attributes = {**customer.attributes, **row.attributes}
        agenda.replan(session)
    if row.marketing_consent and customer.marketing_consent_at is None and customer.opted_out_at is None:
        customers.note_consent(session, customer.id, "given", "marketing", "import", now)
        customer.marketing_consent_at = now  # a later row of this batch says nothing new
        return True
    session.add(customer)
    return before != _told(customer)


def _told(customer: CustomerRow) -> tuple[Any, ...]:
    """What a row may say anew of a customer."""
    return customer.name, customer.title, customer.language, customer.zone, customer.attributes, customer.windows


def _enrol_named(
    session: Session, runtime: Runtime, register: _Register, customer: CustomerRow, row: CustomerIn, now: datetime
) -> bool:
    """Enrol in the named programs, in the named class; whether the class is another one now (R5)."""
    changed = False
    for each in programs_of(runtime, row):
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


def faults_of(results: Iterable[Result]) -> list[dict[str, Any]]:
    """Every fault of refused rows, with the row's id."""
    return [{"id": result.id, **fault} for result in results for fault in result.faults]
