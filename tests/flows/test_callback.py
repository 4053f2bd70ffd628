"""When a person must call, who owns it, and who is told when (PROGRAMS 3.0 rule 6)."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from flows.audience import parse_predicate
from flows.calendar import Calendar
from flows.callback import answers_for, for_its_owner, handovers, ladder, next_role, next_round, open_ticket, promise
from flows.decisions import OpenTicket, PlannedPing
from flows.offsets import parse_offset
from flows.program import OffDays, OwnerRule, Program, Rung, StandIn
from flows.windows import OffDay
from messages.reading import Category, Intent, Reading

SHANGHAI = ZoneInfo("Asia/Shanghai")


def shanghai(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=SHANGHAI)


def said(at: datetime) -> str:
    return f"{at.astimezone(SHANGHAI):%Y-%m-%d %a %H:%M}"


def opened(program: Program, at: str, calendar: Calendar) -> OpenTicket:
    unhappy = Reading(intent=Intent.SCORE, score=2, points=40, level=2, category=Category.COMPLAINT, flags=("medical",))
    return open_ticket(
        program, unhappy, shanghai(at), SHANGHAI, calendar, kind="low_score", topic="service", because="2 on 1-5"
    )


def told(pings: tuple[PlannedPing, ...]) -> list[str]:
    return [f"{ping.step} {ping.role} {said(ping.due_at)}" for ping in pings]


def changed(program: Program, **fields: object) -> Program:
    return program.model_copy(update={"callback": program.callback.model_copy(update=fields)})


def test_1_5_a_patient_is_called_before_the_holiday_although_the_promise_runs_into_it(
    hospital: Program, china: Calendar
) -> None:
    ticket = opened(hospital, "2026-09-28T16:40", china)
    assert said(ticket.due_at) == "2026-10-01 Thu 16:40"
    assert said(ticket.call_before) == "2026-09-30 Wed 17:00"
    assert (ticket.owner_role, ticket.category, ticket.flags) == ("manager", "complaint", ("medical",))


def test_2_4_a_car_owner_is_called_before_the_end_of_the_make_up_saturday(
    auto_repair: Program, china: Calendar
) -> None:
    ticket = opened(auto_repair, "2026-10-08T10:15", china)
    assert said(ticket.due_at) == "2026-10-11 Sun 10:15"
    assert said(ticket.call_before) == "2026-10-10 Sat 18:00"
    assert ticket.owner_role == "shop_leader"


def test_the_ladder_climbs_with_the_promised_time(retail: Program, china: Calendar) -> None:
    assert told(opened(retail, "2026-11-09T10:00", china).pings) == [
        "0% service 2026-11-09 Mon 10:00",
        "50% service 2026-11-10 Tue 22:00",  # the very end of the staff hours
        "80% supervisor 2026-11-11 Wed 19:36",
        "100% manager 2026-11-12 Thu 10:00",
        "100%+24h top_manager 2026-11-13 Fri 10:00",
    ]


def test_nobody_is_pinged_at_night(retail: Program, china: Calendar) -> None:
    pings = opened(retail, "2026-11-09T23:10", china).pings
    assert said(pings[0].due_at) == "2026-11-10 Tue 08:00"
    assert all("08:00" <= said(ping.due_at)[-5:] < "22:00" for ping in pings)


def test_a_rung_may_lie_days_after_the_promise(retail: Program) -> None:
    program = changed(retail, ladder=(Rung(at="100% + 1d", role="manager"),))
    since, due = shanghai("2026-11-09T10:00"), shanghai("2026-11-12T10:00")
    assert told(ladder(program, since, due, SHANGHAI)) == ["100%+1d manager 2026-11-13 Fri 10:00"]


def test_a_promise_in_days_ends_with_the_day(retail: Program, china: Calendar) -> None:
    program = changed(retail, sla=parse_offset("3d"))
    due, before = promise(program, shanghai("2026-11-09T10:00"), SHANGHAI, china)
    assert (said(due), said(before)) == ("2026-11-13 Fri 00:00", "2026-11-12 Thu 18:00")


def test_a_business_clock_stands_still_on_off_days(retail: Program, china: Calendar) -> None:
    program = changed(retail, sla=parse_offset("24h"), clock="business")
    due, _ = promise(program, shanghai("2026-09-30T16:00"), SHANGHAI, china)
    assert said(due) == "2026-10-08 Thu 16:00"


def test_where_no_window_is_left_the_promise_itself_is_the_last_moment(retail: Program, china: Calendar) -> None:
    due, before = promise(retail, shanghai("2026-10-01T09:00"), SHANGHAI, china)
    assert before == due


def test_each_round_starts_a_new_clock_and_a_new_ladder(auto_repair: Program, china: Calendar) -> None:
    again = next_round(auto_repair, shanghai("2026-10-12T09:30"), SHANGHAI, china, "2 on 1-5")
    assert said(again.due_at) == "2026-10-15 Thu 09:30"
    assert [ping.role for ping in again.pings] == ["shop_leader", "shop_leader", "manager", "manager", "top_manager"]


@pytest.mark.parametrize(
    ("role", "above"),
    [
        ("service", "supervisor"),
        ("supervisor", "manager"),
        ("manager", "top_manager"),
        ("top_manager", None),
        ("attending_doctor", "service"),
    ],
)
def test_a_ping_that_nobody_acknowledges_climbs_to_the_next_role(retail: Program, role: str, above: str | None) -> None:
    assert next_role(retail, role, "service") == above


def test_the_call_has_off_days_of_its_own(retail: Program, china: Calendar) -> None:
    every_day = OffDays(weekend=OffDay.SEND, holiday=OffDay.SEND)
    program = changed(retail, sla=parse_offset("3d"), off_days=every_day)
    due, before = promise(program, shanghai("2026-09-30T18:40"), SHANGHAI, china)
    assert (said(due), said(before)) == ("2026-10-04 Sun 00:00", "2026-10-03 Sat 18:00")


@pytest.mark.parametrize(
    ("since", "sla", "told"),
    [
        ("2026-09-30T18:40", "3d", "2026-10-03 Sat 20:00"),
        ("2026-09-30T21:00", "3h", "2026-09-30 Wed 23:59"),
        ("2026-09-30T18:40", "72h", "2026-10-03 Sat 18:40"),
    ],
)
def test_nobody_is_told_to_expect_a_call_at_midnight(
    retail: Program, china: Calendar, since: str, sla: str, told: str
) -> None:
    _, before = promise(changed(retail, sla=parse_offset(sla)), shanghai(since), SHANGHAI, china)
    assert said(before) == told


@pytest.mark.parametrize(
    ("where", "event", "owner", "ladder_of_owner"),
    [
        ("topic == 'service'", {}, "kitchen", ["kitchen", "kitchen", "supervisor", "manager", "top_manager"]),
        ("grade == 'major'", {"grade": "major"}, "manager", ["manager"] * 4 + ["top_manager"]),
        ("medical and not urgent", {}, "supervisor", ["supervisor"] * 3 + ["manager", "top_manager"]),
        ("grade == 'major'", {}, "service", ["service", "service", "supervisor", "manager", "top_manager"]),
    ],
)
def test_a_ticket_belongs_to_whom_it_is_about_and_nobody_below_is_told(
    retail: Program, china: Calendar, where: str, event: dict[str, str], owner: str, ladder_of_owner: list[str]
) -> None:
    role = owner if owner != "service" else "manager"
    program = changed(retail, owners=(OwnerRule(role=role, where=parse_predicate(where)),))
    mine = for_its_owner(opened(program, "2026-10-12T09:30", china), program, event)
    assert mine.owner_role == owner
    assert [ping.role for ping in mine.pings] == ladder_of_owner


def test_what_an_owner_off_the_ladder_does_not_acknowledge_reaches_the_next_above(retail: Program) -> None:
    assert [next_role(retail, role, "kitchen") for role in ("kitchen", "supervisor")] == ["supervisor", "manager"]


# ----- who answers while the owner is off


@pytest.mark.parametrize(
    ("since", "due", "told"),
    [
        # before National Day, the promise runs into it: the duty has it from its first day to the end
        (
            "2026-09-30T17:30",
            "2026-10-03T17:30",
            ["stand-in 10-01 duty 2026-10-01 Thu 08:00", "back 10-08 service 2026-10-08 Thu 08:00"],
        ),
        ("2026-10-02T10:00", "2026-10-05T10:00", ["back 10-08 service 2026-10-08 Thu 08:00"]),  # theirs from the start
        ("2026-09-27T10:00", "2026-09-30T10:00", ["back 09-28 service 2026-09-28 Mon 08:00"]),  # Mid-Autumn, then none
        ("2026-11-13T10:00", "2026-11-16T10:00", []),  # a weekend is no holiday
    ],
)
def test_a_ticket_is_handed_to_the_duty_of_the_holiday_and_back(
    retail: Program, china: Calendar, since: str, due: str, told: list[str]
) -> None:
    program = changed(retail, stand_in=StandIn(role="duty"))
    pings = handovers(program, "service", shanghai(since), shanghai(due), china)
    assert [f"{ping.step} {ping.role} {said(ping.due_at)}" for ping in pings] == told
    assert handovers(program, "manager", shanghai(since), shanghai(due), china) == ()


def test_on_the_days_that_the_program_names_the_duty_answers_for_those_who_are_off(
    retail: Program, china: Calendar
) -> None:
    rule = StandIn(role="duty", on=("weekend",), instead_of=("service", "supervisor"))
    program = changed(retail, stand_in=rule)
    saturday, make_up, holiday = map(shanghai, ("2026-11-14T09:00", "2026-10-10T09:00", "2026-10-03T09:00"))
    assert [answers_for(program, "supervisor", at, china) for at in (saturday, make_up, holiday)] == [
        "duty",
        "supervisor",
        "supervisor",
    ]
    assert answers_for(program, "manager", saturday, china) == "manager"


def test_what_the_duty_does_not_acknowledge_reaches_whoever_is_above_those_who_are_off(retail: Program) -> None:
    assert next_role(changed(retail, stand_in=StandIn(role="duty")), "duty", "service") == "supervisor"
    both = StandIn(role="duty", instead_of=("service", "supervisor"))
    assert next_role(changed(retail, stand_in=both), "duty", "service") == "manager"
