"""Which day it is -> many follow-ups at once: festivals, dates, milestones, cadences, silences, rounds, minimums.

`select` answers with a Selection, from the distinct anchors that the store has counted, and the store turns it into
INSERT ... SELECT, one for each group. The forecast counts the same Selections, so it cannot disagree with the planner.
Random draws have a list to draw from instead of a Selection: their days are in `flows/rounds.py`.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from flows.calendar import Calendar
from flows.decisions import CountsFrom, Group, Selection
from flows.offsets import DAY, add, resolve_local
from flows.plan import day_slot, oldest, step_slot
from flows.program import Flow, OffDays, Program
from flows.recurrence import following
from flows.rounds import (
    first_workdays_slots,
    look_slot,
    looks,
    months_between,
    round_days,
    round_slot,
    workdays_of,
)
from flows.timing import Slot, place_day
from flows.triggers import (
    AtLeast,
    Every,
    FirstWorkdays,
    OnDate,
    OnFestival,
    OnMilestone,
    OnSilence,
    Round,
    Sample,
    Trigger,
    Wave,
)
from flows.windows import OffDay

CLIPPED = timedelta(days=3)
"""By how much clipping to a month's end can move a date: 31 -> 28."""
FURTHEST_BACK = timedelta(days=21)
"""No run of off days is longer; what may not go out in one moves back to before it."""


@dataclass(frozen=True)
class Anchor:
    """So many enrolled customers of one zone count from this date (None: the trigger needs none)."""

    zone: str
    on: date | None
    count: int = 0
    annoyed: bool = False


@dataclass(frozen=True)
class Milestone:
    """A date that was entered for everybody who is meant."""

    kind: str
    on: date


def counts_from(flow: Flow) -> CountsFrom | None:
    """What a set-based flow counts from; None for flows that events plan, that are drawn, or that count staff."""
    match flow.on:
        case OnFestival() | OnMilestone() | FirstWorkdays() | AtLeast(each="customer"):
            return CountsFrom("none")
        case Round() if not is_drawn(flow.on):
            return CountsFrom("none")
        case OnSilence():
            return CountsFrom("activity")
        case Every():
            return CountsFrom("chain")
        case OnDate(date=name):
            return date_of(name)
        case _:
            return None


def is_drawn(trigger: Trigger) -> bool:
    """Whether a lot decides who is meant."""
    if isinstance(trigger, Round):
        return trigger.sample is not None or trigger.share is not None
    return isinstance(trigger, Sample | Wave)


def date_of(name: str) -> CountsFrom:
    """A date as triggers name it: an attribute, or kind.date of a matter."""
    kind, dot, field = name.partition(".")
    return CountsFrom("matter", field, kind) if dot else CountsFrom("attribute", name)


def anchors_between(program: Program, flow: Flow, today: date, calendar: Calendar) -> tuple[date | None, date | None]:
    """Anchors outside of these two days mean nobody now (None: no limit); those between may, or may not."""
    first, last = oldest(today, flow), add(today, program.horizon)
    if program.permits(flow).advance:
        last += FURTHEST_BACK
    match flow.on:
        case OnSilence(silence=silence):
            return add(first, -silence) - CLIPPED, add(last, -silence) + CLIPPED
        case Every(every=every, seasons=seasons):
            reached = _reaches(flow, last, calendar)
            latest = max(add(reached, -each) for each in (every, *(season.every for season in seasons)))
            return None, latest + CLIPPED
        case OnDate() | OnMilestone():
            offset = -flow.before if flow.before else flow.after
            slack = FURTHEST_BACK if offset.is_workdays else CLIPPED
            return add(first, -offset, calendar) - slack, add(last, -offset, calendar) + slack
        case _:
            return None, None


def select(
    program: Program,
    flow: Flow,
    anchors: Iterable[Anchor],
    today: date,
    calendar: Calendar,
    milestones: Sequence[Milestone] = (),
) -> Selection | None:
    """Who is meant by a set-based flow between `today` and the program's horizon; None when nobody is."""
    until = _horizon(program, flow, today, calendar)
    groups = tuple(
        group
        for anchor in anchors
        for group in _groups(program, flow, anchor, ZoneInfo(anchor.zone), today, until, calendar, milestones)
    )
    if not groups:
        return None
    return Selection(
        flow.id,
        flow.audience,
        groups,
        flow.purpose,
        _because(flow),
        counts_from(flow) or CountsFrom("none"),
        to=flow.message.to if flow.message else (),
        stops_on=flow.stops_on if isinstance(flow.on, OnDate) else (),
        until=date_of(flow.on.until) if isinstance(flow.on, Every) and flow.on.until else None,
    )


def may_fire(program: Program, flow: Flow, today: date, calendar: Calendar) -> bool:
    """Whether the calendar alone already rules this flow out between `today` and the horizon."""
    first, last = oldest(today, flow), _horizon(program, flow, today, calendar)
    match flow.on:
        case OnFestival():
            return bool(festivals_near(program, flow, today, _reaches(flow, last, calendar), calendar))
        case FirstWorkdays():
            return any(True for _ in _months(flow, today, last, calendar))
        case Round(start=start, round=every):
            return any(True for _ in round_days(start, every, first, last))
        case AtLeast() as trigger:
            return bool(looks(trigger, first, last, program.permits(flow), calendar))
        case _:
            return True


def festivals_near(
    program: Program, flow: Flow, first: date, last: date, calendar: Calendar
) -> tuple[tuple[str, date], ...]:
    """The festivals of this flow between two days, by date: those of the calendar, and the program's own days (R46)."""
    if not isinstance(flow.on, OnFestival):
        return ()
    own = [
        (name, _day_of_year(year, *program.days[name]))
        for year in range(first.year, last.year + 1)
        for name in program.days
    ]
    known = [*calendar.festivals(first, last), *((name, day) for name, day in own if first <= day <= last)]
    return tuple(sorted(((n, day) for n, day in known if n in flow.on.festivals), key=lambda pair: pair[1]))


def why_not_on(flow: Flow, occasion: str, on: date | None) -> str | None:
    """Why a follow-up that was planned for a date is not wanted any more: `on` is that date as it stands now (R20)."""
    if not isinstance(flow.on, OnDate):
        return None
    planned_for = occasion.rpartition(":")[2]
    if on is None:
        return "the date is gone"
    return None if on.isoformat() == planned_for else f"the date moved to {on}"


# ----- the groups of one anchor


def _groups(
    program: Program,
    flow: Flow,
    anchor: Anchor,
    zone: ZoneInfo,
    today: date,
    until: date,
    calendar: Calendar,
    milestones: Sequence[Milestone],
) -> Iterator[Group]:
    match flow.on:
        case OnFestival():
            yield from _festivals(program, flow, anchor, zone, today, until, calendar)
        case OnMilestone(milestones=kinds):
            named = [each for each in milestones if each.kind in kinds]
            yield from _milestones(program, flow, anchor, zone, today, until, calendar, named)
        case FirstWorkdays() as trigger:
            for month in _months(flow, today, until, calendar):
                slots = first_workdays_slots(program, flow, trigger, month, calendar, zone)
                for part, slot in enumerate(slots):
                    parts = (part, len(slots)) if trigger.spread else None
                    yield Group(anchor.zone, None, f"month:{month}", slot, enrolled_by=slot.nominal_on, part=parts)
        case Round(start=start, round=every):
            for day in round_days(start, every, oldest(today, flow), until):
                slot = round_slot(program, flow, day, calendar, zone)
                yield Group(anchor.zone, None, f"round:{day}", slot, enrolled_by=day)
        case AtLeast() as trigger:
            for look in looks(trigger, oldest(today, flow), until, program.permits(flow), calendar):
                slot = look_slot(trigger, look, program.time_zone)
                yield Group(anchor.zone, None, look.occasion, slot, enrolled_by=look.there_by)
        case OnSilence(silence=silence) if anchor.on is not None:
            nominal = add(anchor.on, silence)
            if _planned_now(program, nominal, today, until, flow):
                slot = day_slot(program, flow, anchor.on, zone, nominal, calendar)
                yield Group(anchor.zone, anchor.on, f"silent:{anchor.on}", slot, count=anchor.count)
        case Every() as trigger if anchor.on is not None:
            nominal = _catch_up(trigger, anchor, today, oldest(today, flow))
            if _planned_now(program, nominal, today, _reaches(flow, until, calendar), flow):
                slot = step_slot(program, flow, nominal, zone, calendar)
                yield Group(anchor.zone, anchor.on, f"due:{nominal}", slot, annoyed=anchor.annoyed, count=anchor.count)
        case OnDate(date=name) if anchor.on is not None:
            nominal = _beside(flow, anchor.on, calendar)
            if _planned_now(program, nominal, today, until, flow):
                yield _on_date(program, flow, anchor, anchor.on, zone, name, calendar)
        case _:
            return


def _festivals(
    program: Program, flow: Flow, anchor: Anchor, zone: ZoneInfo, today: date, until: date, calendar: Calendar
) -> Iterator[Group]:
    """Greetings go out on the day itself although other contacts are barred on holidays (R41).

    What is done `before` a festival, such as a visit, keeps the ordinary days.
    """
    any_day = program.permits(flow, OffDays(weekend=OffDay.SEND, holiday=OffDay.SEND, advance=False))
    for name, day in festivals_near(program, flow, today, _reaches(flow, until, calendar), calendar):
        if flow.before:
            nominal = _beside(flow, day, calendar)
            if _planned_now(program, nominal, today, until, flow):
                slot = day_slot(program, flow, None, zone, nominal, calendar, day)
                yield Group(anchor.zone, None, f"festival:{name}:{day.year}", slot)
            continue
        slot = place_day(
            day,
            event_on=None,
            deadline=day,
            permits=any_day,
            calendar=calendar,
            zone=zone,
            at=program.greeting_at,
        )
        closes = datetime.combine(day, program.hard_hours.end, tzinfo=zone).astimezone(UTC)
        yield Group(anchor.zone, None, f"festival:{name}:{day.year}", replace(slot, expires_at=closes))


def _milestones(
    program: Program,
    flow: Flow,
    anchor: Anchor,
    zone: ZoneInfo,
    today: date,
    until: date,
    calendar: Calendar,
    milestones: Sequence[Milestone],
) -> Iterator[Group]:
    for each in milestones:
        nominal = _beside(flow, each.on, calendar)
        if _planned_now(program, nominal, today, until, flow):
            slot = _slot_beside(program, flow, each.on, zone, calendar)
            yield Group(anchor.zone, None, f"milestone:{each.kind}:{each.on}", slot)


def _on_date(
    program: Program, flow: Flow, anchor: Anchor, on: date, zone: ZoneInfo, name: str, calendar: Calendar
) -> Group:
    """What stopped the reminders of this date before, stops this one: since the first of them began."""
    slot = _slot_beside(program, flow, on, zone, calendar)
    same_date = [each for each in program.flows if isinstance(each.on, OnDate) and each.on.date == name]
    first = min(_beside(each, on, calendar) for each in same_date)
    return Group(
        anchor.zone,
        on,
        f"date:{name}:{on}",
        slot,
        quiet_since=resolve_local(min(first, on), time(0), zone) if flow.stops_on else None,
        count=anchor.count,
    )


def _slot_beside(program: Program, flow: Flow, on: date, zone: ZoneInfo, calendar: Calendar) -> Slot:
    """When what belongs to a date goes out; only what comes after the date must stay after it."""
    nominal = _beside(flow, on, calendar)
    return day_slot(program, flow, on if nominal > on else None, zone, nominal, calendar, _last_day(flow, on))


def _beside(flow: Flow, on: date, calendar: Calendar) -> date:
    """The nominal day before or after a date."""
    return add(on, -flow.before if flow.before else flow.after, calendar)


def _last_day(flow: Flow, on: date) -> date | None:
    """A notice before a date never comes after it."""
    if flow.deadline and not flow.deadline.is_time:
        return add(on, flow.deadline)
    return on if flow.before else None


def _months(flow: Flow, today: date, until: date, calendar: Calendar) -> Iterator[date]:
    """The months whose first workdays have come near and are not over."""
    assert isinstance(flow.on, FirstWorkdays)
    for month in months_between(today, until):
        worked = workdays_of(flow.on, month, calendar)
        if worked[0] <= until and today <= worked[-1]:
            yield month


def _reaches(flow: Flow, until: date, calendar: Calendar) -> date:
    """The last date of a chain or a festival whose step is near: it may open ahead of it."""
    return add(until, flow.before, calendar) if flow.before else until


def _horizon(program: Program, flow: Flow, today: date, calendar: Calendar) -> date:
    """The last nominal date that is planned now; off days right after it are, where they move back to before it."""
    last = add(today, program.horizon)
    permits = program.permits(flow)
    if permits.advance:
        furthest = last + FURTHEST_BACK
        while last < furthest and not permits.off_day_allowed(calendar, last + DAY):
            last += DAY
    return last


def _planned_now(program: Program, nominal: date, today: date, until: date, flow: Flow) -> bool:
    """Within the horizon, not older than what may still be late, and not before the program began."""
    if program.active_from and nominal < program.active_from:
        return False
    return oldest(today, flow) <= nominal <= until


def _catch_up(trigger: Every, anchor: Anchor, today: date, first: date) -> date:
    """A chain that stood still (a paused program) goes on at its last nominal date, or at the next if that is stale."""
    assert anchor.on is not None
    nominal = following(trigger, anchor.on, annoyed=anchor.annoyed)
    while nominal < today:
        later = following(trigger, nominal, annoyed=anchor.annoyed)
        if nominal >= first and later > today:
            break
        nominal = later
    return nominal


def _day_of_year(year: int, month: int, day: int) -> date:
    """A day of that year; 29 February is the 28th where there is none."""
    return date(year, 3, 1) - DAY if (month, day) == (2, 29) else date(year, month, day)


def _because(flow: Flow) -> str:
    match flow.on:
        case OnFestival(festivals=names):
            return f"festival ({', '.join(names)})"
        case OnMilestone(milestones=names):
            return f"milestone ({', '.join(names)})"
        case OnSilence(silence=silence):
            return f"no activity for {silence}"
        case Every(every=every):
            return f"every {every}"
        case OnDate(date=name):
            return f"{flow.before} before {name}" if flow.before else f"{flow.after} after {name}"
        case FirstWorkdays(first_workdays=days, from_=weekday):
            return f"first {days} workdays of the month" + (f", from its first {weekday} on" if weekday else "")
        case Round(round=every):
            return f"round, every {every}"
        case AtLeast(at_least=least, per=per):
            return f"at least {least} each {per}"
        case _:
            return flow.id
