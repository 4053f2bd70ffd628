"""A scenario is lived through in simulated time by the product's own code: `huifang rehearse`, and how tests tell
their stories. Throw-away database, phones in memory, dice with a seed; the configured data is never touched.
"""

import asyncio
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from itertools import groupby
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from sqlmodel import Session

from bot import files
from bot.bootstrap import simulated_runtime
from bot.channels.simulator import Fault as PhoneFault
from bot.channels.simulator import Simulator
from bot.clock import SimulatedClock
from bot.config import Settings
from bot.crowd import Crowd as Answerers
from bot.errors import InputError
from bot.jobs.simulated import advance, work_until_idle
from bot.jobs.work import WORK, Work
from bot.journey import callbacks, intake, replies
from bot.runtime import Runtime
from bot.shelf import read_program, stock_texts
from bot.store import customers, follow_ups, inbound, messages, staff, tickets, trail
from bot.store.db import MEMORY, throw_away
from bot.store.migrate import migrate
from bot.store.tables import StaffRow, TrailRow
from flows.errors import Fault, ProgramError
from flows.load import Source, load_program, override_text, read_yaml
from flows.program import Program

SOURCE = "rehearsal"
HIDDEN = frozenset({"event", "survey", "ignored", "comment"})
"""Lines of the trail that a timeline leaves out."""


class Part(BaseModel):
    """A piece of a scenario; an unknown field is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Contact(Part):
    """One human at a customer, with an own number."""

    name: str
    role: str = "contact"
    phone: str


class Matter(Part):
    """A contract, vehicle, invoice, order or project of a customer."""

    kind: str
    id: str


class Person(Part):
    """A customer of a scenario."""

    id: str
    name: str = "测试客户"
    title: str = ""
    phone: str = ""
    telegram: str = ""
    language: str = ""
    zone: str = ""
    class_: str = Field("", alias="class")
    program: str = ""
    marketing_consent: bool = False
    attributes: dict[str, Any] = Field(default_factory=dict)
    contacts: list[Contact] = Field(default_factory=list)
    matters: list[Matter] = Field(default_factory=list)


class Crowd(Part):
    """Many customers at once."""

    count: int = Field(ge=1, le=1_000_000)
    seed: int = 1
    class_: str = Field("", alias="class")
    program: str = ""
    language: str = ""


class Answering(Part):
    """Customers who answer by themselves: which share of the questions, and how many of the answers are low."""

    share: float = Field(0.3, ge=0, le=1)
    low: float = Field(0.05, ge=0, le=1)
    after_minutes: tuple[int, int] = (15, 600)


class Member(Part):
    """A member of staff of a scenario."""

    id: str = ""
    name: str
    roles: list[str]
    phone: str = ""
    language: str = "zh"


class Step(Part):
    """One line of the script; exactly one of event, reply, staff, set, delivery says what it is."""

    at: datetime
    event: str | None = None
    reply: str | None = None
    staff: str | None = None
    set: Any = None
    delivery: Any = None
    cancel: str | None = None
    customer: str = ""
    id: str = ""
    data: dict[str, Any] = Field(default_factory=dict)
    matter: str = ""
    channel: str = "sms"
    does: Literal["claim", "acknowledge", "give_back", "resolve", "close"] | None = None
    ticket: int = 0
    result: str = ""
    reason: str = ""
    attributes: dict[str, Any] = Field(default_factory=dict)
    fails: Literal["refuse", "lose", "lose_after", "never"] | bool | None = None


class Scenario(Part):
    """What is rehearsed: programs, people, script, and lines that are expected."""

    programs: list[str] = Field(min_length=1)
    overrides: dict[str, Any] = Field(default_factory=dict)
    start: datetime
    until: datetime | None = None
    customers: list[Person] | Crowd | str = Field(default_factory=list)
    staff: list[Member] = Field(default_factory=list)
    script: list[Step] = Field(default_factory=list)
    answering: Answering | None = None
    expect: list[dict[str, Any]] = Field(default_factory=list)
    title: str = ""
    seed: int = 1


@dataclass(frozen=True)
class Outcome:
    """The timeline, and which expectations did not come true."""

    lines: tuple[dict[str, Any], ...]
    unmet: tuple[str, ...]
    counts: Mapping[str, int] = field(default_factory=dict)


# ----- reading a scenario


def read_scenario(path: Path) -> tuple[Scenario, dict[str, str]]:
    """The scenario in a YAML file, beside the YAML of its programs (id -> text, overrides not applied).

    InputError names line, field and reason.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise InputError([{"field": "file", "reason": f"{path} does not exist", "remedy": "check the path"}]) from error
    except (UnicodeDecodeError, OSError) as error:
        raise InputError(
            [{"field": "file", "reason": f"{path} cannot be read as UTF-8", "remedy": "save it so"}]
        ) from error
    source = read_yaml(text, str(path))
    return parse_scenario(source, path.parent)


def parse_scenario(source: Source, folder: Path) -> tuple[Scenario, dict[str, str]]:
    """A scenario from parsed YAML; times without an offset are in the first program's zone."""
    if not isinstance(source.data, dict):
        raise ProgramError((Fault(source.file, 1, "", "a scenario is a mapping of fields", "begin with `programs:`"),))
    try:
        scenario = Scenario.model_validate(source.data)
    except ValidationError as error:
        raise ProgramError(tuple(_faults(error, source))) from error
    if isinstance(scenario.customers, str):
        scenario = scenario.model_copy(update={"customers": str(folder / scenario.customers)})
    names = [str(folder / name) if (folder / name).is_file() else name for name in scenario.programs]
    return scenario, dict(read_program(name) for name in names)


def _faults(error: ValidationError, source: Source) -> Iterator[Fault]:
    for item in error.errors():
        path = tuple(part for part in item["loc"] if part not in ("Crowd", "list[Person]", "str"))
        field_ = ".".join(str(part) for part in path)
        yield Fault(source.file, source.line_of(path), field_, item["msg"], "see docs/rehearse.md")


# ----- living through it


class Rehearsal:
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
        self._check_names(steps)
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
            intake.CustomerIn(
                id=person.id,
                name=person.name,
                phone=person.phone or ("" if person.telegram else f"+1555{index:07d}"),
                telegram=person.telegram,
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
        results = intake.accept_customers(self.runtime, SOURCE, rows)
        if faults := intake.faults_of(results):
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
                    phone = intake.normalise_phone(contact.phone, self.runtime.settings.region)
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
            for number in range(1, given.count + 1):
                yield Person.model_validate(
                    {
                        "id": f"c{number}",
                        "name": f"客户{number}",
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
                row = StaffRow(name=member.name, roles=member.roles, language=member.language, address=address)
                staff.add(session, row)
                self.members[member.id or member.name] = row.id
                self.members.setdefault(member.name, row.id)
                for role in member.roles:
                    self.members.setdefault(role, row.id)

    def _one_of_each_role(self) -> list[Member]:
        roles: dict[str, None] = {}
        for each in self.runtime.shelf.in_force:
            roles.update(dict.fromkeys(roles_of(each.program)))
        return [Member(id=role, name=role, roles=[role]) for role in roles]

    def _check_names(self, steps: Sequence[Step]) -> None:
        """Unknown customers, events, attributes and staff are told before anything is played."""
        known_events = self.runtime.shelf.event_types()
        known_attributes = {"class", "zone", "language", "name", "title", "marketing_consent"}
        for each in self.runtime.shelf.in_force:
            known_attributes |= set(each.program.attributes)
        faults: list[dict[str, Any]] = []

        def fault(index: int, name: str, reason: str, known: Sequence[str]) -> None:
            faults.append(
                {"field": f"script[{index}].{name}", "reason": reason, "remedy": f"one of {', '.join(known)}"}
            )

        for index, step in enumerate(steps):
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
        if faults := intake.faults_of(intake.accept_events(self.runtime, SOURCE, rows)):
            raise InputError(faults)

    def _reply(self, step: Step) -> None:
        assert step.reply is not None
        address = self._address(step)
        text = self.simulator.type(address, step.reply)
        replies.receive(
            self.runtime,
            provider="simulator",
            provider_message_id=step.id or text.id,
            channel=step.channel,
            from_address=address,
            body=step.reply,
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
        row = intake.CustomerIn(
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
        if faults := intake.faults_of(intake.accept_customers(self.runtime, SOURCE, [row])):
            raise InputError(faults)

    def _name_of(self, customer: str) -> str:
        with self.runtime.db.read() as session:
            row = customers.get(session, self.ids[customer])
        return row.name if row else customer

    # ----- what is printed

    def timeline(self) -> list[dict[str, Any]]:
        """The trail as lines of the contract, oldest first (DESIGN 9)."""
        lines: list[dict[str, Any]] = []
        seen = 0
        with self.runtime.db.read() as session:
            while batch := trail.after(session, seen, limit=2000):
                seen = batch[-1].id
                lines.extend(self._lines(session, [row for row in batch if row.what not in HIDDEN]))
        return sorted(lines, key=lambda line: line["at"])

    def _lines(self, session: Session, rows: Sequence[TrailRow]) -> Iterator[dict[str, Any]]:
        texts = messages.by_ids(session, [row.message_id for row in rows if row.message_id])
        said = inbound.by_ids(session, [row.data["inbound"] for row in rows if "inbound" in row.data])
        for row in rows:
            line: dict[str, Any] = {"at": row.at.astimezone(self.zone).isoformat(), "what": row.what}
            if row.customer_id:
                line["customer"] = self.names.get(row.customer_id, str(row.customer_id))
            for name, value in (("program", row.program_id), ("flow", row.flow), ("ticket", row.ticket_id)):
                if value:
                    line[name] = value
            for name, value in row.data.items():
                if name in ("inbound", "event", "zone") or value in (None, "", [], 0):
                    continue
                line[name] = self._local(value) if name in ("due", "call_before", "at") else value
            if "at" in row.data:
                line["ping_at"] = self._local(row.data["at"])
                line["at"] = row.at.astimezone(self.zone).isoformat()
            if row.message_id in texts:
                line["channel"] = texts[row.message_id].channel
                line["text"] = texts[row.message_id].body
            if row.data.get("inbound") in said:
                line["text"] = said[row.data["inbound"]].body
            line["because"] = row.because
            yield line

    def _local(self, value: Any) -> Any:
        try:
            return datetime.fromisoformat(value).astimezone(self.zone).isoformat()
        except (TypeError, ValueError):
            return value

    def counts(self) -> dict[str, int]:
        """How many messages by state, replies, tickets by state."""
        with self.runtime.db.read() as session:
            states = messages.counts_by_state(session)
            return {
                "messages": sum(states.get(state, 0) for state in ("accepted", "sent", "delivered")),
                "replies": inbound.count(session),
                "tickets": sum(tickets.counts_by_state(session).values()),
                "follow-ups": follow_ups.count(session),
            }


def roles_of(program: Program) -> tuple[str, ...]:
    """Every role that a program may ping, the owner first."""
    roles = [program.callback.owner, *(rung.role for rung in program.callback.ladder)]
    roles += [role for alert in program.replies.alerts.values() for role in alert.ping]
    return tuple(dict.fromkeys(roles))


def rehearse(
    scenario: Scenario,
    texts: Mapping[str, str],
    settings: Settings,
    *,
    url: str = MEMORY,
    progress: Callable[[datetime], None] | None = None,
    timeline: bool = True,
) -> Outcome:
    """Live through a scenario in a throw-away database of the kind of `url`; nothing else is touched.

    Without `timeline` only the counts are told.
    """
    versions = _with_overrides(scenario, texts)
    zone = load_program(next(iter(versions.values())), next(iter(versions))).time_zone
    start = scenario.start if scenario.start.tzinfo else scenario.start.replace(tzinfo=zone)
    clock = SimulatedClock(start)
    with throw_away(url) as db:
        migrate(db)
        runtime = simulated_runtime(settings, db, clock, stock_texts(db, versions, clock.now()), scenario.seed)
        runtime.shelf.refresh()
        rehearsal = Rehearsal(scenario, runtime, clock)
        asyncio.run(rehearsal.live(progress))
        lines = tuple(rehearsal.timeline()) if timeline else ()
        return Outcome(lines, tuple(unmet(scenario.expect, lines, rehearsal.zone)), rehearsal.counts())


def _with_overrides(scenario: Scenario, texts: Mapping[str, str]) -> dict[str, str]:
    """The programs' YAML with the scenario's overrides: `field: value` or, with several programs, `id: {field: value}`."""
    by_program: dict[str, dict[str, Any]] = {file: {} for file in texts}
    ids = {load_program(text, file).id: file for file, text in texts.items()}
    for name, value in scenario.overrides.items():
        head, _, rest = name.partition(".")
        if head in ids and rest:
            by_program[ids[head]][rest] = value
        elif head in ids and isinstance(value, dict):
            by_program[ids[head]].update(value)
        elif len(ids) == 1:
            by_program[next(iter(ids.values()))][name] = value
        else:
            raise InputError(
                [
                    {
                        "field": f"overrides.{name}",
                        "reason": "belongs to no program",
                        "remedy": f"begin with {', '.join(ids)}",
                    }
                ]
            )
    return {file: override_text(text, file, by_program[file]) for file, text in texts.items()}


# ----- expectations


def unmet(expect: Sequence[Mapping[str, Any]], lines: Sequence[Mapping[str, Any]], zone: ZoneInfo) -> Iterator[str]:
    """Expectations that no line fulfils. Each names fields of a line; `text` and `because` may be parts of it.

    `not: true` means that no such line may be there, `times: 3` that exactly three are.
    """
    for number, wanted in enumerate(expect, start=1):
        fields = {name: value for name, value in wanted.items() if name not in ("not", "times")}
        found = [line for line in lines if all(_matches(line, name, value, zone) for name, value in fields.items())]
        if wanted.get("not"):
            if found:
                yield f"expect[{number}] {fields}: came at {found[0]['at']}"
        elif "times" in wanted:
            if len(found) != wanted["times"]:
                yield f"expect[{number}] {fields}: {len(found)} lines instead of {wanted['times']}"
        elif not found:
            near = [
                line for line in lines if all(line.get(n) == fields[n] for n in ("what", "customer") if n in fields)
            ]
            hint = "; ".join(f"{line['at']} {line.get('flow', '')} {line['because']}" for line in near[:5])
            yield f"expect[{number}] {fields}: no such line{f' (there are: {hint})' if hint else ''}"


def _matches(line: Mapping[str, Any], name: str, wanted: Any, zone: ZoneInfo) -> bool:
    value = line.get(name)
    if name in ("text", "because"):
        return str(wanted) in str(value or "")
    if name in ("at", "due", "call_before", "ping_at"):
        return value is not None and _same_time(str(value), str(wanted), zone)
    if isinstance(wanted, list):
        return isinstance(value, list) and sorted(map(str, value)) == sorted(map(str, wanted))
    return bool(value == wanted)


def _same_time(value: str, wanted: str, zone: ZoneInfo) -> bool:
    """To the minute; a date alone means that day, a time without an offset is local."""
    at = datetime.fromisoformat(value).astimezone(zone)
    if len(wanted) == 10:
        return at.date() == date.fromisoformat(wanted)
    other = datetime.fromisoformat(wanted)
    other = other if other.tzinfo else other.replace(tzinfo=zone)
    return at.replace(second=0, microsecond=0) == other.astimezone(zone).replace(second=0, microsecond=0)
