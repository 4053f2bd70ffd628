"""An appointment that was announced: the customer confirms it, proposes another time, or declines it by a reply (R89).

A proposal stands on the task until staff agree, who may also name a time of their own: then the task moves, and the
customer hears of it once. What a reply means: flows/appointment_reply.py. Who comes and when it is missed: tasks.py.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlmodel import Session

from bot.errors import Conflict, InputError, NotFound
from bot.journey import conversations, wording
from bot.journey.apply import say
from bot.journey.conversations import Standing, standing_of
from bot.journey.news import tell_customer
from bot.journey.notices import tell
from bot.journey.subject import Subject, note, who_wrote
from bot.journey.tasks import action_of, subject_of, who_does
from bot.runtime import Runtime
from bot.store import inbound, staff, tasks, tickets
from bot.store.tables import CustomerRow, InboundRow, TaskRow
from flows.appointment_reply import Answer, Confirmed, Declined, Doubt, Proposed, answer_to
from flows.promises import missing_ping, ping_time
from flows.states import TaskState
from messages.reading import Intent, Question, Reading

_DOUBTS: Mapping[Doubt, Mapping[str, str]] = {
    "past": {"zh": "这个时间已经过了", "en": "that time has passed"},
    "off_day": {"zh": "那天是休息日", "en": "that is an off day"},
    "outside_hours": {"zh": "不在服务时间内", "en": "that is outside our hours"},
}
_NO_DOUBT = {"zh": "在服务时间内", "en": "inside our hours"}


# ----- the customer replies


def announced(session: Session, runtime: Runtime, customer: CustomerRow, reply: InboundRow) -> TaskRow | None:
    """The appointment that a reply may be about: the one announced last, where nothing else was begun since."""
    if not any(task.appointment for each in runtime.shelf.in_force for task in each.program.tasks()):
        return None  # as in most houses: no table need be asked
    at = reply.received_at
    found = [
        task
        for task in tasks.open_of_customer(session, customer.id)
        if task.opened_at <= at <= task.due_at and is_appointment(runtime, task)
    ]
    if not found:
        return None
    newest = max(found, key=lambda task: task.opened_at)
    survey = conversations.likeliest_first(session, customer, reply)[0]
    asked_since = survey is not None and survey.opened_at > newest.opened_at
    if asked_since and standing_of(survey, at) in (Standing.WAITING, Standing.JUST_ANSWERED):
        return None
    ticket = tickets.live(session, customer.id, newest.program_id)
    return None if ticket is not None and ticket.opened_at > newest.opened_at else newest


def is_appointment(runtime: Runtime, task: TaskRow) -> bool:
    """Whether the customer may confirm or move a task."""
    action = action_of(runtime.shelf.version(task.program_version_id), task)
    return action is not None and action.appointment is not None


def hear(
    session: Session, runtime: Runtime, task: TaskRow, customer: CustomerRow, reply: InboundRow, question: Question
) -> bool:
    """Do what a reply says of an appointment; False: it says nothing of it. The customer is locked by the caller."""
    subject = subject_of(session, runtime, task, runtime.clock.now())
    subject.customer, subject.inbound, subject.person = customer, reply, who_wrote(session, reply)
    program, at = subject.in_force.program, reply.received_at
    answer = answer_to(reply.body, question, task.due_at, at, program, subject.zone, subject.calendar)
    if answer is None or (isinstance(answer, Confirmed) and task.proposed_at is not None):
        return False
    because = _because(answer)
    reading = Reading(intent=Intent.COMMENT, confidence=1.0, because=(because,))
    inbound.mark(session, reply.id, "read", customer_id=customer.id, reading=reading.as_dict())
    heard = {"inbound": reply.id, "channel": reply.channel, "intent": str(reading.intent)}
    note(session, subject, "reply", because, data=heard)
    match answer:
        case Confirmed():
            tasks.note(session, task.id, confirmed_at=at)
            _note(session, subject, task, because, "confirmed", task.due_at)
        case Proposed(at=proposed, doubt=doubt):
            tasks.note(session, task.id, proposed_at=proposed, confirmed_at=None)
            _note(session, subject, task, because, "proposed", proposed)
            known = {"promised_at": proposed, "reason": _DOUBTS[doubt] if doubt else _NO_DOUBT}
            _tell_staff(session, subject, task, "staff/appointment_proposed", known)
            say(session, subject, "appointment_noted", "appointment", because, {"promised_at": proposed})
        case Declined():
            tasks.note(session, task.id, proposed_at=None, confirmed_at=None)
            _note(session, subject, task, because, "declined", task.due_at)
            _tell_staff(session, subject, task, "staff/appointment_declined", {})
            say(session, subject, "appointment_call", "appointment", because)
    return True


def _because(answer: Answer) -> str:
    match answer:
        case Confirmed():
            return "confirmed by the customer"
        case Proposed(doubt=doubt):
            return f"the customer proposes another time: {_DOUBTS[doubt]['en']}" if doubt else _PROPOSED
        case Declined():
            return "the time does not suit the customer: please call"


_PROPOSED = "the customer proposes another time"


def _note(session: Session, subject: Subject, task: TaskRow, because: str, answer: str, at: datetime) -> None:
    data = {"task": task.id, "kind": task.kind, "answer": answer, "due": at.isoformat()}
    note(session, subject, "appointment", because, flow=task.flow, follow_up_id=task.follow_up_id, data=data)


def _tell_staff(session: Session, subject: Subject, task: TaskRow, template: str, variables: Mapping[str, Any]) -> None:
    """Tell whoever is to come, in staff hours."""
    program, customer, reply = subject.in_force.program, subject.customer, subject.inbound
    assert reply is not None
    doer = staff.get(session, task.staff_id) if task.staff_id else None
    responsible = subject.enrolment.staff if subject.enrolment else ()
    members = [doer] if doer else who_does(session, program, task.role, responsible)
    action = action_of(program, task)
    known = {
        "task_id": str(task.id),
        "task_name": action.name if action else task.name,
        "customer_name": customer.name,
        "customer_phone_masked": wording.masked(reply.from_address),
        "reply_text": reply.body,
        "due_at": task.due_at,
        **variables,
    }
    at = ping_time(subject.now, program.time_zone)
    tell(session, subject.runtime, program, members, template, f"{template}:{reply.id}", known, at)


# ----- staff agree


def agree(runtime: Runtime, task_id: int, at: datetime | None = None, staff_id: int = 0) -> datetime:
    """Agree to the time that the customer proposed (None), or name another: when the appointment is now.

    1 still open?  2 which time  3 the task moves, and with it when it is missed  4 the customer hears of it, and may
    answer again. InputError: there is no such time. Conflict: it is settled, or at that time already.
    """
    runtime.shelf.refresh()
    now = runtime.clock.now()
    with runtime.db.write() as session:
        task = tasks.take(session, task_id)
        if task is None or not is_appointment(runtime, task):
            raise NotFound(f"there is no appointment {task_id}")
        if task.state != TaskState.OPEN:
            raise Conflict(f"task {task_id} is {task.state} already")
        due_at = at or task.proposed_at
        if due_at is None:
            raise InputError([{"field": "at", "reason": "nothing was proposed", "remedy": "say a time"}])
        if due_at <= now:
            raise InputError([{"field": "at", "reason": "has passed", "remedy": "say a later time"}])
        if due_at == task.due_at:
            raise Conflict(f"task {task_id} is at that time already")
        subject = subject_of(session, runtime, task, now)
        program = subject.in_force.program
        tasks.note(
            session,
            task_id,
            due_at=due_at,
            misses_at=missing_ping(due_at, subject.calendar, zone=program.time_zone),
            confirmed_at=now if due_at == task.proposed_at else None,
            proposed_at=None,
        )
        doer = staff.get(session, staff_id) if staff_id else None
        because = f"by {doer.name}" if doer else "at the command line"
        _note(session, subject, task, because, "agreed", due_at)
        key = f"appointment:{task_id}:{now.isoformat()}"
        tell_customer(session, subject, "appointment_agreed", key, because, {"promised_at": due_at})
    return due_at
