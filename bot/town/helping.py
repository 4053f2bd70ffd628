"""Staff who step in where nobody does: what has waited four hours for a person is taken on, in working hours.

Switched off, the queue waits for whoever reads this. A newcomer who is faster is simply faster.
"""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from sqlmodel import Session

from bot.errors import Conflict, NotFound
from bot.jobs.work import Work
from bot.journey import callbacks
from bot.runtime import Runtime
from bot.store import staff, tickets
from bot.store.agenda import Agenda
from bot.store.tables import TicketRow
from bot.town.history import roll
from flows.states import TicketState
from flows.timing import add_to_instant, parse_offset

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
        waiting = [(ticket, _waits_since(session, ticket)) for ticket in _waiting(session)]
        able = [(ticket, since) for ticket, since in waiting if since and _helper(session, ticket, 0)]
    return min((_in_hours(since, _zone(runtime, ticket)) for ticket, since in able if since), default=None)


def step_in(runtime: Runtime, seed: int) -> int:
    """Claim what nobody has claimed, finish what was claimed and left; how many tickets."""
    now = runtime.clock.now()
    with runtime.db.read() as session:
        due = [
            (ticket, helper)
            for ticket in _waiting(session)
            if (since := _waits_since(session, ticket)) and _in_hours(since, _zone(runtime, ticket)) <= now
            if (helper := _helper(session, ticket, seed))
        ]
        languages = {member.id: member.language for member in staff.everybody(session)}
    for ticket, helper in due:
        try:
            if ticket.state == TicketState.OPEN:
                callbacks.claim(runtime, ticket.id, helper)
            else:
                results = RESULTS.get(languages.get(helper, "en"), RESULTS["en"])
                result = results[roll(seed, "result", ticket.id, ticket.round) % len(results)]
                callbacks.resolve(runtime, ticket.id, helper, result)
        except (Conflict, NotFound):
            continue  # somebody was faster
    return len(due)


def _waiting(session: Session) -> list[TicketRow]:
    return list(tickets.queue(session, states=[TicketState.OPEN, TicketState.CLAIMED]))


def _waits_since(session: Session, ticket: TicketRow) -> datetime | None:
    """Since when a person should have done something: the claim, or the first notice of this round."""
    if ticket.state == TicketState.CLAIMED:
        return ticket.claimed_at
    return min(
        (ping.due_at for ping in tickets.pings_of(session, ticket.id) if ping.round == ticket.round), default=None
    )


def _helper(session: Session, ticket: TicketRow, seed: int) -> int:
    """Who steps in: whoever holds the ticket, else one of those whose role owns it; 0: nobody has that role."""
    if ticket.claimed_by:
        holder = staff.get(session, ticket.claimed_by)
        return holder.id if holder and holder.active else 0
    members = staff.with_role(session, ticket.program_id, ticket.owner_role)
    return members[roll(seed, "helper", ticket.id, ticket.round) % len(members)].id if members else 0


def _zone(runtime: Runtime, ticket: TicketRow) -> ZoneInfo:
    return runtime.shelf.version(ticket.program_version_id).time_zone


def _in_hours(since: datetime, zone: ZoneInfo) -> datetime:
    """Four hours later, or the next morning."""
    local = add_to_instant(since, AFTER, zone).astimezone(zone)
    if HOURS[0] <= local.time() < HOURS[1]:
        return local.astimezone(UTC)
    day = local.date() if local.time() < HOURS[0] else local.date() + timedelta(days=1)
    return datetime.combine(day, HOURS[0], tzinfo=zone).astimezone(UTC)
