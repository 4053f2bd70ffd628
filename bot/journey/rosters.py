"""Rosters: members of staff are named for days on duty; an empty day of the next month calls the office (R163, R164).

Who hears what on such a day is told by `bot/staffing.py`. Which days are looked at: `flows/shifts.py`; when: duties.py.
"""

from collections.abc import Sequence
from datetime import date

from sqlmodel import Session

from bot.errors import InputError
from bot.journey import tasks
from bot.runtime import Runtime
from bot.store import shifts, staff
from bot.store import tasks as task_rows
from bot.store.tables import TaskRow
from flows.duties import Duty
from flows.program import Program
from flows.shifts import empty_days, month_after


def set_duty(runtime: Runtime, staff_id: int, days: Sequence[date], *, off: bool = False) -> None:
    """Name a member of staff for days on duty, or no more. InputError: no role of theirs has a roster.

    What is pinged on such a day reaches those of the role who are named for it; where nobody is, all of the role. An
    open task that asks for a roster is done once no day of its month is empty.
    """
    programs = [each.program for each in runtime.shelf.in_force]
    with runtime.db.write() as session:
        member = staff.get(session, staff_id)
        duties = [f"{program.id}:{role}" for program in programs for role in program.rostered]
        alone = [role.partition(":")[2] for role in duties]
        if member is None or not {*duties, *alone} & set(member.roles):
            remedy = f"give them one of the roles {', '.join(dict.fromkeys(alone))}" if duties else _NO_ROSTER
            raise InputError([{"field": "role", "reason": "has no role with days on duty", "remedy": remedy}])
        change = shifts.remove if off else shifts.add
        change(session, staff_id, days)
        if not off:
            _finish_published(session, runtime)


_NO_ROSTER = "write `callback.stand_in` or `shifts` into the program whose pings they get"


def nobody_named(session: Session, program: Program, duty: Duty, nominal_on: date) -> str:
    """The days of the next month for which nobody of a role is named; empty: the roster is complete."""
    first, last = month_after(nominal_on)
    missing = []
    for role in duty.unless_rostered:
        members = {member.id for member in staff.with_role(session, program.id, role)}
        found = empty_days(first, last, shifts.named_between(session, members, first, last))
        days = ", ".join(f"{begins}" if begins == ends else f"{begins}..{ends}" for begins, ends in found)
        missing += [f"nobody is {role} on {days}"] if days else []
    return "; ".join(missing)


def _finish_published(session: Session, runtime: Runtime) -> None:
    """The open tasks that ask for a roster which is complete now are done."""
    for task in task_rows.listed(session):
        program = runtime.shelf.version(task.program_version_id)
        duty = program.duty(task.flow)
        if duty is None or not duty.unless_rostered:
            continue
        if not nobody_named(session, program, duty, _month_of(program, task)):
            tasks.record(session, runtime, task, tasks.Done(staff_id=task.staff_id, result="the roster is complete"))


def _month_of(program: Program, task: TaskRow) -> date:
    """The day of the calendar that a roster's task means; its key tells it."""
    return date.fromisoformat(task.dedupe_key.removeprefix(f"duty:{program.id}:{task.flow}:").partition(":")[0])
