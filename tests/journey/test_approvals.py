"""Nothing unapproved is sent: what is edited is held back, and goes out in the words that another person approved."""

import pytest

from bot.bootstrap import simulated_runtime
from bot.clock import SimulatedClock
from bot.config import Settings
from bot.errors import Conflict, InputError
from bot.forecast import forecast
from bot.journey.approving import approve, submit, withdraw
from bot.shelf import stock_texts
from bot.store.db import Database
from bot.store.tables import FollowUpRow
from tests.journey.story import Story, shanghai

PROGRAM = """
id: office
name: {en: Office}
company: {en: Pinecone}
language: en
events: {visit: {name: {en: Visit}}}
surveys:
  opinion:
    approval: {author: writer, approver: head}
    questions: [{id: overall, scale: 1-5, weight: 100, text: {en: "How was it? Please reply 1-5"}}]
flows:
  - id: after_visit
    on: {event: visit}
    after: 1d
    message: {template: survey_reminder, purpose: survey, survey: opinion}
callback:
  owner: writer
  ladder: [{at: 0%, role: writer}, {at: 100%, role: head}]
  resurvey: {template: resurvey, survey: opinion}
"""
WRITER, HEAD = "+8613800001001", "+8613800001002"


@pytest.fixture
def clock() -> SimulatedClock:
    """Monday 2026-11-23, 08:00 in Shanghai."""
    return SimulatedClock(shanghai("2026-11-23 08:00"))


@pytest.fixture
def story(db: Database, clock: SimulatedClock, settings: Settings) -> Story:
    """An office whose survey nobody has approved; somebody visited it, and is asked tomorrow at nine."""
    ids = stock_texts(db, {"office.yaml": PROGRAM}, clock.now())
    made = simulated_runtime(settings, db, clock, ids, seed=1)
    made.shelf.refresh()
    told = Story(made, clock)
    told.hire("Rui", "writer", phone=WRITER, language="en")
    told.hire("Fang", "office:head", phone=HEAD, language="en")
    told.customer(programs=("office",))
    told.event("visit")
    return told


def test_what_waits_goes_out_in_the_words_that_were_approved(story: Story) -> None:
    # given a survey that is held back, and whose words the head wants changed
    story.live_until("2026-11-24 10:00")
    assert story.texts() == []
    assert story.texts(WRITER) == [
        '"opinion" is not approved. It was due on 24 Nov; nothing is sent before. Please submit it.'
    ]
    submit(story.runtime, "office", "opinion", 1)
    withdraw(story.runtime, "office", "opinion", 2)
    edited = PROGRAM.replace("How was it?", "How was your visit?")
    stock_texts(story.runtime.db, {"office.yaml": edited}, story.clock.now())

    # when the edited one is submitted and approved
    submit(story.runtime, "office", "opinion", 1)
    assert approve(story.runtime, "office", "opinion", 2) == 1
    story.work()

    # then those words are sent, once, and the head was asked each time
    assert approve(story.runtime, "office", "opinion", 2) == 0
    story.live_until("2026-11-25 09:00")
    (text,) = story.texts()
    assert "How was your visit?" in text
    assert story.texts(HEAD) == ['"opinion" is not approved. Please approve it or send it back.'] * 2


def test_outside_its_windows_it_waits_for_the_next_one(story: Story) -> None:
    story.live_until("2026-11-24 12:30")
    submit(story.runtime, "office", "opinion", 1)
    approve(story.runtime, "office", "opinion", 2)
    story.live_until("2026-11-24 15:00")
    assert story.times() == ["2026-11-24 14:00"]


def test_who_is_written_for_many_is_told_once_a_day(story: Story) -> None:
    for number in range(2, 6):
        story.customer(f"c{number}", f"+861390000000{number}", programs=("office",))
        story.event("visit", f"c{number}")
    story.live_until("2026-11-24 10:00")
    assert len(story.rows(FollowUpRow, state="planned")) == 5
    assert len(story.texts(WRITER)) == len(story.trail("ping")) == 1


def test_each_has_a_part_of_their_own(story: Story) -> None:
    office = (story.runtime, "office", "opinion")
    with pytest.raises(Conflict, match="that is for the writer, and Fang is none"):
        submit(*office, 2)
    with pytest.raises(Conflict, match="opinion is draft: it cannot be retired"):
        withdraw(*office, 1)
    submit(*office, 1)
    with pytest.raises(Conflict, match="that is for the head, and Rui is none"):
        approve(*office, 1)
    with pytest.raises(InputError, match="'handled' needs no approval"):
        submit(story.runtime, "office", "handled", 1)
    with pytest.raises(InputError, match="'hotel' does not run here"):
        submit(story.runtime, "hotel", "opinion", 1)


def test_the_forecast_leaves_out_what_is_not_approved(story: Story) -> None:
    found = forecast(story.runtime, days=7)
    assert (found.lines, [(out.flow, out.because, out.count) for out in found.left_out]) == (
        (),
        [("after_visit", "not approved: opinion is draft", 1)],
    )
    submit(story.runtime, "office", "opinion", 1)
    approve(story.runtime, "office", "opinion", 2)
    found = forecast(story.runtime, days=7)
    assert ([line.count for line in found.lines], found.left_out) == ([1], ())
