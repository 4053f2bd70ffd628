"""The shape of a scenario, and how one is read from YAML; errors name line, field and remedy."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bot.errors import InputError
from bot.shelf import read_program
from flows.errors import Fault, ProgramError
from flows.load import Source, read_yaml

KINDS = ("event", "reply", "staff", "set", "delivery", "cancel")
"""What a step of the script may be."""


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
    email: str = ""
    whatsapp: str = ""
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
    after_minutes: tuple[int, int] = (60, 600)


class Member(Part):
    """A member of staff of a scenario."""

    id: str = ""
    name: str
    roles: list[str]
    phone: str = ""
    language: str = ""


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

    @property
    def kinds(self) -> tuple[str, ...]:
        """What it says: one of KINDS, unless somebody slipped; fields of `set` and `delivery` say them as well."""
        given = set(self.model_fields_set)
        if self.attributes:
            given.add("set")
        if self.fails is not None:
            given.add("delivery")
        return tuple(kind for kind in KINDS if kind in given)


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
