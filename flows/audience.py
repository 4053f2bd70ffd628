"""Who is meant: one small closed language of predicates over a customer's facts.

    class == 'lost' and not leader_introduced and activity_total >= 100 and city in ['Beijing', 'Shanghai']

A missing fact makes its comparison false, whatever the operator; so does a comparison between unlike types. The same
tree is evaluated here for one customer and compiled to SQL for many (`bot/store/audiences.py`); a property test holds
that both choose the same customers. Fields are `class`, the measures of the program's activity, flags and attributes.
A date may be compared with `today`, the day on which it is asked: at the latest that of sending (R8).

    not contract_ends < today
"""

import ast
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any

from flows.errors import PredicateError


class Day(StrEnum):
    """A day that is known only when it is asked for; among the facts it stands under its own name."""

    TODAY = "today"


Literal = str | float | int | bool
MEASURES = ("class", "activity_count", "activity_total", "days_since_activity")
"""Fields that are columns of the enrolment."""

ANONYMOUS, LEADER_INTRODUCED, VIP_GUEST = FLAGS = ("anonymous", "leader_introduced", "vip_guest")
"""Flags of the enrolment that every program knows (R6); what else they keep back: `flows/consent.py`."""


@dataclass(frozen=True)
class All:
    """True when every part is."""

    parts: tuple["Predicate", ...]


@dataclass(frozen=True)
class AnyOf:
    """True when one part is."""

    parts: tuple["Predicate", ...]


@dataclass(frozen=True)
class Not:
    part: "Predicate"


@dataclass(frozen=True)
class Compare:
    """`field op value`; op is one of == != < <= > >=."""

    field: str
    op: str
    value: Literal


@dataclass(frozen=True)
class Within:
    """`field in [values]`."""

    field: str
    values: tuple[Literal, ...]


@dataclass(frozen=True)
class Holds:
    """A bare name: the fact is the boolean true."""

    field: str


Predicate = All | AnyOf | Not | Compare | Within | Holds
EVERYBODY = All(())

_OPS: Mapping[type[ast.cmpop], str] = {
    ast.Eq: "==",
    ast.NotEq: "!=",
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
}
_TESTS: Mapping[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_REMEDY = "write comparisons of a field with a value (class == 'vip'), joined by and, or, not"


def parse_predicate(text: str) -> Predicate:
    """Read an audience; PredicateError tells what cannot be read and how to write it."""
    if not text.strip():
        return EVERYBODY
    if len(text) > 2000:
        raise PredicateError("the audience is longer than 2000 characters")
    # `class` is a Python keyword; the language of audiences has it as a field
    source = _rename_class(text)
    try:
        tree = ast.parse(source.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise PredicateError(f"cannot read {text!r}: {_REMEDY}") from error
    return _build(tree, text)


def holds(predicate: Predicate, facts: Mapping[str, Any]) -> bool:
    """Whether `facts` satisfy the predicate; a missing fact, or one of another type, makes its comparison false."""
    match predicate:
        case All(parts):
            return all(holds(part, facts) for part in parts)
        case AnyOf(parts):
            return any(holds(part, facts) for part in parts)
        case Not(part):
            return not holds(part, facts)
        case Holds(field):
            return facts.get(field) is True
        case Within(field, values):
            return any(_compares(facts.get(field), "==", _known(value, facts)) for value in values)
        case Compare(field, op, value):
            return _compares(facts.get(field), op, _known(value, facts))


def fields_of(predicate: Predicate) -> frozenset[str]:
    """The names that a predicate asks for."""
    match predicate:
        case All(parts) | AnyOf(parts):
            return frozenset().union(*(fields_of(part) for part in parts))
        case Not(part):
            return fields_of(part)
        case Holds(field) | Within(field, _) | Compare(field, _, _):
            return frozenset({field})


def values_of(predicate: Predicate, field: str) -> frozenset[Literal]:
    """The values that a predicate compares a field with."""
    match predicate:
        case All(parts) | AnyOf(parts):
            return frozenset().union(*(values_of(part, field) for part in parts))
        case Not(part):
            return values_of(part, field)
        case Within(name, values) if name == field:
            return frozenset(values)
        case Compare(name, _, value) if name == field:
            return frozenset({value})
        case _:
            return frozenset()


def kind_of(value: object) -> str | None:
    """`number`, `text`, `flag` or None: only like kinds compare."""
    if isinstance(value, bool):
        return "flag"
    if isinstance(value, int | float):
        return "number"
    if isinstance(value, str):
        return "text"
    if isinstance(value, date):
        return "text"
    return None


def _known(value: Literal, facts: Mapping[str, Any]) -> Any:
    return facts.get(value) if isinstance(value, Day) else value


def _compares(fact: object, op: str, value: object) -> bool:
    if kind_of(fact) is None or kind_of(fact) != kind_of(value):
        return False
    if isinstance(fact, date):
        fact = fact.isoformat()
    return bool(_TESTS[op](fact, value))


def _rename_class(text: str) -> str:
    pieces = []
    quote = ""
    word = ""
    for char in text + " ":
        if not quote and (char.isalnum() or char == "_"):
            word += char
            continue
        pieces.append("class_" if word == "class" else word)
        word = ""
        if quote:
            quote = "" if char == quote else quote
        elif char in "'\"":
            quote = char
        pieces.append(char)
    return "".join(pieces)


def _build(node: ast.expr, text: str) -> Predicate:
    match node:
        case ast.BoolOp(op=ast.And(), values=values):
            return All(tuple(_build(value, text) for value in values))
        case ast.BoolOp(op=ast.Or(), values=values):
            return AnyOf(tuple(_build(value, text) for value in values))
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return Not(_build(operand, text))
        case ast.Compare(
            left=ast.Name(id=name), ops=[ast.In()], comparators=[ast.List(elts=items) | ast.Tuple(elts=items)]
        ):
            return Within(_field(name), tuple(_literal(item, text) for item in items))
        case ast.Compare(left=ast.Name(id=name), ops=[op], comparators=[value]) if type(op) in _OPS:
            return Compare(_field(name), _OPS[type(op)], _literal(value, text))
        case ast.Name(id=name):
            return Holds(_field(name))
        case _:
            raise PredicateError(f"cannot read {ast.unparse(node)!r} in {text!r}: {_REMEDY}")


def _field(name: str) -> str:
    return "class" if name == "class_" else name


def _literal(node: ast.expr, text: str) -> Literal:
    match node:
        case ast.Constant(value=bool() | int() | float() | str() as value):
            return value
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as value)):
            return -value
        case ast.Name(id="true"):
            return True
        case ast.Name(id="false"):
            return False
        case ast.Name(id="today"):
            return Day.TODAY
        case _:
            raise PredicateError(f"{ast.unparse(node)!r} in {text!r} is no value: quote texts, write numbers plainly")
