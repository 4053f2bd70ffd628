"""Whose a ticket is while its owner is off, and what many complain about at once."""

from typing import Any

from bot.journey import replies
from bot.shelf import stock_texts
from bot.store import inbound
from flows.load import override_text, shipped_program_text
from tests.journey.story import ON_SQLITE, Story, raised, side_by_side

DUTY, OWNER, SUPERVISOR = "+8613800001001", "+8613800001002", "+8613800001003"
SHOP = "retail_aftersales.yaml"


def _with(story: Story, **changes: Any) -> None:
    """The shop's program with other rules; `__` stands for a dot."""
    named = {name.replace("__", "."): value for name, value in changes.items()}
    text = override_text(shipped_program_text("retail_aftersales"), SHOP, named)
    stock_texts(story.runtime.db, {SHOP: text}, story.clock.now())


@ON_SQLITE
def test_an_alert_on_a_holiday_reaches_the_duty_in_place_of_who_is_off(story: Story) -> None:
    # given a shop whose service is off on holidays
    fire = {"words": {"zh": ["起火"]}, "ping": ["service", "supervisor"]}
    _with(story, callback__stand_in={"role": "duty"}, replies__alerts={"fire": fire})
    for name, role, phone in (("何静", "duty", DUTY), ("孙丽", "service", OWNER), ("周强", "supervisor", SUPERVISOR)):
        story.hire(name, role, phone=phone)
    story.customer()
    story.at("2026-10-02 10:00")

    # when words come that cannot wait
    story.reply("电饭煲起火了，要投诉")
    story.live_until("2026-10-02 10:10")

    # then whoever is on duty hears of it, once, and nobody who is off
    assert (len(story.texts(DUTY)), len(story.texts(SUPERVISOR)), len(story.texts(OWNER))) == (1, 1, 0)


def test_of_complaints_that_are_read_at_the_same_time_one_tells_of_all(story: Story) -> None:
    # given three customers who complain about one thing
    _with(story, callback__concentrated={"count": 3, "tell": ["supervisor"]})
    for phone in (f"+861390000000{n}" for n in range(1, 4)):
        story.customer(phone, phone=phone)
        story.reply("客服态度太差，要投诉", phone, read=False)

    # when each reply is read by another worker
    with story.runtime.db.read() as session:
        waiting = inbound.unread_ids(session, 10)
    outcomes = side_by_side(*[lambda each=each: replies._read_one(story.runtime, each) for each in waiting])  # type: ignore[misc]

    # then the last of the three tells
    assert raised(outcomes) == []
    assert len(story.trail("ticket")) == 3
    assert [line.data["count"] for line in story.trail("concentrated")] == [3]
