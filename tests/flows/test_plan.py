"""What just happened, or which day it is, becomes follow-ups: the dated scenarios of the shipped programs."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from flows.audience import holds
from flows.calendar import Calendar
from flows.decisions import CancelFollowUps, Decision, Group, Missed, PlanFollowUp, Selection, SetClass
from flows.events import Customer, Event
from flows.offsets import parse_offset
from flows.plan import Anchor, needs_anchor, plan_event, plan_reminders, sample_period, sample_slot, select
from flows.program import Every, Program, Sample
from flows.resurvey import plan_resurvey
from messages.catalog import Purpose

SHANGHAI = ZoneInfo("Asia/Shanghai")


def shanghai(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=SHANGHAI)


def said(at: datetime | None, zone: ZoneInfo = SHANGHAI) -> str | None:
    return None if at is None else f"{at.astimezone(zone):%Y-%m-%d %a %H:%M}"


def after(
    program: Program,
    event: str,
    at: str,
    calendar: Calendar,
    *,
    class_: str | None = None,
    data: Mapping[str, Any] | None = None,
    now: str | None = None,
    zone: ZoneInfo = SHANGHAI,
) -> list[Decision]:
    """What one event decides; it arrives when it happens unless `now` says otherwise."""
    happened = shanghai(at)
    customer = Customer(id=1, zone=zone, class_=class_ or program.classes.default)
    arrived = shanghai(now) if now else happened
    return plan_event(program, Event(7, event, happened, data or {}), customer, arrived, calendar)


def planned(decisions: list[Decision]) -> list[str]:
    """flow and due time of each follow-up."""
    return [f"{each.flow} {said(each.slot.due_at)}" for each in decisions if isinstance(each, PlanFollowUp)]


# --- Scenarios of PROGRAMS 3.2


def test_1_2_a_first_visit_whose_day_is_a_holiday_waits_for_the_first_day_after_it(
    hospital: Program, china: Calendar
) -> None:
    decisions = after(hospital, "first_visit", "2026-09-21T11:00", china, class_="basic_first")
    assert planned(decisions) == ["basic 2026-10-08 Thu 10:00"]


@pytest.mark.parametrize("weekend", ["send", "defer"])
def test_1_3_a_make_up_saturday_is_a_workday_whatever_weekends_are(
    hospital: Program, china: Calendar, weekend: str
) -> None:
    days = hospital.off_days.model_copy(update={"weekend": weekend})
    program = hospital.model_copy(update={"off_days": days})
    assert planned(after(program, "discharge", "2026-10-03T10:00", china)) == ["discharge 2026-10-10 Sat 10:00"]


def test_a_specialty_visit_is_followed_up_after_seven_days_and_a_lost_patient_never(
    hospital: Program, china: Calendar
) -> None:
    decisions = after(hospital, "first_visit", "2026-11-09T11:00", china, class_="specialty_first")
    assert planned(decisions) == ["specialty 2026-11-16 Mon 10:00"]
    lost = after(hospital, "first_visit", "2026-11-09T11:00", china, class_="specialty_first", data={"lost": True})
    assert lost == []


def test_2_1_a_repair_before_national_day_is_asked_about_after_it_and_inside_its_deadline(
    auto_repair: Program, china: Calendar
) -> None:
    (decision,) = after(auto_repair, "repair_paid", "2026-09-29T16:00", china)
    assert planned([decision]) == ["repair 2026-10-08 Thu 09:00"]
    assert isinstance(decision, PlanFollowUp)
    assert said(decision.slot.expires_at) == "2026-10-10 Sat 00:00"
    assert decision.slot.nominal_on == date(2026, 10, 2)
    assert "holiday" in decision.because


def test_2_3_a_registration_that_falls_on_a_sunday_waits_for_monday(auto_repair: Program, china: Calendar) -> None:
    (decision,) = after(auto_repair, "registration", "2026-12-24T10:00", china)
    assert planned([decision]) == ["registration 2026-12-28 Mon 09:00"]
    assert isinstance(decision, PlanFollowUp)
    assert said(decision.slot.expires_at) == "2027-01-04 Mon 00:00"


def test_22_3_half_a_year_of_silence_makes_a_customer_lost(retail: Program, china: Calendar) -> None:
    chosen = chosen_on(retail, "lost", date(2026, 11, 20), china, since=date(2026, 5, 20))
    assert chosen is not None
    assert [said(group.slot.due_at) for group in chosen.groups] == ["2026-11-20 Fri 09:00"]
    assert chosen.groups[0].occasion == "silent:2026-05-20"
    assert chosen.purpose is Purpose.MARKETING
    assert retail.flow("lost").set_class == "lost"


def test_22_3_nobody_is_lost_twice(retail: Program) -> None:
    audience = retail.flow("lost").audience
    assert holds(audience, {"class": "ordinary"})
    assert holds(audience, {"class": None})
    assert not holds(audience, {"class": "lost"})


# --- Events


def test_a_purchase_is_followed_up_a_week_later_in_the_customers_own_morning(retail: Program, china: Calendar) -> None:
    berlin = ZoneInfo("Europe/Berlin")
    (decision,) = after(retail, "purchase", "2026-11-09T09:00", china, zone=berlin)  # still Monday 02:00 in Berlin
    assert isinstance(decision, PlanFollowUp)
    assert said(decision.slot.due_at, berlin) == "2026-11-16 Mon 09:00"
    assert decision.occasion == "event:7"


def test_money_given_back_is_no_purchase(retail: Program, china: Calendar) -> None:
    assert after(retail, "purchase", "2026-11-09T09:00", china, data={"amount": -20}) == []


def test_a_purchase_brings_a_lost_customer_back(retail: Program, china: Calendar) -> None:
    decisions = after(retail, "purchase", "2026-11-09T09:00", china, class_="lost", data={"amount": 20})
    assert [each.class_ for each in decisions if isinstance(each, SetClass)] == ["ordinary"]
    assert planned(decisions) == ["purchase 2026-11-16 Mon 09:00"]


def test_an_event_older_than_the_program_plans_nothing(retail: Program, china: Calendar) -> None:
    assert after(retail, "purchase", "2025-12-31T23:00", china) == []
    assert after(retail, "purchase", "2026-01-01T00:30", china) != []


def test_an_event_that_comes_late_is_followed_up_while_its_deadline_holds(
    auto_repair: Program, china: Calendar
) -> None:
    decisions = after(auto_repair, "repair_paid", "2026-11-02T10:00", china, now="2026-11-10T15:30")
    assert planned(decisions) == ["repair 2026-11-10 Tue 15:30"]
    decisions = after(auto_repair, "repair_paid", "2026-11-02T10:00", china, now="2026-11-11T20:30")
    assert planned(decisions) == ["repair 2026-11-12 Thu 09:00"]


def test_an_event_that_comes_after_its_deadline_is_listed_as_missed(auto_repair: Program, china: Calendar) -> None:
    decisions = after(auto_repair, "repair_paid", "2026-11-02T10:00", china, now="2026-11-12T18:30")
    (missed,) = decisions
    assert isinstance(missed, Missed)
    assert (missed.flow, missed.occasion) == ("repair", "event:7")
    assert "had passed" in missed.because


def test_a_stop_event_cancels_what_its_flow_has_planned(auto_repair: Program, china: Calendar) -> None:
    flows = tuple(
        flow.model_copy(update={"stops_on": ("repair_warranty",)}) if flow.id == "repair" else flow
        for flow in auto_repair.flows
    )
    program = auto_repair.model_copy(update={"flows": flows})
    decisions = after(program, "repair_warranty", "2026-11-02T10:00", china)
    assert decisions[0] == CancelFollowUps("repair_warranty came", ("repair",))


# --- Many at once


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
    counts = {flow.id: needs_anchor(flow) for flow in (*retail.flows, *auto_repair.flows)}
    assert counts["lost"] == "activity"
    assert counts["care_ordinary"] == "class"
    assert counts["greeting"] == counts["half_year"] == "none"
    assert counts["purchase"] is counts["purchase_reminder"] is None


# --- Samples, reminders, asking again


@pytest.mark.parametrize(
    ("every", "today", "first", "last"),
    [
        ("1mo", date(2027, 2, 14), date(2027, 2, 1), date(2027, 2, 28)),
        ("1q", date(2026, 11, 30), date(2026, 10, 1), date(2026, 12, 31)),
        ("1hy", date(2027, 6, 30), date(2027, 1, 1), date(2027, 6, 30)),
        ("1y", date(2027, 6, 30), date(2027, 1, 1), date(2027, 12, 31)),
    ],
)
def test_a_sample_belongs_to_a_calendar_period(every: str, today: date, first: date, last: date) -> None:
    assert sample_period(parse_offset(every), today) == (first, last)


def test_the_half_yearly_sample_goes_out_in_june_and_in_december(auto_repair: Program, china: Calendar) -> None:
    flow = auto_repair.flow("half_year")
    assert isinstance(flow.on, Sample)
    assert flow.on.sample == 10
    occasion, slot = sample_slot(auto_repair, flow, flow.on, date(2027, 1, 15), china)
    assert (occasion, said(slot.due_at)) == ("period:2027-01-01", "2027-06-01 Tue 09:00")
    occasion, slot = sample_slot(auto_repair, flow, flow.on, date(2026, 11, 15), china)
    assert (occasion, said(slot.due_at)) == ("period:2026-07-01", "2026-12-01 Tue 09:00")


def test_a_silent_survey_is_reminded_once_before_it_closes(retail: Program, china: Calendar) -> None:
    closes = shanghai("2026-11-30T09:00")
    (reminder,) = plan_reminders(retail, "purchase", "event:7", date(2026, 11, 16), 3, closes, SHANGHAI, china)
    assert planned([reminder]) == ["purchase_reminder 2026-11-23 Mon 09:00"]
    assert (reminder.slot.expires_at, reminder.occasion) == (closes, "event:7")
    early = shanghai("2026-11-23T09:00")
    assert plan_reminders(retail, "purchase", "event:7", date(2026, 11, 16), 3, early, SHANGHAI, china) == []
    assert plan_reminders(retail, "care_ordinary", "x", date(2026, 11, 16), 3, closes, SHANGHAI, china) == []


def test_2_4_after_the_handling_the_customer_is_asked_again_on_the_next_permitted_day(
    auto_repair: Program, china: Calendar
) -> None:
    again = plan_resurvey(auto_repair, 5, 1, shanghai("2026-10-09T15:00"), SHANGHAI, china)
    assert planned([again]) == ["resurvey 2026-10-10 Sat 09:00"]
    assert (again.occasion, again.ticket_id) == ("ticket:5:round:1", 5)
    second = plan_resurvey(auto_repair, 5, 2, shanghai("2026-10-09T15:00"), SHANGHAI, china)
    assert replace(second, occasion=again.occasion, because=again.because) == again
