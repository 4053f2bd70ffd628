"""Chains of one customer: the next step is planned when one is settled, and what a contact does to an open step.

What is decided stands in flows/chains.py. Next: contacts.py, which logs the contacts; outreach.py claims the steps.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from itertools import groupby

from sqlmodel import Session

from bot.journey.apply import apply
from bot.journey.subject import Subject, note
from bot.store import agenda, chains, contacts, events, follow_ups
from bot.store.rows import move
from bot.store.tables import FollowUpRow
from flows.audience import holds
from flows.chains import RESTARTED, Effect, Step, effect, is_chain, next_step, over, until_of
from flows.decisions import PlanFollowUp
from flows.offsets import add
from flows.plan import step_slot
from flows.program import Flow
from flows.recurrence import following
from flows.states import FollowUpState
from flows.triggers import AfterEvent, Every


def is_step(flow: Flow, row: FollowUpRow) -> bool:
    """Is this follow-up a step of something that comes again, and not planned by hand beside it?"""
    return (is_chain(flow) or isinstance(flow.on, Every)) and row.occasion.startswith(("event:", "due:"))


def go_on(session: Session, subject: Subject, settled: FollowUpRow) -> None:
    """Plan the step after one that is settled, by the program in force now; a flow that is gone goes on no more."""
    step = Step(
        settled.event_id, settled.nominal_on, settled.intended_on, settled.person_id, matter_id=settled.matter_id
    )
    _plan_after(session, subject, settled.flow, step)


def _plan_after(session: Session, subject: Subject, flow_id: str, last: Step) -> None:
    in_force = next(
        (each for each in subject.runtime.shelf.in_force if each.program.id == subject.in_force.program.id), None
    )
    flow = next((each for each in in_force.program.flows if each.id == flow_id), None) if in_force else None
    if in_force is None or flow is None or not is_chain(flow):
        return
    there = replace(subject, in_force=in_force, event_id=last.event_id, ticket=None, survey=None)
    ends_on = there.date_named(session, until_of(flow), last.matter_id)
    planned = next_step(
        in_force.program,
        flow,
        last,
        today=subject.today,
        ends_on=ends_on,
        zone=subject.zone,
        calendar=there.calendar,
        annoyed=subject.is_annoyed,
    )
    if planned is None:
        note(session, there, "notice", over(flow, ends_on), flow=flow.id)
        return
    apply(session, there, [planned])


# ----- what ends a chain, asked when a step is claimed


def _why_over(session: Session, subject: Subject, flow: Flow, row: FollowUpRow) -> str | None:
    """Why a step that was right when planned is not wanted any more, and the chain neither."""
    ends_on = subject.date_named(session, until_of(flow), row.matter_id)
    if ends_on is not None and row.nominal_on > ends_on:
        return over(flow, ends_on)
    if not flow.stops_on or subject.event is None:
        return None
    stop = chains.event_since(session, subject.customer.id, flow.stops_on, subject.event.occurred_at)
    return f"{stop.type} came on {stop.occurred_at.astimezone(subject.zone).date()}" if stop else None


def why_not_now(session: Session, subject: Subject, flow: Flow, row: FollowUpRow) -> str | None:
    """Why this step does not go out; where it is only too soon, another one is planned in its place."""
    if because := _why_over(session, subject, flow, row):
        return because
    base = _too_soon(session, subject, flow, row)
    if base is None:
        return None
    if is_chain(flow):
        last = Step(row.event_id, base, base, row.person_id, matter_id=row.matter_id)
        _plan_after(session, subject, flow.id, last)
    else:
        chains.restart(session, row.program_id, flow.id, row.customer_id, base, subject.now)
    return "annoyed: half as often"


def _too_soon(session: Session, subject: Subject, flow: Flow, row: FollowUpRow) -> date | None:
    """Once a customer is annoyed intervals are doubled (R83): what a step counts from that is too soon for that.

    A date that was agreed is kept, and so is a first step, which no interval leads to.
    """
    if not subject.is_annoyed:
        return None
    before = chains.link_before(session, row)
    restarted = chains.restarted_on(session, row.program_id, row.flow, row.customer_id, row.matter_id)
    base = _latest(before.nominal_on if before else None, restarted)
    if base is None or base >= row.nominal_on:
        return None
    assert isinstance(flow.on, AfterEvent | Every)
    return base if following(flow.on, base, annoyed=True) > row.nominal_on else None


# ----- what a contact does (rule 8)


def meet(session: Session, subject: Subject, flow: Flow, on: date, person_id: int, because: str, own: int = 0) -> None:
    """What a counting contact on this day does to this flow's steps; `own`: the step whose task it was.

    Steps of other contact persons stay as they are.
    """
    steps = list(chains.open_steps(session, subject.in_force.program.id, flow.id, subject.customer.id, own))
    steps = [step for step in steps if step.person_id in (0, person_id)]
    if isinstance(flow.on, Every):
        _meet_cadence(session, subject, flow, steps, on, because)
        return
    found = [list(rows) for _, rows in groupby(sorted(steps, key=_chain_of), key=_chain_of)]
    for chain, last_on in [(rows, _last_on(session, subject, flow, rows[0])) for rows in found]:
        _meet_chain(session, subject, flow, chain, on, last_on, because)


def _chain_of(row: FollowUpRow) -> tuple[int, int, int]:
    return row.event_id, row.person_id, row.matter_id


def _meet_chain(
    session: Session,
    subject: Subject,
    flow: Flow,
    steps: Sequence[FollowUpRow],
    on: date,
    last_on: date | None,
    because: str,
) -> None:
    """One chain after an event: what is due is fulfilled, else it may begin anew on the day of the contact."""
    assert isinstance(flow.on, AfterEvent)
    first = steps[0]
    due = [step for step in steps if _effect(flow, step, on, last_on) is Effect.FULFILS]
    for step in due:
        is_next = step.state == FollowUpState.PLANNED
        _fulfil(session, subject, step, because)
        if is_next:
            go_on(session, subject, step)
    next_on = following(flow.on, on, annoyed=subject.is_annoyed)
    left = [step for step in steps if step not in due]
    if not _is_anew(due, left, on, last_on, next_on):
        return
    if _give_up(session, subject, left, next_on, on, because):
        chains.restart(session, first.program_id, flow.id, first.customer_id, on, subject.now, first.matter_id)
        anew = Step(first.event_id, on, on, first.person_id, first.matter_id)
        _plan_after(session, subject, flow.id, anew)


def _meet_cadence(
    session: Session, subject: Subject, flow: Flow, steps: Sequence[FollowUpRow], on: date, because: str
) -> None:
    """As `_meet_chain`, for a cadence: the planner finds its next step, from the day that is noted here."""
    assert isinstance(flow.on, Every)
    if not steps and not _is_meant(subject, flow):
        return
    last_on = _last_on(session, subject, flow, steps[0] if steps else None)
    due = [step for step in steps if _effect(flow, step, on, last_on) is Effect.FULFILS]
    for step in due:
        _fulfil(session, subject, step, because)
    next_on = following(flow.on, on, annoyed=subject.is_annoyed)
    left = [step for step in steps if step not in due]
    if not _is_anew(due, left, on, last_on, next_on):
        return
    if not _give_up(session, subject, left, next_on, on, because):
        return
    chains.restart(session, subject.in_force.program.id, flow.id, subject.customer.id, on, subject.now)
    if not steps:
        note(session, subject, "restarted", because, flow=flow.id, data=_anew(on, next_on))
    if next_on <= add(subject.today, subject.in_force.program.horizon):
        agenda.replan(session)  # it may be due before midnight makes the planner look again


def _is_anew(
    due: Sequence[FollowUpRow], left: Sequence[FollowUpRow], on: date, last_on: date | None, next_on: date
) -> bool:
    """Does the interval begin anew on the day of a contact that was what `due` wanted, and not what is `left`?

    Who only did what was due keeps the dates; but a step that has opened ahead (`before`) was met before its own date,
    whatever is overdue besides.
    """
    if not due:
        return last_on is None or on > last_on
    opened_ahead = any(step.state != FollowUpState.PLANNED and step.nominal_on < next_on for step in left)
    return opened_ahead and on > max(step.nominal_on for step in due)


def _effect(flow: Flow, row: FollowUpRow, on: date, last_on: date | None) -> Effect:
    return effect(flow, Step(row.event_id, row.nominal_on, row.intended_on), on, last_on)


def _last_on(session: Session, subject: Subject, flow: Flow, first: FollowUpRow | None) -> date | None:
    """What the first open step counts from: the step before or the event, or what restarted the chain since."""
    program_id, customer_id = subject.in_force.program.id, subject.customer.id
    if first is None:
        begun = chains.newest_link(session, program_id, flow.id, customer_id)
    else:
        before = chains.link_before(session, first)
        begun = before.nominal_on if before else _event_on(session, subject, first.event_id)
    restarted = chains.restarted_on(session, program_id, flow.id, customer_id, first.matter_id if first else 0)
    return _latest(begun, restarted)


def _latest(*days: date | None) -> date | None:
    return max((day for day in days if day is not None), default=None)


def _event_on(session: Session, subject: Subject, event_id: int) -> date | None:
    event = events.get(session, event_id) if event_id else None
    return event.occurred_at.astimezone(subject.zone).date() if event else None


def fulfil_by_id(session: Session, subject: Subject, follow_up_id: int, because: str) -> None:
    """The follow-up whose own task a contact was has what it wanted, of whatever flow it is."""
    if row := follow_ups.get(session, follow_up_id):
        _fulfil(session, subject, row, because)


def _fulfil(session: Session, subject: Subject, step: FollowUpRow, because: str) -> None:
    moved = move(session, FollowUpRow, step.id, FollowUpState.FULFILLED, reason=because)
    finished = contacts.finish_tasks(session, step.id, subject.now, because)
    if moved or finished:
        note(session, subject, "fulfilled", because, flow=step.flow, follow_up_id=step.id)


def _give_up(
    session: Session, subject: Subject, steps: Sequence[FollowUpRow], next_on: date, on: date, because: str
) -> bool:
    """Take back what was to come before the interval began anew; False: the step to come is the same as before."""
    if any(step.nominal_on == next_on and step.state == FollowUpState.PLANNED for step in steps):
        return False
    for step in steps:
        if step.state != FollowUpState.PLANNED:
            _fulfil(session, subject, step, because)
        elif move(session, FollowUpRow, step.id, FollowUpState.CANCELLED, reason=f"{RESTARTED} {because}"):
            data = _anew(on, next_on)
            note(session, subject, "restarted", because, flow=step.flow, follow_up_id=step.id, data=data)
    return True


def _anew(on: date, next_on: date) -> dict[str, str]:
    return {"from": on.isoformat(), "next": next_on.isoformat()}


# ----- a date that was agreed (R36)


def agree(session: Session, subject: Subject, flow: Flow, on: date, because: str) -> bool:
    """The next step of this flow comes on this date instead of the computed one; False: it has none to come."""
    steps = chains.open_steps(session, subject.in_force.program.id, flow.id, subject.customer.id)
    to_come = [step for step in steps if step.state == FollowUpState.PLANNED]
    if is_chain(flow):
        to_come = to_come[:1]
    if not to_come and not _is_meant(subject, flow):
        return False
    matter_id = to_come[0].matter_id if to_come else 0
    chains.restart(session, subject.in_force.program.id, flow.id, subject.customer.id, on, subject.now, matter_id)
    for step in to_come:
        move(session, FollowUpRow, step.id, FollowUpState.CANCELLED, reason=because)
        note(session, subject, "cancelled", because, flow=flow.id, follow_up_id=step.id)
    _plan_agreed(session, subject, flow, to_come[0] if to_come else None, on, because)
    return True


def _is_meant(subject: Subject, flow: Flow) -> bool:
    """Is it a cadence of this customer, whose next step is only not planned yet?"""
    return isinstance(flow.on, Every) and holds(flow.audience, subject.facts.facts(subject.today))


def _plan_agreed(
    session: Session, subject: Subject, flow: Flow, instead_of: FollowUpRow | None, on: date, because: str
) -> None:
    program = subject.in_force.program
    slot = step_slot(program, flow, on, subject.zone, subject.calendar)
    event_id = instead_of.event_id if instead_of else 0
    begins = f"event:{event_id}" if is_chain(flow) else "due"
    planned = PlanFollowUp(
        flow=flow.id,
        occasion=f"{begins}:{on}:{subject.now:%Y%m%d%H%M%S}",
        slot=slot,
        purpose=flow.purpose,
        because="; ".join((because, *slot.reasons)),
        person_id=instead_of.person_id if instead_of else 0,
        matter_id=instead_of.matter_id if instead_of else 0,
    )
    apply(session, replace(subject, event_id=event_id), [planned])
