"""Step 8: a ticket is opened (by `apply`) and claimed. Step 9: it is resolved. Step 10: the customer is asked again.

The ladder pings until somebody acts; a claim race has one winner; a ticket closes once the customer was asked again
and is satisfied, or by a manager's reasoned override (R146). Next: apply.py.
"""

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from sqlmodel import Session

from bot.errors import Conflict, InputError, NotFound
from bot.journey import wording
from bot.journey.apply import apply, at_their_time
from bot.journey.consents import CALL
from bot.journey.pauses import release_held
from bot.journey.queue import close_ticket, plan_pings
from bot.journey.rights import is_kept_apart
from bot.journey.subject import Subject, note, who_wrote
from bot.runtime import Runtime
from bot.shelf import InForce
from bot.staffing import reach, who_answers
from bot.store import customers, events, inbound, messages, staff, surveys, tickets
from bot.store.tables import InboundRow, PingRow, StaffRow, TicketRow
from flows.actions import TaskAction
from flows.callback import ALERT, facts_of_ticket, next_role
from flows.decisions import PlanFollowUp, PlannedPing
from flows.program import Program
from flows.promises import ping_time
from flows.resurvey import plan_resurvey, task_that_asks
from flows.states import PingState, TicketState
from messages.catalog import Purpose, TemplateError

BATCH = 200
LIVE = (TicketState.OPEN, TicketState.CLAIMED, TicketState.RESOLVED)
MANAGERS = frozenset({"manager", "top_manager", "admin"})
"""Roles that may close a ticket unasked, and let any task go."""
BUTTON = "staff:"
"""How the data of buttons for staff begin; the rest is what they could type."""
_LABELS = {"zh": ("接单", "知道了"), "en": ("Claim", "Seen")}


# ----- step 8: the ladder, and who takes the ticket


def send_due_pings(runtime: Runtime, limit: int = BATCH) -> int:
    """Send the pings whose time has come, and pass on those that nobody acknowledged (R133, R144); how many.

    Whoever is meant by several at once gets one message: that of the alert, which says more than a rung.
    """
    now = runtime.clock.now()
    with runtime.db.write() as session:
        due = sorted(tickets.due_pings(session, now, limit), key=lambda ping: not ping.step.startswith(ALERT))
        told: Told = set()
        together: dict[tuple[int, str], list[PingRow]] = {}
        for ping in due:
            together.setdefault((ping.ticket_id, ping.role), []).append(ping)
        for pings in together.values():
            _send_pings(session, runtime, pings, now, told)
        silent = tickets.silent_pings(session, now, limit)
        for ping in silent:
            _pass_on(session, runtime, ping, now)
    return len(due) + len(silent)


Told = set[tuple[int, int, str]]
"""(ticket, member, reply that alerts) of the messages of one go; empty: of any of them."""


def _send_pings(session: Session, runtime: Runtime, pings: Sequence[PingRow], now: datetime, told: Told) -> None:
    """What one role hears of a ticket now: to everybody who has it, or only a line in the trail where nobody does."""
    ticket = tickets.get(session, pings[0].ticket_id)
    climbs = ticket is not None and ticket.state in (TicketState.OPEN, TicketState.CLAIMED)
    meant = [ping for ping in pings if ticket is not None and (climbs or ping.step.startswith(ALERT))]
    for ping in pings:
        if ping not in meant:
            tickets.move_ping(session, ping.id, PingState.CANCELLED)
    if ticket is None or not meant:
        return
    subject, role = subject_of(session, runtime, ticket), meant[0].role
    program = subject.in_force.program
    members = who_answers(session, program, role, now)
    within = program.callback.acknowledge_within
    passes_on = now + within.delta if within and ticket.state == TicketState.OPEN else None
    first = members[0].id if members else 0
    for ping in meant:
        sent = {"sent_at": now, "passes_on_at": passes_on if ping is meant[0] else None, "staff_id": first}
        tickets.move_ping(session, ping.id, PingState.SENT, **sent)
        reply = ping.step.rpartition(":")[2] if ping.step.startswith(ALERT) else ""
        for member in members:
            if (ticket.id, member.id, reply) not in told:
                _write_ping(session, subject, ping, member)
            told |= {(ticket.id, member.id, reply), (ticket.id, member.id, "")}
    steps = list(dict.fromkeys(_step_name(ping.step) for ping in meant))
    because = "; ".join(f"{step}: {role}" if members else f"{step}: nobody has the role {role}" for step in steps)
    data = {"role": role, "step": steps[0], "round": meant[0].round, "staff": [member.name for member in members]}
    note(session, subject, "ping", because, data=data)


def _write_ping(session: Session, subject: Subject, ping: PingRow, member: StaffRow) -> None:
    runtime, ticket = subject.runtime, subject.ticket
    assert ticket is not None
    program = subject.in_force.program
    answer = next(iter(surveys.answers_of(session, ticket.survey_id)), None) if ticket.survey_id else None
    holder = staff.get(session, ticket.claimed_by) if ticket.claimed_by else None
    left = (ticket.due_at - subject.now) // timedelta(minutes=1)
    points = customers.points_of(session, [subject.customer.id]).get(subject.customer.id, [])
    whose = subject.person.id if subject.person else 0
    points = [point for point in points if point.person_id == whose] or points
    variables: dict[str, Any] = {
        **wording.variables_for(runtime, program, subject.customer, ticket=ticket, person=subject.person),
        "due_at": ticket.call_before if subject.now < ticket.call_before else ticket.due_at,
        "person_name": subject.person.name if subject.person else None,
        "customer_phone_masked": wording.masked(points[0].address) if points else None,
        "score_text": f"{answer.score:g}" if answer and answer.score is not None else None,
        "level": wording.level_word(answer.level, member.language) if answer else None,
        "staff_name": holder.name if holder else None,
        "time_left": wording.span(left, member.language) if left > 0 else None,
        "time_over": wording.span(-left, member.language) if left < 0 else None,
    }
    columns = wording.compose(
        runtime, program, _ping_template(runtime, program, ping.step), member.language, program.zone, variables
    )
    channel, address = reach(member, runtime.channels)
    messages.put(
        session,
        {
            **columns,
            "reason": f"{_step_name(ping.step)} of the ladder: {ping.role}",
            "dedupe_key": f"ticket:{ticket.id}:{ping.round}:{ping.step}:{ping.role}:{member.id}",
            "staff_id": member.id,
            "ticket_id": ticket.id,
            "purpose": str(Purpose.STAFF),
            "channel": channel,
            "address": address,
            "buttons": _buttons(ticket, member.language) if channel == staff.CHAT else [],
            "created_at": subject.now,
            "due_at": subject.now,
            "expires_at": None,
        },
    )


def _buttons(ticket: TicketRow, language: str) -> list[list[list[str]]]:
    """The words that a member of staff may answer, as buttons: claim a ticket that nobody has, and acknowledge."""
    claim_, seen = _LABELS["zh" if language == "zh" else "en"]
    row = [[claim_, f"{BUTTON}claim {ticket.id}"]] if ticket.state == TicketState.OPEN else []
    return [[*row, [seen, f"{BUTTON}ok"]]]


def _step_name(step: str) -> str:
    """The step in words for people: an alert without the number of the reply that raised it."""
    return ":".join(step.split(":")[:2])


def _ping_template(runtime: Runtime, program: Program, step: str) -> str:
    """The first notice, an escalation, or the alert of a flag where it has words of its own."""
    if step.startswith(ALERT):
        name = f"staff/{step.split(':')[1]}_alert"
        try:
            runtime.shelf.catalog.find(name, program=program.id, language="zh")
        except TemplateError:
            return "staff/ping"
        return name
    return "staff/ping" if step == "0%" else "staff/ping_escalated"


def _pass_on(session: Session, runtime: Runtime, ping: PingRow, now: datetime) -> None:
    """Nobody acknowledged in time: the next in the ladder whom nobody has told since is pinged, once in a round."""
    ticket = tickets.get(session, ping.ticket_id)
    if ticket is None or ticket.state != TicketState.OPEN:
        tickets.move_ping(session, ping.id, PingState.ACKNOWLEDGED, acknowledged_at=now)
        return
    tickets.move_ping(session, ping.id, PingState.PASSED_ON)
    subject = subject_of(session, runtime, ticket)
    told = {each.role for each in tickets.told_since(session, ping)}
    role = next_role(subject.in_force.program, ping.role, ticket.owner_role)
    while role in told:
        role = next_role(subject.in_force.program, role, ticket.owner_role)
    if role is None:
        return
    at = ping_time(now, subject.zone)
    if plan_pings(session, subject, ticket.id, ping.round, [PlannedPing("passed on", role, at)]):
        note(session, subject, "passed_on", f"{ping.role} did not acknowledge: {role} is next", data={"role": role})


def claim(runtime: Runtime, ticket_id: int, staff_id: int) -> None:
    """Take a ticket; Conflict when somebody was faster: a race has one winner."""
    with runtime.db.write() as session:
        _claim(session, runtime, ticket_id, _member(session, staff_id))


def _claim(session: Session, runtime: Runtime, ticket_id: int, member: StaffRow) -> None:
    subject = _take(session, runtime, ticket_id)
    assert subject.ticket is not None
    if is_kept_apart(subject.in_force.program, member):
        raise Conflict(f"ticket {ticket_id} cannot be claimed: {member.name} is kept apart from this survey")
    if not tickets.advance(session, ticket_id, TicketState.CLAIMED, claimed_by=member.id, claimed_at=subject.now):
        holder = staff.get(session, subject.ticket.claimed_by)
        who = f"{holder.name} has it" if holder else f"it is {subject.ticket.state}"
        raise Conflict(f"ticket {ticket_id} cannot be claimed: {who}")
    tickets.quieten_pings(session, ticket_id, subject.now)
    note(session, subject, "claimed", f"by {member.name}", data={"staff": member.name})


def acknowledge(runtime: Runtime, ticket_id: int, staff_id: int) -> None:
    """ "I have seen it": nothing is passed on, the ladder goes on."""
    with runtime.db.write() as session:
        _acknowledge(session, runtime, ticket_id, _member(session, staff_id))


def _acknowledge(session: Session, runtime: Runtime, ticket_id: int, member: StaffRow) -> None:
    subject = _take(session, runtime, ticket_id)
    if tickets.quieten_pings(session, ticket_id, subject.now):
        note(session, subject, "acknowledged", f"by {member.name}", data={"staff": member.name})


def give_back(runtime: Runtime, ticket_id: int, staff_id: int, because: str) -> None:
    """Put a claimed ticket back into the queue; its clock runs on."""
    with runtime.db.write() as session:
        member = _member(session, staff_id)
        subject = _take(session, runtime, ticket_id)
        assert subject.ticket is not None
        if subject.ticket.state != TicketState.CLAIMED or not tickets.advance(
            session, ticket_id, TicketState.OPEN, claimed_by=0, claimed_at=None
        ):
            raise Conflict(f"ticket {ticket_id} is {subject.ticket.state}: only a claimed one can be given back")
        note(session, subject, "given_back", f"by {member.name}: {because}", data={"staff": member.name})


# ----- steps 9 and 10


def resolve(runtime: Runtime, ticket_id: int, staff_id: int, result: str) -> None:
    """Record what was done: the ladder falls silent, the result and the new question are planned (R147).

    InputError: no result. Conflict: somebody else holds the ticket, or nobody has claimed it.
    """
    with runtime.db.write() as session:
        _resolve(session, runtime, ticket_id, _member(session, staff_id), result.strip())


def _resolve(session: Session, runtime: Runtime, ticket_id: int, member: StaffRow, result: str) -> None:
    if not result:
        raise InputError([{"field": "result", "reason": "is empty", "remedy": "write what was done for the customer"}])
    subject = _take(session, runtime, ticket_id)
    ticket = subject.ticket
    assert ticket is not None
    if ticket.state == TicketState.CLAIMED and ticket.claimed_by != member.id:
        holder = staff.get(session, ticket.claimed_by)
        raise Conflict(f"ticket {ticket_id} is {holder.name if holder else 'somebody'}'s: claim it first")
    if not handled(session, subject, member.name, result):
        raise Conflict(f"ticket {ticket_id} is {ticket.state}: claim it first")


def handled(session: Session, subject: Subject, by: str, result: str) -> bool:
    """The subject's claimed ticket is dealt with, and the new question planned; False: somebody was faster."""
    ticket, now = subject.ticket, subject.now
    assert ticket is not None
    if not tickets.advance(session, ticket.id, TicketState.RESOLVED, result=result, resolved_at=now, task_at=None):
        return False
    tickets.settle_pings(session, ticket.id, now, acknowledged=True)
    note(session, subject, "resolved", f"by {by}", data={"staff": by, "round": ticket.round})
    again = question_of_round(subject, ticket)
    if task_to_ask(session, subject, ticket) is None:
        apply(session, subject, [again])
    else:
        at = at_their_time(subject, again).slot.due_at
        tickets.note(session, ticket.id, task_at=at)
        note(session, subject, "planned", again.because, flow=again.flow, data={"due": at.isoformat()})
    release_held(session, subject.customer.id, subject.in_force.program.id, now)
    return True


def question_of_round(subject: Subject, ticket: TicketRow) -> PlanFollowUp:
    """The follow-up that asks whoever complained again in the ticket's present round, counted from now."""
    program = subject.in_force.program
    again = plan_resurvey(program, ticket.id, ticket.round, subject.now, subject.zone, subject.calendar)
    return replace(again, person_id=subject.person.id if subject.person else 0)


def task_to_ask(session: Session, subject: Subject, ticket: TicketRow) -> TaskAction | None:
    """What staff do to ask again about a ticket (R148); None: a message asks. Who is annoyed is not called (R83)."""
    event = events.get(session, ticket.event_id) if ticket.event_id else None
    known = subject.facts.facts(subject.today, event.data if event else {})
    facts = facts_of_ticket(known, ticket.topic, ticket.category, ticket.urgent)
    action = task_that_asks(subject.in_force.program, facts)
    return None if action and action.kind == CALL and subject.is_annoyed else action


def override_close(runtime: Runtime, ticket_id: int, staff_id: int, reason: str) -> None:
    """Close without the customer's word: a manager's reasoned override (R146)."""
    if not reason.strip():
        raise InputError([{"field": "reason", "reason": "is empty", "remedy": "write why it may be closed unasked"}])
    with runtime.db.write() as session:
        member = _member(session, staff_id)
        subject = _take(session, runtime, ticket_id)
        assert subject.ticket is not None
        if MANAGERS.isdisjoint(member.roles):
            raise Conflict(f"{member.name} is no manager: only a manager closes a ticket unasked")
        if subject.ticket.state == TicketState.CLOSED:
            raise Conflict(f"ticket {ticket_id} is closed already")
        close_ticket(session, subject, f"closed by {member.name}: {reason.strip()}")
        release_held(session, subject.customer.id, subject.in_force.program.id, subject.now)


def _take(session: Session, runtime: Runtime, ticket_id: int) -> Subject:
    ticket = tickets.take(session, ticket_id)
    if ticket is None:
        raise NotFound(f"there is no ticket {ticket_id}")
    return subject_of(session, runtime, ticket)


def subject_of(session: Session, runtime: Runtime, ticket: TicketRow) -> Subject:
    """The customer of a ticket, with it in hand, and the contact person who opened it."""
    customer = customers.get(session, ticket.customer_id)
    assert customer is not None
    in_force = InForce(ticket.program_version_id, runtime.shelf.version(ticket.program_version_id))
    enrolment = customers.enrolment(session, customer.id, ticket.program_id)
    person = who_wrote(session, inbound.get(session, ticket.inbound_id) if ticket.inbound_id else None)
    return Subject(runtime, in_force, customer, enrolment, runtime.clock.now(), person=person, ticket=ticket)


def _member(session: Session, staff_id: int) -> StaffRow:
    member = staff.get(session, staff_id)
    if member is None or not member.active:
        raise NotFound(f"there is no member of staff {staff_id}")
    return member


# ----- staff answer their pings by text


_CLAIM = re.compile(r"^\s*(?:claim|take|接单|接|认领)\s*#?(\d{1,12})\s*$", re.IGNORECASE)
_DONE = re.compile(r"^\s*(?:done|resolve|resolved|完成|办结)\s*#?(\d{1,12})[\s:：,，]+(.+)$", re.IGNORECASE | re.DOTALL)


def hear_staff(session: Session, runtime: Runtime, member: StaffRow, reply: InboundRow, text: str) -> None:
    """Do what a member of staff typed, or tapped on a button, and answer where they wrote.

    "claim 12", "done 12 refunded", or anything else: an acknowledgement of the pings that wait for them.
    """
    now = runtime.clock.now()
    claimed, done = _CLAIM.match(text), _DONE.match(text)
    try:
        if claimed:
            _claim(session, runtime, int(claimed[1]), member)
            answer = f"#{claimed[1]} ✓"
        elif done:
            _resolve(session, runtime, int(done[1]), member, done[2].strip())
            answer = f"#{done[1]} ✓"
        else:
            for ticket_id in sorted(tickets.pinged(session, member.roles)):
                _acknowledge(session, runtime, ticket_id, member)
            return
    except (Conflict, NotFound, InputError) as error:
        answer = str(error)
    messages.put(
        session,
        {
            "body": answer,
            "reason": "answer to a member of staff",
            "dedupe_key": f"inbound:{reply.id}:staff",
            "staff_id": member.id,
            "inbound_id": reply.id,
            "purpose": str(Purpose.STAFF),
            "channel": reply.channel,
            "sender": reply.to_address[:64],
            "address": reply.from_address,
            "created_at": now,
            "due_at": now,
            "expires_at": now + timedelta(days=1),
        },
    )
