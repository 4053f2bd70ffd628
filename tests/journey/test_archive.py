"""What need not be kept is deleted wherever it stands, in slices; what must be kept is not, whoever asks."""

from collections.abc import Callable

import pytest

from bot.bootstrap import simulated_runtime
from bot.clock import SimulatedClock
from bot.config import Settings
from bot.errors import Conflict, Forbidden, InputError, NotFound
from bot.journey import archive, callbacks
from bot.shelf import stock_texts
from bot.store import forms
from bot.store.db import Database
from bot.store.tables import AnswerRow, DeletionRow, InboundRow, MessageRow, SurveyRow, TicketRow
from tests.journey.story import ON_SQLITE, Story, shanghai, side_by_side

PROGRAM = """
id: office
name: {en: Office}
company: {en: Pinecone}
language: en
events: {visit: {name: {en: Visit}}}
surveys:
  opinion:
    closes_after: 2d
    questions: [{id: overall, scale: 1-5, weight: 100, text: {en: "How was it? Please reply 1-5"}}]
flows:
  - id: after_visit
    on: {event: visit}
    after: 1d
    message: {template: survey_reminder, purpose: survey, survey: opinion}
archive: {keep: 10d, deletion: [clerk, head]}
independent_of: [seller]
callback:
  owner: owner
  ladder: [{at: 0%, role: owner}]
  resurvey: {template: resurvey, survey: opinion}
"""
OWNER, CLERK, HEAD, SELLER = 1, 2, 3, 4
BO = "+8613900000002"


@pytest.fixture
def story(db: Database, settings: Settings) -> Story:
    """Two who were asked on Tuesday 24 November: one is unhappy, has a ticket and said why, the other is content."""
    clock = SimulatedClock(shanghai("2026-11-23 08:00"))
    ids = stock_texts(db, {"office.yaml": PROGRAM}, clock.now())
    made = simulated_runtime(settings, db, clock, ids, seed=1)
    made.shelf.refresh()
    told = Story(made, clock)
    for number, (name, role) in enumerate([("Rui", "owner"), ("Li", "clerk"), ("Fang", "head"), ("Bao", "seller")], 1):
        assert told.hire(name, role, phone=f"+861380000100{number}", language="en") == number
    told.customer(programs=("office",), language="en")
    told.customer("c2", BO, programs=("office",), language="en")
    told.event("visit")
    told.event("visit", "c2")
    told.live_until("2026-11-24 10:00")
    told.reply("2 the lobby smells of smoke")
    told.reply("5", BO)
    told.live_until("2026-11-24 12:00")
    return told


def ask_and_approve(story: Story) -> None:
    archive.ask(story.runtime, "office", OWNER)
    assert archive.approve(story.runtime, "office", CLERK) == "head"
    assert archive.approve(story.runtime, "office", HEAD) is None
    story.work()


@ON_SQLITE
def test_nothing_goes_before_the_last_day_is_over(story: Story) -> None:
    story.live_until("2026-12-04 23:59")
    with pytest.raises(Conflict, match="forms are kept for 10d, the oldest through 2026-12-04"):
        archive.ask(story.runtime, "office", OWNER)
    story.live_until("2026-12-05 00:00")
    assert archive.ask(story.runtime, "office", OWNER) == 1  # the ticket is still open


def test_what_was_said_is_gone_wherever_it_stood(story: Story) -> None:
    # given a ticket that a manager closed, and forms that need not be kept
    words = "smells of smoke"
    assert words in story.one(TicketRow).words
    story.hire("Gao", "manager", phone="+8613800001009", language="en")
    callbacks.override_close(story.runtime, 1, 5, "the landlord has aired it")
    story.live_until("2026-12-05 09:00")

    # when everybody has approved
    ask_and_approve(story)

    # then no table has it any more, but what we wrote, and how many were deleted
    assert story.rows(SurveyRow) == story.rows(AnswerRow) == []
    assert story.one(TicketRow).words == ""
    assert not any(words in row.body for row in [*story.rows(InboundRow), *story.rows(MessageRow)])
    assert all(row.raw == row.reading == {} for row in story.rows(InboundRow))
    assert story.trail("reply", "answer", "comment") == []
    assert len([row for row in story.rows(MessageRow, purpose="survey") if row.body]) == 2
    assert story.told("deletion")[-1] == "deletion: 2 forms deleted that were sent through 2026-11-24"
    with pytest.raises(Conflict, match="nothing may be deleted"):
        archive.ask(story.runtime, "office", OWNER)


def test_the_form_of_an_open_ticket_stays(story: Story) -> None:
    story.live_until("2026-12-05 09:00")
    ask_and_approve(story)
    assert story.told("deletion")[-1].startswith("deletion: 1 forms deleted")
    assert story.one(SurveyRow).id == story.one(TicketRow).survey_id
    assert "smoke" in story.one(TicketRow).words
    assert [row.body for row in story.rows(InboundRow)] == ["2 the lobby smells of smoke", ""]


@ON_SQLITE
def test_it_goes_in_slices_and_is_counted_once(story: Story) -> None:
    callbacks.override_close(story.runtime, 1, story.hire("Gao", "manager", phone="+8613800001009"), "aired")
    story.live_until("2026-12-05 09:00")
    archive.ask(story.runtime, "office", OWNER)
    archive.approve(story.runtime, "office", CLERK)
    assert archive.purge(story.runtime) == 0  # one approval is missing
    archive.approve(story.runtime, "office", HEAD)
    assert [archive.purge(story.runtime, limit=1) for _ in range(4)] == [1, 1, 1, 0]
    row = story.one(DeletionRow)
    assert (row.state, row.forms, row.deleted) == ("done", 2, 2)


@ON_SQLITE
def test_a_program_that_came_to_keep_longer_is_obeyed(story: Story) -> None:
    story.live_until("2026-12-05 09:00")
    archive.ask(story.runtime, "office", OWNER)
    stock_texts(story.runtime.db, {"office.yaml": PROGRAM.replace("10d", "3y")}, story.clock.now())
    archive.approve(story.runtime, "office", CLERK)
    archive.approve(story.runtime, "office", HEAD)
    story.work()
    assert len(story.rows(SurveyRow)) == 2
    assert story.told("deletion")[-1].startswith("deletion: 0 forms deleted")


@ON_SQLITE
def test_each_has_a_part_of_their_own(story: Story) -> None:
    runtime = story.runtime
    with pytest.raises(NotFound, match="no deletion of office waits"):
        archive.approve(runtime, "office", CLERK)
    with pytest.raises(InputError, match="'hotel' keeps no archive here"):
        archive.ask(runtime, "hotel", OWNER)
    story.live_until("2026-12-05 09:00")
    for step in (archive.ask, archive.approve):
        with pytest.raises(Forbidden, match="not for Bao, who is kept apart"):
            step(runtime, "office", SELLER)
    archive.ask(runtime, "office", CLERK)
    with pytest.raises(Conflict, match="Li asked for it: another person approves it"):
        archive.approve(runtime, "office", CLERK)
    with pytest.raises(Conflict, match="the clerk is next, and Fang is none"):
        archive.approve(runtime, "office", HEAD)
    with pytest.raises(Conflict, match="that is for the clerk or the head, and Rui is none"):
        archive.refuse(runtime, "office", OWNER, "a lawsuit runs")
    archive.refuse(runtime, "office", HEAD, "a lawsuit runs")
    story.work()
    assert len(story.rows(SurveyRow)) == 2
    assert story.told("deletion")[-1] == "deletion: refused by Fang: a lawsuit runs"


def test_of_two_who_approve_at_once_one_takes_the_step(story: Story) -> None:
    second = story.hire("Mei", "clerk", phone="+8613800001008", language="en")
    story.live_until("2026-12-05 09:00")
    archive.ask(story.runtime, "office", OWNER)
    approve: list[Callable[[], object]] = [
        lambda: archive.approve(story.runtime, "office", CLERK),
        lambda: archive.approve(story.runtime, "office", second),
    ]
    side_by_side(*approve)
    with story.runtime.db.write() as session:
        row = forms.live(session, "office")
    assert row is not None
    assert (row.step, len(row.approvers)) == (1, 1)
