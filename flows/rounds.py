"""Days that come round by themselves: waves of a week, rounds of a survey, samples of a period, first workdays, and the
days on which somebody looks whether enough was done.

Only which day, and when on it; whom it concerns is said in `flows/selections.py` and drawn in `flows/sampling.py`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from math import ceil
from zoneinfo import ZoneInfo

from flows.calendar import Calendar
from flows.fields import PERIOD_MONTHS, WEEKDAYS
from flows.offsets import DAY, Offset, add, add_months, end_of_day, resolve_local
from flows.plan import oldest, with_expiry
from flows.program import Flow, Program
from flows.promises import Period, period_of
from flows.timing import Slot, place_day
from flows.triggers import AtLeast, FirstWorkdays, Round, Sample, Wave
from flows.windows import Permits

STAFF_LOOK = time(9)
"""When staff are told what is given only by day (rules 6 and 12)."""


@dataclass(frozen=True)
class Draw:
    """One random draw: what makes it one, and when those drawn are contacted.

    It is drawn at that very time, not ahead of it: whoever opts out before is not in it, so it is not too small after
    (R66, R67).
    """

    occasion: str
    slot: Slot


def draws(program: Program, flow: Flow, today: date, calendar: Calendar) -> tuple[Draw, ...]:
    """The draws of a flow whose day lies between today (or as late as may still be sent) and the horizon."""
    first, last = oldest(today, flow), add(today, program.horizon)
    match flow.on:
        case Sample():
            found = [sample_draw(program, flow, flow.on, day, calendar) for day in {first, today, last}]
        case Wave():
            found = [_wave_draw(program, flow, day, calendar) for day in _waves_between(flow.on, first, last, calendar)]
        case Round():
            days = round_days(flow.on.start, flow.on.round, first - timedelta(weeks=2), last)
            found = [_round_draw(program, flow, day, calendar) for day in days]
        case _:
            return ()
    near = {draw for draw in found if first <= draw.slot.intended_on <= last}
    return tuple(sorted(near, key=lambda draw: draw.slot.due_at))


# ----- waves of a week (R34)


def wave_days(monday: date, waves: Sequence[str], at_least: int, calendar: Calendar) -> tuple[date, ...]:
    """The listed weekdays that are worked; where too few are left, the earliest free workdays of Mon-Sun fill up.

    A week without a workday has no wave.
    """
    worked = [day for day in _week(monday) if calendar.is_workday(day)]
    wanted = [day for day in worked if WEEKDAYS[day.weekday()] in waves]
    free = [day for day in worked if day not in wanted]
    return tuple(sorted([*wanted, *free[: max(0, at_least - len(wanted))]]))


def exempt_week(flow: Flow, today: date, calendar: Calendar) -> date | None:
    """The Monday of this week if it has no workday, so that waves fall away."""
    monday = _monday(today)
    if not isinstance(flow.on, Wave) or any(calendar.is_workday(day) for day in _week(monday)):
        return None
    return monday


def _waves_between(trigger: Wave, first: date, last: date, calendar: Calendar) -> list[date]:
    mondays = [_monday(first)]
    while mondays[-1] + timedelta(weeks=1) <= last:
        mondays.append(mondays[-1] + timedelta(weeks=1))
    days = [day for monday in mondays for day in wave_days(monday, trigger.waves, trigger.at_least, calendar)]
    return [day for day in days if first <= day <= last]


def _wave_draw(program: Program, flow: Flow, day: date, calendar: Calendar) -> Draw:
    """Whoever had the event until it is drawn may be in it. Its own day is its deadline."""
    permits = program.permits(flow)
    slot = place_day(day, event_on=None, deadline=day, permits=permits, calendar=calendar, zone=program.time_zone)
    return Draw(f"wave:{day}", slot)


def _week(monday: date) -> list[date]:
    return [monday + n * DAY for n in range(7)]


def _monday(day: date) -> date:
    return day - day.weekday() * DAY


# ----- rounds of a survey, samples of a period (R59, R66)


def round_days(start: date, every: Offset, first: date, last: date) -> Iterator[date]:
    """The nominal days from a day to another, both included; each counts from the one before, clipped (rule 8)."""
    day = start
    while day <= last:
        if day >= first:
            yield day
        day = add(day, every)


def _round_draw(program: Program, flow: Flow, nominal: date, calendar: Calendar) -> Draw:
    slot = round_slot(program, flow, nominal, calendar, program.time_zone)
    return Draw(f"round:{nominal}", slot)


def round_slot(program: Program, flow: Flow, nominal: date, calendar: Calendar, zone: ZoneInfo) -> Slot:
    """A round goes out on its day or after it; with `advance` also before it, such as a paper of the month's end."""
    deadline = add(nominal, flow.deadline) if flow.deadline else None
    permits = program.permits(flow)
    slot = place_day(
        add(nominal, flow.after, calendar),
        event_on=None if permits.advance else nominal,
        deadline=deadline,
        permits=permits,
        calendar=calendar,
        zone=zone,
    )
    return with_expiry(slot, flow.valid_for, zone)


def sample_period(every: Offset, today: date) -> tuple[date, date]:
    """First and last day of the calendar period (1mo, 1q, 1hy, 1y) that holds `today`."""
    months = PERIOD_MONTHS[str(every)]
    first = date(today.year, (today.month - 1) // months * months + 1, 1)
    return first, add_months(first, months) - DAY


def sample_draw(program: Program, flow: Flow, trigger: Sample, today: date, calendar: Calendar) -> Draw:
    """The draw of the period that holds `today`; its end is the deadline."""
    first, last = sample_period(trigger.every, today)
    slot = place_day(
        add(first, flow.after, calendar),
        event_on=first,
        deadline=last,
        permits=program.permits(flow),
        calendar=calendar,
        zone=program.time_zone,
    )
    return Draw(f"period:{first}", slot)


# ----- first workdays of a month (R33)


def first_workdays_slots(
    program: Program, flow: Flow, trigger: FirstWorkdays, month: date, calendar: Calendar, zone: ZoneInfo
) -> list[Slot]:
    """On the first workday of the month that begins on `month`, or spread: one on each of so many; the last is the
    deadline."""
    worked, permits = workdays_of(trigger, month, calendar), program.permits(flow)
    return [
        place_day(day, event_on=None, deadline=worked[-1], permits=permits, calendar=calendar, zone=zone)
        for day in (worked if trigger.spread else worked[:1])
    ]


def workdays_of(trigger: FirstWorkdays, month: date, calendar: Calendar) -> tuple[date, ...]:
    """The workdays that are meant of the month that begins on `month`."""
    weekday = WEEKDAYS.index(trigger.from_) if trigger.from_ else None
    return calendar.first_workdays(month.year, month.month, trigger.first_workdays, weekday)


def months_between(first: date, last: date) -> Iterator[date]:
    """The first days of the months that a span touches."""
    month = first.replace(day=1)
    while month <= last:
        yield month
        month = add_months(month, 1)


# ----- is it enough? (rule 12)


@dataclass(frozen=True)
class Look:
    """A day on which somebody looks whether a period's minimum is reached; `closes`: the period is over.

    `last`: the last day whose contacts count.
    Whoever came after `there_by` is not looked at: nobody is judged who was not reminded.
    """

    day: date
    first: date
    last: date
    closes: bool
    there_by: date

    @property
    def occasion(self) -> str:
        return f"least:{self.first}:close" if self.closes else f"least:{self.first}:remind:{self.day}"


def looks(trigger: AtLeast, first: date, last: date, permits: Permits, calendar: Calendar) -> tuple[Look, ...]:
    """The looks between two days, both included: reminders of a period, and its close: on the first workday after, or
    on the day that closes the week.
    """
    found: list[Look] = []
    before = _worked_on_or_before(period_of(trigger.per, first)[0] - DAY, permits, calendar)
    begins, ends = period_of(trigger.per, before)
    while begins <= last:
        if trigger.per is Period.DAY and not permits.off_day_allowed(calendar, begins):
            begins = ends = begins + DAY  # nothing is asked for on an off day
            continue
        closing = _closing_day(trigger, begins, permits, calendar)
        counted = closing or ends
        days = {_worked_on_or_before(day, permits, calendar) for day in _reminder_days(trigger, begins, ends)}
        reminders = sorted(day for day in days if begins <= day <= counted)
        found += [Look(day, begins, counted, closes=False, there_by=day) for day in reminders]
        there_by = min([*reminders, counted - DAY])  # judged is who was reminded
        told_on = closing or _worked_after(ends, permits, calendar)
        found.append(Look(told_on, begins, counted, closes=True, there_by=there_by))
        begins, ends = period_of(trigger.per, ends + DAY)
    return tuple(look for look in found if first <= look.day <= last)


def look_slot(trigger: AtLeast, look: Look, zone: ZoneInfo) -> Slot:
    """At nine, or when the trigger reminds: that serves until the period is over; what is missing then is told however
    late, and at once where the period closes on that very day."""
    at = trigger.due_at if look.closes and look.day == look.last else None
    at = at or (STAFF_LOOK if look.closes else trigger.remind_at or STAFF_LOOK)
    return Slot(
        nominal_on=look.day,
        intended_on=look.day,
        local_time=at,
        due_at=resolve_local(look.day, at, zone).astimezone(UTC),
        expires_at=None if look.closes else counts_until(trigger, look.last, zone) or end_of_day(look.last, zone),
    )


def counted_days(trigger: AtLeast, day: date, permits: Permits, calendar: Calendar) -> tuple[date, date]:
    """The first and the last day whose contacts count for the period that holds `day`."""
    begins, ends = period_of(trigger.per, day)
    return begins, _closing_day(trigger, begins, permits, calendar) or ends


def _closing_day(trigger: AtLeast, begins: date, permits: Permits, calendar: Calendar) -> date | None:
    """The day on which a week is closed; None: its period ends as the calendar has it, as does a week without work."""
    if trigger.closes_on is None:
        return None
    day = _worked_on_or_before(begins + WEEKDAYS.index(trigger.closes_on) * DAY, permits, calendar)
    return day if day >= begins else None


def counts_until(trigger: AtLeast, last: date, zone: ZoneInfo) -> datetime | None:
    """The last instant that still counts for a period which ends on `last`; None: all of that day does."""
    return resolve_local(last, trigger.due_at, zone) if trigger.due_at else None


def least_of(
    trigger: AtLeast, began: date | None, first: date, last: date, permits: Permits, calendar: Calendar
) -> int:
    """What a period asks of a member of staff who began on a day: in their first one its share by workdays, rounded up.

    0: they began after it, or too late for a workday of it.
    """
    if began is None or began <= first:
        return trigger.at_least
    days = [first + n * DAY for n in range((last - first).days + 1)]
    worked = [day for day in days if permits.off_day_allowed(calendar, day)]
    left = sum(day >= began for day in worked)
    return ceil(trigger.at_least * left / len(worked)) if left else 0


def task_due(trigger: AtLeast, last: date, at: time, now: datetime, zone: ZoneInfo) -> datetime:
    """When the task of a minimum is due: `at` a time of the period's last day, while there is time for it."""
    due_at = counts_until(trigger, last, zone) or resolve_local(last, at, zone)
    return due_at if due_at > now else end_of_day(last, zone)


def _reminder_days(trigger: AtLeast, first: date, last: date) -> list[date]:
    match trigger.per:
        case Period.DAY:
            return [first] if trigger.remind_at else []  # at nine it has only begun
        case Period.WEEK:
            return [first + WEEKDAYS.index(weekday) * DAY for weekday in trigger.remind_on]
        case Period.MONTH:
            return [min(first + (trigger.remind_day - 1) * DAY, last)]
        case _:
            return [add(last, -trigger.remind_before)]


def _worked_on_or_before(day: date, permits: Permits, calendar: Calendar) -> date:
    while not permits.off_day_allowed(calendar, day):
        day -= DAY
    return day


def _worked_after(day: date, permits: Permits, calendar: Calendar) -> date:
    day += DAY
    while not permits.off_day_allowed(calendar, day):
        day += DAY
    return day
