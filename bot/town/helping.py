"""Staff who step in where nobody does: what has waited four hours for a person is taken on, in working hours.

Switched off, the queue waits for whoever reads this. A newcomer who is faster is simply faster.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from sqlmodel import Session

from bot.errors import Conflict, NotFound
from bot.jobs.work import Work
from bot.journey import callbacks
from bot.runtime import Runtime
from bot.store import staff
from bot.store.agenda import Agenda
from bot.store.tables import StaffRow, TicketRow
from bot.store.waiting import tickets as waiting_tickets
from bot.town.history import roll
from flows.offsets import add_to_instant, parse_offset
from flows.states import TicketState

AFTER = parse_offset("4h")
HOURS = (time(9), time(18))
RESULTS = {
    "zh": (
        "已致电道歉，换货今天寄出",
        "已退还差价，客户接受",
        "负责人当面说明并安排了返工",
        "已补寄，并送上一张优惠券",
    ),
    "en": (
        "Called and apologised; a replacement is on its way",
        "The difference was paid back, the customer accepts",
        "We called, explained, and set the matter right",
    ),
}


def helping(seed: int = 1) -> Work:
    """The row of the table of repeated work."""
    return Work("staff step in", 60, lambda runtime: step_in(runtime, seed), next_help)


def next_help(runtime: Runtime, _: Agenda) -> datetime | None:
    """When somebody steps in next."""
    with runtime.db.read() as session:
        return min((at for at, _, _ in _waiting(session, runtime, 0)), default=None)


def step_in(runtime: Runtime, seed: int) -> int:
    """Claim what nobody has claimed, finish what was claimed and left; how many tickets."""
    now = runtime.clock.now()
    with runtime.db.read() as session:
        due = [(ticket, helper) for at, ticket, helper in _waiting(session, runtime, seed) if at <= now]
    for ticket, helper in due:
        try:
            if ticket.state == TicketState.OPEN:
                callbacks.claim(runtime, ticket.id, helper.id)
            else:
                results = RESULTS.get(helper.language, RESULTS["en"])
                result = results[roll(seed, "result", ticket.id, ticket.round) % len(results)]
                callbacks.resolve(runtime, ticket.id, helper.id, result)
        except (Conflict, NotFound):
            continue  # somebody was faster
    return len(due)


def _waiting(session: Session, runtime: Runtime, seed: int) -> list[tuple[datetime, TicketRow, StaffRow]]:
    """When who steps in for which ticket; without those for which nobody has the role."""
    waiting = waiting_tickets(session)
    members = staff.everybody(session) if waiting else ()
    return [
        (_in_hours(since, _zone(runtime, ticket)), ticket, helper)
        for ticket, since in waiting
        if (helper := _helper(members, ticket, seed))
    ]


def _helper(members: Sequence[StaffRow], ticket: TicketRow, seed: int) -> StaffRow | None:
    """Who steps in: whoever holds the ticket, else one of those whose role owns it."""
    if ticket.claimed_by:
        return next((member for member in members if member.id == ticket.claimed_by), None)
    roles = {ticket.owner_role, f"{ticket.program_id}:{ticket.owner_role}"}
    able = [member for member in members if roles & set(member.roles)]
    return able[roll(seed, "helper", ticket.id, ticket.round) % len(able)] if able else None


def _zone(runtime: Runtime, ticket: TicketRow) -> ZoneInfo:
    return runtime.shelf.version(ticket.program_version_id).time_zone


def _in_hours(since: datetime, zone: ZoneInfo) -> datetime:
    """Four hours later, or the next morning."""
    local = add_to_instant(since, AFTER, zone).astimezone(zone)
    if HOURS[0] <= local.time() < HOURS[1]:
        return local.astimezone(UTC)
    day = local.date() if local.time() < HOURS[0] else local.date() + timedelta(days=1)
    return datetime.combine(day, HOURS[0], tzinfo=zone).astimezone(UTC)
