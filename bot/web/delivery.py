"""How messages get through: senders that are paused, what waits, and whom no message reached.

A manager resumes a sender once its set-up is mended; the rest goes on by itself.
"""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from starlette.datastructures import FormData
from starlette.responses import RedirectResponse, Response

from bot.errors import Conflict, NotFound
from bot.journey import senders
from bot.store import views
from bot.web.access import console, form
from bot.web.apart import hidden_from
from bot.web.queue import is_manager, must_be_somebody
from bot.web.site import site_of, words_for

router = APIRouter(dependencies=[Depends(console)])


@router.get("/delivery")
def show_delivery(request: Request) -> Response:
    return _page(request)


@router.post("/delivery/resume")
def resume_sender(request: Request, fields: Annotated[FormData, Depends(form)]) -> Response:
    """A manager says that the set-up is mended: the sender goes on."""
    site, words = site_of(request), words_for(request)
    try:
        me = must_be_somebody(request)
        if not is_manager(me):
            raise Conflict(words("sending.managers", name=me.name))
        senders.resume(site.runtime, str(fields.get("channel", "")), str(fields.get("sender", "")), me.name)
    except NotFound:
        pass  # somebody was faster, or it went on by itself
    except Conflict as error:
        return _page(request, trouble=str(error), status=409)
    site.nudge()
    return RedirectResponse("/delivery", 303)


def _page(request: Request, *, trouble: str = "", status: int = 200) -> Response:
    site, hidden = site_of(request), hidden_from(request)
    with site.runtime.db.read() as session:
        values: dict[str, Any] = {
            "paused_senders": senders.paused(session),
            "waiting": views.waiting(session, site.runtime.clock.now()),
            "unreached": [each for each in views.unreached(session) if each.row.program_id not in hidden],
        }
    may_resume = is_manager(site.me(request))
    return site.console_page(request, "delivery.html", status, trouble=trouble, may_resume=may_resume, **values)
