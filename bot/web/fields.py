"""The fields that programs declare - number, text, flag, date - as inputs of a form: what is shown, what was given.

Whether what was given is right, the journey decides; here its faults go back to the inputs. Next: tasks.py.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from math import isfinite
from typing import Any
from zoneinfo import ZoneInfo

from starlette.datastructures import FormData

from bot.errors import InputError

LONGEST = 2000
_OF_DATA = "data."
"""How inputs of declared fields are called in forms, and in the faults of the journey."""


@dataclass(frozen=True)
class Input:
    """One declared field on a form. `must`: refused without it. `counts`: kept without it, but then it counts not."""

    field: str
    kind: str
    must: bool = False
    counts: bool = False

    @property
    def name(self) -> str:
        return f"{_OF_DATA}{self.field}"


def inputs_of(declared: Mapping[str, str], must: Collection[str], counts: Collection[str] = ()) -> list[Input]:
    """The inputs of these fields (name -> kind)."""
    return [Input(name, kind, name in must, name in counts) for name, kind in declared.items()]


@dataclass(frozen=True)
class Filled:
    """A form as it was sent and came back: what was given, and what is wrong with it, each by the input's name."""

    form: str = ""
    given: Mapping[str, str] = field(default_factory=dict)
    faults: Mapping[str, str] = field(default_factory=dict)

    def of(self, form: str) -> "Filled":
        """What this form shows: itself where it came back, else nothing."""
        return self if self.form == form else Filled()


def filled(form: str, fields: FormData, faults: Iterable[Mapping[str, Any]]) -> Filled:
    """The form again, for whoever is to mend it."""
    given = {name: str(value)[:LONGEST] for name, value in fields.multi_items()}
    return Filled(form, given, {str(each.get("field", "")): str(each.get("reason", "")) for each in faults})


# ----- what was given


def words_in(fields: FormData, name: str) -> str:
    return str(fields.get(name, "")).replace("\x00", "").strip()[:LONGEST]


def data_in(fields: FormData, declared: Mapping[str, str]) -> dict[str, Any]:
    """The declared fields that were filled in; what does not fit its kind stays text, which the journey refuses."""
    given = {name: words_in(fields, f"{_OF_DATA}{name}") for name in declared}
    return {name: _value(declared[name], text) for name, text in given.items() if text}


def _value(kind: str, text: str) -> Any:
    if kind == "flag":
        return {"yes": True, "no": False}.get(text, text)
    return _number(text) if kind == "number" else text


def _number(text: str) -> int | float | str:
    try:
        number = float(text)
    except ValueError:
        return text
    if not isfinite(number):
        return text
    return int(number) if number.is_integer() and abs(number) < 2**53 else number


def instant_in(fields: FormData, name: str, zone: str, now: datetime) -> datetime:
    """The time that was given, in this zone; now when none was. InputError: it is no time, or still to come."""
    at = time_in(fields, name, zone) or now
    if at > now:
        raise InputError([{"field": name, "reason": "is still to come", "remedy": "say when it was"}])
    return at


def time_in(fields: FormData, name: str, zone: str) -> datetime | None:
    """The time that was given, in this zone. InputError: it is none."""
    text = words_in(fields, name)
    try:
        return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)) if text else None
    except ValueError as error:
        raise InputError([{"field": name, "reason": "is no time", "remedy": "choose a day and a time"}]) from error


def day_in(fields: FormData, name: str) -> date | None:
    """The day that was given. InputError: it is none."""
    text = words_in(fields, name)
    try:
        return date.fromisoformat(text) if text else None
    except ValueError as error:
        raise InputError([{"field": name, "reason": "is no day", "remedy": "choose a day"}]) from error
