"""Many complain about one thing: departments and the general manager hear of it as one item (R135).

A topic is told once, and then not again for as long as the program counts back. No ticket changes here. Before:
queue.py, which opens tickets.
"""

from collections.abc import Sequence
from datetime import datetime

from sqlmodel import Session

from bot.journey.notices import tell
from bot.journey.subject import Subject
from bot.staffing import who_answers
from bot.store import settings, tickets, trail
from bot.store.tables import TicketRow
from bot.words import LANGUAGES, words_in
from flows.callback import answers_for
from flows.offsets import add_to_instant
from flows.program import Concentrated
from flows.promises import ping_time

TOLD = "concentrated"
"""Name of the setting that says when which topic of a program was told last."""
SHOWN = 10
"""Of many tickets so many are named, the newest: a text has its length."""


def look(session: Session, subject: Subject) -> None:
    """A ticket was opened: is its topic one of those that many complain about, and is that news?

    1 what was told last, locked: of several tickets at once each counts those before it  2 told within the same time?
    3 enough of them?
    """
    program, ticket, now = subject.in_force.program, subject.ticket, subject.now
    rule = program.callback.concentrated
    if rule is None or ticket is None or ticket.topic is None:
        return
    topic, since = f"{program.id}:{ticket.topic}", add_to_instant(now, -rule.within, program.time_zone)
    told = settings.take(session, TOLD)
    if topic in told and datetime.fromisoformat(told[topic]) > since:
        return
    found = tickets.about(session, program.id, ticket.topic, since)
    if len(found) < rule.count:
        return
    settings.write(session, TOLD, {**told, topic: now.isoformat()})
    _tell(session, subject, rule, ticket.topic, found)


def _tell(session: Session, subject: Subject, rule: Concentrated, topic: str, found: Sequence[TicketRow]) -> None:
    """One text to each who has one of the roles, or stands in for it, and a line of the trail."""
    program, now = subject.in_force.program, subject.now
    at = ping_time(now, program.time_zone)
    roles = dict.fromkeys(answers_for(program, role, at, subject.calendar) for role in rule.tell)
    members = {member.id: member for role in roles for member in who_answers(session, program, role, at)}
    numbers = [row.id for row in found]
    variables = {
        "item": {language: words_in(language).name("topic", topic) for language in LANGUAGES},
        "count": len(found),
        "event_on": found[0].opened_at.astimezone(program.time_zone).date(),
        "ticket_id": ", ".join(map(str, numbers[-SHOWN:])),
    }
    key = f"{TOLD}:{numbers[-1]}"
    tell(session, subject.runtime, program, members.values(), "staff/concentrated", key, variables, at)
    data = {
        "topic": topic,
        "count": len(found),
        "tickets": numbers,
        "roles": list(roles),
        "staff": [member.name for member in members.values()],
    }
    because = f"{len(found)} tickets about {topic} in {rule.within}"
    trail.write(session, [trail.line(now, "concentrated", because, program_id=program.id, data=data)])
