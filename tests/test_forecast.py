"""The forecast counts the Selections that the planner inserts: what it says comes true, and it writes nothing."""

from collections import Counter
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import pytest

from bot.channels.contract import Sender
from bot.clock import SimulatedClock
from bot.commands.forecast import chart, said_of
from bot.forecast import Forecast, Load, forecast, minutes
from bot.journey import enrolment
from bot.journey.enrolment import CustomerIn
from bot.runtime import Runtime
from bot.store.tables import FollowUpRow
from tests.journey.story import SHANGHAI, Story


@pytest.fixture
def story(runtime: Runtime, clock: SimulatedClock) -> Story:
    return Story(runtime, clock)


def counted(found: Forecast) -> Counter[tuple[str, str]]:
    """(day, flow) -> messages; duties of staff are none."""
    return Counter({(line.day.isoformat(), line.flow): line.count for line in found.lines if line.template})


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
    assert (counted(found), found.left_out) == (Counter(), ())
    assert found.start == date(2026, 9, 28)


# ----- by which channel, and what a sender can carry


def test_each_is_counted_by_the_channel_that_reaches_them_and_not_who_is_kept_back(story: Story) -> None:
    story.customer("a", "+8613900000001", telegram="11")
    story.customer("b", "", telegram="12")
    story.customer("c", "+8613900000003")
    story.reply("退订", "+8613900000003")
    lines = [line for line in forecast(story.runtime, days=5).lines if line.day == date(2026, 10, 1)]
    assert [(line.channel, line.count) for line in lines] == [("sms", 1), ("telegram", 1)]


def test_who_has_a_greeting_from_one_program_is_not_counted_for_another(story: Story) -> None:
    """One greeting per festival (R43), whichever of two flows of two programs plans it."""
    story.customer("a", "+8613900000001", programs=("retail_aftersales",))
    at_first = counted(forecast(story.runtime, days=5))
    assert at_first["2026-10-01", "greeting"] == 1
    story.live_until("2026-09-30 12:00")
    assert counted(forecast(story.runtime, days=5)) == at_first


class Slow:
    """A channel as the forecast asks it: one number that sends a segment in two seconds."""

    senders = (Sender("+15550001111", per_second=0.5, by_segments=True),)


def crowd(story: Story, count: int) -> None:
    rows = [CustomerIn(f"c{n}", "张伟", f"+86139{n:08}", programs=("retail_aftersales",)) for n in range(1, count + 1)]
    assert not enrolment.faults_of(enrolment.accept_customers(story.runtime, "test", rows))


def test_a_day_that_takes_a_number_long_is_told(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    # given a thousand who are greeted by one number
    crowd(story, 1000)
    story.runtime = replace(story.runtime, channels={**story.runtime.channels, "sms": Slow()})  # type: ignore[dict-item]
    found = forecast(story.runtime, days=5)
    line = next(line for line in found.lines if line.day == date(2026, 10, 1))

    # then each segment takes two seconds, and from ten to twenty o'clock is long enough
    assert (line.festival, line.occasion) == ("national_day", "festival")
    (load,) = found.loads
    assert (load.day, load.channel, load.units, load.senders) == (line.day, "sms", line.segments, 1)
    assert load.takes == timedelta(seconds=2 * line.segments)
    assert load.open_for == timedelta(hours=10)
    assert not load.is_too_much
    assert said_of(load) == f"2026-10-01 sms: {line.segments:,} on 1 sender takes {minutes(load.takes)} minutes"

    # and with a tenth of the rate it is not
    monkeypatch.setattr(Slow, "senders", (Sender("+15550001111", per_second=0.02, by_segments=True),))
    (load,) = forecast(story.runtime, days=5).loads
    assert load.is_too_much
    assert "the rest goes out later or expires" in said_of(load)
    assert load.as_dict()["too_much"] is True


def test_five_thousand_on_one_number_take_eighty_four_minutes() -> None:
    load = Load(date(2026, 10, 1), "sms", 5000, 1, timedelta(seconds=5000), timedelta(hours=7))
    assert said_of(load) == "2026-10-01 sms: 5,000 on 1 sender takes 84 minutes"


def test_the_chart_has_a_bar_for_each_day_that_sends(story: Story) -> None:
    story.customer("a", "+8613900000001")
    story.customer("b", "+8613900000002", class_="potential")
    bars = list(chart(forecast(story.runtime, days=20)))
    assert [bar.split(" ")[1] for bar in bars] == ["2026-10-01", "2026-10-12"]
    assert bars[0].endswith(f"{'█' * 60} 2")
    assert bars[1].endswith(f" {'█' * 30} 1")
