"""One ticket: what the customer said, by when somebody calls, who was told, what was done, and how they felt after.

Every action is a form; what cannot be done is said on the same page, in words.
"""

from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.datastructures import FormData
from starlette.responses import RedirectResponse, Response

from bot.errors import Conflict, InputError, NotFound
from bot.journey import callbacks
from bot.runtime import Runtime
from bot.store import staff, tickets, views
from bot.web.access import console, form, local_path
from bot.web.apart import must_see
from bot.web.lines import tell
from bot.web.queue import is_manager, must_be_somebody, queue_page
from bot.web.site import site_of, words_for

router = APIRouter(dependencies=[Depends(console)])

LONGEST = 2000


@router.get("/ticket/{ticket_id}")
def show_ticket(request: Request, ticket_id: int) -> Response:
    return ticket_page(request, ticket_id)


@router.get("/ticket/{ticket_id}/case")
def show_case(request: Request, ticket_id: int) -> Response:
    """The facts and the history alone, fetched again whenever something has happened to this ticket."""
    return ticket_page(request, ticket_id, piece=True)


def ticket_page(
    request: Request, ticket_id: int, *, trouble: str = "", status: int = 200, piece: bool = False
) -> Response:
    """The page of one ticket; `trouble` is what went wrong, in words. NotFound."""
    site, words = site_of(request), words_for(request)
    with site.runtime.db.read() as session:
        case = views.case(session, ticket_id) if ticket_id < 2**62 else None
        if case is None:
            raise NotFound(f"there is no ticket {ticket_id}")
        must_see(request, [case.call.row.program_id], f"ticket {ticket_id}")
        story = views.story_of(session, views.lines_of_ticket(session, ticket_id))
        crew = staff.everybody(session)
    me = site.me(request)
    values = {
        "case": case,
        "call": case.call,
        "ticket": case.call.row,
        "lines": tell(site, words, story),
        "me": me,
        "crew": crew,
        "may_close": is_manager(me),
        "customer_zone": case.call.person.zone,
    }
    if piece:
        return site.piece(request, "part_case.html", **values)
    return site.console_page(request, "ticket.html", status, trouble=trouble, **values)


# ----- actions

Fields = Annotated[FormData, Depends(form)]


@router.post("/ticket/{ticket_id}/claim")
def claim(request: Request, ticket_id: int, fields: Fields) -> Response:
    return _act(request, ticket_id, fields, callbacks.claim)


@router.post("/ticket/{ticket_id}/acknowledge")
def acknowledge(request: Request, ticket_id: int, fields: Fields) -> Response:
    return _act(request, ticket_id, fields, callbacks.acknowledge)


@router.post("/ticket/{ticket_id}/give_back")
def give_back(request: Request, ticket_id: int, fields: Fields) -> Response:
    return _act(request, ticket_id, fields, callbacks.give_back, _words(fields, "because"))


@router.post("/ticket/{ticket_id}/resolve")
def resolve(request: Request, ticket_id: int, fields: Fields) -> Response:
    return _act(request, ticket_id, fields, callbacks.resolve, _words(fields, "result"))


@router.post("/ticket/{ticket_id}/close")
def close(request: Request, ticket_id: int, fields: Fields) -> Response:
    return _act(request, ticket_id, fields, callbacks.override_close, _words(fields, "reason"))


def _act(
    request: Request,
    ticket_id: int,
    fields: FormData,
    action: Callable[..., None],
    *words: str,
) -> Response:
    """Do it as the chosen member of staff, and go back to the page that the form stood on."""
    site = site_of(request)
    back = local_path(str(fields.get("back", f"/ticket/{ticket_id}")))
    try:
        me = must_be_somebody(request)
        _must_see(request, ticket_id)
        _run(site.runtime, action, ticket_id, me.id, words)
    except (Conflict, InputError) as error:
        trouble = words_for(request).because(_said(error))
        status = 409 if isinstance(error, Conflict) else 422
        if back.startswith("/queue"):
            return queue_page(request, trouble=trouble, status=status)
        return ticket_page(request, ticket_id, trouble=trouble, status=status)
    site.nudge()
    return RedirectResponse(back, 303)


def _must_see(request: Request, ticket_id: int) -> None:
    with site_of(request).runtime.db.read() as session:
        ticket = tickets.get(session, ticket_id) if ticket_id < 2**62 else None
    if ticket is not None:
        must_see(request, [ticket.program_id], f"ticket {ticket_id}")


def _run(runtime: Runtime, action: Callable[..., None], ticket_id: int, staff_id: int, words: tuple[str, ...]) -> None:
    if ticket_id >= 2**62:
        raise NotFound(f"there is no ticket {ticket_id}")
    action(runtime, ticket_id, staff_id, *words)


def _said(error: Conflict | InputError) -> str:
    if isinstance(error, InputError):
        return "; ".join(str(fault.get("remedy") or fault.get("reason")) for fault in error.faults)
    return str(error)


def _words(fields: FormData, name: str) -> str:
    return str(fields.get(name, "")).replace("\x00", "").strip()[:LONGEST]
