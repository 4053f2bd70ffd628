"""What people are to do: the list of tasks, the most urgent first, and one task with the forms that settle it.

Whoever looks acts as the member of staff whom they chose. What is wrong is said at its field; next: fields.py.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from sqlmodel import Session
from starlette.datastructures import FormData
from starlette.responses import RedirectResponse, Response

from bot.errors import Conflict, InputError, NotFound
from bot.journey import appointments, tasks
from bot.journey.tasks import Done
from bot.store import customers, staff, views
from bot.store import tasks as store
from bot.store.tables import CustomerRow, StaffRow, TaskRow
from bot.web.access import console, form
from bot.web.apart import must_see, tasks_shown
from bot.web.fields import Filled, Input, data_in, filled, inputs_of, instant_in, time_in, words_in
from bot.web.queue import coding_tiles, must_be_somebody
from bot.web.site import Site, site_of, words_for
from bot.web.survey import Tile
from flows.program import Program
from flows.states import TaskState

router = APIRouter(dependencies=[Depends(console)])

SHOWN = 200
"""Tasks on one page."""


@dataclass(frozen=True)
class Filters:
    """What the list is narrowed to."""

    state: TaskState = TaskState.OPEN
    role: str = ""
    staff: int = 0


@dataclass(frozen=True)
class Job:
    """A task beside its customer and whoever is to do it, or did it."""

    row: TaskRow
    person: CustomerRow | None
    doer: StaffRow | None


# ----- the list


@router.get("/tasks")
def show_tasks(request: Request, state: str = "open", role: str = "", staff: str = "") -> Response:
    return _tasks_page(request, _filters(request, state, role, staff))


@router.get("/tasks/list")
def show_list(request: Request, state: str = "open", role: str = "", staff: str = "") -> Response:
    """The list alone, fetched again whenever something has happened."""
    site = site_of(request)
    return site.piece(request, "part_tasks.html", **_list(request, site, _filters(request, state, role, staff)))


def _tasks_page(request: Request, filters: Filters, *, trouble: str = "", status: int = 200) -> Response:
    site = site_of(request)
    with site.runtime.db.read() as session:
        crew = staff.everybody(session)
        roles = store.roles(session)
    values = _list(request, site, filters)
    return site.console_page(
        request, "tasks.html", status, trouble=trouble, crew=crew, roles=roles, states=list(TaskState), **values
    )


def _filters(request: Request, state: str, role: str, holder: str) -> Filters:
    """The filters as asked for; what is unknown is left out. `mine` stands for the visitor."""
    me = site_of(request).me(request)
    named = int(holder) if holder.isdecimal() and len(holder) < 12 else 0
    chosen = (me.id if me else 0) if holder == "mine" else named
    known = TaskState(state) if state in list(TaskState) else TaskState.OPEN
    return Filters(known, role[:64].replace("\x00", ""), chosen)


def _list(request: Request, site: Site, filters: Filters) -> dict[str, Any]:
    with site.runtime.db.read() as session:
        doer = staff.get(session, filters.staff) if filters.staff else None
        rows = store.listed(session, filters.state, filters.role, SHOWN, doer)
        jobs = jobs_of(session, tasks_shown(request, rows))
    return {"filters": filters, "jobs": jobs, "me": site.me(request)}


def jobs_of(session: Session, rows: Sequence[TaskRow]) -> list[Job]:
    """The tasks with whom they are about and for."""
    people = customers.by_ids(session, {row.customer_id for row in rows})
    doers = {each: staff.get(session, each) for each in {row.staff_id for row in rows} if each}
    return [Job(row, people.get(row.customer_id), doers.get(row.staff_id)) for row in rows]


# ----- one task


@router.get("/task/{task_id}")
def show_task(request: Request, task_id: int) -> Response:
    return _task_page(request, task_id)


def _task_page(
    request: Request, task_id: int, again: Filled | None = None, *, trouble: str = "", status: int = 200
) -> Response:
    """The page of one task; `again`: the form that must be mended; `trouble`: what went wrong, in words. NotFound."""
    site, language = site_of(request), words_for(request).language
    me = site.me(request)
    with site.runtime.db.read() as session:
        row = _must_be(session, task_id)
        if not tasks_shown(request, [row]):
            must_see(request, [row.program_id], f"task {task_id}")
        (job,) = jobs_of(session, [row])
        crew = staff.everybody(session)
        program = site.runtime.shelf.version(row.program_version_id)
    values = {
        "job": job,
        "task": row,
        "shown": program.shown(row.flow, row.kind, row.role, job.person.attributes) if job.person else {},
        "inputs": _inputs(program, row),
        "ways": {kind: program.text(program.contacts[kind].name, language) for kind in row.counts_as},
        "may_let_go": me is not None and tasks.may_let_go(row, me),
        "unclear": _unclear(request, row),
        "is_appointment": appointments.is_appointment(site.runtime, row),
        "again": again or Filled(),
        "customer_zone": _zone(program, job.person),
    }
    return site.console_page(request, "task.html", status, trouble=trouble, me=me, crew=crew, **values)


def _unclear(request: Request, row: TaskRow) -> list[tuple[views.Unclear, list[Tile]]]:
    """The replies whose meaning this task asks for, each with the scores that it may be given."""
    site, words = site_of(request), words_for(request)
    if row.kind != site.runtime.shelf.version(row.program_version_id).unclear.kind:
        return []
    with site.runtime.db.read() as session:
        found = views.unclear_replies(session, customer_id=row.customer_id)
    return [(each, coding_tiles(site, each, words)) for each in found]


def _inputs(program: Program, row: TaskRow) -> list[Input]:
    """What is noted of a task; without what its contact's kind requires, the contact counts not."""
    counts = [name for kind in row.counts_as for name in program.contacts[kind].required]
    asked = [tasks.required_of(program, row, kind) for kind in row.counts_as]
    must = [name for name in row.required if all(name in each for each in asked)]
    return inputs_of(tasks.fields_of(program, row), must, counts)


def _zone(program: Program, person: CustomerRow | None) -> str:
    return person.zone if person else program.zone


def _must_be(session: Session, task_id: int) -> TaskRow:
    row = store.get(session, task_id) if task_id < 2**62 else None
    if row is None:
        raise NotFound(f"there is no task {task_id}")
    return row


# ----- settled

Fields = Annotated[FormData, Depends(form)]


@router.post("/task/{task_id}/done")
def record(request: Request, task_id: int, fields: Fields) -> Response:
    """It is done: by whom, when, with its fields and the result."""
    site = site_of(request)
    with site.runtime.db.read() as session:
        row = _must_be(session, task_id)
        person = customers.get(session, row.customer_id) if row.customer_id else None
    program = site.runtime.shelf.version(row.program_version_id)

    def finish(me: StaffRow) -> None:
        at = instant_in(fields, "at", _zone(program, person), site.now())
        data = data_in(fields, tasks.fields_of(program, row))
        done = Done(me.id, at, data, words_in(fields, "result"), words_in(fields, "made"))
        tasks.finish(site.runtime, task_id, done)

    return _settle(request, task_id, fields, "done", finish)


@router.post("/task/{task_id}/appoint")
def appoint(request: Request, task_id: int, fields: Fields) -> Response:
    """The time that the customer proposed holds, or another that staff name; the customer hears of it."""
    site = site_of(request)
    with site.runtime.db.read() as session:
        row = _must_be(session, task_id)
        person = customers.get(session, row.customer_id) if row.customer_id else None
    zone = _zone(site.runtime.shelf.version(row.program_version_id), person)

    def agree(me: StaffRow) -> None:
        appointments.agree(site.runtime, task_id, time_in(fields, "at", zone), me.id)

    return _settle(request, task_id, fields, "appoint", agree)


@router.post("/task/{task_id}/cancel")
def let_go(request: Request, task_id: int, fields: Fields) -> Response:
    """It need not be done, for a reason; that is for its superior or a manager to say."""
    runtime = site_of(request).runtime
    with runtime.db.read() as session:
        _must_be(session, task_id)

    def cancel(me: StaffRow) -> None:
        tasks.cancel(runtime, task_id, words_in(fields, "reason"), me.id)

    return _settle(request, task_id, fields, "cancel", cancel)


def _settle(
    request: Request, task_id: int, fields: FormData, which: str, action: Callable[[StaffRow], None]
) -> Response:
    """Do it as the chosen member of staff and go back to the list; else the page again, with what is wrong."""
    words = words_for(request)
    try:
        action(must_be_somebody(request))
    except InputError as error:
        again = filled(which, fields, error.faults)
        return _task_page(request, task_id, again, trouble=words("tasks.mend"), status=422)
    except Conflict as error:
        again = filled(which, fields, ())
        return _task_page(request, task_id, again, trouble=words.because(str(error)), status=409)
    site_of(request).nudge()
    return RedirectResponse("/tasks", 303)
