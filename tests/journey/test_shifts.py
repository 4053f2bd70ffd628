"""What cannot wait: who is called at night, when it is a breach, and what an outage makes of it (R143, R164)."""

import pytest

from bot.errors import InputError
from bot.journey import intake, rosters
from bot.journey.intake import EventIn
from flows.shifts import parse_days
from tests.journey.story import ON_SQLITE, SHANGHAI, Story, shanghai

LEADER, SHOP, MANAGER = "+8613800002001", "+8613800002002", "+8613800002003"


def _night(story: Story) -> None:
    """A repair shop with its night duty, and a customer, on a Saturday evening."""
    for name, role, phone in (
        ("吴刚", "night_leader", LEADER),
        ("赵店长", "shop_leader", SHOP),
        ("孙经理", "manager", MANAGER),
    ):
        story.hire(name, role, phone=phone)
    story.customer(programs=("auto_repair",))
    story.at("2026-10-17 23:10")


@ON_SQLITE
def test_told_late_it_is_a_breach_also_where_nobody_could_tell_of_it_in_time(story: Story) -> None:
    # given a rescue that the leader was called for, and a house without power when the two hours end
    _night(story)
    story.event("rescue_called", place="延安路")
    story.work()
    assert story.times(LEADER) == ["2026-10-17 23:10"]
    story.at("2026-10-18 01:20")

    # when the arrival is told before anybody has looked at the clock
    story.event("rescue_arrived", crew="张强")
    story.work()

    # then the manager hears of it, at night, and once
    assert story.times(MANAGER) == ["2026-10-18 01:20"]
    assert [line.data["names"] for line in story.trail("allowance")] == [["张强"]]
    story.live_until("2026-10-18 12:00")
    assert len(story.trail("breach")) == 1


@ON_SQLITE
def test_an_arrival_that_is_told_late_and_was_in_time_is_no_breach(story: Story) -> None:
    _night(story)
    story.event("rescue_called", place="延安路")
    story.work()
    story.at("2026-10-18 01:20")
    story.event("rescue_arrived", at="2026-10-18 01:10")
    story.live_until("2026-10-18 12:00")
    assert story.trail("breach") == []
    assert len(story.trail("done")) == 1


@ON_SQLITE
def test_call_and_arrival_that_are_told_together_call_nobody(story: Story) -> None:
    # given that both happened while nobody could tell us
    _night(story)
    rows = [
        EventIn("e1", "rescue_called", "c1", shanghai("2026-10-17 20:00"), {"place": "延安路"}),
        EventIn("e2", "rescue_arrived", "c1", shanghai("2026-10-17 22:30"), {"crew": "张强"}),
    ]
    intake.accept_events(story.runtime, "test", rows)
    story.live_until("2026-10-18 12:00")

    # then nobody is sent there any more, and that it was half an hour late is told
    assert (story.times(LEADER), story.times(SHOP)) == ([], [])
    assert story.times(MANAGER) == ["2026-10-17 23:10"]
    assert [line.data.get("crew") for line in story.trail("done")] == ["张强"]


@ON_SQLITE
def test_each_of_two_rescues_has_its_own_arrival(story: Story) -> None:
    _night(story)
    story.event("rescue_called", place="延安路")
    story.work()
    story.later(minutes=10)
    story.event("rescue_called", place="中山路")
    story.work()
    story.later(minutes=30)
    story.event("rescue_arrived")
    story.event("rescue_arrived", at="2026-10-17 23:15")
    story.live_until("2026-10-18 12:00")

    # then the first is reached, and what happened before the second was called for is not its doing
    (breach,) = story.trail("breach")
    assert f"{breach.at.astimezone(SHANGHAI):%H:%M}" == "01:20"


@ON_SQLITE
def test_a_shift_that_nobody_has_leaves_the_task_with_its_own_role(story: Story) -> None:
    story.hire("赵店长", "shop_leader", phone=SHOP)
    story.customer(programs=("auto_repair",))
    story.at("2026-10-17 23:10")
    story.event("rescue_called", place="延安路")
    story.work()
    assert story.times(SHOP) == ["2026-10-17 23:10"]


@ON_SQLITE
def test_only_who_has_a_role_with_a_roster_is_named_for_days(story: Story) -> None:
    shop = story.hire("赵店长", "shop_leader")
    with pytest.raises(InputError, match="no role with days on duty"):
        rosters.set_duty(story.runtime, shop, parse_days("2026-11-01..2026-11-03"))
