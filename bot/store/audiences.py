"""Compiles a predicate of `flows.audience` to SQL, so that it chooses the same customers as Python does."""

from datetime import date
from typing import Any

from sqlalchemy import Boolean, ColumnElement, Date, Double, and_, case, cast, false, func, literal, not_, or_, true

from bot.store.rows import table_of
from bot.store.tables import CustomerRow, EnrolmentRow
from flows.audience import All, AnyOf, Compare, Holds, Literal, Not, Predicate, Within, kind_of

_JSON_TYPES: dict[str, dict[str, tuple[str, ...]]] = {
    "sqlite": {"number": ("integer", "real"), "text": ("text",), "flag": ("true", "false")},
    "postgresql": {"number": ("number",), "text": ("string",), "flag": ("boolean",)},
}


def condition(dialect: str, predicate: Predicate, today: ColumnElement[date]) -> ColumnElement[bool]:
    """A condition over `enrolment` joined with `customer`; a missing or unlike fact makes a comparison false."""

    def build(part: Predicate) -> ColumnElement[bool]:
        match part:
            case All(parts):
                return and_(true(), *(build(each) for each in parts))
            case AnyOf(parts):
                return or_(false(), *(build(each) for each in parts))
            case Not(inner):
                return not_(build(inner))
            case Holds(field):
                return _compare(dialect, field, "==", True, today)
            case Within(field, values):
                return or_(false(), *(_compare(dialect, field, "==", value, today) for value in values))
            case Compare(field, op, value):
                return _compare(dialect, field, op, value, today)

    return build(predicate)


def _compare(dialect: str, field: str, op: str, value: Literal, today: Any) -> ColumnElement[bool]:
    kind = kind_of(value)
    assert kind is not None
    measure = _measure(dialect, field, today)
    if measure is not None:
        column, of_kind = measure
        return func.coalesce(_op(column, op, value), false()) if of_kind == kind else false()
    return _attribute(dialect, field, op, value, kind)


def _measure(dialect: str, field: str, today: Any) -> tuple[ColumnElement[Any], str] | None:
    match field:
        case "class":
            return _exact(dialect, table_of(EnrolmentRow).c["class"]), "text"
        case "activity_count":
            return table_of(EnrolmentRow).c.activity_count, "number"
        case "activity_total":
            return table_of(EnrolmentRow).c.activity_total, "number"
        case "days_since_activity":
            last = table_of(EnrolmentRow).c.activity_on
            if dialect == "sqlite":
                return func.julianday(today) - func.julianday(last), "number"
            return cast(today, Date) - last, "number"
        case _:
            return None


def _attribute(dialect: str, field: str, op: str, value: Literal, kind: str) -> ColumnElement[bool]:
    attributes: Any = table_of(CustomerRow).c.attributes
    if dialect == "sqlite":
        path = f'$."{field}"'
        type_of = func.json_type(attributes, path)
        raw = func.json_extract(attributes, path)
        fact: ColumnElement[Any] = raw
        wanted: Any = int(value) if kind == "flag" else value
    else:
        type_of = func.jsonb_typeof(func.jsonb_extract_path(attributes, field))
        text = func.jsonb_extract_path_text(attributes, field)
        casts: dict[str, Any] = {"number": _number(text), "flag": _flag(text), "text": _exact(dialect, text)}
        fact, wanted = casts[kind], literal(value)
    types = _JSON_TYPES[dialect][kind]
    return case((type_of.in_(types), _op(fact, op, wanted)), else_=false())


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
