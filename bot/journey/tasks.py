"""What a person is to do: a call, a visit, a letter, a form (R96, R98, R198).

A task is opened when its follow-up is due, and its role is told; it is done when it is recorded with every field that
it needs. What is not done in time, the superior hears of on the next workday (rule 7). Next: contacts.py, where a
done task counts as a contact.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from sqlmodel import Session

from bot.errors import Conflict, InputError, NotFound
from bot.journey import contacts, wording
from bot.journey.belongings import day_of
from bot.journey.notices import tell
from bot.journey.subject import Subject
from bot.runtime import Runtime
from bot.shelf import InForce
from bot.store import customers, follow_ups, staff, tasks, trail
from bot.store.storable import storable, storable_text
from bot.store.tables import FollowUpRow, StaffRow, TaskRow
from flows.actions import TaskAction
from flows.offsets import add
from flows.program import Program, field_kind
from flows.promises import missing_ping, ping_time, staff_deadline
from flows.states import FollowUpState

BATCH = 200


# ----- opened


@dataclass(frozen=True)
class For:
    """What a task is about, beside its customer: the follow-up that calls for it, or a key of its own."""

    key: str
    because: str
    on: date
    flow: str = ""
    follow_up_id: int = 0
    ticket_id: int = 0
    person_id: int = 0
    matter_id: int = 0


def open_task(session: Session, subject: Subject, row: FollowUpRow, action: TaskAction) -> int | None:
    """Open the task of a due follow-up; its id, or None where it is open already."""
    about = For(
        key=f"follow-up:{row.id}",
        because=row.reason,
        on=row.nominal_on,
        flow=row.flow,
        follow_up_id=row.id,
        person_id=row.person_id,
        matter_id=row.matter_id,
    )
    return open_for(session, subject, about, action)


def open_for(session: Session, subject: Subject, about: For, action: TaskAction) -> int | None:
    """Open a task about a customer and tell whoever is to do it; the same key opens one."""
    program, customer, now = subject.in_force.program, subject.customer, subject.now
    due_at = due_of(action, max(about.on, _local_day(program, now)), subject)
    members = who_does(session, program, action.role, subject.enrolment.staff if subject.enrolment else ())
    name = program.text(action.name, program.language)
    task_id = tasks.open_(
        session,
        {
            "dedupe_key": about.key,
            "program_id": program.id,
            "program_version_id": subject.in_force.version_id,
            "flow": about.flow,
            "follow_up_id": about.follow_up_id,
            "ticket_id": about.ticket_id,
            "customer_id": customer.id,
            "person_id": about.person_id,
            "matter_id": about.matter_id,
            "kind": action.kind,
            "name": name,
            "role": action.role,
            "superior": action.superior or _above(program, action.role),
            "staff_id": members[0].id if len(members) == 1 else 0,
            "counts_as": action.counts_as or "",
            "required": list(action.required),
            "opened_at": now,
            "due_at": due_at,
            "misses_at": missing_ping(due_at, subject.calendar, zone=program.time_zone),
            "because": about.because,
        },
    )
    if task_id is None:
        return None
    data = {"task": task_id, "kind": action.kind, "role": action.role, "due": due_at.isoformat(), "name": name}
    known = {"customer_id": customer.id, "program_id": program.id, "flow": about.flow}
    line = trail.line(now, "task", about.because, **known, follow_up_id=about.follow_up_id, data=data)
    trail.write(session, [line])
    task = tasks.get(session, task_id)
    assert task is not None
    _tell(session, subject.runtime, program, members, "staff/task", task, ping_time(now, program.time_zone))
    return task_id


def due_of(action: TaskAction, on: date, subject: Subject) -> datetime:
    """When a task is due that was called for on a day: paperwork of staff waits for no off day (rule 7)."""
    calendar, zone = subject.calendar, subject.in_force.program.time_zone
    if action.workdays is not None:
        on = calendar.add_workdays(on, action.workdays)
    elif action.within is not None:
        on = add(on, action.within)
    return staff_deadline(on, calendar, action.month_end, action.at, zone=zone)


def who_does(session: Session, program: Program, role: str, responsible: Sequence[str]) -> list[StaffRow]:
    """The responsible members of a customer who have the role; where there is none, everybody with the role."""
    members = staff.with_role(session, program.id, role)
    return [member for member in members if member.name in responsible] or members


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
            program = runtime.shelf.version(row.program_version_id)
            members = staff.with_role(session, program.id, row.superior)
            at = ping_time(now, program.time_zone)
            _tell(session, runtime, program, members, "staff/task_missing", row, at)
            told = [member.name for member in members]
            data = {"task": row.id, "kind": row.kind, "role": row.superior, "name": row.name, "staff": told}
            because = (
                f"{row.name} was due {row.due_at.astimezone(program.time_zone):%Y-%m-%d %H:%M}: {row.superior} told"
            )
            known = {"customer_id": row.customer_id, "program_id": row.program_id, "flow": row.flow}
            trail.write(session, [trail.line(now, "breach", because, **known, data=data)])
        tasks.note_missed(session, [row.id for row in rows])
    return len(rows)


def _tell(
    session: Session,
    runtime: Runtime,
    program: Program,
    members: Sequence[StaffRow],
    template: str,
    task: TaskRow,
    at: datetime,
) -> None:
    customer = customers.get(session, task.customer_id) if task.customer_id else None
    points = customers.points_of(session, [task.customer_id]).get(task.customer_id, []) if customer else []
    doer = staff.get(session, task.staff_id) if task.staff_id else None
    variables = {
        "task_id": str(task.id),
        "task_name": task.name,
        "customer_name": customer.name if customer else None,
        "customer_phone_masked": wording.masked(points[0].address) if points else None,
        "staff_name": doer.name if doer else None,
        "reason": task.because,
        "due_at": task.due_at,
    }
    tell(session, runtime, program, members, template, f"{template}:{task.id}", variables, at)


# ----- done


@dataclass(frozen=True)
class Done:
    """What is recorded of a task: by whom, when it was (None: now), its fields, the result in words."""

    staff_id: int = 0
    at: datetime | None = None
    data: Mapping[str, Any] = field(default_factory=dict)
    result: str = ""


def finish(runtime: Runtime, task_id: int, done: Done) -> None:
    """Record a task as done; it counts as a contact where its action says so.

    InputError names each field that is missing or unknown; Conflict: somebody was faster, or it was cancelled.
    """
    runtime.shelf.refresh()
    now = runtime.clock.now()
    with runtime.db.write() as session:
        task = tasks.take(session, task_id)
        if task is None:
            raise NotFound(f"there is no task {task_id}")
        program = runtime.shelf.version(task.program_version_id)
        fields = fields_of(program, task)
        if faults := _faults(fields, task.required, done.data):
            raise InputError(faults)
        data = storable(dict(done.data))
        if not tasks.finish(session, task_id, now, done.staff_id, data, storable_text(done.result)):
            raise Conflict(f"task {task_id} is {task.state} already")
        doer = staff.get(session, done.staff_id) if done.staff_id else None
        line = trail.line(
            now,
            "done",
            done.result or task.name,
            customer_id=task.customer_id,
            program_id=task.program_id,
            flow=task.flow,
            follow_up_id=task.follow_up_id,
            data={"task": task_id, "kind": task.kind, "staff": doer.name if doer else "", **data},
        )
        trail.write(session, [line])
        if task.counts_as and task.customer_id:
            made = contacts.Made(
                kind=task.counts_as,
                at=done.at or now,
                source="task",
                id=str(task_id),
                person_id=task.person_id,
                staff_id=done.staff_id,
                staff=doer.name if doer else "",
                task_id=task_id,
                follow_up_id=task.follow_up_id,
                data=data,
            )
            contacts.take(session, _subject(session, runtime, task, program, now), made)
        elif task.follow_up_id:
            follow_ups.settle(session, [task.follow_up_id], FollowUpState.FULFILLED)


def cancel(runtime: Runtime, task_id: int, because: str, by: str = "") -> None:
    """Let a task go, with a reason; `by`: the member who decided so. Conflict: it is done or cancelled already."""
    if not because.strip():
        raise InputError([{"field": "reason", "reason": "is empty", "remedy": "say why the task is let go"}])
    with runtime.db.write() as session:
        task = tasks.take(session, task_id)
        if task is None:
            raise NotFound(f"there is no task {task_id}")
        if not tasks.cancel(session, task_id, storable_text(because)):
            raise Conflict(f"task {task_id} is {task.state} already")
        known = {"customer_id": task.customer_id, "program_id": task.program_id, "flow": task.flow}
        line = trail.line(runtime.clock.now(), "cancelled", because, **known, data={"task": task_id, "staff": by})
        trail.write(session, [line])


def fields_of(program: Program, task: TaskRow) -> Mapping[str, str]:
    """The fields that may be noted of a task: its own, and those of the contact that it counts as."""
    called_for = [program.flow(task.flow).task] if task.flow else program.tasks()
    own = next((each.fields for each in called_for if each and (each.kind, each.role) == (task.kind, task.role)), {})
    kind = program.contacts.get(task.counts_as)
    return {**(kind.fields if kind else {}), **own}


def _faults(fields: Mapping[str, str], required: Sequence[str], data: Mapping[str, Any]) -> list[dict[str, str]]:
    known = f"one of {', '.join(fields)}" if fields else "this task takes none"
    faults = [
        {"field": f"data.{name}", "reason": "unknown field", "remedy": known} for name in data if name not in fields
    ]
    for name in required:
        if data.get(name) in (None, ""):
            faults.append(
                {"field": f"data.{name}", "reason": "is missing", "remedy": "note it, or the task is not done"}
            )
    for name, value in data.items():
        if name in fields and value is not None and not _fits(fields[name], value):
            reason = f"{value!r} is no {fields[name]}"
            faults.append({"field": f"data.{name}", "reason": reason, "remedy": "mend the value"})
    return faults


def _fits(kind: str, value: Any) -> bool:
    return day_of(value) is not None if kind == "date" else field_kind(value) == kind


def _subject(session: Session, runtime: Runtime, task: TaskRow, program: Program, now: datetime) -> Subject:
    customer = customers.get(session, task.customer_id)
    assert customer is not None
    enrolment = customers.enrolment(session, customer.id, program.id)
    return Subject(runtime, InForce(task.program_version_id, program), customer, enrolment, now)
