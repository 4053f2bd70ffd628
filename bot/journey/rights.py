"""Who is kept apart from a survey: no list of whom it was sent to, no single answer, no part in approving it (R159).

A program names the roles (`independent_of`); whoever has one of them is kept apart, whatever else they are. What is
refused is a line of the trail, and so is every look at single forms. Next: `bot/web`, which asks here for every page.
"""

from collections.abc import Sequence

from bot.errors import Conflict, Forbidden, NotFound
from bot.runtime import Runtime
from bot.store import forms, staff, trail
from bot.store.forms import Form
from bot.store.tables import StaffRow
from flows.archive import has_role
from flows.program import Program

SHOWN = 100
"""Forms of one look."""


def is_kept_apart(program: Program, member: StaffRow) -> bool:
    """Is this member of staff to learn nothing of single answers in a program?"""
    return has_role(member.roles, program.id, program.independent_of)


def hidden_from(runtime: Runtime, member: StaffRow | None) -> frozenset[str]:
    """The programs whose single answers somebody must not see; nobody in particular: all that keep anybody apart."""
    return frozenset(
        each.program.id
        for each in runtime.shelf.in_force
        if each.program.independent_of and (member is None or is_kept_apart(each.program, member))
    )


def must_take_part(runtime: Runtime, program: Program, staff_id: int, wanted: str) -> StaffRow:
    """The member of staff, who is not kept apart. NotFound; Forbidden, and a line of the trail, when they are.

    `wanted`: what they were about to do, in a few words for that line. Never called inside a transaction.
    """
    with runtime.db.read() as session:
        member = staff.get(session, staff_id)
    if member is None or not member.active:
        raise NotFound(f"there is no member of staff {staff_id}")
    if is_kept_apart(program, member):
        raise deny(runtime, program, member, wanted)
    return member


def deny(runtime: Runtime, program: Program, member: StaffRow, wanted: str) -> Forbidden:
    """Note that somebody wanted what is not for them; the error to raise."""
    because = f"{wanted}: not for {member.name}, who is kept apart from this survey"
    data = {"staff": member.name}
    with runtime.db.write() as session:
        line = trail.line(runtime.clock.now(), "denied", because, program_id=program.id, data=data)
        trail.write(session, [line])
    return Forbidden(f"{because} -> ask somebody who takes part in it for the totals")


def forms_of(runtime: Runtime, program_id: str, survey: str, staff_id: int, page: int = 0) -> Sequence[Form]:
    """Whom a survey was sent to and what each of them answered, the newest first; the look itself is noted.

    NotFound: there is no such survey here. Conflict: nobody says who looks. Forbidden: they are kept apart.
    """
    runtime.shelf.refresh()
    running = {each.program.id: each.program for each in runtime.shelf.in_force}
    program = running.get(program_id)
    if program is None or survey not in program.surveys:
        raise NotFound(f"there is no survey {survey} of {program_id}")
    if not staff_id:
        raise Conflict("single forms are shown to a member of staff: choose who you are")
    member = must_take_part(runtime, program, staff_id, f"forms of {survey}")
    with runtime.db.write() as session:
        because = f"forms of {survey} were looked at by {member.name}"
        data = {"staff": member.name}
        trail.write(session, [trail.line(runtime.clock.now(), "viewed", because, program_id=program_id, data=data)])
        return forms.of_survey(session, program_id, survey, SHOWN, page * SHOWN)
