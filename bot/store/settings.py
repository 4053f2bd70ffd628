"""Small facts that every process must share."""

from collections.abc import Mapping
from typing import Any

from sqlmodel import Session

from bot.store.tables import SettingRow


def read(session: Session, name: str) -> dict[str, Any]:
    """The value, or an empty mapping."""
    row = session.get(SettingRow, name)
    return dict(row.value) if row else {}


def write(session: Session, name: str, value: Mapping[str, Any]) -> None:
    session.merge(SettingRow(name=name, value=dict(value)))
