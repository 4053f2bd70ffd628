"""The callback queue, as decisions change it: a ticket opens, more words join it, a round begins, it closes.

Each writes its rows and a line of the trail in the caller's transaction. What staff do with a ticket: callbacks.py.
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from sqlmodel import Session

from bot.journey import concentrations
from bot.journey.subject import Subject, note
from bot.store import events, follow_ups, matters, tasks, tickets
from bot.store.selections import CLOSED
from bot.store.tables import EventRow, TicketRow
from flows.appointment import wished_ping
from flows.callback import answers_for, for_its_owner, handovers, next_role, pings_of_owner
from flows.decisions import NextRound, OpenTicket, PlannedPing
from flows.offsets import until
from flows.promises import ping_time
from flows.states import FollowUpState, TicketState

FOLLOWED_UP = (FollowUpState.SENT, FollowUpState.ANSWERED, FollowUpState.FULFILLED)
"""A step in one of these came about."""


def open_ticket(session: Session, subject: Subject, decision: OpenTicket) -> None:
    """A ticket in the hands of its owner, with its ladder; where one is live, the words join it."""
    program = subject.in_force.program
    event = asked_about(session, subject)
    decision = for_its_owner(decision, program, subject.facts.facts(subject.today, event.data if event else {}))
    ticket_id = tickets.open_(
        session,
        {
            "customer_id": subject.customer.id,
            "program_id": program.id,
            "program_version_id": subject.in_force.version_id,
            "survey_id": subject.survey.id if subject.survey else 0,
            "inbound_id": subject.inbound.id if subject.inbound else 0,
            "matter_id": _written_about(session, subject),
            "event_id": event.id if event else 0,
            "kind": decision.kind,
            "owner_role": decision.owner_role,
            "category": decision.category,
            "topic": decision.topic,
            "urgent": decision.urgent,
            "words": subject.inbound.body if subject.inbound else "",
            "opened_at": subject.now,
            "due_at": decision.due_at,
            "call_before": decision.call_before,
            "wished_at": decision.wished_at,
        },
    )
    if ticket_id is None:
        subject.ticket = tickets.live(session, subject.customer.id, program.id)
        add_to_ticket(session, subject, decision.because, decision.wished_at)
        return
    subject.ticket = tickets.get(session, ticket_id)
    off_days = handovers(program, decision.owner_role, subject.now, decision.due_at, subject.calendar)
    plan_pings(session, subject, ticket_id, 1, (*decision.pings, *off_days))
    note(
        session,
        subject,
        "ticket",
        decision.because,
        data={
            "kind": decision.kind,
            "owner": decision.owner_role,
            "person": subject.person.name if subject.person else None,
            "due": decision.due_at.isoformat(),
            "call_before": decision.call_before.isoformat(),
            "wished": _local(subject, decision.wished_at),
            "category": decision.category,
            "topic": decision.topic,
            "urgent": decision.urgent,
        },
    )
    concentrations.look(session, subject)


def plan_pings(session: Session, subject: Subject, ticket_id: int, round_: int, pings: Iterable[PlannedPing]) -> int:
    """Plan notices about a ticket, each for whoever answers when it comes; how many are new."""
    program, calendar = subject.in_force.program, subject.calendar
    planned = [replace(ping, role=answers_for(program, ping.role, ping.due_at, calendar)) for ping in pings]
    return tickets.plan_pings(session, ticket_id, round_, planned)


def asked_about(session: Session, subject: Subject) -> EventRow | None:
    """The event of the survey that was answered, or of what this program followed up last: as long as an answer after a
    complaint would count.
    """
    program = subject.in_force.program
    if subject.survey is not None:
        found = follow_ups.briefs(session, [subject.survey.follow_up_id]).get(subject.survey.follow_up_id)
        return events.get(session, found.event_id) if found and found.event_id else None
    again = program.surveys[program.callback.resurvey.survey].closes_after
    for row in follow_ups.of_customer(session, subject.customer.id, limit=20):
        past = row.due_at <= subject.now < until(row.due_at, again, subject.zone)
        if past and row.program_id == program.id and row.event_id and row.state in FOLLOWED_UP:
            return events.get(session, row.event_id)
    return None


def _written_about(session: Session, subject: Subject) -> int:
    """The matter of the survey that was answered, or of what this program wrote to the customer last; 0: none that is
    still open.
    """
    if subject.survey is not None:
        matter_ids = [row.matter_id for row in follow_ups.briefs(session, [subject.survey.follow_up_id]).values()]
    else:
        newest = follow_ups.of_customer(session, subject.customer.id, limit=20)
        ours = (row for row in newest if row.program_id == subject.in_force.program.id)
        matter_ids = [row.matter_id for row in ours if row.sent_at is not None]
    found = matters.by_ids(session, matter_ids[:1]).values()
    return next((row.id for row in found if row.state != CLOSED), 0)


def _local(subject: Subject, instant: datetime | None) -> str | None:
    """An instant as the customer said it."""
    return None if instant is None else instant.astimezone(subject.zone).isoformat()


def add_to_ticket(session: Session, subject: Subject, because: str, wished_at: datetime | None = None) -> None:
    """The words, and the time for the call that they name: it takes the place of an earlier one.

    Words about another matter make it a ticket about all of them.
    """
    ticket = subject.ticket or tickets.live(session, subject.customer.id, subject.in_force.program.id)
    if ticket is None:
        return
    subject.ticket = ticket
    if subject.inbound is not None:
        words = f"{ticket.words}\n{subject.inbound.body}".strip()
        one_matter = ticket.matter_id == _written_about(session, subject)
        tickets.note(session, ticket.id, words=words, matter_id=ticket.matter_id if one_matter else 0)
        ticket.words = words
    if wished_at is not None:
        _note_wish(session, subject, ticket, wished_at)
    note(session, subject, "ticket_note", because, data={"wished": _local(subject, wished_at)})


def _note_wish(session: Session, subject: Subject, ticket: TicketRow, wished_at: datetime) -> None:
    """The time stands on the ticket, its owner is told when it comes, and no promise runs out before it."""
    known = {
        "wished_at": wished_at,
        "due_at": max(ticket.due_at, wished_at),
        "call_before": max(ticket.call_before, wished_at),
    }
    tickets.note(session, ticket.id, **known)
    for name, value in known.items():
        setattr(ticket, name, value)
    reminder = wished_ping(ticket.owner_role, wished_at, subject.zone)
    plan_pings(session, subject, ticket.id, ticket.round, [reminder])


def ping_now(session: Session, subject: Subject, roles: tuple[str, ...], step: str, because: str) -> None:
    """These roles hear at once of the subject's ticket, beside its ladder."""
    ticket = subject.ticket or tickets.live(session, subject.customer.id, subject.in_force.program.id)
    if ticket is None:
        return
    at = ping_time(subject.now, subject.zone)
    if subject.inbound is not None:
        step = f"{step}:{subject.inbound.id}"  # the next such reply is another reason to ping
    plan_pings(session, subject, ticket.id, ticket.round, (PlannedPing(step, role, at) for role in roles))
    note(session, subject, "alert", because, ticket_id=ticket.id, data={"roles": list(roles), "at": at.isoformat()})


def ping_superior(session: Session, subject: Subject, step: str, because: str) -> None:
    """Whoever stands above the owner of the subject's ticket hears of it at once; nobody does: the owner knows."""
    ticket = subject.ticket or tickets.live(session, subject.customer.id, subject.in_force.program.id)
    if ticket is None:
        return
    program = subject.in_force.program
    above = program.callback.superior or next_role(program, ticket.owner_role, ticket.owner_role)
    if above is not None and above != ticket.owner_role:
        ping_now(session, subject, (above,), step, because)


def next_round(session: Session, subject: Subject, decision: NextRound) -> None:
    """Still not right: the ticket is open again, with a new promise and a new ladder."""
    ticket = subject.ticket
    if ticket is None:
        return
    program = subject.in_force.program
    round_ = ticket.round + 1
    words = f"{ticket.words}\n{subject.inbound.body}".strip() if subject.inbound else ticket.words
    values = {
        "round": round_,
        "due_at": decision.due_at,
        "call_before": decision.call_before,
        "wished_at": decision.wished_at,
        "words": words,
        "task_at": subject.now if program.callback.visit else None,
        "claimed_by": 0,
        "claimed_at": None,
        "resolved_at": None,
    }
    if not tickets.advance(session, ticket.id, TicketState.OPEN, **values):
        add_to_ticket(session, subject, decision.because)
        return
    for name, value in values.items():
        setattr(ticket, name, value)
    _drop_tasks(session, subject, ticket, f"round {round_} has begun")
    off_days = handovers(program, ticket.owner_role, subject.now, decision.due_at, subject.calendar)
    pings = (*pings_of_owner(program, ticket.owner_role, decision.pings), *off_days)
    plan_pings(session, subject, ticket.id, round_, pings)
    if decision.wished_at is not None:
        _note_wish(session, subject, ticket, decision.wished_at)
    note(
        session,
        subject,
        "round",
        decision.because,
        data={"round": round_, "due": decision.due_at.isoformat(), "call_before": decision.call_before.isoformat()},
    )


def close_ticket(session: Session, subject: Subject, because: str) -> None:
    """Close the subject's ticket and silence its ladder."""
    ticket, known = subject.ticket, {"closed_at": subject.now, "reason": because, "task_at": None}
    if ticket and tickets.advance(session, ticket.id, TicketState.CLOSED, **known):
        tickets.settle_pings(session, ticket.id, subject.now, acknowledged=False)
        _drop_tasks(session, subject, ticket, "the ticket is closed")
        note(session, subject, "closed", because, data={"round": ticket.round})


def _drop_tasks(session: Session, subject: Subject, ticket: TicketRow, because: str) -> None:
    """What staff were still to do about a ticket that has moved on; writing it down they owe all the same."""
    report = subject.in_force.program.callback.report
    for task in tickets.open_tasks(session, ticket.id, ticket.customer_id):
        if (report is None or task.kind != report.kind) and tasks.cancel(session, task.id, because):
            note(session, subject, "cancelled", because, data={"task": task.id})
