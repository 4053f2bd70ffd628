"""A scenario in its own small world: people, staff and script, played in order of simulated time."""

import os
import random
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import groupby
from pathlib import Path
from typing import Any

from bot import files
from bot.channels.contract import Received
from bot.channels.simulator import Fault as PhoneFault
from bot.channels.simulator import Simulator
from bot.clock import SimulatedClock
from bot.errors import InputError
from bot.jobs.simulated import advance, work_until_idle
from bot.jobs.work import WORK, Work
from bot.journey import callbacks, enrolment, inbox, intake
from bot.phones import normalise_phone
from bot.rehearsal.crowd import Crowd as Answerers
from bot.rehearsal.scenario import KINDS, Crowd, Member, Person, Scenario, Step
from bot.runtime import Runtime
from bot.store import customers, staff, tickets
from bot.store.tables import StaffRow

SOURCE = "rehearsal"
COLUMNS = ("class", "zone", "language", "name", "title", "marketing_consent")
"""What a step may set beside the attributes that programs declare."""
SURNAMES = "王李张刘陈杨黄赵吴周徐孙马朱胡林郭何高罗"
GIVEN_NAMES = ("伟", "芳", "娜", "敏", "静", "强", "磊", "洋", "艳", "勇", "军", "杰", "娟", "涛", "超", "秀兰", "建国")


class Stage:
    """One scenario in its own small world."""

    def __init__(self, scenario: Scenario, runtime: Runtime, clock: SimulatedClock) -> None:
        self.scenario = scenario
        self.runtime = runtime
        self.clock = clock
        self.zone = runtime.shelf.in_force[0].program.time_zone
        self.ids: dict[str, int] = {}
        self.names: dict[int, str] = {}
        self.members: dict[str, int] = {}
        self._events = 0
        self._replies = 0

    @property
    def simulator(self) -> Simulator:
        channel = self.runtime.channels["sms"]
        assert isinstance(channel, Simulator)
        return channel

    def instant(self, at: datetime) -> datetime:
        """An instant of the scenario; without an offset it is in the first program's zone."""
        return at if at.tzinfo else at.replace(tzinfo=self.zone)

    async def live(self, progress: Callable[[datetime], None] | None = None) -> None:
        """Play the script in order of time, then go on until the end."""
        self._enrol_all()
        self._hire()
        steps = sorted(self.scenario.script, key=lambda step: self.instant(step.at))
        self._check_names(self.scenario.script)
        work = (*WORK, *self._crowd())
        for at, same in groupby(steps, lambda step: self.instant(step.at)):
            await advance(self.runtime, self.clock, at, work, progress)
            for events, several in groupby(same, lambda step: step.event is not None):
                if events:
                    self._happen(list(several))
                else:
                    for step in several:
                        self._play(step)
                        await work_until_idle(self.runtime, work)
        last = self.instant(steps[-1].at) if steps else self.clock.now()
        until = self.instant(self.scenario.until) if self.scenario.until else last + timedelta(days=30)
        await advance(self.runtime, self.clock, max(until, self.clock.now()), work, progress)

    def _crowd(self) -> tuple[Work, ...]:
        rule = self.scenario.answering
        if rule is None:
            return ()
        crowd = Answerers(
            self.simulator, share=rule.share, low=rule.low, after_minutes=rule.after_minutes, seed=self.scenario.seed
        )
        return (crowd.work(),)

    def _enrol_all(self) -> None:
        if isinstance(self.scenario.customers, str):
            self._enrol_file(Path(self.scenario.customers))
            return
        people = list(self._people())
        rows = [
            enrolment.CustomerIn(
                id=person.id,
                name=person.name,
                phone=person.phone
                or ("" if person.telegram or person.email or person.whatsapp else f"+1555{index:07d}"),
                telegram=person.telegram,
                email=person.email,
                whatsapp=person.whatsapp,
                title=person.title,
                language=person.language,
                zone=person.zone,
                class_=person.class_,
                programs=(person.program,) if person.program else self._only_program(),
                marketing_consent=person.marketing_consent,
                attributes=person.attributes,
            )
            for index, person in enumerate(people, start=1)
        ]
        results = enrolment.accept_customers(self.runtime, SOURCE, rows)
        if faults := enrolment.faults_of(results):
            raise InputError([{**fault, "field": f"customers[{fault['id']}].{fault['field']}"} for fault in faults])
        for person, result in zip(people, results, strict=True):
            self.ids[person.id] = result.row_id
            self.names[result.row_id] = person.id
        self._add_contacts(people)

    def _enrol_file(self, path: Path) -> None:
        """Customers from a CSV or XLSX file, as `huifang import customers` takes them."""
        report = files.import_customers(self.runtime, path, source=SOURCE, rejects=Path(os.devnull))
        if report.refused:
            reason = f"{report.refused} rows of {path} are refused"
            raise InputError(
                [{"field": "customers", "reason": reason, "remedy": f"run `huifang import customers {path}`"}]
            )
        with self.runtime.db.read() as session:
            self.ids = customers.ids_of(session, SOURCE)
        self.names = {row_id: name for name, row_id in self.ids.items()}

    def _add_contacts(self, people: Sequence[Person]) -> None:
        """The humans at a customer, and what it has with us."""
        with self.runtime.db.write() as session:
            for person in people:
                customer_id = self.ids[person.id]
                for contact in person.contacts:
                    phone = normalise_phone(contact.phone, self.runtime.settings.region)
                    if phone is None:
                        field_ = f"customers[{person.id}].contacts.phone"
                        reason = f"{contact.phone!r} is no phone number"
                        raise InputError([{"field": field_, "reason": reason, "remedy": "write it as +8613800000000"}])
                    person_id = customers.add_person(session, customer_id, contact.name, contact.role)
                    customers.add_point(session, customer_id, person_id, "sms", phone)
                for matter in person.matters:
                    customers.matter(session, customer_id, SOURCE, matter.kind, matter.id)

    def _only_program(self) -> tuple[str, ...]:
        ids = [each.program.id for each in self.runtime.shelf.in_force]
        return (ids[0],) if len(ids) == 1 else ()

    def _people(self) -> Iterator[Person]:
        given = self.scenario.customers
        if isinstance(given, Crowd):
            dice = random.Random(given.seed)  # noqa: S311 - invented people, no secret
            for number in range(1, given.count + 1):
                yield Person.model_validate(
                    {
                        "id": f"c{number}",
                        "name": dice.choice(SURNAMES) + dice.choice(GIVEN_NAMES),
                        "title": dice.choice(("先生", "女士")),
                        "class": given.class_,
                        "program": given.program,
                        "language": given.language,
                    }
                )
        elif not isinstance(given, str):
            yield from given

    def _hire(self) -> None:
        members = self.scenario.staff or self._one_of_each_role()
        with self.runtime.db.write() as session:
            for index, member in enumerate(members, start=1):
                address = member.phone or f"+1555999{index:04d}"
                language = member.language or self.runtime.shelf.in_force[0].program.language
                row = StaffRow(name=member.name, roles=member.roles, language=language, address=address)
                staff.add(session, row)
                self.members[member.id or member.name] = row.id
                self.members.setdefault(member.name, row.id)
                for role in member.roles:
                    self.members.setdefault(role, row.id)

    def _one_of_each_role(self) -> list[Member]:
        roles: dict[str, None] = {}
        for each in self.runtime.shelf.in_force:
            roles.update(dict.fromkeys(each.program.roles()))
        return [Member(id=role, name=role, roles=[role]) for role in roles]

    def _check_names(self, steps: Sequence[Step]) -> None:
        """Unknown customers, events, attributes and staff are told, by their place, before anything is played."""
        known_events = self.runtime.shelf.event_types()
        known_attributes = set(COLUMNS)
        for each in self.runtime.shelf.in_force:
            known_attributes |= set(each.program.attributes)
        faults: list[dict[str, Any]] = []

        def fault(index: int, name: str, reason: str, known: Sequence[str]) -> None:
            place = f"script[{index}].{name}" if name else f"script[{index}]"
            faults.append({"field": place, "reason": reason, "remedy": f"one of {', '.join(known)}"})

        people = self.scenario.customers if isinstance(self.scenario.customers, list) else []
        own = sorted(known_attributes - set(COLUMNS))
        faults.extend(
            {
                "field": f"customers[{person.id}].attributes.{name}",
                "reason": f"unknown attribute {name!r}",
                "remedy": f"one of {', '.join(own)}",
            }
            for person in people
            for name in person.attributes
            if name not in own
        )
        for index, step in enumerate(steps):
            if len(step.kinds) != 1:
                said = " and ".join(step.kinds) or "nothing"
                fault(index, "", f"says {said}: one step is one thing", KINDS)
            if step.event is not None and step.event not in known_events:
                fault(index, "event", f"unknown event {step.event!r}", sorted(known_events))
            if step.customer and step.customer not in self.ids:
                fault(index, "customer", f"unknown customer {step.customer!r}", list(self.ids)[:20])
            if step.staff is not None and step.staff not in self.members:
                fault(index, "staff", f"unknown staff {step.staff!r}", list(self.members))
            for name in step.attributes:
                if name not in known_attributes:
                    fault(index, f"attributes.{name}", f"unknown attribute {name!r}", sorted(known_attributes))
        if faults:
            raise InputError(faults)

    def _play(self, step: Step) -> None:
        given = step.model_fields_set
        if step.cancel is not None:
            intake.cancel_event(self.runtime, SOURCE, step.cancel, step.reason or "cancelled")
        elif step.reply is not None:
            self._reply(step)
        elif step.staff is not None:
            self._act(step)
        elif "set" in given or step.attributes:
            self._set(step)
        elif "delivery" in given or step.fails:
            fault: PhoneFault | None = "refuse" if step.fails is True else step.fails or None  # type: ignore[assignment]
            self.simulator.fail(self._address(step), None if step.fails == "never" else fault)
        else:
            raise InputError(
                [
                    {
                        "field": f"script at {step.at}",
                        "reason": "does nothing",
                        "remedy": "event, reply, staff, set or delivery",
                    }
                ]
            )

    def _happen(self, steps: Sequence[Step]) -> None:
        """What happens at one instant is told together."""
        rows = []
        for step in steps:
            self._events += 1
            rows.append(
                intake.EventIn(
                    id=step.id or f"event-{self._events}",
                    type=step.event or "",
                    customer=step.customer,
                    at=self.instant(step.at),
                    data=step.data,
                    matter=step.matter,
                )
            )
        if faults := enrolment.faults_of(intake.accept_events(self.runtime, SOURCE, rows)):
            raise InputError(faults)

    def _reply(self, step: Step) -> None:
        assert step.reply is not None
        address = self._address(step)
        text = self.simulator.type(address, step.reply)
        inbox.receive(
            self.runtime,
            Received(
                provider="simulator",
                provider_message_id=step.id or text.id,
                channel=step.channel,
                from_address=address,
                body=step.reply,
            ),
        )

    def _address(self, step: Step) -> str:
        with self.runtime.db.read() as session:
            points = customers.all_points_of(session, self.ids[step.customer])
        for point in points:
            if point.channel == step.channel:
                return point.address
        raise InputError(
            [
                {
                    "field": "channel",
                    "reason": f"{step.customer} has no {step.channel}",
                    "remedy": "give an address, or another channel",
                }
            ]
        )

    def _act(self, step: Step) -> None:
        assert step.staff is not None
        member, ticket = self.members[step.staff], step.ticket or self._ticket_of(step.customer)
        match step.does:
            case "claim":
                callbacks.claim(self.runtime, ticket, member)
            case "acknowledge":
                callbacks.acknowledge(self.runtime, ticket, member)
            case "give_back":
                callbacks.give_back(self.runtime, ticket, member, step.reason)
            case "resolve":
                with self.runtime.db.read() as session:
                    row = tickets.get(session, ticket)
                if row is not None and row.state == "open":
                    callbacks.claim(self.runtime, ticket, member)
                callbacks.resolve(self.runtime, ticket, member, step.result or "handled")
            case "close":
                callbacks.override_close(self.runtime, ticket, member, step.reason)
            case None:
                raise InputError(
                    [
                        {
                            "field": f"script at {step.at}",
                            "reason": "staff without `does`",
                            "remedy": "claim, resolve, ...",
                        }
                    ]
                )

    def _ticket_of(self, customer: str) -> int:
        with self.runtime.db.read() as session:
            live = [row for row in tickets.of_customer(session, self.ids.get(customer, 0)) if row.state != "closed"]
        if not live:
            raise InputError(
                [{"field": "customer", "reason": f"{customer!r} has no open ticket", "remedy": "name a ticket"}]
            )
        return live[-1].id

    def _set(self, step: Step) -> None:
        values = dict(step.attributes)
        row = enrolment.CustomerIn(
            id=step.customer,
            name=str(values.pop("name", "")) or self._name_of(step.customer),
            phone=self._address(step),
            title=str(values.pop("title", "")),
            language=str(values.pop("language", "")),
            zone=str(values.pop("zone", "")),
            class_=str(values.pop("class", "")),
            programs=self._only_program(),
            marketing_consent=bool(values.pop("marketing_consent", False)),
            attributes=values,
        )
        if faults := enrolment.faults_of(enrolment.accept_customers(self.runtime, SOURCE, [row])):
            raise InputError(faults)

    def _name_of(self, customer: str) -> str:
        with self.runtime.db.read() as session:
            row = customers.get(session, self.ids[customer])
        return row.name if row else customer
