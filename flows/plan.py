"""What just happened, or which day it is -> follow-ups.

An event plans its own few rows (`plan_event`). A festival, a cadence or a silence means many: `select` answers with a
Selection, from the distinct anchors that the store has counted, and the store turns it into one INSERT for each group.
The forecast counts the same Selections, so it cannot disagree with the planner.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from flows.audience import holds
from flows.calendar import Calendar
from flows.decisions import CancelFollowUps, Decision, Group, Missed, PlanFollowUp, Selection, SetClass
from flows.events import Customer, Event
from flows.offsets import Offset, add, add_to_instant, parse_offset
from flows.program import (
    PERIOD_MONTHS,
    AfterEvent,
    Every,
    Flow,
    OffDays,
    OnFestival,
    OnSilence,
    Program,
    Sample,
    Unanswered,
)
from flows.recurrence import next_nominal
from flows.timing import LATE, Slot, place_day, place_instant, place_same_day
from flows.windows import OffDay, Permits, release

MOST_DAYS = 9999
"""A greater number of days in an event is a slip of the pen: the flow's own offset holds."""


@dataclass(frozen=True)
class Anchor:
    """So many enrolled customers of one zone count from this date (None: the trigger needs none)."""

    zone: str
    on: date | None
    count: int = 0


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
    occurred_at, after = event.occurred_at, offset_after(flow, event)
    permits = program.permits(flow)
    event_on = occurred_at.astimezone(zone).date()
    limit = add(event_on, flow.deadline) if flow.deadline and not flow.deadline.is_time else None
    if flow.same_day:
        slot = place_same_day(occurred_at, permits=permits, calendar=calendar, zone=zone)
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
            add(event_on, after), event_on=event_on, deadline=limit, permits=permits, calendar=calendar, zone=zone
        )
    return with_expiry(slot, flow.valid_for, zone)


def offset_after(flow: Flow, event: Event) -> Offset:
    """How long after the event; `after_field` names a number of days that the event itself says."""
    days = event.data.get(flow.after_field) if flow.after_field else None
    if isinstance(days, bool) or not isinstance(days, int | float) or not 0 <= days <= MOST_DAYS:
        return flow.after
    return parse_offset(f"{int(days)}d")


def with_expiry(slot: Slot, valid_for: Offset, zone: ZoneInfo) -> Slot:
    """A slot without a deadline may be late by `valid_for`, then it expires."""
    if slot.expires_at is not None:
        return slot
    return replace(slot, expires_at=add_to_instant(slot.due_at, valid_for, zone))


def released(
    slot: Slot, program: Program, flow: Flow, now: datetime, calendar: Calendar, zone: ZoneInfo
) -> Slot | None:
    """The slot as it is now: unchanged, late in the next permitted one, or None when its deadline has passed (R18)."""
    permits = program.permits(flow)
    due = release(now, slot.due_at, slot.expires_at, permits=permits, calendar=calendar, zone=zone, exempt=slot.exempt)
    if due is None or due == slot.due_at:
        return slot if due else None
    return replace(slot, due_at=due, intended_on=due.astimezone(zone).date(), reasons=(*slot.reasons, LATE))


def _after_event(
    program: Program, flow: Flow, event: Event, event_on: date, customer: Customer, now: datetime, calendar: Calendar
) -> Decision:
    because = f"{event.type} on {event_on}, {offset_after(flow, event)} after"
    slot = slot_after(program, flow, event, customer.zone, calendar)
    on_time = released(slot, program, flow, now, calendar, customer.zone)
    if on_time is None:
        return Missed(flow.id, f"{because}: its time had passed when the event arrived", f"event:{event.id}")
    return PlanFollowUp(
        flow=flow.id,
        occasion=f"event:{event.id}",
        slot=on_time,
        purpose=flow.purpose,
        because="; ".join((because, *on_time.reasons)),
        person_id=0,
        matter_id=event.matter_id,
    )


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
            add(sent_on, flow.after),
            event_on=sent_on,
            deadline=None,
            permits=program.permits(flow),
            calendar=calendar,
            zone=zone,
        )
        if slot.due_at < closes_at:
            slot = replace(slot, expires_at=closes_at)
            planned.append(
                PlanFollowUp(
                    flow.id, occasion, slot, flow.purpose, f"silent {flow.after} after {sent_flow}", survey_id=survey_id
                )
            )
    return planned


def needs_anchor(flow: Flow) -> Literal["none", "activity", "class"] | None:
    """What a set-based flow counts from: `none`, `activity`, `class`; None for flows that events plan."""
    match flow.on:
        case OnFestival() | Sample():
            return "none"
        case OnSilence():
            return "activity"
        case Every():
            return "class"
        case _:
            return None


def select(
    program: Program, flow: Flow, anchors: Iterable[Anchor], today: date, calendar: Calendar
) -> Selection | None:
    """Who is meant by a set-based flow between `today` and the program's horizon; None when nobody is."""
    until = add(today, program.horizon)
    groups: list[Group] = []
    for anchor in anchors:
        zone = ZoneInfo(anchor.zone)
        match flow.on:
            case OnFestival(festivals=festivals):
                groups.extend(_festival_groups(program, flow, festivals, anchor, zone, today, until, calendar))
            case OnSilence(silence=silence) if anchor.on is not None:
                nominal = add(anchor.on, silence)
                if _planned_now(program, nominal, today, until, flow):
                    groups.append(_day_group(program, flow, anchor, zone, nominal, f"silent:{anchor.on}", calendar))
            case Every(every=every) if anchor.on is not None:
                nominal = next_nominal(anchor.on, every, None)
                nominal = _catch_up(nominal, every, today, _oldest(today, flow))
                if _planned_now(program, nominal, today, until, flow):
                    groups.append(_day_group(program, flow, anchor, zone, nominal, f"due:{nominal}", calendar))
            case _:
                pass
    if not groups:
        return None
    return Selection(flow.id, flow.audience, tuple(groups), flow.purpose, _because(flow), needs_anchor(flow) or "none")


def may_fire(program: Program, flow: Flow, today: date, calendar: Calendar) -> bool:
    """Whether the calendar alone already rules this flow out between `today` and the horizon."""
    if not isinstance(flow.on, OnFestival):
        return True
    near = calendar.festivals(today, add(today, program.horizon))
    return any(name in flow.on.festivals for name, _ in near)


def sample_period(every: Offset, today: date) -> tuple[date, date]:
    """First and last day of the calendar period (1mo, 1q, 1hy, 1y) that holds `today`."""
    months = PERIOD_MONTHS[str(every)]
    first = date(today.year, (today.month - 1) // months * months + 1, 1)
    index = first.year * 12 + first.month - 1 + months
    return first, date(index // 12, index % 12 + 1, 1) - timedelta(days=1)


def sample_slot(program: Program, flow: Flow, trigger: Sample, today: date, calendar: Calendar) -> tuple[str, Slot]:
    """The occasion of the period that holds `today`, and when its sample is sent."""
    first, last = sample_period(trigger.every, today)
    slot = place_day(
        add(first, flow.after),
        event_on=first,
        deadline=last,
        permits=program.permits(flow),
        calendar=calendar,
        zone=program.time_zone,
    )
    return f"period:{first}", slot


def _festival_groups(
    program: Program,
    flow: Flow,
    festivals: tuple[str, ...],
    anchor: Anchor,
    zone: ZoneInfo,
    today: date,
    until: date,
    calendar: Calendar,
) -> list[Group]:
    groups = []
    for name, day in calendar.festivals(today, until):
        if name not in festivals:
            continue
        slot = place_day(
            day,
            event_on=None,
            deadline=day,
            permits=_any_day(program, flow),
            calendar=calendar,
            zone=zone,
            at=program.greeting_at,
        )
        closes = datetime.combine(day, program.hard_hours.end, tzinfo=zone).astimezone(UTC)
        groups.append(Group(anchor.zone, None, f"festival:{name}:{day.year}", replace(slot, expires_at=closes)))
    return groups


def _any_day(program: Program, flow: Flow) -> Permits:
    """Greetings go out on the day itself although other contacts are barred on holidays (R41)."""
    return program.permits(flow, OffDays(weekend=OffDay.SEND, holiday=OffDay.SEND, advance=False))


def _day_group(
    program: Program, flow: Flow, anchor: Anchor, zone: ZoneInfo, nominal: date, occasion: str, calendar: Calendar
) -> Group:
    return Group(anchor.zone, anchor.on, occasion, day_slot(program, flow, anchor.on, zone, nominal, calendar))


def day_slot(
    program: Program, flow: Flow, event_on: date | None, zone: ZoneInfo, nominal: date, calendar: Calendar
) -> Slot:
    """When a date-based step of this flow goes out whose nominal date is given."""
    slot = place_day(
        nominal, event_on=event_on, deadline=None, permits=program.permits(flow), calendar=calendar, zone=zone
    )
    return with_expiry(slot, flow.valid_for, zone)


def _planned_now(program: Program, nominal: date, today: date, until: date, flow: Flow) -> bool:
    """Within the horizon, not older than what may still be late, and not before the program began."""
    if program.active_from and nominal < program.active_from:
        return False
    return _oldest(today, flow) <= nominal <= until


def _oldest(today: date, flow: Flow) -> date:
    """The earliest nominal date that may still go out late; a length in hours never reaches further than a day."""
    late = timedelta(days=1) if flow.valid_for.is_time else add(today, flow.valid_for) - today
    return today - late


def _catch_up(nominal: date, every: Offset, today: date, oldest: date) -> date:
    """A chain that stood still (a paused program) goes on at its last nominal date, or at the next if that is stale."""
    while nominal < today and (nominal < oldest or add(nominal, every) <= today):
        nominal = add(nominal, every)
    return nominal


def _because(flow: Flow) -> str:
    match flow.on:
        case OnFestival(festivals=festivals):
            return f"festival ({', '.join(festivals)})"
        case OnSilence(silence=silence):
            return f"no activity for {silence}"
        case Every(every=every):
            return f"every {every}"
        case _:
            return flow.id
