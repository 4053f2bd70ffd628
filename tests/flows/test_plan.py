"""What just happened becomes follow-ups: the dated scenarios of the shipped programs."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from flows.audience import holds
from flows.calendar import Calendar
from flows.decisions import CancelFollowUps, Decision, Missed, PlanFollowUp, SetClass
from flows.events import Customer, Event
from flows.plan import plan_event, plan_reminders
from flows.program import Program
from flows.resurvey import plan_resurvey

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
    assert (missed.planned.flow, missed.planned.occasion) == ("repair", "event:7")
    assert f"{missed.planned.slot.nominal_on}" == "2026-11-05"
    assert "had passed" in missed.planned.because


def test_a_stop_event_cancels_what_its_flow_has_planned(auto_repair: Program, china: Calendar) -> None:
    flows = tuple(
        flow.model_copy(update={"stops_on": ("repair_warranty",)}) if flow.id == "repair" else flow
        for flow in auto_repair.flows
    )
    program = auto_repair.model_copy(update={"flows": flows})
    decisions = after(program, "repair_warranty", "2026-11-02T10:00", china)
    assert decisions[0] == CancelFollowUps("repair_warranty came", ("repair",))


# --- Reminders, asking again


def test_a_silent_survey_is_reminded_once_before_it_closes(retail: Program, china: Calendar) -> None:
    closes = shanghai("2026-11-30T09:00")
    (reminder,) = plan_reminders(retail, "purchase", "event:7", date(2026, 11, 16), 3, closes, SHANGHAI, china)
    assert planned([reminder]) == ["purchase_reminder 2026-11-23 Mon 09:00"]
    assert (reminder.slot.expires_at, reminder.occasion) == (closes, "event:7")
    early = shanghai("2026-11-23T09:00")
    assert plan_reminders(retail, "purchase", "event:7", date(2026, 11, 16), 3, early, SHANGHAI, china) == []
    last_day = shanghai("2026-11-24T00:00")
    assert plan_reminders(retail, "purchase", "event:7", date(2026, 11, 16), 3, last_day, SHANGHAI, china) == []
    assert plan_reminders(retail, "care_ordinary", "x", date(2026, 11, 16), 3, closes, SHANGHAI, china) == []


def test_2_4_after_the_handling_the_customer_is_asked_again_on_the_next_permitted_day(
    auto_repair: Program, china: Calendar
) -> None:
    again = plan_resurvey(auto_repair, 5, 1, shanghai("2026-10-09T15:00"), SHANGHAI, china)
    assert planned([again]) == ["resurvey 2026-10-10 Sat 09:00"]
    assert (again.occasion, again.ticket_id) == ("ticket:5:round:1", 5)
    second = plan_resurvey(auto_repair, 5, 2, shanghai("2026-10-09T15:00"), SHANGHAI, china)
    assert replace(second, occasion=again.occasion, because=again.because) == again
