"""How one field of a program is written in YAML: offsets, windows, predicates, times, months and days.

Each type reads the text that YAML holds and keeps the value; what cannot be read says how to write it.
"""

import re
from collections.abc import Callable, Mapping
from datetime import date, time
from fractions import Fraction
from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, PlainValidator

from flows.audience import Predicate, parse_predicate
from flows.errors import PredicateError
from flows.offsets import Offset, parse_offset
from flows.windows import TimeWindow, parse_windows

_MONTH_DAY = re.compile(r"([0-9]{2})-([0-9]{2})")

Words = Mapping[str, str]
"""One text in several languages: language code -> text."""


def read_as(read: Callable[[str], Any], example: str) -> PlainValidator:
    """A field that YAML writes as one text; already read values pass through."""

    def validate(value: object) -> object:
        if isinstance(value, str):
            try:
                return read(value)
            except PredicateError as error:
                raise ValueError(str(error)) from error
        if value is None or isinstance(value, bool | int | float | dict | list):
            raise ValueError(f"write it as a text such as {example}")
        return value

    return PlainValidator(validate, json_schema_input_type=str)


def _windows(value: object) -> object:
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return parse_windows(value)
    if isinstance(value, tuple):
        return value
    raise ValueError('write windows as a list such as ["09:00-12:00", "14:00-18:00"]')


def _length(text: str) -> Offset:
    offset = parse_offset(text)
    if offset.is_workdays:
        raise ValueError(
            f"{text!r} counts workdays, as only `after` and `before` of a flow do; write days, such as '3d'"
        )
    return offset


def _interval(text: str) -> Offset:
    offset = _length(text)
    if offset.is_time or offset.amount < 1:
        raise ValueError(f"{text!r} is no interval; write at least a day, such as '1d', '2w' or '1mo'")
    return offset


PERIOD_MONTHS: Mapping[str, int] = {"1mo": 1, "1q": 3, "1hy": 6, "1y": 12}
"""The calendar periods that a sample may be drawn in, and their months."""


def _period(text: str) -> Offset:
    if text.strip() not in PERIOD_MONTHS:
        raise ValueError(f"{text!r} is no calendar period; write one of {', '.join(PERIOD_MONTHS)}")
    return parse_offset(text)


def _month_day(text: str) -> tuple[int, int]:
    found = _MONTH_DAY.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is no day of the year; write month and day, such as '04-01'")
    month, day = int(found[1]), int(found[2])
    try:
        date(2024, month, day)
    except ValueError as error:
        raise ValueError(f"{text!r} is no day of the year; write the month first, such as '10-15'") from error
    return month, day


def _share(text: str) -> Fraction:
    number, _, rest = text.strip().partition("%")
    try:
        share = Fraction(number) / 100
    except (ValueError, ZeroDivisionError):
        share = Fraction(-1)
    if not 0 < share <= 1 or rest or "%" not in text:
        raise ValueError(f"{text!r} is no share; write it as '30%'")
    return share


def _several(value: object) -> object:
    return [value] if isinstance(value, str) else value


WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

StepOffsetField = Annotated[Offset, read_as(parse_offset, "7d")]
OffsetField = Annotated[Offset, read_as(_length, "7d")]
IntervalField = Annotated[Offset, read_as(_interval, "1mo")]
PeriodField = Annotated[Offset, read_as(_period, "1hy")]
PredicateField = Annotated[Predicate, read_as(parse_predicate, "class == 'vip'")]
WindowField = Annotated[TimeWindow, read_as(lambda text: parse_windows([text])[0], "09:00-20:00")]
WindowsField = Annotated[tuple[TimeWindow, ...], PlainValidator(_windows, json_schema_input_type=list[str])]
TimeField = Annotated[time, read_as(time.fromisoformat, "10:00")]
MonthDayField = Annotated[tuple[int, int], read_as(_month_day, "04-01")]
ShareField = Annotated[Fraction, read_as(_share, "30%")]
SeveralField = Annotated[tuple[str, ...], BeforeValidator(_several, json_schema_input_type=str | list[str])]
"""Words, of which one may stand alone: `call`, or `[call, visit]`."""
WeekdayField = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


class Part(BaseModel):
    """A frozen piece of a program; an unknown field is an error, never ignored."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", arbitrary_types_allowed=True, ignored_types=(cached_property,)
    )
