"""Members of staff are added and reached; who has a role, and who of it is named for a day; roles that nobody has.

Next: `bot/journey/rosters.py`, where they are named.
"""

from collections.abc import Container, Iterator
from datetime import date, datetime

from sqlmodel import Session

from bot.errors import InputError
from bot.phones import normalise_phone
from bot.runtime import Runtime
from bot.store import shifts, staff
from bot.store.tables import StaffRow
from flows.archive import has_role
from flows.program import Program

OPERATOR = "operator"
"""The role of those who keep the house itself running; no program pings it."""


def hire(
    runtime: Runtime, name: str, phone: str, roles: list[str], language: str, since: date | None = None
) -> StaffRow:
    """Add a member of staff, or change the one who has this number; a first day once told stays until another is.

    InputError names the field and the remedy.
    """
    address = normalise_phone(phone, runtime.settings.region)
    faults = []
    if not name.strip():
        faults.append({"field": "name", "reason": "is empty", "remedy": "give a name"})
    if address is None:
        faults.append(
            {"field": "phone", "reason": f"{phone!r} is no phone number", "remedy": "write it as +8613800000000"}
        )
    if language not in ("zh", "en"):
        faults.append({"field": "language", "reason": f"{language!r} is not spoken here", "remedy": "zh or en"})
    known = known_roles(runtime)
    for role in roles:
        if role not in known:
            faults.append({"field": "role", "reason": f"nobody pings {role!r}", "remedy": f"one of {', '.join(known)}"})
    faults += [fault for each in runtime.shelf.in_force for fault in _both_sides(each.program, roles)]
    if faults or address is None:
        raise InputError(faults)
    with runtime.db.write() as session:
        member = staff.by_address(session, address) or StaffRow(address=address)
        member.name, member.roles, member.language, member.active = name.strip(), roles, language, True
        member.since = since or member.since
        return staff.add(session, member)


def _both_sides(program: Program, roles: list[str]) -> Iterator[dict[str, str]]:
    """A fault where somebody is kept apart from a program's surveys, and would be told of answers to them (R159)."""
    others = [
        role for role in program.roles() if role not in program.independent_of and has_role(roles, program.id, [role])
    ]
    if others and has_role(roles, program.id, program.independent_of):
        apart = " and ".join(program.independent_of)
        reason = f"{apart} takes no part in the surveys of {program.id}, and {others[0]} does"
        yield {
            "field": "role",
            "reason": reason,
            "remedy": "leave one out, or write the program before it: program:role",
        }


def reach(member: StaffRow, channels: Container[str]) -> tuple[str, str]:
    """(channel, address) for notices: the linked chat where that channel is connected, else the phone number."""
    if member.chat and staff.CHAT in channels:
        return staff.CHAT, member.chat
    return member.channel, member.address


# ----- on duty


def who_answers(session: Session, program: Program, role: str, at: datetime) -> list[StaffRow]:
    """Who hears what is pinged now; who is kept apart from the surveys of the program hears nothing."""
    members = named_for(session, program, role, at.astimezone(program.time_zone).date())
    return [member for member in members if not has_role(member.roles, program.id, program.independent_of)]


def named_for(session: Session, program: Program, role: str, day: date) -> list[StaffRow]:
    """Everybody with a role; where it has a roster, who is named for that day, where anybody is."""
    members = staff.with_role(session, program.id, role)
    if role not in program.rostered:
        return members
    named = shifts.on(session, day)
    return [member for member in members if member.id in named] or members


def known_roles(runtime: Runtime) -> list[str]:
    """Every role that a program pings or keeps apart, alone and as program:role; last the operator's."""
    programs = [each.program for each in runtime.shelf.in_force]
    pairs = [(program.id, role) for program in programs for role in (*program.roles(), *program.independent_of)]
    alone = dict.fromkeys(role for _, role in pairs)
    return [*alone, *(f"{program_id}:{role}" for program_id, role in pairs), OPERATOR]


def missing_roles(runtime: Runtime) -> list[tuple[str, str]]:
    """(program, role) that would be pinged in vain."""
    with runtime.db.read() as session:
        return [
            (each.program.id, role)
            for each in runtime.shelf.in_force
            for role in each.program.roles()
            if not staff.with_role(session, each.program.id, role)
        ]
