"""What staff and a customer have to do with each other: people there, matters, open tasks, contacts that were logged.

Two forms of the customer's page end here: a contact is logged, a next date is agreed. The page itself is people.py.
"""

import secrets
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from sqlmodel import Session
from starlette.datastructures import FormData

from bot.errors import InputError, NotFound
from bot.journey.contacts import ByHand, ContactIn, agree_next, log_contact
from bot.store import contacts, customers, matters, staff, tasks
from bot.store.tables import ContactRow, CustomerRow, EnrolmentRow, StaffRow
from bot.web.fields import Input, data_in, day_in, inputs_of, instant_in, words_in
from bot.web.site import Site
from bot.words import Words
from flows.chains import counts_contacts
from flows.program import Program

SOURCE = "console"
"""Whose ids the contacts have that are logged here."""
AGREE = "agree"
"""The form of the next date, beside those of the kinds of contacts (`program.kind`)."""
SHOWN = 10


@dataclass(frozen=True)
class Loggable:
    """A kind of contact that may be logged with a customer; `comes_again`: its next date may be agreed."""

    program_id: str
    kind: str
    name: str
    inputs: list[Input]
    comes_again: bool

    @property
    def form(self) -> str:
        return f"{self.program_id}.{self.kind}"


@dataclass(frozen=True)
class Logged:
    """A contact as it was logged: what kind, by whom, with whom."""

    row: ContactRow
    name: str
    by: str
    person: str


def dealings(
    site: Site, words: Words, session: Session, person: CustomerRow, enrolments: Iterable[EnrolmentRow]
) -> dict[str, Any]:
    """What the card of a customer's page shows."""
    programs = [found for row in enrolments if (found := site.program(row.program_id))]
    people = customers.people_of(session, person.id)
    names = {each.id: each.name for each in people}
    crew = {each.id: each.name for each in staff.everybody(session)}
    rows = contacts.of_customer(session, person.id, SHOWN)
    return {
        "people": people,
        "matters": matters.of_customer(session, person.id),
        "tasks": tasks.open_of_customer(session, person.id),
        "logged": [
            Logged(row, _kind_name(site, words, row), crew.get(row.staff_id, ""), names.get(row.person_id, ""))
            for row in rows
        ],
        "loggable": [each for program in programs for each in _loggable(program, words)],
        "agreeable": [each for program in programs for each in _agreeable(site, words, program)],
        "contact_id": secrets.token_hex(8),
    }


def _kind_name(site: Site, words: Words, row: ContactRow) -> str:
    program = site.program(row.program_id)
    kind = program.contacts.get(row.kind) if program else None
    return program.text(kind.name, words.language) if program and kind else row.kind.replace("_", " ")


def _loggable(program: Program, words: Words) -> list[Loggable]:
    return [
        Loggable(
            program.id,
            name,
            program.text(kind.name, words.language),
            inputs_of(kind.fields, (), kind.required),
            any(counts_contacts(flow, name) for flow in program.flows),
        )
        for name, kind in program.contacts.items()
    ]


def _agreeable(site: Site, words: Words, program: Program) -> list[tuple[str, str]]:
    """(program.flow, what it is called) of what comes again by contacts."""
    flows = [flow for flow in program.flows if any(counts_contacts(flow, kind) for kind in program.contacts)]
    return [(f"{program.id}.{flow.id}", site.flow_title(program.id, flow.id, words)) for flow in flows]


def log(site: Site, me: StaffRow, customer_id: int, fields: FormData) -> None:
    """Log a contact that a member of staff had with a customer; the same form twice is one.

    NotFound. InputError names what is wrong; where only required fields lack it is kept, and counts not.
    """
    program, kind = site.program(words_in(fields, "program")), words_in(fields, "kind")
    declared = program.contacts[kind].fields if program and kind in program.contacts else {}
    runtime = site.runtime
    with runtime.db.write() as session:
        person = customers.get(session, customer_id) if customer_id < 2**62 else None
        if person is None:
            raise NotFound(f"there is no customer {customer_id}")
        customers.add_key(session, customer_id, SOURCE, str(customer_id))
    contact = ContactIn(
        words_in(fields, "id"),
        kind,
        str(customer_id),
        instant_in(fields, "at", person.zone, site.now()),
        program.id if program else words_in(fields, "program"),
        words_in(fields, "person"),
        str(me.id),
        data_in(fields, declared),
        day_in(fields, "next_on"),
    )
    (result,) = log_contact(runtime, SOURCE, [contact])
    if result.verdict == "refused":
        raise InputError(result.faults)


def agree(site: Site, me: StaffRow, customer_id: int, fields: FormData) -> None:
    """What comes next comes on the day that was agreed. NotFound; InputError names what is wrong."""
    if customer_id >= 2**62:
        raise NotFound(f"there is no customer {customer_id}")
    program, _, flow = words_in(fields, "flow").rpartition(".")
    wanted = ByHand(program, flow, words_in(fields, "reason"), day_in(fields, "on"))
    if wanted.because:
        wanted = replace(wanted, because=f"{wanted.because} ({me.name})")
    agree_next(site.runtime, customer_id, wanted)
