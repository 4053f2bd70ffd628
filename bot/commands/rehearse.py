"""The timeline of `huifang rehearse` on a terminal: every text in full, however narrow it is."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from bot.commands.output import out

SMALL = 120
"""Columns of a terminal that the lines must be folded for."""
NARROW = {"at": 10, "what": 11, "customer": 8, "flow": 9}
"""How wide these are there; the text and the reason share what is left."""
TOLD = ("topic", "owner", "role", "due")
"""What stands in the column of the text, where a line has none."""


def print_timeline(lines: Sequence[Mapping[str, Any]]) -> None:
    """The lines as a table, oldest first."""
    console = out()
    narrow = NARROW if console.width < SMALL else {}
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, expand=True)
    for name in NARROW:
        table.add_column(name, overflow="fold", width=narrow.get(name))
    for name, share in (("text", 3), ("because", 2)):
        table.add_column(name, overflow="fold", ratio=share)  # Chinese has no spaces to break a line at
    for line in lines:
        cells = (_at(line["at"]), line["what"], line.get("customer", ""), line.get("flow", ""))
        text = line.get("text") or ", ".join(_told(line))
        table.add_row(*(escape(str(cell)) for cell in (*cells, text, line["because"])))
    console.print(table)


def _told(line: Mapping[str, Any]) -> Iterator[str]:
    """What a line says in fields of its own: "delivery, owner service, due 2026-11-09 Mon 18:00"."""
    for name in TOLD:
        if value := line.get(name):
            yield f"{name} {_at(value) if name == 'due' else value}"


def _at(instant: str) -> str:
    return datetime.fromisoformat(instant).strftime("%Y-%m-%d %a %H:%M")
