"""Tasks: opened, told, done with every field, missed and told to the superior, let go with a reason."""

import pytest

from bot.errors import Conflict, InputError, NotFound
from bot.journey.tasks import Done, cancel, finish
from bot.store import tasks
from bot.store.tables import TaskRow
from flows.states import TaskState
from tests.journey.story import Story, shanghai


def row(story: Story, task_id: int) -> TaskRow:
    with story.runtime.db.read() as session:
        found = tasks.get(session, task_id)
    assert found is not None
    return found


@pytest.fixture
def story(story: Story) -> Story:
    story.hire("孙丽", "service", phone="+8613800001001", language="en")
    story.hire("周敏", "supervisor", phone="+8613800001002", language="en")
    story.customer()
    story.customer("c2", phone="+8613900000002")
    return story


def test_whoever_is_to_do_it_is_told_at_once_in_staff_hours(story: Story) -> None:
    task_id = story.task()
    story.work()
    (text,) = story.texts("+8613800001001")
    assert text.startswith(f"Task {task_id}: Call\nCustomer: 李敏")
    assert row(story, task_id).due_at == shanghai("2026-09-28 18:00")


def test_paperwork_waits_for_no_off_day_and_the_superior_hears_on_the_next_workday(story: Story) -> None:
    story.at("2026-09-30 10:00")
    task_id = story.task(within="1d", superior="supervisor")
    assert row(story, task_id).due_at == shanghai("2026-10-08 18:00")  # 1 to 7 October are off
    story.live_until("2026-10-09 08:59")
    assert story.texts("+8613800001002") == []
    story.live_until("2026-10-09 09:01")
    (text,) = story.texts("+8613800001002")
    assert text.startswith(f"Task {task_id} is not done: Call")
    assert [line.because for line in story.trail("breach") if line.customer_id] == [
        "Call was due 2026-10-08 18:00: supervisor told"
    ]
    story.live_until("2026-10-20 09:00")
    assert len([line for line in story.trail("breach") if line.customer_id]) == 1


def test_a_month_end_paper_comes_forward(story: Story) -> None:
    story.at("2026-10-30 10:00")
    assert row(story, story.task(within="1d", month_end=True)).due_at == shanghai("2026-10-30 18:00")


def test_so_many_workdays_later(story: Story) -> None:
    story.at("2026-09-30 10:00")
    assert row(story, story.task(workdays=1)).due_at == shanghai("2026-10-08 18:00")


def test_it_is_done_only_with_every_required_field(story: Story) -> None:
    task_id = story.task(fields={"post": "text"}, required=["post"])
    with pytest.raises(InputError) as refused:
        finish(story.runtime, task_id, Done(data={"weather": "fine"}))
    assert [fault["field"] for fault in refused.value.faults] == ["data.weather", "data.post"]
    assert row(story, task_id).state == TaskState.OPEN


def test_it_is_done_once(story: Story) -> None:
    task_id = story.task()
    finish(story.runtime, task_id, Done(result="all well"))
    assert (row(story, task_id).state, row(story, task_id).result) == (TaskState.DONE, "all well")
    with pytest.raises(Conflict):
        finish(story.runtime, task_id, Done())
    with pytest.raises(NotFound):
        finish(story.runtime, 999, Done())
    story.live_until("2026-10-20 09:00")
    assert not any(line.customer_id for line in story.trail("breach"))


def test_it_is_let_go_only_with_a_reason(story: Story) -> None:
    task_id = story.task()
    with pytest.raises(InputError):
        cancel(story.runtime, task_id, " ")
    cancel(story.runtime, task_id, "moved away")
    assert row(story, task_id).state == TaskState.CANCELLED
    with pytest.raises(Conflict):
        cancel(story.runtime, task_id, "again")


def test_only_its_superior_or_a_manager_lets_it_go(story: Story) -> None:
    story.hire("吴总", "manager", phone="+8613800001003")
    first, second = story.task(superior="supervisor"), story.task("c2", superior="supervisor")
    with pytest.raises(Conflict, match="孙丽 may not let it go: that is for the supervisor or a manager"):
        cancel(story.runtime, first, "no time", 1)
    with pytest.raises(NotFound):
        cancel(story.runtime, first, "no time", 9)
    assert row(story, first).state == TaskState.OPEN
    cancel(story.runtime, first, "moved away", 2)
    cancel(story.runtime, second, "moved away", 3)
    assert [line.data["staff"] for line in story.trail("cancelled")] == ["周敏", "吴总"]
