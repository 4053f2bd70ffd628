"""Tasks that a ticket calls for: a call or a visit that asks again (R148), and the visit after a call that did not
solve it (R142).

A task opens when its time has come. Once it is settled, the ticket moves on: the answer that was noted is heard as a
reply would be, and a visit that is done resolves the ticket. A score that the customer writes before staff have asked
is the answer, too. Before: callbacks.py; how a task is recorded: tasks.py.
"""

from dataclasses import replace

from sqlmodel import Session

from bot.journey import callbacks, tasks
from bot.journey.apply import apply
from bot.journey.callbacks import question_of_round, task_to_ask
from bot.journey.subject import Subject
from bot.runtime import Runtime
from bot.store import follow_ups, staff, surveys, tickets
from bot.store import tasks as open_tasks
from bot.store.tables import SurveyRow, TaskRow, TicketRow
from flows.actions import TaskAction
from flows.offsets import until
from flows.resurvey import SCORE, question_asked_again
from flows.states import FollowUpState, TaskState, TicketState
from flows.survey import Conversation, hear, scored
from messages.reading.scales import is_on

BATCH = 200
REASON = "reason"
"""The field of a task that asks again in which staff may note the customer's words."""


def go_on(runtime: Runtime, limit: int = BATCH) -> int:
    """Open the tasks whose time has come, and let tickets go on by those that are settled; how many."""
    now = runtime.clock.now()
    with runtime.db.write() as session:
        due = tickets.with_due_task(session, now, limit)
        for ticket_id in due:
            _open_due(session, runtime, ticket_id)
        settled = tickets.settled_tasks(session, limit)
        for task in settled:
            _go_on_after(session, runtime, task)
    return len(due) + len(settled)


# ----- opened


def open_report(session: Session, subject: Subject) -> None:
    """Have the subject's new ticket written down, where its program says by whom."""
    ticket, report = subject.ticket, subject.in_force.program.callback.report
    if ticket is not None and report is not None:
        about = tasks.For(f"ticket:{ticket.id}:report", f"ticket {ticket.id}", subject.today, ticket_id=ticket.id)
        tasks.open_for(session, subject, about, report)


def _open_due(session: Session, runtime: Runtime, ticket_id: int) -> None:
    """Open what the ticket calls for as it now stands, once.

    1 lock it: somebody may have been faster  2 nothing is due any more  3 its task, or the message in its place
    """
    ticket = tickets.take(session, ticket_id)
    if ticket is None or ticket.task_at is None:
        return
    tickets.note(session, ticket_id, task_at=None)
    subject = callbacks.subject_of(session, runtime, ticket)
    visit = subject.in_force.program.callback.visit
    if ticket.state == TicketState.RESOLVED:
        _ask(session, subject, ticket, f"ask again, round {ticket.round}: {ticket.result}")
    elif visit is not None:
        _open(session, subject, ticket, visit, f"not solved before: round {ticket.round}", _key(ticket, "visit"))


def _ask(session: Session, subject: Subject, ticket: TicketRow, because: str, after: int = 0) -> None:
    """Have staff ask again, or the message where nobody is to call any more; `after`: the task that it takes up."""
    action = task_to_ask(session, subject, ticket)
    if action is None:
        apply(session, subject, [question_of_round(subject, ticket)])
    else:
        _open(session, subject, ticket, action, because, f"{_key(ticket, 'ask')}:{after}")


def _open(session: Session, subject: Subject, ticket: TicketRow, action: TaskAction, because: str, key: str) -> None:
    whose = subject.person.id if subject.person else 0
    about = tasks.For(key, because, subject.today, ticket_id=ticket.id, person_id=whose, matter_id=ticket.matter_id)
    task_id = tasks.open_for(session, subject, about, action)
    if task_id is not None:
        tickets.wait_for(session, task_id)


def _key(ticket: TicketRow, what: str) -> str:
    return f"ticket:{ticket.id}:{ticket.round}:{what}"


# ----- settled


def _go_on_after(session: Session, runtime: Runtime, task: TaskRow) -> None:
    """Let the ticket of a settled task go on; one that has moved on since stays as it is."""
    task.unheard = False
    session.add(task)
    ticket = tickets.take(session, task.ticket_id)
    if ticket is None:
        return
    subject = callbacks.subject_of(session, runtime, ticket)
    done = task.state == TaskState.DONE
    if ticket.state == TicketState.RESOLVED and task.dedupe_key.startswith(_key(ticket, "ask")):
        if done:
            _hear(session, subject, ticket, task)
        else:
            apply(session, subject, [question_of_round(subject, ticket)])
    elif done and task.dedupe_key == _key(ticket, "visit"):
        _resolve(session, subject, ticket, task)


def _resolve(session: Session, subject: Subject, ticket: TicketRow, task: TaskRow) -> None:
    """The visit dealt with it, whoever had claimed the ticket."""
    if ticket.state == TicketState.OPEN:
        tickets.advance(session, ticket.id, TicketState.CLAIMED, claimed_by=task.staff_id, claimed_at=subject.now)
    callbacks.handled(session, subject, _who(session, task), task.result or task.name)


def _who(session: Session, task: TaskRow) -> str:
    member = staff.get(session, task.staff_id) if task.staff_id else None
    return member.name if member else task.role


def _hear(session: Session, subject: Subject, ticket: TicketRow, task: TaskRow) -> None:
    """The answer that was noted closes the ticket or opens the next round, as a reply would."""
    question = question_asked_again(subject.in_force.program)
    score = float(task.data[SCORE])
    if not is_on(question.scale, score):
        _ask(session, subject, ticket, f"{score:g} is not on the scale {question.scale}: note it again", task.id)
        return
    subject.survey = open_survey(session, subject, task, task.kind)
    words = str(task.data.get(REASON) or "")
    ticket.words = f"{ticket.words}\n{words}".strip()
    talk = replace(talk_of(subject), on_page=True)
    reading = scored(question, score, f"told {_who(session, task)}")
    apply(session, subject, hear(talk, reading, words or f"{score:g}", subject.now, subject.calendar))


# ----- what staff are to ask


def asked_by_staff(session: Session, runtime: Runtime, customer_id: int) -> tuple[Subject, TaskRow] | None:
    """The ticket that staff are to ask a customer about just now, and their open task; None: there is none."""
    if not any(each.program.callback.resurvey.by for each in runtime.shelf.in_force):
        return None  # as in most houses: no table need be asked
    for task in open_tasks.open_of_customer(session, customer_id):
        ticket = tickets.get(session, task.ticket_id) if task.ticket_id else None
        if ticket and ticket.state == TicketState.RESOLVED and task.dedupe_key.startswith(_key(ticket, "ask")):
            return callbacks.subject_of(session, runtime, ticket), task
    return None


def talk_of(subject: Subject) -> Conversation:
    """The conversation in which the subject's ticket is asked about again."""
    program, ticket = subject.in_force.program, subject.ticket
    assert ticket is not None
    return Conversation(
        program=program,
        zone=subject.zone,
        survey=program.callback.resurvey.survey,
        asked=question_asked_again(program).id,
        resurvey_of=ticket.id,
        live_ticket=True,
    )


def open_survey(session: Session, subject: Subject, task: TaskRow, channel: str) -> SurveyRow:
    """The survey of a round that staff ask, so that its answer counts like any other (R62, R97), however it came."""
    program, now, ticket = subject.in_force.program, subject.now, subject.ticket
    assert ticket is not None
    owner = follow_ups.Owner(program.id, subject.in_force.version_id, now)
    planned = question_of_round(subject, ticket)
    asked_then = replace(planned, slot=replace(planned.slot, due_at=task.opened_at, expires_at=None))
    follow_up_id = follow_ups.plan(session, owner, subject.customer.id, asked_then)
    assert follow_up_id is not None
    follow_ups.settle(session, [follow_up_id], FollowUpState.SENT, sent_at=task.opened_at)
    again = program.callback.resurvey.survey
    opened = surveys.open_many(
        session,
        [
            {
                "token": subject.runtime.dice.token(),
                "customer_id": subject.customer.id,
                "follow_up_id": follow_up_id,
                "ticket_id": ticket.id,
                "round": ticket.round,
                "program_version_id": subject.in_force.version_id,
                "survey": again,
                "channel": channel,
                "asked": question_asked_again(program).id,
                "opened_at": task.opened_at,
                "closes_at": until(now, program.surveys[again].closes_after, subject.zone),
            }
        ],
    )
    survey = surveys.get(session, opened[follow_up_id])
    assert survey is not None
    return survey
