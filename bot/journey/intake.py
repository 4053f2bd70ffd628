"""Step 1: an event is accepted once. Step 2: its follow-ups are planned.

Events come one by one or by the thousand, from the API, a file or the command line; a good row beside
a bad one is kept, and the bad one is named with its field and reason. What comes twice changes nothing.
Next: occasions.py.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlmodel import Session

from bot.errors import InputError
from bot.journey import cancellations, done_by, said, violations
from bot.journey.apply import apply, not_gone_out, take_back
from bot.journey.contacts import customers_called, faults_of_data
from bot.journey.enrolment import BATCH, LONGEST, Result, local_day
from bot.journey.subject import Subject, facts_of, first_class, follow_up_line, note
from bot.runtime import Runtime
from bot.store import customers, events, follow_ups, matters, tasks, trail
from bot.store.storable import storable, storable_text
from bot.store.tables import CustomerRow, EnrolmentRow, FollowUpRow
from flows import plan
from flows.events import Event
from flows.matters import kind_meant, tells_a_date
from flows.program import Program

YEARS = range(1900, 2200)
"""Outside them a date is a slip of the pen, and sums with it leave the calendar."""


@dataclass(frozen=True)
class EventIn:
    """Something that happened. `id` is unique in its source; `customer` is the source's key or a phone number."""

    id: str
    type: str
    customer: str
    at: datetime
    data: Mapping[str, Any] = field(default_factory=dict)
    matter: str = ""


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
        found = customers_called(session, runtime, source, (row.customer for row in rows))
        good: dict[str, tuple[int, EventIn, int]] = {}
        values: dict[str, dict[str, Any]] = {}
        for index, row in enumerate(rows):
            if faults := _check_event(runtime, row, found.get(row.customer)):
                results[index] = Result(row.id, "refused", faults=tuple(faults))
                continue
            if row.id in good:
                results[index] = Result(row.id, "known")
                continue
            customer_id = found[row.customer]
            try:
                values[row.id] = _event_values(session, runtime, source, row, customer_id, now)
                good[row.id] = (index, row, customer_id)
            except InputError as refused:
                results[index] = Result(row.id, "refused", faults=refused.faults)
        new = events.add_many(session, list(values.values()))
        people = customers.lock(session, (good[external_id][2] for external_id in new))
        enrolments = _enrolments_for(session, runtime, people, (good[each] for each in new), now)
        activity: dict[int, customers.Activity] = {}
        for external_id, (index, row, customer_id) in good.items():
            if external_id not in new:
                results[index] = Result(row.id, "known")
                continue
            event = Event(new[external_id], row.type, row.at, row.data, values[external_id]["matter_id"])
            is_meant = bool(event.matter_id) and not any(_named(_knowing(runtime, row), row))
            _take_in(session, runtime, people[customer_id], enrolments, event, activity, now, is_meant=is_meant)
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
            (id_, name, first_class(programs[name], people[id_].attributes), local_day(now, people[id_].zone))
            for id_, name in missing
        ]
        customers.enrol_many(session, new)
        enrolments = customers.enrolments_by_customer(session, people)
    for enrolment in enrolments.values():
        session.expunge(enrolment)
    return enrolments


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
    programs = _knowing(runtime, row)
    kinds = sorted({each for program in programs for each in program.matters})
    if row.matter and kinds and not (key and kind in kinds):
        remedy = f"write kind:id; the kinds are {', '.join(kinds)}"
        faults.append({"field": "matter", "reason": f"{row.matter!r} is no matter", "remedy": remedy})
    fields: dict[str, str] = {}
    for program in programs:
        fields.update(program.events[row.type].fields)
    return [*faults, *faults_of_data(fields, row.data)]


def _event_values(
    session: Session, runtime: Runtime, source: str, row: EventIn, customer_id: int, now: datetime
) -> dict[str, Any]:
    return {
        "source": source,
        "external_id": row.id,
        "type": row.type,
        "customer_id": customer_id,
        "matter_id": _matter(session, runtime, source, row, customer_id),
        "occurred_at": row.at,
        "received_at": now,
        "cancelled_at": None,
        "data": storable(row.data),
    }


def _matter(session: Session, runtime: Runtime, source: str, row: EventIn, customer_id: int) -> int:
    """The matter that an event is about: the one that it names, or else the one that it can mean; 0: none."""
    programs = _knowing(runtime, row)
    kind, key = _named(programs, row)
    if kind:
        return matters.find_or_add(session, customer_id, source, kind, key)
    kind = next(filter(None, (kind_meant(program, row.type) for program in programs)), "")
    return _meant(session, programs, source, row, customer_id, kind) if kind else 0


def _knowing(runtime: Runtime, row: EventIn) -> list[Program]:
    """The programs that know events of this type."""
    return [runtime.shelf.program(each).program for each in runtime.shelf.event_types()[row.type]]


def _named(programs: Iterable[Program], row: EventIn) -> tuple[str, str]:
    """Kind and key of the matter that an event names, itself or in its data; empty: it names none.

    A field called as a kind of matter holds the key of one: two orders of a customer are two.
    """
    if row.matter:
        kind, _, key = row.matter.partition(":")
        return kind, key
    for program in programs:
        for kind in (each for each in program.matters if each in program.events[row.type].fields):
            key = storable_text(str(row.data.get(kind) or ""))
            if 0 < len(key) <= LONGEST["id"]:
                return kind, key
    return "", ""


def _meant(
    session: Session, programs: Sequence[Program], source: str, row: EventIn, customer_id: int, kind: str
) -> int:
    """The matter of this kind that an event means without a name: the customer's only one that is open.

    Where none is open, an event that tells a date begins one of its own; 0: it tells none. InputError: there are
    several.
    """
    known = events.by_external_id(session, source, row.id)
    if known is not None:
        return known.matter_id
    still_open = matters.open_of(session, customer_id, kind)
    if len(still_open) > 1:
        keys = [each.external_id for each in still_open]
        reason = f"is missing, and this customer has {len(keys)} of kind {kind!r}: {', '.join(keys[:5])}"
        raise InputError([{"field": "matter", "reason": reason, "remedy": f"say which one, as {kind}:{keys[0]}"}])
    if still_open:
        return still_open[0].id
    is_dated = any(tells_a_date(program, row.type, row.data, kind) for program in programs)
    if not is_dated:
        return 0
    return matters.find_or_add(session, customer_id, source, kind, matters.key_of_event(row.id))


def _take_in(
    session: Session,
    runtime: Runtime,
    customer: CustomerRow,
    enrolments: Mapping[tuple[int, str], EnrolmentRow],
    event: Event,
    activity: dict[int, customers.Activity],
    now: datetime,
    *,
    is_meant: bool,
) -> None:
    """One new event: count activity, plan, in every program that knows its type.

    `is_meant`: it names no matter, and is about the only one that it can mean.
    """
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
        changes = said.take_over(session, program, customer, event, event_on)
        subject = Subject(runtime, in_force, customer, enrolment, now, event_id=event.id)
        known = {said.SET: changes} if changes else {}
        note(session, subject, "event", event.type, data={"event": event.id, **known})
        if is_meant:
            _note_moved(session, subject, event, changes)
        done_by.finish(session, subject, event)  # before `stops_on` takes it away
        apply(session, subject, plan.plan_event(program, event, facts_of(customer, enrolment), now, subject.calendar))
        violations.suspect_by_event(session, subject, event)


def _note_moved(session: Session, subject: Subject, event: Event, changes: said.Changes) -> None:
    """Say which date of a matter has moved although the event named none: it may be about a new one."""
    for target, (before, after) in changes.items():
        kind, dot, field = target.partition(".")
        if dot and field != "state" and before not in (None, after):
            because = f"{target} is {after}, no longer {before}: {event.type} names no {kind}, and only one is open"
            note(session, subject, "notice", because)


def _count_activity(
    program: Program, enrolment: EnrolmentRow, event: Event, on: date, activity: dict[int, customers.Activity]
) -> None:
    """Count it for the decisions that follow, and for the increment that is written at the end of the batch."""
    amount = cancellations.amount_of(program, event.data)
    enrolment.activity_count += 1
    enrolment.activity_total += amount
    enrolment.activity_on = max(enrolment.activity_on or on, on)
    counted = activity.get(enrolment.id, customers.Activity(on))
    activity[enrolment.id] = customers.Activity(max(counted.on, on), counted.count + 1, counted.amount + amount)


def cancel_event(runtime: Runtime, source: str, external_id: str, because: str) -> int:
    """Cancel an event with what hangs on it (R19); how many steps that had not gone out were.

    What it had set holds no more, and neither do open tasks of its steps and steps of the dates that it had set.
    """
    now = runtime.clock.now()
    with runtime.db.write() as session:
        event = events.by_external_id(session, source, external_id)
        if event is None:
            return 0
        customer = customers.lock(session, [event.customer_id])[event.customer_id]
        stood = event.cancelled_at is None
        restored = said.undo(session, customer, event) if stood else {}
        events.cancel(session, event.id, now)
        occasions = {f"date:{target}:{after}" for target, (after, _) in restored.items()}

        def hangs_on_it(row: FollowUpRow | follow_ups.Brief) -> bool:
            return row.event_id == event.id or (row.occasion in occasions and row.matter_id in (0, event.matter_id))

        steps = [row for row in not_gone_out(session, runtime, customer.id) if hangs_on_it(row)]
        rows = take_back(session, steps, because)
        lines = [follow_up_line(now, "cancelled", because, row) for row in rows]
        open_tasks = tasks.open_of_customer(session, customer.id)
        called_for = follow_ups.briefs(session, (task.follow_up_id for task in open_tasks))
        for task in open_tasks:
            step = called_for.get(task.follow_up_id)
            if step is not None and hangs_on_it(step) and tasks.cancel(session, task.id, because):
                known = {"customer_id": customer.id, "program_id": task.program_id, "flow": task.flow}
                lines.append(trail.line(now, "cancelled", because, **known, data={"task": task.id}))
        if restored:
            data = {"event": event.id, said.SET: restored}
            lines.append(trail.line(now, "cancelled", because, customer_id=customer.id, data=data))
        trail.write(session, lines)
        if stood:
            for in_force in runtime.shelf.in_force:
                enrolment = customers.enrolment(session, customer.id, in_force.program.id)
                cancellations.undo(session, Subject(runtime, in_force, customer, enrolment, now), event, because)
    return len(rows)
