"""Surveys as an archive: what each has come to, and its single forms for whoever takes part in it.

Totals are for everybody who may see the console, but none of so few forms that they would tell a single answer.
"""

from datetime import date
from typing import Any

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from bot.errors import NotFound
from bot.journey import rights
from bot.store import forms, staff
from bot.web.access import console
from bot.web.apart import hidden_from
from bot.web.queue import must_be_somebody
from bot.web.site import Site, site_of
from flows.archive import kept_through
from flows.program import Program

router = APIRouter(dependencies=[Depends(console)])

FEWEST = 5
"""Fewer answered forms than this have no mean for whoever is kept apart."""


@router.get("/surveys")
def show_surveys(request: Request) -> Response:
    """Every survey with how many were asked, how many answered, and the mean of the points."""
    site, hidden = site_of(request), hidden_from(request)
    with site.runtime.db.read() as session:
        found = forms.totals(session)
        crew = staff.everybody(session)
    rows = [(each, each.program_id in hidden) for each in found if site.program(each.program_id)]
    return site.console_page(request, "surveys.html", rows=rows, crew=crew, me=site.me(request), fewest=FEWEST)


@router.get("/surveys/{program_id}/{survey}")
def show_forms(request: Request, program_id: str, survey: str, page: int = 0) -> Response:
    """Whom a survey was sent to, and what each answered. Forbidden: the visitor is kept apart from it."""
    site, page = site_of(request), min(max(page, 0), 100_000)
    found = rights.forms_of(site.runtime, program_id, survey, must_be_somebody(request).id, page)
    program = _program(site, program_id)
    rows: list[dict[str, Any]] = [{"form": each, "kept": _kept_through(program, each)} for each in found]
    return site.console_page(
        request,
        "forms.html",
        program=program,
        survey=survey,
        questions={question.id: question for question in program.surveys[survey].questions},
        rows=rows,
        page=page,
        more=len(found) == rights.SHOWN,
    )


def _program(site: Site, program_id: str) -> Program:
    program = site.program(program_id)
    if program is None:
        raise NotFound(f"there is no program {program_id}")
    return program


def _kept_through(program: Program, form: forms.Form) -> date | None:
    """The last day on which a form must be there; None: for ever."""
    if program.archive is None:
        return None
    return kept_through(form.row.opened_at.astimezone(program.time_zone).date(), program.archive.keep)
