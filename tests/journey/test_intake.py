"""Steps 1 and 2: what comes twice changes nothing, a good row beside a bad one is kept, and plans follow the policy."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from bot.journey import enrolment, intake, occasions
from bot.journey.enrolment import CustomerIn
from bot.journey.intake import EventIn
from bot.journey.outreach import prepare_due
from bot.runtime import Dice
from bot.store.tables import (
    ContactPointRow,
    CustomerRow,
    EnrolmentRow,
    EventRow,
    FollowUpRow,
)
from tests.journey.story import PHONE, Story, local, raised, shanghai, side_by_side

# ----- events


def test_an_event_told_twice_plans_once(story: Story) -> None:
    # given a customer
    story.customer()
    story.at("2026-11-02 12:00")

    # when the same purchase is told twice
    first, second = story.purchase(id_="p1"), story.purchase(id_="p1")

    # then it counts once and plans once
    assert (first.verdict, second.verdict) == ("new", "known")
    assert len(story.rows(EventRow)) == 1
    assert local(story.follow_up("purchase").due_at) == "2026-11-09 09:00"
    assert story.one(EnrolmentRow, program_id="retail_aftersales").activity_count == 1


def test_an_event_told_by_two_at_once_plans_once(story: Story) -> None:
    # given a customer
    story.customer()
    story.at("2026-11-02 12:00")

    # when several processes tell the same purchase at the same time
    row = EventIn("p1", "purchase", "c1", story.clock.now(), {"amount": 10})
    outcomes = side_by_side(*[lambda: intake.accept_events(story.runtime, "test", [row])] * 4)

    # then one of them was the first
    assert not raised(outcomes)
    assert sorted(result.verdict for (result,) in outcomes) == ["known", "known", "known", "new"]
    assert len(story.rows(FollowUpRow, flow="purchase")) == 1
    assert story.one(EnrolmentRow).activity_count == 1


def test_the_same_event_twice_in_one_file_counts_once(story: Story) -> None:
    story.customer()
    row = EventIn("p1", "purchase", "c1", story.clock.now(), {"amount": 10})
    results = intake.accept_events(story.runtime, "test", [row, row])
    assert [result.verdict for result in results] == ["new", "known"]
    assert story.one(EnrolmentRow).activity_count == 1


def test_the_same_id_of_another_source_is_another_event(story: Story) -> None:
    story.customer()
    row = EventIn("p1", "purchase", PHONE, story.clock.now(), {})
    for source in ("shop", "till"):
        (result,) = intake.accept_events(story.runtime, source, [row])
        assert result.verdict == "new"


def fault_of(story: Story, **changed: object) -> dict[str, str]:
    """The one fault of an otherwise good purchase."""
    row = {"id": "p1", "type": "purchase", "customer": "c1", "at": story.clock.now(), "data": {}, **changed}
    (result,) = intake.accept_events(story.runtime, "test", [EventIn(**row)])  # type: ignore[arg-type]
    assert result.verdict == "refused"
    (fault,) = result.faults
    return dict(fault)


def test_an_unknown_event_is_refused_with_the_list_of_known_ones(story: Story) -> None:
    story.customer()
    fault = fault_of(story, type="purchas")
    assert fault["field"] == "type"
    assert "purchas" in fault["reason"]
    assert {"purchase", "discharge", "repair_paid"} <= set(fault["remedy"].removeprefix("one of ").split(", "))


@pytest.mark.parametrize(
    ("changed", "field", "reason"),
    [
        ({"id": ""}, "id", "missing"),
        ({"id": "x" * 129}, "id", "longer than 128"),
        ({"customer": "nobody"}, "customer", "not known"),
        ({"at": datetime(2026, 9, 28, 8)}, "at", "no time zone"),  # noqa: DTZ001 - meant
        ({"at": datetime(9999, 12, 31, tzinfo=UTC)}, "at", "out of range"),
        ({"at": datetime(1, 1, 1, tzinfo=UTC)}, "at", "out of range"),
        ({"data": {"amount": "ten"}}, "data.amount", "no number"),
        ({"data": {"amount": True}}, "data.amount", "no number"),
        ({"data": {"amount": float("nan")}}, "data.amount", "no number"),
        ({"data": {"amount": float("inf")}}, "data.amount", "no number"),
        ({"data": {"item": 5}}, "data.item", "no text"),
        ({"data": {"colour": "red"}}, "data.colour", "unknown field"),
        ({"matter": f"order:{'9' * 200}"}, "matter", "longer than"),
    ],
)
def test_a_bad_field_is_named_with_its_reason(
    story: Story, changed: dict[str, object], field: str, reason: str
) -> None:
    story.customer()
    fault = fault_of(story, **changed)
    assert fault["field"] == field
    assert reason in fault["reason"]
    assert fault["remedy"]


def test_a_good_row_beside_a_bad_one_is_kept(story: Story) -> None:
    # given three rows of which the middle one is bad
    story.customer()
    at = story.clock.now()
    rows = [
        EventIn("p1", "purchase", "c1", at, {"amount": 1}),
        EventIn("p2", "purchase", "c1", at, {"amount": "?"}),
        EventIn("p3", "purchase", "c1", at, {"amount": 3}),
    ]

    # when they come
    results = intake.accept_events(story.runtime, "test", rows)

    # then the good ones are kept, and the bad one can be told by its id
    assert [result.verdict for result in results] == ["new", "refused", "new"]
    assert [fault["id"] for fault in enrolment.faults_of(results)] == ["p2"]
    assert story.one(EnrolmentRow).activity_total == 4


@pytest.mark.parametrize("text", ["电饭煲\x00", "\ud83d"])
def test_text_that_no_database_takes_harms_no_other_row(story: Story, text: str) -> None:
    story.customer()
    at = story.clock.now()
    rows = [EventIn("p1", "purchase", "c1", at, {"item": text}), EventIn("p2", "purchase", "c1", at, {})]
    results = intake.accept_events(story.runtime, "test", rows)
    assert results[1].verdict == "new"
    assert len(story.rows(EventRow)) >= 1


def test_an_event_older_than_the_program_plans_nothing_and_counts_as_activity(story: Story) -> None:
    story.customer()
    story.purchase(at="2025-12-31 10:00", amount=88)
    assert story.rows(FollowUpRow, flow="purchase") == []
    enrolment = story.one(EnrolmentRow, program_id="retail_aftersales")
    assert (str(enrolment.activity_on), enrolment.activity_count, enrolment.activity_total) == ("2025-12-31", 1, 88)


def test_an_older_event_never_moves_the_last_activity_back(story: Story) -> None:
    story.customer()
    story.purchase(at="2026-09-01 10:00")
    story.purchase(at="2026-03-01 10:00")
    assert str(story.one(EnrolmentRow).activity_on) == "2026-09-01"


def test_a_late_event_goes_out_in_the_next_slot_while_its_deadline_holds(story: Story) -> None:
    # given a repair whose third day has gone by, and whose tenth has not
    story.customer(programs=("auto_repair",))
    story.at("2026-11-16 12:30")

    # when it is told late
    story.event("repair_paid", at="2026-11-10 10:00", vehicle="蓝色轿车")

    # then it waits for the window of that afternoon
    assert local(story.follow_up("repair").due_at) == "2026-11-16 14:00"


def test_a_late_event_past_its_deadline_is_listed_as_missed(story: Story) -> None:
    story.customer(programs=("auto_repair",))
    story.at("2026-11-23 09:00")
    story.event("repair_paid", at="2026-11-10 10:00")
    missed = story.one(FollowUpRow)
    assert (missed.state, f"{missed.nominal_on}") == ("expired", "2026-11-13")
    (line,) = story.trail("missed")
    assert (line.flow, line.follow_up_id) == ("repair", missed.id)
    assert "its time had passed" in line.because


@pytest.mark.parametrize("days", [100_000, 10**15, 0, 2.5, -3])
def test_a_doctor_may_order_any_number_of_days(story: Story, days: float) -> None:
    story.customer(programs=("hospital",), class_="inpatient")
    assert story.event("doctor_order", days=days).verdict == "new"
    assert story.follow_up("doctor_order").due_at > story.clock.now()


def test_cancelling_an_event_cancels_its_steps_and_says_why(story: Story) -> None:
    # given a purchase with a planned survey
    story.customer()
    story.purchase(id_="p1")

    # when the order is voided, twice
    assert intake.cancel_event(story.runtime, "test", "p1", "order voided") == 1
    assert intake.cancel_event(story.runtime, "test", "p1", "order voided") == 0

    # then nothing goes out
    story.live_until("2026-10-20 00:00")
    assert story.follow_up("purchase").state == "cancelled"
    assert story.told("cancelled") == ["cancelled: order voided"]
    assert not any("电饭煲" in text for text in story.texts())


def test_cancelling_an_event_stops_the_text_that_waits_in_the_outbox(story: Story) -> None:
    # given a survey that was rendered just as its window closed: it waits in the outbox
    story.customer()
    story.at("2026-11-02 12:00")
    story.purchase(id_="p1")
    story.at("2026-11-09 11:59")
    prepare_due(story.runtime)
    story.at("2026-11-09 12:30")
    story.work()
    assert story.states() == ["ready"]

    # when the order is voided
    assert intake.cancel_event(story.runtime, "test", "p1", "order voided") == 1

    # then it is never sent
    story.live_until("2026-11-10 20:00")
    assert story.texts() == []
    assert story.states() == ["cancelled"]
    assert story.follow_up("purchase").state == "cancelled"


def test_a_cancelled_event_counts_for_nothing_and_gives_back_the_class_it_brought(story: Story) -> None:
    # given a lost customer whom a purchase has brought back
    story.customer(class_="lost")
    story.purchase(at="2026-09-01 10:00", amount=80)
    story.later(minutes=1)
    story.customer(class_="lost")
    story.purchase(id_="p2", amount=500)
    back = story.one(EnrolmentRow)
    assert (back.class_, back.activity_count, back.activity_total) == ("ordinary", 2, 580)

    # when that order is voided
    intake.cancel_event(story.runtime, "test", "p2", "order voided")

    # then everything is as if it had never come
    left = story.one(EnrolmentRow)
    assert (left.class_, left.activity_count, left.activity_total) == ("lost", 1, 80)
    assert str(left.activity_on) == "2026-09-01"


def test_an_unknown_event_cannot_be_cancelled(story: Story) -> None:
    assert intake.cancel_event(story.runtime, "test", "nothing", "why") == 0


# ----- customers


def test_the_same_phone_is_the_same_customer(story: Story) -> None:
    # given a customer whom the shop knows
    first = story.customer("shop-1", "139 0000 0001")

    # when the till imports the same phone under its own key
    (result,) = enrolment.accept_customers(story.runtime, "till", [CustomerIn("till-9", "李敏", "+8613900000001")])

    # then both mean the same customer
    assert result.row_id == first
    assert result.verdict == "known"
    assert len(story.rows(CustomerRow)) == 1
    (told,) = intake.accept_events(story.runtime, "till", [EventIn("x", "purchase", "till-9", story.clock.now(), {})])
    assert told.verdict == "new"


def test_the_same_phone_told_by_several_at_once_is_one_customer(story: Story) -> None:
    def tell(source: str) -> object:
        return enrolment.accept_customers(story.runtime, source, [CustomerIn("k", "李敏", PHONE)])

    outcomes = side_by_side(*[lambda source=f"s{n}": tell(source) for n in range(4)])  # type: ignore[misc]
    assert not raised(outcomes)
    assert len(story.rows(CustomerRow)) == 1
    assert {result.row_id for (result,) in outcomes} == {story.person().id}


def test_two_rows_of_one_file_with_the_same_phone_are_one_customer(story: Story) -> None:
    rows = [CustomerIn("a", "李敏", PHONE), CustomerIn("b", "李敏", PHONE, attributes={"city": "上海"})]
    first, second = enrolment.accept_customers(story.runtime, "test", rows)
    assert first.row_id == second.row_id
    assert story.one(CustomerRow).attributes == {"city": "上海"}


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"name": " "}, "name"),
        ({"name": "长" * 201}, "name"),
        ({"id": "x" * 129}, "id"),
        ({"title": "x" * 33}, "title"),
        ({"language": "mandarin-chinese"}, "language"),
        ({"telegram": "1" * 129}, "telegram"),
        ({"phone": "12"}, "phone"),
        ({"phone": "+861380000"}, "phone"),
        ({"phone": "1380000"}, "phone"),
        ({"phone": "not a number"}, "phone"),
        ({"phone": ""}, "phone"),
        ({"zone": "Beijing"}, "zone"),
        ({"programs": ("bakery",)}, "program"),
        ({"class_": "gold"}, "class"),
    ],
)
def test_a_bad_customer_is_refused_by_field_and_the_good_one_kept(
    story: Story, changed: dict[str, object], field: str
) -> None:
    good = {"id": "c1", "name": "李敏", "phone": PHONE}
    rows = [CustomerIn(**{**good, "id": "bad", **changed}), CustomerIn(**good)]  # type: ignore[arg-type]
    bad, kept = enrolment.accept_customers(story.runtime, "test", rows)
    assert bad.verdict == "refused"
    assert field in {fault["field"] for fault in bad.faults}
    assert kept.verdict == "new"


@pytest.mark.parametrize("text", ["李\x00敏", "\ud83d李敏"])
def test_a_name_that_no_database_takes_harms_no_other_customer(story: Story, text: str) -> None:
    rows = [
        CustomerIn("a", text, "+8613900000002", attributes={"city": text}),
        CustomerIn("b", "王芳", "+8613900000003"),
    ]
    assert enrolment.accept_customers(story.runtime, "test", rows)[1].verdict == "new"


def test_an_import_never_brings_somebody_back_who_opted_out(story: Story) -> None:
    # given somebody who said STOP
    story.customer(marketing_consent=True)
    story.reply("退订")

    # when the same customer is imported again with consent
    story.customer(marketing_consent=True)

    # then the customer's own word stands
    assert story.person().opted_out_at is not None
    assert story.person().marketing_consent_at is None


def test_what_an_import_tells_anew_is_taken_over(story: Story) -> None:
    story.customer(attributes={"city": "北京"})
    (result,) = enrolment.accept_customers(
        story.runtime, "test", [CustomerIn("c1", "李敏敏", PHONE, telegram="4711", attributes={"coupon": "A"})]
    )
    assert result.verdict == "changed"
    assert story.person().name == "李敏敏"
    assert story.person().attributes == {"city": "北京", "coupon": "A"}
    assert [row.channel for row in story.rows(ContactPointRow)] == ["sms", "telegram"]


# ----- occasions


def test_planning_again_changes_nothing(story: Story) -> None:
    # given three customers on the day before National Day
    for number in range(1, 4):
        story.customer(f"c{number}", f"+861390000000{number}")
    story.at("2026-09-30 08:00")
    assert occasions.plan_occasions(story.runtime) == 3

    # when the planner comes again, also after it has forgotten how far it was
    assert occasions.plan_occasions(story.runtime) == 0
    story.customer("c4", "+8613900000004")
    assert occasions.plan_occasions(story.runtime) == 1

    # then each has one greeting
    assert len(story.rows(FollowUpRow, flow="greeting")) == 4


def test_two_planners_at_once_plan_once(story: Story) -> None:
    for number in range(1, 4):
        story.customer(f"c{number}", f"+861390000000{number}")
    story.at("2026-09-30 08:00")
    outcomes = side_by_side(*[lambda: occasions.plan_occasions(story.runtime)] * 4)
    assert not raised(outcomes)
    assert len(story.rows(FollowUpRow, flow="greeting")) == 3


def test_two_planners_at_once_draw_one_sample(story: Story) -> None:
    # given twenty customers of the repair shop when the half-year's sample is due
    rows = [CustomerIn(f"c{n}", "张伟", f"+86139000001{n:02}", programs=("auto_repair",)) for n in range(20)]
    enrolment.accept_customers(story.runtime, "test", rows)
    story.at("2026-12-01 09:00")

    # when several planners with dice of their own plan at once
    runtimes = [replace(story.runtime, dice=Dice(seed)) for seed in range(4)]
    outcomes = side_by_side(*[lambda each=each: occasions.plan_occasions(each) for each in runtimes])  # type: ignore[misc]

    # then ten were drawn, not forty
    assert not raised(outcomes)
    assert len(story.rows(FollowUpRow, flow="half_year")) == 10


def test_a_class_change_replaces_the_pending_steps_of_the_cadence(story: Story) -> None:
    # given somebody of the class potential, whose next contact is planned
    story.customer(class_="potential")
    story.live_until("2026-10-12 07:00")
    assert story.follow_up("care_potential").state == "planned"

    # when they become a customer of high value
    story.customer(class_="high_value")

    # then the step is cancelled at once, and the new cadence counts from that day
    assert story.follow_up("care_potential").state == "cancelled"
    (change,) = story.trail("class")
    assert change.data == {"before": "potential", "after": "high_value"}
    story.live_until("2026-11-13 00:00")
    assert local(story.follow_up("care_high_value").due_at) == "2026-11-12 09:00"
    assert len(story.rows(FollowUpRow, flow="care_potential")) == 1


def test_a_purchase_before_the_win_back_cancels_it(story: Story) -> None:
    # given half a year of silence; the win-back is planned for the next morning
    story.at("2026-10-08 10:00")
    story.customer(marketing_consent=True)
    story.purchase()
    story.at("2027-04-08 08:00")
    occasions.plan_occasions(story.runtime)
    assert story.follow_up("lost").state == "planned"

    # when the customer buys again
    story.purchase()
    story.live_until("2027-04-08 18:00")

    # then nobody is called lost
    assert story.follow_up("lost").state == "cancelled"
    assert "active again" in story.follow_up("lost").reason
    assert story.one(EnrolmentRow).class_ == "ordinary"


def test_what_was_planned_too_long_ago_is_missed_and_not_sent_late(story: Story) -> None:
    # given a survey planned for 9 November
    story.customer()
    story.at("2026-11-02 12:00")
    story.purchase()

    # when the house stands still for three weeks
    story.clock.move_to(shanghai("2026-11-09 09:00") + timedelta(days=21))
    story.work()

    # then it is listed
    assert story.texts() == []
    assert story.follow_up("purchase").state == "expired"
    assert story.told("missed") == ["missed: expired: its time had passed"]
