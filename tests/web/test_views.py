"""What pages ask of the tables, on both databases."""

import asyncio
from datetime import timedelta

import pytest

from bot.channels.contract import Received
from bot.channels.simulator import Simulator
from bot.clock import SimulatedClock
from bot.jobs.simulated import advance
from bot.journey import inbox
from bot.runtime import Runtime
from bot.store import tickets, trail, views
from flows.states import TicketState
from tests.web.house import LI, SUN, WANG, settle


@pytest.fixture
def lived(runtime: Runtime, clock: SimulatedClock) -> Runtime:
    """A week after two purchases: one customer is unhappy, one has opted out."""
    settle(runtime)
    asyncio.run(advance(runtime, clock, clock.now() + timedelta(days=14)))
    simulator = runtime.channels["sms"]
    assert isinstance(simulator, Simulator)
    for address, body in ((LI, "2 等太久了"), (WANG, "STOP")):
        text = simulator.type(address, body)
        inbox.receive(
            runtime,
            Received(
                provider="simulator",
                provider_message_id=text.id,
                channel="sms",
                from_address=address,
                body=body,
            ),
        )
    asyncio.run(advance(runtime, clock, clock.now()))
    return runtime


def test_counters_count_customers_and_not_the_staff(lived: Runtime) -> None:
    now = lived.clock.now()
    with lived.db.read() as session:
        counted = views.counters(session, now - timedelta(hours=12), now, now + timedelta(days=30))
        assert views.to_call(session) == 1
    assert (counted.customers, counted.replies, counted.replies_today) == (2, 2, 2)
    assert counted.messages > counted.messages_today > 0
    assert counted.levels == {5: 0, 4: 0, 3: 0, 2: 1, 1: 0}
    assert (counted.to_call, counted.due_soon, counted.overdue, counted.unreachable) == (1, 1, 0, 0)


def test_phones_and_lists_know_who_is_upset_and_who_left(lived: Runtime) -> None:
    with lived.db.read() as session:
        li, wang = views.customer_phones(session)
        assert [phone.address for phone in views.customer_phones(session, "李")] == [LI]
        assert views.customer_phones(session, "%") == [li, wang]
        assert [phone.name for phone in views.staff_phones(session)] == ["孙丽", "Zhou Wei"]
        assert views.phone_at(session, LI) == li
        assert views.phone_at(session, "nobody") is None
        listed = views.list_customers(session, "", 10, 0)
        assert views.count_customers(session, "Wang") == 1
    assert (li.level, li.upset, wang.opted_out) == (2, True, True)
    assert listed[0].classes == (("retail_aftersales", "ordinary"),)
    assert [each.upset for each in listed] == [False, True]


def test_a_story_brings_everything_that_its_words_need(lived: Runtime) -> None:
    with lived.db.read() as session:
        story = views.story_of(session, trail.of_customer(session, 1))
        newest = views.newest_lines(session, ["reply"], 5)
        in_sets = views.planned_in_sets(session, 1)
        coming = views.coming(session, 1)
    assert story.people[1].name == "李明"
    assert story.addresses[1] == LI
    assert "retail_aftersales/purchase" in story.templates.values()
    assert [row.body for row in story.replies.values()] == ["2 等太久了"]
    assert [row.customer_id for row in newest] == [2, 1]
    assert {row.flow for row in in_sets} == {"greeting"}, "what has a line of its own is not told twice"
    assert all(row.state == "planned" for row in coming)


def test_a_case_holds_the_ticket_its_pings_and_its_answers(lived: Runtime) -> None:
    with lived.db.read() as session:
        (row,) = tickets.queue(session, states=views.TO_DO)
        (call,) = views.calls(session, [row])
        case = views.case(session, row.id)
        assert views.case(session, 999) is None
        assert [ticket.id for ticket in views.told_of(session, 1)] == [row.id]
        assert views.owner_roles(session) == ["service"]
        assert next(iter(views.lines_of_ticket(session, row.id))).what == "ticket"
    assert case is not None
    assert (call.person.name, call.address, call.holder) == ("李明", LI, None)
    assert call.first is not None
    assert call.first.points == 40
    assert case.call.row.state == TicketState.OPEN
    assert next(iter(case.pings)).step == "0%"
    assert [(asked.round, asked.main and asked.main.score) for asked in case.asked] == [(0, 2.0)]


def test_a_sheet_holds_no_name_and_no_address(lived: Runtime) -> None:
    with lived.db.read() as session:
        case = views.case(session, 1)
        assert case is not None
        sheet = views.sheet(session, case.asked[0].survey.token)
        assert views.sheet(session, "unknown") is None
        assert views.unclear_replies(session) == []
    assert sheet is not None
    assert "李明" not in repr((sheet.language, sheet.zone, sheet.program_id, sheet.answers))
    assert SUN not in repr(sheet)
