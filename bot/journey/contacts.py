"""Contacts that were made otherwise - calls, visits, letters - are logged once, and count for what a flow wants.

They come one by one or by the thousand, from staff, a done task, a file or another system. One without a required
field is kept, and does not count. Also what staff plan by hand: an extra follow-up, an agreed date. Next: chains.py.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from math import isfinite
from typing import Any

from sqlmodel import Session

from bot.errors import InputError, NotFound
from bot.journey import chains, rights, said, violations
from bot.journey.apply import apply
from bot.journey.belongings import day_of
from bot.journey.enrolment import BATCH, LONGEST, Result, local_day
from bot.journey.subject import Subject, enrol, note
from bot.phones import normalise_phone
from bot.runtime import Runtime
from bot.shelf import InForce
from bot.store import contacts, customers, events, follow_ups, quotas, staff, tasks
from bot.store.storable import storable, storable_text
from bot.store.tables import ContactRow, CustomerRow, StaffRow, TaskRow
from flows.audience import holds
from flows.chains import counts_contacts
from flows.decisions import PlanFollowUp
from flows.events import Event
from flows.plan import day_slot, plan_event, with_expiry
from flows.program import ContactKind, Flow, Raised, field_kind
from flows.rounds import counted_days, counts_until
from flows.states import FollowUpState
from flows.timing import place_instant
from flows.triggers import AtLeast, Unanswered

Fault = dict[str, str]
BY_HAND = "extra:"
"""How the occasion of a follow-up begins that staff planned beside what a flow plans itself (R35)."""
CONTACT = "contact"
"""The source of an event that a logged contact raises."""
TOLD_LATE = timedelta(days=7)
"""A contact from longer ago is history: what it raises is not news any more."""


@dataclass(frozen=True)
class ContactIn:
    """A contact as somebody tells it.

    `id` is unique in its source, `customer` the source's key or a phone number, `person` a name or a role there,
    `staff` a name or number of ours. `program` may be left out where only one knows the kind, or only one of those
    that do has the customer. `next_on`: the next date, as it was agreed (R36).
    """

    id: str
    kind: str
    customer: str
    at: datetime
    program: str = ""
    person: str = ""
    staff: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)
    next_on: date | None = None


@dataclass(frozen=True)
class Made:
    """A contact that was checked: who made it when, and the task and follow-up that called for it, if any did."""

    kind: str
    at: datetime
    source: str
    id: str
    person_id: int = 0
    staff_id: int = 0
    staff: str = ""
    task_id: int = 0
    follow_up_id: int = 0
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Kept:
    """A contact as it was kept; `missing` names the required fields that it lacks."""

    row_id: int
    counts: bool
    missing: tuple[str, ...] = ()


# ----- logged


def log_contact(runtime: Runtime, source: str, rows: Sequence[ContactIn]) -> list[Result]:
    """Keep these contacts once each, and let those that count fulfil or restart what waits for them (rule 8).

    The faults of a row that is new say why it does not count.
    """
    results: list[Result] = []
    for start in range(0, len(rows), BATCH):
        results.extend(_log(runtime, source, rows[start : start + BATCH]))
    return results


def _log(runtime: Runtime, source: str, rows: Sequence[ContactIn]) -> list[Result]:
    runtime.shelf.refresh()
    rows = [_sayable(row) for row in rows]
    with runtime.db.write() as session:
        found = customers_called(session, runtime, source, (row.customer for row in rows))
        desk = _Desk(
            session,
            runtime,
            source,
            runtime.clock.now(),
            contacts.known(session, source, [row.id for row in rows]),
            {name: row for name, row in _people(session, found).items()},
            staff.everybody(session),
        )
        return [_log_one(desk, row) for row in rows]


def _people(session: Session, found: Mapping[str, int]) -> dict[str, CustomerRow]:
    people = customers.lock(session, found.values())
    return {name: people[id_] for name, id_ in found.items()}


@dataclass(frozen=True)
class _Desk:
    """What is known where the contacts of one batch are looked through."""

    session: Session
    runtime: Runtime
    source: str
    now: datetime
    known: Mapping[str, ContactRow]
    people: Mapping[str, CustomerRow]
    members: Sequence[StaffRow]


def _log_one(desk: _Desk, row: ContactIn) -> Result:
    if row.id in desk.known:
        return Result(row.id, "known", desk.known[row.id].id)
    customer = desk.people.get(row.customer)
    programs = _programs_for(desk, row, customer)
    persons = contacts.persons_called(desk.session, customer.id, row.person) if row.person and customer else ()
    members = [each for each in desk.members if row.staff in (each.name, str(each.id))] if row.staff else []
    faults = list(_faults(desk, row, customer, programs))
    faults += _not_one("person", row.person, len(persons), "a name or a role at this customer")
    faults += _not_one("staff", row.staff, len(members), "a name, or a number of `huifang staff list`")
    if faults or customer is None:
        return Result(row.id, "refused", faults=tuple(faults))
    (in_force,) = programs
    enrolment = enrol(desk.session, desk.runtime, in_force, customer, desk.now)
    subject = Subject(desk.runtime, in_force, customer, enrolment, desk.now)
    member = members[0] if members else None
    made = Made(
        row.kind,
        row.at,
        desk.source,
        row.id,
        person_id=persons[0].id if persons else 0,
        staff_id=member.id if member else 0,
        staff=member.name if member else "",
        data=row.data,
    )
    kept = take(desk.session, subject, made)
    if kept is None:  # told twice in one batch, or somebody else was faster
        return Result(row.id, "known")
    if row.next_on is not None:
        _agree_after(desk.session, subject, row.kind, row.next_on)
    return Result(row.id, "new", kept.row_id, tuple(_lacks(name) for name in kept.missing))


def take(session: Session, subject: Subject, made: Made) -> Kept | None:
    """Keep a contact and let it count for what waits for it; None: it is known.

    1 does it count: every required field, and what its kind says  2 the row, once  3 the trail  4 steps that it
    fulfils, chains that it restarts  5 events that it raises. The customer is locked by the caller.
    """
    program = subject.in_force.program
    on = made.at.astimezone(subject.zone).date()
    missing, objection = _why_not(subject, program.contacts[made.kind], made.data, on)
    counts = not missing and not objection
    because = f"{made.kind} on {on}"
    told = f"{because}: {_said(missing, objection)}" if not counts else because
    row_id = contacts.add(
        session,
        {
            "source": made.source,
            "external_id": made.id,
            "customer_id": subject.customer.id,
            "person_id": made.person_id,
            "program_id": program.id,
            "kind": made.kind,
            "at": made.at,
            "on": on,
            "staff_id": made.staff_id,
            "task_id": made.task_id,
            "counts": counts,
            "because": told,
            "data": storable(made.data),
        },
    )
    if row_id is None:
        return None
    data = {"kind": made.kind, "on": on.isoformat(), "counts": counts, "staff": made.staff, "missing": list(missing)}
    note(session, subject, "contact", told, data=data)
    if counts:
        _let_count(session, subject, made, on, because)
    for raised in program.contacts[made.kind].raises:
        _raise(session, subject, made, row_id, raised)
    return Kept(row_id, counts, missing)


def _why_not(subject: Subject, kind: ContactKind, data: Mapping[str, Any], on: date) -> tuple[tuple[str, ...], str]:
    """The required fields that are missing, and what its kind objects; neither: it counts."""
    missing = tuple(name for name in kind.required if data.get(name) in (None, ""))
    facts = subject.facts.facts(on, data)
    return missing, "" if holds(kind.counts, facts) else "one of this kind does not count"


def _said(missing: Sequence[str], objection: str) -> str:
    return f"kept, does not count: field missing: {', '.join(missing)}" if missing else f"kept: {objection}"


def _let_count(session: Session, subject: Subject, made: Made, on: date, because: str) -> None:
    """What its task wanted is fulfilled, and so is what else waits for such a contact; of open tasks it is one."""
    waiting = _tasks_waiting(session, subject, made)
    for flow in subject.in_force.program.flows:
        if counts_contacts(flow, made.kind):
            chains.meet(session, subject, flow, on, made.person_id, because, own=made.follow_up_id)
        elif isinstance(flow.on, AtLeast) and made.kind in flow.on.of:
            _let_catch_up(session, subject, flow, flow.on, on, because)
    if made.follow_up_id:
        chains.fulfil_by_id(session, subject, made.follow_up_id, because)
    if not made.task_id:
        still = {task.id for task in _tasks_waiting(session, subject, made)}
        if all(task.id in still for task in waiting):
            _answer_oldest(session, subject, made, on, because, waiting)


def _tasks_waiting(session: Session, subject: Subject, made: Made) -> list[TaskRow]:
    """The open tasks that such a contact is the doing of, the oldest first.

    Those of a minimum are done by the count, and those of a ticket once their own fields are recorded.
    """
    program = subject.in_force.program
    counted = {flow.id for flow in program.flows if isinstance(flow.on, AtLeast)}
    found = [
        task
        for task in tasks.open_of_customer(session, subject.customer.id)
        if task.program_id == program.id
        and made.kind in task.counts_as
        and task.person_id in (0, made.person_id)
        and not task.ticket_id
        and task.flow not in counted
    ]
    return sorted(found, key=lambda task: (task.opened_at, task.id))


def _answer_oldest(
    session: Session, subject: Subject, made: Made, on: date, because: str, waiting: Sequence[TaskRow]
) -> None:
    """The oldest task that was open on the day of the contact is done by it, as if it had been recorded there (R97).

    A step of a chain is done or left by the dates of its chain, not here.
    """
    program, zone = subject.in_force.program, subject.zone
    by_dates = {flow.id for flow in program.flows if counts_contacts(flow, made.kind)}
    open_then = (task for task in waiting if task.flow not in by_dates and task.opened_at.astimezone(zone).date() <= on)
    task = next(open_then, None)
    if task is None:
        return
    doer = made.staff_id or task.staff_id
    if not tasks.finish(session, task.id, subject.now, doer, storable(made.data), because):
        return
    if task.follow_up_id:
        follow_ups.settle(session, [task.follow_up_id], FollowUpState.FULFILLED)
    data = {"task": task.id, "kind": task.kind, "name": task.name}
    note(session, subject, "fulfilled", because, flow=task.flow, follow_up_id=task.follow_up_id, data=data)


def _raise(session: Session, subject: Subject, made: Made, row_id: int, raised: Raised) -> None:
    """The event that was noted with a contact, as if it were told now; of a contact told late, when that was made."""
    program, now = subject.in_force.program, subject.now
    on = made.at.astimezone(subject.zone).date()
    if not holds(raised.where, subject.facts.facts(on, made.data)):
        return
    if program.active_from is not None and on < program.active_from:
        return
    at = now if now - made.at < TOLD_LATE else made.at
    data = {target: made.data[name] for target, name in raised.data.items() if made.data.get(name) is not None}
    external_id = f"{row_id}:{raised.event}"
    values = {
        "source": CONTACT,
        "external_id": external_id,
        "type": raised.event,
        "customer_id": subject.customer.id,
        "matter_id": 0,
        "occurred_at": at,
        "received_at": now,
        "cancelled_at": None,
        "data": storable(data),
    }
    event = Event(events.add_many(session, [values])[external_id], raised.event, at, data)
    changes = said.take_over(session, program, subject.customer, event, at.astimezone(subject.zone).date())
    told = replace(subject, event_id=event.id)
    known = {said.SET: changes} if changes else {}
    note(session, told, "event", raised.event, data={"event": event.id, **known})
    apply(session, told, plan_event(program, event, subject.facts, now, subject.calendar))
    violations.suspect_by_event(session, told, event)


def _let_catch_up(session: Session, subject: Subject, flow: Flow, trigger: AtLeast, on: date, because: str) -> None:
    """A task that reminds of too few contacts is done once there are enough of them in its period."""
    program_id, customer_id = subject.in_force.program.id, subject.customer.id
    reminding = [each for each in tasks.open_of_customer(session, customer_id) if each.flow == flow.id]
    reminding = [each for each in reminding if each.program_id == program_id]
    if not reminding:
        return
    program = subject.in_force.program
    first, last = counted_days(trigger, on, program.permits(flow), subject.calendar)
    until = counts_until(trigger, last, program.time_zone)
    if quotas.made_with(session, program_id, trigger.of, customer_id, first, last, until) >= trigger.at_least:
        for task in reminding:
            chains.fulfil_by_id(session, subject, task.follow_up_id, because)


# ----- checked


def customers_called(session: Session, runtime: Runtime, source: str, names: Iterable[str]) -> dict[str, int]:
    """What somebody calls customers -> our ids: by the source's key first, then by phone."""
    names = list(dict.fromkeys(names))
    found = customers.by_keys(session, source, names)
    phones = {
        name: phone for name in names if name not in found and (phone := normalise_phone(name, runtime.settings.region))
    }
    owners = customers.by_addresses(session, phones.values())
    return {**found, **{name: owners[phone] for name, phone in phones.items() if phone in owners}}


def customer_called(runtime: Runtime, source: str, name: str) -> int:
    """The customer whom somebody calls so. InputError: nobody."""
    with runtime.db.read() as session:
        found = customers_called(session, runtime, source, [name])
    if name not in found:
        raise InputError([_unknown_customer(name)])
    return found[name]


def _unknown_customer(name: str) -> Fault:
    remedy = "import the customer first, under the same source, or name a known phone"
    return {"field": "customer", "reason": f"{name!r} is not known", "remedy": remedy}


def _sayable(row: ContactIn) -> ContactIn:
    """The row in texts that every database takes."""
    texts = {
        name: storable_text(getattr(row, name)) for name in ("id", "kind", "customer", "program", "person", "staff")
    }
    return replace(row, **texts)  # type: ignore[arg-type]


def _programs_for(desk: _Desk, row: ContactIn, customer: CustomerRow | None) -> list[InForce]:
    """The programs that a contact may be of: the named one, else those that know its kind, the customer's first."""
    in_force = [each for each in desk.runtime.shelf.in_force if row.kind in each.program.contacts]
    if row.program:
        return [each for each in in_force if each.program.id == row.program]
    if len(in_force) < 2 or customer is None:
        return in_force
    own = {each.program_id for each in customers.enrolments_of(desk.session, customer.id)}
    return [each for each in in_force if each.program.id in own] or in_force


def _faults(desk: _Desk, row: ContactIn, customer: CustomerRow | None, programs: Sequence[InForce]) -> Iterator[Fault]:
    if not 1 <= len(row.id) <= LONGEST["id"]:
        reason = "is longer than 128 characters" if row.id else "is missing"
        yield {"field": "id", "reason": reason, "remedy": "give each contact an id that is unique in its source"}
    if customer is None:
        yield _unknown_customer(row.customer)
    yield from _faults_of_time(row, customer, desk.now)
    if not programs:
        yield _unknown_kind(desk, row)
    elif len(programs) > 1:
        known = ", ".join(each.program.id for each in programs)
        yield {"field": "program", "reason": f"several know a {row.kind}", "remedy": f"name one of {known}"}
    else:
        yield from faults_of_data(programs[0].program.contacts[row.kind].fields, row.data)
        if row.next_on is not None and not any(counts_contacts(f, row.kind) for f in programs[0].program.flows):
            remedy = "plan it with `huifang contact plan`"
            yield {"field": "next_on", "reason": f"no flow comes again by {row.kind}", "remedy": remedy}


def _unknown_kind(desk: _Desk, row: ContactIn) -> Fault:
    programs = [each.program for each in desk.runtime.shelf.in_force if row.program in ("", each.program.id)]
    if not programs:
        known = ", ".join(each.program.id for each in desk.runtime.shelf.in_force)
        return {"field": "program", "reason": f"{row.program!r} does not run here", "remedy": f"one of {known}"}
    kinds = sorted({kind for program in programs for kind in program.contacts})
    remedy = f"one of {', '.join(kinds)}" if kinds else "name it under `contacts` of the program"
    return {"field": "kind", "reason": f"unknown kind of contact {row.kind!r}", "remedy": remedy}


def _faults_of_time(row: ContactIn, customer: CustomerRow | None, now: datetime) -> Iterator[Fault]:
    if row.at.tzinfo is None:
        yield {"field": "at", "reason": "has no time zone", "remedy": "write 2026-11-24T10:00:00+08:00"}
        return
    zone = customer.zone if customer else "UTC"
    if row.at.year < 1900 or (row.at > now and local_day(row.at, zone) > local_day(now, zone)):
        yield {"field": "at", "reason": f"{row.at:%Y-%m-%d} is no day on which it was made", "remedy": "mend the date"}
    elif row.next_on is not None and row.next_on <= max(local_day(row.at, zone), local_day(now, zone)):
        yield {"field": "next_on", "reason": f"{row.next_on} is not to come", "remedy": "write a later day"}


def faults_of_data(fields: Mapping[str, str], data: Mapping[str, Any]) -> Iterator[Fault]:
    """What is wrong with noted data; `fields`: what may be noted, and of which kind it is."""
    for name, value in data.items():
        if name not in fields:
            remedy = f"one of {', '.join(fields)}" if fields else "leave it out: there is nothing to note"
            yield {"field": f"data.{name}", "reason": "unknown field", "remedy": remedy}
        elif value is not None and not _fits(fields[name], value):
            yield {"field": f"data.{name}", "reason": f"{value!r} is no {fields[name]}", "remedy": "mend the value"}


def _fits(kind: str, value: Any) -> bool:
    if kind == "date":
        return day_of(value) is not None
    return field_kind(value) == kind and not (isinstance(value, float) and not isfinite(value))


def _not_one(name: str, called: str, found: int, remedy: str) -> list[Fault]:
    """What is wrong where something was named that must be exactly one."""
    if not called or found == 1:
        return []
    reason = f"nobody is called {called!r}" if not found else f"{found} are called {called!r}"
    return [{"field": name, "reason": reason, "remedy": remedy}]


def _lacks(name: str) -> Fault:
    return {"field": f"data.{name}", "reason": "field missing", "remedy": "it is kept, and counts with this field"}


# ----- planned by hand


def _agree_after(session: Session, subject: Subject, kind: str, on: date) -> None:
    """What comes again by such a contact, comes next on the agreed date (R36)."""
    because = f"agreed at the {kind} on {subject.today}"
    flows = [flow for flow in subject.in_force.program.flows if counts_contacts(flow, kind)]
    moved = [flow for flow in flows if chains.agree(session, subject, flow, on, because)]
    if not moved:
        note(session, subject, "notice", f"{because}: nothing of this customer comes again, so nothing moved to {on}")


@dataclass(frozen=True)
class ByHand:
    """A follow-up that staff plan: of which flow, on which day or at which time, why, and by whom (0: nobody says)."""

    program: str
    flow: str
    because: str
    on: date | None = None
    at: datetime | None = None
    by: int = 0


def plan_extra(runtime: Runtime, customer_id: int, wanted: ByHand) -> datetime:
    """Plan one more follow-up of a flow, beside what it plans itself (R35): when it is due. Twice the same is one.

    NotFound: no such customer. InputError names what is wrong. Forbidden: they may not choose who is asked.
    """
    runtime.shelf.refresh()
    _check_chooser(runtime, wanted)
    with runtime.db.write() as session:
        subject, flow = _subject_of(session, runtime, customer_id, wanted)
        program, zone, calendar = subject.in_force.program, subject.zone, subject.calendar
        if wanted.at is not None:
            permits = program.permits(flow)
            slot = place_instant(wanted.at, deadline=None, permits=permits, calendar=calendar, zone=zone)
            slot = with_expiry(slot, flow.valid_for, zone)
        else:
            assert wanted.on is not None
            slot = day_slot(program, flow, None, zone, wanted.on, calendar)
        because = "; ".join((f"planned by hand: {wanted.because}", *slot.reasons))
        occasion = f"{BY_HAND}{(wanted.at or wanted.on).isoformat()}"  # type: ignore[union-attr]
        apply(session, subject, [PlanFollowUp(flow.id, occasion, slot, flow.purpose, because)])
        return slot.due_at


def _check_chooser(runtime: Runtime, wanted: ByHand) -> None:
    """Of a survey that somebody is kept apart from, staff who are not choose who is asked (R159)."""
    program = next((each.program for each in runtime.shelf.in_force if each.program.id == wanted.program), None)
    if program is None or not program.independent_of:
        return
    asks = any(flow.id == wanted.flow and flow.message and flow.message.survey for flow in program.flows)
    if asks and not wanted.by:
        reason = f"{wanted.flow} asks a survey that not everybody may choose customers for"
        raise InputError([{"field": "by", "reason": reason, "remedy": "say who plans it"}])
    if asks:
        rights.must_take_part(runtime, program, wanted.by, f"choosing whom {wanted.flow} asks")


def agree_next(runtime: Runtime, customer_id: int, wanted: ByHand) -> None:
    """The next step of a flow comes on an agreed date, which wins over the computed one (R36).

    NotFound: no such customer. InputError names what is wrong.
    """
    runtime.shelf.refresh()
    with runtime.db.write() as session:
        subject, flow = _subject_of(session, runtime, customer_id, wanted)
        if wanted.on is None:
            raise InputError([{"field": "on", "reason": "is missing", "remedy": "agree a day"}])
        if not chains.agree(session, subject, flow, wanted.on, f"agreed: {wanted.because}"):
            reason = f"{flow.id} has no step of this customer to come"
            raise InputError([{"field": "flow", "reason": reason, "remedy": "plan an extra follow-up instead"}])


def _subject_of(session: Session, runtime: Runtime, customer_id: int, wanted: ByHand) -> tuple[Subject, Flow]:
    """The customer in the program, and the flow; NotFound and InputError as the callers say."""
    customer = customers.lock(session, [customer_id]).get(customer_id)
    if customer is None:
        raise NotFound(f"there is no customer {customer_id}")
    in_force = next((each for each in runtime.shelf.in_force if each.program.id == wanted.program), None)
    faults = list(_faults_by_hand(runtime, in_force, customer, wanted))
    if faults or in_force is None:
        raise InputError(faults)
    enrolment = enrol(session, runtime, in_force, customer, runtime.clock.now())
    subject = Subject(runtime, in_force, customer, enrolment, runtime.clock.now())
    return subject, in_force.program.flow(wanted.flow)


def _faults_by_hand(
    runtime: Runtime, in_force: InForce | None, customer: CustomerRow, wanted: ByHand
) -> Iterator[Fault]:
    if in_force is None:
        known = ", ".join(each.program.id for each in runtime.shelf.in_force)
        yield {"field": "program", "reason": f"{wanted.program!r} does not run here", "remedy": f"one of {known}"}
        return
    flows = [flow.id for flow in in_force.program.flows if not isinstance(flow.on, Unanswered | AtLeast)]
    if wanted.flow not in flows:
        remedy = f"one of {', '.join(flows)}"
        yield {"field": "flow", "reason": f"{wanted.flow!r} cannot be planned by hand", "remedy": remedy}
    if not wanted.because.strip():
        yield {"field": "reason", "reason": "is empty", "remedy": "say why"}
    now = runtime.clock.now()
    if (wanted.on is None) == (wanted.at is None):
        yield {"field": "on", "reason": "say a day or a time, one of both", "remedy": "write --on 2026-12-10"}
    elif (wanted.on and wanted.on < local_day(now, customer.zone)) or (wanted.at and wanted.at < now):
        yield {"field": "on", "reason": f"{wanted.on or wanted.at} has passed", "remedy": "write a later one"}
