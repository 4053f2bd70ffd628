"""The callback queue: who must be called, oldest due first, and what else only a person can decide: replies that
nobody understood, messages whose outcome nobody knows, and whether anything is sent at all.

Whoever looks chooses which member of staff they are; a conflict (somebody was faster) is said in words.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from starlette.datastructures import FormData
from starlette.responses import RedirectResponse, Response

from bot.errors import Conflict, InputError, NotFound
from bot.journey import callbacks, replies, sending
from bot.store import inbound, staff, tickets, views
from bot.store.tables import StaffRow
from bot.web.access import console, form
from bot.web.apart import hidden_from, in_hidden, must_see_customer, of_others
from bot.web.site import Site, site_of, words_for
from bot.web.survey import Tile, tiles_of
from bot.words import Words
from flows.states import SurveyState, TicketState

router = APIRouter(dependencies=[Depends(console)])

STATES: dict[str, tuple[str, ...]] = {
    "to_call": views.TO_DO,
    "open": (str(TicketState.OPEN),),
    "claimed": (str(TicketState.CLAIMED),),
    "resolved": (str(TicketState.RESOLVED),),
    "closed": (str(TicketState.CLOSED),),
    "all": tuple(str(state) for state in TicketState),
}
"""The choices of the filter, beside the states that they mean."""
SOON = timedelta(hours=24)


@dataclass(frozen=True)
class Filters:
    """What the list is narrowed to."""

    state: str = "to_call"
    role: str = ""
    staff: int = 0


@router.get("/queue")
def show_queue(request: Request, state: str = "to_call", role: str = "", staff: str = "") -> Response:
    return queue_page(request, _filters(request, state, role, staff))


@router.get("/queue/list")
def show_list(request: Request, state: str = "to_call", role: str = "", staff: str = "") -> Response:
    """The list alone, fetched again whenever something has happened."""
    site = site_of(request)
    return site.piece(request, "part_queue.html", **_list(request, site, _filters(request, state, role, staff)))


def queue_page(request: Request, filters: Filters | None = None, *, trouble: str = "", status: int = 200) -> Response:
    """The whole page; `trouble` is what went wrong, in words."""
    site = site_of(request)
    with site.runtime.db.read() as session:
        crew = staff.everybody(session)
        roles = views.owner_roles(session)
    values = _list(request, site, filters or Filters())
    return site.console_page(
        request, "queue.html", status, trouble=trouble, crew=crew, roles=roles, states=list(STATES), **values
    )


def _filters(request: Request, state: str, role: str, holder: str) -> Filters:
    """The filters as asked for; what is unknown is left out. `mine` stands for the visitor."""
    me = site_of(request).me(request)
    named = int(holder) if holder.isdecimal() and len(holder) < 12 else 0
    chosen = (me.id if me else 0) if holder == "mine" else named
    return Filters(state if state in STATES else "to_call", role[:64].replace("\x00", ""), chosen)


def _list(request: Request, site: Site, filters: Filters) -> dict[str, Any]:
    words, hidden = words_for(request), hidden_from(request)
    with site.runtime.db.read() as session:
        rows = tickets.queue(session, states=STATES[filters.state], role=filters.role, staff_id=filters.staff)
        calls = views.calls(session, of_others(hidden, rows))
        unclear, held = views.unclear_replies(session), views.held_messages(session)
        theirs = in_hidden(
            session, hidden, [*(each.row.customer_id for each in unclear), *(m.row.customer_id for m in held)]
        )
    me = site.me(request)
    return {
        "filters": filters,
        "calls": calls,
        "unclear": [(each, coding_tiles(site, each, words)) for each in unclear if each.row.customer_id not in theirs],
        "held": [each for each in held if each.row.customer_id not in theirs],
        "me": me,
        "may_stop": is_manager(me),
        "soon": SOON,
    }


def coding_tiles(site: Site, unclear: views.Unclear, words: Words) -> list[Tile]:
    """The scores that a person may give an unclear reply: those of the question that is open, or none."""
    survey = unclear.survey
    if survey is None or survey.state not in (SurveyState.OPEN, SurveyState.NEEDS_PERSON):
        return []
    program = site.runtime.shelf.version(survey.program_version_id)
    questions = program.surveys[survey.survey].questions
    question = next((each for each in questions if each.id == survey.asked), questions[0])
    return tiles_of(question.scale, words)


# ----- what a person decides

Fields = Annotated[FormData, Depends(form)]


@router.post("/reply/{inbound_id}/code")
def code_reply(request: Request, inbound_id: int, fields: Fields) -> Response:
    """A person says what an unclear reply meant, or that it gives no score."""
    site, words = site_of(request), words_for(request)
    me = site.me(request)
    if me is None:
        return queue_page(request, trouble=words("queue.choose_me"), status=409)
    given = str(fields.get("score", ""))
    with site.runtime.db.read() as session:
        reply = inbound.get(session, inbound_id) if inbound_id < 2**62 else None
    if reply is not None and reply.customer_id:
        must_see_customer(request, reply.customer_id, "coding a reply")
    try:
        score = float(given) if given else None
    except ValueError as error:
        fault = {"field": "score", "reason": "is no number", "remedy": "choose one of the buttons"}
        raise InputError([fault]) from error
    if score is not None and not 0 <= score <= 100:
        raise InputError([{"field": "score", "reason": "is on no scale", "remedy": "choose one of the buttons"}])
    try:
        replies.code_reply(site.runtime, inbound_id, me.name, score)
    except Conflict as error:
        return queue_page(request, trouble=words.because(str(error)), status=409)
    site.nudge()
    return RedirectResponse("/queue", 303)


@router.post("/held/{message_id}")
def decide_held(request: Request, message_id: int, fields: Fields) -> Response:
    """A person decides about a message in doubt: once more, or let it go."""
    again = _yes(fields, "again")
    if message_id >= 2**62:
        raise NotFound(f"there is no message {message_id}")
    site = site_of(request)
    try:
        sending.decide_held(site.runtime, message_id, must_be_somebody(request).name, again=again)
    except Conflict as error:
        return queue_page(request, trouble=words_for(request).because(str(error)), status=409)
    site.nudge()
    return RedirectResponse("/queue", 303)


@router.get("/sending")
def show_sending(request: Request) -> Response:
    """The banner alone, fetched again whenever the switch was turned."""
    site = site_of(request)
    return site.piece(request, "part_sending.html", **site.frame())


@router.post("/sending")
def switch_sending(request: Request, fields: Fields) -> Response:
    """A manager stops all sending, or has it go on."""
    stopped = _yes(fields, "stopped")
    site, words = site_of(request), words_for(request)
    try:
        me = must_be_somebody(request)
        if not is_manager(me):
            raise Conflict(words("sending.managers", name=me.name))
    except Conflict as error:
        return queue_page(request, trouble=str(error), status=409)
    sending.set_stopped(site.runtime, me.name, stopped)
    site.nudge()
    return RedirectResponse("/queue", 303)


def _yes(fields: FormData, name: str) -> bool:
    """What a button with two sides said. InputError when it was neither."""
    given = fields.get(name)
    if given not in ("yes", "no"):
        raise InputError([{"field": name, "reason": "is neither yes nor no", "remedy": "choose one of the buttons"}])
    return given == "yes"


def is_manager(member: StaffRow | None) -> bool:
    return member is not None and bool(callbacks.MANAGERS & set(member.roles))


def must_be_somebody(request: Request) -> StaffRow:
    """The member of staff who acts. Conflict when none was chosen."""
    me = site_of(request).me(request)
    if me is None:
        raise Conflict(words_for(request)("queue.choose_me"))
    return me
