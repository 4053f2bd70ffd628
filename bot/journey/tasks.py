"""What a person is to do: a call, a visit, a letter, a form (R96, R98, R198).

A task is opened when its follow-up is due, or its duty comes round, and its role is told; it is done when it is
recorded with every field that it needs. What is not done in time, the superior hears of on the next workday (rule 7),
who may also let it go. What cannot wait is told at any hour, to whoever has the shift; where its time is hours, the
superior hears as soon as they are over (R143). Next: duties.py, for work about no customer; contacts.py, where a done
task counts as a contact; appointments.py, where the customer says whether its time suits; done_by.py, where an event
tells that a task is done.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from itertools import chain, count
from typing import Any
from zoneinfo import ZoneInfo

from sqlmodel import Session

from bot.errors import Conflict, InputError, NotFound
from bot.journey import allowances, callbacks, contacts, violations, wording
from bot.journey.news import tell_customer
from bot.journey.notices import tell
from bot.journey.subject import Subject
from bot.runtime import Runtime
from bot.shelf import InForce
from bot.staffing import named_for
from bot.store import customers, events, follow_ups, staff, tasks, trail
from bot.store.storable import storable, storable_text
from bot.store.tables import EventRow, FollowUpRow, StaffRow, TaskRow
from flows.actions import TaskAction
from flows.appointment_reply import time_of_day
from flows.calendar import Calendar
from flows.fields import Words
from flows.offsets import DAY, add, resolve_local
from flows.program import Program
from flows.promises import missing_ping, ping_time, staff_deadline
from flows.shifts import shift_at
from flows.states import FollowUpState, TaskState
from flows.triggers import AfterEvent, OnDate

BATCH = 200


# ----- opened


@dataclass(frozen=True)
class For:
    """What a task is about: its customer, if it has one, and the follow-up that calls for it, or a key of its own.

    `on`: the day that its time counts from, unless it is due `at` a known time. `flow`: the id of the flow or the duty.
    `words`: what the customer wrote, for whoever gets a copy. `is_judged`: its flow itself tells what is missing when
    its period is over, so the task alone is no breach. `role`: whoever has the shift, in place of the action's.
    `is_done`: we hear of it late, and nobody need be called.
    """

    key: str
    because: str
    on: date
    flow: str = ""
    customer_id: int = 0
    follow_up_id: int = 0
    ticket_id: int = 0
    person_id: int = 0
    matter_id: int = 0
    at: datetime | None = None
    words: str = ""
    is_judged: bool = False
    role: str = ""
    is_done: bool = False


def open_task(session: Session, subject: Subject, row: FollowUpRow, action: TaskAction) -> int | None:
    """Open the task of a due follow-up; its id, or None where it is open already.

    Its time counts from the day that its event or date means, even where it opens later; a cadence is put off as a
    whole. Where an event has told already that it is done, it opens and is done, and nobody is called.
    """
    program = subject.in_force.program
    keeps_day = isinstance(program.flow(row.flow).on, AfterEvent | OnDate)
    about = For(
        key=f"follow-up:{row.id}",
        because=row.reason,
        on=row.nominal_on if keeps_day else max(row.nominal_on, _local_day(program, subject.now)),
        flow=row.flow,
        follow_up_id=row.id,
        person_id=row.person_id,
        matter_id=row.matter_id,
        at=_appointed(session, subject, row, action) or _hours_after(subject, action),
    )
    told = _told_done(session, subject, action)
    task_id = open_for(session, subject, replace(about, is_done=told is not None), action)
    task = tasks.take(session, task_id) if task_id and told else None
    if task is not None and told is not None:
        record(session, subject.runtime, task, done_as_told(task, told))
    return task_id


def _told_done(session: Session, subject: Subject, action: TaskAction) -> EventRow | None:
    """The event that has told already that this is done: after an outage both may wait for us."""
    if action.done_by is None or subject.event is None:
        return None
    told = events.first_since(session, subject.customer.id, action.done_by, subject.event.occurred_at)
    return told if told and told.matter_id in (0, subject.event.matter_id) else None


def _hours_after(subject: Subject, action: TaskAction) -> datetime | None:
    """When the hours are over that run from the event at hand; None: its time is days."""
    if action.within is None or not action.is_by_the_clock:
        return None
    return (subject.event.occurred_at if subject.event else subject.now) + action.within.delta


def _appointed(session: Session, subject: Subject, row: FollowUpRow, action: TaskAction) -> datetime | None:
    """The time of an appointment, as its date and an attribute of the customer say it; None: it is no appointment."""
    trigger = subject.in_force.program.flow(row.flow).on
    if action.appointment is None or not isinstance(trigger, OnDate):
        return None
    day = subject.date_named(session, trigger.date, row.matter_id)
    at = time_of_day(subject.customer.attributes.get(action.appointment.time or ""), action.at)
    return None if day is None else resolve_local(day, at, subject.zone)


def open_for(session: Session, subject: Subject, about: For, action: TaskAction) -> int | None:
    """Open a task about a customer and tell whoever is to do it; the same key opens one."""
    role, members = _on_duty(session, subject, action)
    about = replace(about, customer_id=subject.customer.id, role=role)
    return open_(session, subject.runtime, subject.in_force, about, action, members, subject.now)


def _on_duty(session: Session, subject: Subject, action: TaskAction) -> tuple[str, list[StaffRow]]:
    """The role and the members who do a task now: of what is at once, whoever has the shift (R164).

    Where nobody has the role of the shift, it stays with its own.
    """
    program, responsible = subject.in_force.program, subject.enrolment.staff if subject.enrolment else ()
    shift = shift_at(program.shifts.values(), action.role, subject.now, program.time_zone) if action.at_once else None
    if shift is not None and (members := named_for(session, program, shift[0].role, shift[1])):
        return shift[0].role, members
    return action.role, who_does(session, program, action.role, responsible)


def open_(
    session: Session,
    runtime: Runtime,
    in_force: InForce,
    about: For,
    action: TaskAction,
    members: Sequence[StaffRow],
    now: datetime,
) -> int | None:
    """Open a task, about a customer or none, and tell these members; the same key opens one."""
    program, calendar = in_force.program, runtime.calendar(in_force.program)
    due_at = about.at or _due_later(action, about.on, now, calendar, program.time_zone)
    misses_at = _misses_at(action, due_at, calendar, program.time_zone)
    name, role = program.text(action.name, program.language), about.role or action.role
    task_id = tasks.open_(
        session,
        {
            "dedupe_key": about.key,
            "program_id": program.id,
            "program_version_id": in_force.version_id,
            "flow": about.flow,
            "follow_up_id": about.follow_up_id,
            "ticket_id": about.ticket_id,
            "customer_id": about.customer_id,
            "person_id": about.person_id,
            "matter_id": about.matter_id,
            "kind": action.kind,
            "name": name,
            "role": role,
            "superior": superior_of(program, action),
            "staff_id": members[0].id if len(members) == 1 else 0,
            "counts_as": list(action.counts_as),
            "required": list(action.required),
            "opened_at": now,
            "due_at": due_at,
            "misses_at": None if about.is_judged else misses_at,
            "because": about.because,
        },
    )
    if task_id is None:
        return None
    data = {"task": task_id, "kind": action.kind, "role": role, "due": due_at.isoformat(), "name": name}
    if action.at_once or not about.customer_id:
        data["staff"] = [member.name for member in members]
    known = {"customer_id": about.customer_id, "program_id": program.id, "flow": about.flow}
    line = trail.line(now, "task", about.because, **known, follow_up_id=about.follow_up_id, data=data)
    trail.write(session, [line])
    task = tasks.get(session, task_id)
    assert task is not None
    if about.is_done:
        return task_id
    at = _told_at(program, action, now)
    _tell(session, runtime, program, members, "staff/task", task, at)
    for copied_to in action.copy_to:
        copied = staff.with_role(session, program.id, copied_to)
        _tell(session, runtime, program, copied, "staff/task_copy", task, at, about.words)
    return task_id


JUST_OVER = timedelta(seconds=1)
"""What is done at the very instant at which its hours are over is done in time."""


def _misses_at(action: TaskAction, due_at: datetime, calendar: Calendar, zone: ZoneInfo) -> datetime:
    """When the superior hears of it: as soon as its hours are over, else as of paperwork."""
    if action.is_by_the_clock:
        return due_at + JUST_OVER
    return missing_ping(due_at, calendar, any_day=action.any_day, zone=zone)


def _told_at(program: Program, action: TaskAction | None, now: datetime) -> datetime:
    """When staff hear of a task: at once of what cannot wait, else in staff hours (rule 6)."""
    return now if action and action.at_once else ping_time(now, program.time_zone)


def due_of(action: TaskAction, on: date, calendar: Calendar, zone: ZoneInfo) -> datetime:
    """When a task is due that was called for on a day: paperwork of staff waits for no off day (rule 7)."""
    if action.workdays is not None:
        on = calendar.add_workdays(on, action.workdays)
    elif action.within is not None:
        on = add(on, action.within)
    return staff_deadline(on, calendar, action.month_end, action.at, any_day=action.any_day, zone=zone)


def _due_later(action: TaskAction, on: date, now: datetime, calendar: Calendar, zone: ZoneInfo) -> datetime:
    """When it is due, counted from `on`; where that has passed, from the first day on which it is not late at once."""
    today = now.astimezone(zone).date()
    days = chain([on], (today + n * DAY for n in count()))
    return next(due_at for day in days if (due_at := due_of(action, day, calendar, zone)) > now)


def who_does(session: Session, program: Program, role: str, responsible: Sequence[str]) -> list[StaffRow]:
    """The responsible members of a customer who have the role; where there is none, everybody with the role."""
    members = staff.with_role(session, program.id, role)
    return [member for member in members if member.name in responsible] or members


def superior_of(program: Program, action: TaskAction) -> str:
    """The role that hears of it when a task is not done."""
    return action.superior or _above(program, action.role)


def _above(program: Program, role: str) -> str:
    """The next role of the ladder, or the last one."""
    roles = list(dict.fromkeys(rung.role for rung in program.callback.ladder))
    later = roles[roles.index(role) + 1 :] if role in roles else roles
    return next((each for each in later if each != role), roles[-1])


def _local_day(program: Program, now: datetime) -> date:
    return now.astimezone(program.time_zone).date()


# ----- not done in time


def tell_missing(runtime: Runtime, limit: int = BATCH) -> int:
    """Tell the superiors of tasks that were not done in time, each once; how many."""
    now = runtime.clock.now()
    with runtime.db.write() as session:
        rows = tasks.missing(session, now, limit)
        for row in rows:
            _tell_superior(session, runtime, row, now)
        tasks.note_missed(session, [row.id for row in rows])
    return len(rows)


def _tell_superior(session: Session, runtime: Runtime, row: TaskRow, now: datetime) -> None:
    """The breach that a task was not done in time: a word to whoever is above, a line of the trail."""
    program = runtime.shelf.version(row.program_version_id)
    members = staff.with_role(session, program.id, row.superior)
    at = _told_at(program, action_of(program, row), now)
    _tell(session, runtime, program, members, "staff/task_missing", row, at)
    told = [member.name for member in members]
    data = {"task": row.id, "kind": row.kind, "role": row.superior, "name": row.name, "staff": told}
    because = f"{row.name} was due {row.due_at.astimezone(program.time_zone):%Y-%m-%d %H:%M}: {row.superior} told"
    known = {"customer_id": row.customer_id, "program_id": row.program_id, "flow": row.flow}
    trail.write(session, [trail.line(now, "breach", because, **known, data=data)])
    violations.suspect_by_breach(session, runtime, row)


def _tell(
    session: Session,
    runtime: Runtime,
    program: Program,
    members: Sequence[StaffRow],
    template: str,
    task: TaskRow,
    at: datetime,
    words: str = "",
) -> None:
    customer = customers.get(session, task.customer_id) if task.customer_id else None
    points = customers.points_of(session, [task.customer_id]).get(task.customer_id, []) if customer else []
    points = [point for point in points if point.person_id == task.person_id] or points
    doer = staff.get(session, task.staff_id) if task.staff_id else None
    variables = {
        "task_id": str(task.id),
        "task_name": _called(program, task),
        "customer_name": customer.name if customer else None,
        "customer_phone_masked": wording.masked(points[0].address) if points else None,
        "staff_name": doer.name if doer else None,
        "reason": task.because,
        "reply_text": words or None,
        "due_at": task.due_at,
        "item": _as_called(session, program, task),
    }
    tell(session, runtime, program, members, template, f"{template}:{task.id}", variables, at)


def event_of(session: Session, task: TaskRow) -> EventRow | None:
    """The event that called for a task; None: something else did."""
    step = follow_ups.get(session, task.follow_up_id) if task.follow_up_id else None
    return events.get(session, step.event_id) if step and step.event_id else None


def _as_called(session: Session, program: Program, task: TaskRow) -> str | None:
    """What was told with the event that called for what is at once: the place, the trouble."""
    action = action_of(program, task)
    event = event_of(session, task) if action and action.at_once else None
    told = [value for value in event.data.values() if isinstance(value, str) and value] if event else []
    return ", ".join(told) or None


def _called(program: Program, task: TaskRow) -> Words | str:
    """What is to be done, in the languages of its program; a task is kept in one of them."""
    return next((each.name for each in program.tasks() if task.name in each.name.values()), task.name)


# ----- done


@dataclass(frozen=True)
class Done:
    """What is recorded of a task: by whom, when it was (None: now), its fields, the result in words.

    `made`: which kind of contact it was, where several do the task.
    """

    staff_id: int = 0
    at: datetime | None = None
    data: Mapping[str, Any] = field(default_factory=dict)
    result: str = ""
    made: str = ""


def done_as_told(task: TaskRow, told: EventRow) -> Done:
    """What an event tells of a task that it does."""
    return Done(staff_id=task.staff_id, at=told.occurred_at, data=told.data, result=f"{told.type} came")


def finish(runtime: Runtime, task_id: int, done: Done) -> None:
    """Record a task as done; it counts as a contact where its action says so.

    InputError names each field that is missing or unknown; Conflict: somebody was faster, or it was cancelled.
    """
    runtime.shelf.refresh()
    with runtime.db.write() as session:
        task = tasks.take(session, task_id)
        if task is None:
            raise NotFound(f"there is no task {task_id}")
        program = runtime.shelf.version(task.program_version_id)
        made = _made(task, done.made)
        fields = fields_of(program, task, made)
        if faults := _faults(fields, required_of(program, task, made), done.data):
            raise InputError(faults)
        if not record(session, runtime, task, replace(done, made=made)):
            raise Conflict(f"task {task_id} is {task.state} already")


def record(session: Session, runtime: Runtime, task: TaskRow, done: Done) -> bool:
    """Write down that a task is done, and what follows from it; False: somebody was faster.

    1 the task, by compare-and-set  2 a breach, where its hours were over and nobody has heard  3 the trail  4 the
    contact that it counts as, or its follow-up  5 what the crew of a shift gets  6 the answer to the customer.
    """
    now, program = runtime.clock.now(), runtime.shelf.version(task.program_version_id)
    action, at = action_of(program, task), done.at or now
    fields = fields_of(program, task, done.made)
    data = storable({name: value for name, value in done.data.items() if name in fields})
    is_late = bool(action and action.is_by_the_clock and task.misses_at and at > task.due_at)
    if not tasks.finish(session, task.id, now, done.staff_id, data, storable_text(done.result)):
        return False
    if is_late:
        _tell_superior(session, runtime, task, now)
    doer = staff.get(session, done.staff_id) if done.staff_id else None
    line = trail.line(
        now,
        "done",
        done.result or task.name,
        customer_id=task.customer_id,
        program_id=task.program_id,
        flow=task.flow,
        follow_up_id=task.follow_up_id,
        data={"task": task.id, "kind": task.kind, "staff": doer.name if doer else "", **data},
    )
    trail.write(session, [line])
    if done.made and task.customer_id:
        contact = contacts.Made(
            kind=done.made,
            at=at,
            source="task",
            id=str(task.id),
            person_id=task.person_id,
            staff_id=done.staff_id,
            staff=doer.name if doer else "",
            task_id=task.id,
            follow_up_id=task.follow_up_id,
            data=data,
        )
        contacts.take(session, subject_of(session, runtime, task, now), contact)
    elif task.follow_up_id:
        follow_ups.settle(session, [task.follow_up_id], FollowUpState.FULFILLED)
    if action and action.at_once:
        allowances.note(session, program, action, task, data, at, now)
    if action and action.answer and task.customer_id:
        noted = {**dict.fromkeys(fields), **data, "result": done.result or None}
        subject = subject_of(session, runtime, task, now)
        tell_customer(session, subject, action.answer, f"task:{task.id}:answer", f"{task.name}: done", noted)
    return True


def cancel(runtime: Runtime, task_id: int, because: str, staff_id: int = 0) -> None:
    """Let a task go, with a reason; 0: whoever runs the house decided so, at the command line.

    1 open still?  2 the superior, or a manager?  3 the task, by compare-and-set  4 its follow-up, which no quota counts
    any more; a chain goes on. InputError: no reason. Conflict: it is settled already, or not theirs to let go.
    """
    if not because.strip():
        raise InputError([{"field": "reason", "reason": "is empty", "remedy": "say why the task is let go"}])
    now = runtime.clock.now()
    with runtime.db.write() as session:
        task = tasks.take(session, task_id)
        if task is None:
            raise NotFound(f"there is no task {task_id}")
        member = _who_may_let_go(session, task, staff_id)
        if not tasks.cancel(session, task_id, storable_text(because)):
            raise Conflict(f"task {task_id} is {task.state} already")
        if task.follow_up_id and runtime.shelf.version(task.program_version_id).flow(task.flow).message is None:
            follow_ups.settle(session, [task.follow_up_id], FollowUpState.CANCELLED, reason=because)
        line = trail.line(
            now,
            "cancelled",
            because,
            customer_id=task.customer_id,
            program_id=task.program_id,
            flow=task.flow,
            follow_up_id=task.follow_up_id,
            data={"task": task_id, "kind": task.kind, "staff": member.name if member else ""},
        )
        trail.write(session, [line])


def may_let_go(task: TaskRow, member: StaffRow) -> bool:
    """Only the superior of a task, or a manager, says that it need not be done."""
    return not {task.superior, f"{task.program_id}:{task.superior}", *callbacks.MANAGERS}.isdisjoint(member.roles)


def _who_may_let_go(session: Session, task: TaskRow, staff_id: int) -> StaffRow | None:
    """The superior of an open task, or a manager; None: nobody of the staff asks."""
    if not staff_id or task.state != TaskState.OPEN:
        return None
    member = staff.get(session, staff_id)
    if member is None or not member.active:
        raise NotFound(f"there is no member of staff {staff_id}")
    if not may_let_go(task, member):
        raise Conflict(f"{member.name} may not let it go: that is for the {task.superior} or a manager")
    return member


def _made(task: TaskRow, told: str) -> str:
    """The kind of contact that a task was done by; "": it counts as none."""
    if not told and len(task.counts_as) < 2:
        return next(iter(task.counts_as), "")
    if told not in task.counts_as:
        reason = f"{told!r} does not do this task" if told else "is missing"
        known = f"one of {', '.join(task.counts_as)}" if task.counts_as else "leave it out: it counts as no contact"
        raise InputError([{"field": "made", "reason": reason, "remedy": known}])
    return told


def fields_of(program: Program, task: TaskRow, made: str = "") -> Mapping[str, str]:
    """The fields that may be noted of a task: its own, and those of the contact that was made, or may be."""
    action = action_of(program, task)
    kinds = [program.contacts[kind] for kind in ([made] if made else task.counts_as)]
    of_contact = {name: kind for contact in kinds for name, kind in contact.fields.items()}
    return {**of_contact, **(action.fields if action else {})}


def required_of(program: Program, task: TaskRow, made: str) -> list[str]:
    """The fields without which it is not done by a contact of this kind: those of the other kinds are not asked for."""
    of_others = fields_of(program, task).keys() - fields_of(program, task, made).keys()
    return [name for name in task.required if name not in of_others]


def action_of(program: Program, task: TaskRow) -> TaskAction | None:
    """What called for a task, as its program says it; None: nothing there does any more."""
    duty = program.duty(task.flow)
    if duty is not None:
        return duty.task
    if task.flow:  # whoever has the shift may have another role
        return program.flow(task.flow).task
    return next((each for each in program.tasks() if (each.kind, each.role) == (task.kind, task.role)), None)


def _faults(fields: Mapping[str, str], required: Sequence[str], data: Mapping[str, Any]) -> list[dict[str, str]]:
    remedy = "note it, or the task is not done"
    missing = [name for name in required if data.get(name) in (None, "")]
    return [
        *contacts.faults_of_data(fields, data),
        *({"field": f"data.{name}", "reason": "is missing", "remedy": remedy} for name in missing),
    ]


def subject_of(session: Session, runtime: Runtime, task: TaskRow, now: datetime) -> Subject:
    """The customer of a task, in the program that called for it."""
    customer = customers.get(session, task.customer_id)
    assert customer is not None
    program = runtime.shelf.version(task.program_version_id)
    enrolment = customers.enrolment(session, customer.id, program.id)
    return Subject(runtime, InForce(task.program_version_id, program), customer, enrolment, now)
