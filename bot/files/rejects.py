"""The file of refused rows, beside the input: what is wrong, what to do, and the row itself, to be mended there.

It can be imported as it is: our four columns are passed over, and so are the rows that were good. A cell that a
spreadsheet would take for a formula gets a ' in front, which the import takes off again.
"""

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

from bot.errors import InputError
from bot.files.values import Cell, text_of

COLUMNS = ("reject_line", "reject_field", "reject_reason", "reject_remedy")
FORMULA = ("=", "+", "-", "@", "\t", "\r")
KEPT_OF_A_CELL = 1000
"""Characters; a mad cell need not be kept whole."""


class Rejects:
    """Written when the first row is refused; an old one of ours is taken away where none is."""

    def __init__(self, path: Path, header: Sequence[str]) -> None:
        self._path = path
        self._header = header
        self._file: TextIO | None = None
        self._writer: Any = None
        self.count = 0

    def __enter__(self) -> "Rejects":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file:
            self._file.close()
        elif kind is None and self._is_ours():
            self._path.unlink()

    @property
    def written(self) -> Path | None:
        return self._path if self.count else None

    def add(self, line: int, cells: Sequence[Cell], faults: Iterable[Mapping[str, str]]) -> None:
        """One refused row with everything that is wrong with it."""
        if self._file is None:
            self._open()
        told = [(each.get("field", ""), each.get("reason", ""), each.get("remedy", "")) for each in faults]
        ours = [
            str(line),
            *("; ".join(dict.fromkeys(part for part in parts if part)) for parts in zip(*told, strict=True)),
        ]
        self._writer.writerow([safe(cell) for cell in (*ours, *(text_of(cell)[:KEPT_OF_A_CELL] for cell in cells))])
        self.count += 1

    def _open(self) -> None:
        try:
            self._file = self._path.open("w", encoding="utf-8-sig", newline="")
        except OSError as error:
            fault = {"field": "rejects", "reason": f"{self._path} cannot be written: {error.strerror}"}
            raise InputError([fault | {"remedy": "name another file with --rejects"}]) from error
        self._writer = csv.writer(self._file)
        self._writer.writerow([*COLUMNS, *(safe(name) for name in self._header)])

    def _is_ours(self) -> bool:
        try:
            with self._path.open(encoding="utf-8-sig") as file:
                return file.readline().startswith(",".join(COLUMNS))
        except (OSError, UnicodeDecodeError):
            return False


def safe(text: str) -> str:
    """Text that no spreadsheet takes for a formula."""
    text = text.replace("\0", "")
    return f"'{text}" if text.startswith(FORMULA) else text
