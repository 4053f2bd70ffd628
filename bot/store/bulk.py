"""Rows in bulk: many rows travel to one statement as one JSON text.

Row by row, binding the values costs the driver more than the database spends on the row. Next: rows.py, whose
`execute_many` is for statements that say nothing about each row.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, Text, bindparam, cast, func
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import TypeEngine

from bot.store.storable import storable
from bot.store.tables import Instant


def columns_of_bulk(dialect: str, columns: Mapping[str, TypeEngine[Any]]) -> dict[str, ColumnElement[Any]]:
    """The columns (name -> type) of the rows in the parameter `rows`, each of which is a list in this order."""
    rows = bindparam("rows", type_=Text)
    if dialect == "sqlite":
        row = func.json_each(rows).table_valued("value").c.value
        return {name: _in_sqlite(row, place, kind) for place, (name, kind) in enumerate(columns.items())}
    row = func.jsonb_array_elements(cast(rows, JSONB)).table_valued("value").c.value
    return {name: cast(row.op("->>")(place), kind) for place, (name, kind) in enumerate(columns.items())}


def _in_sqlite(row: Any, place: int, kind: TypeEngine[Any]) -> ColumnElement[Any]:
    value = func.json_extract(row, f"$[{place}]", type_=kind)
    return func.substr(value, 1, len("2026-09-28 08:00:00.000000"), type_=kind) if isinstance(kind, Instant) else value


def in_bulk(rows: Sequence[Sequence[Any]]) -> str:
    """The rows as every database takes them."""
    try:
        said = _dumped(rows)
        said.encode()
    except ValueError:  # half a character, or a number that is none
        return _dumped(storable(rows))
    return _dumped(storable(rows)) if "\\u0000" in said else said


def _dumped(rows: Any) -> str:
    return json.dumps(rows, ensure_ascii=False, allow_nan=False, default=_utc)


def _utc(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat(" ", "microseconds")
