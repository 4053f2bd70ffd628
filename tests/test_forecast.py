"""The forecast counts the Selections that the planner inserts: what it says comes true, and it writes nothing."""

from collections import Counter
from datetime import date
from decimal import Decimal

import pytest

from bot.clock import SimulatedClock
from bot.forecast import Forecast, forecast
from bot.runtime import Runtime
from bot.store.tables import FollowUpRow
from tests.journey.story import SHANGHAI, Story


@pytest.fixture
def story(runtime: Runtime, clock: SimulatedClock) -> Story:
    return Story(runtime, clock)


def counted(found: Forecast) -> Counter[tuple[str, str]]:
    """(day, flow) -> messages."""
    return Counter({(line.day.isoformat(), line.flow): line.count for line in found.lines})


def lived(story: Story, until: str) -> Counter[tuple[str, str]]:
    """(day, flow) -> messages that went out, once the time has been lived through."""
    story.live_until(until)
    flows = {row.id: row.flow for row in story.rows(FollowUpRow)}
    lines = [line for line in story.trail("message") if line.follow_up_id]
    return Counter((line.at.astimezone(SHANGHAI).date().isoformat(), flows[line.follow_up_id]) for line in lines)


def test_what_the_forecast_counts_is_what_goes_out(story: Story) -> None:
    # given customers of every class, two of them with a purchase, the day before the festivals begin
    story.customer("a", "+8613900000001", class_="high_value")
    story.customer("b", "+8613900000002", class_="ordinary")
    story.customer("c", "+8613900000003", class_="potential")
    story.customer("d", "+8613900000004", programs=("auto_repair",))
    story.purchase("b")
    story.event("repair_paid", "d", vehicle="蓝色轿车")

    # when the next forty days are looked at, and then lived through
    told = counted(forecast(story.runtime, days=40))
    came = lived(story, "2026-11-07 00:00")

    # then both agree, but for reminders of surveys that nobody could know to stay silent
    reminders = {key: count for key, count in came.items() if key[1].endswith("_reminder")}
    assert told == came - Counter(reminders)
    assert {flow for _, flow in told} >= {"greeting", "purchase", "repair", "care_high_value", "care_potential"}


def test_the_forecast_writes_nothing_and_says_the_same_twice(story: Story) -> None:
    story.customer()
    first = forecast(story.runtime, days=30)
    assert story.rows(FollowUpRow) == []
    assert story.trail() == []
    assert forecast(story.runtime, days=30) == first


def test_what_was_sent_is_no_longer_forecast(story: Story) -> None:
    story.customer()
    assert ("2026-10-01", "greeting") in counted(forecast(story.runtime, days=5))
    story.live_until("2026-10-01 12:00")
    assert ("2026-10-01", "greeting") not in counted(forecast(story.runtime, days=5))


def test_who_stopped_is_left_out_by_rule(story: Story) -> None:
    story.customer("a", "+8613900000001")
    story.customer("b", "+8613900000002")
    story.reply("退订", "+8613900000001")
    found = forecast(story.runtime, days=5)
    left_out = {(out.flow, out.because): out.count for out in found.left_out}
    assert left_out["greeting", "opted out"] == 1
    assert left_out["lost", "no marketing consent"] == 2


def test_a_year_without_an_official_calendar_is_marked_provisional(story: Story) -> None:
    story.customer()
    days = {line.day: line.provisional for line in forecast(story.runtime, days=100).lines}
    assert days[date(2026, 10, 1)] is False
    assert days[date(2027, 1, 1)] is True


def test_the_price_is_that_of_the_segments(story: Story) -> None:
    story.customer()
    story.purchase()
    line = next(line for line in forecast(story.runtime, days=14).lines if line.flow == "purchase")
    assert line.segments >= 2, "Chinese texts are long"
    assert line.cost == Decimal("0.05") * line.segments


def test_an_empty_house_has_an_empty_forecast(story: Story) -> None:
    found = forecast(story.runtime)
    assert (found.lines, found.left_out) == ((), ())
    assert found.start == date(2026, 9, 28)
