"""Duties of staff: when one comes round, its task opens once for its role, or for each member who has it.

A duty is planned ahead as a look like those of quotas.py, so that it opens once whoever ticks, and also after a night
without power. Its days are counted in flows/duties.py. Next: tasks.py, where the task is done or missed.
"""

from collections.abc import Iterator, Mapping
from datetime import date, datetime
from typing import Any

from sqlmodel import Session

from bot.journey import tasks
from bot.runtime import Runtime
from bot.shelf import InForce
from bot.store import staff
from bot.store.tables import QuotaCheckRow, StaffRow
from flows.duties import Duty, occurrences
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
    found = occurrences(duty, program.days, on, on, runtime.calendar(program))
    time = next((each for each in found if each.nominal_on == check.first), None)
    if time is None:
        return {"tasks": [], "because": "the calendar has changed: it comes on another day"}
    in_force = InForce(check.program_version_id, program)
    opened = []
    for members in doers(session, program, duty):
        who = members[0].id if duty.each == "staff" and members else 0
        about = tasks.For(
            key=f"duty:{program.id}:{duty.id}:{time.nominal_on}:{who}",
            because=time.because,
            on=time.due_on,
            flow=duty.id,
        )
        opened.append(tasks.open_(session, runtime, in_force, about, duty.task, members, now))
    return {"tasks": [task_id for task_id in opened if task_id is not None]}


def doers(session: Session, program: Program, duty: Duty) -> list[list[StaffRow]]:
    """Who does it, once for each task; nobody has the role: one task, so that the superior hears of it."""
    members = staff.with_role(session, program.id, duty.task.role)
    return [[member] for member in members] if duty.each == "staff" and members else [members]
