"""Violations that are suspected: whom each concerns, what it rests on, what is proposed; a manager's word on it.

Whoever looks acts as the member of staff whom they chose; who may decide is asked in the journey.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.datastructures import FormData
from starlette.responses import RedirectResponse, Response

from bot.errors import Conflict, InputError, NotFound
from bot.journey import violations
from bot.runtime import Runtime
from bot.store import customers, staff
from bot.store import violations as store
from bot.store.tables import StaffRow, ViolationRow
from bot.web.access import console, form
from bot.web.apart import hidden_from, of_others
from bot.web.fields import words_in
from bot.web.queue import must_be_somebody
from bot.web.site import Site, site_of, words_for
from bot.words import Words
from flows.states import ViolationState

router = APIRouter(dependencies=[Depends(console)])


@dataclass(frozen=True)
class Case:
    """A case in the visitor's language, with the customer it came from, and whoever has decided it."""

    row: ViolationRow
    name: str
    proposed: str
    customer: str
    decider: str
    mine: bool
    """Is it for the visitor to decide?"""


@router.get("/violations")
def show_violations(request: Request, state: str = ViolationState.SUSPECTED) -> Response:
    return _page(request, ViolationState(state) if state in set(ViolationState) else ViolationState.SUSPECTED)


def _page(request: Request, state: ViolationState, *, trouble: str = "", status: int = 200) -> Response:
    """All cases in a state; `trouble`: what went wrong, in words."""
    site = site_of(request)
    me, hidden = site.me(request), hidden_from(request)
    with site.runtime.db.read() as session:
        rows = of_others(hidden, store.listed(session, state))
        crew = staff.everybody(session)
        people = customers.by_ids(session, {row.customer_id for row in rows})
        deciders = {each: staff.get(session, each) for each in {row.decided_by for row in rows} if each}
    names = {id_: person.name for id_, person in people.items()}
    names_of_staff = {id_: member.name for id_, member in deciders.items() if member}
    words = words_for(request)
    cases = [_case(site, words, row, me, names, names_of_staff) for row in rows]
    values = {"cases": cases, "state": state, "states": list(ViolationState), "crew": crew, "me": me}
    return site.console_page(request, "violations.html", status, trouble=trouble, **values)


def _case(
    site: Site, words: Words, row: ViolationRow, me: StaffRow | None, people: dict[int, str], crew: dict[int, str]
) -> Case:
    program = site.runtime.shelf.version(row.program_version_id)
    return Case(
        row,
        name=program.text(program.violations[row.kind].name, words.language),
        proposed=program.text(row.sanction, words.language) if row.sanction else "",
        customer=people.get(row.customer_id, ""),
        decider=crew.get(row.decided_by, ""),
        mine=me is not None and violations.may_decide(site.runtime, row, me),
    )


Fields = Annotated[FormData, Depends(form)]


@router.post("/violation/{case_id}/confirm")
def confirm(request: Request, case_id: int, fields: Fields) -> Response:
    return _decide(request, case_id, violations.confirm, words_in(fields, "about"))


@router.post("/violation/{case_id}/dismiss")
def dismiss(request: Request, case_id: int, fields: Fields) -> Response:
    return _decide(request, case_id, violations.dismiss, words_in(fields, "reason"))


def _decide(request: Request, case_id: int, action: Callable[[Runtime, int, int, str], None], said: str) -> Response:
    """Do it as the chosen member of staff, and go back to what is suspected still."""
    site, words = site_of(request), words_for(request)
    if case_id >= 2**62:
        raise NotFound(f"there is no violation {case_id}")
    try:
        action(site.runtime, case_id, must_be_somebody(request).id, said)
    except (Conflict, InputError) as error:
        faults = [str(fault.get("remedy")) for fault in error.faults] if isinstance(error, InputError) else [str(error)]
        trouble = "; ".join(words.because(fault) for fault in faults)
        status = 409 if isinstance(error, Conflict) else 422
        return _page(request, ViolationState.SUSPECTED, trouble=trouble, status=status)
    site.nudge()
    return RedirectResponse("/violations", 303)
