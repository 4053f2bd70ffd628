"""Customers: the list, and one customer's page, which answers first why they did, or didn't, get a message.

Beside it the list of staff. Both make links that join a Telegram chat to a person, and show each of them only once.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, datetime
from itertools import groupby
from typing import Annotated, Any, Protocol, runtime_checkable
from zoneinfo import ZoneInfo

import anyio.from_thread
from fastapi import APIRouter, Depends, Request
from starlette.datastructures import FormData
from starlette.responses import RedirectResponse, Response

from bot.errors import Conflict, InputError, NotFound
from bot.journey import consents, linking
from bot.journey.subject import facts_of, flags_of
from bot.store import customers, events, staff, tickets, trail, views
from bot.store.tables import CustomerRow, EnrolmentRow, StaffRow
from bot.web import contacts
from bot.web.access import console, form
from bot.web.apart import hidden_from, lines_shown, of_others
from bot.web.audience import in_words
from bot.web.fields import Filled, filled
from bot.web.lines import Line, in_order, planned_lines, tell
from bot.web.queue import must_be_somebody
from bot.web.site import Site, site_of, words_for
from bot.words import Words
from flows.audience import holds
from flows.consent import barred_by_flag
from flows.own_times import own_times
from flows.program import Flow
from flows.triggers import AfterEvent, Every, OnFestival, OnMilestone, OnSilence, Sample, Unanswered

router = APIRouter(dependencies=[Depends(console)])

PAGE = 50


@router.get("/customers")
def list_customers(request: Request, q: str = "", page: int = 0) -> Response:
    """A page of customers; numbers are masked."""
    site, words = site_of(request), q.strip()[:60].replace("\x00", "")
    page = min(max(page, 0), 1_000_000)
    with site.runtime.db.read() as session:
        found = views.list_customers(session, words, PAGE, page * PAGE)
        total = views.count_customers(session, words)
    hidden = hidden_from(request)
    found = [replace(each, level=None, upset=False) if hidden else each for each in found]
    return site.console_page(
        request, "customers.html", q=words, page=page, found=found, total=total, pages=max(1, -(-total // PAGE))
    )


@router.get("/customer/{customer_id}")
def show_customer(request: Request, customer_id: int, order: str = "") -> Response:
    return _customer_page(request, customer_id, oldest_first=order == "oldest")


def _customer_page(
    request: Request,
    customer_id: int,
    *,
    oldest_first: bool = False,
    link: "Link | None" = None,
    again: Filled | None = None,
    trouble: str = "",
    status: int = 200,
) -> Response:
    """The page of one customer; `again`: the form that must be mended; `trouble`: what went wrong, in words."""
    site = site_of(request)
    values = _about(request, site, customer_id, oldest_first)
    with site.runtime.db.read() as session:
        values |= contacts.dealings(site, words_for(request), session, values["person"], values["enrolments"])
        values |= {"crew": staff.everybody(session), "me": site.me(request), "again": again or Filled()}
    return site.console_page(
        request, "customer.html", status, trouble=trouble, link=link, has_chats=_has_chats(site), **values
    )


@router.get("/customer/{customer_id}/trail")
def show_trail(request: Request, customer_id: int, order: str = "") -> Response:
    """The trail alone, fetched again whenever something has happened to this customer."""
    site = site_of(request)
    return site.piece(request, "part_trail.html", **_about(request, site, customer_id, order == "oldest"))


# ----- contacts

Fields = Annotated[FormData, Depends(form)]


@router.post("/customer/{customer_id}/contact")
def log_contact(request: Request, customer_id: int, fields: Fields) -> Response:
    """Somebody on the staff called, visited or wrote."""
    which = f"{fields.get('program', '')}.{fields.get('kind', '')}"
    return _deal(request, customer_id, fields, which, contacts.log)


@router.post("/customer/{customer_id}/agree")
def agree_next(request: Request, customer_id: int, fields: Fields) -> Response:
    """The customer and the staff agreed on the next date."""
    return _deal(request, customer_id, fields, contacts.AGREE, contacts.agree)


def _deal(
    request: Request,
    customer_id: int,
    fields: FormData,
    which: str,
    action: Callable[[Site, StaffRow, int, FormData], None],
) -> Response:
    """Do it as the chosen member of staff and show the customer again; else with the form that must be mended."""
    site, words = site_of(request), words_for(request)
    try:
        action(site, must_be_somebody(request), customer_id, fields)
    except InputError as error:
        again = filled(which, fields, error.faults)
        return _customer_page(request, customer_id, again=again, trouble=words("tasks.mend"), status=422)
    except Conflict as error:
        again = filled(which, fields, ())
        return _customer_page(request, customer_id, again=again, trouble=words.because(str(error)), status=409)
    site.nudge()
    return RedirectResponse(f"/customer/{customer_id}", 303)


# ----- staff


@router.get("/staff")
def show_staff(request: Request) -> Response:
    return _staff_page(request)


def _staff_page(request: Request, link: "Link | None" = None, staff_id: int = 0) -> Response:
    """Everybody on the staff; under one of them the link that was just made."""
    site = site_of(request)
    with site.runtime.db.read() as session:
        crew = staff.everybody(session)
    return site.console_page(request, "staff.html", crew=crew, link=link, link_for=staff_id, has_chats=_has_chats(site))


# ----- links that join a chat


@runtime_checkable
class Opens(Protocol):
    """A channel whose chats are opened by a link."""

    async def deep_link(self, token: str) -> str | None: ...


@dataclass(frozen=True)
class Link:
    """What is shown once: the link, or the command that does the same, and until when it may be opened."""

    text: str
    is_command: bool
    expires_at: datetime


@router.post("/customer/{customer_id}/link")
def link_customer(request: Request, customer_id: int, _fields: Annotated[FormData, Depends(form)]) -> Response:
    """Make a link for a customer's chat, and show it."""
    return _customer_page(request, customer_id, link=_make_link(site_of(request), customer_id=customer_id))


@router.post("/customer/{customer_id}/opt-out")
def opt_out_customer(request: Request, customer_id: int, _fields: Annotated[FormData, Depends(form)]) -> Response:
    """Somebody on the staff was told that this customer wants no messages."""
    if customer_id >= 2**62:
        raise NotFound(f"there is no customer {customer_id}")
    consents.opt_out(site_of(request).runtime, customer_id, must_be_somebody(request).name)
    return RedirectResponse(f"/customer/{customer_id}", 303)


@router.post("/staff/{staff_id}/link")
def link_staff(request: Request, staff_id: int, _fields: Annotated[FormData, Depends(form)]) -> Response:
    """Make a link for the chat of a member of staff, and show it."""
    return _staff_page(request, _make_link(site_of(request), staff_id=staff_id), staff_id)


def _make_link(site: Site, *, customer_id: int = 0, staff_id: int = 0) -> Link:
    """A new link. Where the channel cannot say its own address, the command that one types to it."""
    if not _has_chats(site):
        raise Conflict("Telegram is not connected")
    if max(customer_id, staff_id) >= 2**62:
        raise NotFound("there is nobody for this link")
    token = linking.make_link(site.runtime, channel=staff.CHAT, customer_id=customer_id, staff_id=staff_id)
    channel = site.runtime.channels[staff.CHAT]
    address = anyio.from_thread.run(channel.deep_link, token) if isinstance(channel, Opens) else None
    return Link(address or f"/start {token}", address is None, site.runtime.clock.now() + linking.LASTS)


def _has_chats(site: Site) -> bool:
    return staff.CHAT in site.runtime.channels


# ----- one customer


@dataclass(frozen=True)
class Chance:
    """One flow of a program the customer is in: may it reach them, and if not, why not."""

    program: str
    title: str
    when: str
    reaches: bool
    why: str


def _about(request: Request, site: Site, customer_id: int, oldest_first: bool) -> dict[str, Any]:
    words, hidden = words_for(request), hidden_from(request)
    with site.runtime.db.read() as session:
        person = customers.get(session, customer_id) if customer_id < 2**62 else None
        if person is None:
            raise NotFound(f"there is no customer {customer_id}")
        story = views.story_of(session, lines_shown(session, hidden, trail.of_customer(session, customer_id)))
        in_sets = of_others(hidden, views.planned_in_sets(session, customer_id))
        enrolments = customers.enrolments_of(session, customer_id)
        values: dict[str, Any] = {
            "person": person,
            "points": customers.all_points_of(session, customer_id),
            "ledger": customers.ledger_of(session, customer_id),
            "enrolments": enrolments,
            "coming": planned_lines(site, words, of_others(hidden, views.coming(session, customer_id))),
            "tickets": of_others(hidden, tickets.of_customer(session, customer_id)),
            "events": events.of_customer(session, customer_id, limit=20),
        }
    lines = in_order([*tell(site, words, story), *planned_lines(site, words, in_sets)])
    if not oldest_first:
        lines.reverse()
    return values | {
        "days": _by_day(lines, person.zone),
        "oldest_first": oldest_first,
        "chances": _chances(site, words, person, [row for row in enrolments if row.program_id not in hidden]),
        "flags": {row.id: sorted(flags_of(row)) for row in enrolments},
        "own_times": _own_times(words, person),
        "customer_zone": person.zone,
        "customer_tz": ZoneInfo(person.zone),
    }


def _by_day(lines: list[Line], zone: str) -> list[tuple[date, list[Line]]]:
    """The lines under the days on which they happened where the customer lives."""
    return [
        (day, list(group)) for day, group in groupby(lines, key=lambda line: line.at.astimezone(ZoneInfo(zone)).date())
    ]


def _chances(site: Site, words: Words, person: CustomerRow, enrolments: Any) -> list[Chance]:
    """Every flow of the customer's programs: whether they are meant, and what would have to be otherwise."""
    chances = []
    by_program: dict[str, EnrolmentRow] = {row.program_id: row for row in enrolments}
    for each in site.runtime.shelf.in_force:
        program, enrolment = each.program, by_program.get(each.program.id)
        if enrolment is None:
            continue
        facts = facts_of(person, enrolment).facts(site.runtime.today(person.zone))
        for flow in program.flows:
            if flow.message is None:
                continue
            meant = holds(flow.audience, facts)
            why = "" if meant else words("customer.not_meant", audience=in_words(flow.audience, words))
            milestone = isinstance(flow.on, OnMilestone)
            barred = barred_by_flag(flags_of(enrolment), flow.purpose, milestone=milestone)
            if meant and person.opted_out_at is not None:
                meant, why = False, words.because("opted out")
            elif meant and barred:
                meant, why = False, words.because(barred)
            elif meant and flow.purpose == "marketing" and person.marketing_consent_at is None:
                meant, why = False, words.because("no marketing consent")
            chances.append(
                Chance(
                    program.text(program.name, words.language),
                    site.flow_title(program.id, flow.id, words),
                    _when(site, words, program.id, flow),
                    meant,
                    why,
                )
            )
    return chances


def _own_times(words: Words, person: CustomerRow) -> str:
    """When the customer wants to be reached, in words; empty: any time will do (R80)."""
    own, listed = own_times(person.windows), words("time.list")
    days = listed.join(words(f"weekday.{day}") for day in sorted(own.days))
    times, blocked = (listed.join(str(window) for window in windows) for windows in (own.times, own.blocked))
    not_at = words("customer.not_at", times=blocked) if blocked else ""
    return words("time.and_so").join(part for part in (days, times, not_at) if part)


def _when(site: Site, words: Words, program_id: str, flow: Flow) -> str:
    """When a flow fires, in words."""
    match flow.on:
        case AfterEvent(event=event):
            return words("when.after", offset=words.offset(str(flow.after)), event=site.event_name(event, words))
        case OnSilence(silence=silence):
            return words("when.silence", offset=words.offset(str(silence)))
        case Sample(every=every, sample=sample):
            return words("when.sample", offset=words.offset(str(every)), n=sample)
        case Every(every=every):
            return words("when.every", offset=words.offset(str(every)))
        case OnFestival(festivals=festivals):
            return words("time.list").join(words.name("festival", each) for each in festivals)
        case Unanswered(unanswered=asked):
            title = site.flow_title(program_id, asked, words)
            return words("when.unanswered", offset=words.offset(str(flow.after)), flow=title)
    return ""
