"""Errors of the decision layer.

HuifangError           everything a user can mend; its text names the field, line or file and the remedy
├── ProgramError       a program's YAML does not say what it must
├── PredicateError     an audience cannot be read
└── IllegalMove        a state change that no table of `flows.states` allows
"""

from dataclasses import dataclass


class HuifangError(Exception):
    """Something the user can mend; the message names what and how."""


@dataclass(frozen=True)
class Fault:
    """One thing wrong in a file: where it stands, what it is, how to mend it."""

    file: str
    line: int | None
    field: str
    message: str
    remedy: str = ""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        field = f" {self.field}:" if self.field else ""
        remedy = f" -> {self.remedy}" if self.remedy else ""
        return f"{place}:{field} {self.message}{remedy}"


class ProgramError(HuifangError):
    """A program's YAML does not say what it must; holds every fault found, not only the first."""

    def __init__(self, faults: tuple[Fault, ...]) -> None:
        self.faults = faults
        super().__init__("\n".join(str(fault) for fault in faults))


class PredicateError(HuifangError):
    """An audience cannot be read."""


class IllegalMove(HuifangError):  # noqa: N818 - the name says what happened
    """A state change that no table of `flows.states` allows."""
