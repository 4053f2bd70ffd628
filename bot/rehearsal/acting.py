"""What members of staff do in a scenario: tickets, tasks, logged contacts, approvals, dates that they plan by hand.

What the product refuses - a ticket that nobody has opened, a task without its required field, a contact by somebody who
is not there - is a line of the timeline, and the rehearsal goes on.
"""

from collections.abc import Callable
from datetime import date, datetime
from typing import TYPE_CHECKING

from bot.errors import Conflict, Forbidden, InputError, NotFound
from bot.journey import appointments, approving, archive, callbacks, contacts, rights, rosters, tasks, violations
from bot.rehearsal.scenario import Step
from bot.store import tasks as task_rows
from bot.store import tickets
from bot.store import violations as case_rows
from bot.store.tables import TaskRow
from flows.program import Program
from flows.states import ViolationState

if TYPE_CHECKING:
    from bot.rehearsal.stage import Stage

SOURCE = "rehearsal"
"""The system that everything in a scenario is told by."""


def act(stage: "Stage", step: Step) -> None:
    """One step that begins with `staff`; what is refused is told in the timeline."""
    try:
        _act(stage, step)
    except InputError as error:
        stage.refuse(step, f"{step.does} was refused", error.faults)
    except (Conflict, Forbidden, NotFound) as error:
        stage.refuse(step, f"{step.does} was refused", [{"reason": str(error)}])


def _act(stage: "Stage", step: Step) -> None:
    assert step.staff is not None
    match step.does:
        case "done":
            _finish(stage, step)
        case "appoint":
            at = stage.instant(step.on) if isinstance(step.on, datetime) else None
            appointments.agree(stage.runtime, _task_of(stage, step).id, at, stage.members[step.staff])
        case "plan":
            contacts.plan_extra(stage.runtime, stage.ids[step.customer], _by_hand(stage, step))
        case "agree":
            contacts.agree_next(stage.runtime, stage.ids[step.customer], _by_hand(stage, step))
        case "submit" | "approve" | "withdraw":
            _judge(stage, step)
        case "confirm" | "dismiss":
            _decide(stage, step)
        case "take_duty" | "leave_duty":
            rosters.set_duty(stage.runtime, stage.members[step.staff], step.days, off=step.does == "leave_duty")
        case "look":
            program = step.program or _program_with(stage, lambda each: step.survey in each.surveys)
            rights.forms_of(stage.runtime, program, step.survey, stage.members[step.staff])
        case "ask_deletion" | "approve_deletion" | "refuse_deletion":
            _archive(stage, step)
        case _:
            _handle(stage, step, step.ticket or _ticket_of(stage, step.customer), stage.members[step.staff])


def log_contact(stage: "Stage", step: Step) -> None:
    """A call, a visit or a letter that somebody notes."""
    assert step.contact is not None
    row = contacts.ContactIn(
        id=step.id or stage.next_id("contact"),
        kind=step.contact,
        customer=step.customer,
        at=stage.instant(step.at),
        program=step.program,
        person=step.person,
        staff=str(stage.members[step.staff]) if step.staff else "",
        data=step.data,
        next_on=step.next_on,
    )
    (result,) = contacts.log_contact(stage.runtime, SOURCE, [row])
    if result.verdict == "refused":
        stage.refuse(step, f"the {step.contact} was refused", result.faults)


# ----- tickets


def _handle(stage: "Stage", step: Step, ticket: int, member: int) -> None:
    match step.does:
        case "claim":
            callbacks.claim(stage.runtime, ticket, member)
        case "acknowledge":
            callbacks.acknowledge(stage.runtime, ticket, member)
        case "give_back":
            callbacks.give_back(stage.runtime, ticket, member, step.reason)
        case "resolve":
            with stage.runtime.db.read() as session:
                row = tickets.get(session, ticket)
            if row is not None and row.state == "open":
                callbacks.claim(stage.runtime, ticket, member)
            callbacks.resolve(stage.runtime, ticket, member, step.result or "handled")
        case "close":
            callbacks.override_close(stage.runtime, ticket, member, step.reason)


def _ticket_of(stage: "Stage", customer: str) -> int:
    """The newest ticket of a customer that is not closed."""
    with stage.runtime.db.read() as session:
        live = [row for row in tickets.of_customer(session, stage.ids.get(customer, 0)) if row.state != "closed"]
    if not live:
        raise NotFound(f"{customer or 'nobody'} has no open ticket")
    return live[-1].id


# ----- tasks


def _finish(stage: "Stage", step: Step) -> None:
    """The task that a number, flow, duty or kind names, or that is due then, is recorded as done: the most urgent."""
    assert step.staff is not None
    task = _task_of(stage, step)
    member, at = stage.members[step.staff], stage.instant(step.at)
    done = tasks.Done(staff_id=member, at=at, data=step.data, result=step.result, made=step.made)
    try:
        tasks.finish(stage.runtime, task.id, done)
    except InputError as error:
        stage.refuse(step, f"{task.name} is not done", error.faults, task=task.id)


def _task_of(stage: "Stage", step: Step) -> TaskRow:
    with stage.runtime.db.read() as session:
        if isinstance(step.task, int) and step.task:
            row = task_rows.get(session, step.task)
            found = [row] if row else []
        elif step.customer:
            found = list(task_rows.open_of_customer(session, stage.ids[step.customer]))
        else:
            found = list(task_rows.listed(session))
    if isinstance(step.task, str):
        found = [row for row in found if step.task in (row.flow, row.kind)]
    if step.flow:
        found = [row for row in found if row.flow == step.flow]
    if step.due:
        found = [row for row in found if _is_due(row, step.due, stage)]
    if not found:
        raise NotFound(f"{step.customer or 'nobody'} has no such open task")
    own = stage.members[step.staff or ""]
    return min(found, key=lambda row: row.staff_id != own)  # of a duty of each member, their own comes first


def _is_due(task: TaskRow, due: date, stage: "Stage") -> bool:
    """Is it due on this day, or at this time?"""
    if isinstance(due, datetime):
        return task.due_at == stage.instant(due)
    return task.due_at.astimezone(stage.zone).date() == due


# ----- surveys and texts that must be approved


def _judge(stage: "Stage", step: Step) -> None:
    """A content of the program that has it is submitted, approved or withdrawn."""
    assert step.staff is not None
    programs = [each.program for each in stage.runtime.shelf.in_force]
    has_it = [program.id for program in programs if step.content in dict(program.approvals)]
    acts = {"submit": approving.submit, "approve": approving.approve, "withdraw": approving.withdraw}
    acts[step.does or ""](stage.runtime, step.program or has_it[0], step.content, stage.members[step.staff])


# ----- violations


def _decide(stage: "Stage", step: Step) -> None:
    """The suspected case that a number or a kind names, else the customer's newest one, is confirmed or dismissed."""
    member = stage.members[step.staff or ""]
    case = _case_of(stage, step)
    if step.does == "confirm":
        about = stage.called([step.about])[0] if step.about else ""
        violations.confirm(stage.runtime, case, member, about)
    else:
        violations.dismiss(stage.runtime, case, member, step.reason)


def _case_of(stage: "Stage", step: Step) -> int:
    if isinstance(step.violation, int) and step.violation:
        return step.violation
    with stage.runtime.db.read() as session:
        found = case_rows.listed(session, ViolationState.SUSPECTED, stage.ids.get(step.customer, 0))
    case = next((row for row in found if step.violation in (0, row.kind)), None)
    if case is None:
        raise NotFound(f"{step.customer or 'nobody'} has no such suspected violation")
    return case.id


# ----- forms that need not be kept


def _archive(stage: "Stage", step: Step) -> None:
    """A deletion of the program that keeps an archive is asked for, approved or refused."""
    program = step.program or _program_with(stage, lambda each: each.archive is not None)
    member = stage.members[step.staff or ""]
    match step.does:
        case "ask_deletion":
            archive.ask(stage.runtime, program, member)
        case "approve_deletion":
            archive.approve(stage.runtime, program, member)
        case _:
            archive.refuse(stage.runtime, program, member, step.reason)


def _program_with(stage: "Stage", fits: Callable[[Program], object]) -> str:
    """The first program that fits; else the first, which will refuse."""
    programs = [each.program for each in stage.runtime.shelf.in_force]
    return next((program for program in programs if fits(program)), programs[0]).id


# ----- dates planned by hand


def _by_hand(stage: "Stage", step: Step) -> contacts.ByHand:
    """A day, or a time of day, for one flow of the program that has it (R35, R36)."""
    programs = [each.program for each in stage.runtime.shelf.in_force]
    has_it = [program.id for program in programs if any(flow.id == step.flow for flow in program.flows)]
    at = stage.instant(step.on) if isinstance(step.on, datetime) else None
    on = None if isinstance(step.on, datetime) else step.on
    by = stage.members[step.staff or ""]
    return contacts.ByHand(step.program or has_it[0], step.flow, step.reason or "planned by hand", on, at, by)
