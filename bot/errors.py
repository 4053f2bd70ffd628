"""Errors of the effects layer that a user can mend.

HuifangError (flows.errors)
├── SettingError       an environment setting is missing or wrong
├── InputError         rows or fields that somebody sent are wrong; each is named
├── NotFound           nothing by that id
├── Forbidden          it is not for them, whoever they are
└── Conflict           somebody was faster, or the state forbids it
"""

from collections.abc import Mapping, Sequence
from typing import Any

from flows.errors import HuifangError

__all__ = ["Conflict", "Forbidden", "HuifangError", "InputError", "NotFound", "SettingError"]


class SettingError(HuifangError):
    """An environment setting is missing or wrong."""

    def __init__(self, name: str, message: str, remedy: str) -> None:
        super().__init__(f"{name} {message} -> {remedy}")
        self.name = name


class InputError(HuifangError):
    """What somebody sent is wrong; `faults` hold field, reason and remedy for each."""

    def __init__(self, faults: Sequence[Mapping[str, Any]]) -> None:
        self.faults = tuple(faults)
        super().__init__("; ".join(f"{fault.get('field', '')}: {fault.get('reason', '')}" for fault in faults))


class NotFound(HuifangError):  # noqa: N818 - the name says what happened
    """Nothing by that id."""


class Forbidden(HuifangError):  # noqa: N818 - the name says what happened
    """Not allowed; the message names the remedy."""


class Conflict(HuifangError):  # noqa: N818 - the name says what happened
    """Somebody was faster, or the state forbids it."""
