"""One line of a table -> a customer or an event, as intake takes them; what cannot be read is a fault of its column."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

from bot.errors import InputError
from bot.files import headings
from bot.files.mapping import Column, NewCustomer, fill
from bot.files.mapping import Mapping as FileMapping
from bot.files.seen import Seen
from bot.files.tables import Line, Table
from bot.files.values import (
    Cell,
    Unreadable,
    flag_of,
    instant_of,
    phone_of,
    text_of,
    value_of,
    weekdays_of,
    windows_of,
)
from bot.journey.enrolment import CustomerIn
from bot.journey.intake import EventIn
from bot.shelf import InForce
from flows.audience import FLAGS
from flows.program import Program

Fault = dict[str, str]
LANGUAGES = {"zh": ("zh", "中文", "汉语", "chinese", "zh cn"), "en": ("en", "英文", "英语", "english")}
TITLES = {"zh": {"male": "先生", "female": "女士"}, "en": {"male": "Mr", "female": "Ms"}}
SEXES = {"male": ("男", "男性", "m", "male", "man"), "female": ("女", "女性", "f", "female", "woman")}


class Refused(Exception):  # noqa: N818 - the name says what happened
    """A line that cannot become a row, with every fault of it."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__(str(faults))
        self.faults = tuple(faults)


@dataclass
class Columns:
    """Where each field of a table comes from: its mapping first, then its headers."""

    table: Table
    mapping: FileMapping
    at: dict[str, int] = field(default_factory=dict)
    constant: dict[str, Any] = field(default_factory=dict)

    @staticmethod
    def of(
        table: Table, mapping: FileMapping, names: Mapping[str, Sequence[str]], data: Mapping[str, Sequence[str]]
    ) -> "Columns":
        """Columns of the fields `names`, then of the data fields `data`. InputError: a mapped column is not there."""
        columns = Columns(table, mapping)
        for name, told in mapping.fields.items():
            if name not in names and name not in data:
                known = ", ".join([*names, *data])
                raise columns.fault(f"fields.{name}", "is no field", f"one of {known}")
            if told.column is not None:
                columns.at[name] = columns._find(name, told)
            elif told.value is not None:
                columns.constant[name] = told.value
        free = {name: headers for name, headers in names.items() if name not in mapping.fields}
        columns.at.update(headings.match(table.header, free, columns.at.values()))
        free = {
            name: headers for name, headers in data.items() if name not in mapping.fields and name not in columns.at
        }
        columns.at.update(headings.match(table.header, free, columns.at.values()))
        return columns

    def _find(self, name: str, told: Column) -> int:
        wanted = headings.plain(told.column or "")
        for index, header in enumerate(self.table.header):
            if header == told.column or headings.plain(header) == wanted:
                return index
        raise self.fault(told.column or name, f"is mapped to {name}, but no such column is in the file", self.found())

    def found(self) -> str:
        return f"the file has {', '.join(name for name in self.table.header if name)}"

    def fault(self, name: str, reason: str, remedy: str) -> InputError:
        return InputError([{"file": self.table.file, "field": name, "reason": reason, "remedy": remedy}])

    def has(self, name: str) -> bool:
        return name in self.at or name in self.constant

    def cell(self, line: Line, name: str) -> Cell:
        """The cell of a field; the mapping's constant or translation where it has one."""
        if name not in self.at:
            constant: Cell = self.constant.get(name)
            return constant
        cell = line.cells[self.at[name]]
        told = self.mapping.fields.get(name)
        return told.values.get(text_of(cell), cell) if told and told.values else cell

    def header_of(self, name: str) -> str:
        """What the user calls this field: its header, or the field itself."""
        name = name.removeprefix("data.")
        return self.table.header[self.at[name]] if name in self.at else name

    def unused(self) -> tuple[str, ...]:
        """Headers that serve no field."""
        used = set(self.at.values())
        return tuple(
            name for index, name in enumerate(self.table.header)
            if name and index not in used and not name.startswith("reject_")
        )  # fmt: skip


class Reader:
    """Reads cells of one line and collects what is wrong with them."""

    def __init__(self, columns: Columns, line: Line) -> None:
        self._columns, self._line = columns, line
        self.faults: list[Fault] = []

    def text(self, name: str) -> str:
        return text_of(self._columns.cell(self._line, name))

    def read(self, name: str, how: Callable[[Cell], Any], default: Any = None) -> Any:
        """The cell by `how`; `default` where it is empty or cannot be read."""
        cell = self._columns.cell(self._line, name)
        if not text_of(cell):
            return default
        try:
            return how(cell)
        except Unreadable as error:
            self.fault(name, error.reason, error.remedy)
            return default

    def fault(self, name: str, reason: str, remedy: str) -> None:
        self.faults.append({"field": self._columns.header_of(name), "reason": reason, "remedy": remedy})

    def done(self) -> None:
        """Refused: something was wrong."""
        if self.faults:
            raise Refused(self.faults)


# ----- customers


class CustomerRows:
    """Lines of one table as customers."""

    def __init__(self, table: Table, mapping: FileMapping, in_force: Sequence[InForce]) -> None:
        programs = _programs(table, mapping, in_force)
        kinds: dict[str, str] = {}
        for program in programs:
            kinds.update(program.attributes)
        self._kinds = kinds
        self._programs = programs
        self._mapping = mapping
        self.columns = Columns.of(table, mapping, headings.CUSTOMER, headings.spellings(kinds))
        self._zone = mapping.time_zone(programs[0].time_zone)
        for name, needed in (("name", ("name",)), ("phone", ("phone", "telegram", "email", "whatsapp"))):
            if not any(self.columns.has(each) for each in needed):
                raise self.columns.fault(name, "has no column", _how(name, headings.CUSTOMER[name], self.columns))

    def read(self, line: Line) -> CustomerIn:
        """The customer of this line; Refused names columns and reasons."""
        reader = Reader(self.columns, line)
        language = reader.read("language", _language, "")
        attributes = {
            name: value
            for name, kind in self._kinds.items()
            if (value := reader.read(name, partial(self._value, kind))) is not None
        }
        row = CustomerIn(
            id=reader.text("id"),
            name=reader.text("name"),
            phone=reader.read("phone", phone_of, ""),
            telegram=reader.text("telegram"),
            email=reader.text("email"),
            whatsapp=reader.read("whatsapp", phone_of, ""),
            title=_title(reader.text("title"), language, reader.text("name")),
            language=language,
            zone=reader.text("zone"),
            class_=reader.text("class"),
            programs=self._named(reader),
            marketing_consent=bool(reader.read("marketing_consent", flag_of, False)),
            attributes=attributes,
            flags={name: value for name in FLAGS if (value := reader.read(name, flag_of)) is not None},
            windows=_windows(reader),
        )
        reader.done()
        return row

    def _value(self, kind: str, cell: Cell) -> Any:
        return value_of(kind, cell, self._zone, self._mapping.date_format)

    def _named(self, reader: Reader) -> tuple[str, ...]:
        """The programs that a line names, by id or by name."""
        names = [name.strip() for name in re.split(r"[,;、，；|/]", reader.text("program")) if name.strip()]
        if not names and self._mapping.program:
            return (self._mapping.program,)
        ids = {headings.plain(name): program.id for program in self._programs for name in _names(program)}
        return tuple(ids.get(headings.plain(name), name) for name in names)


def _names(program: Program) -> tuple[str, ...]:
    return (program.id, *program.name.values())


def _language(cell: Cell) -> str:
    text = headings.plain(text_of(cell))
    for language, names in LANGUAGES.items():
        if text in names or text.startswith(f"{language} "):
            return language
    raise Unreadable(f"{text!r} is no language", "write zh or en")


def _windows(reader: Reader) -> dict[str, list[str]] | None:
    """A customer's own times; None: no cell says anything of them."""
    readers = {"times": windows_of, "days": weekdays_of, "not": windows_of}
    told = {name: reader.read(f"windows.{name}", how) for name, how in readers.items()}
    return {name: texts for name, texts in told.items() if texts} or None


def _title(text: str, language: str, name: str) -> str:
    """A form of address; a sex becomes one."""
    for sex, words in SEXES.items():
        if text.lower() in words:
            return TITLES["en" if language == "en" or (not language and name.isascii()) else "zh"][sex]
    return text


def _programs(table: Table, mapping: FileMapping, in_force: Sequence[InForce]) -> list[Program]:
    """The programs that rows of this file may be of."""
    programs = [each.program for each in in_force]
    if mapping.program is None:
        return programs
    named = [program for program in programs if program.id == mapping.program]
    if not named:
        reason, known = f"{mapping.program!r} does not run here", ", ".join(program.id for program in programs)
        raise InputError([{"file": table.file, "field": "program", "reason": reason, "remedy": f"one of {known}"}])
    return named


def _how(name: str, headers: Sequence[str], columns: Columns) -> str:
    some = ", ".join([*headers[:2], *[each for each in headers if not each.isascii()][:2]])
    return f"call its column {some} ..., or name it in a mapping file (fields: {{{name}: ...}}); {columns.found()}"


# ----- events


class EventRows:
    """Lines of one table as events."""

    def __init__(self, table: Table, mapping: FileMapping, in_force: Sequence[InForce]) -> None:
        self._mapping = mapping
        self._programs = _programs(table, mapping, in_force)
        self._types = {name: event for program in self._programs for name, event in program.events.items()}
        self._aliases = {
            headings.plain(alias): name
            for name, event in self._types.items()
            for alias in (name, *event.name.values())
        }  # fmt: skip
        fields = dict.fromkeys(name for event in self._types.values() for name in event.fields)
        self.columns = Columns.of(table, mapping, headings.EVENT, headings.spellings(fields))
        self._seen = Seen()
        self._only = next(iter(self._types)) if len(self._types) == 1 else ""
        self._check_columns()
        self._zones = {name: mapping.time_zone(self._program_of(name).time_zone) for name in self._types}
        self._fields = {
            name: {each: kind for each, kind in event.fields.items() if self.columns.has(each)}
            for name, event in self._types.items()
        }  # fmt: skip

    def _check_columns(self) -> None:
        columns = self.columns
        types = ", ".join(self._types)
        if not columns.has("type") and not self._only:
            remedy = f"add one, or say in a mapping file: fields: {{type: {{value: ...}}}} with one of {types}"
            raise columns.fault("type", "has no column", remedy)
        constant = columns.constant.get("type")
        if constant is not None and headings.plain(str(constant)) not in self._aliases:
            raise columns.fault("type", f"{constant!r} is no event", f"one of {types}")
        for name in ("customer", "at"):
            if not columns.has(name):
                raise columns.fault(name, "has no column", _how(name, headings.EVENT[name], columns))

    def _program_of(self, type_: str) -> Program:
        return next(program for program in self._programs if type_ in program.events)

    def read(self, line: Line) -> EventIn:
        """The event of this line; Refused names columns and reasons."""
        reader = Reader(self.columns, line)
        type_ = self._type(reader)
        zone = self._zones.get(type_, ZoneInfo("UTC"))
        clock_time = self.columns.cell(line, "time") if "time" in self.columns.at else None
        format_ = self._mapping.date_format
        at = reader.read("at", lambda cell: instant_of(cell, zone, format_, clock_time))
        if at is None and not reader.faults:
            reader.fault("at", "is empty", "say when it happened")
        customer = reader.text("customer")
        if not customer:
            reader.fault("customer", "is empty", "write the customer's id or phone number")
        elif re.fullmatch(r"\d+\.\d*([eE]\+?\d+)?", customer):  # a phone that a spreadsheet took for a number
            customer = reader.read("customer", phone_of, "")
        data = {
            name: value
            for name, kind in self._fields.get(type_, {}).items()
            if (value := reader.read(name, partial(value_of, kind, zone=zone, date_format=format_))) is not None
        }
        reader.done()
        matter = reader.text("matter")
        id_ = reader.text("id") or self._own_id(type_, customer, at.isoformat(), data, matter)
        return EventIn(id_, type_, customer, at, data, matter)

    def _type(self, reader: Reader) -> str:
        if not self.columns.has("type"):
            return self._only
        text = reader.text("type")
        type_ = self._aliases.get(headings.plain(text), "")
        if not type_:
            reason = f"{text!r} is no event" if text else "is empty"
            reader.fault("type", reason, f"one of {', '.join(self._types)}")
        return type_

    def _own_id(self, type_: str, customer: str, at: str, data: Mapping[str, Any], matter: str) -> str:
        """An id made of the row itself: the same row is the same event, the second of two equal rows another one."""
        content = json.dumps([type_, customer, at, data, matter], ensure_ascii=False, sort_keys=True)
        digest, ordinal = self._seen.ordinal(content)
        return f"{digest}-{ordinal}"

    def customer_of(self, line: Line, row: EventIn, pattern: NewCustomer) -> CustomerIn:
        """The customer whom a file of events brings with it; Refused where the pattern does not fit."""
        known = {name: text_of(line.cells[index]) for name, index in self.columns.at.items()} | {
            "customer": row.customer
        }
        try:
            return CustomerIn(
                id=row.customer,
                name=fill(pattern.name, known),
                phone=fill(pattern.phone, known),
                telegram=fill(pattern.telegram, known),
                email=fill(pattern.email, known),
                whatsapp=fill(pattern.whatsapp, known),
                title=fill(pattern.title, known),
                language=pattern.language,
                zone=pattern.zone,
                class_=pattern.class_,
                programs=(self._mapping.program,) if self._mapping.program else (),
            )
        except ValueError as error:
            raise Refused(
                [{"field": "create_customers", "reason": str(error), "remedy": "mend row or mapping"}]
            ) from error
