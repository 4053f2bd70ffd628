"""The JSON Schema of a program, generated from its models: editors check and complete YAML with it while one writes.

It knows the shape of each field; what only the whole program shows is told by `flows/checks.py`. It is kept in
`docs/schema/program.schema.json`, and a test holds the two equal.
"""

import json
from datetime import time
from fractions import Fraction
from typing import Any

from pydantic.json_schema import GenerateJsonSchema

from flows.audience import EVERYBODY
from flows.fields import Part
from flows.offsets import Offset
from flows.program import Program
from flows.windows import TimeWindow

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schema_text() -> str:
    """The schema as its file holds it."""
    return json.dumps(program_schema(), ensure_ascii=False, indent=2) + "\n"


def program_schema() -> dict[str, Any]:
    """The schema of one program's YAML; defaults are told as one would write them."""
    schema = Program.model_json_schema(schema_generator=_AsWritten)
    return {"$schema": DIALECT, "title": "A program of Huifang", **_untitled(schema)}


class _AsWritten(GenerateJsonSchema):
    """Defaults in the words of YAML instead of our values."""

    def encode_default(self, dft: Any) -> Any:
        return super().encode_default(as_written(dft))


def as_written(value: Any) -> Any:
    """A value as a program's YAML writes it: texts for offsets, windows, times and shares."""
    match value:
        case Offset() | TimeWindow():
            return str(value)
        case time():
            return f"{value:%H:%M}"
        case Fraction():
            return f"{float(value * 100):g}%"
        case Part():
            return {name: as_written(each) for name, each in value if each not in (None, (), {})}
        case tuple():
            return [as_written(each) for each in value]
        case _:
            return "" if value == EVERYBODY else value


def _untitled(schema: Any) -> Any:
    """Without the titles that repeat each field's name."""
    if isinstance(schema, list):
        return [_untitled(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    return {name: _untitled(each) for name, each in schema.items() if name != "title" or not isinstance(each, str)}
