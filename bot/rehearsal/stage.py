"""A scenario in its own small world: people, staff and script, played in order of simulated time."""

import os
import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

from bot import files
from bot.channels.contract import Received
from bot.channels.simulator import Fault as PhoneFault
from bot.channels.simulator import Simulator
from bot.clock import SimulatedClock
from bot.errors import Conflict, InputError, NotFound
from bot.jobs.simulated import advance, work_until_idle
from bot.jobs.work import WORK, Work
from bot.journey import enrolment, inbox, intake, milestones
from bot.journey.belongings import MatterIn, PersonIn
from bot.journey.rosters import set_duty
from bot.rehearsal import acting
from bot.rehearsal.acting import SOURCE
from bot.rehearsal.crowd import Crowd as Answerers
from bot.rehearsal.names import Names, faults_of
from bot.rehearsal.scenario import Crowd, Member, Person, Scenario, Step, slips_of
from bot.runtime import Runtime
from bot.store import contacts, customers, staff
from bot.store.tables import StaffRow
from flows.source import Path as Place

SURNAMES = "王李张刘陈杨黄赵吴周徐孙马朱胡林郭何高罗"
GIVEN_NAMES = ("伟", "芳", "娜", "敏", "静", "强", "磊", "洋", "艳", "勇", "军", "杰", "娟", "涛", "超", "秀兰", "建国")


class Numbered(NamedTuple):
    """A step beside its number in the script: a range of customers is one number."""

    number: int
    step: Step


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
        self.refused: list[dict[str, Any]] = []
        self._told = 0

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
        if slips := list(slips_of(self.scenario, self.zone)):
            raise InputError(slips)
        self._hire()
        self._enrol_all()
        self._check_names()
        steps = [Numbered(n, each) for n, step in enumerate(self.scenario.script) for each in step.each()]
        steps.sort(key=lambda each: self.instant(each.step.at))
        work = (*WORK, *self._crowd())
        for at, same in groupby(steps, lambda each: self.instant(each.step.at)):
            await advance(self.runtime, self.clock, at, work, progress)
            for events, several in groupby(same, lambda each: each.step.event is not None):
                if events:
                    self._happen(list(several))
                else:
                    for number, step in several:
                        with self._told_by_line(number):
                            self._play(step)
                        await work_until_idle(self.runtime, work)
        last = self.instant(steps[-1].step.at) if steps else self.clock.now()
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
                flags=dict.fromkeys(person.flags, True),
                windows=person.windows,
                contacts=tuple(PersonIn(**each.model_dump()) for each in person.contacts),
                matters=tuple(MatterIn(**each.model_dump()) for each in person.matters),
                staff=self.called(person.staff),
            )
            for index, person in enumerate(people, start=1)
        ]
        results = enrolment.accept_customers(self.runtime, SOURCE, rows)
        listed = isinstance(self.scenario.customers, list)
        faults = [
            self._placed(("customers", index) if listed else ("customers",), fault)
            for index, result in enumerate(results)
            for fault in result.faults
        ]
        if faults:
            raise InputError(faults)
        for person, result in zip(people, results, strict=True):
            self.ids[person.id] = result.row_id
            self.names[result.row_id] = person.id

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

    def called(self, members: Sequence[str]) -> tuple[str, ...]:
        """Names of members of staff who are meant by id, name or role."""
        with self.runtime.db.read() as session:
            called = {row.id: row.name for row in staff.everybody(session)}
        return tuple(called.get(self.members.get(name, 0), name) for name in members)

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
                        "attributes": given.attributes,
                        "staff": given.staff,
                    }
                )
        elif not isinstance(given, str):
            yield from given

    def _hire(self) -> None:
        members = self._members()
        with self.runtime.db.write() as session:
            for index, member in enumerate(members, start=1):
                address = member.phone or f"+1555999{index:04d}"
                language = member.language or self.runtime.shelf.in_force[0].program.language
                row = StaffRow(name=member.name, roles=member.roles, language=language, address=address)
                row.since = member.since
                staff.add(session, row)
                self.members[member.id or member.name] = row.id
                self.members.setdefault(member.name, row.id)
                for role in member.roles:
                    self.members.setdefault(role, row.id)
        for place, member in enumerate(members):
            self._put_on_duty(place, member)

    def _put_on_duty(self, place: int, member: Member) -> None:
        try:
            if member.on_duty:
                set_duty(self.runtime, self.members[member.id or member.name], member.on_duty)
        except InputError as error:
            remedy = str(error.faults[0]["remedy"])
            reason = f"{member.name} has no role with days on duty"
            fault = self.scenario.fault(("staff", place, "on_duty"), reason, remedy)
            raise InputError([fault]) from error

    def _members(self) -> list[Member]:
        """The scenario's staff; where it names nobody, one member for each role of the programs."""
        if self.scenario.staff:
            return self.scenario.staff
        roles: dict[str, None] = {}
        for each in self.runtime.shelf.in_force:
            roles.update(dict.fromkeys(each.program.roles()))
        return [Member(id=role, name=role, roles=[role]) for role in roles]

    def _check_names(self) -> None:
        """Names that nothing stands behind are told by their line before anything is played."""
        programs = {each.program.id: each.program for each in self.runtime.shelf.in_force}
        members = self._members()
        names = Names(
            programs,
            customers=frozenset(self.ids),
            staff=frozenset(self.members),
            roles=frozenset(role for member in members for role in member.roles).union(
                *(program.roles() for program in programs.values())
            ),
        )
        if faults := list(faults_of(self.scenario, names)):
            raise InputError(faults)

    def _play(self, step: Step) -> None:
        """One step that is no event; exactly one of its kinds is given."""
        match step.kinds:
            case ("cancel",):
                intake.cancel_event(self.runtime, SOURCE, step.cancel or "", step.reason or "cancelled")
            case ("contact",):
                acting.log_contact(self, step)
            case ("reply",):
                self._reply(step)
            case ("staff",):
                acting.act(self, step)
            case ("milestone",):
                self._enter(step)
            case ("set",):
                self._set(step)
            case _:
                fault: PhoneFault | None = "refuse" if step.fails is True else None
                if step.fails in ("refuse", "lose", "lose_after"):
                    fault = step.fails
                self.simulator.fail(self._address(step), fault)

    def _happen(self, steps: Sequence["Numbered"]) -> None:
        """What happens at one instant is told together."""
        rows = [
            intake.EventIn(
                id=step.id or self.next_id("event"),
                type=step.event or "",
                customer=step.customer,
                at=self.instant(step.at),
                data=step.data,
                matter=step.matter,
            )
            for _, step in steps
        ]
        results = intake.accept_events(self.runtime, SOURCE, rows)
        told = [
            (number, step, fault) for (number, step), each in zip(steps, results, strict=True) for fault in each.faults
        ]
        if slips := [self._placed(("script", number), fault) for number, step, fault in told if _is_slip(step, fault)]:
            raise InputError(slips)
        for _, step, fault in told:
            self.refuse(step, f"the {step.event} was refused", [fault])

    @contextmanager
    def _told_by_line(self, number: int) -> Iterator[None]:
        """What cannot be played is told by the line of its step."""
        try:
            yield
        except InputError as error:
            raise InputError([self._placed(("script", number), fault) for fault in error.faults]) from error
        except (Conflict, NotFound) as error:
            raise InputError([self.scenario.fault(("script", number), str(error), "")]) from error

    def _placed(self, place: Place, fault: Mapping[str, Any]) -> dict[str, Any]:
        """A fault that the product found, by its line in the scenario."""
        below = tuple(str(fault.get("field", "")).split(".")) if fault.get("field") else ()
        return self.scenario.fault((*place, *below), str(fault.get("reason", "")), str(fault.get("remedy", "")))

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

    def _enter(self, step: Step) -> None:
        """A milestone of the program that knows its kind."""
        assert step.milestone is not None
        knows = [each.program.id for each in self.runtime.shelf.in_force if step.milestone in each.program.milestones]
        on = step.on.date() if isinstance(step.on, datetime) else step.on
        assert on is not None
        milestones.enter_milestone(self.runtime, step.program or knows[0], step.milestone, on, step.title)

    def _address(self, step: Step) -> str:
        """Where a customer, or one contact person there, is on the step's channel."""
        with self.runtime.db.read() as session:
            points = customers.all_points_of(session, self.ids[step.customer])
            persons = contacts.persons_called(session, self.ids[step.customer], step.person) if step.person else ()
        wanted = {person.id for person in persons}
        for point in points:
            if point.channel == step.channel and (not step.person or point.person_id in wanted):
                return point.address
        reason = f"{step.person or step.customer} has no {step.channel}"
        raise InputError([{"field": "channel", "reason": reason, "remedy": "give an address, or another channel"}])

    def _set(self, step: Step) -> None:
        """Attributes, class and the like, or dates of a matter change, as another system would tell it."""
        values = dict(step.attributes)
        kind, _, key = step.matter.partition(":")
        addresses = self._addresses(step.customer)
        row = enrolment.CustomerIn(
            id=step.customer,
            name=str(values.pop("name", "")) or self._name_of(step.customer),
            phone=addresses.get("sms", ""),
            telegram=addresses.get("telegram", ""),
            email=addresses.get("email", ""),
            whatsapp=addresses.get("whatsapp", ""),
            title=str(values.pop("title", "")),
            language=str(values.pop("language", "")),
            zone=str(values.pop("zone", "")),
            class_=str(values.pop("class", "")),
            programs=(step.program,) if step.program else self._only_program(),
            marketing_consent=bool(values.pop("marketing_consent", False)),
            staff=self.called(values.pop("staff", ())),
            windows=values.pop("windows", None),
            matters=(MatterIn(kind, key, step.dates, step.state),) if step.matter else (),
            attributes=values,
        )
        (result,) = enrolment.accept_customers(self.runtime, SOURCE, [row])
        if result.verdict == "refused":
            self.refuse(step, "the change was refused", result.faults)

    def _addresses(self, customer: str) -> dict[str, str]:
        """The addresses that a customer is known by: the first of each channel."""
        with self.runtime.db.read() as session:
            points = customers.all_points_of(session, self.ids[customer])
        return {point.channel: point.address for point in reversed(points)}

    def next_id(self, kind: str) -> str:
        """An id for what the scenario gives none."""
        self._told += 1
        return f"{kind}-{self._told}"

    def refuse(self, step: Step, because: str, faults: Iterable[Mapping[str, Any]], **data: Any) -> None:
        """Keep a line for what the product did not take."""
        why = "; ".join(_in_words(fault) for fault in faults)
        line = {"at": self.clock.now().astimezone(self.zone).isoformat(), "what": "refused", "customer": step.customer}
        self.refused.append({**line, **data, "because": f"{because}: {why}"})

    def _name_of(self, customer: str) -> str:
        with self.runtime.db.read() as session:
            row = customers.get(session, self.ids[customer])
        return row.name if row else customer


def _in_words(fault: Mapping[str, Any]) -> str:
    said = f"{fault.get('field', '')} {fault.get('reason', '')}".strip()
    return f"{said} -> {fault['remedy']}" if fault.get("remedy") else said


def _is_slip(step: Step, fault: Mapping[str, Any]) -> bool:
    """Is it wrong in the scenario itself? Which matter an event means depends on what the customer has by then."""
    return fault.get("field") != "matter" or bool(step.matter)
