"""What the calendar calls for, as rows: dates of matters, contact persons, cadences that end, waves and rounds."""

from collections.abc import Callable
from copy import deepcopy
from datetime import date, timedelta
from typing import Any

import pytest

from bot.bootstrap import simulated_runtime
from bot.clock import SimulatedClock
from bot.config import Settings
from bot.journey import enrolment, occasions
from bot.journey.belongings import MatterIn, PersonIn
from bot.journey.enrolment import CustomerIn
from bot.journey.milestones import enter_milestone
from bot.shelf import stock_texts
from bot.store import agenda, customers, settings
from bot.store.db import Database
from bot.store.tables import EnrolmentRow, FollowUpRow, RestartRow
from flows.calendar import Calendar, DayKind
from flows.load import override_text, shipped_program_text
from tests.journey.story import Story, local

PROGRAM = "retail_aftersales"
SURVEY = {"template": "care_ordinary", "purpose": "survey", "survey": "care"}
NOTICE = {"template": "care_ordinary", "purpose": "service", "survey": "care"}
VEHICLES = {"matters": {"vehicle": {"name": {"en": "Vehicle"}, "dates": ["insured_until"]}}}

Tell = Callable[..., Story]


@pytest.fixture
def tell(db: Database, clock: SimulatedClock, settings: Settings) -> Tell:
    """A story in the retail program with these flows instead of its own; other fields as given."""

    def begin(*flows: dict[str, Any], seed: int = 1, **fields: Any) -> Story:
        numbered = [{"id": f"flow{number}", **deepcopy(flow)} for number, flow in enumerate(flows, start=1)]
        text = override_text(shipped_program_text(PROGRAM), f"{PROGRAM}.yaml", {"flows": numbered, **fields})
        ids = stock_texts(db, {f"{PROGRAM}.yaml": text}, clock.now())
        runtime = simulated_runtime(settings, db, clock, ids, seed=seed)
        runtime.shelf.refresh()
        return Story(runtime, clock)

    return begin


def dues(story: Story, **where: Any) -> list[str]:
    """When each follow-up was meant to go out, whatever became of it."""
    return sorted(local(row.due_at) for row in story.rows(FollowUpRow, **where))


# ----- dates


def insured(until: str, key: str = "car", **known: Any) -> tuple[MatterIn, ...]:
    return (MatterIn("vehicle", key, {"insured_until": until}, **known),)


REMIND = {"on": {"date": "vehicle.insured_until"}, "stops_on": ["purchase"], "message": NOTICE}


def test_each_matter_is_reminded_of_by_itself(tell: Tell) -> None:
    story = tell({**REMIND, "before": "7d"}, **VEHICLES)
    story.customer("c1", matters=insured("2026-11-16") + insured("2026-11-16", "van") + insured("2026-11-17", "bike"))
    story.live_until("2026-11-09 08:00")
    found = story.rows(FollowUpRow)
    assert [local(row.due_at) for row in found] == ["2026-11-09 09:00", "2026-11-09 09:00", "2026-11-10 09:00"]
    assert len({row.matter_id for row in found}) == 3
    assert all(row.matter_id for row in found)


def test_a_matter_that_is_closed_is_reminded_of_no_more(tell: Tell) -> None:
    story = tell({**REMIND, "before": "7d"}, **VEHICLES)
    story.customer("c1", matters=insured("2026-11-16", state="closed"))
    story.live_until("2026-11-12 08:00")
    assert story.rows(FollowUpRow) == []


def test_3_4_a_renewal_after_the_first_reminder_keeps_the_second_away(tell: Tell) -> None:
    story = tell({**REMIND, "before": "30d"}, {**REMIND, "before": "7d"}, **VEHICLES)
    story.customer("c1", matters=insured("2026-11-30"))
    story.customer("c2", "+8613900000002", matters=insured("2026-11-30", "other"))
    story.live_until("2026-11-10 12:00")
    story.purchase("c1")
    story.live_until("2026-12-02 08:00")
    assert [row.state for row in story.rows(FollowUpRow, flow="flow1")] == ["sent", "sent"]
    (second,) = story.rows(FollowUpRow, flow="flow2")
    assert (second.customer_id, local(second.due_at)) == (2, "2026-11-23 09:00")


def test_a_renewal_that_comes_while_the_reminder_is_planned_cancels_it(tell: Tell) -> None:
    story = tell({**REMIND, "before": "7d"}, **VEHICLES)
    story.customer("c1", matters=insured("2026-11-30"))
    story.live_until("2026-11-22 12:00")
    story.purchase("c1")
    story.live_until("2026-12-02 08:00")
    assert story.follow_up("flow1").state == "cancelled"
    assert story.texts() == []


def test_moving_the_date_moves_its_reminder(tell: Tell) -> None:
    story = tell({**REMIND, "before": "7d"}, **VEHICLES)
    story.customer("c1", matters=insured("2026-11-16"))
    story.live_until("2026-11-08 08:00")
    story.customer("c1", matters=insured("2026-11-20"))
    story.live_until("2026-11-20 08:00")
    assert {row.state: local(row.due_at) for row in story.rows(FollowUpRow)} == {
        "cancelled": "2026-11-09 09:00",
        "sent": "2026-11-13 09:00",
    }
    assert any("moved to 2026-11-20" in line for line in story.told("cancelled"))


def test_a_date_among_the_attributes_is_counted_from_and_nonsense_is_passed_over(tell: Tell) -> None:
    story = tell({"on": {"date": "birthday"}, "after": "0d", "message": NOTICE})
    story.customer("c1", attributes={"birthday": "2026-11-10"})
    story.customer("c2", "+8613900000002", attributes={"city": "2026-11-10"})
    story.live_until("2026-11-12 08:00")
    assert dues(story) == ["2026-11-10 09:00"]


# ----- milestones


def test_a_milestone_that_is_entered_reaches_the_classes_that_are_meant(tell: Tell) -> None:
    flow = {"on": {"milestones": ["opening"]}, "before": "1d", "audience": "class == 'high_value'", "message": NOTICE}
    story = tell(flow, milestones={"opening": {"en": "Opening"}})
    story.customer("c1", class_="high_value")
    story.customer("c2", "+8613900000002", class_="ordinary")
    story.live_until("2026-11-11 12:00")
    assert enter_milestone(story.runtime, PROGRAM, "opening", date(2026, 11, 13))
    assert not enter_milestone(story.runtime, PROGRAM, "opening", date(2026, 11, 13))
    story.live_until("2026-11-14 08:00")
    row = story.follow_up("flow1")
    assert (row.occasion, local(row.due_at), row.state) == (
        "milestone:opening:2026-11-13",
        "2026-11-12 09:00",
        "sent",
    )


# ----- contact persons


def test_every_person_of_the_roles_gets_one_of_their_own(tell: Tell) -> None:
    story = tell({"on": {"every": "14d"}, "message": {**SURVEY, "to": ["head", "user"]}}, persons=["head", "user"])
    people = (PersonIn("王主任", "head", phone="+8613900000011"), PersonIn("小陈", "user", phone="+8613900000012"))
    story.customer("c1", contacts=people)
    story.customer("c2", "+8613900000002")
    story.live_until("2026-11-06 08:00")
    found = story.rows(FollowUpRow)
    assert [(row.customer_id, local(row.due_at)) for row in found] == [
        (1, f"2026-{day} 09:00") for day in ("10-12", "10-12", "10-26", "10-26")
    ]
    assert len({row.person_id for row in found}) == 2
    assert len(story.texts("+8613900000011")) == len(story.texts("+8613900000012")) == 2


# ----- cadences


def test_a_cadence_ends_with_the_date_that_it_names(tell: Tell) -> None:
    story = tell({"on": {"every": "14d", "until": "vehicle.insured_until"}, "message": SURVEY}, **VEHICLES)
    story.customer("c1", matters=insured("2026-10-12") + insured("2026-10-20", "van"))
    story.customer("c2", "+8613900000002")
    story.live_until("2026-11-12 08:00")
    assert dues(story, customer_id=1) == ["2026-10-12 09:00"]
    assert dues(story, customer_id=2) == ["2026-10-12 09:00", "2026-10-26 09:00", "2026-11-09 09:00"]


def test_a_cadence_that_began_anew_counts_from_there(tell: Tell) -> None:
    """A last visit before the enrolment counts as well: nothing that was planned before is a link any more."""
    story = tell({"on": {"every": "14d"}, "message": SURVEY})
    story.customer("c1")
    restart = {"customer_id": 1, "program_id": PROGRAM, "flow": "flow1"}
    with story.runtime.db.write() as session:
        session.add(RestartRow(**restart, on=date(2026, 9, 21), at=story.clock.now()))
    story.live_until("2026-10-20 08:00")
    assert dues(story) == ["2026-10-08 09:00", "2026-10-19 09:00"], "5 October is off, the chain goes on from it"


def test_a_cadence_that_a_computed_class_leaves_alone_keeps_its_rhythm(tell: Tell) -> None:
    """What only the new class calls for counts from its first day (R5, rule 8)."""
    every = {"on": {"every": "14d"}, "message": SURVEY}
    rules = [{"class": "ordinary", "where": "activity_count >= 0"}]  # looked at on 8 October, the first workday
    classes = {"names": ["potential", "ordinary"], "default": "potential", "rules": rules}
    story = tell(every, {**every, "audience": "class == 'ordinary'"}, classes=classes)
    story.customer("c1")
    story.customer("c2", "+8613900000002")
    story.live_until("2026-10-28 08:00")
    assert dues(story, flow="flow1") == ["2026-10-12 09:00"] * 2 + ["2026-10-26 09:00"] * 2
    assert dues(story, flow="flow2") == ["2026-10-22 09:00"] * 2


def test_who_showed_annoyance_is_asked_half_as_often(tell: Tell) -> None:
    story = tell({"on": {"every": "7d"}, "message": SURVEY})
    story.customer("c1")
    with story.runtime.db.write() as session:
        session.get(EnrolmentRow, 1).flags = {"annoyed_since": "2026-09-28"}  # type: ignore[union-attr]
    story.live_until("2026-10-28 08:00")
    assert dues(story) == ["2026-10-12 09:00", "2026-10-26 09:00"]


# ----- minimums


def test_a_period_judges_nobody_who_came_after_its_reminder(tell: Tell) -> None:
    call = {"kind": "call", "name": {"en": "Call"}, "role": "service"}
    least = {"on": {"at_least": 1, "of": ["call"], "per": "week"}, "task": call}
    story = tell(least, contacts={"call": {"name": {"en": "Call"}}})
    story.customer("c1")
    story.live_until("2026-11-14 12:00")  # a Saturday, after the reminder
    story.customer("c2", "+8613900000002")
    story.live_until("2026-11-16 12:00")
    reminder, close = "least:2026-11-09:remind:2026-11-13", "least:2026-11-09:close"
    assert [row.occasion for row in story.rows(FollowUpRow, customer_id=1)][-2:] == [reminder, close]
    assert story.rows(FollowUpRow, customer_id=2) == []


# ----- waves


WAVE = {
    "on": {"waves": ["mon", "wed", "fri"], "at_least": 2, "event": "purchase", "where": "not amount < 0", "sample": 3},
    "message": SURVEY,
}


def crowd(story: Story, count: int) -> None:
    rows = [CustomerIn(f"c{n}", "张伟", f"+861390000{n:04}", programs=(PROGRAM,)) for n in range(1, count + 1)]
    results = enrolment.accept_customers(story.runtime, "test", rows)
    assert not enrolment.faults_of(results)


def drawn(story: Story, day: str) -> set[int]:
    return {row.customer_id for row in story.rows(FollowUpRow, occasion=f"wave:{day}")}


def test_7_3_a_wave_draws_from_those_to_whom_it_happened(tell: Tell) -> None:
    # given eight parcels that were signed on Tuesday, and two that came back
    story = tell(WAVE)
    crowd(story, 12)
    story.live_until("2026-11-24 15:00")
    for number in range(1, 11):
        story.event("purchase", f"c{number}", amount=-5 if number > 8 else 5)

    # when the waves of Wednesday, Friday and Monday have gone out
    story.live_until("2026-12-01 08:00")

    # then each takes three of the eight, nobody twice in thirty days, and the last the two who are left
    days = ("2026-11-25", "2026-11-27", "2026-11-30")
    waves = [drawn(story, day) for day in days]
    assert [len(wave) for wave in waves] == [3, 3, 2]
    assert set().union(*waves) == set(range(1, 9))
    assert dues(story)[0] == "2026-11-25 09:00"
    first = story.trail("planned")[-3]
    assert (first.because, first.data["seed"]) == ("3 of 8 drawn", f"1:{PROGRAM}:flow1:wave:2026-11-25")
    assert story.told("notice") == ["notice: fewer than 3: all 2 are sampled"]


def test_somebody_drawn_exactly_thirty_days_ago_is_still_barred(tell: Tell) -> None:
    story = tell({**WAVE, "on": {**WAVE["on"], "within": "6mo"}})  # type: ignore[dict-item]
    crowd(story, 1)
    story.live_until("2026-10-26 08:00")  # a Monday; thirty days later is Wednesday 25 November
    story.purchase("c1")
    story.live_until("2026-11-28 08:00")
    assert dues(story) == ["2026-10-26 09:00", "2026-11-27 09:00"]


def test_the_same_seed_and_list_draw_the_same_people_and_another_seed_others(tell: Tell) -> None:
    story = tell(WAVE)
    crowd(story, 40)
    story.live_until("2026-11-24 15:00")
    for number in range(1, 41):
        story.purchase(f"c{number}")
    flow, runtime = story.runtime.shelf.program(PROGRAM).program.flow("flow1"), story.runtime
    draw = occasions.draws_of(runtime, runtime.shelf.program(PROGRAM), flow, date(2026, 11, 25))[-2]
    found = []
    for seed in ("1", "1", "2"):
        runtime.dice.seed = seed
        with runtime.db.read() as session:
            found.append(occasions.draw_lots(runtime, session, runtime.shelf.program(PROGRAM).program, flow, draw).ids)
    assert found[0] == found[1] != found[2]


def test_a_week_without_a_workday_is_told_once_as_exempt(tell: Tell) -> None:
    story = tell(WAVE)
    week = [date(2026, 11, 16) + timedelta(days=n) for n in range(7)]
    closed = Calendar(overrides=dict.fromkeys(week, DayKind.HOLIDAY))
    story.runtime.calendars["CN", ("mon", "tue", "wed", "thu", "fri")] = closed
    crowd(story, 3)
    story.live_until("2026-11-14 12:00")
    for number in range(1, 4):
        story.purchase(f"c{number}")
    story.live_until("2026-11-24 08:00")
    assert story.told("notice")[:1] == ["notice: exempt: no workday from 2026-11-16 to 2026-11-22, no wave"]
    assert len([line for line in story.told("notice") if "exempt" in line]) == 1
    assert not drawn(story, "2026-11-16")
    assert not drawn(story, "2026-11-23"), "what happened is older than a week by then"


# ----- rounds


@pytest.mark.parametrize(("size", "sent"), [(59, 0), (60, 60)])
def test_8_3_a_round_below_its_smallest_share_is_refused_and_told_once(tell: Tell, size: int, sent: int) -> None:
    """59 of 200 are 29.5 %, 60 are 30 %: compared exactly (R67)."""
    on = {"round": "1hy", "start": "2026-11-10", "sample": size, "smallest_share": "30%"}
    story = tell({"on": on, "message": SURVEY})
    crowd(story, 200)
    story.live_until("2026-11-12 08:00")
    assert len(story.rows(FollowUpRow)) == sent
    refusals = [] if sent else ["notice: round:2026-11-10 refused: 59 of 200 are too few"]
    assert story.told("notice") == refusals


def test_whom_nothing_may_or_can_reach_is_not_drawn(tell: Tell) -> None:
    """Opted out, a number that is suppressed, no number: a round of 7 takes the other 7 of 10, 70 % of everybody."""
    on = {"round": "1hy", "start": "2026-11-12", "sample": 7, "smallest_share": "70%"}
    story = tell({"on": on, "message": SURVEY})
    crowd(story, 9)
    assert story.customer("c10", phone="", email="c10@example.com") == 10
    story.reply("退订", "+8613900000001")
    with story.runtime.db.write() as session:
        customers.suppress_address(session, "sms", "+8613900000002", story.clock.now(), "unreachable")
    story.live_until("2026-11-13 08:00")
    assert {row.customer_id: row.state for row in story.rows(FollowUpRow)} == dict.fromkeys(range(3, 10), "sent")
    assert story.trail("planned")[-1].because == "7 of 7 drawn"


def test_a_round_reaches_everybody_who_is_there_on_its_day(tell: Tell) -> None:
    story = tell({"on": {"round": "1hy", "start": "2026-11-10"}, "message": SURVEY})
    crowd(story, 5)
    story.live_until("2026-11-12 08:00")
    story.customer("late", "+8613900009999")
    story.live_until("2026-11-14 08:00")
    assert dues(story) == ["2026-11-10 09:00"] * 5


# ----- how it is written


def test_planning_in_slices_plans_everybody_once_and_tells_it_in_one_line(
    tell: Tell, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, size in (("SLICE", 2), ("SHORT_SLICE", 1), ("LARGE_SLICE", 3)):
        monkeypatch.setattr(occasions, name, size)
    greet = {"template": "greeting/{festival}", "purpose": "greeting"}
    story = tell({"on": {"festivals": ["national_day"]}, "message": greet})
    crowd(story, 7)
    story.at("2026-09-30 08:00")
    assert occasions.plan_occasions(story.runtime) == 7
    assert occasions.plan_occasions(story.runtime) == 0
    assert sorted(row.customer_id for row in story.rows(FollowUpRow)) == list(range(1, 8))
    assert [line.data["count"] for line in story.trail("planned")] == [7]


def test_a_date_that_moves_while_the_planner_plans_is_looked_at_once_more(
    tell: Tell, monkeypatch: pytest.MonkeyPatch
) -> None:
    story = tell({"on": {"every": "14d"}, "message": SURVEY})
    story.customer("c1")
    next_call = occasions._next_call

    def somebody_moves_a_date(*given: Any) -> Any:
        with story.runtime.db.write() as session:
            agenda.replan(session)
        return next_call(*given)

    monkeypatch.setattr(occasions, "_next_call", somebody_moves_a_date)
    occasions.plan_occasions(story.runtime)
    with story.runtime.db.read() as session:
        assert settings.read(session, agenda.PLANNED) == {}
