"""What every database keeps: texts without NUL and without half characters, numbers that are numbers."""

from collections.abc import Mapping
from math import isfinite
from typing import Any


def storable(value: Any) -> Any:
    """The same value as JSON and text columns take it; PostgreSQL would refuse the whole batch for one NUL."""
    if isinstance(value, str):
        return storable_text(value)
    if isinstance(value, float):
        return value if isfinite(value) else None
    if isinstance(value, Mapping):
        return {storable_text(str(name)): storable(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [storable(each) for each in value]
    return value


def storable_text(text: str) -> str:
    """A text that UTF-8 can say, without NUL."""
    if text.isascii():
        return text.replace("\x00", "")
    return text.replace("\x00", "").encode(errors="replace").decode()
