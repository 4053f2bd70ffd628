"""From decision to row: one `match`. Each arm writes its rows and a line of the trail, in the caller's transaction.

Nothing is decided here; `flows` has decided. What the bot says goes into the outbox, never over a wire.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from sqlmodel import Session

from bot.journey import consents, queue, takeovers, wording
from bot.journey.subject import Subject, note
from bot.runtime import Runtime
from bot.store import customers, events, follow_ups, inbound, messages, surveys, tasks
from bot.store.rows import move
from bot.store.tables import EventRow, FollowUpRow, SurveyRow, TaskRow
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
    PingSuperior,
    PlanFollowUp,
    Say,
    SetClass,
    SuppressNumber,
)
from flows.events import Event
from flows.offsets import add_to_instant
from flows.own_times import into_own_times, own_times
from flows.plan import is_at_once
from flows.program import Flow
from flows.resurvey import FLOW as RESURVEY
from flows.states import FollowUpState, SurveyState
from flows.triggers import AfterEvent, Every
from messages.catalog import Purpose
from messages.reading import Category

COMMENT = "comment"
"""The question under which free words stand beside the answers of a survey."""


def apply(session: Session, subject: Subject, decisions: Iterable[Decision]) -> None:
    """Write every decision, in order."""
    for decision in decisions:
        _apply(session, subject, decision)


def _apply(session: Session, subject: Subject, decision: Decision) -> None:
    match decision:
        case PlanFollowUp():
            _plan(session, subject, decision)
        case CancelFollowUps(because=because, flows=flows, theirs=theirs):
            _cancel(session, subject, flows, because, _matter_of(session, subject), theirs=theirs)
        case Missed(planned=planned):
            _miss(session, subject, planned)
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
            consents.opt_out_by_reply(session, subject, because)
        case OptIn(because=because):
            consents.opt_in_by_reply(session, subject, because)
        case SuppressNumber(because=because):
            consents.suppress_number(session, subject, because)
        case OpenTicket():
            queue.open_ticket(session, subject, decision)
        case AddToTicket(because=because, wished_at=wished_at):
            queue.add_to_ticket(session, subject, because, wished_at)
        case PingNow(roles=roles, step=step, because=because):
            queue.ping_now(session, subject, roles, step, because)
        case PingSuperior(step=step, because=because):
            queue.ping_superior(session, subject, step, because)
        case NextRound():
            queue.next_round(session, subject, decision)
        case CloseTicket(because=because):
            queue.close_ticket(session, subject, because)
        case HoldForPerson(because=because):
            if subject.inbound is not None:
                inbound.mark(session, subject.inbound.id, "person")
            note(session, subject, "held", because)
        case NoteAnnoyance(because=because):
            consents.note_annoyance(session, subject, because)
        case Ignore(because=because):
            note(session, subject, "ignored", because)


# ----- follow-ups and classes


def _plan(session: Session, subject: Subject, decision: PlanFollowUp) -> None:
    """One follow-up; where its message names roles, one for each contact person who has one of them (R2)."""
    flow = next((each for each in subject.in_force.program.flows if each.id == decision.flow), None)
    if flow is None:
        _plan_one(session, subject, decision)
        return
    if _is_told_again(session, subject, flow, decision) or not _is_drawn(session, subject, flow, decision):
        return
    for each in _for_persons(session, subject, flow, decision):
        _plan_one(session, subject, each)


def _plan_one(session: Session, subject: Subject, decision: PlanFollowUp) -> None:
    decision = at_their_time(subject, decision)
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


def at_their_time(subject: Subject, decision: PlanFollowUp) -> PlanFollowUp:
    """As decided, or when the customer can be reached who has times of their own (R80); what is at once never waits."""
    program = subject.in_force.program
    if not subject.customer.windows or (decision.flow != RESURVEY and is_at_once(program.flow(decision.flow))):
        return decision
    off_days = program.callback.resurvey.off_days if decision.flow == RESURVEY else None
    slot = into_own_times(
        decision.slot,
        own_times(subject.customer.windows),
        subject.now,
        permits=program.permits(None if decision.flow == RESURVEY else program.flow(decision.flow), off_days),
        calendar=subject.calendar,
        zone=subject.zone,
    )
    new = [reason for reason in slot.reasons if reason not in decision.slot.reasons]
    return replace(decision, slot=slot, because="; ".join((decision.because, *new)))


def _is_told_again(session: Session, subject: Subject, flow: Flow, decision: PlanFollowUp) -> bool:
    """Is this event the same problem as an earlier one, whose follow-up stands for both (R74)?"""
    if not isinstance(flow.on, AfterEvent) or not flow.on.once_per or decision.occasion != f"event:{subject.event_id}":
        return False
    event = events.get(session, subject.event_id)
    same = {name: event.data.get(name) for name in flow.on.once_per} if event else {}
    if event is None or None in same.values():
        return False
    apart = flow.on.once_within
    since, until = (add_to_instant(event.occurred_at, each, subject.zone) for each in (-apart, apart))
    followed_up = follow_ups.events_followed_up(session, subject.in_force.program.id, flow.id, subject.customer.id)
    for other in events.between(session, event, since, until):
        if other.id in followed_up and same.items() <= other.data.items():
            because = f"same problem as {other.type} on {other.occurred_at.astimezone(subject.zone).date()}"
            note(session, subject, "skipped", because, flow=flow.id, data={"event": event.id})
            return True
    return False


def _is_drawn(session: Session, subject: Subject, flow: Flow, decision: PlanFollowUp) -> bool:
    """Is this event one of the share that the flow follows up?"""
    first = decision.occasion == f"event:{subject.event_id}"
    if not (first and isinstance(flow.on, AfterEvent) and flow.on.share):
        return True
    event = events.get(session, subject.event_id)
    return event is None or takeovers.falls_to_lot(session, subject, flow.on.share, flow.id, event)


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


def _miss(session: Session, subject: Subject, missed: PlanFollowUp) -> None:
    """What came too late is listed and kept as a case that expired; a chain goes on at its next date instead (R18)."""
    flow, event = subject.in_force.program.flow(missed.flow), events.get(session, subject.event_id)
    if event is None or _is_told_again(session, subject, flow, missed) or not _is_drawn(session, subject, flow, missed):
        return
    planned = _first_late(session, subject, flow, event) if is_chain(flow) else None
    if planned is not None:
        apply(session, subject, [planned])
        return
    owner = follow_ups.Owner(subject.in_force.program.id, subject.in_force.version_id, subject.now)
    row_id = follow_ups.plan(session, owner, subject.customer.id, missed, subject.event_id)
    if row_id is not None:
        move(session, FollowUpRow, row_id, FollowUpState.EXPIRED)
        note(session, subject, "missed", missed.because, flow=missed.flow, follow_up_id=row_id)


def _first_late(session: Session, subject: Subject, flow: Flow, event: EventRow) -> PlanFollowUp | None:
    """Where a chain begins whose event was told late; None: it is over."""
    return first_late(
        subject.in_force.program,
        flow,
        Event(event.id, event.type, event.occurred_at, event.data, event.matter_id),
        today=subject.today,
        ends_on=subject.date_named(session, until_of(flow), event.matter_id),
        zone=subject.zone,
        calendar=subject.calendar,
        annoyed=subject.is_annoyed,
    )


def _matter_of(session: Session, subject: Subject) -> int:
    """What the event at hand is about; 0: nothing in particular."""
    event = events.get(session, subject.event_id) if subject.event_id else None
    return event.matter_id if event else 0


def _cancel(
    session: Session,
    subject: Subject,
    flows: tuple[str, ...],
    because: str,
    matter_id: int = 0,
    *,
    theirs: bool = False,
) -> list[int]:
    """The ids of the follow-ups that were cancelled; open tasks of these flows go with them.

    `matter_id`: what is about another matter stays. `theirs`: so does what is for other contact persons.
    """
    if not flows:
        return []
    program_id = subject.in_force.program.id
    whose = (0, subject.person.id if subject.person else 0)

    def is_meant(row: FollowUpRow | TaskRow) -> bool:
        other = (matter_id and row.matter_id not in (0, matter_id)) or (theirs and row.person_id not in whose)
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
    """A new class; pending steps of cadences that no longer fit are cancelled, and those of the class come (R5).

    The ids of those that were cancelled.
    """
    enrolment = subject.enrolment
    if enrolment is None or enrolment.class_ == class_:
        return []
    before, since, today = subject.facts, enrolment.class_since, subject.today
    customers.set_class(session, enrolment, class_, today)
    told_by = {"event": subject.event_id} if subject.event_id else {}
    note(session, subject, "class", because, data={"before": before.class_, "after": class_, **told_by})
    facts = subject.facts.facts(today)
    flows = subject.in_force.program.flows
    gone = tuple(flow.id for flow in flows if isinstance(flow.on, Every) and not holds(flow.audience, facts))
    why = f"class is now {class_}"
    cancelled = _cancel(session, subject, (*gone, *takeovers.left_by(subject, before)), why)
    takeovers.begin_cadences(session, subject, before, since)
    for there, step in takeovers.taken_over(session, subject, before, why):
        _plan(session, there, step)
    return cancelled


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
        subject.runtime,
        program,
        customer,
        survey=subject.survey,
        question=question,
        ticket=subject.ticket,
        person=subject.person,
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
        occasion=f"{follow_ups.LATER}{survey.id}",
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
