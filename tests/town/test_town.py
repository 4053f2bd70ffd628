"""The town lives: three days of it, a restart, and the same story told twice."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypeVar

import pytest
from sqlmodel import SQLModel, select

from bot.channels.contract import Received
from bot.config import Settings
from bot.journey import inbox
from bot.runtime import Runtime
from bot.store import agenda, staff, surveys, tickets
from bot.store.db import MEMORY
from bot.store.tables import InboundRow, MessageRow, PingRow, SurveyRow, TicketRow, TrailRow
from bot.town import answering
from bot.town.helping import HOURS
from bot.town.start import open_town
from bot.town.town import Town
from messages.catalog import Purpose

Row = TypeVar("Row", bound=SQLModel)
MONDAY = datetime.fromisoformat("2026-11-23T06:00:00+08:00")
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def begun(settings: Settings, url: str = MEMORY, **options: bool) -> tuple[Runtime, Town]:
    """A town on its first morning."""
    runtime, town, _ = open_town(settings.model_copy(update={"database_url": url}), MONDAY)
    if options:
        town = Town(runtime, runtime.clock, **options)  # type: ignore[arg-type]
    return runtime, town


@pytest.fixture(scope="module")
def lived() -> Iterator[tuple[Runtime, Town]]:
    """A town after its first three days."""
    fields = Settings.model_fields.items()
    runtime, town = begun(Settings.model_construct(**{name: field.default for name, field in fields}))
    asyncio.run(town.advance(3 * DAY))
    yield runtime, town
    runtime.db.close()


def everything(runtime: Runtime, model: type[Row]) -> list[Row]:
    with runtime.db.read() as session:
        return list(session.exec(select(model)).all())


# ----- three days


def test_the_day_begins_with_surveys_at_nine(lived: tuple[Runtime, Town]) -> None:
    runtime, _ = lived
    first = min(row.sent_at for row in everything(runtime, MessageRow) if row.sent_at)
    assert first == datetime.fromisoformat("2026-11-23T09:00:00+08:00")


def test_three_days_have_surveys_replies_tickets_and_pings(lived: tuple[Runtime, Town]) -> None:
    runtime, _ = lived
    purposes = Counter(row.purpose for row in everything(runtime, MessageRow))
    assert purposes[Purpose.SURVEY] > 40
    assert purposes[Purpose.REPLY] > 20
    assert len(everything(runtime, PingRow)) > len(everything(runtime, TicketRow)) > 2


def test_about_six_in_ten_answer_and_most_are_satisfied(lived: tuple[Runtime, Town]) -> None:
    runtime, town = lived
    asked = [row for row in everything(runtime, SurveyRow) if row.opened_at < town.now() - DAY]
    answered = {row.survey_id for row in everything(runtime, InboundRow)}
    assert 0.4 < sum(row.id in answered for row in asked) / len(asked) < 0.8
    levels = Counter()
    with runtime.db.read() as session:
        levels.update(surveys.counts_by_level(session))
    assert levels[5] + levels[4] > 0.6 * levels.total()
    assert levels[1] + levels[2] > 0


def test_an_unhappy_customer_turns_up_in_the_first_quarter_of_an_hour(lived: tuple[Runtime, Town]) -> None:
    runtime, _ = lived
    opened = min(row.opened_at for row in everything(runtime, TicketRow))
    assert opened <= datetime.fromisoformat("2026-11-23T09:15:00+08:00")


def test_staff_step_in_after_four_hours_and_only_while_they_work(lived: tuple[Runtime, Town]) -> None:
    runtime, _ = lived
    claimed = [row for row in everything(runtime, TrailRow) if row.what == "claimed"]
    with runtime.db.read() as session:
        for line in claimed:
            ticket = tickets.get(session, line.ticket_id)
            assert ticket is not None
            zone = runtime.shelf.version(ticket.program_version_id).time_zone
            assert line.at - ticket.opened_at >= 4 * HOUR
            assert HOURS[0] <= line.at.astimezone(zone).time() < HOURS[1]
    assert claimed
    assert any(row.state == "closed" for row in everything(runtime, TicketRow))


def test_every_rung_of_every_ladder_finds_somebody(lived: tuple[Runtime, Town]) -> None:
    runtime, _ = lived
    with runtime.db.read() as session:
        for each in runtime.shelf.in_force:
            roles = {rung.role for rung in each.program.callback.ladder}
            roles |= {role for alert in each.program.replies.alerts.values() for role in alert.ping}
            assert all(staff.with_role(session, each.program.id, role) for role in roles)


def test_nothing_is_late_lost_or_in_doubt(lived: tuple[Runtime, Town]) -> None:
    runtime, town = lived
    states = {row.state for row in everything(runtime, MessageRow)}
    assert states <= {"delivered", "suppressed", "ready"}
    with runtime.db.read() as session:
        waiting = agenda.read(session)
    assert waiting.unread is None
    assert waiting.outbox is None or waiting.outbox > town.now()


# ----- time


def test_a_restart_goes_on_where_the_town_was(settings: Settings, tmp_path: Path) -> None:
    # given a town that has lived for an hour
    url = f"sqlite:///{tmp_path / 'town.sqlite'}"
    runtime, town = begun(settings, url)
    asyncio.run(town.advance(HOUR))
    stopped, texts = town.now(), len(everything(runtime, MessageRow))
    runtime.db.close()
    # when it is opened again, a day later by the machine's clock
    again, reopened, counts = open_town(settings.model_copy(update={"database_url": url}), MONDAY + DAY)
    # then its clock shows the same time, nothing was loaded twice, and life goes on
    assert reopened.now() == stopped
    assert counts.customers == 0
    assert len(everything(again, MessageRow)) == texts
    asyncio.run(reopened.advance(2 * HOUR))
    assert len(everything(again, MessageRow)) > texts
    again.db.close()


def test_the_same_seed_tells_the_same_story(settings: Settings) -> None:
    def story() -> list[tuple[object, ...]]:
        runtime, town = begun(settings)
        asyncio.run(town.advance(10 * HOUR))
        lines = [(row.at, row.customer_id, row.what, row.flow, row.because) for row in everything(runtime, TrailRow)]
        said = [(row.received_at, row.from_address, row.body) for row in everything(runtime, InboundRow)]
        runtime.db.close()
        return [*lines, *said]

    assert story() == story()


def test_time_runs_at_its_rate_and_stands_still_at_none(settings: Settings) -> None:
    runtime, town = begun(settings)

    async def watch(rate: float) -> timedelta:
        town.run(rate)
        before = town.now()
        async with town.alive():
            await asyncio.sleep(0.7)
        return town.now() - before

    assert asyncio.run(watch(0)) == timedelta(0)
    assert timedelta(seconds=10) < asyncio.run(watch(60)) < timedelta(minutes=5)
    assert town.rate() == 60
    runtime.db.close()


def test_a_push_while_time_runs_is_lived_through_once(settings: Settings) -> None:
    runtime, town = begun(settings)
    begin = town.now()

    async def push() -> None:
        town.run(600)
        async with town.alive():
            await asyncio.gather(town.advance(HOUR), town.advance(HOUR), town.nudge())

    asyncio.run(push())
    assert begin + HOUR <= town.now() <= begin + 3 * HOUR
    keys = [row.dedupe_key for row in everything(runtime, MessageRow)]
    assert len(keys) == len(set(keys))
    runtime.db.close()


# ----- a newcomer


def test_who_types_on_a_phone_takes_it_over(settings: Settings) -> None:
    # given a town in which many have just been asked
    runtime, town = begun(settings)
    asyncio.run(town.advance(timedelta(minutes=5)))
    with runtime.db.read() as session:
        asked = {row.address: row for row in session.exec(select(MessageRow).where(MessageRow.survey_id != 0))}
    assert len(asked) > 5
    # when a newcomer types something unclear on every phone, and a day goes by
    for address, message in asked.items():
        answering.type_on_phone(runtime, message.channel, address, "嗯", raw={})
    asyncio.run(town.advance(DAY))
    # then each was asked what was meant, and nobody answered in their stead
    said = [row for row in everything(runtime, InboundRow) if row.from_address in asked and row.raw]
    assert not [row for row in said if row.survey_id in {message.survey_id for message in asked.values()}]
    runtime.db.close()


def test_staff_who_are_not_asked_to_help_leave_the_queue_alone(settings: Settings) -> None:
    runtime, town = begun(settings, staff_help=False)
    asyncio.run(town.advance(12 * HOUR))
    assert {row.state for row in everything(runtime, TicketRow)} == {"open"}
    runtime.db.close()


def test_a_reply_to_a_closed_conversation_is_heard_as_well(settings: Settings) -> None:
    runtime, town = begun(settings)
    asyncio.run(town.advance(HOUR))
    address = everything(runtime, InboundRow)[0].from_address
    assert inbox.receive(
        runtime, Received(provider="sms", provider_message_id="by hand", channel="sms", from_address=address, body="TD")
    )
    asyncio.run(town.nudge())
    assert any(row.what == "opted_out" for row in everything(runtime, TrailRow))
    runtime.db.close()
