"""The shape of a scenario, and how one is read from YAML; errors name file, line, field and remedy."""

import re
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PrivateAttr, ValidationError

from bot.errors import InputError
from bot.shelf import read_program
from flows.errors import Fault, ProgramError
from flows.shifts import parse_days
from flows.source import Path as Place
from flows.source import Source, read_yaml

KINDS = ("event", "contact", "reply", "staff", "set", "delivery", "cancel", "milestone")
"""What a step of the script may be."""
_RANGE = re.compile(r"(\D*)([0-9]+)\.\.(\D*)([0-9]+)")


class Part(BaseModel):
    """A piece of a scenario; an unknown field is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _each_day(value: object) -> object:
    """Days and runs of days, as `huifang staff duty` takes them."""
    if not isinstance(value, list):
        return value
    return [day for each in value for day in (parse_days(each) if isinstance(each, str) else [each])]


Days = Annotated[list[date], BeforeValidator(_each_day)]
"""Days, and runs of them as 2026-11-01..2026-11-30."""


class Contact(Part):
    """One human at a customer, with an own number."""

    name: str
    role: str
    title: str = ""
    phone: str = ""
    telegram: str = ""
    email: str = ""


class Matter(Part):
    """A contract, vehicle, invoice, order or project of a customer, with its dates."""

    kind: str
    id: str
    dates: dict[str, date | None] = Field(default_factory=dict)
    state: str = ""


class Person(Part):
    """A customer of a scenario."""

    id: str
    name: str = "测试客户"
    title: str = ""
    phone: str = ""
    telegram: str = ""
    email: str = ""
    whatsapp: str = ""
    language: str = ""
    zone: str = ""
    class_: str = Field("", alias="class")
    program: str = ""
    marketing_consent: bool = False
    attributes: dict[str, Any] = Field(default_factory=dict)
    flags: list[str] = Field(default_factory=list)
    windows: dict[str, list[str]] | None = None
    contacts: list[Contact] = Field(default_factory=list)
    matters: list[Matter] = Field(default_factory=list)
    staff: list[str] = Field(default_factory=list)


class Crowd(Part):
    """Many customers at once."""

    count: int = Field(ge=1, le=1_000_000)
    seed: int = 1
    class_: str = Field("", alias="class")
    program: str = ""
    language: str = ""
    attributes: dict[str, Any] = Field(default_factory=dict)
    staff: list[str] = Field(default_factory=list)


class Answering(Part):
    """Customers who answer by themselves: which share of the questions, and how many of the answers are low."""

    share: float = Field(0.3, ge=0, le=1)
    low: float = Field(0.05, ge=0, le=1)
    after_minutes: tuple[int, int] = (60, 600)


class Member(Part):
    """A member of staff of a scenario; `since` is the first day there, `on_duty` the days that they are named for."""

    id: str = ""
    name: str
    roles: list[str]
    phone: str = ""
    language: str = ""
    since: date | None = None
    on_duty: Days = Field(default_factory=list)


class Step(Part):
    """One line of the script; one of KINDS says what it is.

    `staff` beside `contact` is who made it. `customer` may be a range of a crowd: c1..c188.
    """

    at: datetime
    event: str | None = None
    contact: str | None = None
    reply: str | None = None
    staff: str | None = None
    set: Any = None
    delivery: Any = None
    cancel: str | None = None
    milestone: str | None = None
    customer: str = ""
    id: str = ""
    data: dict[str, Any] = Field(default_factory=dict)
    matter: str = ""
    dates: dict[str, date | None] = Field(default_factory=dict)
    state: str = ""
    channel: str = "sms"
    person: str = ""
    does: (
        Literal["claim", "acknowledge", "give_back", "resolve", "close", "done", "appoint", "plan", "agree"]
        | Literal["submit", "approve", "withdraw"]
        | Literal["confirm", "dismiss"]
        | Literal["take_duty", "leave_duty"]
        | Literal["look", "ask_deletion", "approve_deletion", "refuse_deletion"]
        | None
    ) = None
    content: str = ""
    survey: str = ""
    ticket: int = 0
    task: int | str = 0
    due: date | datetime | None = Field(None, union_mode="left_to_right")
    violation: int | str = 0
    about: str = ""
    flow: str = ""
    program: str = ""
    on: date | datetime | None = Field(None, union_mode="left_to_right")
    days: Days = Field(default_factory=list)
    next_on: date | None = None
    title: str = ""
    result: str = ""
    made: str = ""
    reason: str = ""
    attributes: dict[str, Any] = Field(default_factory=dict)
    fails: Literal["refuse", "lose", "lose_after", "never"] | bool | None = None

    @property
    def kinds(self) -> tuple[str, ...]:
        """What it says: one of KINDS, unless somebody slipped; fields of `set` and `delivery` say them as well."""
        given = set(self.model_fields_set)
        if self.attributes or self.dates or self.state:
            given.add("set")
        if self.fails is not None:
            given.add("delivery")
        if self.contact is not None:
            given.discard("staff")
        return tuple(kind for kind in KINDS if kind in given)

    def each(self) -> Iterator["Step"]:
        """The step once for each customer of a range, or itself."""
        named = customers_in(self.customer)
        if list(named.values()) == [self.customer]:
            yield self
            return
        for number, customer in named.items():
            more = f"{self.id}-{number}" if self.id else ""
            yield self.model_copy(update={"customer": customer, "id": more})


@lru_cache
def customers_in(name: str) -> Mapping[int, str]:
    """Number -> customer of a range as c1..c188; of anything else the name itself."""
    found = _RANGE.fullmatch(name)
    if found is None or found[1] != found[3] or int(found[2]) > int(found[4]):
        return {0: name}
    return {number: f"{found[1]}{number}" for number in range(int(found[2]), int(found[4]) + 1)}


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
    _source: Source | None = PrivateAttr(None)

    @classmethod
    def of(cls, source: Source) -> "Scenario":
        """The scenario of a YAML document; it remembers on which lines it stands."""
        scenario = cls.model_validate(source.data)
        scenario._source = source
        return scenario

    def fault(self, place: Place, reason: str, remedy: str) -> dict[str, Any]:
        """What is wrong at one place of the scenario, by its file and line."""
        fault = {"field": self._called(place), "reason": reason, "remedy": remedy}
        if self._source is None:
            return fault
        line = self._source.line_of(place)
        return {"file": f"{self._source.file}:{line}" if line else self._source.file, **fault}

    def _called(self, place: Place) -> str:
        """script[0].customer; a customer goes by the id, and expectations count from 1, as those that are not met."""
        match place:
            case ("customers", int(index), *rest) if isinstance(self.customers, list):
                head = f"customers[{self.customers[index].id}]"
            case ("expect", int(index), *rest):
                head = f"expect[{index + 1}]"
            case (first, *rest):
                head = str(first)
            case _:
                return ""
        return head + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in rest)


def slips_of(scenario: Scenario, zone: ZoneInfo) -> Iterator[dict[str, Any]]:
    """Ids that two people have, and steps that could not come when they say; `zone`: of times without an offset.

    Events and contacts from before the start are none: they are told late.
    """
    for field in ("customers", "staff"):
        people = getattr(scenario, field)
        seen: set[str] = set()
        for index, person in enumerate(people if isinstance(people, list) else ()):
            if person.id and person.id in seen:
                yield scenario.fault(
                    (field, index, "id"), f"{person.id!r} stands twice", "give each an id of their own"
                )
            seen.add(person.id)
    start = _local(scenario.start, zone)
    until = _local(scenario.until, zone) if scenario.until else None
    if until and until < start:
        yield scenario.fault(("until",), "is before the start", "the end comes after `start`")
    for number, step in enumerate(scenario.script):
        at, place = _local(step.at, zone), ("script", number, "at")
        if until and at > until:
            yield scenario.fault(place, f"is after `until` ({_said(until)})", "move it, or set `until` later")
        if at < start and step.event is None and step.contact is None:
            remedy = "begin earlier; only an event or a contact can be told late"
            yield scenario.fault(place, f"is before `start` ({_said(start)})", remedy)


def _local(at: datetime, zone: ZoneInfo) -> datetime:
    return at if at.tzinfo else at.replace(tzinfo=zone)


def _said(at: datetime) -> str:
    return at.isoformat(timespec="minutes")


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
    if "flows" in source.data and "programs" not in source.data:
        remedy = f"run `huifang check {source.file}`"
        raise ProgramError((Fault(source.file, None, "", "this looks like a program, not a scenario", remedy),))
    try:
        scenario = Scenario.of(source)
    except ValidationError as error:
        raise ProgramError(tuple(_faults(error, source))) from error
    if isinstance(scenario.customers, str):
        scenario = scenario.model_copy(update={"customers": str(folder / scenario.customers)})
    names = [str(folder / name) if (folder / name).is_file() else name for name in scenario.programs]
    return scenario, dict(read_program(name) for name in names)


def _faults(error: ValidationError, source: Source) -> Iterator[Fault]:
    """Each fault once, at its line; of `customers` only what the form that was written calls for."""
    given = source.data.get("customers")
    form = "list[Person]" if isinstance(given, list) else "Crowd" if isinstance(given, dict) else "str"
    seen: set[str] = set()
    for item in error.errors():
        place = item["loc"]
        if place[0] == "customers" and len(place) > 1 and place[1] != form:
            continue
        path = tuple(part for part in place if part not in ("Crowd", "list[Person]", "str", "datetime", "date"))
        field_ = ".".join(str(part) for part in path)
        if field_ in seen:
            continue
        seen.add(field_)
        message, remedy = item["msg"], "see docs/rehearse.md"
        if item["type"] == "extra_forbidden":
            message, remedy = "unknown field", f"one of {', '.join(_fields_at(place))}"
        yield Fault(source.file, source.line_of(path), field_, message, remedy)


def _fields_at(place: tuple[int | str, ...]) -> list[str]:
    """The fields of the part of a scenario in which a slip was made, as YAML writes them."""
    named = [str(part) for part in place[:-1] if part in _PARTS]
    model = _PARTS[named[-1]] if named else Scenario
    return [field.alias or name for name, field in model.model_fields.items()]


_PARTS: Mapping[int | str, type[Part]] = {
    "customers": Person,
    "Crowd": Crowd,
    "contacts": Contact,
    "matters": Matter,
    "staff": Member,
    "answering": Answering,
    "script": Step,
}
