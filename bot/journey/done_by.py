"""An event tells that a task is done: whoever was called has arrived (R143).

Which event does which task, its program says (`done_by`). What follows from a task that is done stands in tasks.py.
"""

from sqlmodel import Session

from bot.journey import tasks
from bot.journey.subject import Subject
from bot.store import events
from bot.store import tasks as task_rows
from bot.store.tables import TaskRow
from flows.events import Event


def finish(session: Session, subject: Subject, event: Event) -> None:
    """The oldest open task of this customer that the event does, about the same matter, is recorded as done.

    One that was called for later than the event happened is another one. The customer is locked by the caller.
    """
    program = subject.in_force.program
    if not any(task.done_by == event.type for task in program.tasks()):
        return
    open_now = task_rows.open_of_customer(session, subject.customer.id)
    found = sorted((each for each in open_now if _does(session, subject, event, each)), key=lambda each: each.id)
    task = task_rows.take(session, found[0].id) if found else None
    told = events.get(session, event.id)
    if task is not None and told is not None:
        session.refresh(task)  # its superior may have heard while we waited for it
        tasks.record(session, subject.runtime, task, tasks.done_as_told(task, told))


def _does(session: Session, subject: Subject, event: Event, task: TaskRow) -> bool:
    """Is this what the event tells of?"""
    if task.program_id != subject.in_force.program.id or not task.flow:
        return False
    action = tasks.action_of(subject.runtime.shelf.version(task.program_version_id), task)
    same_matter = event.matter_id in (0, task.matter_id) or not task.matter_id
    if action is None or action.done_by != event.type or not same_matter:
        return False
    called = tasks.event_of(session, task)
    return called is None or called.occurred_at <= event.occurred_at
