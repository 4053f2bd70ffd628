"""From decision to row: one `match`. Each arm writes its rows and a line of the trail, in the caller's transaction.

Nothing is decided here; `flows` has decided. What the bot says goes into the outbox, never over a wire.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlmodel import Session

from bot.journey import wording
from bot.journey.subject import Subject, facts_of
from bot.runtime import Runtime
from bot.store import customers, follow_ups, inbound, messages, surveys, tickets, trail
from bot.store.rows import move
from bot.store.tables import FollowUpRow, SurveyRow
from flows.audience import holds
from flows.decisions import (
    AddToTicket,
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
from flows.program import Every
from flows.promises import ping_time
from flows.states import FollowUpState, SurveyState, TicketState
from messages.catalog import Purpose

AUTOMATIC = (Purpose.GREETING, Purpose.MARKETING, Purpose.SURVEY, Purpose.SERVICE)
"""What an opt-out stops: everything but answers inside a conversation and notices to staff."""


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
            _cancel(session, subject, flows, because)
        case Missed(flow=flow, because=because):
            note(session, subject, "missed", because, flow=flow)
        case SetClass(class_=class_, because=because):
            set_class(session, subject, class_, because)
        case BookAnswer():
            _book(session, subject, decision)
        case KeepComment(because=because):
            _keep_comment(session, subject, decision, because)
        case AskQuestion(question=question, because=because):
            _ask(session, subject, question, because)
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
        case AddToTicket(because=because):
            _add_to_ticket(session, subject, because)
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
        case Ignore(because=because):
            note(session, subject, "ignored", because)


# ----- follow-ups and classes


def _plan(session: Session, subject: Subject, decision: PlanFollowUp) -> None:
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


def _cancel(session: Session, subject: Subject, flows: tuple[str, ...], because: str) -> list[int]:
    """The ids of the follow-ups that were cancelled."""
    if not flows:
        return []
    program_id = subject.in_force.program.id
    rows = [row for row in not_gone_out(session, subject.runtime, subject.customer.id) if row.program_id == program_id]
    gone = take_back(session, [row for row in rows if row.flow in flows], because)
    for row in gone:
        note(session, subject, "cancelled", because, flow=row.flow, follow_up_id=row.id)
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
    say(session, subject, "question", "question", because)


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


def _keep_comment(session: Session, subject: Subject, decision: KeepComment, because: str) -> None:
    survey, reply = subject.survey, subject.inbound
    if survey is not None:
        surveys.book(
            session,
            {
                "survey_id": survey.id,
                "customer_id": subject.customer.id,
                "question": "comment",
                "inbound_id": reply.id if reply else 0,
                "category": str(decision.reading.category) if decision.reading.category else None,
                "text": reply.body if reply else "",
                "channel": reply.channel if reply else "web",
                "at": subject.now,
            },
        )
        _answered(session, survey)
    note(session, subject, "comment", because, follow_up_id=survey.follow_up_id if survey else 0)


def _answered(session: Session, survey: SurveyRow) -> None:
    move(session, FollowUpRow, survey.follow_up_id, FollowUpState.ANSWERED)


def _move_survey(session: Session, subject: Subject, state: SurveyState, because: str) -> None:
    if subject.survey is None:
        return
    values = {"answered_at": subject.now} if state is SurveyState.ANSWERED else {}
    if move(session, SurveyRow, subject.survey.id, state, **values):
        note(session, subject, "survey", f"{state}: {because}", follow_up_id=subject.survey.follow_up_id)


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
        },
    )
    if ticket_id is None:
        subject.ticket = tickets.live(session, subject.customer.id, program.id)
        _add_to_ticket(session, subject, decision.because)
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
            "category": decision.category,
            "topic": decision.topic,
            "urgent": decision.urgent,
        },
    )


def _add_to_ticket(session: Session, subject: Subject, because: str) -> None:
    ticket = subject.ticket or tickets.live(session, subject.customer.id, subject.in_force.program.id)
    if ticket is None:
        return
    subject.ticket = ticket
    if subject.inbound is not None:
        words = f"{ticket.words}\n{subject.inbound.body}".strip()
        tickets.note(session, ticket.id, words=words)
        ticket.words = words
    note(session, subject, "ticket_note", because)


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
