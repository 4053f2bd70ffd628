"""Step 3: due follow-ups are claimed, consent is asked again, the text is rendered into the outbox.

    follow-up PLANNED -> READY + message READY      one transaction for a batch
              PLANNED -> later, or a line of the trail that says why not

Next: sending.py.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import structlog
from sqlmodel import Session

from bot.channels.contract import Need
from bot.errors import HuifangError
from bot.journey import approvals, chains, conversations, quotas, tasks, wording
from bot.journey.apply import set_class
from bot.journey.approvals import Waiting
from bot.journey.consents import CALL
from bot.journey.contacts import BY_HAND
from bot.journey.pauses import COMPLAINT_OPEN, moved
from bot.journey.subject import Subject, flags_of, follow_up_line, note
from bot.phones import forbidden_country
from bot.runtime import Runtime
from bot.shelf import InForce
from bot.store import customers, events, follow_ups, matters, messages, surveys, tickets, trail
from bot.store.follow_ups import Brief
from bot.store.tables import (
    ContactPersonRow,
    ContactPointRow,
    CustomerRow,
    EnrolmentRow,
    EventRow,
    FollowUpRow,
    MatterRow,
    MessageRow,
    SurveyRow,
    TicketRow,
)
from flows.actions import TaskAction
from flows.audience import holds
from flows.chains import is_chain
from flows.consent import CAPPED, Later, No, Standing, Yes, barred_by_flag, may_contact
from flows.offsets import until
from flows.own_times import own_times
from flows.program import Flow, Program, Resurvey
from flows.resurvey import FLOW as RESURVEY
from flows.selections import why_not_on
from flows.states import FollowUpState, SurveyState, TicketState
from flows.timing import NO_PERMITTED_DAY, ON_OFF_DAY, SOFT_OVERRIDE
from flows.triggers import AtLeast, OnDate, OnFestival, OnMilestone, OnSilence, Unanswered
from flows.windows import Permits, next_moment
from messages.catalog import Purpose, TemplateError

log = structlog.get_logger()
BATCH = 500
BY_LINK = "mail_survey"
"""The template of every survey where nobody reads what is written back (e-mail)."""
REACHING = (CALL, "visit", "letter")
"""Kinds of tasks in which staff reach the customer."""
LOOK_AGAIN = timedelta(hours=1)
"""What waits for the end of a conversation or of a complaint is looked at so often."""
IN_CONVERSATION = "another conversation is under way"
_HINT = re.compile(r"\s*(请回复|请回|please reply|reply)\b.*$|\s*请回复.*$", re.IGNORECASE | re.DOTALL)


def prepare_due(runtime: Runtime, limit: int = BATCH) -> int:
    """Turn due follow-ups into messages in the outbox, or into a line that says why not. How many were looked at."""
    runtime.shelf.refresh()
    now = runtime.clock.now()
    with runtime.db.write() as session:
        rows = follow_ups.due(session, now, limit)
        if not rows:
            return 0
        batch = _load(session, runtime, rows, now)
        for row in sorted(rows, key=lambda each: not _sets_class(runtime, each)):
            _judge_one(session, batch, row)
        _write(session, batch)
    return len(rows)


def _sets_class(runtime: Runtime, row: FollowUpRow) -> bool:
    """A new class comes first: it decides what else of the batch is still meant."""
    program = runtime.shelf.version(row.program_version_id)
    return row.flow != RESURVEY and program.flow(row.flow).set_class is not None


# ----- what a follow-up sends


@dataclass(frozen=True)
class Step:
    """What a follow-up sends: from its flow, or from the program's way to ask again."""

    program: Program
    flow: Flow | None
    template: str | None
    survey: str | None
    channels: tuple[str, ...]
    exempt_from_cap: bool
    resurvey: Resurvey | None = None

    @staticmethod
    def of(program: Program, row: FollowUpRow | Brief) -> "Step":
        if row.flow == RESURVEY:
            rule = program.callback.resurvey
            return Step(program, None, rule.template, rule.survey, ("sms", "telegram", "whatsapp", "email"), True, rule)
        flow = program.flow(row.flow)
        if flow.message is None:
            return Step(program, flow, None, None, (), True)
        name = flow.message.template.replace("{festival}", festival_of(row))
        exempt = flow.exempt_from_cap or flow.same_day
        return Step(program, flow, name, flow.message.survey, flow.message.channels, exempt)

    def permits(self) -> Permits:
        return self.program.permits(self.flow, self.resurvey.off_days if self.resurvey else None)

    @property
    def tells_milestone(self) -> bool:
        return self.flow is not None and isinstance(self.flow.on, OnMilestone)

    @property
    def pauses(self) -> bool:
        """Does it wait while a ticket about its matter is open?"""
        return self.flow is not None and self.flow.message is not None and self.flow.message.pause_during_ticket

    def exempt_from_windows(self, row: FollowUpRow | Brief) -> bool:
        """Greetings go out on the day itself, and a slot may have been placed outside on purpose."""
        if self.flow is not None and isinstance(self.flow.on, OnFestival):
            return True
        return any(reason in row.reason for reason in (SOFT_OVERRIDE, ON_OFF_DAY, NO_PERMITTED_DAY))


def festival_of(row: FollowUpRow | Brief) -> str:
    """The festival of a greeting's occasion, or nothing."""
    kind, _, rest = row.occasion.partition(":")
    return rest.split(":")[0] if kind == "festival" else ""


# ----- a batch: loaded at once, judged one by one, written at once

Kind = tuple[int, str, str]
"""(version of the program, flow, festival) of a follow-up: all of one kind send the same."""


@dataclass(frozen=True)
class _Send:
    """One message to be: what it asks and whom it goes to."""

    row: FollowUpRow
    step: Step
    subject: Subject
    point: ContactPointRow
    counts: bool
    person: ContactPersonRow | None = None


@dataclass
class _Batch:
    """What is known of a batch of due follow-ups, and what has been judged so far."""

    runtime: Runtime
    now: datetime
    people: Mapping[int, CustomerRow]
    persons: Mapping[int, ContactPersonRow]
    enrolments: Mapping[tuple[int, str], EnrolmentRow]
    points: Mapping[int, list[ContactPointRow]]
    events: Mapping[int, EventRow]
    matters: Mapping[int, MatterRow]
    surveys: Mapping[int, SurveyRow]
    answered: set[int]
    tickets: Mapping[int, TicketRow]
    complaining: set[int]
    talks: Mapping[int, set[tuple[str, int]]]
    """Customer -> (channel, contact person or 0) of the conversations that they are in the middle of."""
    recent: dict[tuple[int, int], tuple[datetime, ...]]
    """(customer, contact person or 0) -> when what counts for the weekly cap went out."""
    settled: dict[tuple[FollowUpState, str], list[int]] = field(default_factory=dict)
    waits: list[tuple[int, datetime, date]] = field(default_factory=list)
    sends: list[_Send] = field(default_factory=list)
    lines: list[dict[str, Any]] = field(default_factory=list)
    steps: list[tuple[FollowUpRow, Subject]] = field(default_factory=list)
    gone: set[int] = field(default_factory=set)
    unapproved: Mapping[Kind, Waiting] = field(default_factory=dict)
    """Kinds of steps that may not go, since a content of theirs is not approved."""
    told: set[tuple[Kind, date]] = field(default_factory=set)
    """Of which of them, and which day, somebody has heard."""


def _load(session: Session, runtime: Runtime, rows: Sequence[FollowUpRow], now: datetime) -> _Batch:
    ids = [row.customer_id for row in rows]
    asked_before = {row.survey_id for row in rows if row.survey_id}
    points = customers.points_of(session, ids)
    complaining = tickets.with_live(session, ids)
    asked = {row.customer_id for row in rows if row.purpose == Purpose.SURVEY}
    return _Batch(
        runtime=runtime,
        now=now,
        people=customers.lock(session, ids),
        persons=customers.persons_by_ids(session, {row.person_id for row in rows if row.person_id}),
        enrolments=customers.enrolments_by_customer(session, ids),
        points=points,
        events=events.by_ids(session, {row.event_id for row in rows if row.event_id}),
        matters=matters.by_ids(session, {row.matter_id for row in rows if row.matter_id}),
        surveys=surveys.by_ids(session, asked_before),
        answered=surveys.with_answers(session, asked_before),
        tickets=tickets.by_ids(session, {row.ticket_id for row in rows if row.ticket_id}),
        complaining=complaining,
        talks=conversations.under_way(session, runtime, asked, complaining & asked, now) if asked else {},
        recent=_recent(session, rows, points, now - timedelta(days=_longest_cap(runtime, rows))),
        unapproved=_unapproved(session, runtime, rows),
    )


def _kind_of(row: FollowUpRow) -> Kind:
    return row.program_version_id, row.flow, festival_of(row)


def _unapproved(session: Session, runtime: Runtime, rows: Sequence[FollowUpRow]) -> Mapping[Kind, Waiting]:
    """What may not go: looked up once for each kind of step, and only in programs where anything is approved."""
    kinds = {_kind_of(row): row for row in rows if runtime.shelf.version(row.program_version_id).approvals}
    needs = {}
    for kind, row in kinds.items():
        step = Step.of(runtime.shelf.version(row.program_version_id), row)
        needs[kind] = tuple(approvals.needed(runtime, step.program, step.flow, step.survey, step.template))
    return approvals.waiting_for_claim(session, needs) if any(needs.values()) else {}


def _recent(
    session: Session, rows: Sequence[FollowUpRow], points: Mapping[int, list[ContactPointRow]], since: datetime
) -> dict[tuple[int, int], tuple[datetime, ...]]:
    """What counts for the weekly cap: of a customer, and of each contact person whom a follow-up is for."""
    by_customer = messages.recent_by_customer(session, [row.customer_id for row in rows], since)
    recent = {(customer_id, 0): instants for customer_id, instants in by_customer.items()}
    for row in rows:
        if row.person_id:
            addresses = [point.address for point in _points_for(points, row)]
            recent[row.customer_id, row.person_id] = messages.recent_to(session, addresses, since)
    return recent


def _points_for(points: Mapping[int, list[ContactPointRow]], row: FollowUpRow) -> list[ContactPointRow]:
    """The addresses of whom a follow-up is for: one contact person, or the customer."""
    own = points.get(row.customer_id, [])
    return [point for point in own if point.person_id == row.person_id] if row.person_id else own


def _longest_cap(runtime: Runtime, rows: Sequence[FollowUpRow]) -> int:
    return max(runtime.shelf.version(version_id).cap.days for version_id in {row.program_version_id for row in rows})


def _judge_one(session: Session, batch: _Batch, row: FollowUpRow) -> None:
    """As `_judge`; one that cannot be judged is held for a person, and stops nobody else's."""
    if row.id in batch.gone:
        return
    try:
        _judge(session, batch, row)
    except (HuifangError, TemplateError, LookupError, ValueError) as error:
        _hold(batch, row, error)


def _hold(batch: _Batch, row: FollowUpRow, error: Exception) -> None:
    log.error("follow-up held", follow_up=row.id, error=type(error).__name__)
    _settle(batch, row, FollowUpState.HELD, "held", f"cannot be sent: {error}")


def _judge(session: Session, batch: _Batch, row: FollowUpRow) -> None:
    """One due follow-up: still wanted? Then what staff do, and its message. What follows is kept in the batch."""
    subject = _subject_of(batch, row)
    step = Step.of(subject.in_force.program, row)
    if step.flow and is_chain(step.flow) and chains.is_step(step.flow, row):
        batch.steps.append((row, subject))
    if row.expires_at is not None and batch.now >= row.expires_at:
        return _settle(batch, row, FollowUpState.EXPIRED, "missed", "expired: its time had passed")
    if gone := _no_longer_wanted(session, batch, step, subject, row):
        return _settle(batch, row, FollowUpState.CANCELLED, "cancelled", gone)
    if step.flow and isinstance(step.flow.on, AtLeast):
        found = quotas.settle_least(session, subject, step.flow, row)
        return _settle(batch, row, found.state, found.what, found.because, data=dict(found.data))
    if step.flow and step.flow.set_class:
        batch.gone.update(set_class(session, subject, step.flow.set_class, f"{row.reason} ({step.flow.id})"))
    opened = False
    if step.flow and step.flow.task:
        refused = _call_for(session, subject, row, step, step.flow.task)
        if refused and step.template is None:
            return _settle(batch, row, FollowUpState.SUPPRESSED, "skipped", refused)
        opened = not refused
    if step.template is None:
        return _settle(batch, row, FollowUpState.SENT, None if opened else "done", row.reason)
    return _judge_message(session, batch, step, subject, row, opened)


def _subject_of(batch: _Batch, row: FollowUpRow) -> Subject:
    """Whom a follow-up is for, with everything that it is about."""
    program = batch.runtime.shelf.version(row.program_version_id)
    return Subject(
        batch.runtime,
        InForce(row.program_version_id, program),
        batch.people[row.customer_id],
        batch.enrolments.get((row.customer_id, program.id)),
        batch.now,
        ticket=batch.tickets.get(row.ticket_id),
        survey=batch.surveys.get(row.survey_id),
        event=batch.events.get(row.event_id),
        matter=batch.matters.get(row.matter_id),
    )


def _judge_message(
    session: Session, batch: _Batch, step: Step, subject: Subject, row: FollowUpRow, opened: bool
) -> None:
    """The message of a step: reachable? allowed? approved? now? `opened`: staff have a task already, in any case."""
    customer = subject.customer
    point, because = _first_usable(batch.runtime, _points_for(batch.points, row), step, step.channels)
    if point is None and (customer.opted_out_at or row.person_id in customers.silent_people(session, customer.id)):
        return _without_message(batch, row, opened, FollowUpState.SUPPRESSED, "skipped", customers.OPTED_OUT)
    if point is None:
        return _without_message(batch, row, opened, FollowUpState.UNREACHABLE, "unreachable", because)
    allowed = _allowed(batch, step, subject, row)
    if isinstance(allowed, No):
        return _without_message(batch, row, opened, FollowUpState.SUPPRESSED, "skipped", allowed.because)
    if isinstance(allowed, Yes) and (waits := batch.unapproved.get(_kind_of(row))):
        return _await_approval(session, batch, step, row, waits)
    if isinstance(allowed, Yes):
        allowed = _not_yet(session, batch, step, subject, row, point)
    if not isinstance(allowed, Later):
        return _send(batch, step, subject, row, point)
    if row.expires_at is not None and allowed.at >= row.expires_at:
        because = f"{allowed.because}: not allowed before its deadline"
        return _without_message(batch, row, opened, FollowUpState.SUPPRESSED, "skipped", because)
    return _wait(session, batch, row, customer, allowed)


def _allowed(batch: _Batch, step: Step, subject: Subject, row: FollowUpRow) -> Yes | No | Later:
    """May we write to this customer now, as far as consent, windows, flags and caps go?"""
    return may_contact(
        Purpose(row.purpose),
        _standing(batch, subject.customer, subject.enrolment, row.person_id),
        batch.now,
        permits=step.permits(),
        calendar=subject.calendar,
        cap=step.program.cap,
        exempt_from_cap=step.exempt_from_cap,
        exempt_from_windows=step.exempt_from_windows(row),
        milestone=step.tells_milestone,
        by_hand=row.occasion.startswith(BY_HAND),
    )


def _send(batch: _Batch, step: Step, subject: Subject, row: FollowUpRow, point: ContactPointRow) -> None:
    """It goes out now, and counts for the cap of whomever it reaches."""
    counts = Purpose(row.purpose) in CAPPED and not step.exempt_from_cap
    if counts:
        for whom in {(row.customer_id, 0), (row.customer_id, row.person_id)}:
            batch.recent[whom] = (*batch.recent.get(whom, ()), batch.now)
    batch.sends.append(_Send(row, step, subject, point, counts, batch.persons.get(row.person_id)))


def _not_yet(
    session: Session, batch: _Batch, step: Step, subject: Subject, row: FollowUpRow, point: ContactPointRow
) -> Yes | Later:
    """May it go now, as far as what the customer and we are talking about is concerned? Looked at again and again.

    What a complaint holds back waits until its time has passed; a survey goes out in the end, since a reply goes to
    the newest.
    """
    paused = step.pauses and subject.customer.id in batch.complaining and _complaint_about(session, subject, row)
    talks = batch.talks.get(subject.customer.id, ()) if step.survey and not row.survey_id else ()
    if not (paused or (point.channel, row.person_id) in talks):
        return Yes()
    permits = step.permits().of_customer(own_times(subject.customer.windows))
    again, exempt = batch.now + LOOK_AGAIN, step.exempt_from_windows(row)
    at = next_moment(again, permits=permits, calendar=subject.calendar, zone=subject.zone, exempt=exempt)
    if paused:
        return Later(at, COMPLAINT_OPEN)
    too_late = row.expires_at is not None and at >= row.expires_at
    return Yes() if too_late else Later(at, IN_CONVERSATION)


def _complaint_about(session: Session, subject: Subject, row: FollowUpRow) -> bool:
    """Is a complaint not dealt with yet, in this program, about the matter of a follow-up or about none?"""
    ticket = tickets.live(session, subject.customer.id, subject.in_force.program.id)
    if ticket is None or ticket.state == TicketState.RESOLVED:
        return False
    return 0 in (ticket.matter_id, row.matter_id) or ticket.matter_id == row.matter_id


def _call_for(session: Session, subject: Subject, row: FollowUpRow, step: Step, action: TaskAction) -> str | None:
    """Open the task that a person has to do; or why nobody is to do it. Opted out of messages is not out of calls."""
    if action.kind == CALL and subject.is_annoyed:
        return "annoyed: no calls"
    reaches = action.counts_as or action.kind in REACHING
    if reaches and (barred := _barred(step, subject, row)):
        return barred
    task_id = tasks.open_task(session, subject, row, action)
    if task_id is not None and step.flow is not None and step.flow.breach:
        data = {"task": task_id, "kind": action.kind, "role": action.role}
        note(session, subject, "breach", row.reason, flow=row.flow, follow_up_id=row.id, data=data)
    return None


def _barred(step: Step, subject: Subject, row: FollowUpRow) -> str | None:
    """Which flag of the customer keeps a step back; a cadence ends with it (R6)."""
    return barred_by_flag(
        flags_of(subject.enrolment),
        Purpose(row.purpose),
        milestone=step.tells_milestone,
        by_hand=row.occasion.startswith(BY_HAND),
    )


def _settle(
    batch: _Batch, row: FollowUpRow, target: FollowUpState, what: str | None, because: str, **known: Any
) -> None:
    batch.settled.setdefault((target, because), []).append(row.id)
    if what is not None:
        batch.lines.append(follow_up_line(batch.now, what, because, row, **known))


def _without_message(
    batch: _Batch, row: FollowUpRow, opened: bool, state: FollowUpState, what: str, because: str
) -> None:
    """Its message stays away; where it has opened a task for staff, that is what the step came to."""
    _settle(batch, row, FollowUpState.SENT if opened else state, what, because)


def _wait(session: Session, batch: _Batch, row: FollowUpRow, customer: CustomerRow, later: Later) -> None:
    """Move it to when it is allowed, or is looked at again; that is told once for as long as the reason holds."""
    batch.waits.append((row.id, later.at, later.at.astimezone(ZoneInfo(customer.zone)).date()))
    because = moved(later.because)
    looked_at = later.because in (COMPLAINT_OPEN, IN_CONVERSATION)
    if looked_at and trail.last_because(session, customer.id, row.id) == because:
        return
    batch.lines.append(follow_up_line(batch.now, "moved", because, row, data={"due": later.at.isoformat()}))


def _await_approval(session: Session, batch: _Batch, step: Step, row: FollowUpRow, waits: Waiting) -> None:
    """Keep it until it expires, unless its content is approved before: that makes it due. Told once; so is its day.

    What never expires is looked at again and again.
    """
    batch.waits.append((row.id, row.expires_at or batch.now + LOOK_AGAIN, row.intended_on))
    if trail.last_because(session, row.customer_id, row.id) != waits.because:
        batch.lines.append(follow_up_line(batch.now, "held", waits.because, row))
    due = _kind_of(row), row.nominal_on
    if due not in batch.told:
        batch.told.add(due)
        approvals.tell_waiting(session, batch.runtime, step.program, row.flow, waits, row.nominal_on, batch.now)


def _no_longer_wanted(session: Session, batch: _Batch, step: Step, subject: Subject, row: FollowUpRow) -> str | None:
    """Why a follow-up that was right when planned is not right any more (horizon: the claim re-checks)."""
    if step.flow is None:
        waits = subject.ticket is not None and subject.ticket.state == TicketState.RESOLVED
        return None if waits else "the ticket no longer waits for an answer"
    if row.occasion.startswith(BY_HAND):
        return None
    enrolment = subject.enrolment
    if isinstance(step.flow.on, AtLeast) and quotas.ended_before_the_class(step.flow.on, row, enrolment):
        return None
    class_is_set = step.flow.set_class and enrolment and enrolment.class_ == step.flow.set_class
    if not class_is_set and not holds(step.flow.audience, subject.facts.facts(subject.today)):
        return "no longer in the audience"
    if chains.is_step(step.flow, row):
        barred = _barred(step, subject, row)
        if because := barred or chains.why_not_now(session, subject, step.flow, row):
            return because
    match step.flow.on:
        case OnDate(date=name):
            return why_not_on(step.flow, row.occasion, subject.date_named(session, name, row.matter_id))
        case OnSilence() if enrolment and row.occasion != f"silent:{enrolment.activity_on}":
            return f"active again on {enrolment.activity_on}"
        case Unanswered():
            survey = subject.survey
            if survey is None or survey.state != SurveyState.OPEN:
                return "the survey no longer waits"
            if survey.id in batch.answered:
                return "answered"
    return None


def _first_usable(
    runtime: Runtime, points: Sequence[ContactPointRow], step: Step, channels: Sequence[str]
) -> tuple[ContactPointRow | None, str]:
    """The first channel of the step that the customer has, and that can do what the step needs there (R92).

    None: with the reason.
    """
    objections = []
    needs = frozenset({Need.REPLY, Need.LINK}) if step.survey else frozenset()
    for name in channels:
        channel = runtime.channels.get(name)
        for point in points:
            if channel is None or point.channel != name:
                continue
            objection = channel.objection(point.address, needs)
            objection = objection or forbidden_country(runtime.settings.countries, point.address)
            if objection is None:
                return point, ""
            objections.append(f"{name}: {objection}")
    return None, "; ".join(["no usable channel", *dict.fromkeys(objections)])


def _standing(batch: _Batch, customer: CustomerRow, enrolment: EnrolmentRow | None, person_id: int) -> Standing:
    return Standing(
        zone=ZoneInfo(customer.zone),
        opted_out=customer.opted_out_at is not None,
        marketing_consent=customer.marketing_consent_at is not None,
        open_ticket=customer.id in batch.complaining,
        paused_until=enrolment.paused_until if enrolment else None,
        flags=flags_of(enrolment),
        own=own_times(customer.windows),
        recent=batch.recent.get((customer.id, person_id), ()),
    )


def _write(session: Session, batch: _Batch) -> None:
    """Everything that was judged: surveys and messages first, then the states that lead to them."""
    opened = _open_surveys(session, batch)
    texts = _texts(batch, opened)
    surveys.withdraw_unsent(session, opened.keys() - texts.keys())
    messages.put_many(session, list(texts.values()))
    follow_ups.settle(session, list(texts), FollowUpState.READY)
    for (target, because), ids in batch.settled.items():
        follow_ups.settle(session, ids, target, reason=because)
    follow_ups.defer(session, batch.waits)
    trail.write(session, batch.lines)
    _go_on(session, batch)


def _go_on(session: Session, batch: _Batch) -> None:
    """Chains go on where a step is settled, however; one that was cancelled ends its chain."""
    cancelled = {id_ for (target, _), ids in batch.settled.items() if target is FollowUpState.CANCELLED for id_ in ids}
    still = cancelled | {row_id for row_id, _, _ in batch.waits}
    for row, subject in batch.steps:
        if row.id not in still:
            chains.go_on(session, subject, row)


def _texts(batch: _Batch, opened: Mapping[int, SurveyRow]) -> dict[int, dict[str, Any]]:
    """Follow-up -> its message; one whose text cannot be made is held for a person, and stops nobody else's."""
    texts = {}
    for send in batch.sends:
        try:
            texts[send.row.id] = _message(send, opened)
        except (HuifangError, TemplateError, LookupError, ValueError) as error:
            _hold(batch, send.row, error)
    return texts


def _open_surveys(session: Session, batch: _Batch) -> dict[int, SurveyRow]:
    """The surveys of the batch by follow-up; a reminder goes on with the one it reminds of."""
    wanted = [send for send in batch.sends if send.step.survey and send.subject.survey is None]
    rows = {send.row.id: _survey_values(send) for send in wanted}
    ids = surveys.open_many(session, list(rows.values()))
    opened = surveys.by_ids(session, ids.values())
    by_follow_up = {survey.follow_up_id: survey for survey in opened.values()}
    reminded = {send.row.id: send.subject.survey for send in batch.sends if send.subject.survey is not None}
    return {**by_follow_up, **reminded}


def _survey_values(send: _Send) -> dict[str, Any]:
    row, step, subject = send.row, send.step, send.subject
    assert step.survey is not None
    survey = step.program.surveys[step.survey]
    return {
        "token": subject.runtime.dice.token(),
        "customer_id": row.customer_id,
        "follow_up_id": row.id,
        "ticket_id": row.ticket_id,
        "round": subject.ticket.round if subject.ticket else 0,
        "program_version_id": row.program_version_id,
        "survey": step.survey,
        "channel": send.point.channel,
        "asked": survey.asked[0].id,
        "opened_at": subject.now,
        "closes_at": until(subject.now, survey.closes_after, subject.zone),
    }


def _message(send: _Send, opened: Mapping[int, SurveyRow]) -> dict[str, Any]:
    """The message of one follow-up as it goes into the outbox."""
    row, subject = send.row, send.subject
    return {
        **_words(send, opened.get(row.id)),
        "reason": row.reason,
        "dedupe_key": f"follow-up:{row.id}:1:{send.point.channel}",
        "customer_id": row.customer_id,
        "follow_up_id": row.id,
        "survey_id": opened[row.id].id if row.id in opened else 0,
        "ticket_id": row.ticket_id,
        "purpose": row.purpose,
        "counts": send.counts,
        "channel": send.point.channel,
        "address": send.point.address,
        "buttons": _buttons(send, opened.get(row.id)),
        "created_at": subject.now,
        "due_at": subject.now,
        "expires_at": row.expires_at,
    }


def _buttons(send: _Send, survey: SurveyRow | None) -> list[list[list[str]]]:
    """One tap for each answer to the question at hand, where taps are shown."""
    if survey is None or not send.subject.runtime.channels[send.point.channel].shows_buttons:
        return []
    asked = send.step.program.surveys[survey.survey]
    return wording.answer_buttons(asked, survey.asked, survey.token, send.subject.customer.language)


# ----- another channel takes over


def by_next_channel(
    session: Session, runtime: Runtime, row: FollowUpRow, failed: MessageRow, now: datetime
) -> Mapping[str, Any] | None:
    """The message of this follow-up on the next channel of its step (R94); None: there is none."""
    program = runtime.shelf.version(row.program_version_id)
    step = Step.of(program, row)
    later = step.channels[step.channels.index(failed.channel) + 1 :] if failed.channel in step.channels else ()
    points = customers.points_of(session, [row.customer_id])
    point, _ = _first_usable(runtime, _points_for(points, row), step, later)
    customer = customers.get(session, row.customer_id)
    if point is None or customer is None:
        return None
    enrolment = customers.enrolment(session, customer.id, program.id)
    subject = Subject(runtime, InForce(row.program_version_id, program), customer, enrolment, now)
    subject.ticket = tickets.get(session, row.ticket_id) if row.ticket_id else None
    subject.event = events.by_ids(session, {row.event_id}).get(row.event_id) if row.event_id else None
    subject.matter = matters.by_ids(session, {row.matter_id}).get(row.matter_id) if row.matter_id else None
    survey = surveys.get(session, failed.survey_id) if failed.survey_id else None
    if survey is not None:
        surveys.change_channel(session, survey.id, point.channel)
    person = customers.persons_by_ids(session, [row.person_id]).get(row.person_id) if row.person_id else None
    try:
        return _message(_Send(row, step, subject, point, failed.counts, person), {row.id: survey} if survey else {})
    except (HuifangError, TemplateError, LookupError, ValueError):
        return None


def _words(send: _Send, survey: SurveyRow | None) -> dict[str, Any]:
    program, customer, subject = send.step.program, send.subject.customer, send.subject
    assert send.step.template is not None
    variables = wording.variables_for(
        subject.runtime,
        program,
        customer,
        survey=survey,
        question=program.surveys[survey.survey].question(survey.asked) if survey else None,
        ticket=subject.ticket,
        festival=festival_of(send.row) or None,
        event=subject.event,
        person=send.person,
    )
    variables |= _reminded_of(send)
    template = send.step.template
    if survey is not None and _only_by_link(send):
        template, variables["question"] = BY_LINK, without_hint(variables["question"])
    return wording.compose(subject.runtime, program, template, customer.language, customer.zone, variables)


def _reminded_of(send: _Send) -> dict[str, Any]:
    """The date that a follow-up reminds of, and what it belongs to: a milestone, or a matter by its name (R16, R20)."""
    kind, _, rest = send.row.occasion.partition(":")
    name, _, on = rest.rpartition(":")
    match kind:
        case "milestone":
            words = send.step.program.milestones[name]
            item: str | None = send.step.program.text(words, send.subject.customer.language)
        case "date":
            item = matters.name_of(send.subject.matter)
        case _:
            return {}
    return {"item": item, "event_on": date.fromisoformat(on)}


def _only_by_link(send: _Send) -> bool:
    """Does nobody read what is written back there?"""
    channel = send.subject.runtime.channels[send.point.channel]
    return channel.objection(send.point.address, frozenset({Need.REPLY})) is not None


def without_hint(question: str) -> str:
    """A question without its words on how to reply, for those who answer on the survey page."""
    return _HINT.sub("", question).rstrip("，,;； ")
