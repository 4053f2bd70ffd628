"""What a visitor who is kept apart from a survey is not shown: who was asked, what they answered, what came of it.

Lists leave it out; a page that is about nothing else is refused, and that is a line of the trail. A visitor who has not
chosen who they are sees no more than one who is kept apart. Who is, says `bot/journey/rights.py`.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from typing import TypeVar

from fastapi import Request
from sqlmodel import Session

from bot.errors import Conflict
from bot.journey import rights
from bot.store import customers
from bot.store.tables import FollowUpRow, TaskRow, TicketRow, TrailRow, ViolationRow
from bot.store.views import Phone
from bot.web.site import site_of, words_for
from flows.archive import has_role

OPEN = frozenset({"event", "contact", "class"})
"""Kinds of lines that tell what staff did or another system knows, and nothing of a survey."""
OfProgram = TypeVar("OfProgram", FollowUpRow, TicketRow, ViolationRow)


def hidden_from(request: Request) -> frozenset[str]:
    """The programs whose single answers this visitor must not see."""
    site = site_of(request)
    if not any(each.program.independent_of for each in site.runtime.shelf.in_force):
        return frozenset()
    return rights.hidden_from(site.runtime, site.me(request))


def must_see(request: Request, programs: Collection[str], wanted: str) -> None:
    """Nothing, if this visitor may see single answers of these programs.

    Forbidden, and a line of the trail: they may not. Conflict: they have not said who they are.
    """
    hidden = hidden_from(request)
    barred = [each for each in programs if each in hidden]
    if not barred:
        return
    site = site_of(request)
    me, program = site.me(request), site.program(barred[0])
    if me is None or program is None:
        raise Conflict(words_for(request)("queue.choose_me"))
    raise rights.deny(site.runtime, program, me, wanted)


def must_see_customer(request: Request, customer_id: int, wanted: str) -> None:
    """As `must_see`, of every program that the customer is in."""
    with site_of(request).runtime.db.read() as session:
        programs = [row.program_id for row in customers.enrolments_of(session, customer_id)]
    must_see(request, programs, wanted)


def in_hidden(session: Session, hidden: Collection[str], customer_ids: Iterable[int]) -> frozenset[int]:
    """Those of the customers who are in a hidden program."""
    if not hidden:
        return frozenset()
    enrolments = customers.enrolments_by_customer(session, customer_ids)
    return frozenset(customer_id for customer_id, program_id in enrolments if program_id in hidden)


def lines_shown(session: Session, hidden: Collection[str], rows: Sequence[TrailRow]) -> list[TrailRow]:
    """The lines without those that tell of a hidden survey; one that names no program may be about one."""
    theirs = in_hidden(session, hidden, {row.customer_id for row in rows if row.customer_id})
    return [
        row
        for row in rows
        if row.what in OPEN or not (row.program_id in hidden or (not row.program_id and row.customer_id in theirs))
    ]


def of_others(hidden: Collection[str], rows: Iterable[OfProgram]) -> list[OfProgram]:
    """The follow-ups, tickets or violations of programs that are not hidden."""
    return [row for row in rows if row.program_id not in hidden]


def without_moods(hidden: Collection[str], phones: list[Phone]) -> list[Phone]:
    """Phones that do not show how their owners feel, where anything is hidden."""
    return [replace(phone, level=None, upset=False) for phone in phones] if hidden else phones


def tasks_shown(request: Request, rows: Iterable[TaskRow]) -> list[TaskRow]:
    """The tasks without those of a hidden program, but for the visitor's own."""
    hidden, me = hidden_from(request), site_of(request).me(request)
    roles = me.roles if me else ()
    return [
        row
        for row in rows
        if row.program_id not in hidden or has_role(roles, row.program_id, {row.role, row.superior} - {""})
    ]
