"""Customers: the list, and one customer's page, which answers first why they did, or didn't, get a message."""

from dataclasses import dataclass
from datetime import date
from itertools import groupby
from typing import Any
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from bot.errors import NotFound
from bot.store import customers, events, surveys, tickets, trail, views
from bot.store.tables import CustomerRow, EnrolmentRow
from bot.web.access import console
from bot.web.audience import in_words
from bot.web.lines import Line, in_order, planned_lines, tell
from bot.web.site import Site, site_of, words_for
from bot.web.words import Words
from flows.audience import holds
from flows.events import Customer
from flows.program import AfterEvent, Every, Flow, OnFestival, OnSilence, Sample, Unanswered

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
    return site.console_page(
        request, "customers.html", q=words, page=page, found=found, total=total, pages=max(1, -(-total // PAGE))
    )


@router.get("/customer/{customer_id}")
def show_customer(request: Request, customer_id: int, order: str = "") -> Response:
    site = site_of(request)
    return site.console_page(request, "customer.html", **_about(request, site, customer_id, order == "oldest"))


@router.get("/customer/{customer_id}/trail")
def show_trail(request: Request, customer_id: int, order: str = "") -> Response:
    """The trail alone, fetched again whenever something has happened to this customer."""
    site = site_of(request)
    return site.piece(request, "part_trail.html", **_about(request, site, customer_id, order == "oldest"))


@dataclass(frozen=True)
class Chance:
    """One flow of a program the customer is in: may it reach them, and if not, why not."""

    program: str
    title: str
    when: str
    reaches: bool
    why: str


def _about(request: Request, site: Site, customer_id: int, oldest_first: bool) -> dict[str, Any]:
    words = words_for(request)
    with site.runtime.db.read() as session:
        person = customers.get(session, customer_id) if customer_id < 2**62 else None
        if person is None:
            raise NotFound(f"there is no customer {customer_id}")
        story = views.story_of(session, trail.of_customer(session, customer_id))
        in_sets = views.planned_in_sets(session, customer_id)
        enrolments = customers.enrolments_of(session, customer_id)
        values: dict[str, Any] = {
            "person": person,
            "points": customers.all_points_of(session, customer_id),
            "people": customers.people_of(session, customer_id),
            "ledger": customers.ledger_of(session, customer_id),
            "enrolments": enrolments,
            "coming": planned_lines(site, words, views.coming(session, customer_id)),
            "tickets": tickets.of_customer(session, customer_id),
            "answers": surveys.answers_of_customer(session, customer_id),
            "events": events.of_customer(session, customer_id, limit=20),
        }
    lines = in_order([*tell(site, words, story), *planned_lines(site, words, in_sets)])
    if not oldest_first:
        lines.reverse()
    return values | {
        "days": _by_day(lines, person.zone),
        "oldest_first": oldest_first,
        "chances": _chances(site, words, person, enrolments),
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
        facts = Customer(
            id=person.id,
            zone=ZoneInfo(person.zone),
            class_=enrolment.class_,
            attributes=person.attributes,
            activity_on=enrolment.activity_on,
            activity_count=enrolment.activity_count,
            activity_total=enrolment.activity_total,
        ).facts(site.runtime.today(person.zone))
        for flow in program.flows:
            if flow.message is None:
                continue
            meant = holds(flow.audience, facts)
            why = "" if meant else words("customer.not_meant", audience=in_words(flow.audience, words))
            if meant and person.opted_out_at is not None:
                meant, why = False, words.because("opted out")
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
