"""The first page: what happens now. Its clock can be pushed where the demonstration hands over its controls."""

from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from starlette.datastructures import FormData
from starlette.responses import RedirectResponse, Response

from bot.errors import InputError
from bot.store import views
from bot.web.access import console, form, local_path
from bot.web.apart import hidden_from, lines_shown, without_moods
from bot.web.lines import LIVELY, stream_lines, tell
from bot.web.site import Site, local_day_start, site_of, words_for

router = APIRouter(dependencies=[Depends(console)])

RATES = (0, 1, 60, 600, 3600)
"""Simulated seconds for each real one that the page offers."""
SPANS = {"1h": timedelta(hours=1), "1d": timedelta(days=1), "7d": timedelta(days=7)}
SOON = timedelta(hours=24)
AHEAD = timedelta(days=60)
HOUSES = 240
"""Phones drawn on the page; the others are in the list of phones."""
FIRST_LINES = 40


@router.get("/")
def show_town(request: Request) -> Response:
    site, words, hidden = site_of(request), words_for(request), hidden_from(request)
    with site.runtime.db.read() as session:
        rows = lines_shown(session, hidden, views.newest_lines(session, LIVELY, FIRST_LINES * 2)[::-1])
        story = views.story_of(session, rows)
        houses = without_moods(hidden, views.customer_phones(session, limit=HOUSES))
        crew = views.staff_phones(session)
    lines = stream_lines(tell(site, words, story))[-FIRST_LINES:][::-1]
    return site.console_page(request, "town.html", lines=lines, houses=houses, crew=crew, rates=RATES, **_figures(site))


@router.get("/town/figures")
def show_figures(request: Request) -> Response:
    """The counters, fetched again whenever something has happened."""
    site = site_of(request)
    return site.piece(request, "part_figures.html", **_figures(site))


def _figures(site: Site) -> dict[str, Any]:
    return {"counters": site.kept("counters", lambda: _count(site)), "provisional": provisional_years(site)}


def _count(site: Site) -> views.Counters:
    now = site.now()
    with site.runtime.db.read() as session:
        return views.counters(session, local_day_start(now, site.zone), now, now + SOON)


def provisional_years(site: Site) -> list[int]:
    """The years of the next sixty days whose days off are not official yet; they are marked wherever shown."""
    today = local_day_start(site.now(), site.zone)
    calendars = [site.runtime.calendar(each.program) for each in site.runtime.shelf.in_force]
    years = sorted({today.year, (today + AHEAD).year})
    return [each for each in years if any(calendar.is_provisional(each) for calendar in calendars)]


@router.post("/town/run")
def run(request: Request, fields: Annotated[FormData, Depends(form)]) -> Response:
    """Let the clock run at another rate, or stand still."""
    site = site_of(request)
    rate = str(fields.get("rate", ""))
    if rate not in {str(each) for each in RATES}:
        raise InputError([{"field": "rate", "reason": "is not offered", "remedy": "choose one of the buttons"}])
    if site.town:
        site.town.run(float(rate))
    return _back(fields)


@router.post("/town/advance")
def advance(request: Request, fields: Annotated[FormData, Depends(form)]) -> Response:
    """Live through an hour, a day or a week; the answer comes when it is over."""
    site = site_of(request)
    span = SPANS.get(str(fields.get("span", "")))
    if span is None:
        raise InputError([{"field": "span", "reason": "is not offered", "remedy": "choose one of the buttons"}])
    if site.town:
        site.at_once(site.town.advance, span)
    return _back(fields)


def _back(fields: FormData) -> Response:
    return RedirectResponse(local_path(str(fields.get("back", "/"))), 303)
