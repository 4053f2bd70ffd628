"""Words in which the tests of the journey are told: one customer, what happens to them, what reached their phone."""

import asyncio
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlmodel import Session, SQLModel, select

from bot.channels.contract import Received
from bot.channels.simulator import Fault, Simulator
from bot.clock import SimulatedClock
from bot.jobs.simulated import advance, work_until_idle
from bot.journey import callbacks, enrolment, inbox, intake, tasks
from bot.journey.enrolment import CustomerIn, Result
from bot.journey.intake import EventIn
from bot.journey.subject import Subject
from bot.runtime import Runtime
from bot.store import customers, staff, surveys, tickets, trail
from bot.store.tables import CustomerRow, FollowUpRow, MessageRow, StaffRow, SurveyRow, TicketRow, TrailRow
from flows.actions import TaskAction

SHANGHAI = ZoneInfo("Asia/Shanghai")
ON_SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
"""For stories about decisions: their SQL is asked of both databases in tests/store, and by a scenario of each pack."""
PHONE = "+8613900000001"


def shanghai(text: str) -> datetime:
    """An instant from local time: "2026-11-09 09:00"."""
    return datetime.fromisoformat(text).replace(tzinfo=SHANGHAI)


class Story:
    """A small world: a runtime on the built-in phone, whose time moves when the story says so."""

    def __init__(self, runtime: Runtime, clock: SimulatedClock) -> None:
        self.runtime = runtime
        self.clock = clock
        self._count = 0

    # ----- what happens

    def customer(self, id_: str = "c1", phone: str = PHONE, **known: Any) -> int:
        """A customer with a phone; in retail unless said otherwise. Their id."""
        known = {"name": "李敏", "title": "女士", "programs": ("retail_aftersales",), **known}
        (result,) = enrolment.accept_customers(self.runtime, "test", [CustomerIn(id_, phone=phone, **known)])
        assert not result.faults, result.faults
        return result.row_id

    def event(
        self, type_: str, customer: str = "c1", *, id_: str = "", at: str = "", matter: str = "", **data: Any
    ) -> Result:
        """Something happens, now unless said otherwise."""
        self._count += 1
        instant = shanghai(at) if at else self.clock.now()
        row = EventIn(id_ or f"e{self._count}", type_, customer, instant, data, matter)
        return intake.accept_events(self.runtime, "test", [row])[0]

    def purchase(self, customer: str = "c1", **known: Any) -> Result:
        return self.event("purchase", customer, **{"amount": 199, "item": "电饭煲", **known})

    def reply(self, text: str, phone: str = PHONE, *, id_: str = "", read: bool = True) -> bool:
        """The customer types; whether it was stored as something new."""
        typed = self.simulator.type(phone, text)
        stored = inbox.receive(
            self.runtime,
            Received(
                provider="simulator",
                provider_message_id=id_ or typed.id,
                channel="sms",
                from_address=phone,
                body=text,
            ),
        )
        if read:
            self.work()
        return stored

    def fail(self, fault: Fault | None, phone: str = PHONE) -> None:
        self.simulator.fail(phone, fault)

    def hire(self, name: str, *roles: str, phone: str = "", language: str = "zh", since: date | None = None) -> int:
        """A member of staff with these roles; their id."""
        with self.runtime.db.write() as session:
            address = phone or f"+861380000{1000 + len(staff.everybody(session))}"
            row = StaffRow(name=name, roles=list(roles), language=language, address=address, since=since)
            return staff.add(session, row).id

    def task(self, customer: str = "c1", **known: Any) -> int:
        """A task about a customer, called for today; its id."""
        action = TaskAction.model_validate({"kind": "call", "name": {"en": "Call"}, "role": "service", **known})
        in_force = self.runtime.shelf.in_force[-1]
        with self.runtime.db.write() as session:
            row = customers.get(session, customers.by_keys(session, "test", [customer])[customer])
            assert row is not None
            enrolment = customers.enrolment(session, row.id, in_force.program.id)
            subject = Subject(self.runtime, in_force, row, enrolment, self.clock.now())
            about = tasks.For(f"test:{customer}", "asked for by hand", self.clock.now().astimezone(SHANGHAI).date())
            task_id = tasks.open_for(session, subject, about, action)
        assert task_id is not None
        return task_id

    def claim(self, staff_id: int, ticket_id: int = 0) -> None:
        callbacks.claim(self.runtime, ticket_id or self.ticket().id, staff_id)

    def resolve(self, staff_id: int, result: str = "换了新的") -> None:
        callbacks.resolve(self.runtime, self.ticket().id, staff_id, result)

    # ----- time

    def at(self, text: str) -> None:
        """Jump to a local time without working on the way."""
        self.clock.move_to(shanghai(text))

    def later(self, **span: float) -> None:
        self.clock.advance(timedelta(**span))

    def work(self) -> None:
        """Do everything that is due now."""
        asyncio.run(work_until_idle(self.runtime))

    def live_until(self, text: str) -> None:
        """Live through the time up to a local time, instant by instant."""
        asyncio.run(advance(self.runtime, self.clock, shanghai(text)))

    def asked(self) -> None:
        """A purchase on Monday 2 November; its survey arrived a week later at nine."""
        self.at("2026-11-02 12:00")
        self.purchase()
        self.at("2026-11-09 09:00")
        self.work()
        assert len(self.texts()) == 1

    def unhappy(self, text: str = "2 等太久了") -> TicketRow:
        """A low answer at ten past nine; the ticket that it opened."""
        self.asked()
        self.later(minutes=10)
        self.reply(text)
        return self.ticket()

    # ----- what is seen

    @property
    def simulator(self) -> Simulator:
        channel = self.runtime.channels["sms"]
        assert isinstance(channel, Simulator)
        return channel

    def texts(self, phone: str = PHONE) -> list[str]:
        """What reached a phone, oldest first."""
        return [text.body for text in self.simulator.phone(phone) if text.direction == "in"]

    def times(self, phone: str = PHONE) -> list[str]:
        """When a text reached the phone, in local time."""
        texts = [text for text in self.simulator.phone(phone) if text.direction == "in"]
        return [f"{datetime.fromisoformat(text.at).astimezone(SHANGHAI):%Y-%m-%d %H:%M}" for text in texts]

    def rows(self, model: type[SQLModel], **where: Any) -> list[Any]:
        """Rows of a table whose columns have these values, oldest first."""
        with self.runtime.db.read() as session:
            statement = select(model).order_by(model.id)  # type: ignore[attr-defined]
            return list(session.exec(statement.filter_by(**where)))

    def one(self, model: type[SQLModel], **where: Any) -> Any:
        found = self.rows(model, **where)
        assert len(found) == 1, f"{len(found)} rows of {model.__name__} with {where}"
        return found[0]

    def follow_up(self, flow: str) -> FollowUpRow:
        row: FollowUpRow = self.one(FollowUpRow, flow=flow)
        return row

    def states(self, model: type[SQLModel] = MessageRow, **where: Any) -> list[str]:
        return [row.state for row in self.rows(model, **where)]

    def ticket(self) -> TicketRow:
        """The ticket that is not closed; the newest where all are."""
        found = self.rows(TicketRow)
        assert found, "there is no ticket"
        live: TicketRow = next((row for row in found if row.state != "closed"), found[-1])
        return live

    def survey(self, **where: Any) -> SurveyRow:
        row: SurveyRow = self.rows(SurveyRow, **where)[-1]
        return row

    def scores(self) -> list[float | None]:
        """The current answers of the newest survey."""
        with self.runtime.db.read() as session:
            return [answer.score for answer in surveys.answers_of(session, self.survey().id)]

    def person(self) -> CustomerRow:
        row: CustomerRow = self.rows(CustomerRow)[0]
        return row

    def trail(self, *what: str) -> list[TrailRow]:
        """Lines of the trail, all or of some kinds, oldest first."""
        with self.runtime.db.read() as session:
            lines = trail.after(session, 0, limit=10_000)
        return [line for line in lines if not what or line.what in what]

    def told(self, *what: str) -> list[str]:
        """The trail in short: "skipped: opted out"."""
        return [f"{line.what}: {line.because}" for line in self.trail(*what)]

    def pings(self) -> list[tuple[str, str, str, str]]:
        """Every ping: local time, step, role, state."""
        with self.runtime.db.read() as session:
            found = tickets.pings_of(session, self.ticket().id)
        return [(f"{row.due_at.astimezone(SHANGHAI):%m-%d %H:%M}", row.step, row.role, row.state) for row in found]


def local(instant: datetime | None) -> str:
    """An instant as a local time, for comparing."""
    assert instant is not None
    return f"{instant.astimezone(SHANGHAI):%Y-%m-%d %H:%M}"


def in_session(runtime: Runtime, step: Any, *args: Any) -> Any:
    """One step of the store in a write transaction of its own."""
    with runtime.db.write() as session:
        assert isinstance(session, Session)
        return step(session, *args)


def side_by_side(*steps: Any) -> list[Any]:
    """Run steps in threads that begin together; what each returned or raised, in order."""
    import threading

    start = threading.Barrier(len(steps))
    outcomes: list[Any] = [None] * len(steps)

    def run(index: int, step: Any) -> None:
        start.wait()
        try:
            outcomes[index] = step()
        except Exception as error:
            outcomes[index] = error

    threads = [threading.Thread(target=run, args=pair) for pair in enumerate(steps)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    return outcomes


def raised(outcomes: Sequence[Any]) -> list[Exception]:
    return [each for each in outcomes if isinstance(each, Exception)]
