"""When a person must call, how urgent it is, and who is pinged when (R128-R138, rule 6)."""

from datetime import datetime
from zoneinfo import ZoneInfo

from flows.calendar import Calendar
from flows.decisions import NextRound, OpenTicket, PlannedPing
from flows.offsets import add_to_instant
from flows.program import Program
from flows.promises import call_before, ping_time, sla_due
from messages.reading import Reading

ALERT = "alert:"
"""How the steps begin that no ladder plans: words that reach somebody at once, whatever becomes of the ticket."""


def promise(program: Program, since: datetime, zone: ZoneInfo, calendar: Calendar) -> tuple[datetime, datetime]:
    """(due, call before): the end of the SLA, and the last moment to call that the customer's windows allow."""
    due = sla_due(since, program.callback.sla, program.callback.clock, zone, calendar)
    before = call_before(since, due, permits=program.permits(), calendar=calendar, zone=zone)
    return due, before or due


def ladder(program: Program, since: datetime, due: datetime, zone: ZoneInfo) -> tuple[PlannedPing, ...]:
    """One ping for each rung, in staff hours (R133)."""
    span = due - since
    pings = []
    for rung in program.callback.ladder:
        at = since + span * rung.share
        if rung.extra:
            at = add_to_instant(at, rung.extra, zone)
        pings.append(PlannedPing(rung.at.replace(" ", ""), rung.role, ping_time(at, zone)))
    return tuple(pings)


def next_role(program: Program, role: str) -> str | None:
    """Who gets a ping that `role` did not acknowledge; None: nobody is left above (R144)."""
    roles = list(dict.fromkeys(rung.role for rung in program.callback.ladder))
    index = roles.index(role) + 1 if role in roles else 0
    return roles[index] if index < len(roles) else None


def open_ticket(
    program: Program,
    reading: Reading,
    since: datetime,
    zone: ZoneInfo,
    calendar: Calendar,
    *,
    kind: str,
    topic: str | None,
    because: str,
) -> OpenTicket:
    """The entry of the queue that one unhappy reply opens."""
    due, before = promise(program, since, zone, calendar)
    return OpenTicket(
        kind=kind,
        owner_role=program.callback.owner,
        due_at=due,
        call_before=before,
        pings=ladder(program, since, due, zone),
        because=because,
        category=str(reading.category) if reading.category else None,
        topic=topic,
        urgent=reading.urgent,
        flags=reading.flags,
    )


def next_round(program: Program, since: datetime, zone: ZoneInfo, calendar: Calendar, because: str) -> NextRound:
    """A low second answer: each round starts a new clock and a new ladder."""
    due, before = promise(program, since, zone, calendar)
    return NextRound(due, before, ladder(program, since, due, zone), because)
