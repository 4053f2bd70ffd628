"""Which day it is becomes Selections: festivals, dates, milestones, cadences, rounds, minimums."""

from datetime import date, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from flows.calendar import Calendar
from flows.decisions import CountsFrom, Group, Selection
from flows.load import load_program, shipped_program_text
from flows.offsets import DAY, parse_offset
from flows.program import Program
from flows.selections import Anchor, Milestone, anchors_between, counts_from, select, why_not_on
from flows.triggers import Every
from messages.catalog import Purpose
from tests.flows.test_plan import SHANGHAI, said, shanghai


def chosen_on(
    program: Program,
    flow: str,
    today: date,
    calendar: Calendar,
    *,
    since: date | None = None,
    zone: str = str(SHANGHAI),
) -> Selection | None:
    return select(program, program.flow(flow), [Anchor("Asia/Shanghai", since, 1)], today, calendar)


def only_group(chosen: Selection | None) -> Group:
    assert chosen is not None
    (group,) = chosen.groups
    return group


def test_22_3_half_a_year_of_silence_makes_a_customer_lost(retail: Program, china: Calendar) -> None:
    chosen = chosen_on(retail, "lost", date(2026, 11, 20), china, since=date(2026, 5, 20))
    assert chosen is not None
    assert [said(group.slot.due_at) for group in chosen.groups] == ["2026-11-20 Fri 09:00"]
    assert chosen.groups[0].occasion == "silent:2026-05-20"
    assert chosen.purpose is Purpose.MARKETING
    assert retail.flow("lost").set_class == "lost"


def test_a_cadence_counts_from_its_nominal_dates_and_not_from_the_days_it_was_moved_to(
    retail: Program, china: Calendar
) -> None:
    """Monthly from 31 August: clipped to 30 September, then the 30th, whatever day it went out (R23, R25)."""
    nominal, seen = date(2026, 8, 31), []
    for today in (date(2026, 9, 29), date(2026, 10, 29), date(2026, 11, 28), date(2026, 12, 29)):
        group = only_group(chosen_on(retail, "care_high_value", today, china, since=nominal))
        nominal = group.slot.nominal_on
        seen.append(f"{nominal:%m-%d} {said(group.slot.due_at)}")
    assert seen == [
        "09-30 2026-09-30 Wed 09:00",
        "10-30 2026-10-30 Fri 09:00",
        "11-30 2026-11-30 Mon 09:00",
        "12-30 2026-12-30 Wed 09:00",
    ]


def test_a_cadence_that_falls_on_an_off_day_keeps_its_date_for_the_next_one(retail: Program, china: Calendar) -> None:
    group = only_group(chosen_on(retail, "care_potential", date(2026, 9, 30), china, since=date(2026, 9, 18)))
    assert (group.slot.nominal_on, said(group.slot.due_at)) == (date(2026, 10, 2), "2026-10-08 Thu 09:00")
    group = only_group(chosen_on(retail, "care_potential", date(2026, 10, 14), china, since=group.slot.nominal_on))
    assert group.slot.nominal_on == date(2026, 10, 16)


def test_a_cadence_is_planned_no_further_than_the_horizon(retail: Program, china: Calendar) -> None:
    began = date(2026, 8, 10)
    assert chosen_on(retail, "care_ordinary", date(2026, 11, 7), china, since=began) is None
    assert chosen_on(retail, "care_ordinary", date(2026, 11, 8), china, since=began) is not None


@pytest.mark.parametrize(
    ("today", "nominal"),
    [(date(2026, 7, 3), date(2026, 7, 1)), (date(2026, 7, 30), date(2026, 8, 1)), (date(2026, 7, 15), None)],
)
def test_a_cadence_that_stood_still_goes_on_with_one_step_and_sends_nothing_stale(
    retail: Program, china: Calendar, today: date, nominal: date | None
) -> None:
    chosen = chosen_on(retail, "care_high_value", today, china, since=date(2026, 1, 1))
    assert (only_group(chosen).slot.nominal_on if chosen else None) == nominal


def test_a_short_chain_after_a_long_pause_ends(retail: Program, china: Calendar) -> None:
    flow = retail.flow("care_potential").model_copy(update={"on": Every(every=parse_offset("1d"))})
    chosen = select(retail, flow, [Anchor("Asia/Shanghai", date(2016, 1, 1), 1)], date(2026, 11, 10), china)
    assert only_group(chosen).slot.nominal_on == date(2026, 11, 10)


def test_a_length_in_hours_may_say_how_late_is_too_late(retail: Program, china: Calendar) -> None:
    flow = retail.flow("lost").model_copy(update={"valid_for": parse_offset("8h")})
    since = Anchor("Asia/Shanghai", date(2026, 5, 20), 1)
    assert only_group(select(retail, flow, [since], date(2026, 11, 20), china)).slot.expires_at == shanghai(
        "2026-11-20T17:00"
    )
    assert select(retail, flow, [since], date(2026, 11, 22), china) is None


def test_a_silence_of_long_ago_is_no_news(retail: Program, china: Calendar) -> None:
    assert chosen_on(retail, "lost", date(2026, 11, 20), china, since=date(2026, 1, 5)) is None


def test_a_festival_is_greeted_on_its_day_at_ten_although_it_is_a_holiday(retail: Program, china: Calendar) -> None:
    group = only_group(chosen_on(retail, "greeting", date(2026, 9, 23), china))
    assert (group.occasion, said(group.slot.due_at)) == ("festival:mid_autumn:2026", "2026-09-25 Fri 10:00")
    assert said(group.slot.expires_at) == "2026-09-25 Fri 20:00"


def test_a_festival_is_one_occasion_on_whichever_day_it_is_planned(retail: Program, china: Calendar) -> None:
    days = [date(2026, 9, 22), date(2026, 9, 23), date(2026, 9, 24), date(2026, 9, 25), date(2026, 9, 26)]
    chosen = [chosen_on(retail, "greeting", day, china) for day in days]
    assert [one and one.groups for one in chosen] == [None, *[chosen[1] and chosen[1].groups] * 3, None]


def test_each_zone_is_greeted_in_its_own_morning(retail: Program, china: Calendar) -> None:
    anchors = [Anchor("Asia/Shanghai", None, 5), Anchor("America/New_York", None, 2)]
    chosen = select(retail, retail.flow("greeting"), anchors, date(2026, 9, 25), china)
    assert chosen is not None
    local = {group.zone: said(group.slot.due_at, ZoneInfo(group.zone)) for group in chosen.groups}
    assert set(local.values()) == {"2026-09-25 Fri 10:00"}


def test_a_selection_says_what_it_counts_from(retail: Program, auto_repair: Program) -> None:
    counts = {flow.id: counts_from(flow) for flow in (*retail.flows, *auto_repair.flows)}
    assert counts["lost"] == CountsFrom("activity")
    assert counts["care_ordinary"] == CountsFrom("chain")
    assert counts["greeting"] == CountsFrom("none")
    assert counts["purchase"] is counts["purchase_reminder"] is counts["half_year"] is None


# --- Programs of the tests' own: one flow, and what it names


def program_of(flow: dict[str, Any], **fields: Any) -> Program:
    """The retail program with this one flow."""
    flow = {"id": "it", "message": {"template": "care_ordinary", "survey": "care"}, **flow}
    text = shipped_program_text("retail_aftersales")
    return load_program(text, "retail_aftersales.yaml", {"flows": [flow], **fields})


CALL = {"kind": "call", "name": {"en": "Call"}, "role": "service"}


def groups_on(
    program: Program, today: date, calendar: Calendar, since: date | None = None, **known: Any
) -> dict[str, str | None]:
    """Occasion -> when it is due."""
    anchor = Anchor("Asia/Shanghai", since, 1, known.pop("annoyed", False))
    chosen = select(program, program.flow("it"), [anchor], today, calendar, **known)
    return {group.occasion: said(group.slot.due_at) for group in chosen.groups} if chosen else {}


INSURANCE = {"matters": {"vehicle": {"name": {"en": "Vehicle"}, "dates": ["insured_until"]}}}


@pytest.mark.parametrize(
    ("before", "today", "due"),
    [
        ("30d", date(2027, 1, 28), "2027-01-30 Sat 09:00"),
        ("7d", date(2027, 2, 22), "2027-02-22 Mon 09:00"),
    ],
)
def test_3_4_an_insurance_that_ends_is_reminded_of_thirty_and_seven_days_before(
    china: Calendar, before: str, today: date, due: str
) -> None:
    every_day = {"off_days": {"weekend": "send", "holiday": "send"}}
    program = program_of({"on": {"date": "vehicle.insured_until"}, "before": before}, **INSURANCE, **every_day)
    ends = date(2027, 3, 1)
    assert groups_on(program, today, china, ends) == {"date:vehicle.insured_until:2027-03-01": due}
    assert groups_on(program, today - timedelta(days=3), china, ends) == {}
    assert counts_from(program.flow("it")) == CountsFrom("matter", "insured_until", "vehicle")


def test_a_reminder_never_comes_after_its_date(china: Calendar) -> None:
    program = program_of({"on": {"date": "birthday"}, "before": "3d"})
    chosen = select(program, program.flow("it"), [Anchor("Asia/Shanghai", date(2026, 10, 6))], date(2026, 10, 1), china)
    group = only_group(chosen)
    assert said(group.slot.due_at) == "2026-09-30 Wed 09:00", "the whole week is off: the last workday before"
    assert said(group.slot.expires_at) == "2026-10-07 Wed 00:00"


def test_a_payment_reminder_advances_to_the_workday_before(china: Calendar) -> None:
    off = {"weekend": "defer", "holiday": "defer", "advance": True}
    program = program_of({"on": {"date": "birthday"}, "before": "3d", "off_days": off})
    assert groups_on(program, date(2026, 11, 20), china, date(2026, 11, 25)) == {
        "date:birthday:2026-11-25": "2026-11-20 Fri 09:00"
    }


def test_what_stopped_the_first_reminder_of_a_date_stops_the_second(china: Calendar) -> None:
    """A renewal between the reminder 30 days before and the one 7 days before keeps the second away."""
    on = {"on": {"date": "vehicle.insured_until"}, "message": {"template": "care_ordinary"}}
    fields = {
        **INSURANCE,
        "flows": [
            {"id": "early", **on, "before": "30d"},
            {"id": "it", **on, "before": "7d", "stops_on": ["purchase"]},
        ],
    }
    program = load_program(shipped_program_text("retail_aftersales"), "retail_aftersales.yaml", fields)
    anchor = Anchor("Asia/Shanghai", date(2027, 3, 1))
    chosen = select(program, program.flow("it"), [anchor], date(2027, 2, 22), china)
    assert said(only_group(chosen).quiet_since) == "2027-01-30 Sat 00:00"
    assert chosen is not None
    assert chosen.stops_on == ("purchase",)


def test_a_date_that_moved_is_told_when_its_reminder_is_claimed() -> None:
    flow = program_of({"on": {"date": "birthday"}, "before": "3d"}).flow("it")
    assert why_not_on(flow, "date:birthday:2027-03-01", date(2027, 3, 1)) is None
    assert why_not_on(flow, "date:birthday:2027-03-01", date(2027, 4, 1)) == "the date moved to 2027-04-01"
    assert why_not_on(flow, "date:birthday:2027-03-01", None) == "the date is gone"


MILESTONES = {"milestones": {"opening": {"en": "Opening"}}}


@pytest.mark.parametrize(
    ("flow", "due"),
    [
        ({"before": "1d"}, "2026-11-20 Fri 09:00"),
        ({"after": "0d"}, "2026-11-21 Sat 09:00"),
        ({"after": "0d", "off_days": {"weekend": "defer"}}, "2026-11-23 Mon 09:00"),
    ],
)
def test_a_milestone_reaches_everybody_once(china: Calendar, flow: dict[str, Any], due: str) -> None:
    program = program_of({"on": {"milestones": ["opening"]}, "off_days": {"weekend": "send"}, **flow}, **MILESTONES)
    entered = [Milestone("opening", date(2026, 11, 21)), Milestone("other", date(2026, 11, 21))]
    found = groups_on(program, date(2026, 11, 19), china, milestones=entered)
    assert found == {"milestone:opening:2026-11-21": due}
    assert groups_on(program, date(2026, 11, 10), china, milestones=entered) == {}


def test_the_companys_own_day_is_used_like_a_festival(china: Calendar) -> None:
    message = {"template": "greeting/{festival}", "purpose": "greeting"}
    program = program_of({"on": {"festivals": ["anniversary"]}, "message": message}, days={"anniversary": "10-18"})
    assert groups_on(program, date(2026, 10, 17), china) == {"festival:anniversary:2026": "2026-10-18 Sun 10:00"}
    leap = program_of({"on": {"festivals": ["day"]}, "message": message}, days={"day": "02-29"})
    assert groups_on(leap, date(2027, 2, 27), china) == {"festival:day:2027": "2027-02-28 Sun 10:00"}


@pytest.mark.parametrize(
    ("today", "due", "expires"),
    [
        (date(2026, 9, 30), None, None),
        (date(2026, 10, 6), "2026-10-08 Thu 09:00", "2026-10-11 Sun 00:00"),
        (date(2026, 11, 1), "2026-11-02 Mon 09:00", "2026-11-05 Thu 00:00"),
        (date(2026, 11, 5), None, None),
    ],
)
def test_the_first_three_workdays_of_a_month_count_make_up_days(
    china: Calendar, today: date, due: str | None, expires: str | None
) -> None:
    program = program_of({"on": {"first_workdays": 3}})
    chosen = select(program, program.flow("it"), [Anchor("Asia/Shanghai", None)], today, china)
    groups = chosen.groups if chosen else ()
    assert [said(group.slot.due_at) for group in groups] == ([due] if due else [])
    assert [said(group.slot.expires_at) for group in groups] == ([expires] if expires else [])


def test_customers_are_spread_over_the_first_workdays_in_equal_parts(china: Calendar) -> None:
    program = program_of({"on": {"first_workdays": 3, "spread": True}})
    chosen = select(program, program.flow("it"), [Anchor("Asia/Shanghai", None)], date(2026, 11, 1), china)
    assert chosen is not None
    assert [(group.part, said(group.slot.due_at)) for group in chosen.groups] == [
        ((0, 3), "2026-11-02 Mon 09:00"),
        ((1, 3), "2026-11-03 Tue 09:00"),
        ((2, 3), "2026-11-04 Wed 09:00"),
    ]
    assert {group.occasion for group in chosen.groups} == {"month:2026-11-01"}
    assert {said(group.slot.expires_at) for group in chosen.groups} == {"2026-11-05 Thu 00:00"}


def test_25_4_a_round_of_the_month_s_end_moves_back_before_a_weekend(china: Calendar) -> None:
    program = program_of({"on": {"round": "1mo", "start": date(2026, 12, 31)}, "off_days": {"advance": True}})
    assert groups_on(program, date(2027, 1, 28), china) == {"round:2027-01-31": "2027-01-29 Fri 09:00"}
    assert groups_on(program, date(2026, 12, 30), china) == {"round:2026-12-31": "2026-12-31 Thu 09:00"}


def test_5_1_a_round_of_everybody_comes_every_half_year_on_its_day(china: Calendar) -> None:
    program = program_of({"on": {"round": "1hy", "start": date(2027, 5, 10)}})
    assert groups_on(program, date(2027, 5, 8), china) == {"round:2027-05-10": "2027-05-10 Mon 09:00"}
    assert groups_on(program, date(2027, 11, 8), china) == {"round:2027-11-10": "2027-11-10 Wed 09:00"}
    assert groups_on(program, date(2027, 6, 1), china) == {}


@pytest.mark.parametrize(
    ("flow", "today", "found"),
    [
        (
            {"per": "week", "at_least": 2},
            date(2026, 11, 26),
            {"least:2026-11-23:remind:2026-11-27": "2026-11-27 Fri 09:00"},
        ),
        ({"per": "week", "at_least": 2}, date(2026, 11, 30), {"least:2026-11-23:close": "2026-11-30 Mon 09:00"}),
        (
            {"per": "month", "at_least": 3},
            date(2026, 11, 25),
            {"least:2026-11-01:remind:2026-11-25": "2026-11-25 Wed 09:00"},
        ),
        ({"per": "month", "at_least": 1}, date(2027, 1, 4), {"least:2026-12-01:close": "2027-01-04 Mon 09:00"}),
        (
            {"per": "quarter", "at_least": 1},
            date(2027, 3, 17),
            {"least:2027-01-01:remind:2027-03-17": "2027-03-17 Wed 09:00"},
        ),
        ({"per": "quarter", "at_least": 1}, date(2027, 4, 1), {"least:2027-01-01:close": "2027-04-01 Thu 09:00"}),
    ],
)
def test_a_minimum_is_looked_at_on_its_day_and_after_its_period(
    china: Calendar, flow: dict[str, Any], today: date, found: dict[str, str]
) -> None:
    """Scenarios 15.1, 15.2, 5.3, 12.4."""
    least = {"on": {"of": ["call"], **flow}, "valid_for": "1d", "message": None, "task": CALL}
    program = program_of(least, contacts={"call": {"name": {"en": "Call"}}})
    near = groups_on(program, today, china)
    assert {occasion: due for occasion, due in near.items() if occasion in found} == found
    assert len(near) == 1


def test_a_cadence_has_the_interval_of_the_due_days_own_season(china: Calendar) -> None:
    """13.2: off season 15 days, but on 1 April the peak begins and 7 days have passed."""
    seasons = [{"from": "04-01", "to": "10-31", "every": "7d"}]
    program = program_of({"on": {"every": "15d", "seasons": seasons}})
    assert groups_on(program, date(2027, 3, 31), china, date(2027, 3, 25)) == {"due:2027-04-01": "2027-04-01 Thu 09:00"}
    first, last = anchors_between(program, program.flow("it"), date(2027, 3, 31), china)
    assert first is None
    assert last is not None
    assert last >= date(2027, 3, 25)


def test_who_showed_annoyance_hears_half_as_often(china: Calendar) -> None:
    program = program_of({"on": {"every": "7d"}})
    assert groups_on(program, date(2026, 11, 10), china, date(2026, 11, 3), annoyed=True) == {}
    assert groups_on(program, date(2026, 11, 16), china, date(2026, 11, 3), annoyed=True) == {
        "due:2026-11-17": "2026-11-17 Tue 09:00"
    }


def test_a_visit_opens_so_long_before_it_is_due(china: Calendar) -> None:
    program = program_of({"on": {"every": "3mo"}, "before": "7d"})
    chosen = select(program, program.flow("it"), [Anchor("Asia/Shanghai", date(2026, 9, 15))], date(2026, 12, 7), china)
    group = only_group(chosen)
    assert (group.occasion, group.slot.nominal_on) == ("due:2026-12-15", date(2026, 12, 15))
    assert said(group.slot.due_at) == "2026-12-08 Tue 09:00"


@pytest.mark.parametrize("flow", ["lost", "care_high_value", "care_ordinary", "care_potential"])
@pytest.mark.parametrize("today", [date(2026, 3, 31), date(2026, 8, 31), date(2028, 2, 29)])
def test_every_anchor_that_means_somebody_lies_within_the_limits(
    retail: Program, china: Calendar, flow: str, today: date
) -> None:
    """What the store leaves out because of the limits would not have been planned."""
    first, last = anchors_between(retail, retail.flow(flow), today, china)
    for days in range(0, 420):
        on = today - timedelta(days=days)
        if chosen_on(retail, flow, today, china, since=on) is not None:
            assert first is None or first <= on
            assert last is None or on <= last


@pytest.mark.parametrize("timing", [{"before": "3wd"}, {"before": "10wd"}, {"after": "2wd"}, {"before": "7d"}])
@pytest.mark.parametrize("today", [date(2026, 9, 21), date(2026, 9, 30), date(2027, 1, 28), date(2027, 2, 3)])
def test_dates_from_which_workdays_are_counted_lie_within_the_limits(
    china: Calendar, timing: dict[str, str], today: date
) -> None:
    program = program_of({"on": {"date": "birthday"}, **timing}, attributes={"birthday": "date"})
    first, last = anchors_between(program, program.flow("it"), today, china)
    assert first is not None
    assert last is not None
    found = [today + timedelta(days=n) for n in range(-40, 60) if groups_on(program, today, china, today + n * DAY)]
    assert found
    assert first <= found[0] <= found[-1] <= last


def test_r48_what_is_prepared_five_workdays_before_a_festival_opens_on_a_workday(china: Calendar) -> None:
    """National Day 2026: the 25th to the 27th of September are off, too."""
    program = program_of({"on": {"festivals": ["national_day"]}, "before": "5wd", "message": None, "task": CALL})
    assert groups_on(program, date(2026, 9, 20), china) == {}
    assert groups_on(program, date(2026, 9, 21), china) == {"festival:national_day:2026": "2026-09-23 Wed 09:00"}
