"""Compiles a predicate of `flows.audience` to SQL, so that it chooses the same customers as Python does."""

from datetime import date
from typing import Any

from sqlalchemy import (
    Boolean,
    ColumnElement,
    Date,
    Double,
    and_,
    case,
    cast,
    false,
    func,
    literal,
    not_,
    null,
    or_,
    true,
)

from bot.store.rows import table_of
from bot.store.tables import CustomerRow, EnrolmentRow
from flows.audience import FLAGS, All, AnyOf, Compare, Day, Holds, Literal, Not, Predicate, Within, holds, kind_of

_JSON_TYPES: dict[str, dict[str, tuple[str, ...]]] = {
    "sqlite": {"number": ("integer", "real"), "text": ("text",), "flag": ("true", "false")},
    "postgresql": {"number": ("number",), "text": ("string",), "flag": ("boolean",)},
}


def condition(
    dialect: str, predicate: Predicate, today: ColumnElement[date], data: Any = None, enrolment: Any = None
) -> ColumnElement[bool]:
    """A condition over `enrolment` joined with `customer`; a missing or unlike fact makes a comparison false.

    `data`: the fields of an event, which win over attributes of the same name. `enrolment`: an alias of the table.
    """
    enrolled = table_of(EnrolmentRow) if enrolment is None else enrolment

    def build(part: Predicate, *, plain: bool) -> ColumnElement[bool]:
        """`plain`: not below a `not`, where NULL is as good as false, and an index of the column serves."""

        def compare(field: str, op: str, value: Literal) -> ColumnElement[bool]:
            return _compare(dialect, enrolled, field, op, value, today, data, plain=plain)

        match part:
            case All(parts):
                return and_(true(), *(build(each, plain=plain) for each in parts))
            case AnyOf(parts):
                return or_(false(), *(build(each, plain=plain) for each in parts))
            case Not(inner):
                return not_(build(inner, plain=False))
            case Holds(field):
                return compare(field, "==", True)
            case Within(field, values):
                return or_(false(), *(compare(field, "==", value) for value in values))
            case Compare(field, op, value):
                return compare(field, op, value)

    return build(predicate, plain=True)


def _compare(
    dialect: str, enrolled: Any, field: str, op: str, value: Any, today: Any, data: Any, *, plain: bool
) -> ColumnElement[bool]:
    kind = kind_of(value)
    assert kind is not None
    value = _day(dialect, today) if isinstance(value, Day) else value
    measure = _measure(dialect, enrolled, field, today)
    if measure is not None:
        column, of_kind = measure
        if of_kind != kind:
            return false()
        return _op(column, op, value) if plain else func.coalesce(_op(column, op, value), false())
    if field in FLAGS:
        own = _flag_fact(dialect, enrolled.c.flags, Compare(field, op, value))
    else:
        attributes: Any = table_of(CustomerRow).c.attributes
        own = _fact(dialect, attributes, field, op, value, kind)
    if data is None:
        return own
    return case(
        (_kind_kept(dialect, data, field).is_not(None), _fact(dialect, data, field, op, value, kind)), else_=own
    )


def _measure(dialect: str, enrolled: Any, field: str, today: Any) -> tuple[ColumnElement[Any], str] | None:
    match field:
        case "class":
            return _exact(dialect, enrolled.c["class"]), "text"
        case "activity_count":
            return enrolled.c.activity_count, "number"
        case "activity_total":
            return enrolled.c.activity_total, "number"
        case "days_since_activity":
            last = enrolled.c.activity_on
            if dialect == "sqlite":
                return func.julianday(today) - func.julianday(last), "number"
            return cast(today, Date) - last, "number"
        case _:
            return None


def _day(dialect: str, today: Any) -> ColumnElement[Any]:
    """A day as the ISO text in which dates are kept."""
    return func.date(today) if dialect == "sqlite" else func.to_char(cast(today, Date), "YYYY-MM-DD").collate("C")


def _fact(dialect: str, kept: Any, field: str, op: str, value: Any, kind: str) -> ColumnElement[bool]:
    """Whether what is kept under this name compares so; false where it is of another kind."""
    if dialect == "sqlite":
        fact: ColumnElement[Any] = func.json_extract(kept, _path(field))
        wanted: Any = int(value) if kind == "flag" else value
    else:
        text = func.jsonb_extract_path_text(kept, field)
        casts: dict[str, Any] = {"number": _number(text), "flag": _flag(text), "text": _exact(dialect, text)}
        fact, wanted = casts[kind], value if isinstance(value, ColumnElement) else literal(value)
    types = _JSON_TYPES[dialect][kind]
    return case((_kind_kept(dialect, kept, field).in_(types), _op(fact, op, wanted)), else_=false())


def _flag_fact(dialect: str, flags: Any, comparison: Compare) -> ColumnElement[bool]:
    """Whether a flag of the enrolment compares so; one that is not kept is false."""
    name = comparison.field
    is_set = func.coalesce(flag(dialect, flags, name), false())
    match holds(comparison, {name: True}), holds(comparison, {name: False}):
        case True, False:
            return is_set
        case False, True:
            return not_(is_set)
        case always, _:
            return true() if always else false()


def _kind_kept(dialect: str, kept: Any, field: str) -> Any:
    """The JSON type of what is kept under this name; NULL where nothing is."""
    if dialect == "sqlite":
        return func.json_type(kept, _path(field))
    return func.jsonb_typeof(func.jsonb_extract_path(kept, field))


def _path(field: str) -> str:
    return f'$."{field}"'


def _number(text: Any) -> ColumnElement[Any]:
    return cast(text, Double)


def _flag(text: Any) -> ColumnElement[Any]:
    return cast(text, Boolean)


def _exact(dialect: str, column: Any) -> Any:
    """Texts compare by code point, as Python does, whatever the database's locale."""
    return column if dialect == "sqlite" else column.collate("C")


def _op(column: Any, op: str, value: Any) -> ColumnElement[bool]:
    match op:
        case "==":
            return column == value  # type: ignore[no-any-return]
        case "!=":
            return column != value  # type: ignore[no-any-return]
        case "<":
            return column < value  # type: ignore[no-any-return]
        case "<=":
            return column <= value  # type: ignore[no-any-return]
        case ">":
            return column > value  # type: ignore[no-any-return]
        case _:
            return column >= value  # type: ignore[no-any-return]


def day_text(dialect: str, kept: Any, field: str) -> ColumnElement[Any]:
    """A date among attributes or dates, as ISO text (2027-03-01): the first ten characters of what is kept as text."""
    if dialect == "sqlite":
        value: Any = func.json_extract(kept, _path(field))
    else:
        value = func.jsonb_extract_path_text(kept, field).collate("C")
    is_text = _kind_kept(dialect, kept, field).in_(_JSON_TYPES[dialect]["text"])
    return case((is_text, func.substr(value, 1, 10)), else_=null())


def flag(dialect: str, kept: Any, field: str) -> ColumnElement[bool]:
    """Whether true is kept under this name."""
    return _fact(dialect, kept, field, "==", True, "flag")


def is_set(dialect: str, kept: Any, field: str) -> ColumnElement[bool]:
    """Whether anything but null is kept under this name."""
    return func.coalesce(_kind_kept(dialect, kept, field) != "null", false())
