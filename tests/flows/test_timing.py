"""From the day a program means to the instant a message goes out: PROGRAMS 3.0 and its dated scenarios."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.calendar import Calendar, DayKind
from flows.offsets import Offset, Unit, add, add_to_instant, end_of_day, parse_offset, resolve_local
from flows.promises import (
    Period,
    call_before,
    missing_ping,
    period_of,
    ping_time,
    quota_report_on,
    sla_due,
    staff_deadline,
)
from flows.recurrence import Season, following, seasonal_due
from flows.timing import (
    LATE,
    NO_PERMITTED_DAY,
    ON_OFF_DAY,
    SOFT_OVERRIDE,
    Slot,
    place_day,
    place_instant,
    place_same_day,
)
from flows.triggers import Every
from flows.windows import (
    OffDay,
    Permits,
    TimeWindow,
    Windows,
    in_hard_hours,
    is_open,
    is_reachable,
    next_opening,
    parse_window,
    parse_windows,
    release,
)

SHANGHAI = ZoneInfo("Asia/Shanghai")
CHINA = Calendar()
SIX_DAYS = Calendar(workweek=frozenset(range(6)))
SEND, DEFER = OffDay.SEND, OffDay.DEFER

OFFICE_HOURS = Windows(parse_windows(["09:00-12:00", "14:00-18:00"]))
ALL_DAY = Windows(parse_windows(["09:00-20:00"]))
OFFICE = Permits(OFFICE_HOURS, weekend=DEFER, holiday=DEFER)
EVERY_DAY = Permits(OFFICE_HOURS, weekend=SEND, holiday=SEND)
ADVANCE = Permits(OFFICE_HOURS, weekend=DEFER, holiday=DEFER, advance=True)
HOSPITAL = Permits(Windows(parse_windows(["10:00-12:00", "15:00-17:00"])), weekend=SEND, holiday=DEFER)
ESTATE = Permits(Windows(parse_windows(["10:00-11:30", "15:30-17:00"])), weekend=SEND, holiday=DEFER)


def shanghai(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=SHANGHAI)


def said(at: datetime | None) -> str | None:
    """An instant as people in Shanghai say it."""
    return None if at is None else f"{at.astimezone(SHANGHAI):%Y-%m-%d %a %H:%M}"


def days_after(
    event: str,
    after: str,
    permits: Permits = OFFICE,
    *,
    within: str | None = None,
    at: time | None = None,
    calendar: Calendar = CHINA,
) -> Slot:
    """A step of days after an event, as programs state it."""
    event_on = date.fromisoformat(event)
    return place_day(
        add(event_on, parse_offset(after)),
        event_on=event_on,
        deadline=add(event_on, parse_offset(within)) if within else None,
        permits=permits,
        calendar=calendar,
        zone=SHANGHAI,
        at=at,
    )


def hours_after(event: str, after: str, permits: Permits = OFFICE, *, within: str | None = None) -> Slot:
    event_at = shanghai(event)
    return place_instant(
        add_to_instant(event_at, parse_offset(after), SHANGHAI),
        deadline=add_to_instant(event_at, parse_offset(within), SHANGHAI) if within else None,
        permits=permits,
        calendar=CHINA,
        zone=SHANGHAI,
        event_at=event_at,
    )


def same_day(event: str, permits: Permits = ESTATE) -> Slot:
    return place_same_day(shanghai(event), permits=permits, calendar=CHINA, zone=SHANGHAI)


def asked_by(reply: str, due: str, permits: Permits) -> str | None:
    return said(call_before(shanghai(reply), shanghai(due), permits=permits, calendar=CHINA, zone=SHANGHAI))


# --- Scenarios: steps of days ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("slot", "due"),
    [
        pytest.param(days_after("2026-09-21", "10d", HOSPITAL), "2026-10-08 Thu 10:00", id="1.2 never on National Day"),
        pytest.param(days_after("2026-10-03", "7d", HOSPITAL), "2026-10-10 Sat 10:00", id="1.3 on a make-up Saturday"),
        pytest.param(
            days_after("2026-10-03", "7d", Permits(HOSPITAL.windows, weekend=DEFER, holiday=DEFER)),
            "2026-10-10 Sat 10:00",
            id="1.3 on a make-up Saturday when weekends are barred, too",
        ),
        pytest.param(
            days_after("2026-09-29", "3d", within="10d"), "2026-10-08 Thu 09:00", id="2.1 inside the deadline"
        ),
        pytest.param(days_after("2026-12-24", "3d", within="10d"), "2026-12-28 Mon 09:00", id="2.3 from Sun to Mon"),
        pytest.param(
            days_after("2026-10-09", "1d"), "2026-10-10 Sat 09:00", id="2.4 asked again on a make-up Saturday"
        ),
        pytest.param(days_after("2026-11-20", "1d", EVERY_DAY), "2026-11-21 Sat 09:00", id="3.1 the next day"),
        pytest.param(days_after("2026-09-30", "1d", EVERY_DAY), "2026-10-01 Thu 09:00", id="3.2 also on a holiday"),
        pytest.param(
            days_after("2026-09-30", "1d", Permits(OFFICE_HOURS, weekend=SEND, holiday=DEFER)),
            "2026-10-08 Thu 09:00",
            id="3.2 with holidays deferred",
        ),
        pytest.param(days_after("2027-03-01", "-30d", EVERY_DAY), "2027-01-30 Sat 09:00", id="3.4 first reminder"),
        pytest.param(days_after("2027-03-01", "-7d", EVERY_DAY), "2027-02-22 Mon 09:00", id="3.4 second reminder"),
        pytest.param(days_after("2026-09-28", "1d"), "2026-09-29 Tue 09:00", id="4.2 round two"),
        pytest.param(days_after("2027-05-10", "7d"), "2027-05-17 Mon 09:00", id="5.1 first reminder"),
        pytest.param(days_after("2027-05-10", "14d"), "2027-05-24 Mon 09:00", id="5.1 second reminder"),
        pytest.param(days_after("2027-05-10", "1hy"), "2027-11-10 Wed 09:00", id="5.1 next survey"),
        pytest.param(days_after("2026-11-20", "2d", ESTATE, within="3d"), "2026-11-22 Sun 10:00", id="6.2 invitation"),
        pytest.param(days_after("2026-12-31", "15d", ESTATE), "2027-01-15 Fri 10:00", id="6.4 half a month"),
        pytest.param(days_after("2027-03-10", "3d"), "2027-03-15 Mon 09:00", id="9.1 from Sat to Mon"),
        pytest.param(days_after("2027-04-01", "3d"), "2027-04-06 Tue 09:00", id="9.2 after the Qingming days"),
        pytest.param(days_after("2026-08-31", "1mo"), "2026-09-30 Wed 09:00", id="10.2 clipped to the month's end"),
        pytest.param(days_after("2026-10-07", "2d"), "2026-10-09 Fri 09:00", id="11.1 after a tour"),
        pytest.param(days_after("2026-09-07", "1mo"), "2026-10-08 Thu 09:00", id="12.1 one month falls on a holiday"),
        pytest.param(days_after("2026-11-12", "8d"), "2026-11-20 Fri 09:00", id="14.1 more than seven days silent"),
        pytest.param(
            days_after("2026-09-03", "1mo", ADVANCE, within="1mo"), "2026-09-30 Wed 09:00", id="17.1 in the first month"
        ),
        pytest.param(
            days_after("2026-10-03", "1hy", ADVANCE, within="1hy"), "2027-04-02 Fri 09:00", id="17.1 warranty half-year"
        ),
        pytest.param(days_after("2026-10-08", "7d"), "2026-10-15 Thu 09:00", id="12.2 reminder to the silent role"),
        pytest.param(days_after("2026-12-08", "1d"), "2026-12-09 Wed 09:00", id="17.3 the next workday"),
        pytest.param(days_after("2026-11-24", "1d"), "2026-11-25 Wed 09:00", id="18.1 lost order"),
        pytest.param(days_after("2026-05-20", "1hy"), "2026-11-20 Fri 09:00", id="22.3 lost after six months"),
        pytest.param(days_after("2026-12-15", "-7d"), "2026-12-08 Tue 09:00", id="25.2 ping before the visit"),
        pytest.param(days_after("2026-12-01", "3d", within="15d"), "2026-12-04 Fri 09:00", id="26.1 new contract"),
        pytest.param(days_after("2026-12-07", "7d"), "2026-12-14 Mon 09:00", id="26.4 lapsed policy"),
        pytest.param(
            days_after("2027-02-06", "0d", EVERY_DAY, at=time(10)), "2027-02-06 Sat 10:00", id="27.2 Spring Festival"
        ),
        pytest.param(
            days_after("2027-01-01", "0d", EVERY_DAY, at=time(10)), "2027-01-01 Fri 10:00", id="6.4 New Year greeting"
        ),
    ],
)
def test_a_step_of_days_goes_out_when_its_scenario_says(slot: Slot, due: str):
    assert said(slot.due_at) == due


def test_a_moved_step_keeps_its_nominal_date_and_says_why_it_moved():
    slot = days_after("2026-09-29", "3d", within="10d")
    assert slot.nominal_on == date(2026, 10, 2)
    assert (slot.intended_on, slot.local_time) == (date(2026, 10, 8), time(9))
    assert slot.reasons == ("holiday -> moved to 2026-10-08",)
    assert days_after("2026-12-24", "3d").reasons == ("weekend -> moved to 2026-12-28",)
    assert days_after("2026-09-03", "1mo", ADVANCE).reasons == ("holiday -> moved earlier to 2026-09-30",)


def test_a_deadline_in_days_expires_at_the_end_of_its_day():
    assert said(days_after("2026-09-29", "3d", within="10d").expires_at) == "2026-10-10 Sat 00:00"
    assert said(days_after("2026-12-24", "3d", within="10d").expires_at) == "2027-01-04 Mon 00:00"
    assert said(days_after("2026-12-01", "3d", within="15d").expires_at) == "2026-12-17 Thu 00:00", "26.1"
    assert said(days_after("2026-11-20", "2d", ESTATE, within="3d").expires_at) == "2026-11-24 Tue 00:00", "6.2"
    assert days_after("2026-12-24", "3d").expires_at is None


def test_a_step_whose_next_permitted_day_passes_the_deadline_moves_back():
    slot = days_after("2026-09-28", "4d", within="5d")
    assert said(slot.due_at) == "2026-09-30 Wed 09:00"
    assert slot.reasons == ("deadline 2026-10-03 -> moved back to 2026-09-30",)


def test_a_step_without_any_permitted_day_goes_out_on_its_nominal_day_and_is_flagged():
    slot = days_after("2026-09-30", "2d", within="3d")
    assert said(slot.due_at) == "2026-10-02 Fri 09:00"
    assert slot.reasons == (NO_PERMITTED_DAY,)
    assert slot.exempt


def test_a_step_never_moves_back_to_the_day_of_its_event():
    assert days_after("2026-09-30", "1d", within="2d").reasons == (NO_PERMITTED_DAY,)


def test_a_nominal_day_past_its_own_deadline_is_pulled_inside():
    slot = days_after("2026-11-02", "10d", within="6d")
    assert said(slot.due_at) == "2026-11-06 Fri 09:00"


def test_an_advance_that_would_pass_the_event_goes_forward_instead():
    assert said(days_after("2026-10-01", "3d", ADVANCE).due_at) == "2026-10-08 Thu 09:00"


def test_a_payment_reminder_on_an_off_day_goes_out_on_the_workday_before():
    sunday = days_after("2026-11-25", "-3d", ADVANCE, calendar=SIX_DAYS)
    assert said(sunday.due_at) == "2026-11-21 Sat 09:00"
    holiday = place_day(
        date(2026, 10, 5), event_on=None, deadline=None, permits=ADVANCE, calendar=SIX_DAYS, zone=SHANGHAI
    )
    assert said(holiday.due_at) == "2026-09-30 Wed 09:00"


def test_a_visit_is_announced_on_the_workday_before():
    day = CHINA.previous_workday(date(2026, 12, 10))
    assert day == date(2026, 12, 9), "27.4"


def test_a_greeting_keeps_its_hour_outside_the_windows_but_inside_the_hard_hours():
    evening = Permits(Windows(parse_windows(["15:00-17:00"])), weekend=SEND, holiday=SEND)
    assert days_after("2026-09-25", "0d", evening, at=time(10)).local_time == time(10)
    assert days_after("2026-09-25", "0d", evening, at=time(8)).local_time == time(9)


def test_a_greeting_goes_out_on_the_day_itself_even_where_that_weekday_has_no_window():
    weekdays = Windows(dict.fromkeys(range(5), parse_windows(["09:00-12:00"])))
    slot = days_after("2027-02-06", "0d", Permits(weekdays, weekend=SEND, holiday=SEND), within="0d", at=time(10))
    assert said(slot.due_at) == "2027-02-06 Sat 10:00"


# --- Scenarios: steps of hours and same-day steps -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("slot", "due"),
    [
        pytest.param(hours_after("2026-11-25 15:00", "2h", within="24h"), "2026-11-25 Wed 17:00", id="21.1"),
        pytest.param(
            hours_after("2026-09-30 15:00", "2h", within="24h"), "2026-09-30 Wed 17:00", id="21.1 eve of holiday"
        ),
        pytest.param(hours_after("2026-11-25 17:30", "2h", within="24h"), "2026-11-26 Thu 09:00", id="21.2"),
        pytest.param(hours_after("2026-12-30 16:00", "48h", EVERY_DAY), "2027-01-01 Fri 16:00", id="23.1 tracking"),
        pytest.param(hours_after("2026-11-25 11:00", "1h"), "2026-11-25 Wed 14:00", id="a window is closed at its end"),
        pytest.param(hours_after("2026-11-27 17:00", "2h"), "2026-11-30 Mon 09:00", id="waits over the weekend"),
    ],
)
def test_a_step_of_hours_keeps_its_time_or_waits_for_the_next_opening(slot: Slot, due: str):
    assert said(slot.due_at) == due


def test_a_step_of_hours_that_would_miss_its_limit_takes_the_earlier_slot():
    slot = hours_after("2026-09-30 17:30", "2h", within="24h")
    assert said(slot.due_at) == "2026-09-30 Wed 17:30"
    assert slot.reasons == ("deadline -> moved back to 2026-09-30 17:30",)
    assert said(slot.expires_at) == "2026-10-01 Thu 17:30"


def test_a_step_of_hours_without_any_permitted_slot_stays_in_the_hard_hours_flagged():
    slot = hours_after("2026-10-02 15:00", "2h", within="24h")
    assert (said(slot.due_at), slot.reasons) == ("2026-10-02 Fri 17:00", (NO_PERMITTED_DAY,))
    night = hours_after("2026-10-02 19:00", "2h", within="24h")
    assert said(night.due_at) == "2026-10-03 Sat 09:00"


def test_a_waiting_step_says_what_it_waits_for():
    slot = hours_after("2026-11-25 17:30", "2h")
    assert slot.reasons == ("outside window -> waits for the next opening 2026-11-26 09:00",)
    assert hours_after("2026-10-05 10:00", "1h").reasons == ("holiday -> waits for the next opening 2026-10-08 09:00",)
    assert slot.nominal_on == date(2026, 11, 25)


@pytest.mark.parametrize(
    ("event", "due", "reasons"),
    [
        pytest.param("2026-10-05 10:20", "2026-10-05 Mon 15:30", (ON_OFF_DAY,), id="6.1 next window of a holiday"),
        pytest.param("2026-11-20 16:40", "2026-11-20 Fri 18:40", (SOFT_OVERRIDE,), id="6.1 two hours later"),
        pytest.param("2026-11-20 19:30", "2026-11-20 Fri 19:35", (SOFT_OVERRIDE,), id="6.1 five minutes later"),
        pytest.param("2026-11-20 20:10", "2026-11-21 Sat 10:00", (LATE,), id="6.1 after the hard hours"),
        pytest.param("2026-12-31 14:00", "2026-12-31 Thu 16:00", (), id="6.4 congratulation"),
        pytest.param("2026-11-20 18:00", "2026-11-20 Fri 20:00", (SOFT_OVERRIDE,), id="up to 20:00 sharp"),
        pytest.param("2026-11-20 18:01", "2026-11-20 Fri 18:06", (SOFT_OVERRIDE,), id="past 20:00"),
        pytest.param("2026-11-20 19:55", "2026-11-21 Sat 10:00", (LATE,), id="20:00 is not before 20:00"),
        pytest.param("2026-11-20 09:00", "2026-11-20 Fri 11:00", (), id="inside a window"),
        pytest.param("2026-11-20 09:30", "2026-11-20 Fri 15:30", (), id="a window is closed at its end"),
        pytest.param("2026-11-20 00:10", "2026-11-20 Fri 10:00", (), id="in the night before the windows"),
        pytest.param("2026-11-20 23:30", "2026-11-21 Sat 10:00", (LATE,), id="in the night after them"),
        pytest.param("2026-09-30 20:30", "2026-10-01 Thu 10:00", (LATE, ON_OFF_DAY), id="the eve of a holiday"),
    ],
)
def test_a_same_day_step_finds_its_hour(event: str, due: str, reasons: tuple[str, ...]):
    slot = same_day(event)
    assert (said(slot.due_at), slot.reasons) == (due, reasons)


def test_a_same_day_step_expires_with_the_day_it_is_placed_on():
    assert said(same_day("2026-11-20 16:40").expires_at) == "2026-11-21 Sat 00:00"
    assert said(same_day("2026-11-20 20:10").expires_at) == "2026-11-22 Sun 00:00"


def test_a_same_day_step_with_hard_windows_waits_instead_of_overriding():
    hard = Permits(ESTATE.windows, weekend=SEND, holiday=DEFER, soft=False)
    assert said(same_day("2026-11-20 16:40", hard).due_at) == "2026-11-20 Fri 16:45"
    slot = same_day("2026-11-20 18:00", hard)
    assert (said(slot.due_at), slot.reasons) == ("2026-11-21 Sat 10:00", (LATE,))


def test_a_same_day_step_overrides_the_program_but_never_the_customer():
    mornings = Permits(ESTATE.windows, SEND, DEFER, customer_windows=parse_windows(["09:30-12:00"]))
    assert said(same_day("2026-11-20 16:40", mornings).due_at) == "2026-11-21 Sat 09:30"
    no_evenings = Permits(ESTATE.windows, SEND, DEFER, blocked=parse_windows(["18:00-19:00"]))
    assert said(same_day("2026-11-20 16:40", no_evenings).due_at) == "2026-11-20 Fri 19:00"


def test_two_hours_after_an_event_are_two_real_hours_when_the_clock_changes():
    new_york = ZoneInfo("America/New_York")
    always = Windows(parse_windows(["00:00-24:00"]), hard=parse_window("00:00-24:00"))
    slot = place_same_day(
        datetime(2026, 3, 8, 1, tzinfo=new_york),
        permits=Permits(always, SEND, SEND),
        calendar=Calendar("US"),
        zone=new_york,
    )
    assert slot.local_time == time(4)


# --- Windows, openings, release -------------------------------------------------------------------------------------


def test_a_window_is_open_at_its_start_and_closed_at_its_end():
    def at(text: str) -> bool:
        return is_open(shanghai(text), permits=OFFICE, calendar=CHINA, zone=SHANGHAI)

    assert at("2026-11-25 09:00")
    assert at("2026-11-25 11:59:59")
    assert not at("2026-11-25 12:00")
    assert not at("2026-11-25 13:00"), "the lunch rest is closed (R81)"
    assert not at("2026-11-28 10:00"), "a weekend"
    assert at("2026-10-10 10:00"), "a make-up Saturday"


def test_the_next_opening_of_an_open_instant_is_the_instant_itself():
    def opens(text: str) -> str | None:
        return said(next_opening(shanghai(text), permits=OFFICE, calendar=CHINA, zone=SHANGHAI))

    assert opens("2026-11-25 10:17") == "2026-11-25 Wed 10:17"
    assert opens("2026-11-25 12:30") == "2026-11-25 Wed 14:00"
    assert opens("2026-11-25 03:00") == "2026-11-25 Wed 09:00"
    assert opens("2026-09-30 18:00") == "2026-10-08 Thu 09:00"


def test_hard_hours_include_their_closing_minute():
    assert not in_hard_hours(shanghai("2026-11-25 08:59:59"), OFFICE_HOURS, SHANGHAI)
    assert in_hard_hours(shanghai("2026-11-25 09:00"), OFFICE_HOURS, SHANGHAI)
    assert in_hard_hours(shanghai("2026-11-25 20:00:01"), OFFICE_HOURS, SHANGHAI)
    assert not in_hard_hours(shanghai("2026-11-25 20:01"), OFFICE_HOURS, SHANGHAI)


def test_windows_may_differ_by_weekday_and_a_missing_weekday_is_closed():
    mondays = Permits(Windows({0: parse_windows(["16:00-18:00"])}), weekend=SEND, holiday=DEFER)
    slot = days_after("2026-11-24", "1d", mondays)
    assert said(slot.due_at) == "2026-11-30 Mon 16:00"
    assert slot.reasons == ("no window that day -> moved to 2026-11-30",)


def test_customer_windows_replace_the_programs_inside_the_hard_hours():
    late = Permits(OFFICE_HOURS, DEFER, DEFER, customer_windows=parse_windows(["12:00-13:00", "19:00-22:00"]))
    assert late.openings(date(2026, 11, 25)) == parse_windows(["12:00-13:00", "19:00-20:00"])
    assert said(days_after("2026-11-24", "1d", late).due_at) == "2026-11-25 Wed 12:00"
    saturdays = Permits(OFFICE_HOURS, SEND, DEFER, customer_windows={5: parse_windows(["10:00-11:00"])})
    assert said(days_after("2026-11-24", "1d", saturdays).due_at) == "2026-11-28 Sat 10:00"


def test_do_not_call_times_are_cut_out_of_the_windows():
    busy = Permits(OFFICE_HOURS, DEFER, DEFER, blocked=parse_windows(["08:00-10:00", "11:00-15:00"]))
    assert busy.openings(date(2026, 11, 25)) == parse_windows(["10:00-11:00", "15:00-18:00"])
    assert said(days_after("2026-11-24", "1d", busy).due_at) == "2026-11-25 Wed 10:00"
    fridays_off = Permits(OFFICE_HOURS, DEFER, DEFER, blocked={4: parse_windows(["00:00-24:00"])})
    assert said(days_after("2026-11-26", "1d", fridays_off).due_at) == "2026-11-30 Mon 09:00"


def test_a_greeting_respects_what_the_customer_asked_for():
    busy = Permits(OFFICE_HOURS, SEND, SEND, blocked=parse_windows(["09:30-11:00"]))
    assert said(days_after("2026-09-25", "0d", busy, at=time(10)).due_at) == "2026-09-25 Fri 11:00"
    early = Permits(OFFICE_HOURS, SEND, SEND, customer_windows=parse_windows(["09:00-09:30"]))
    assert said(days_after("2026-09-25", "0d", early, at=time(10)).due_at) == "2026-09-25 Fri 09:00"
    assert not is_reachable(shanghai("2026-09-25 10:00"), permits=busy, zone=SHANGHAI)
    assert is_reachable(shanghai("2026-09-25 19:00"), permits=busy, zone=SHANGHAI)


def test_a_customer_who_is_never_open_gets_a_clear_error_instead_of_an_endless_search():
    never = Permits(OFFICE_HOURS, DEFER, DEFER, customer_windows={5: parse_windows(["10:00-11:00"])})
    weekdays_only = Calendar(overrides={date(2026, 11, 1) + timedelta(n): DayKind.WEEKEND for n in range(800)})
    with pytest.raises(ValueError, match="give this customer a window"):
        next_opening(shanghai("2026-11-25 10:00"), permits=never, calendar=weekdays_only, zone=SHANGHAI)
    with pytest.raises(ValueError, match="give this customer a window"):
        place_instant(shanghai("2026-11-25 10:00"), deadline=None, permits=never, calendar=weekdays_only, zone=SHANGHAI)


@pytest.mark.parametrize(
    ("now", "goes_out"),
    [
        pytest.param("2026-11-25 08:00", "2026-11-25 Wed 09:00", id="before its time it waits"),
        pytest.param("2026-11-25 09:00", "2026-11-25 Wed 09:00", id="on time"),
        pytest.param("2026-11-25 15:20", "2026-11-25 Wed 15:20", id="late in a window it goes at once"),
        pytest.param("2026-11-25 12:40", "2026-11-25 Wed 14:00", id="late outside it waits for the opening"),
        pytest.param("2026-11-26 18:30", "2026-11-27 Fri 09:00", id="the next day while its deadline holds"),
        pytest.param("2026-11-27 18:00", None, id="no opening is left before the deadline"),
        pytest.param("2026-11-28 00:00", None, id="expired"),
    ],
)
def test_after_downtime_a_step_goes_out_while_its_deadline_holds(now: str, goes_out: str | None):
    released = release(
        shanghai(now),
        shanghai("2026-11-25 09:00"),
        end_of_day(date(2026, 11, 27), SHANGHAI),
        permits=OFFICE,
        calendar=CHINA,
        zone=SHANGHAI,
    )
    assert said(released) == goes_out


def test_a_step_placed_outside_the_windows_on_purpose_is_released_outside_them_on_its_own_day():
    slot = same_day("2026-11-20 16:40")
    assert slot.exempt

    def released(now: str) -> str | None:
        return said(
            release(
                shanghai(now),
                slot.due_at,
                slot.expires_at,
                permits=ESTATE,
                calendar=CHINA,
                zone=SHANGHAI,
                exempt=slot.exempt,
            )
        )

    assert released("2026-11-20 19:10") == "2026-11-20 Fri 19:10"
    assert released("2026-11-20 20:30") is None


@pytest.mark.parametrize("text", ["9-12", "09:00", "12:00-09:00", "09:00-25:00", "09:61-10:00", "24:00-24:00", ""])
def test_a_malformed_window_is_refused(text: str):
    with pytest.raises(ValueError):
        parse_windows([text])


def test_overlapping_windows_are_refused():
    with pytest.raises(ValueError, match="overlap"):
        parse_windows(["09:00-12:00", "11:00-13:00"])
    assert parse_windows(["14:00-18:00", "09:00-12:00"]) == OFFICE_HOURS.times


def test_windows_outside_the_hard_hours_are_refused():
    with pytest.raises(ValueError, match="hard hours 09:00-20:00"):
        Windows(parse_windows(["08:30-12:00"]))


def test_windows_print_as_they_are_written():
    assert [str(window) for window in parse_windows(["09:00-12:00", "14:30-24:00"])] == ["09:00-12:00", "14:30-24:00"]
    assert parse_window("9:00 – 12:00") == TimeWindow(time(9), time(12))


# --- Promises -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reply", "due", "permits", "before"),
    [
        pytest.param("2026-09-28 16:40", "2026-10-01 16:40", HOSPITAL, "2026-09-30 Wed 17:00", id="1.5"),
        pytest.param("2026-10-08 10:15", "2026-10-11 10:15", OFFICE, "2026-10-10 Sat 18:00", id="2.4"),
        pytest.param("2026-09-25 09:40", "2026-09-28 09:40", OFFICE, "2026-09-28 Mon 09:40", id="in a window"),
        pytest.param("2026-11-21 09:25", "2026-11-24 09:25", EVERY_DAY, "2026-11-24 Tue 09:25", id="3.5"),
        pytest.param("2026-09-30 17:30", "2026-10-03 17:30", OFFICE, "2026-09-30 Wed 18:00", id="11.3"),
        pytest.param("2026-09-30 18:00", "2026-10-03 18:00", OFFICE, None, id="no window after the reply"),
        pytest.param("2026-10-02 10:00", "2026-10-05 10:00", OFFICE, None, id="all days barred"),
        pytest.param("2026-11-25 12:30", "2026-11-25 13:30", OFFICE, None, id="inside the lunch rest"),
        pytest.param(
            "2026-11-25 11:00", "2026-11-25 13:00", OFFICE, "2026-11-25 Wed 12:00", id="before the lunch rest"
        ),
        pytest.param("2026-11-25 10:00", "2026-11-25 10:00", OFFICE, None, id="an SLA of zero hours"),
    ],
)
def test_call_before_is_the_last_permitted_moment_not_after_the_due_time(
    reply: str, due: str, permits: Permits, before: str | None
):
    assert asked_by(reply, due, permits) == before


@pytest.mark.parametrize(
    ("start", "sla", "due"),
    [
        pytest.param("2026-09-28 16:40", "72h", "2026-10-01 Thu 16:40", id="1.5"),
        pytest.param("2026-10-08 10:15", "72h", "2026-10-11 Sun 10:15", id="2.4"),
        pytest.param("2026-09-30 17:30", "72h", "2026-10-03 Sat 17:30", id="11.3 through the holiday"),
        pytest.param("2026-12-30 16:00", "72h", "2027-01-02 Sat 16:00", id="23.1"),
        pytest.param("2026-09-28 16:40", "3d", "2026-10-02 Fri 00:00", id="days end at 24:00"),
        pytest.param("2026-01-30 10:00", "1mo", "2026-03-01 Sun 00:00", id="months clip and end at 24:00"),
        pytest.param("2026-09-28 16:40", "0h", "2026-09-28 Mon 16:40", id="at once"),
    ],
)
def test_the_calendar_clock_runs_through_nights_and_holidays(start: str, sla: str, due: str):
    assert said(sla_due(shanghai(start), parse_offset(sla), "calendar", SHANGHAI, CHINA)) == due


@pytest.mark.parametrize(
    ("start", "sla", "due"),
    [
        pytest.param("2026-09-29 16:40", "72h", "2026-10-09 Fri 16:40", id="stands still over National Day"),
        pytest.param("2026-10-03 10:00", "24h", "2026-10-09 Fri 00:00", id="starts with the first workday"),
        pytest.param("2026-11-25 16:40", "2h", "2026-11-25 Wed 18:40", id="a plain workday"),
        pytest.param("2026-09-29 16:40", "3d", "2026-10-10 Sat 00:00", id="days are workdays"),
        pytest.param("2026-09-03 10:00", "1mo", "2026-10-09 Fri 00:00", id="months move to the next workday"),
    ],
)
def test_the_business_clock_stands_still_on_off_days(start: str, sla: str, due: str):
    assert said(sla_due(shanghai(start), parse_offset(sla), "business", SHANGHAI, CHINA)) == due


# --- Staff ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("at", "pinged"),
    [
        ("2026-09-28 16:40", "2026-09-28 Mon 16:40"),
        ("2026-09-28 07:59", "2026-09-28 Mon 08:00"),
        ("2026-09-28 08:00", "2026-09-28 Mon 08:00"),
        ("2026-09-28 21:59", "2026-09-28 Mon 21:59"),
        ("2026-09-28 22:00", "2026-09-28 Mon 22:00"),
        ("2026-09-28 22:01", "2026-09-29 Tue 08:00"),
        ("2026-10-03 23:30", "2026-10-04 Sun 08:00"),
    ],
)
def test_staff_are_pinged_between_eight_and_ten_at_night(at: str, pinged: str):
    assert said(ping_time(shanghai(at), SHANGHAI)) == pinged


def test_staff_paperwork_moves_to_the_next_workday():
    def due(day: date, **more: time) -> str | None:
        return said(staff_deadline(day, CHINA, zone=SHANGHAI, **more))

    assert due(date(2026, 11, 28)) == "2026-11-30 Mon 18:00", "25.3, 27.1"
    assert due(CHINA.add_workdays(date(2026, 9, 30), 1)) == "2026-10-08 Thu 18:00", "20.1"
    assert due(date(2026, 11, 27)) == "2026-11-27 Fri 18:00", "25.3 weekly"
    assert due(date(2026, 11, 27), at=time(21)) == "2026-11-27 Fri 21:00", "25.3 daily"


def test_papers_of_a_six_day_week_are_due_on_saturday():
    weekly = staff_deadline(date(2026, 11, 28), SIX_DAYS, at=time(17), zone=SHANGHAI)
    assert said(weekly) == "2026-11-28 Sat 17:00", "18.2, 14.3"


def test_month_end_papers_move_to_the_workday_before():
    def due(day: date) -> str | None:
        return said(staff_deadline(day, CHINA, month_end=True, zone=SHANGHAI))

    assert due(date(2026, 10, 31)) == "2026-10-30 Fri 18:00"
    assert due(date(2026, 11, 30)) == "2026-11-30 Mon 18:00", "18.2, 20.3"


def test_missing_paperwork_reaches_the_superior_on_the_next_workday_at_nine():
    due = staff_deadline(date(2026, 11, 30), CHINA, month_end=True, zone=SHANGHAI)
    assert said(missing_ping(due, CHINA, zone=SHANGHAI)) == "2026-12-01 Tue 09:00", "20.3"


@pytest.mark.parametrize(
    ("period", "day", "reported"),
    [
        pytest.param(Period.WEEK, date(2026, 11, 23), date(2026, 11, 30), id="15.1"),
        pytest.param(Period.MONTH, date(2026, 11, 3), date(2026, 12, 1), id="15.2"),
        pytest.param(Period.MONTH, date(2026, 12, 9), date(2027, 1, 4), id="5.3"),
        pytest.param(Period.QUARTER, date(2027, 2, 1), date(2027, 4, 1), id="12.4"),
        pytest.param(Period.WEEK, date(2026, 10, 1), date(2026, 10, 8), id="after a holiday"),
    ],
)
def test_what_a_period_missed_is_reported_on_the_first_workday_after_it(period: Period, day: date, reported: date):
    assert quota_report_on(period, day, CHINA) == reported


def test_periods_are_those_of_the_calendar():
    day = date(2026, 11, 25)
    assert period_of(Period.WEEK, day) == (date(2026, 11, 23), date(2026, 11, 29))
    assert period_of(Period.MONTH, day) == (date(2026, 11, 1), date(2026, 11, 30))
    assert period_of(Period.QUARTER, day) == (date(2026, 10, 1), date(2026, 12, 31))
    assert period_of(Period.HALF_YEAR, day) == (date(2026, 7, 1), date(2026, 12, 31))
    assert period_of(Period.YEAR, day) == (date(2026, 1, 1), date(2026, 12, 31))


@pytest.mark.parametrize(
    ("day", "offset", "expected"),
    [
        (date(2027, 2, 6), "-3wd", date(2027, 2, 2)),  # Spring Festival; off from the 5th on, a Saturday
        (date(2026, 9, 25), "-3wd", date(2026, 9, 22)),  # Mid-Autumn
        (date(2026, 10, 1), "-5wd", date(2026, 9, 23)),  # the 25th to the 27th are off
        (date(2026, 9, 30), "1wd", date(2026, 10, 8)),
        (date(2026, 10, 3), "2wd", date(2026, 10, 9)),
        (date(2026, 10, 3), "0wd", date(2026, 10, 3)),
    ],
)
def test_an_offset_in_workdays_passes_over_days_off(day: date, offset: str, expected: date):
    assert add(day, parse_offset(offset), CHINA) == expected
    assert str(parse_offset(offset)) == offset


def test_workdays_are_not_counted_without_a_calendar():
    with pytest.raises(ValueError, match="only a calendar"):
        add(date(2026, 10, 1), parse_offset("3wd"))
    with pytest.raises(ValueError, match="no fixed length"):
        _ = parse_offset("3wd").delta


# --- Recurring steps ------------------------------------------------------------------------------------------------


def dates_of(first: date, every: str, count: int) -> list[date]:
    """The first nominal dates of a cadence."""
    dates = [first]
    while len(dates) < count:
        dates.append(following(Every(every=parse_offset(every)), dates[-1]))
    return dates


def test_recurring_steps_count_from_nominal_dates_not_from_sending_dates():
    quarters = dates_of(date(2026, 10, 7), "1q", 4)
    assert quarters == [date(2026, 10, 7), date(2027, 1, 7), date(2027, 4, 7), date(2027, 7, 7)], "12.1"
    clipped = add(date(2026, 8, 31), parse_offset("1mo"))
    assert dates_of(clipped, "1hy", 2)[1] == date(2027, 3, 30), "10.2: from the clipped date"
    assert dates_of(date(2027, 1, 15), "15d", 2)[1] == date(2027, 1, 30), "6.4"
    assert dates_of(date(2026, 11, 22), "1w", 2)[1] == date(2026, 11, 29), "6.2"
    assert dates_of(date(2026, 9, 15), "1q", 2)[1] == date(2026, 12, 15), "25.2"
    assert dates_of(date(2026, 11, 16), "2w", 2)[1] == date(2026, 11, 30), "15.4"


PEAK = Season((4, 1), (10, 31))


def cement(last: date, peak: str, off: str) -> date:
    return seasonal_due(last, [(PEAK, parse_offset(peak))], otherwise=parse_offset(off))


def test_a_seasonal_step_is_due_when_the_interval_of_its_own_season_is_reached():
    assert cement(date(2027, 3, 25), "7d", "15d") == date(2027, 4, 1), "13.2"
    assert cement(date(2026, 6, 12), "7d", "15d") == date(2026, 6, 19), "13.3"
    assert cement(date(2026, 6, 19), "7d", "15d") == date(2026, 6, 26), "13.3: on from the nominal date"
    assert cement(date(2026, 12, 3), "15d", "1mo") == date(2027, 1, 3), "13.3: a visit"
    assert cement(date(2026, 10, 28), "7d", "15d") == date(2026, 11, 12), "peak has ended before seven days passed"


def test_seasonal_steps_are_placed_like_any_other():
    def placed(nominal: date) -> str | None:
        slot = place_day(nominal, event_on=None, deadline=None, permits=OFFICE, calendar=CHINA, zone=SHANGHAI)
        return said(slot.due_at)

    assert placed(date(2027, 4, 1)) == "2027-04-01 Thu 09:00", "13.2"
    assert placed(date(2026, 6, 19)) == "2026-06-22 Mon 09:00", "13.3"
    assert placed(date(2027, 1, 3)) == "2027-01-04 Mon 09:00", "13.3"


def test_a_season_may_run_over_new_year():
    winter = Season((11, 1), (3, 31))
    assert winter.holds(date(2026, 12, 31))
    assert winter.holds(date(2027, 3, 31))
    assert not winter.holds(date(2027, 4, 1))
    with pytest.raises(ValueError):
        Season((2, 30), (3, 31))


# --- Offsets --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "offset"),
    [
        ("30min", Offset(30, Unit.MINUTE)),
        ("2h", Offset(2, Unit.HOUR)),
        ("7d", Offset(7, Unit.DAY)),
        ("2w", Offset(2, Unit.WEEK)),
        ("1mo", Offset(1, Unit.MONTH)),
        ("1 q", Offset(1, Unit.QUARTER)),
        ("1hy", Offset(1, Unit.HALF_YEAR)),
        (" 1y ", Offset(1, Unit.YEAR)),
        ("-30d", Offset(-30, Unit.DAY)),
    ],
)
def test_offsets_are_read(text: str, offset: Offset):
    assert parse_offset(text) == offset
    assert parse_offset(str(offset)) == offset


@pytest.mark.parametrize("text", ["", "7", "d", "1m", "7 days", "1.5h", "７d", "--1d", "1d2h", "99999d"])
def test_an_unreadable_offset_is_refused_with_the_units_that_exist(text: str):
    with pytest.raises(ValueError, match="half-year"):
        parse_offset(text)


@pytest.mark.parametrize(
    ("day", "offset", "expected"),
    [
        (date(2026, 8, 31), "1mo", date(2026, 9, 30)),
        (date(2024, 2, 29), "1y", date(2025, 2, 28)),
        (date(2024, 2, 29), "-1y", date(2023, 2, 28)),
        (date(2026, 1, 31), "1mo", date(2026, 2, 28)),
        (date(2026, 11, 30), "1q", date(2027, 2, 28)),
        (date(2026, 12, 31), "1hy", date(2027, 6, 30)),
        (date(2026, 12, 15), "-1mo", date(2026, 11, 15)),
        (date(2027, 1, 15), "-1mo", date(2026, 12, 15)),
        (date(2026, 9, 15), "1q", date(2026, 12, 15)),
        (date(2026, 11, 20), "2w", date(2026, 12, 4)),
    ],
)
def test_months_clip_to_the_end_of_the_month(day: date, offset: str, expected: date):
    assert add(day, parse_offset(offset)) == expected


def test_hours_are_not_days():
    assert parse_offset("30min").is_time
    assert not parse_offset("1d").is_time
    with pytest.raises(ValueError, match="add_to_instant"):
        add(date(2026, 1, 1), parse_offset("24h"))
    with pytest.raises(ValueError, match="no fixed length"):
        _ = parse_offset("1mo").delta


def test_an_interval_can_be_doubled_and_turned_round():
    assert parse_offset("3d") * 2 == parse_offset("6d"), "R83"
    assert -parse_offset("30d") == parse_offset("-30d")


def test_days_keep_the_local_hour_over_a_clock_change_and_hours_do_not():
    berlin = ZoneInfo("Europe/Berlin")
    evening = datetime(2026, 3, 28, 18, tzinfo=berlin)
    assert add_to_instant(evening, parse_offset("1d"), berlin) == datetime(2026, 3, 29, 18, tzinfo=berlin)
    assert add_to_instant(evening, parse_offset("24h"), berlin) == datetime(2026, 3, 29, 19, tzinfo=berlin)


# --- Clock changes --------------------------------------------------------------------------------------------------

ZONES = [
    "America/New_York",
    "America/Santiago",
    "America/Havana",
    "America/St_Johns",
    "Europe/London",
    "Europe/Berlin",
    "Africa/Cairo",
    "Africa/Casablanca",
    "Asia/Beirut",
    "Asia/Shanghai",
    "Asia/Kathmandu",
    "Australia/Sydney",
    "Australia/Lord_Howe",
    "Pacific/Chatham",
    "Antarctica/Troll",
]


@pytest.mark.parametrize("zone", [pytest.param(ZoneInfo(name), id=name) for name in ZONES])
@pytest.mark.parametrize("at", [time(0), time(0, 30), time(1, 30), time(2, 30), time(10)])
def test_every_local_date_of_a_year_has_exactly_one_occurrence(zone: ZoneInfo, at: time):
    days = [date(2026, 1, 1) + timedelta(n) for n in range(365)]
    instants = [resolve_local(day, at, zone) for day in days]
    assert [instant.astimezone(zone).date() for instant in instants] == days
    assert instants == sorted(set(instants))
    assert all(instant.tzinfo is UTC for instant in instants)


def test_a_gap_sends_at_the_first_valid_instant_after_it():
    new_york = ZoneInfo("America/New_York")
    in_gap = resolve_local(date(2026, 3, 8), time(2, 30), new_york)
    assert in_gap.astimezone(new_york).time() == time(3)
    lord_howe = ZoneInfo("Australia/Lord_Howe")
    assert resolve_local(date(2026, 10, 4), time(2, 10), lord_howe).astimezone(lord_howe).time() == time(2, 30)
    cairo = ZoneInfo("Africa/Cairo")
    assert resolve_local(date(2026, 4, 24), time(0), cairo).astimezone(cairo).time() == time(1)


def test_a_day_that_a_zone_skipped_sends_at_the_first_instant_after_it():
    apia = ZoneInfo("Pacific/Apia")
    skipped = resolve_local(date(2011, 12, 30), time(10), apia).astimezone(apia)
    assert (skipped.date(), skipped.time()) == (date(2011, 12, 31), time(0))


def test_a_fold_sends_at_the_earlier_instant():
    new_york = ZoneInfo("America/New_York")
    assert resolve_local(date(2026, 11, 1), time(1, 30), new_york) == datetime(2026, 11, 1, 5, 30, tzinfo=UTC)
    assert resolve_local(date(2026, 11, 1), time(1, 30, fold=1), new_york) == datetime(2026, 11, 1, 5, 30, tzinfo=UTC)


def test_a_deadline_day_ends_when_the_next_day_begins_even_if_that_is_at_one_o_clock():
    cairo = ZoneInfo("Africa/Cairo")
    assert end_of_day(date(2026, 4, 23), cairo) == datetime(2026, 4, 24, 1, tzinfo=cairo)


# --- Properties -----------------------------------------------------------------------------------------------------

days = st.dates(date(2024, 1, 1), date(2029, 12, 31))
off_days = st.sampled_from(OffDay)
window_sets = st.sampled_from([OFFICE_HOURS, HOSPITAL.windows, ALL_DAY, Windows({1: ALL_DAY.times, 5: ALL_DAY.times})])
customer_sets = st.sampled_from([None, parse_windows(["10:30-11:30"]), {0: ALL_DAY.times, 2: ALL_DAY.times}])
blocked_sets = st.sampled_from([(), parse_windows(["09:00-10:00"]), {3: parse_windows(["00:00-24:00"])}])
any_permits = st.builds(
    Permits, window_sets, off_days, off_days, st.booleans(), customer_sets, blocked_sets, st.booleans()
)
zones = st.sampled_from([SHANGHAI, ZoneInfo("America/New_York"), ZoneInfo("Africa/Cairo")])


@given(event=days, after=st.integers(0, 20), spare=st.integers(-3, 20) | st.none(), permits=any_permits, zone=zones)
def test_a_placed_day_is_permitted_and_never_past_a_deadline_that_could_be_kept(
    event: date, after: int, spare: int | None, permits: Permits, zone: ZoneInfo
):
    nominal = event + timedelta(after)
    deadline = None if spare is None else nominal + timedelta(spare)
    slot = place_day(nominal, event_on=event, deadline=deadline, permits=permits, calendar=CHINA, zone=zone)

    until = nominal + timedelta(60) if deadline is None else deadline
    candidates = [event + timedelta(n) for n in range(1, (until - event).days + 1)]
    if any(permits.day_allowed(CHINA, day) for day in candidates):
        assert is_open(slot.due_at, permits=permits, calendar=CHINA, zone=zone)
        assert slot.intended_on > event or slot.intended_on == nominal
    if deadline is not None:
        assert slot.intended_on <= deadline
        assert slot.expires_at is not None
        assert slot.due_at < slot.expires_at
    assert in_hard_hours(slot.due_at, permits.windows, zone)
    assert slot.due_at == resolve_local(slot.intended_on, slot.local_time, zone)


@given(
    event=st.datetimes(datetime(2024, 1, 1), datetime(2029, 12, 31)),  # noqa: DTZ001
    after=st.integers(0, 100),
    spare=st.integers(1, 200) | st.none(),
    permits=any_permits,
    zone=zones,
)
def test_a_placed_hour_is_permitted_and_never_past_a_deadline_that_could_be_kept(
    event: datetime, after: int, spare: int | None, permits: Permits, zone: ZoneInfo
):
    event_at = resolve_local(event.date(), event.time(), zone)
    at = event_at + timedelta(hours=after)
    deadline = None if spare is None else at + timedelta(hours=spare)
    slot = place_instant(at, deadline=deadline, permits=permits, calendar=CHINA, zone=zone, event_at=event_at)

    opening = next_opening(event_at, permits=permits, calendar=CHINA, zone=zone)
    if deadline is None or opening < deadline:
        assert is_open(slot.due_at, permits=permits, calendar=CHINA, zone=zone)
        assert deadline is None or event_at <= slot.due_at < deadline
    else:
        assert slot.reasons == (NO_PERMITTED_DAY,)
    assert in_hard_hours(slot.due_at, permits.windows, zone)


@given(event=st.datetimes(datetime(2024, 1, 1), datetime(2029, 12, 31)), permits=any_permits, zone=zones)  # noqa: DTZ001
def test_a_same_day_step_stays_reachable_and_is_late_only_on_another_day(
    event: datetime, permits: Permits, zone: ZoneInfo
):
    event_at = resolve_local(event.date(), event.time(), zone)
    slot = place_same_day(event_at, permits=permits, calendar=CHINA, zone=zone)
    assert slot.due_at >= event_at
    assert is_reachable(slot.due_at, permits=permits, zone=zone)
    assert (LATE in slot.reasons) == (slot.intended_on != event_at.astimezone(zone).date())
    if not permits.soft:
        assert SOFT_OVERRIDE not in slot.reasons


@given(reply=st.datetimes(datetime(2024, 1, 1), datetime(2029, 12, 31)), hours=st.integers(0, 200), permits=any_permits)  # noqa: DTZ001
def test_call_before_lies_between_reply_and_due_time_and_no_later_moment_is_open(
    reply: datetime, hours: int, permits: Permits
):
    reply_at = reply.replace(tzinfo=SHANGHAI)
    due_at = reply_at + timedelta(hours=hours)
    moment = call_before(reply_at, due_at, permits=permits, calendar=CHINA, zone=SHANGHAI)
    later = next_opening(moment or reply_at, permits=permits, calendar=CHINA, zone=SHANGHAI)
    if moment is None:
        assert later >= due_at
    else:
        assert reply_at < moment <= due_at
        assert moment == due_at or later > due_at or later == moment


@given(last=days, every=st.sampled_from(["3d", "1w", "15d", "1mo", "1q"]))
def test_a_chain_always_moves_forward(last: date, every: str):
    assert following(Every(every=parse_offset(every)), last) > last
