"""Step 1: an event is accepted once. Step 2: follow-ups are planned.

Customers and events come one by one or by the thousand, from the API, a file or the command line; a good row beside
a bad one is kept, and the bad one is named with its field and reason. What comes twice changes nothing.
Next: outreach.py.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from typing import Any, Literal
from zoneinfo import ZoneInfo, available_timezones

import phonenumbers
from sqlmodel import Session

from bot.journey.apply import apply
from bot.journey.subject import Subject, enrol, facts_of
from bot.runtime import Runtime
from bot.shelf import InForce
from bot.store import agenda, customers, events, follow_ups, settings, trail
from bot.store.tables import CustomerRow, EnrolmentRow
from flows import plan, sampling
from flows.decisions import PlanFollowUp, Selection
from flows.events import Event
from flows.program import Flow, Program, Sample, field_kind
from flows.timing import add, end_of_day

BATCH = 500
"""Rows of one transaction."""
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
        results.extend(_accept_customers(runtime, source, rows[start : start + BATCH]))
    return results


def _accept_customers(runtime: Runtime, source: str, rows: Sequence[CustomerIn]) -> list[Result]:
    runtime.shelf.refresh()
    checked = [_check_customer(runtime, row) for row in rows]
    now = runtime.clock.now()
    results: list[Result] = []
    with runtime.db.write() as session:
        known = customers.by_keys(session, source, (row.id for row in rows))
        addresses = {address for row, _ in checked for _, address in _addresses(row)}
        owners = customers.by_addresses(session, addresses)
        rows_by_id = customers.by_ids(session, {*known.values(), *owners.values()})
        for row, faults in checked:
            if faults:
                results.append(Result(row.id, "refused", faults=tuple(faults)))
                continue
            customer_id = known.get(row.id) or next(
                (owners[address] for _, address in _addresses(row) if address in owners), 0
            )
            verdict: Verdict
            if customer_id:
                customer = rows_by_id[customer_id]
                verdict = "changed" if _update_customer(session, runtime, customer, row, now) else "known"
            else:
                customer = _add_customer(session, runtime, row, now)
                rows_by_id[customer.id] = customer
                verdict = "new"
            if row.id and row.id not in known:
                customers.add_key(session, customer.id, source, row.id)
                known[row.id] = customer.id
            person = customers.first_person(session, customer.id) if verdict != "new" else None
            person = person or customers.add_person(session, customer.id, row.name, "self", row.title)
            for channel, address in _addresses(row):
                if address not in owners and customers.add_point(session, customer.id, person, channel, address):
                    owners[address] = customer.id
                    verdict = "changed" if verdict == "known" else verdict
            _enrol_named(session, runtime, customer, row, now)
            results.append(Result(row.id, verdict, customer.id))
    return results


def _check_customer(runtime: Runtime, row: CustomerIn) -> tuple[CustomerIn, list[dict[str, str]]]:
    faults: list[dict[str, str]] = []

    def fault(name: str, reason: str, remedy: str) -> None:
        faults.append({"field": name, "reason": reason, "remedy": remedy})

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


def _add_customer(session: Session, runtime: Runtime, row: CustomerIn, now: datetime) -> CustomerRow:
    program = _program_of(runtime, row)
    customer = customers.add_customer(
        session,
        {
            "external_id": row.id,
            "name": row.name.strip(),
            "title": row.title,
            "language": row.language or (program.language if program else "zh"),
            "zone": row.zone or (program.zone if program else "Asia/Shanghai"),
            "attributes": dict(row.attributes),
            "created_at": now,
        },
    )
    if row.marketing_consent:
        customers.note_consent(session, customer.id, "given", "marketing", "import", now)
    return customer


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
        return True
    session.add(customer)
    return before != (customer.name, customer.title, customer.language, customer.zone, customer.attributes)


def _enrol_named(session: Session, runtime: Runtime, customer: CustomerRow, row: CustomerIn, now: datetime) -> None:
    """Enrol in the named programs, in the named class."""
    today = now.astimezone(ZoneInfo(customer.zone)).date()
    for each in runtime.shelf.in_force:
        program = each.program
        if program.id not in row.programs and not (row.class_ and row.class_ in program.classes.names):
            continue
        enrolment = enrol(session, runtime, each, customer, now)
        if row.class_ in program.classes.names and enrolment.class_ != row.class_:
            customers.set_class(session, enrolment.id, row.class_, today)


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
        people = customers.by_ids(session, {customer_id for _, _, customer_id in good.values()})
        enrolments = customers.enrolments_by_customer(session, people)
        for external_id, (index, row, customer_id) in good.items():
            if external_id not in new:
                results[index] = Result(row.id, "known")
                continue
            matter_id = (
                next(value["matter_id"] for value in values if value["external_id"] == external_id) if row.matter else 0
            )
            event = Event(new[external_id], row.type, row.at, row.data, matter_id)
            _take_in(session, runtime, people[customer_id], enrolments, event, now)
            results[index] = Result(row.id, "new", event.id)
    return [results[index] for index in range(len(rows))]


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


def _check_event(runtime: Runtime, row: EventIn, customer_id: int | None) -> list[dict[str, str]]:
    faults: list[dict[str, str]] = []
    if not row.id:
        faults.append(
            {"field": "id", "reason": "is missing", "remedy": "give each event an id that is unique in its source"}
        )
    if customer_id is None:
        faults.append(
            {
                "field": "customer",
                "reason": f"{row.customer!r} is not known",
                "remedy": "import the customer first, or name a known phone",
            }
        )
    if row.at.tzinfo is None:
        faults.append({"field": "at", "reason": "has no time zone", "remedy": "write 2026-09-29T10:00:00+08:00"})
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
    return field_kind(value) == kind


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
        "data": dict(row.data),
    }


def _take_in(
    session: Session,
    runtime: Runtime,
    customer: CustomerRow,
    enrolments: dict[tuple[int, str], EnrolmentRow],
    event: Event,
    now: datetime,
) -> None:
    """One new event: enrol, count activity, plan, in every program that knows its type."""
    for in_force in runtime.shelf.in_force:
        program = in_force.program
        if event.type not in program.events:
            continue
        enrolment = enrolments.get((customer.id, program.id))
        if enrolment is None:
            enrolment = enrolments[customer.id, program.id] = enrol(session, runtime, in_force, customer, now)
        event_on = event.occurred_at.astimezone(ZoneInfo(customer.zone)).date()
        if program.activity and program.activity.event == event.type:
            _count_activity(session, program, enrolment, event, event_on)
        subject = Subject(runtime, in_force, customer, enrolment, now, event_id=event.id)
        decisions = plan.plan_event(program, event, facts_of(customer, enrolment), now, subject.calendar)
        if program.active_from is None or event_on >= program.active_from:
            trail.write(
                session,
                [
                    trail.line(
                        now,
                        "event",
                        event.type,
                        customer_id=customer.id,
                        program_id=program.id,
                        data={"event": event.id},
                    )
                ],
            )
        apply(session, subject, decisions)


def _count_activity(session: Session, program: Program, enrolment: EnrolmentRow, event: Event, on: date) -> None:
    assert program.activity is not None
    value = event.data.get(program.activity.amount or "", 0)
    amount = float(value) if isinstance(value, int | float) else 0.0
    customers.note_activity(session, enrolment.id, on, amount)
    enrolment.activity_count += 1
    enrolment.activity_total += amount
    enrolment.activity_on = max(enrolment.activity_on or on, on)


def cancel_event(runtime: Runtime, source: str, external_id: str, because: str) -> int:
    """Cancel an event and its unsent steps (R19); how many steps were."""
    now = runtime.clock.now()
    with runtime.db.write() as session:
        event = events.by_external_id(session, source, external_id)
        if event is None:
            return 0
        events.cancel(session, event.id, now)
        cancelled = 0
        for in_force in runtime.shelf.in_force:
            rows = follow_ups.cancel(session, event.customer_id, in_force.program.id, (), because, event_id=event.id)
            cancelled += len(rows)
            trail.write(
                session,
                [
                    trail.line(
                        now,
                        "cancelled",
                        because,
                        customer_id=row.customer_id,
                        program_id=row.program_id,
                        flow=row.flow,
                        follow_up_id=row.id,
                    )
                    for row in rows
                ],
            )
    return cancelled


# ----- step 2 for many: festivals, cadences, silences, samples


def plan_occasions(runtime: Runtime) -> int:
    """Plan what the calendar calls for, up to each program's horizon; again, it changes nothing."""
    runtime.shelf.refresh()
    with runtime.db.read() as session:
        stands = agenda.read(session)
    if (at := next_planning(stands)) is not None and at > runtime.clock.now():
        return 0
    planned = 0
    for in_force in runtime.shelf.in_force:
        for flow in in_force.program.flows:
            if isinstance(flow.on, Sample):
                planned += _plan_sample(runtime, in_force, flow, flow.on)
            elif plan.needs_anchor(flow):
                planned += _plan_selection(runtime, in_force, flow)
    with runtime.db.write() as session:
        noted = {"until": _next_midnight(runtime).isoformat(), "enrolment": stands.enrolment, "version": stands.version}
        settings.write(session, agenda.PLANNED, noted)
    return planned


def next_planning(stands: agenda.Agenda) -> datetime | None:
    """When the calendar may call for something again: the next midnight, or at once if somebody was enrolled."""
    planned = stands.planned
    if planned.get("enrolment") != stands.enrolment or planned.get("version") != stands.version:
        return datetime.min.replace(tzinfo=UTC)
    return datetime.fromisoformat(planned["until"])


def _next_midnight(runtime: Runtime) -> datetime:
    """The next midnight in the zone of any program: the horizon covers the customers' own."""
    zones = {each.program.zone for each in runtime.shelf.in_force} or {"UTC"}
    return min(end_of_day(runtime.today(zone), ZoneInfo(zone)) for zone in zones)


def selection_of(runtime: Runtime, session: Session, in_force: InForce, flow: Flow, today: date) -> Selection | None:
    """Who is meant by a set-based flow as seen on `today`: the planner inserts it, the forecast counts it."""
    kind = plan.needs_anchor(flow)
    assert kind is not None
    program = in_force.program
    anchors = follow_ups.anchors(session, program.id, kind, flow.id, flow.audience, today)
    return plan.select(program, flow, anchors, today, runtime.calendar(program.region))


def _plan_selection(runtime: Runtime, in_force: InForce, flow: Flow) -> int:
    now, program = runtime.clock.now(), in_force.program
    today = runtime.today(program.zone)
    with runtime.db.read() as session:
        selection = selection_of(runtime, session, in_force, flow, today)
    if selection is None:
        return 0
    owner = follow_ups.Owner(program.id, in_force.version_id, now)
    with runtime.db.write() as session:
        planned = follow_ups.plan_selection(session, owner, selection, today)
        trail.write(
            session,
            [
                trail.line(
                    now,
                    "planned",
                    "; ".join((selection.because, *group.slot.reasons)),
                    program_id=program.id,
                    flow=flow.id,
                    data={
                        "count": count,
                        "due": group.slot.due_at.isoformat(),
                        "zone": group.zone,
                        "occasion": group.occasion,
                    },
                )
                for group, count in planned
            ],
        )
    return sum(count for _, count in planned)


def _plan_sample(runtime: Runtime, in_force: InForce, flow: Flow, trigger: Sample) -> int:
    """Draw the period's sample once its day is near; the seed is stored with it (R66, R68, R69)."""
    now, program = runtime.clock.now(), in_force.program
    today = runtime.today(program.zone)
    occasion, slot = plan.sample_slot(program, flow, trigger, today, runtime.calendar(program.region))
    if not today <= slot.intended_on <= add(today, program.horizon):
        return 0
    slot = plan.with_expiry(slot, flow.valid_for, program.time_zone)
    seed = f"{runtime.dice.seed}:{program.id}:{flow.id}:{occasion}"
    owner = follow_ups.Owner(program.id, in_force.version_id, now)
    with runtime.db.write() as session:
        if follow_ups.occasion_exists(session, program.id, flow.id, occasion):
            return 0
        since = add(today, -trigger.not_again_within)
        barred = follow_ups.sampled_since(session, program.id, flow.id, since)
        eligible = [
            each for each in follow_ups.members(session, program.id, flow.audience, today) if each not in barred
        ]
        drawn = sampling.draw(eligible, trigger.sample, seed)
        planned = PlanFollowUp(flow.id, occasion, slot, flow.purpose, f"drawn for {occasion}")
        for customer_id in drawn:
            follow_ups.plan(session, owner, customer_id, planned)
        lines = [
            trail.line(
                now,
                "planned",
                f"{len(drawn)} of {len(eligible)} drawn",
                program_id=program.id,
                flow=flow.id,
                data={"count": len(drawn), "seed": seed, "occasion": occasion, "due": slot.due_at.isoformat()},
            )
        ]
        if len(drawn) < trigger.sample:
            lines.append(
                trail.line(
                    now,
                    "notice",
                    f"fewer than {trigger.sample}: all {len(drawn)} are sampled",
                    program_id=program.id,
                    flow=flow.id,
                    data={"count": len(drawn)},
                )
            )
        trail.write(session, lines if drawn or eligible else [])
    return len(drawn)


def faults_of(results: Iterable[Result]) -> list[dict[str, Any]]:
    """Every fault of refused rows, with the row's id."""
    return [{"id": result.id, **fault} for result in results for fault in result.faults]
