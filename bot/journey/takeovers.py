"""Chains that go on although they had no step to come: a new class takes over from the old one (R5), or the date that
ended them moved.

Nothing is planned here: `apply.set_class` and the planner apply what comes back. What is decided: flows/chains.py.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date, time
from fractions import Fraction

from sqlmodel import Session

from bot.journey.subject import Subject
from bot.store import chains, contacts, settings, trail
from bot.store.tables import EventRow
from flows.audience import holds
from flows.chains import Step, is_chain, is_same_kind, taken_up, until_of
from flows.decisions import PlanFollowUp
from flows.events import Customer, Event
from flows.offsets import resolve_local
from flows.program import Flow
from flows.sampling import falls_to
from flows.triggers import AfterEvent, Every


def left_by(subject: Subject, before: Customer) -> tuple[str, ...]:
    """The chains that meant the customer as it was before, and mean it no more."""
    now, was = subject.facts.facts(subject.today), before.facts(subject.today)
    flows = subject.in_force.program.flows
    return tuple(
        flow.id for flow in flows if is_chain(flow) and holds(flow.audience, was) and not holds(flow.audience, now)
    )


def taken_over(
    session: Session, subject: Subject, before: Customer, because: str
) -> Iterator[tuple[Subject, PlanFollowUp]]:
    """The next step of each chain that means the customer now and did not before, about its event.

    It counts from the last step of the same kind, whichever class that was of, so that nothing comes twice within the
    new interval.
    """
    flows = [flow for flow in subject.in_force.program.flows if is_chain(flow)]
    for flow in flows:
        assert isinstance(flow.on, AfterEvent)
        kin = [each.id for each in flows if each is flow or is_same_kind(each, flow)]
        for event in chains.newest_events(session, subject.customer.id, flow.on.event):
            if _is_meant(session, subject, flow, event, before):
                there = replace(subject, event_id=event.id, event=event, ticket=None, survey=None)
                last = _last_step(session, there, kin, event)
                if last is not None:
                    _note_start(session, there, flow, last)
                planned = _next(session, there, flow, event, last, because)
                if planned is not None:
                    yield there, planned


def begin_cadences(session: Session, subject: Subject, before: Customer, since: date | None) -> None:
    """Let each cadence that means the customer now and did not before count from the last contact that it counts.

    Without such a contact it counts from the day of the class. One that meant the customer all the time goes on in
    its rhythm, from `since`, the day of the old class, or from wherever it has counted since then.
    """
    now, was = subject.facts.facts(subject.today), before.facts(subject.today)
    program_id, customer_id = subject.in_force.program.id, subject.customer.id
    flows = subject.in_force.program.flows
    meant = [(flow, flow.on) for flow in flows if isinstance(flow.on, Every) and holds(flow.audience, now)]
    kept = [flow.id for flow, _ in meant if holds(flow.audience, was)]
    if since is not None and since < subject.today:
        begun_at = resolve_local(since, time(0), subject.zone)
        chains.keep(session, program_id, kept, customer_id, since, begun_at)
    chains.forget(session, program_id, [flow.id for flow, _ in meant if flow.id not in kept], customer_id)
    for flow, cadence in meant:
        if flow.id in kept:
            continue
        on = contacts.last_on(session, program_id, customer_id, cadence.contacts)
        if on is not None:
            chains.restart(session, program_id, flow.id, customer_id, on, subject.now)


def gone_on(session: Session, subject: Subject, flow: Flow, event: EventRow) -> tuple[Subject, PlanFollowUp] | None:
    """The next step of a chain that was over, since the date that ends it has moved; None: it is over still."""
    there = replace(subject, event_id=event.id, event=event)
    last = _last_step(session, there, [flow.id], event)
    planned = _next(session, there, flow, event, last, f"{until_of(flow)} has moved")
    return (there, planned) if planned is not None else None


def _is_meant(session: Session, subject: Subject, flow: Flow, event: EventRow, before: Customer) -> bool:
    """Does this event call for the chain now, where it did not before?"""
    assert isinstance(flow.on, AfterEvent)
    program, on = subject.in_force.program, _day(subject, event)
    if program.active_from and on < program.active_from:
        return False
    now, was = subject.facts.facts(subject.today, event.data), before.facts(subject.today, event.data)
    if holds(flow.audience, was) or not (holds(flow.audience, now) and holds(flow.on.where, now)):
        return False
    if chains.event_since(session, subject.customer.id, flow.stops_on, event.occurred_at):
        return False
    return not flow.on.share or _was_drawn(session, subject, flow, flow.on.share, event)


def _was_drawn(session: Session, subject: Subject, flow: Flow, share: Fraction, event: EventRow) -> bool:
    """As it was decided when the event came or was asked about before, else now."""
    customer_id, program_id = subject.customer.id, subject.in_force.program.id
    if chains.has_step(session, program_id, flow.id, customer_id, event.id):
        return True
    if trail.is_not_drawn(session, customer_id, program_id, flow.id, event.id):
        return False
    return falls_to_lot(session, subject, share, flow.id, event)


def falls_to_lot(session: Session, subject: Subject, share: Fraction, flow_id: str, event: EventRow) -> bool:
    """Is this event one of the share that a flow follows up? Asked once of each, in the order in which they come.

    Counted for the month of the event; who counts at the same time waits, so that ceil(share x N) holds exactly. An
    event that is not drawn has a line in the trail.
    """
    program = subject.in_force.program
    month = f"{event.occurred_at.astimezone(program.time_zone):%Y-%m}"
    if falls_to(share, settings.count(session, "shares", f"{program.id}:{flow_id}:{month}")):
        return True
    because = f"not drawn: {share * 100} % of these events"
    known = {"customer_id": subject.customer.id, "program_id": program.id, "flow": flow_id}
    trail.write(session, [trail.line(subject.now, "skipped", because, data={"event": event.id}, **known)])
    return False


def _last_step(session: Session, subject: Subject, flows: Sequence[str], event: EventRow) -> Step | None:
    """What the chain counts from: the last step of these flows, or a contact since then."""
    program_id, customer_id = subject.in_force.program.id, subject.customer.id
    row = chains.last_settled(session, program_id, flows, customer_id, event.id)
    anew = [chains.restarted_on(session, program_id, flow, customer_id, event.matter_id) for flow in flows]
    since = row.nominal_on if row else _day(subject, event)
    contact = max((day for day in anew if day is not None and day > since), default=None)
    if contact is not None:
        return Step(event.id, contact, contact, matter_id=event.matter_id)
    return Step(event.id, row.nominal_on, row.intended_on, matter_id=event.matter_id) if row else None


def _note_start(session: Session, subject: Subject, flow: Flow, last: Step) -> None:
    """The chain counts from there, although none of its own steps lies there."""
    program_id, customer_id = subject.in_force.program.id, subject.customer.id
    chains.restart(session, program_id, flow.id, customer_id, last.nominal_on, subject.now, last.matter_id)


def _next(
    session: Session, subject: Subject, flow: Flow, event: EventRow, last: Step | None, because: str
) -> PlanFollowUp | None:
    return taken_up(
        subject.in_force.program,
        flow,
        Event(event.id, event.type, event.occurred_at, event.data, event.matter_id),
        last,
        because,
        now=subject.now,
        ends_on=subject.date_named(session, until_of(flow), event.matter_id),
        zone=subject.zone,
        calendar=subject.calendar,
        annoyed=subject.is_annoyed,
    )


def _day(subject: Subject, event: EventRow) -> date:
    return event.occurred_at.astimezone(subject.zone).date()
