"""A date that is entered once and reaches everybody who is meant: an opening, a topping-out, a start-up (R15, R16).

Entered again, it changes nothing. The planner looks at once whom it concerns.
"""

from collections.abc import Iterable
from datetime import date

from bot.errors import InputError
from bot.runtime import Runtime
from bot.store import agenda, milestones, trail


def enter_milestone(runtime: Runtime, program_id: str, kind: str, on: date, title: str = "") -> bool:
    """Keep a milestone of a program; whether it is new. InputError: the program knows no such kind."""
    runtime.shelf.refresh()
    known = {each.program.id: each.program for each in runtime.shelf.in_force}
    if program_id not in known:
        raise InputError(
            [{"field": "program", "reason": f"{program_id!r} does not run here", "remedy": _one_of(known)}]
        )
    program = known[program_id]
    if kind not in program.milestones:
        remedy = _one_of(program.milestones)
        raise InputError([{"field": "milestone", "reason": f"unknown kind of milestone {kind!r}", "remedy": remedy}])
    now = runtime.clock.now()
    with runtime.db.write() as session:
        if not milestones.add(session, program_id, kind, on, title, now):
            return False
        because = f"{program.text(program.milestones[kind], program.language)} on {on}"
        data = {"milestone": kind, "on": on.isoformat(), "title": title}
        trail.write(session, [trail.line(now, "milestone", because, program_id=program_id, data=data)])
        agenda.replan(session)
    return True


def _one_of(names: Iterable[str]) -> str:
    known = sorted(names)
    return f"one of {', '.join(known)}" if known else "the program names none"
