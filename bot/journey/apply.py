"""From decision to row: one `match`. Each arm writes its rows and a line of the trail, in the caller's transaction.

Nothing is decided here; `flows` has decided. What the bot says goes into the outbox, never over a wire.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlmodel import Session

from bot.journey import wording
from bot.journey.notices import tell
from bot.journey.subject import Subject, facts_of
from bot.runtime import Runtime
from bot.store import customers, events, follow_ups, inbound, messages, staff, surveys, tasks, tickets, trail
from bot.store.rows import move
from bot.store.tables import FollowUpRow, SurveyRow, TaskRow, TicketRow
from flows.appointment import wished_ping
from flows.audience import holds
from flows.chains import first_late, is_chain, until_of
from flows.decisions import (
    AddToTicket,
    AskLater,
    AskQuestion,
    BookAnswer,
    CancelFollowUps,
    Clarify,
    CloseTicket,
    Decision,
    HoldForPerson,
    Ignore,
    KeepComment,
    Missed,
    MoveSurvey,
    NextRound,
    NoteAnnoyance,
    NoteLate,
    OpenTicket,
    OptIn,
    OptOut,
    PingNow,
    PlanFollowUp,
    PlannedPing,
    Say,
    SetClass,
    SuppressNumber,
)
from flows.events import Event
from flows.program import Flow
from flows.promises import ping_time
from flows.sampling import falls_to
from flows.states import FollowUpState, SurveyState, TicketState
from flows.triggers import AfterEvent, Every
from messages.catalog import Purpose
from messages.reading import Category

AUTOMATIC = (Purpose.GREETING, Purpose.MARKETING, Purpose.SURVEY, Purpose.SERVICE)
"""What an opt-out stops: everything but answers inside a conversation and notices to staff."""
COMMENT = "comment"
"""The question under which free words stand beside the answers of a survey."""
LATER = "later:"
"""How the occasion of a follow-up begins that asks an open survey once more."""


def apply(session: Session, subject: Subject, decisions: Iterable[Decision]) -> None:
    """Write every decision, in order."""
    for decision in decisions:
        _apply(session, subject, decision)


def note(session: Session, subject: Subject, what: str, because: str, **known: Any) -> None:
    """One line of the trail about the subject."""
    known.setdefault("customer_id", subject.customer.id)
    known.setdefault("program_id", subject.in_force.program.id)
    if subject.ticket is not None:
        known.setdefault("ticket_id", subject.ticket.id)
    trail.write(session, [trail.line(subject.now, what, because, **known)])


def _apply(session: Session, subject: Subject, decision: Decision) -> None:
    match decision:
        case PlanFollowUp():
            _plan(session, subject, decision)
        case CancelFollowUps(because=because, flows=flows):
            _cancel(session, subject, flows, because, _matter_of(session, subject))
        case Missed():
            _miss(session, subject, decision)
        case SetClass(class_=class_, because=because):
            set_class(session, subject, class_, because)
        case BookAnswer():
            _book(session, subject, decision)
        case NoteLate():
            _note_late(session, subject, decision)
        case KeepComment(because=because):
            _keep_comment(session, subject, decision, because)
        case AskQuestion(question=question, because=because):
            _ask(session, subject, question, because)
        case AskLater():
            _ask_later(session, subject, decision)
        case Clarify(because=because):
            _clarify(session, subject, because)
        case Say(template=template, kind=kind, because=because, variables=variables):
            say(session, subject, template, kind, because, dict(variables))
        case MoveSurvey(state=state, because=because):
            _move_survey(session, subject, state, because)
        case OptOut(because=because):
            _opt_out(session, subject, because)
        case OptIn(because=because):
            customers.note_consent(session, subject.customer.id, "given", "all", "reply", subject.now, because)
            note(session, subject, "opted_in", because)
        case SuppressNumber(because=because):
            _suppress(session, subject, because)
        case OpenTicket():
            _open_ticket(session, subject, decision)
        case AddToTicket(because=because, wished_at=wished_at):
            _add_to_ticket(session, subject, because, wished_at)
        case PingNow(roles=roles, step=step, because=because):
            _ping_now(session, subject, roles, step, because)
        case NextRound():
            _next_round(session, subject, decision)
        case CloseTicket(because=because):
            close_ticket(session, subject, because)
        case HoldForPerson(because=because):
            if subject.inbound is not None:
                inbound.mark(session, subject.inbound.id, "person")
            note(session, subject, "held", because)
        case NoteAnnoyance(because=because):
            _note_annoyance(session, subject, because)
        case Ignore(because=because):
            note(session, subject, "ignored", because)


# ----- follow-ups and classes


def _plan(session: Session, subject: Subject, decision: PlanFollowUp) -> None:
    """One follow-up; where its message names roles, one for each contact person who has one of them (R2)."""
    flow = next((each for each in subject.in_force.program.flows if each.id == decision.flow), None)
    if flow is None:
        _plan_one(session, subject, decision)
        return
    if not _is_drawn(session, subject, flow, decision):
        return
    for each in _for_persons(session, subject, flow, decision):
        _plan_one(session, subject, each)


def _plan_one(session: Session, subject: Subject, decision: PlanFollowUp) -> None:
    owner = follow_ups.Owner(subject.in_force.program.id, subject.in_force.version_id, subject.now)
    planned = follow_ups.plan(session, owner, subject.customer.id, decision, subject.event_id)
    if planned is None:
        return
    slot = decision.slot
    note(
        session,
        subject,
        "planned",
        decision.because,
        flow=decision.flow,
        follow_up_id=planned,
        data={"due": slot.due_at.isoformat(), "nominal": slot.nominal_on.isoformat()},
    )


def _is_drawn(session: Session, subject: Subject, flow: Flow, decision: PlanFollowUp | Missed) -> bool:
    """Is this event one of the share that the flow follows up? The lot of an event is always the same."""
    first = decision.occasion == f"event:{subject.event_id}"
    if not (first and isinstance(flow.on, AfterEvent) and flow.on.share):
        return True
    seed = f"{subject.runtime.dice.seed}:{subject.in_force.program.id}:{flow.id}"
    if falls_to(subject.event_id, flow.on.share, seed):
        return True
    note(session, subject, "skipped", f"not drawn: {flow.on.share * 100} % of these events", flow=flow.id)
    return False


def _for_persons(session: Session, subject: Subject, flow: Flow, decision: PlanFollowUp) -> Sequence[PlanFollowUp]:
    """The same for each person it is meant for; where nobody has any of the roles, for the customer itself."""
    to = flow.message.to if flow.message else ()
    if not to or decision.person_id:
        return [decision]
    people = customers.people_of(session, subject.customer.id)
    meant = [person for role in to for person in people if person.role == role]
    if not meant:
        because = f"{decision.because}; nobody is {' or '.join(to)}: to the customer"
        return [replace(decision, because=because)]
    for role in sorted(set(to) - {person.role for person in meant}):
        note(session, subject, "skipped", f"nobody is {role}", flow=flow.id)
    return [replace(decision, person_id=person.id) for person in meant]


def _miss(session: Session, subject: Subject, missed: Missed) -> None:
    """What came too late is listed; a chain goes on at its next date instead (R18)."""
    program = subject.in_force.program
    flow = next((each for each in program.flows if each.id == missed.flow), None)
    event = events.get(session, subject.event_id) if flow and is_chain(flow) else None
    if flow is None or event is None:
        note(session, subject, "missed", missed.because, flow=missed.flow)
        return
    if not _is_drawn(session, subject, flow, missed):
        return
    told = Event(event.id, event.type, event.occurred_at, event.data, event.matter_id)
    planned = first_late(
        program,
        flow,
        told,
        today=subject.today,
        ends_on=subject.date_named(session, until_of(flow), event.matter_id),
        zone=subject.zone,
        calendar=subject.calendar,
        annoyed=subject.is_annoyed,
    )
    if planned is None:
        note(session, subject, "missed", missed.because, flow=missed.flow)
    else:
        apply(session, subject, [planned])


def _matter_of(session: Session, subject: Subject) -> int:
    """What the event at hand is about; 0: nothing in particular."""
    event = events.get(session, subject.event_id) if subject.event_id else None
    return event.matter_id if event else 0


def _cancel(session: Session, subject: Subject, flows: tuple[str, ...], because: str, matter_id: int = 0) -> list[int]:
    """The ids of the follow-ups that were cancelled; open tasks of these flows go with them.

    `matter_id`: what is about another matter stays.
    """
    if not flows:
        return []
    program_id = subject.in_force.program.id

    def is_meant(row: FollowUpRow | TaskRow) -> bool:
        other = matter_id and row.matter_id not in (0, matter_id)
        return row.program_id == program_id and row.flow in flows and not other

    rows = not_gone_out(session, subject.runtime, subject.customer.id)
    gone = take_back(session, [row for row in rows if is_meant(row)], because)
    for row in gone:
        note(session, subject, "cancelled", because, flow=row.flow, follow_up_id=row.id)
    for task in tasks.open_of_customer(session, subject.customer.id):
        if is_meant(task) and tasks.cancel(session, task.id, because):
            note(session, subject, "cancelled", because, flow=task.flow, data={"task": task.id})
    return [row.id for row in gone]


def not_gone_out(session: Session, runtime: Runtime, customer_id: int) -> list[FollowUpRow]:
    """What can still be taken back: planned, in the outbox, or kept by a provider that sends it later."""
    rows = list(follow_ups.unsent(session, customer_id))
    if any(channel.ahead for channel in runtime.channels.values()):
        rows += follow_ups.scheduled(session, customer_id, runtime.clock.now())
    return rows


def take_back(session: Session, rows: Sequence[FollowUpRow], because: str) -> list[FollowUpRow]:
    """Cancel what has not gone out, as `not_gone_out` finds it; those it was. What is scheduled, `receipts.withdraw`
    takes back.
    """
    waiting = [row.id for row in rows if row.state == FollowUpState.READY]
    taken = messages.take_back(session, waiting, because) if waiting else set()
    surveys.withdraw_unsent(session, taken)
    rows = [row for row in rows if row.state != FollowUpState.READY or row.id in taken]
    return [row for row in rows if move(session, FollowUpRow, row.id, FollowUpState.CANCELLED, reason=because)]


def set_class(session: Session, subject: Subject, class_: str, because: str) -> list[int]:
    """A new class; pending steps of cadences that no longer fit are cancelled (R5): their ids."""
    enrolment = subject.enrolment
    if enrolment is None or enrolment.class_ == class_:
        return []
    before = enrolment.class_
    today = subject.now.astimezone(subject.zone).date()
    customers.set_class(session, enrolment.id, class_, today)
    enrolment.class_, enrolment.class_since = class_, today
    note(session, subject, "class", because, data={"before": before, "after": class_})
    facts = facts_of(subject.customer, enrolment).facts(today)
    flows = subject.in_force.program.flows
    gone = tuple(flow.id for flow in flows if isinstance(flow.on, Every) and not holds(flow.audience, facts))
    return _cancel(session, subject, gone, f"class is now {class_}")


# ----- what the bot says


def say(
    session: Session, subject: Subject, template: str, kind: str, because: str, extra: dict[str, Any] | None = None
) -> None:
    """Put an answer to the reply at hand into the outbox, first in line; the same answer twice is one."""
    if subject.inbound is None or not subject.inbound.from_address:
        return
    program, customer = subject.in_force.program, subject.customer
    question = None
    if subject.survey is not None and subject.survey.asked:
        question = program.surveys[subject.survey.survey].question(subject.survey.asked)
    variables = wording.variables_for(
        subject.runtime, program, customer, survey=subject.survey, question=question, ticket=subject.ticket
    )
    columns = wording.compose(
        subject.runtime, program, template, customer.language, customer.zone, {**variables, **(extra or {})}
    )
    messages.put(
        session,
        {
            **columns,
            "reason": because,
            "dedupe_key": f"inbound:{subject.inbound.id}:{kind}",
            "customer_id": customer.id,
            "inbound_id": subject.inbound.id,
            "survey_id": subject.survey.id if subject.survey else 0,
            "ticket_id": subject.ticket.id if subject.ticket else 0,
            "purpose": str(Purpose.REPLY),
            "channel": subject.inbound.channel,
            "sender": subject.inbound.to_address[:64],
            "address": subject.inbound.from_address,
            "buttons": _buttons(subject) if template in ("question", "clarify") else [],
            "created_at": subject.now,
            "due_at": subject.now,
            "expires_at": None,
        },
    )


def _buttons(subject: Subject) -> list[list[list[str]]]:
    survey, reply = subject.survey, subject.inbound
    channel = subject.runtime.channels.get(reply.channel) if reply else None
    if survey is None or not survey.asked or channel is None or not channel.shows_buttons:
        return []
    asked = subject.in_force.program.surveys[survey.survey]
    return wording.answer_buttons(asked, survey.asked, survey.token, subject.customer.language)


def _ask(session: Session, subject: Subject, question: str, because: str) -> None:
    if subject.survey is None:
        return
    surveys.ask(session, subject.survey.id, question)
    subject.survey.asked = question
    _call_off(session, subject, "the conversation goes on")
    say(session, subject, "question", "question", because)


def _ask_later(session: Session, subject: Subject, decision: AskLater) -> None:
    """The text that asked goes out once more, in place of the reminders; a second time changes nothing."""
    survey = subject.survey
    asked_by = follow_ups.briefs(session, [survey.follow_up_id]).get(survey.follow_up_id) if survey else None
    if survey is None or asked_by is None:
        return
    again = PlanFollowUp(
        flow=asked_by.flow,
        occasion=f"{LATER}{survey.id}",
        slot=decision.slot,
        purpose=Purpose.SURVEY,
        because=decision.because,
        ticket_id=asked_by.ticket_id,
        survey_id=survey.id,
    )
    owner = follow_ups.Owner(asked_by.program_id, asked_by.program_version_id, subject.now)
    planned = follow_ups.plan(session, owner, subject.customer.id, again, asked_by.event_id)
    if planned is None:
        note(session, subject, "ignored", "busy: asked again once already")
        return
    _call_off(session, subject, "asked again later instead", but=planned)
    slot = decision.slot
    due = {"due": slot.due_at.isoformat(), "nominal": slot.nominal_on.isoformat()}
    note(session, subject, "planned", decision.because, flow=asked_by.flow, follow_up_id=planned, data=due)
    if decision.told:
        say(session, subject, "asked_later", "later", "named a better time", {"promised_at": slot.due_at})


def _call_off(session: Session, subject: Subject, because: str, but: int = 0) -> None:
    """Take back what would ask about the subject's survey once more."""
    if subject.survey is None:
        return
    waiting = not_gone_out(session, subject.runtime, subject.customer.id)
    rows = [row for row in waiting if row.survey_id == subject.survey.id and row.id != but]
    for row in take_back(session, rows, because):
        note(session, subject, "cancelled", because, flow=row.flow, follow_up_id=row.id)


def _clarify(session: Session, subject: Subject, because: str) -> None:
    if subject.survey is None:
        return
    surveys.note_clarified(session, subject.survey.id)
    say(session, subject, "clarify", "clarify", because)


# ----- answers


def _book(session: Session, subject: Subject, decision: BookAnswer) -> None:
    survey, reply = subject.survey, subject.inbound
    if survey is None:
        return
    reading = decision.reading
    surveys.book(
        session,
        {
            "survey_id": survey.id,
            "customer_id": subject.customer.id,
            "question": decision.question,
            "inbound_id": reply.id if reply else 0,
            "score": decision.score,
            "points": decision.points,
            "level": decision.level,
            "category": str(reading.category) if reading.category else None,
            "text": reply.body if reply else "",
            "channel": reply.channel if reply else "web",
            "at": subject.now,
        },
    )
    _answered(session, survey)
    note(
        session,
        subject,
        "answer",
        decision.because,
        follow_up_id=survey.follow_up_id,
        data={"score": decision.score, "points": decision.points, "level": decision.level, "round": survey.round},
    )


def _note_late(session: Session, subject: Subject, decision: NoteLate) -> None:
    """The survey has closed: a line of the trail, beside the reply itself."""
    reading = decision.reading
    known = {"score": reading.score, "points": reading.points, "level": reading.level}
    survey_of = subject.survey.follow_up_id if subject.survey else 0
    note(session, subject, "late", decision.because, follow_up_id=survey_of, data=known)


def _keep_comment(session: Session, subject: Subject, decision: KeepComment, because: str) -> None:
    """Beside the answers of its survey; a second comment joins the first."""
    survey, reply = subject.survey, subject.inbound
    if survey is not None:
        before = next((row for row in surveys.answers_of(session, survey.id) if row.question == COMMENT), None)
        words = reply.body if reply else ""
        surveys.book(
            session,
            {
                "survey_id": survey.id,
                "customer_id": subject.customer.id,
                "question": COMMENT,
                "inbound_id": reply.id if reply else 0,
                "category": _decisive(before.category if before else None, decision.reading.category),
                "text": f"{before.text}\n{words}" if before else words,
                "channel": reply.channel if reply else "web",
                "at": subject.now,
            },
        )
        _answered(session, survey)
    note(session, subject, "comment", because, follow_up_id=survey.follow_up_id if survey else 0)


def _decisive(*categories: str | None) -> str | None:
    """A complaint decides over a suggestion, a suggestion over praise."""
    order = (Category.COMPLAINT, Category.SUGGESTION, Category.PRAISE)
    return next((str(each) for each in order if each in categories), None)


def _answered(session: Session, survey: SurveyRow) -> None:
    move(session, FollowUpRow, survey.follow_up_id, FollowUpState.ANSWERED)


def _move_survey(session: Session, subject: Subject, state: SurveyState, because: str) -> None:
    if subject.survey is None:
        return
    values = {"answered_at": subject.now} if state is SurveyState.ANSWERED else {}
    if move(session, SurveyRow, subject.survey.id, state, **values):
        note(session, subject, "survey", f"{state}: {because}", follow_up_id=subject.survey.follow_up_id)
        _call_off(session, subject, "answered" if state is SurveyState.ANSWERED else "the survey no longer waits")


# ----- consent


def _opt_out(session: Session, subject: Subject, because: str) -> None:
    customer_id = subject.customer.id
    customers.note_consent(session, customer_id, "withdrawn", "all", "reply", subject.now, because)
    subject.customer.opted_out_at = subject.now
    note(session, subject, "opted_out", because)
    purposes = [str(purpose) for purpose in AUTOMATIC]
    waiting = [row.follow_up_id for row in messages.cancel_waiting(session, customer_id, purposes, "opted out")]
    stopped = follow_ups.suppress(session, customer_id, waiting, "opted out", purposes)
    surveys.withdraw_others(session, customer_id, but=subject.survey.id if subject.survey else 0)
    for row in stopped:
        note(session, subject, "skipped", "opted out", flow=row.flow, follow_up_id=row.id, program_id=row.program_id)


def _note_annoyance(session: Session, subject: Subject, because: str) -> None:
    """Half as often from now on, and no calls; whoever is responsible hears of it once (R83)."""
    enrolment, program = subject.enrolment, subject.in_force.program
    if enrolment is None or subject.is_annoyed:
        return
    customers.set_flag(session, enrolment, "annoyed_since", subject.now.isoformat())
    note(session, subject, "annoyed", because)
    members = staff.with_role(session, program.id, program.callback.owner)
    members = [member for member in members if member.name in enrolment.staff] or members
    variables = {"customer_name": subject.customer.name or None, "reply_text": subject.inbound and subject.inbound.body}
    key = f"annoyed:{program.id}:{subject.customer.id}"
    at = ping_time(subject.now, program.time_zone)
    tell(session, subject.runtime, program, members, "staff/annoyed", key, variables, at)


def _suppress(session: Session, subject: Subject, because: str) -> None:
    if subject.inbound is None:
        return
    customers.suppress_address(session, subject.inbound.channel, subject.inbound.from_address, subject.now, because)
    note(session, subject, "suppressed", because)


# ----- tickets


def _open_ticket(session: Session, subject: Subject, decision: OpenTicket) -> None:
    program = subject.in_force.program
    ticket_id = tickets.open_(
        session,
        {
            "customer_id": subject.customer.id,
            "program_id": program.id,
            "program_version_id": subject.in_force.version_id,
            "survey_id": subject.survey.id if subject.survey else 0,
            "inbound_id": subject.inbound.id if subject.inbound else 0,
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
        _add_to_ticket(session, subject, decision.because, decision.wished_at)
        return
    subject.ticket = tickets.get(session, ticket_id)
    tickets.plan_pings(session, ticket_id, 1, decision.pings)
    note(
        session,
        subject,
        "ticket",
        decision.because,
        data={
            "kind": decision.kind,
            "owner": decision.owner_role,
            "due": decision.due_at.isoformat(),
            "call_before": decision.call_before.isoformat(),
            "wished": _local(subject, decision.wished_at),
            "category": decision.category,
            "topic": decision.topic,
            "urgent": decision.urgent,
        },
    )


def _local(subject: Subject, instant: datetime | None) -> str | None:
    """An instant as the customer said it."""
    return None if instant is None else instant.astimezone(subject.zone).isoformat()


def _add_to_ticket(session: Session, subject: Subject, because: str, wished_at: datetime | None = None) -> None:
    """The words, and the time for the call that they name: it takes the place of an earlier one."""
    ticket = subject.ticket or tickets.live(session, subject.customer.id, subject.in_force.program.id)
    if ticket is None:
        return
    subject.ticket = ticket
    if subject.inbound is not None:
        words = f"{ticket.words}\n{subject.inbound.body}".strip()
        tickets.note(session, ticket.id, words=words)
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
    tickets.plan_pings(session, ticket.id, ticket.round, [wished_ping(ticket.owner_role, wished_at, subject.zone)])


def _ping_now(session: Session, subject: Subject, roles: tuple[str, ...], step: str, because: str) -> None:
    ticket = subject.ticket or tickets.live(session, subject.customer.id, subject.in_force.program.id)
    if ticket is None:
        return
    at = ping_time(subject.now, subject.zone)
    if subject.inbound is not None:
        step = f"{step}:{subject.inbound.id}"  # the next such reply is another reason to ping
    tickets.plan_pings(session, ticket.id, ticket.round, (PlannedPing(step, role, at) for role in roles))
    note(session, subject, "alert", because, ticket_id=ticket.id, data={"roles": list(roles), "at": at.isoformat()})


def _next_round(session: Session, subject: Subject, decision: NextRound) -> None:
    ticket = subject.ticket
    if ticket is None:
        return
    round_ = ticket.round + 1
    words = f"{ticket.words}\n{subject.inbound.body}".strip() if subject.inbound else ticket.words
    values = {
        "round": round_,
        "due_at": decision.due_at,
        "call_before": decision.call_before,
        "wished_at": decision.wished_at,
        "words": words,
        "claimed_by": 0,
        "claimed_at": None,
        "resolved_at": None,
    }
    if not tickets.advance(session, ticket.id, TicketState.OPEN, **values):
        _add_to_ticket(session, subject, decision.because)
        return
    for name, value in values.items():
        setattr(ticket, name, value)
    tickets.plan_pings(session, ticket.id, round_, decision.pings)
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
    ticket = subject.ticket
    if ticket and tickets.advance(session, ticket.id, TicketState.CLOSED, closed_at=subject.now, reason=because):
        tickets.settle_pings(session, ticket.id, subject.now, acknowledged=False)
        note(session, subject, "closed", because, data={"round": ticket.round})
