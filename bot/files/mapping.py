"""A mapping file: which column of a file is which field, in YAML. Only what it does not say is guessed from headers.

source: cdnow                    # under this name the ids are unique; default: the name of the file
program: retail_aftersales       # customers are enrolled here, events are of this program; default: by type
encoding: gb18030                # default: recognised
delimiter: ";"                   # default: recognised
sheet: 2026                      # of an XLSX file; default: the first visible one
date_format: "%d.%m.%Y"          # default: the usual forms with the year first
zone: Asia/Shanghai              # of dates that say none; default: the program's
fields:                          # field: column header
  customer: customer_id
  type: {value: purchase}        # the same in every row
  class: {column: 等级, values: {VIP: high_value, 普通: ordinary}}
create_customers:                # of a file of events that has no customers beside it
  name: "Customer {customer}"    # {field}, or {field:07d}: the number in it with seven digits
  phone: "+1555{customer:07d}"
"""

import re
from collections.abc import Mapping as Mapped
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from bot.errors import InputError

_PATTERN = re.compile(r"\{(\w+)(?::0?(\d+)d)?\}")


class Part(BaseModel):
    """A piece of a mapping; an unknown field is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Column(Part):
    """Where a field comes from: a column, translated where `values` knows its text; or one value for all rows."""

    column: str | None = None
    value: str | int | float | bool | None = None
    values: Mapped[str, str | int | float | bool] = Field(default_factory=dict)


class NewCustomer(Part):
    """How the customers of a file of events are called: patterns over the fields of its rows."""

    name: str
    phone: str = ""
    telegram: str = ""
    email: str = ""
    whatsapp: str = ""
    title: str = ""
    language: str = ""
    zone: str = ""
    class_: str = Field("", alias="class")


class Mapping(Part):
    """What a mapping file says."""

    source: str | None = None
    program: str | None = None
    encoding: str | None = None
    delimiter: str | None = Field(None, min_length=1, max_length=1)
    sheet: str | None = None
    date_format: str | None = None
    zone: str | None = None
    fields: Mapped[str, Column] = Field(default_factory=dict)
    create_customers: NewCustomer | None = None

    @field_validator("fields", mode="before")
    @classmethod
    def _columns(cls, value: object) -> object:
        if not isinstance(value, dict):
            return value
        return {str(name): each if isinstance(each, dict) else {"column": str(each)} for name, each in value.items()}

    @field_validator("sheet", "date_format", mode="before")
    @classmethod
    def _text(cls, value: object) -> object:
        return value if value is None else str(value)

    @field_validator("zone")
    @classmethod
    def _known_zone(cls, value: str | None) -> str | None:
        if value is not None and value not in available_timezones():
            raise ValueError(f"{value!r} is no time zone; use an IANA name such as Asia/Shanghai")
        return value

    def time_zone(self, default: ZoneInfo) -> ZoneInfo:
        return ZoneInfo(self.zone) if self.zone else default


def read_mapping(path: Path | None) -> Mapping:
    """The mapping in a file, or an empty one; InputError names file, field and reason."""
    if path is None:
        return Mapping()
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise _fault(path, "mapping", f"cannot be read: {error.strerror}", "check the path") from error
    except UnicodeDecodeError as error:
        raise _fault(path, "mapping", "is not UTF-8", "save it as UTF-8") from error
    except yaml.YAMLError as error:
        place = getattr(error, "problem_mark", None)
        line = f"line {place.line + 1}" if place else "mapping"
        raise _fault(path, line, "is no YAML", "see docs/examples/cdnow.yaml") from error
    if data is None:
        return Mapping()
    try:
        return Mapping.model_validate(data)
    except ValidationError as error:
        item = error.errors()[0]
        name = ".".join(str(part) for part in item["loc"]) or "mapping"
        known = ", ".join(("source", "program", "encoding", "delimiter", "sheet", "date_format", "zone", "fields"))
        remedy = f"a mapping knows {known}, create_customers" if item["type"] == "extra_forbidden" else "mend it"
        raise _fault(path, name, item["msg"].removeprefix("Value error, "), remedy) from error


def fill(pattern: str, fields: Mapped[str, str]) -> str:
    """A pattern such as `+1555{customer:07d}` with its fields; ValueError names one that is missing or no number."""

    def put(found: re.Match[str]) -> str:
        name, width = found[1], found[2]
        if name not in fields:
            raise ValueError(f"the pattern names {name!r}, which is no field of the row")
        if width is None:
            return fields[name]
        if not fields[name].isdecimal():
            raise ValueError(f"{fields[name]!r} is no whole number, as the pattern for {name} wants")
        return f"{int(fields[name]):0{int(width)}d}"

    return _PATTERN.sub(put, pattern)


def _fault(path: Path, field: str, reason: str, remedy: str) -> InputError:
    faults: list[dict[str, Any]] = [{"file": path.name, "field": field, "reason": reason, "remedy": remedy}]
    return InputError(faults)
