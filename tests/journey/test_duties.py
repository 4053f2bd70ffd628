"""Work of staff that comes round and is about no customer: opened once, told, done, missed, let go."""

from datetime import date

import pytest

from bot.bootstrap import simulated_runtime
from bot.clock import SimulatedClock
from bot.config import Settings
from bot.errors import InputError
from bot.journey import tasks
from bot.journey.tasks import Done
from bot.shelf import stock_texts
from bot.store.db import Database
from bot.store.tables import QuotaCheckRow, TaskRow
from tests.journey.story import Story, local, shanghai

PROGRAM = """
id: office
name: {en: Office}
company: {en: Pinecone}
language: en
surveys:
  opinion: {questions: [{id: overall, scale: 1-5, weight: 100, text: {en: "How was it? Please reply 1-5"}}]}
flows: []
duties:
  - id: weekly
    on: {weekly: [fri]}
    each: staff
    task:
      {kind: report, name: {en: Weekly report}, role: seller, superior: head, at: "17:00", fields: {visits: number},
       required: [visits]}
  - id: plan
    on: {monthly: 31}
    opens_at: "10:00"
    task: {kind: plan, name: {en: Plan of the month, zh: 月度计划}, role: clerk, superior: head, month_end: true}
callback:
  owner: seller
  ladder: [{at: 0%, role: seller}, {at: 100%, role: head}]
  resurvey: {template: resurvey, survey: opinion}
"""
RUI, HAO, HEAD, SUN = "+8613800001001", "+8613800001002", "+8613800001003", "+8613800001004"


@pytest.fixture
def clock() -> SimulatedClock:
    """Monday 2026-11-23, 08:00 in Shanghai."""
    return SimulatedClock(shanghai("2026-11-23 08:00"))


@pytest.fixture
def story(db: Database, clock: SimulatedClock, settings: Settings) -> Story:
    """An office with two sellers and their head; nobody is its clerk."""
    ids = stock_texts(db, {"office.yaml": PROGRAM}, clock.now())
    made = simulated_runtime(settings, db, clock, ids, seed=1)
    made.shelf.refresh()
    told = Story(made, clock)
    told.hire("Rui", "seller", phone=RUI, language="en")
    told.hire("Hao", "office:seller", phone=HAO, language="en")
    told.hire("Fang", "head", phone=HEAD, language="en")
    return told


def test_each_member_has_a_task_of_their_own_and_is_told_when_it_opens(story: Story) -> None:
    story.live_until("2026-11-27 12:00")
    rows = story.rows(TaskRow, flow="weekly")
    assert [(row.staff_id, row.customer_id, local(row.due_at)) for row in rows] == [
        (1, 0, "2026-11-27 17:00"),
        (2, 0, "2026-11-27 17:00"),
    ]
    assert (story.times(RUI), story.times(HAO)) == (["2026-11-27 09:00"], ["2026-11-27 09:00"])
    assert story.texts(RUI) == ["Task 1: Weekly report\nWhy: every Friday\nDue: 27 Nov 17:00"]


def test_why_is_said_in_the_language_of_each(story: Story) -> None:
    story.hire("孙丽", "seller", phone=SUN, language="zh")
    story.live_until("2026-11-27 12:00")
    assert story.texts(SUN) == ["任务3：Weekly report\n原因：每周五\n请在11月27日17:00前完成"]


def test_a_report_is_asked_only_of_who_is_there_by_the_day_it_is_due(story: Story) -> None:
    story.hire("Qin", "seller", phone=SUN, since=date(2026, 11, 27))
    story.hire("Mo", "seller", phone="+8613800001009", since=date(2026, 11, 28))
    story.live_until("2026-11-27 12:00")
    assert [row.staff_id for row in story.rows(TaskRow, flow="weekly")] == [1, 2, 4]


def test_it_is_done_with_its_fields_and_a_missing_one_reaches_the_superior(story: Story) -> None:
    # given the week's reports, one of them handed in
    story.live_until("2026-11-27 12:00")
    with pytest.raises(InputError) as refused:
        tasks.finish(story.runtime, 1, Done(1))
    assert [fault["field"] for fault in refused.value.faults] == ["data.visits"]
    tasks.finish(story.runtime, 1, Done(1, data={"visits": 12}))

    # when the other one is not
    story.live_until("2026-11-30 09:30")

    # then the head hears of it on the next workday, once
    assert story.states(TaskRow, flow="weekly") == ["done", "open"]
    (text,) = story.texts(HEAD)
    assert text == "Task 2 is not done: Weekly report (Hao)\nIt was due 27 Nov 17:00"
    assert [line.data["staff"] for line in story.trail("breach")] == [["Fang"]]


def test_where_nobody_has_the_role_it_is_still_missed_and_each_hears_of_it_in_their_language(story: Story) -> None:
    story.hire("孙丽", "head", phone=SUN, language="zh")
    story.live_until("2026-12-01 09:30")
    (row,) = story.rows(TaskRow, flow="plan")
    assert (local(row.opened_at), row.staff_id, row.superior) == ("2026-11-30 10:00", 0, "head")
    assert story.texts(SUN)[-1].startswith("任务3尚未完成：月度计划")
    assert story.told("breach")[-1] == "breach: Plan of the month was due 2026-11-30 18:00: head told"


def test_a_new_version_with_another_hour_opens_no_second_task(story: Story) -> None:
    story.live_until("2026-11-29 12:00")
    earlier = PROGRAM.replace('"10:00"', '"09:30"')
    stock_texts(story.runtime.db, {"office.yaml": earlier}, story.clock.now())
    story.live_until("2026-11-30 12:00")
    assert len(story.rows(QuotaCheckRow, name="plan")) == 2
    assert [local(row.opened_at) for row in story.rows(TaskRow, flow="plan")] == ["2026-11-30 09:30"]


def test_what_was_due_before_the_house_opened_is_asked_of_nobody(story: Story) -> None:
    story.at("2026-11-27 17:30")
    story.live_until("2026-11-29 12:00")
    assert story.rows(TaskRow) == []


def test_after_a_standstill_it_opens_late_and_waits_for_its_next_evening(story: Story) -> None:
    story.live_until("2026-11-26 12:00")  # Friday is planned
    story.at("2026-11-28 10:00")
    story.work()
    assert [local(row.due_at) for row in story.rows(TaskRow, flow="weekly")] == ["2026-11-30 17:00"] * 2
