"""A rule of the house may be broken: one case, for a manager to confirm with its number, or to dismiss."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from bot.bootstrap import simulated_runtime
from bot.clock import SimulatedClock
from bot.config import Settings
from bot.errors import Conflict, InputError, NotFound
from bot.journey.violations import confirm, dismiss
from bot.shelf import stock_texts
from bot.store.db import Database
from bot.store.tables import ViolationRow
from tests.journey.story import Story, shanghai

PROGRAM = """
id: office
name: {en: Office}
company: {en: Pinecone}
language: en
surveys:
  opinion: {questions: [{id: overall, scale: 1-5, weight: 100, text: {en: "How was it? Please reply 1-5"}}]}
flows: []
duties:
  - id: report
    on: {daily: true}
    each: staff
    task: {kind: report, name: {en: Report of the day}, role: seller, superior: head}
violations:
  unreported:
    name: {en: No report}
    on: {breach: report}
    sanctions: [{en: a warning}, {en: 100 yuan}]
    confirm: [head]
callback:
  owner: seller
  ladder: [{at: 0%, role: seller}, {at: 100%, role: head}]
  resurvey: {template: resurvey, survey: opinion}
"""
HAO, FANG, MEI = 1, 2, 3


@pytest.fixture
def clock() -> SimulatedClock:
    """Monday 2026-11-23, 08:00 in Shanghai."""
    return SimulatedClock(shanghai("2026-11-23 08:00"))


@pytest.fixture
def story(db: Database, clock: SimulatedClock, settings: Settings) -> Story:
    """Hao sells and has handed in no report on Monday and Tuesday; Fang, who sells as well, is one of two heads."""
    ids = stock_texts(db, {"office.yaml": PROGRAM}, clock.now())
    made = simulated_runtime(settings, db, clock, ids, seed=1)
    made.shelf.refresh()
    told = Story(made, clock)
    told.hire("Hao", "seller", phone="+8613800001001", language="en")
    told.hire("Fang", "office:head", "seller", phone="+8613800001002", language="en")
    told.hire("Mei", "head", phone="+8613800001003", language="en")
    told.live_until("2026-11-25 10:00")
    return told


def cases(story: Story, about: str) -> list[ViolationRow]:
    return sorted(story.rows(ViolationRow, about=about), key=lambda row: row.id)


def test_what_is_not_done_in_time_is_a_case_of_whoever_was_to_do_it(story: Story) -> None:
    first, second = cases(story, "Hao")
    assert (first.kind, first.state, first.sanction) == ("unreported", "suspected", {"en": "a warning"})
    assert first.task_id != second.task_id
    assert len(cases(story, "Fang")) == 2


def test_two_that_are_confirmed_at_once_get_two_numbers(story: Story) -> None:
    # given two cases of the same kind and person, when two heads confirm one each at the same moment
    first, second = cases(story, "Hao")
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda case, by: confirm(story.runtime, case, by), (first.id, second.id), (FANG, MEI)))

    # then one is the first and one the second, and each proposes what its number says
    proposed = {row.number: row.sanction["en"] for row in cases(story, "Hao")}
    assert proposed == {1: "a warning", 2: "100 yuan"}
    assert {line.because for line in story.trail("violation") if line.data["state"] == "confirmed"} == {
        "confirmed by Fang",
        "confirmed by Mei",
    }


def test_one_that_was_dismissed_counts_nowhere(story: Story) -> None:
    first, second = cases(story, "Hao")
    dismiss(story.runtime, first.id, MEI, "was ill")
    confirm(story.runtime, second.id, MEI)
    assert [(row.state, row.number) for row in cases(story, "Hao")] == [("dismissed", 1), ("confirmed", 1)]


def test_only_a_manager_decides_once_and_nobody_their_own(story: Story) -> None:
    case, own = cases(story, "Hao")[0].id, cases(story, "Fang")[0].id
    with pytest.raises(Conflict, match="that is for the head, and Hao is none"):
        confirm(story.runtime, case, HAO)
    with pytest.raises(Conflict, match="it concerns Fang: another person decides it"):
        dismiss(story.runtime, own, FANG, "I was there")
    with pytest.raises(Conflict, match="it concerns Fang"):
        confirm(story.runtime, case, FANG, about="Fang")
    with pytest.raises(InputError):
        dismiss(story.runtime, case, MEI, " ")
    with pytest.raises(NotFound):
        confirm(story.runtime, 99, MEI)
    confirm(story.runtime, case, MEI)
    with pytest.raises(Conflict, match=f"violation {case} is confirmed already"):
        dismiss(story.runtime, case, MEI, "after all")
