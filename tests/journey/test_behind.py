"""Who is behind is told what is missing, in their own language."""

import pytest

from bot.bootstrap import simulated_runtime
from bot.clock import SimulatedClock
from bot.config import Settings
from bot.shelf import stock_texts
from bot.store.db import Database
from tests.journey.story import Story, shanghai

PROGRAM = """
id: office
name: {en: Office}
company: {en: Pinecone}
contacts: {call: {name: {en: Call, zh: 电话}}, visit: {name: {en: Visit, zh: 拜访}}}
surveys:
  opinion: {questions: [{id: overall, scale: 1-5, weight: 100, text: {en: "How was it? Please reply 1-5"}}]}
flows:
  - {id: each_customer, on: {at_least: 2, of: [call, visit], per: week}}
  - {id: each_member, on: {at_least: 18, of: [call], per: week, each: staff}}
callback: {owner: seller, ladder: [{at: 0%, role: seller}], resurvey: {template: resurvey, survey: opinion}}
"""
RUI, SUN = "+8613800001001", "+8613800001002"


@pytest.fixture
def clock() -> SimulatedClock:
    """Monday 2026-11-16, 08:00 in Shanghai."""
    return SimulatedClock(shanghai("2026-11-16 08:00"))


def test_it_is_said_in_the_words_of_each_member(db: Database, clock: SimulatedClock, settings: Settings) -> None:
    ids = stock_texts(db, {"office.yaml": PROGRAM}, clock.now())
    runtime = simulated_runtime(settings, db, clock, ids, seed=1)
    runtime.shelf.refresh()
    story = Story(runtime, clock)
    story.hire("Rui", "seller", phone=RUI, language="en")
    story.hire("孙丽", "seller", phone=SUN)
    story.customer(programs=("office",))
    story.live_until("2026-11-20 09:30")
    assert sorted(story.texts(RUI)) == [
        "18 more customers to contact (Call), by 22 Nov.",
        "李敏: 2 still missing (Call, Visit), by 22 Nov.",
    ]
    assert sorted(story.texts(SUN)) == [
        "李敏：电话、拜访还差2次，最晚11月22日补上。",
        "电话还差18位客户，最晚11月22日补上。",
    ]
