"""What staff promise and when they are told: SLA clocks, "call before", staff hours, periods (rules 6, 7 and 12)."""

from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import Literal
from zoneinfo import ZoneInfo

from flows.calendar import Calendar
from flows.offsets import DAY, Offset, Unit, add, add_months, end_of_day, resolve_local, until
from flows.timing import instant_of_end
from flows.windows import Permits, TimeWindow


def sla_due(
    start: datetime, sla: Offset, clock: Literal["calendar", "business"], zone: ZoneInfo, calendar: Calendar
) -> datetime:
    """When a promise runs out; one in days or longer ends that local day at 24:00.

    The calendar clock runs through nights and holidays. The business clock stands still on off days, whole days
    long: 24 business hours are one workday from the same time on.
    """
    day = start.astimezone(zone).date()
    if clock == "calendar":
        return until(start, sla, zone)
    if sla.is_time:
        return _run_on_workdays(start.astimezone(UTC), sla.delta, zone, calendar)
    if sla.unit is Unit.DAY:
        return end_of_day(calendar.add_workdays(day, sla.amount), zone)
    return end_of_day(_workday_on_or_after(add(day, sla), calendar), zone)


def _run_on_workdays(at: datetime, left: timedelta, zone: ZoneInfo, calendar: Calendar) -> datetime:
    while True:
        day = at.astimezone(zone).date()
        midnight = end_of_day(day, zone)
        if calendar.is_workday(day):
            if at + left <= midnight:
                return at + left
            left -= midnight - at
        at = midnight


def call_before(
    reply_at: datetime, due_at: datetime, *, permits: Permits, calendar: Calendar, zone: ZoneInfo
) -> datetime | None:
    """The last moment to call: not after the due time, in a window of a permitted day, and after the reply.

    None if there is none; then the due time itself holds, kept by the staff on duty.
    """
    day, first = due_at.astimezone(zone).date(), reply_at.astimezone(zone).date()
    while day >= first:
        for window in reversed(permits.openings(day)) if permits.day_allowed(calendar, day) else ():
            moment = min(instant_of_end(day, window, zone), due_at.astimezone(UTC))
            if moment >= resolve_local(day, window.start, zone) and moment > reply_at:
                return moment
        day -= DAY
    return None


# --- Staff (rules 6, 7 and 12) -------------------------------------------------------------------------------------


STAFF_HOURS = TimeWindow(time(8), time(22))


def ping_time(at: datetime, zone: ZoneInfo) -> datetime:
    """When a staff member may be pinged: at once in staff hours and at their very end, else when they next open."""
    local = at.astimezone(zone)
    if STAFF_HOURS.holds(local.time()) or local.time() == STAFF_HOURS.end:
        return at.astimezone(UTC)
    day = local.date() if local.time() < STAFF_HOURS.start else local.date() + DAY
    return resolve_local(day, STAFF_HOURS.start, zone)


def staff_deadline(
    day: date,
    calendar: Calendar,
    month_end: bool = False,
    at: time = time(18),
    *,
    any_day: bool = False,
    zone: ZoneInfo,
) -> datetime:
    """When staff paperwork is due: off days move it to the next workday, month-end papers to the one before.

    `any_day`: off days move nothing.
    """
    if any_day:
        return resolve_local(day, at, zone)
    if month_end and not calendar.is_workday(day):
        return resolve_local(calendar.previous_workday(day), at, zone)
    return resolve_local(_workday_on_or_after(day, calendar), at, zone)


def missing_ping(
    due_at: datetime, calendar: Calendar, *, any_day: bool = False, zone: ZoneInfo, at: time = time(9)
) -> datetime:
    """When the superior hears that paperwork is missing: at 09:00 of the next workday, or of the next day (rule 7)."""
    day = due_at.astimezone(zone).date()
    return resolve_local(day + DAY if any_day else calendar.next_workday(day), at, zone)


def _workday_on_or_after(day: date, calendar: Calendar) -> date:
    return day if calendar.is_workday(day) else calendar.next_workday(day)


class Period(StrEnum):
    """A calendar period that a minimum number of contacts is counted in; weeks run from Monday to Sunday."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    QUARTER = "quarter"
    HALF_YEAR = "half_year"
    YEAR = "year"


_PERIOD_MONTHS = {Period.MONTH: 1, Period.QUARTER: 3, Period.HALF_YEAR: 6, Period.YEAR: 12}


def period_of(period: Period, day: date) -> tuple[date, date]:
    """The first and last day of the calendar period that holds the day."""
    if period is Period.DAY:
        return day, day
    if period is Period.WEEK:
        monday = day - day.weekday() * DAY
        return monday, monday + 6 * DAY
    months = _PERIOD_MONTHS[period]
    first = date(day.year, (day.month - 1) // months * months + 1, 1)
    return first, add_months(first, months) - DAY


def quota_report_on(period: Period, day: date, calendar: Calendar) -> date:
    """The first workday after the day's period, whose report shows what was missed (rule 12)."""
    return calendar.next_workday(period_of(period, day)[1])
