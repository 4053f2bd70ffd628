"""Anybody's phone, drawn as one: its thread of texts, a box to type in, and the buttons 1 to 5.

A text typed here goes the way of every reply: the built-in phone keeps it, `inbox.receive` stores it once, and the
journey reads it. The console knows no shorter way.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, Request
from markupsafe import Markup, escape
from starlette.datastructures import FormData
from starlette.responses import RedirectResponse, Response

from bot.channels.contract import Received
from bot.channels.simulator import Simulator, Text
from bot.errors import Conflict, InputError, NotFound
from bot.journey import inbox
from bot.store import customers, trail, views
from bot.web.access import console, form
from bot.web.apart import hidden_from, must_see_customer, without_moods
from bot.web.lines import tell
from bot.web.site import Site, site_of, words_for
from bot.words import Words
from flows.states import TicketState

router = APIRouter(dependencies=[Depends(console)])

PAGE = 60
LONGEST = 1000
"""Signs that may be typed at once."""
SHOWN = 200
"""Texts of a thread that are drawn."""
BEHIND = 12
"""Lines of the trail beside a phone."""
REAL = "the phones here are real ones: they cannot be shown"
_LINK = re.compile(r"https?://[^\s，。！？；、）)]+")


@dataclass(frozen=True)
class Bubble:
    """One text on the screen; `day` is set on the first one of a day."""

    body: Markup
    sent: bool
    at: datetime
    day: str = ""


@router.get("/phones")
def list_phones(request: Request, q: str = "", page: int = 0) -> Response:
    """Everybody's phone, staff first; `q` searches names and numbers. Conflict: the phones are real ones."""
    site, words = site_of(request), q.strip()[:60].replace("\x00", "")
    if not site.shows_phones:
        raise Conflict(REAL)
    page = min(max(page, 0), 100_000)
    with site.runtime.db.read() as session:
        found = views.customer_phones(session, words, PAGE + 1, page * PAGE)
        crew = views.staff_phones(session)
    found = without_moods(hidden_from(request), found)
    crew = [phone for phone in crew if words.lower() in phone.name.lower() or words in phone.address] if words else crew
    return site.console_page(
        request,
        "phones.html",
        q=words,
        page=page,
        phones=found[:PAGE],
        more=len(found) > PAGE,
        crew=crew if page == 0 else [],
    )


@router.get("/phone/{address}")
def show_phone(request: Request, address: str) -> Response:
    site = _may_take(request, address)
    words = words_for(request)
    screen = _screen(site, words, address)
    return site.console_page(request, "phone.html", **(screen | _behind(site, words, screen["owner"])))


@router.get("/phone/{address}/thread")
def show_thread(request: Request, address: str) -> Response:
    """The thread alone, fetched again whenever something has happened to this phone's owner."""
    site = _may_take(request, address)
    return site.piece(request, "part_thread.html", **_screen(site, words_for(request), address))


@router.get("/phone/{address}/behind")
def show_behind(request: Request, address: str) -> Response:
    """What the trail says of the newest texts, beside the phone."""
    site = _may_take(request, address)
    owner, _ = _phone(site, address)
    return site.piece(request, "part_behind.html", address=address, **_behind(site, words_for(request), owner))


@router.post("/phone/{address}")
def type_text(request: Request, address: str, fields: Annotated[FormData, Depends(form)]) -> Response:
    """Somebody types on this phone and sends it."""
    site = _may_take(request, address)
    body = (str(fields.get("quick", "")) or str(fields.get("text", ""))).replace("\x00", "").strip()[:LONGEST]
    if not body:
        raise InputError([{"field": "text", "reason": "is empty", "remedy": "type something first"}])
    owner, simulator = _phone(site, address)
    text = simulator.type(address, body)
    inbox.receive(
        site.runtime,
        Received(
            provider="simulator",
            provider_message_id=text.id,
            channel=owner.channel,
            from_address=address,
            body=body,
        ),
    )
    site.nudge()
    if request.headers.get("hx-request"):
        return show_thread(request, address)
    return RedirectResponse(request.url.path, 303)


def _may_take(request: Request, address: str) -> Site:
    """The site, for who may read what is on this phone. NotFound, Forbidden, Conflict."""
    site = site_of(request)
    owner, _ = _phone(site, address)
    if owner.customer_id:
        must_see_customer(request, owner.customer_id, "the phone of a customer")
    return site


def _phone(site: Site, address: str) -> tuple[views.Phone, Simulator]:
    """Whose phone it is, and the network that it is on. NotFound, Conflict."""
    with site.runtime.db.read() as session:
        owner = views.phone_at(session, address)
    if owner is None:
        raise NotFound(f"nobody has the phone {address}")
    simulator = site.simulator(owner.channel)
    if simulator is None:
        raise Conflict(REAL)
    return owner, simulator


def _screen(site: Site, words: Words, address: str) -> dict[str, Any]:
    owner, simulator = _phone(site, address)
    zone = site.zone
    return {
        "owner": owner,
        "address": address,
        "bubbles": _bubbles(simulator.phone(address)[-SHOWN:], words, zone, site.runtime.settings.public_url),
        "company": _company(site, words, owner),
        "quick": _quick(site, owner),
        "topic": f"staff-{owner.staff_id}" if owner.staff_id else f"customer-{owner.customer_id}",
    }


def _behind(site: Site, words: Words, owner: views.Phone) -> dict[str, Any]:
    """Beside a customer's phone the newest lines about them, beside the staff's the tickets that they were told of."""
    with site.runtime.db.read() as session:
        if owner.staff_id:
            told = views.calls(session, views.told_of(session, owner.staff_id))
            return {"owner": owner, "lines": [], "told": told}
        story = views.story_of(session, trail.of_customer(session, owner.customer_id, limit=BEHIND))
        person = customers.get(session, owner.customer_id)
    lines = tell(site, words, story)[::-1]
    return {"owner": owner, "lines": lines, "told": [], "customer_zone": person.zone if person else site.zone}


def _quick(site: Site, owner: views.Phone) -> list[tuple[str, str]]:
    """(label, text) of the buttons under the thread: scores for customers, tickets to take for staff."""
    if owner.customer_id:
        return [(str(score), str(score)) for score in range(1, 6)]
    with site.runtime.db.read() as session:
        told = views.told_of(session, owner.staff_id)
    free = sorted(ticket.id for ticket in told if ticket.state == TicketState.OPEN)[-3:]
    return [(f"claim {ticket_id}", f"claim {ticket_id}") for ticket_id in free] or [("OK", "OK")]


def _company(site: Site, words: Words, owner: views.Phone) -> str:
    """Who writes to this phone, as its owner knows them."""
    if owner.staff_id:
        return words("phone.house")
    with site.runtime.db.read() as session:
        theirs = {row.program_id for row in customers.enrolments_of(session, owner.customer_id)}
    names = [
        each.program.text(each.program.company, words.language)
        for each in site.runtime.shelf.in_force
        if each.program.id in theirs
    ]
    return " · ".join(dict.fromkeys(names)) or words("app.name")


def _bubbles(texts: tuple[Text, ...], words: Words, zone: str, public_url: str) -> list[Bubble]:
    bubbles: list[Bubble] = []
    last = ""
    for text in texts:
        at = datetime.fromisoformat(text.at)
        day = words.day(at.astimezone(ZoneInfo(zone)).date())
        bubbles.append(Bubble(linked(text.body, public_url), text.direction == "out", at, day if day != last else ""))
        last = day
    return bubbles


def linked(body: str, public_url: str) -> Markup:
    """The text with the links to our own survey pages made tappable; other links stay text."""
    pieces: list[Markup] = []
    end = 0
    for match in _LINK.finditer(body):
        address = match[0].rstrip(".,")
        pieces.append(escape(body[end : match.start()]))
        path = address.removeprefix(public_url.rstrip("/"))
        if path.startswith("/s/") and path != address:
            pieces.append(Markup('<a href="{}">{}</a>').format(path, address))
        else:
            pieces.append(escape(address))
        end = match.start() + len(address)
    pieces.append(escape(body[end:]))
    return Markup("").join(pieces)
