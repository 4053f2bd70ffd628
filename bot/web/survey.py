"""The survey page on a customer's phone: one tap scores, then more questions and words if they like, then thanks.

Works without a script. It shows the company, what it is about and the questions, and nothing else of anybody: a link
may be forwarded, and previews open it, so opening changes nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from starlette.datastructures import FormData
from starlette.responses import RedirectResponse, Response

from bot.errors import Conflict, InputError, NotFound
from bot.journey import consents, replies
from bot.journey.outreach import without_hint
from bot.store import customers, follow_ups, views
from bot.web.access import caller, public_form
from bot.web.site import Site, site_of
from bot.words import Words, words_in
from flows.program import Program, Question
from flows.score import is_low
from flows.states import SurveyState, TicketState
from messages.reading import Scale

router = APIRouter()

LONGEST = 1000
_STEPS: Mapping[Scale, tuple[float, ...]] = {
    Scale.FIVE: (1, 2, 3, 4, 5),
    Scale.LEVEL5: (1, 2, 3, 4, 5),
    Scale.ZERO_TO_TEN: tuple(range(11)),
    Scale.ONE_TO_TEN: tuple(range(1, 11)),
    Scale.HUNDRED: tuple(range(0, 101, 10)),
    Scale.YESNO: (0, 1),
}


@dataclass(frozen=True)
class Tile:
    """One button of a scale: what it sends, what it says, and its colour from 1 (worst) to 5."""

    value: str
    label: str
    word: str
    level: int


@dataclass(frozen=True)
class Asked:
    """One question as the page asks it; `given` is what was answered already."""

    id: str
    text: str
    scale: str
    tiles: tuple[Tile, ...]
    given: str = ""


@router.get("/s/{token}")
def show_survey(request: Request, token: str, step: str = "") -> Response:
    """The page as it stands: first question, more questions, thanks, or closed."""
    site = site_of(request)
    sheet = _sheet(request, token)
    program = site.runtime.shelf.version(sheet.survey.program_version_id)
    words = words_in(sheet.language)
    first, more = _questions(program, sheet, words)
    stopped = _opted_out(site, sheet)
    common = {
        "token": token,
        "w": words,
        "company": _company(program, words),
        "about": _about(program, sheet),
        "stopped": stopped,
    }
    if step == "stopped" and stopped:
        return _page(site, request, "stopped", **common)
    answered = any(answer.points is not None for answer in sheet.answers)
    if not _still_open(site, sheet):
        return _page(site, request, "closed", **common, answered=bool(sheet.answers))
    low = _is_low(program, sheet)
    call_before = sheet.ticket.call_before if sheet.ticket and sheet.ticket.state != TicketState.RESOLVED else None
    if step == "done" or (not answered and sheet.answers):
        return _page(site, request, "done", **common, low=low, call_before=call_before, customer_zone=sheet.zone)
    if answered:
        return _page(
            site,
            request,
            "more",
            **common,
            low=low,
            call_before=call_before,
            customer_zone=sheet.zone,
            first=first,
            more=more,
        )
    return _page(site, request, "ask", **common, first=first)


@router.post("/s/{token}")
def answer(request: Request, token: str, fields: Annotated[FormData, Depends(public_form)]) -> Response:
    """Book what was tapped and written, or opt out; then the page again, so that a reload sends nothing twice."""
    site = site_of(request)
    sheet = _sheet(request, token)
    if fields.get("stop"):
        consents.opt_out_on_page(site.runtime, token)
        site.nudge()
        return RedirectResponse(f"/s/{token}?step=stopped", 303)
    program = site.runtime.shelf.version(sheet.survey.program_version_id)
    scores = _scores(program, sheet, fields)
    comment = str(fields.get("comment", "")).replace("\x00", "").strip()[:LONGEST]
    if scores or comment:
        try:
            replies.answer_on_page(site.runtime, token, scores, comment)
        except Conflict:
            return RedirectResponse(f"/s/{token}", 303)
        site.nudge()
    last = "?step=done" if fields.get("step") == "more" else ""
    return RedirectResponse(f"/s/{token}{last}", 303)


# ----- what the page knows


def _sheet(request: Request, token: str) -> views.Sheet:
    """The survey of a link. NotFound; TooMany for who guesses."""
    site, who = site_of(request), caller(request)
    site.gate.links.check(who)
    with site.runtime.db.read() as session:
        sheet = views.sheet(session, token) if token.isascii() and len(token) <= 32 else None
    if sheet is None:
        site.gate.links.count(who)
        raise NotFound("this link is not known")
    return sheet


def _still_open(site: Site, sheet: views.Sheet) -> bool:
    """May answers still be given? An answered survey takes more words until its closing date."""
    waits = sheet.survey.state in (SurveyState.OPEN, SurveyState.NEEDS_PERSON, SurveyState.ANSWERED)
    return waits and site.runtime.clock.now() < sheet.survey.closes_at


def _opted_out(site: Site, sheet: views.Sheet) -> bool:
    with site.runtime.db.read() as session:
        customer = customers.get(session, sheet.survey.customer_id)
        asked_by = follow_ups.get(session, sheet.survey.follow_up_id)
        alone = asked_by is not None and asked_by.person_id in customers.silent_people(
            session, sheet.survey.customer_id
        )
    return alone or (customer is not None and customer.opted_out_at is not None)


def _questions(program: Program, sheet: views.Sheet, words: Words) -> tuple[Asked, list[Asked]]:
    """(the question that one tap answers, the others), in the customer's language."""
    given = {row.question: f"{row.score:g}" for row in sheet.answers if row.score is not None}
    asked = [_asked(program, question, words, given) for question in program.surveys[sheet.survey.survey].questions]
    return asked[0], asked[1:]


def _asked(program: Program, question: Question, words: Words, given: Mapping[str, str]) -> Asked:
    text = without_hint(program.text(question.text, words.language))
    return Asked(
        question.id, text, str(question.scale), tuple(tiles_of(question.scale, words)), given.get(question.id, "")
    )


def tiles_of(scale: Scale, words: Words) -> list[Tile]:
    """The buttons of a scale, worst first; free text has none."""
    steps = _STEPS.get(scale, ())
    tiles = []
    for index, step in enumerate(steps):
        level = 1 + round(4 * index / (len(steps) - 1))
        word = ""
        if scale in (Scale.FIVE, Scale.LEVEL5):
            word = words(f"level.{level}")
        elif scale is Scale.YESNO:
            word = words("survey.yes" if step else "survey.no")
        label = word if scale in (Scale.LEVEL5, Scale.YESNO) else f"{step:g}"
        tiles.append(Tile(f"{step:g}", label, "" if label == word else word, level))
    return tiles


def _scores(program: Program, sheet: views.Sheet, fields: FormData) -> dict[str, float]:
    """What was tapped, by question. InputError for a value that no button has."""
    scores: dict[str, float] = {}
    for question in program.surveys[sheet.survey.survey].questions:
        given = fields.get(f"q.{question.id}")
        if not isinstance(given, str) or not given:
            continue
        known = {f"{step:g}": step for step in _STEPS.get(question.scale, ())}
        if given not in known:
            fault = {"field": question.id, "reason": "is no answer of this scale", "remedy": "tap one of the buttons"}
            raise InputError([fault])
        booked = next((row.score for row in sheet.answers if row.question == question.id), None)
        if booked != known[given]:
            scores[question.id] = known[given]
    return scores


def _is_low(program: Program, sheet: views.Sheet) -> bool:
    survey = program.surveys[sheet.survey.survey]
    known = {question.id: question for question in survey.questions}
    return any(is_low(program.replies.low, row.points, row.level, known.get(row.question)) for row in sheet.answers)


def _company(program: Program, words: Words) -> str:
    return program.text(program.company, words.language)


def _about(program: Program, sheet: views.Sheet) -> str:
    """What it is about: the item of the event, where there is one."""
    event = sheet.event
    kind = program.events.get(event.type) if event else None
    return str(event.data.get(kind.item) or "") if event and kind and kind.item else ""


def _page(site: Site, request: Request, state: str, **values: Any) -> Response:
    """A page without visit and console: no cookie is set."""
    html = site.fragment(request, "survey.html", state=state, **values)
    return Response(
        html,
        media_type="text/html; charset=utf-8",
        headers={"Cache-Control": "no-store", "X-Robots-Tag": "noindex, nofollow"},
    )
