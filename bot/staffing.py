"""Members of staff are added and reached, and roles that a program pings but nobody has are found."""

from collections.abc import Container

from bot.errors import InputError
from bot.phones import normalise_phone
from bot.runtime import Runtime
from bot.store import staff
from bot.store.tables import StaffRow

OPERATOR = "operator"
"""The role of those who keep the house itself running; no program pings it."""


def hire(runtime: Runtime, name: str, phone: str, roles: list[str], language: str) -> StaffRow:
    """Add a member of staff, or change the one who has this number. InputError names the field and the remedy."""
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
    if faults or address is None:
        raise InputError(faults)
    with runtime.db.write() as session:
        member = staff.by_address(session, address) or StaffRow(address=address)
        member.name, member.roles, member.language, member.active = name.strip(), roles, language, True
        return staff.add(session, member)


def reach(member: StaffRow, channels: Container[str]) -> tuple[str, str]:
    """(channel, address) for notices: the linked chat where that channel is connected, else the phone number."""
    if member.chat and staff.CHAT in channels:
        return staff.CHAT, member.chat
    return member.channel, member.address


def known_roles(runtime: Runtime) -> list[str]:
    """Every role that a program pings, alone and as program:role; last the operator's."""
    pairs = [(each.program.id, role) for each in runtime.shelf.in_force for role in each.program.roles()]
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
