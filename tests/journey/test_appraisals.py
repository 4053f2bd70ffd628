"""Whose answers count for a member of staff, and in which period."""

from typing import Any

import pytest

from bot.bootstrap import simulated_runtime
from bot.clock import SimulatedClock
from bot.config import Settings
from bot.shelf import stock_texts
from bot.store import surveys
from bot.store.db import Database
from bot.store.tables import QuotaCheckRow
from tests.journey.story import Story, in_session, shanghai

PROGRAM = """
id: tearoom
name: {en: Tearoom}
company: {en: Pinecone}
language: en
off_days: {weekend: send, holiday: send}
attributes: {host: text}
events:
  visit: {name: {en: Visit}, fields: {host: text}}
surveys:
  visit:
    questions:
      - {id: overall, scale: 1-5, weight: 50, text: {en: "How was it? Please reply 1-5, 5 is best"}}
      - {id: service, scale: 1-5, weight: 50, text: {en: "And the service?"}}
flows:
  - {id: visit, on: {event: visit}, after: 1d, message: {template: resurvey, purpose: survey, survey: visit}}
appraisals:
  - id: hosts
    name: {en: Hosts}
    about: host
    questions: [service, overall]
    period: week
    least: 1
    bands: [{at_least: 50%, name: {en: fine}}, {name: {en: a talk}, tell: [manager, owner]}]
callback:
  owner: owner
  ladder: [{at: 100%, role: manager}]
  resurvey: {after: 1d, survey: visit}
"""
MEI, ANN, HAO = "+8613900000001", "+8613900000002", "+8613900000003"


@pytest.fixture
def clock() -> SimulatedClock:
    """Monday 2026-11-02, 09:00 in Shanghai."""
    return SimulatedClock(shanghai("2026-11-02 09:00"))


@pytest.fixture
def story(db: Database, clock: SimulatedClock, settings: Settings) -> Story:
    """Three guests of Tuesday are asked on Wednesday; of Hao's visit only Hao's own data says who the host was."""
    ids = stock_texts(db, {"tearoom.yaml": PROGRAM}, clock.now())
    made = simulated_runtime(settings, db, clock, ids, seed=1)
    made.shelf.refresh()
    told = Story(made, clock)
    told.hire("Fang", "owner", "manager", phone="+8613800001001", language="en")
    for name, phone in (("mei", MEI), ("ann", ANN), ("hao", HAO)):
        known = {"host": " Li Qiang "} if name == "hao" else {}
        told.customer(name, phone, programs=("tearoom",), language="en", attributes=known)
    told.live_until("2026-11-03 09:30")
    told.event("visit", "mei", host="Wu Fang")
    told.event("visit", "ann", host="Wu Fang")
    told.event("visit", "hao")
    told.live_until("2026-11-04 10:00")
    return told


def served(story: Story, level: int) -> None:
    """Mei goes on behind the link, and says how the service was."""
    survey_id = story.survey(customer_id=1).id
    answer = {"question": "service", "score": level, "points": 20 * level, "level": level, "text": "", "channel": "web"}
    known = {"survey_id": survey_id, "customer_id": 1, "at": story.clock.now()}
    in_session(story.runtime, surveys.book, {**answer, **known})


def found(story: Story) -> list[list[tuple[str, str]]]:
    """Of each week that was looked at: whom answers were about, and the share."""
    looks: list[Any] = [row for row in story.rows(QuotaCheckRow, kind="appraisal") if row.done_at is not None]
    return [[(each["about"], each["share"]) for each in look.found["people"]] for look in looks][1:]  # began before


def test_each_survey_counts_once_as_it_is_answered_when_the_period_is_looked_at(story: Story) -> None:
    story.reply("5", MEI)
    story.reply("terrible, and nobody came", ANN)  # a complaint without a score: it is a ticket
    story.live_until("2026-11-08 20:00")
    story.reply("5", HAO)
    story.later(minutes=5)
    story.reply("sorry, I meant 1", HAO)  # put right before anybody looked
    story.live_until("2026-11-09 09:00")
    assert found(story) == [[("Li Qiang", "0/1"), ("Wu Fang", "1/1")]]
    told = [text for text in story.texts("+8613800001001") if "Li Qiang 0/1" in text]
    assert len(told) == 1, told  # Fang has both roles

    served(story, 1)
    story.live_until("2026-11-16 09:00")
    assert found(story)[1:] == [[]]


def test_what_was_said_of_the_person_counts_and_no_answer_to_what_was_done_about_it(story: Story) -> None:
    story.reply("5", MEI)
    served(story, 2)
    story.reply("1", HAO)
    story.claim(1)
    story.resolve(1, "a new pot of tea")
    story.live_until("2026-11-05 10:00")
    story.reply("5", HAO)
    assert story.ticket().state == "closed"
    story.live_until("2026-11-09 09:00")
    assert found(story) == [[("Li Qiang", "0/1"), ("Wu Fang", "0/1")]]
