"""The task to say what a reply meant that was unclear twice: nobody asks the customer a third time (R116, R124).

Whoever owns tickets has it. It is done as soon as somebody codes the reply (replies.py), where the queue shows its
words, and let go once the customer answers after all.
"""

from sqlmodel import Session

from bot.journey import tasks
from bot.journey.subject import Subject, note
from bot.store import staff
from bot.store import tasks as open_tasks
from bot.store.tables import TaskRow


def open_task(session: Session, subject: Subject) -> None:
    """Have somebody say what the subject's reply meant; one task for each survey."""
    assert subject.survey is not None
    about = tasks.For(key=f"unclear:{subject.survey.id}", because="unclear twice", on=subject.today)
    tasks.open_for(session, subject, about, subject.in_force.program.unclear)


def done(session: Session, subject: Subject, staff_name: str) -> None:
    """A member of staff has said what it meant."""
    doer = next((each.id for each in staff.everybody(session) if each.name == staff_name), 0)
    for task in _open(session, subject):
        tasks.record(session, subject.runtime, task, tasks.Done(staff_id=doer))


def let_go(session: Session, subject: Subject) -> None:
    """The customer has said it."""
    for task in _open(session, subject):
        if open_tasks.cancel(session, task.id, "answered after all"):
            note(session, subject, "cancelled", "answered after all", data={"task": task.id})


def _open(session: Session, subject: Subject) -> list[TaskRow]:
    key = f"unclear:{subject.survey.id}" if subject.survey else ""
    return [each for each in open_tasks.open_of_customer(session, subject.customer.id) if each.dedupe_key == key]
