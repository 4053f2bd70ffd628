"""Which days are worked and on which day a festival falls (PROGRAMS 3.0, rule 14; R33, R38, R39)."""

from datetime import date, datetime, time, timedelta

import chinese_calendar
import cnlunar
import pytest
from chinese_calendar import constants as official

from flows.calendar import Calendar, DayKind, Festival, parse_years

CHINA = Calendar()
NOON = time(12)
LUNAR_DAYS = {
    "spring_festival": (1, 1),
    "lantern": (1, 15),
    "dragon_boat": (5, 5),
    "mid_autumn": (8, 15),
    "double_ninth": (9, 9),
}


def every_day(first_year: int, last_year: int) -> list[date]:
    first = date(first_year, 1, 1)
    return [first + timedelta(n) for n in range((date(last_year, 12, 31) - first).days + 1)]


def test_every_day_of_the_official_years_agrees_with_chinesecalendar():
    wrong = [day for day in every_day(2024, 2026) if CHINA.is_workday(day) != chinese_calendar.is_workday(day)]
    assert wrong == []


def test_every_day_of_the_off_table_is_a_holiday_and_only_those():
    holidays = [day for day in every_day(2024, 2026) if CHINA.kind(day) is DayKind.HOLIDAY]
    assert holidays == sorted(day for day in official.holidays if 2024 <= day.year <= 2026)


@pytest.mark.parametrize(
    ("day", "kind"),
    [
        pytest.param(date(2026, 10, 3), DayKind.HOLIDAY, id="a Saturday of the National Day break is a holiday"),
        pytest.param(date(2026, 10, 10), DayKind.WORKDAY, id="a make-up Saturday is a workday"),
        pytest.param(date(2026, 9, 20), DayKind.WORKDAY, id="a make-up Sunday is a workday"),
        pytest.param(date(2026, 11, 28), DayKind.WEEKEND, id="any other Saturday is a weekend"),
        pytest.param(date(2026, 11, 27), DayKind.WORKDAY, id="a plain Friday is a workday"),
        pytest.param(date(2026, 10, 8), DayKind.WORKDAY, id="the day after the break is a workday"),
    ],
)
def test_days_are_told_apart(day: date, kind: DayKind):
    assert CHINA.kind(day) is kind


def test_the_estimate_for_2027_wins_over_the_package():
    package_works = [date(2027, 2, 11), date(2027, 2, 12), date(2027, 5, 5), date(2027, 10, 6), date(2027, 10, 7)]
    assert {CHINA.kind(day) for day in package_works} == {DayKind.HOLIDAY}
    off = [day for day in every_day(2027, 2027) if CHINA.kind(day) is DayKind.HOLIDAY]
    assert len(off) == 3 + 8 + 3 + 5 + 1 + 1 + 7
    assert not any(CHINA.is_workday(day) for day in every_day(2027, 2027) if day.weekday() > 4)


def test_a_year_without_official_arrangement_is_provisional():
    assert [year for year in range(2022, 2031) if CHINA.is_provisional(year)] == [2027, 2028, 2029, 2030]


def test_other_regions_are_never_provisional():
    assert not Calendar("DE").is_provisional(2030)


def test_a_year_outside_the_table_comes_from_the_package():
    assert CHINA.kind(date(2028, 1, 26)) is DayKind.HOLIDAY
    assert CHINA.kind(date(2028, 1, 2)) is DayKind.HOLIDAY, "a Sunday inside a break belongs to it"
    assert CHINA.kind(date(2023, 1, 28)) is DayKind.WORKDAY, "a make-up Saturday of 2023"


def test_the_users_overrides_win_over_the_table():
    own = {date(2026, 10, 8): DayKind.HOLIDAY, date(2026, 10, 1): DayKind.WORKDAY}
    calendar = Calendar(overrides=own)
    assert calendar.kind(date(2026, 10, 8)) is DayKind.HOLIDAY
    assert calendar.kind(date(2026, 10, 1)) is DayKind.WORKDAY
    assert calendar.kind(date(2026, 10, 2)) is DayKind.HOLIDAY
    assert CHINA.kind(date(2026, 10, 8)) is DayKind.WORKDAY, "another calendar is not touched"


def test_overrides_changed_afterwards_do_not_change_the_calendar():
    own: dict[date, DayKind] = {}
    calendar = Calendar(overrides=own)
    own[date(2026, 10, 8)] = DayKind.HOLIDAY
    assert calendar.is_workday(date(2026, 10, 8))


def test_an_official_yearly_file_replaces_the_estimate():
    years = parse_years(
        """
        2027:
          status: official
          source: a notice that the user typed in
          breaks: {春节: [2027-02-05, 2027-02-11]}
          workdays: [2027-02-13]
        """
    )
    calendar = Calendar(years=years)
    assert not calendar.is_provisional(2027)
    assert calendar.is_workday(date(2027, 2, 13))
    assert calendar.is_workday(date(2027, 2, 12))
    assert calendar.kind(date(2026, 10, 3)) is DayKind.HOLIDAY, "other years stay"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("2027: {status: official, source: x, workdays: []}", "2027, breaks"),
        ("2027: {status: perhaps, source: x, breaks: {}, workdays: []}", "2027, status"),
        ("2027: {status: estimate, source: x, breaks: {a: [2027-02-05, 2027-02-01]}, workdays: []}", "swap"),
        ("- 2027", "maps years"),
    ],
)
def test_a_broken_yearly_file_says_where(text: str, says: str):
    with pytest.raises(ValueError, match=says):
        parse_years(text)


def test_a_six_day_week_works_on_saturdays_but_not_in_breaks():
    calendar = Calendar(workweek=frozenset(range(6)))
    assert calendar.is_workday(date(2026, 11, 28))
    assert not calendar.is_workday(date(2026, 11, 29))
    assert calendar.kind(date(2026, 10, 3)) is DayKind.HOLIDAY


def test_other_regions_follow_their_own_days():
    assert Calendar("US").kind(date(2026, 11, 26)) is DayKind.HOLIDAY
    assert Calendar("US").kind(date(2026, 10, 1)) is DayKind.WORKDAY
    assert Calendar("DE-BY").kind(date(2026, 1, 6)) is DayKind.HOLIDAY
    assert Calendar("DE-BE").kind(date(2026, 1, 6)) is DayKind.WORKDAY
    assert Calendar("GB").kind(date(2026, 11, 28)) is DayKind.WEEKEND


@pytest.mark.parametrize("region", ["ZZ", "china", "US-ZZ", ""])
def test_an_unknown_region_is_refused(region: str):
    with pytest.raises(ValueError, match="ISO code"):
        Calendar(region)


@pytest.mark.parametrize("workweek", [frozenset[int](), frozenset({7})])
def test_a_workweek_without_weekdays_is_refused(workweek: frozenset[int]):
    with pytest.raises(ValueError, match="weekday"):
        Calendar(workweek=workweek)


def test_a_calendar_without_workdays_says_so_instead_of_searching_for_ever():
    everything = {date(2026, 1, 1) + timedelta(n): DayKind.HOLIDAY for n in range(1000)}
    with pytest.raises(ValueError, match="overrides"):
        Calendar(overrides=everything).next_workday(date(2026, 1, 1))


def test_next_and_previous_workday_are_strictly_after_and_before():
    assert CHINA.next_workday(date(2026, 9, 30)) == date(2026, 10, 8)
    assert CHINA.next_workday(date(2026, 10, 9)) == date(2026, 10, 10)
    assert CHINA.previous_workday(date(2026, 10, 8)) == date(2026, 9, 30)
    assert CHINA.previous_workday(date(2026, 9, 21)) == date(2026, 9, 20)


def test_workdays_are_counted_from_the_day_after():
    assert CHINA.add_workdays(date(2026, 9, 28), 10) == date(2026, 10, 16), "scenario 10.3"
    assert CHINA.add_workdays(date(2026, 10, 8), -3) == date(2026, 9, 28)
    assert CHINA.add_workdays(date(2026, 10, 3), 0) == date(2026, 10, 3)


def test_the_first_workdays_of_a_month_skip_its_holidays_and_use_make_up_days():
    assert CHINA.first_workdays(2026, 10, 3) == (date(2026, 10, 8), date(2026, 10, 9), date(2026, 10, 10))
    assert CHINA.first_workdays(2026, 12, 3) == (date(2026, 12, 1), date(2026, 12, 2), date(2026, 12, 3))
    assert CHINA.first_workdays(2026, 12, 0) == ()


def test_24_1_the_first_monday_of_a_month_is_put_off_by_its_holidays():
    monday = 0
    assert CHINA.first_workdays(2027, 1, 1, monday) == (date(2027, 1, 4),)
    assert CHINA.first_workdays(2026, 10, 1, monday) == (date(2026, 10, 8),)
    assert CHINA.first_workdays(2026, 12, 2, monday) == (date(2026, 12, 7), date(2026, 12, 8))
    assert CHINA.first_workdays(2026, 6, 1, monday) == (date(2026, 6, 1),)


@pytest.mark.parametrize("year", range(2024, 2036))
def test_lunar_festivals_agree_with_cnlunar(year: int):
    for name, expected in LUNAR_DAYS.items():
        day = CHINA.festival(name, year)
        lunar = cnlunar.Lunar(datetime.combine(day, NOON))
        assert (lunar.lunarMonth, lunar.lunarDay, lunar.isLunarLeapMonth) == (*expected, False), name
    qingming = CHINA.festival("qingming", year)
    assert cnlunar.Lunar(datetime.combine(qingming, NOON)).todaySolarTerms == "清明"
    assert CHINA.festival("spring_festival", year) - CHINA.festival("spring_festival_eve", year) == timedelta(1)


def test_the_festivals_of_2026_and_2027_are_those_of_the_notice_and_the_law():
    assert CHINA.festivals(date(2026, 1, 1), date(2026, 12, 31)) == (
        ("new_year", date(2026, 1, 1)),
        ("spring_festival_eve", date(2026, 2, 16)),
        ("spring_festival", date(2026, 2, 17)),
        ("lantern", date(2026, 3, 3)),
        ("qingming", date(2026, 4, 5)),
        ("labour_day", date(2026, 5, 1)),
        ("dragon_boat", date(2026, 6, 19)),
        ("mid_autumn", date(2026, 9, 25)),
        ("national_day", date(2026, 10, 1)),
        ("double_ninth", date(2026, 10, 18)),
    )
    fixed = {"spring_festival": (2, 6), "qingming": (4, 5), "dragon_boat": (6, 9), "mid_autumn": (9, 15)}
    assert {name: CHINA.festival(name, 2027) for name in fixed} == {
        name: date(2027, month, day) for name, (month, day) in fixed.items()
    }


def test_a_range_of_festivals_includes_both_ends_and_may_cross_years():
    found = CHINA.festivals(date(2026, 10, 18), date(2027, 1, 1))
    assert found == (("double_ninth", date(2026, 10, 18)), ("new_year", date(2027, 1, 1)))
    assert CHINA.festivals(date(2026, 11, 1), date(2026, 11, 30)) == ()


def test_an_unknown_festival_lists_the_known_ones():
    with pytest.raises(ValueError, match="mid_autumn"):
        CHINA.festival("christmas", 2026)
    assert {str(name) for name in Festival} >= {"new_year", "double_ninth"}
