"""Duties of staff: when one comes round, its task opens once for its role, or for each member who has it.

A duty that prepares what must be approved opens only where that is not approved, and is done once it is (R48); one that
asks for a roster, only where a day of it is empty (rosters.py).
A duty is planned ahead as a look like those of quotas.py, so that it opens once whoever ticks, and also after a night
without power. Its days are counted in flows/duties.py. Next: tasks.py, where the task is done or missed.
"""

from collections.abc import Iterator, Mapping
from datetime import date, datetime
from typing import Any

from sqlmodel import Session

from bot.journey import approvals, rosters, tasks
from bot.runtime import Runtime
from bot.shelf import InForce
from bot.store import staff, trail
from bot.store import tasks as task_rows
from bot.store.tables import QuotaCheckRow, StaffRow, TaskRow
from flows.duties import LONGEST_BREAK, Duty, Occurrence, occurrences
from flows.offsets import resolve_local
from flows.program import Program

DUTY = "duty"
"""The kind of look by which a duty opens; its `first` is the day of the calendar, its `last` the deadline's."""


Look = tuple[str, str, date, date, datetime]
"""(name, kind, first and last day, when), as quotas.py plans it."""


def looks(runtime: Runtime, program: Program, today: date, until: date) -> Iterator[Look]:
    """When the duties open that come round between two days; one whose deadline has passed is asked of nobody."""
    calendar, zone, now = runtime.calendar(program), program.time_zone, runtime.clock.now()
    for duty in program.duties:
        for time in occurrences(duty, program.days, today, until, calendar):
            runs = not program.active_from or time.nominal_on >= program.active_from
            if runs and tasks.due_of(duty.task, time.due_on, calendar, zone) > now:
                at = resolve_local(time.opens_on, duty.opens_at, zone)
                yield duty.id, DUTY, time.nominal_on, time.due_on, at


def open_tasks(session: Session, runtime: Runtime, check: QuotaCheckRow, now: datetime) -> Mapping[str, Any]:
    """Open the tasks of a duty that has come round; what they are numbered."""
    program = runtime.shelf.version(check.program_version_id)
    duty, on = program.duty(check.name), check.due_at.astimezone(program.time_zone).date()
    assert duty is not None
    time = occurrence(runtime, program, duty, check.first, on, on)
    if time is None:
        return {"tasks": [], "because": "the calendar has changed: it comes on another day"}
    if is_prepared(session, runtime, program, duty, time):
        return {"tasks": [], "because": "what it prepares is approved, or the roster is complete"}
    in_force = InForce(check.program_version_id, program)
    because = "; ".join(filter(None, (time.because, rosters.nobody_named(session, program, duty, time.nominal_on))))
    opened = []
    for members in doers(session, program, duty, time.due_on):
        who = members[0].id if duty.each == "staff" and members else 0
        about = tasks.For(
            key=f"duty:{program.id}:{duty.id}:{time.nominal_on}:{who}",  # `_prepares` reads the day
            because=because,
            on=time.due_on,
            flow=duty.id,
        )
        opened.append(tasks.open_(session, runtime, in_force, about, duty.task, members, now))
    return {"tasks": [task_id for task_id in opened if task_id is not None]}


def doers(session: Session, program: Program, duty: Duty, due_on: date) -> list[list[StaffRow]]:
    """Who does what is due on a day, once for each task; nobody has the role: one task, so that the superior hears of
    it. Each of the staff means each who is here by then.
    """
    members = staff.with_role(session, program.id, duty.task.role)
    here = [[member] for member in members if member.since is None or member.since <= due_on]
    return here if duty.each == "staff" and here else [members]


# ----- what they prepare is approved


def finish_prepared(session: Session, runtime: Runtime, in_force: InForce, approver: StaffRow, now: datetime) -> None:
    """A person has approved something: what was open to prepare just that is done."""
    program = in_force.program
    for duty in program.duties:
        if duty.unless_approved is None:
            continue
        for task in task_rows.listed(session, role=duty.task.role):
            time = _prepares(runtime, program, duty, task)
            if time is None or not is_prepared(session, runtime, program, duty, time):
                continue
            because = f"approved by {approver.name}"
            if task_rows.finish(session, task.id, now, approver.id, {}, because):
                data = {"task": task.id, "kind": task.kind, "staff": approver.name}
                line = trail.line(now, "done", because, program_id=program.id, flow=duty.id, data=data)
                trail.write(session, [line])


def _prepares(runtime: Runtime, program: Program, duty: Duty, task: TaskRow) -> Occurrence | None:
    """The time that this duty came and opened a task; None: the task is of something else."""
    of_duty = f"duty:{program.id}:{duty.id}:"
    if not task.dedupe_key.startswith(of_duty):
        return None
    nominal_on = date.fromisoformat(task.dedupe_key.removeprefix(of_duty).partition(":")[0])
    opened_on = task.opened_at.astimezone(program.time_zone).date()
    return occurrence(runtime, program, duty, nominal_on, opened_on - LONGEST_BREAK, opened_on)


def occurrence(
    runtime: Runtime, program: Program, duty: Duty, nominal_on: date, first: date, last: date
) -> Occurrence | None:
    """The time of a duty that means a day, and opens between two; None: the calendar has changed."""
    found = occurrences(duty, program.days, first, last, runtime.calendar(program))
    return next((each for each in found if each.nominal_on == nominal_on), None)


def is_prepared(session: Session, runtime: Runtime, program: Program, duty: Duty, time: Occurrence) -> bool:
    """Has a person approved what this duty is to prepare, or published the roster that it asks for?"""
    if duty.unless_rostered:
        return not rosters.nobody_named(session, program, duty, time.nominal_on)
    if duty.unless_approved is None:
        return False
    flow = program.flow(duty.unless_approved)
    assert flow.message is not None
    template = flow.message.template.replace("{festival}", time.festival)
    contents = tuple(approvals.needed(runtime, program, flow, flow.message.survey, template))
    return approvals.are_approved(session, contents)
