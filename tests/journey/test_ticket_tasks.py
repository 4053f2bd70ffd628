"""Tasks that a ticket calls for, where they end without an answer (R83, R142, R148); with one: scenarios 4.2 and 12."""

from typing import Any

import pytest

from bot.bootstrap import simulated_runtime
from bot.clock import SimulatedClock
from bot.config import Settings
from bot.journey import tasks
from bot.journey.belongings import PersonIn
from bot.journey.callbacks import override_close
from bot.shelf import stock_texts
from bot.store.db import Database
from bot.store.tables import ContactPersonRow, TaskRow
from flows.load import override_text, shipped_program_text
from flows.states import TicketState
from tests.journey.story import Story

RETAIL = "retail_aftersales"
ASK: dict[str, Any] = {
    "kind": "call",
    "name": {"zh": "电话回访"},
    "role": "service",
    "fields": {"score": "number"},
    "required": ["score"],
}
VISIT: dict[str, Any] = {"kind": "visit", "name": {"zh": "上门处理"}, "role": "service"}


@pytest.fixture
def story(db: Database, clock: SimulatedClock, settings: Settings) -> Story:
    """A shop that asks again by phone, and visits whom a call did not help."""
    changes = {
        "callback.resurvey.by": [{"task": ASK}],
        "callback.visit": VISIT,
        "replies.annoyed_by_calls": {"zh": ["别老打电话"]},
        "persons": ["buyer"],
    }
    text = override_text(shipped_program_text(RETAIL), RETAIL, changes)
    made = simulated_runtime(settings, db, clock, stock_texts(db, {RETAIL: text}, clock.now()), seed=1)
    made.shelf.refresh()
    told = Story(made, clock)
    told.hire("周敏", "manager", phone="+8613800001009")
    told.customer()
    return told


def called(story: Story) -> int:
    """An unhappy customer whose complaint was dealt with on 9 November; the task that asks again on the tenth."""
    seller = story.hire("孙丽", "service", phone="+8613800001008")
    story.unhappy()
    story.claim(seller)
    story.resolve(seller)
    story.live_until("2026-11-10 09:01")
    task: TaskRow = story.one(TaskRow)
    return task.id


def test_a_call_that_is_let_go_leaves_the_question_to_the_message(story: Story) -> None:
    task_id = called(story)
    before = len(story.texts())
    tasks.cancel(story.runtime, task_id, "never at home")
    story.live_until("2026-11-11 09:01")
    assert [text for text in story.texts()[before:] if "换了新的" in text]
    story.reply("5")
    assert story.ticket().state == TicketState.CLOSED


def test_who_complained_is_the_one_to_call(story: Story) -> None:
    seller = story.hire("孙丽", "service", phone="+8613800001008")
    story.customer(contacts=(PersonIn("钱立", "buyer", phone="+8613900000077"),))
    story.asked()
    story.reply("2 等太久了", phone="+8613900000077")
    story.claim(seller)
    story.resolve(seller)
    story.live_until("2026-11-10 09:01")
    assert story.one(TaskRow).person_id == story.one(ContactPersonRow, role="buyer").id
    assert "+86139****0077" in story.texts("+8613800001008")[-1]


def test_who_is_annoyed_by_calls_is_asked_by_message(story: Story) -> None:
    called(story)
    before = len(story.texts())
    story.reply("别老打电话")
    story.live_until("2026-11-12 09:01")
    assert story.states(TaskRow) == ["cancelled"]
    assert [text for text in story.texts()[before:] if "换了新的" in text]


@pytest.mark.parametrize(
    ("words", "state", "tasks_then"),
    [
        ("5", TicketState.CLOSED, ["cancelled"]),
        ("已经解决了，很满意", TicketState.CLOSED, ["cancelled"]),
        ("2 还是不行", TicketState.OPEN, ["cancelled", "open"]),  # the next round, with its visit
        ("谢谢", TicketState.RESOLVED, ["open"]),
    ],
)
def test_a_score_by_message_answers_what_staff_are_still_to_ask(
    story: Story, words: str, state: TicketState, tasks_then: list[str]
) -> None:
    called(story)
    story.reply(words)
    story.work()
    assert story.ticket().state == state
    assert story.states(TaskRow) == tasks_then
    story.live_until("2026-11-12 09:01")
    assert not [text for text in story.texts() if "换了新的" in text], "nobody is asked twice"


def test_a_closed_ticket_leaves_nothing_to_do(story: Story) -> None:
    called(story)
    manager = story.hire("王总", "manager")
    override_close(story.runtime, story.ticket().id, manager, "settled in person")
    before = len(story.texts())
    story.live_until("2026-11-13 09:01")
    assert story.states(TaskRow) == ["cancelled"]
    assert len(story.texts()) == before


def test_a_visit_stands_until_the_customer_is_satisfied_without_it(story: Story) -> None:
    task_id = called(story)
    seller = story.ticket().claimed_by
    tasks.finish(story.runtime, task_id, tasks.Done(staff_id=seller, data={"score": 1}))
    story.work()
    assert [row.kind for row in story.rows(TaskRow, state="open")] == ["visit"]
    story.claim(seller)
    story.resolve(seller, "又换了一台")
    story.live_until("2026-11-11 09:01")
    visit, asks = story.rows(TaskRow, state="open")
    assert (visit.kind, asks.kind) == ("visit", "call")
    tasks.finish(story.runtime, asks.id, tasks.Done(staff_id=seller, data={"score": 5}))
    story.work()
    assert story.ticket().state == TicketState.CLOSED
    assert story.states(TaskRow) == ["done", "cancelled", "done"]
