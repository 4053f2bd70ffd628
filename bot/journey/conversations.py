"""Which conversation does a reply belong to, and how does that stand? (R58, R123)

In this order: the survey that was answered a moment ago, while nothing has been asked since; the surveys that wait,
the newest first; else the newest, which was answered or has closed. What is said there: replies.py.
"""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from enum import Enum, auto

from sqlmodel import Session

from bot.runtime import Runtime
from bot.store import follow_ups, inbound, surveys, tickets
from bot.store.follow_ups import Brief
from bot.store.tables import AnswerRow, CustomerRow, InboundRow, SurveyRow, TicketRow
from flows.states import SurveyState, TicketState
from messages.reading import Category

CORRECTED_WITHIN = timedelta(minutes=10)
"""A clear score so soon after the first one corrects it ("sorry, 4")."""
_WAITS = (SurveyState.OPEN, SurveyState.NEEDS_PERSON)


class Standing(Enum):
    """How a survey stands when a reply comes."""

    WAITING = auto()
    JUST_ANSWERED = auto()
    ANSWERED = auto()
    """Its closing date has not come: words still belong to it."""
    LATE = auto()
    """It closed without an answer, not longer ago than it was open."""
    GONE = auto()


def standing_of(survey: SurveyRow | None, now: datetime) -> Standing:
    """How it stands; one that nobody has is gone."""
    if survey is None:
        return Standing.GONE
    if survey.state == SurveyState.ANSWERED:
        if survey.answered_at is not None and now - survey.answered_at <= CORRECTED_WITHIN:
            return Standing.JUST_ANSWERED
        return Standing.ANSWERED if now < survey.closes_at else Standing.GONE
    if survey.state in _WAITS and now < survey.closes_at:
        return Standing.WAITING
    was_open = survey.closes_at - survey.opened_at
    late = survey.state in (*_WAITS, SurveyState.LAPSED) and now - survey.closes_at < was_open
    return Standing.LATE if late else Standing.GONE


def likeliest_first(session: Session, customer: CustomerRow, reply: InboundRow) -> list[SurveyRow | None]:
    """The surveys of this channel that a reply may belong to, the likeliest first; never empty."""
    now = reply.received_at
    newest = surveys.latest_of_customer(session, customer.id, reply.channel, reply.from_address)
    if newest is None or standing_of(newest, now) is not Standing.WAITING:
        return [newest]
    here = surveys.of_address(session, customer.id, reply.channel, reply.from_address)
    asked = [row for row in reversed(here) if row.opened_at <= newest.opened_at and row.id != newest.id]
    answered = [row for row in here if standing_of(row, now) is Standing.JUST_ANSWERED]
    spoken_in = [row for row in answered if row.answered_at is not None and row.answered_at >= newest.opened_at]
    return [*spoken_in[-1:], newest, *(row for row in asked if standing_of(row, now) is Standing.WAITING)]


def last_answered(answers: Sequence[AnswerRow]) -> tuple[str, ...]:
    """The questions that the last reply with an answer has filled, in order; comments are none."""
    scored = [answer for answer in answers if answer.score is not None]
    return tuple(answer.question for answer in scored if answer.inbound_id == scored[-1].inbound_id)


def under_way(
    session: Session, runtime: Runtime, customer_ids: Collection[int], complaining: Collection[int], now: datetime
) -> dict[int, set[tuple[str, int]]]:
    """Who of these customers is in the middle of a conversation: customer -> (channel, contact person or 0).

    They have answered or were asked back, and more is to come; or the apology asked for details, which nobody has
    told yet, and nobody on the staff has taken over. `complaining`: who of them has a ticket.
    """
    talks: dict[int, set[tuple[str, int]]] = {}
    for customer_id, channel, person_id in surveys.in_the_middle(session, customer_ids, now):
        talks.setdefault(customer_id, set()).add((channel, person_id))
    for ticket in (each for customer_id in complaining for each in tickets.of_customer(session, customer_id)):
        if ticket.state != TicketState.OPEN:
            continue
        survey = surveys.get(session, ticket.survey_id) if ticket.survey_id else None
        program = runtime.shelf.version(ticket.program_version_id)
        if survey is None or program.replies.ask_details is None or now >= survey.closes_at:
            continue
        said = inbound.get(session, ticket.inbound_id)
        if said is not None and ticket.words == said.body:
            person_id = next((each.person_id for each in _asked_by(session, survey)), 0)
            talks.setdefault(ticket.customer_id, set()).add((survey.channel, person_id))
    return talks


def _asked_by(session: Session, survey: SurveyRow) -> Iterable[Brief]:
    return follow_ups.briefs(session, [survey.follow_up_id]).values()


def only_for_score(session: Session, ticket: TicketRow | None, survey: SurveyRow | None) -> bool:
    """Did this survey's score alone open the ticket, which nobody has taken and nothing was added to?"""
    if ticket is None or survey is None or ticket.survey_id != survey.id or ticket.state != TicketState.OPEN:
        return False
    if ticket.kind != "low_score" or ticket.round != 1 or ticket.urgent or ticket.category == Category.COMPLAINT:
        return False
    said = inbound.get(session, ticket.inbound_id)
    return said is not None and ticket.words == said.body
