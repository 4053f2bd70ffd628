"""What the forecast says of a month is what the month brings: every program in the package, and every kind of trigger.

The crowd is invented from the program itself: customers of every class, with its attributes, matters, contact persons,
events and milestones. Not foreseen, and therefore left out: reminders of surveys that stay silent, what the weekly cap
moves, and classes that are computed anew.
"""

import random
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bot.bootstrap import simulated_runtime
from bot.clock import SimulatedClock
from bot.config import Settings
from bot.forecast import CHECK, TASK, Forecast, forecast
from bot.journey import enrolment, intake
from bot.journey.belongings import MatterIn, PersonIn
from bot.journey.enrolment import CustomerIn
from bot.journey.intake import EventIn
from bot.journey.milestones import enter_milestone
from bot.shelf import stock_texts
from bot.store.db import throw_away
from bot.store.migrate import migrate
from bot.store.tables import FollowUpRow, MessageRow, TaskRow
from flows.audience import Day, values_of
from flows.load import override_text, shipped_program_ids, shipped_program_text
from flows.program import Program
from flows.source import read_yaml
from flows.triggers import AtLeast, Unanswered
from tests.journey.story import Story

CUSTOMERS = 6
DAYS = 31
Count = Counter[tuple[str, date, str]]
"""(flow, day, channel) -> how many."""


EVERY_TRIGGER = "every_trigger"
TRIGGERS = Path(__file__).with_name(f"{EVERY_TRIGGER}.yaml")


AUTUMN, WINTER = date(2026, 9, 8), date(2027, 1, 20)
MONTHS = [
    *((program_id, (AUTUMN, WINTER)[index % 2]) for index, program_id in enumerate(shipped_program_ids())),
    (EVERY_TRIGGER, AUTUMN),
    (EVERY_TRIGGER, WINTER),
]


@pytest.fixture
def story(program_id: str, start: date, settings: Settings) -> Iterator[Story]:
    """The program alone, on the evening before the month, after something happened to everybody."""
    clock = SimulatedClock(datetime(start.year, start.month, start.day, 2, tzinfo=UTC))
    cap = {"cap": {"messages": 1000, "days": 7}, "classes.rules": []}
    own = read_yaml(TRIGGERS.read_text(), TRIGGERS.name).data if program_id == EVERY_TRIGGER else {}
    program_id = "retail_aftersales" if own else program_id
    text = override_text(shipped_program_text(program_id), f"{program_id}.yaml", {**cap, **own})
    with throw_away() as db:
        migrate(db)
        ids = stock_texts(db, {f"{program_id}.yaml": text}, clock.now())
        runtime = simulated_runtime(settings, db, clock, ids, seed=1)
        runtime.shelf.refresh()
        told = Story(runtime, clock)
        program = runtime.shelf.program(program_id).program
        _people(told, program, random.Random(f"{program_id}{start}"))
        told.work()
        clock.advance(timedelta(hours=12))
        told.work()
        yield told


def _people(story: Story, program: Program, dice: random.Random) -> None:
    today = story.clock.now().date()
    rows = [_customer(program, number, today, dice) for number in range(CUSTOMERS)]
    assert not enrolment.faults_of(enrolment.accept_customers(story.runtime, "test", rows))
    happened = [
        EventIn(
            f"{row.id}-{type_}",
            type_,
            row.id,
            story.clock.now() - timedelta(hours=dice.randrange(1, 90)),
            {name: _value(kind, today, dice) for name, kind in event.fields.items()},
            f"{row.matters[0].kind}:{row.matters[0].id}" if row.matters else "",
        )
        for row in rows
        for type_, event in program.events.items()
        if dice.random() < 0.8
    ]
    assert not enrolment.faults_of(intake.accept_events(story.runtime, "test", happened))
    for kind in program.milestones:
        enter_milestone(story.runtime, program.id, kind, today + timedelta(days=dice.randrange(3, DAYS)))


def _customer(program: Program, number: int, today: date, dice: random.Random) -> CustomerIn:
    names = program.classes.names
    telegram = {"telegram": f"{1000 + number}"} if number % 3 == 0 else {}
    return CustomerIn(
        f"c{number}",
        "李敏",
        f"+86139000000{number:02}" if number % 3 else "",
        **telegram,  # type: ignore[arg-type]
        zone=dice.choice(("", "", "Europe/Berlin")),
        class_=names[number % len(names)] if names else "",
        programs=(program.id,),
        marketing_consent=dice.random() < 0.5,
        attributes={name: _attribute(program, name, kind, today, dice) for name, kind in program.attributes.items()},
        contacts=tuple(
            PersonIn(f"{role}{number}", role, phone=f"+86138{number:04}{index:04}")
            for index, role in enumerate(program.persons)
        ),
        matters=tuple(
            MatterIn(kind, f"{kind}{number}", {name: _value("date", today, dice) for name in matter.dates})
            for kind, matter in program.matters.items()
        ),
    )


def _attribute(program: Program, name: str, kind: str, today: date, dice: random.Random) -> Any:
    """Often a value that an audience asks for; of a date no day of the span, on which it would end unforeseen."""
    wanted = sorted({str(value) for flow in program.flows for value in values_of(flow.audience, name)})
    if Day.TODAY in wanted:
        return (today + timedelta(days=dice.choice((-20, 2 * DAYS)))).isoformat()
    return dice.choice(wanted) if kind == "text" and wanted else _value(kind, today, dice)


def _value(kind: str, today: date, dice: random.Random) -> Any:
    day = today + timedelta(days=dice.randrange(-20, 80))
    return {"number": dice.randrange(1, 30), "text": "x", "flag": dice.random() < 0.5, "date": day.isoformat()}[kind]


def told(found: Forecast) -> Count:
    return Counter({(line.flow, line.day, line.channel): line.count for line in found.lines if line.channel})


def came(story: Story, program: Program, since: datetime) -> Count:
    """What went out, which work was opened and which minimum was looked at since an instant."""
    rows = {row.id: row for row in story.rows(FollowUpRow)}
    flows = {flow.id: flow for flow in program.flows}
    found: Count = Counter()
    for message in story.rows(MessageRow):
        row = rows.get(message.follow_up_id)
        if row and message.sent_at and message.sent_at > since and not isinstance(flows[row.flow].on, Unanswered):
            found[row.flow, row.intended_on, message.channel] += 1
    for task in story.rows(TaskRow):
        if program.duty(task.flow) and task.opened_at > since:
            found[task.flow, task.opened_at.astimezone(program.time_zone).date(), TASK] += 1
        flow = flows.get(task.flow)
        if flow and task.follow_up_id and task.opened_at > since and not (flow.message or isinstance(flow.on, AtLeast)):
            found[task.flow, rows[task.follow_up_id].intended_on, TASK] += 1
    for row in rows.values():
        if isinstance(flows[row.flow].on, AtLeast) and since < row.due_at <= story.clock.now():
            found[row.flow, row.intended_on, CHECK] += 1
    return found


@pytest.mark.parametrize(("program_id", "start"), MONTHS)
def test_the_forecast_of_a_month_comes_true(story: Story) -> None:
    (in_force,) = story.runtime.shelf.in_force
    program = in_force.program
    since = story.clock.now()
    found = told(forecast(story.runtime, DAYS))
    zone = program.time_zone
    last = datetime.combine(since.astimezone(zone).date() + timedelta(days=DAYS), datetime.min.time(), tzinfo=zone)
    story.live_until(f"{last.astimezone(zone):%Y-%m-%d %H:%M}")

    reminders = {flow.id for flow in program.flows if isinstance(flow.on, Unanswered)}
    assert {key: n for key, n in found.items() if key[0] not in reminders} == came(story, program, since)


@pytest.mark.parametrize(("program_id", "start"), [(EVERY_TRIGGER, AUTUMN)])
def test_the_month_has_something_of_nearly_every_trigger(story: Story) -> None:
    """A month in which nothing is planned would agree with anything."""
    flows = {line.flow for line in forecast(story.runtime, DAYS).lines}
    assert len(flows) >= 12, flows
