"""What just happened -> follow-ups: an event plans its own few rows, a survey that was sent its reminders.

What the calendar calls for is planned as sets: read `flows/selections.py`.
"""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from flows.audience import holds
from flows.calendar import Calendar
from flows.decisions import CancelFollowUps, Decision, Missed, PlanFollowUp, SetClass
from flows.events import Customer, Event
from flows.offsets import Offset, add, add_to_instant, last_day, parse_offset
from flows.program import Flow, Program
from flows.promises import ping_time
from flows.timing import LATE, Slot, place_day, place_instant, place_same_day
from flows.triggers import AfterEvent, Unanswered
from flows.windows import release

MOST_DAYS = 9999
"""A greater number of days in an event is a slip of the pen: the flow's own offset holds."""


def plan_event(program: Program, event: Event, customer: Customer, now: datetime, calendar: Calendar) -> list[Decision]:
    """The follow-ups that one event plans and those that it stops (R14, R17-R19, R21).

    An event older than the program's `active_from` is a fact and plans nothing. One that arrives late is sent in the
    next permitted slot while its deadline holds, and is otherwise listed as missed (R18).
    """
    event_on = event.occurred_at.astimezone(customer.zone).date()
    if program.active_from and event_on < program.active_from:
        return []
    decisions: list[Decision] = []
    stopped = tuple(flow.id for flow in program.flows if event.type in flow.stops_on)
    if stopped:
        decisions.append(CancelFollowUps(f"{event.type} came", stopped))
    facts = customer.facts(event_on, event.data)
    for flow in program.flows:
        if not isinstance(flow.on, AfterEvent) or flow.on.event != event.type:
            continue
        if not (holds(flow.on.where, facts) and holds(flow.audience, facts)):
            continue
        if flow.message is None and flow.set_class:
            decisions.append(SetClass(flow.set_class, f"{event.type} ({flow.id})"))
            continue
        decisions.append(_after_event(program, flow, event, event_on, customer, now, calendar))
    return decisions


def slot_after(program: Program, flow: Flow, event: Event, zone: ZoneInfo, calendar: Calendar) -> Slot:
    """When a flow that counts from an event intends to send."""
    occurred_at, after = event.occurred_at, offset_after(flow, event, zone)
    permits = program.permits(flow)
    event_on = occurred_at.astimezone(zone).date()
    limit = add(event_on, flow.deadline) if flow.deadline and not flow.deadline.is_time else None
    if flow.before is not None:
        return step_slot(program, flow, add(event_on, after, calendar), zone, calendar)
    if flow.same_day:
        slot = place_same_day(occurred_at, permits=permits, calendar=calendar, zone=zone)
        if is_for_staff(flow) and LATE in slot.reasons:
            slot = _when_staff_hear(slot, occurred_at, program, flow, zone)
    elif is_for_staff(flow) and (after.is_time or is_at_once(flow)):
        at = add_to_instant(occurred_at, after, zone)
        slot = place_instant(at, deadline=None, permits=permits, calendar=calendar, zone=zone)
        slot = _when_staff_hear(slot, at, program, flow, zone)
    elif after.is_time:
        deadline = add_to_instant(occurred_at, flow.deadline, zone) if flow.deadline else None
        slot = place_instant(
            add_to_instant(occurred_at, after, zone),
            event_at=occurred_at,
            deadline=deadline,
            permits=permits,
            calendar=calendar,
            zone=zone,
        )
    else:
        slot = place_day(
            add(event_on, after, calendar),
            event_on=event_on,
            deadline=limit,
            permits=permits,
            calendar=calendar,
            zone=zone,
        )
    return with_expiry(slot, flow.valid_for, zone)


def is_for_staff(flow: Flow) -> bool:
    """Whether a step is only a task: no message of it waits for the customers' windows, so neither does it."""
    return flow.task is not None and flow.message is None


def is_at_once(flow: Flow) -> bool:
    """Whether a step calls for something that cannot wait: it opens at any hour, and no windows of anybody move it."""
    return flow.task is not None and flow.task.at_once


def _when_staff_hear(slot: Slot, at: datetime, program: Program, flow: Flow, zone: ZoneInfo) -> Slot:
    """The slot at this very instant, or when staff may next be told of what can wait so long (rule 6)."""
    due_at = at.astimezone(UTC) if is_at_once(flow) else ping_time(at, program.time_zone)
    local = due_at.astimezone(zone)
    reasons = () if due_at == at else ("outside staff hours",)
    return replace(slot, intended_on=local.date(), local_time=local.time(), due_at=due_at, reasons=reasons)


def offset_after(flow: Flow, event: Event, zone: ZoneInfo) -> Offset:
    """How long after the event; `after_field` names a number of days, or the day, that the event itself says."""
    told = event.data.get(flow.after_field) if flow.after_field else None
    days = _days_until(told, event.occurred_at.astimezone(zone).date()) if isinstance(told, str | date) else told
    if isinstance(days, bool) or not isinstance(days, int | float) or not 0 <= days <= MOST_DAYS:
        return flow.after
    return parse_offset(f"{int(days)}d")


def _days_until(told: str | date, event_on: date) -> int | None:
    """How many days after its event a day is that the event says; None: it is no day."""
    try:
        return (date.fromisoformat(str(told)[:10]) - event_on).days
    except ValueError:
        return None


def with_expiry(slot: Slot, valid_for: Offset, zone: ZoneInfo) -> Slot:
    """A slot without a deadline may be late by `valid_for`, then it expires."""
    if slot.expires_at is not None:
        return slot
    return replace(slot, expires_at=add_to_instant(slot.due_at, valid_for, zone))


def released(
    slot: Slot, program: Program, flow: Flow, now: datetime, calendar: Calendar, zone: ZoneInfo
) -> Slot | None:
    """The slot as it is now: unchanged, late in the next permitted one, or None when its deadline has passed (R18).

    What is only for staff opens as soon as they may be told; a step of days is not late on its own day.
    """
    if is_for_staff(flow) and now > slot.due_at:
        opens = _when_staff_hear(slot, now, program, flow, zone)
        if slot.expires_at is not None and opens.due_at >= slot.expires_at:
            return None
        on_its_day = not flow.after.is_time and now.astimezone(zone).date() == slot.intended_on
        return replace(opens, reasons=(*slot.reasons, *(opens.reasons if on_its_day else (LATE,))))
    permits = program.permits(flow)
    due = release(now, slot.due_at, slot.expires_at, permits=permits, calendar=calendar, zone=zone, exempt=slot.exempt)
    if due is None or due == slot.due_at:
        return slot if due else None
    return replace(slot, due_at=due, intended_on=due.astimezone(zone).date(), reasons=(*slot.reasons, LATE))


def _after_event(
    program: Program, flow: Flow, event: Event, event_on: date, customer: Customer, now: datetime, calendar: Calendar
) -> Decision:
    because = f"{event.type} on {event_on}, {offset_after(flow, event, customer.zone)} after"
    if is_at_once(flow):
        because = f"{event.type} came"
    slot = slot_after(program, flow, event, customer.zone, calendar)
    planned = PlanFollowUp(
        flow=flow.id,
        occasion=f"event:{event.id}",
        slot=slot,
        purpose=flow.purpose,
        because=because,
        person_id=0,
        matter_id=event.matter_id,
    )
    on_time = released(slot, program, flow, now, calendar, customer.zone)
    if on_time is None:
        return Missed(replace(planned, because=f"{because}: its time had passed when the event arrived"))
    return replace(planned, slot=on_time, because="; ".join((because, *on_time.reasons)))


def plan_reminders(
    program: Program,
    sent_flow: str,
    occasion: str,
    sent_on: date,
    survey_id: int,
    closes_at: datetime,
    zone: ZoneInfo,
    calendar: Calendar,
) -> list[PlanFollowUp]:
    """Reminders of a survey that has just been sent (R71), before its closing date only (rule 13)."""
    planned = []
    for flow in program.flows:
        if not isinstance(flow.on, Unanswered) or flow.on.unanswered != sent_flow:
            continue
        slot = place_day(
            add(sent_on, flow.after, calendar),
            event_on=sent_on,
            deadline=None,
            permits=program.permits(flow),
            calendar=calendar,
            zone=zone,
        )
        if slot.intended_on < last_day(closes_at, zone):
            slot = replace(slot, expires_at=closes_at)
            planned.append(
                PlanFollowUp(
                    flow.id, occasion, slot, flow.purpose, f"silent {flow.after} after {sent_flow}", survey_id=survey_id
                )
            )
    return planned


def day_slot(
    program: Program,
    flow: Flow,
    event_on: date | None,
    zone: ZoneInfo,
    nominal: date,
    calendar: Calendar,
    deadline: date | None = None,
) -> Slot:
    """When a date-based step of this flow goes out whose nominal date is given."""
    slot = place_day(
        nominal, event_on=event_on, deadline=deadline, permits=program.permits(flow), calendar=calendar, zone=zone
    )
    return with_expiry(slot, flow.valid_for, zone)


def step_slot(program: Program, flow: Flow, nominal: date, zone: ZoneInfo, calendar: Calendar) -> Slot:
    """When a step goes out that is due on `nominal`: then, or with `before` so long ahead, and until then."""
    due = day_slot(program, flow, None, zone, nominal, calendar)
    if flow.before is None:
        return due
    ahead = day_slot(program, flow, None, zone, add(nominal, -flow.before, calendar), calendar)
    return replace(ahead, nominal_on=nominal, expires_at=due.expires_at)


def oldest(today: date, flow: Flow) -> date:
    """The earliest date that may still go out late; a length in hours never reaches further than a day."""
    late = timedelta(days=1) if flow.valid_for.is_time else add(today, flow.valid_for) - today
    return today - late
