"""Chains: what comes again and again after an event, and what a logged contact does to a step (rule 8, R25-R28).

A chain has exactly one step that is still to come. Its dates count from nominal dates, never from the day a step was
moved to. Where the rows come from: bot/journey/chains.py. Sums with dates: recurrence.py.
"""

from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import Enum, auto
from zoneinfo import ZoneInfo

from flows.calendar import Calendar
from flows.decisions import PlanFollowUp
from flows.events import Event
from flows.plan import offset_after, released, slot_after, step_slot
from flows.program import Flow, Program
from flows.recurrence import following
from flows.timing import Slot
from flows.triggers import AfterEvent, Every

OVER = "nothing comes after"
RESTARTED = "restarted by"
"""How the reasons begin for which a step was taken back although its chain may go on."""


@dataclass(frozen=True)
class Step:
    """One step of a chain: the event, person and matter that all its steps share, and its own days."""

    event_id: int
    nominal_on: date
    intended_on: date
    person_id: int = 0
    matter_id: int = 0


def is_chain(flow: Flow) -> bool:
    """Does it come again after its event?"""
    return isinstance(flow.on, AfterEvent) and flow.on.every is not None


def counts_contacts(flow: Flow, kind: str) -> bool:
    """Does a contact of this kind fulfil its steps, or restart it?"""
    return isinstance(flow.on, AfterEvent | Every) and kind in flow.on.contacts


def until_of(flow: Flow) -> str:
    """The name of the date after which nothing of this flow comes; empty: it has no end."""
    return (flow.on.until or "") if isinstance(flow.on, AfterEvent | Every) else ""


def over(flow: Flow, ends_on: date | None) -> str:
    """Why no step comes any more."""
    return f"{OVER} {until_of(flow)} on {ends_on}"


def next_step(
    program: Program,
    flow: Flow,
    last: Step,
    *,
    today: date,
    ends_on: date | None,
    zone: ZoneInfo,
    calendar: Calendar,
    annoyed: bool = False,
) -> PlanFollowUp | None:
    """The step after `last`; None: nothing comes after `ends_on`.

    Dates that have passed by (a late event, a house that stood still) are passed over, and so is one that would go
    out on the day of the step before.
    """
    assert isinstance(flow.on, AfterEvent)
    nominal = following(flow.on, last.nominal_on, annoyed=annoyed)
    passed_over = 0
    while ends_on is None or nominal <= ends_on:
        slot = step_slot(program, flow, nominal, zone, calendar) if nominal >= today else None
        if slot is not None and slot.intended_on > last.intended_on:
            return _planned(flow, last, slot, _because(flow.on, last.nominal_on, passed_over))
        nominal = following(flow.on, nominal, annoyed=annoyed)
        passed_over += 1
    return None


def _because(trigger: AfterEvent, counted_from: date, passed_over: int) -> str:
    left_out = f" ({passed_over} had passed by)" if passed_over else ""
    return f"again after {trigger.event}, counted from {counted_from}{left_out}"


def first_late(
    program: Program,
    flow: Flow,
    event: Event,
    *,
    today: date,
    ends_on: date | None,
    zone: ZoneInfo,
    calendar: Calendar,
    annoyed: bool = False,
) -> PlanFollowUp | None:
    """Where a chain begins whose event came so late that its first step had passed by (R18)."""
    first = slot_after(program, flow, event, zone, calendar)
    step = Step(event.id, first.nominal_on, first.intended_on, matter_id=event.matter_id)
    return next_step(program, flow, step, today=today, ends_on=ends_on, zone=zone, calendar=calendar, annoyed=annoyed)


def is_same_kind(flow: Flow, other: Flow) -> bool:
    """Do the steps of two chains look the same to the customer: the same text, or the same kind of task (R5)?"""
    if not (isinstance(flow.on, AfterEvent) and isinstance(other.on, AfterEvent) and flow.on.event == other.on.event):
        return False
    same_text = flow.message and other.message and flow.message.template == other.message.template
    return bool(same_text or (flow.task and other.task and flow.task.kind == other.task.kind))


def taken_up(
    program: Program,
    flow: Flow,
    event: Event,
    last: Step | None,
    because: str,
    *,
    now: datetime,
    ends_on: date | None,
    zone: ZoneInfo,
    calendar: Calendar,
    annoyed: bool = False,
) -> PlanFollowUp | None:
    """The step to come of a chain that had none: after `last`, else as its event would have planned it.

    Its occasion tells it from a step of the same date that was taken back before.
    """
    planned: PlanFollowUp | None = None
    if last is None:
        slot = slot_after(program, flow, event, zone, calendar)
        last = Step(event.id, slot.nominal_on, slot.intended_on, matter_id=event.matter_id)
        on_time = released(slot, program, flow, now, calendar, zone)
        if on_time is not None and (ends_on is None or slot.nominal_on <= ends_on):
            planned = _planned(flow, last, on_time, f"{offset_after(flow, event, zone)} after {event.type}")
    planned = planned or next_step(
        program,
        flow,
        last,
        today=now.astimezone(zone).date(),
        ends_on=ends_on,
        zone=zone,
        calendar=calendar,
        annoyed=annoyed,
    )
    if planned is None:
        return None
    occasion = f"{planned.occasion}:{now:%Y%m%d%H%M%S}"
    return replace(planned, occasion=occasion, because=f"{because}; {planned.because}")


def _planned(flow: Flow, last: Step, slot: Slot, because: str) -> PlanFollowUp:
    return PlanFollowUp(
        flow=flow.id,
        occasion=f"event:{last.event_id}:{slot.nominal_on}",
        slot=slot,
        purpose=flow.purpose,
        because="; ".join((because, *slot.reasons)),
        person_id=last.person_id,
        matter_id=last.matter_id,
    )


class Effect(Enum):
    """What a counting contact does to a chain."""

    FULFILS = auto()
    """It is what the open step wanted; the chain keeps its dates."""
    RESTARTS = auto()
    """It came before the step: the interval begins anew on its day."""
    NOTHING = auto()
    """It is older than what the chain counts from."""


def effect(flow: Flow, step: Step, contact_on: date, last_on: date | None) -> Effect:
    """What a contact on this day does to an open step of a chain whose last date was `last_on` (rule 8).

    A step that an off day moved earlier is there from that day on; one that opens ahead (`before`) is due on its
    nominal date, and a contact until then restarts the interval.
    """
    there_from = step.nominal_on if flow.before else min(step.nominal_on, step.intended_on)
    if contact_on >= there_from:
        return Effect.FULFILS
    return Effect.RESTARTS if last_on is None or contact_on > last_on else Effect.NOTHING
