"""A file as a table: a header, and one line after the other with its real line number. CSV and XLSX, streamed.

What is wrong with one line is said on that line, and reading goes on; what is wrong with the file is an InputError.
"""

import csv
import io
import re
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import openpyxl

from bot.errors import InputError
from bot.files.encoding import check_decodes, recognise
from bot.files.values import Cell, text_of

DELIMITERS = ",;\t|"
LONGEST_LINE = 1_000_000
"""Characters; a longer line is one refused row, and never in memory as a whole."""
LONGEST_CELL = 131_072
"""Characters, as far as one cell may reach over several lines: beyond that a closing quote is missing."""
MOST_SHARED_TEXT = 300 << 20
"""Bytes of an XLSX file's table of texts, which has to be in memory."""


@dataclass(frozen=True)
class Line:
    """One row: the line where it begins, its cells, and why it cannot be read where that is so."""

    number: int
    cells: tuple[Cell, ...]
    fault: str = ""
    remedy: str = ""


@dataclass
class Table:
    """An open file. `place` says in words what was read; `done` of `total` tells how far."""

    file: str
    header: tuple[str, ...]
    place: str
    total: int
    lines: Iterator[Line]
    done: Callable[[], int] = field(default=lambda: 0)


@contextmanager
def open_table(
    path: Path,
    is_header: Callable[[Sequence[str]], bool],
    *,
    encoding: str | None = None,
    delimiter: str | None = None,
    sheet: str | None = None,
) -> Iterator[Table]:
    """Open a CSV or XLSX file, whatever its name says; InputError names file, field and remedy."""
    try:
        with path.open("rb") as file:
            start = file.read(8)
    except OSError as error:
        raise fault(path.name, "file", f"cannot be read: {error.strerror}", "check the path") from error
    if not start:
        raise fault(path.name, "file", "is empty", "export it again")
    if start.startswith(b"\xd0\xcf\x11\xe0"):
        raise fault(path.name, "file", "is an old or an encrypted Excel file", "save it as .xlsx without a password")
    opened = (
        _open_xlsx(path, sheet) if start.startswith(b"PK\x03\x04") else _open_csv(path, is_header, encoding, delimiter)
    )
    with opened as table:
        _check_header(table)
        yield table


def fault(file: str, name: str, reason: str, remedy: str) -> InputError:
    """An error of the whole file."""
    return InputError([{"file": file, "field": name, "reason": reason, "remedy": remedy}])


def _check_header(table: Table) -> None:
    seen: set[str] = set()
    for name in table.header:
        if name and name in seen:
            raise fault(table.file, name, "is the header of two columns", "give each column a header of its own")
        seen.add(name)


# ----- CSV


@contextmanager
def _open_csv(
    path: Path, is_header: Callable[[Sequence[str]], bool], encoding: str | None, delimiter: str | None
) -> Iterator[Table]:
    if encoding:
        check_decodes(path, encoding)
    else:
        encoding = recognise(path, is_header)
    csv.field_size_limit(LONGEST_CELL)
    with path.open("rb") as raw, io.TextIOWrapper(raw, encoding, newline="") as text:
        physical = _Lines(text)
        delimiter = delimiter or _delimiter(path, encoding)
        lines = _rows(physical, delimiter)
        first = next((line for line in lines if line.fault or any(line.cells)), None)
        if first is None:
            raise fault(path.name, "file", "is empty", "export it again")
        if first.fault:
            raise fault(path.name, f"line {first.number}", first.fault, first.remedy)
        header = tuple(text_of(cell) for cell in first.cells)
        size = path.stat().st_size
        shown = {"\t": "tabs"}.get(delimiter, delimiter)
        place = f"CSV, {encoding.upper()}, separated by {shown}"
        yield Table(path.name, header, place, size, _even(lines, len(header)), lambda: min(raw.tell(), size))


class _Lines:
    """The physical lines of a text, each at most so long; a longer one is cut to a sign that it was too long."""

    TOO_LONG = "\0too long\0"

    def __init__(self, text: io.TextIOWrapper) -> None:
        self._text = text

    def __iter__(self) -> Iterator[str]:
        while line := self._text.readline(LONGEST_LINE):
            if len(line) == LONGEST_LINE and not line.endswith(("\n", "\r")):
                while (rest := self._text.readline(LONGEST_LINE)) and not rest.endswith(("\n", "\r")):
                    pass
                line = f"{self.TOO_LONG}\n"
            yield line


def _rows(physical: _Lines, delimiter: str) -> Iterator[Line]:
    """Rows with the line where each begins; a row that the format forbids is a fault, and the next line a new row."""
    reader = csv.reader(physical, delimiter=delimiter, strict=True)
    while True:
        number = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield Line(number, (), *_why(error, number, reader.line_num))
            continue
        if number == 1 and len(cells) in (1, 2) and re.fullmatch(r"sep=.?", cells[0]):
            continue  # a line by which Excel tells the separator
        if any(_Lines.TOO_LONG in cell for cell in cells):
            yield Line(number, (), f"is longer than {LONGEST_LINE:,} characters", "mend or remove the line")
        elif any("\0" in cell for cell in cells):
            yield Line(number, tuple(cell.replace("\0", "") for cell in cells), "holds a NUL", "remove the character")
        else:
            yield Line(number, tuple(cells))


def _why(error: csv.Error, first: int, last: int) -> tuple[str, str]:
    """(reason, remedy) in our words."""
    reach = f"lines {first} to {last}: " if last > first else ""
    if "field limit" in str(error) or "end of data" in str(error):
        return f'{reach}a cell that begins with " has no end', 'close the cell with ", and write " inside it twice'
    return f'{reach}text follows a closing "', 'write a " inside a cell twice'


def _even(lines: Iterator[Line], width: int) -> Iterator[Line]:
    """Rows as wide as the header; blank ones are passed over, others say that they are ragged."""
    for line in lines:
        cells = line.cells
        if line.fault:
            yield line
        elif not any(text_of(cell) for cell in cells):
            continue
        elif len(cells) > width and not any(text_of(cell) for cell in cells[width:]):
            yield Line(line.number, cells[:width])
        elif len(cells) != width:
            reason = f"has {len(cells)} cells where the header has {width}"
            yield Line(line.number, cells, reason, "a cell is missing, or holds a separator without quotes around it")
        else:
            yield line


def _delimiter(path: Path, encoding: str) -> str:
    """The separator that cuts the first rows into most columns, the same number in each."""
    with path.open(encoding=encoding, newline="") as file:
        sample = file.read(65_536)
    told = re.match(r"sep=(.)\r?\n", sample)
    if told:
        return told[1]
    best, most = ",", (0.0, 1)
    for delimiter in DELIMITERS:
        widths = _widths(sample, delimiter)
        if not widths or widths[0] < 2:
            continue
        score = (sum(width == widths[0] for width in widths) / len(widths), widths[0])
        if score > most:
            best, most = delimiter, score
    return best


def _widths(sample: str, delimiter: str) -> list[int]:
    reader = csv.reader(io.StringIO(sample, newline=""), delimiter=delimiter)
    widths: list[int] = []
    try:
        for row in reader:
            if row:
                widths.append(len(row))
            if len(widths) == 20:
                break
    except csv.Error:
        pass
    return widths


# ----- XLSX


@contextmanager
def _open_xlsx(path: Path, sheet: str | None) -> Iterator[Table]:
    """The first visible sheet, or the one that a mapping names. Formulas count as what they last came to."""
    with path.open("rb") as file, closing(_book(path, file)) as book:
        page = _sheet(path, book, sheet)
        total = page.max_row or 0
        page.reset_dimensions()  # some programs write wrong ones
        seen = [0]
        lines = _sheet_lines(page, seen)
        first = next((line for line in lines if any(text_of(cell) for cell in line.cells)), None)
        if first is None:
            raise fault(path.name, f"sheet {page.title}", "is empty", "name another one in a mapping file (sheet: ...)")
        names = tuple(text_of(cell) for cell in _without_tail(first.cells))
        others = len(book.sheetnames) - 1
        place = f"XLSX, sheet {page.title}" + (f" ({others} more not read)" if others else "")
        yield Table(path.name, names, place, total, _padded(lines, len(names)), lambda: min(seen[0], total))


def _book(path: Path, file: BinaryIO) -> Any:
    try:
        _check_zip(path)
        return openpyxl.load_workbook(file, read_only=True, data_only=True, keep_links=False)
    except InputError:
        raise
    except Exception as error:  # zip and XML have a hundred ways of being broken, and openpyxl no error of its own
        raise fault(path.name, "file", "is no readable Excel file", "save it again as .xlsx or as CSV") from error


def _check_zip(path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        texts = next((item for item in archive.infolist() if item.filename.endswith("sharedStrings.xml")), None)
        if texts and texts.file_size > MOST_SHARED_TEXT:
            raise fault(path.name, "file", "holds too much text for an Excel file", "save it as CSV")


def _sheet(path: Path, book: Any, name: str | None) -> Any:
    if not book.worksheets:
        raise fault(path.name, "file", "has no sheet", "save it again as .xlsx or as CSV")
    if name is None:
        return next((page for page in book.worksheets if page.sheet_state == "visible"), book.worksheets[0])
    if name not in book.sheetnames:
        raise fault(path.name, f"sheet {name}", "is not in the file", f"one of {', '.join(book.sheetnames)}")
    return book[name]


def _sheet_lines(page: Any, seen: list[int]) -> Iterator[Line]:
    try:
        for number, cells in enumerate(page.iter_rows(values_only=True), start=1):
            seen[0] = number
            yield Line(number, tuple(cells))
    except Exception:  # as in `_book`
        yield Line(seen[0] + 1, (), "the Excel file is damaged from here on", "save it again as .xlsx or as CSV")


def _without_tail(cells: tuple[Cell, ...]) -> tuple[Cell, ...]:
    end = len(cells)
    while end and not text_of(cells[end - 1]):
        end -= 1
    return cells[:end]


def _padded(lines: Iterator[Line], width: int) -> Iterator[Line]:
    """Rows as wide as the header: a sheet leaves out empty cells at the end."""
    for line in lines:
        cells = _without_tail(line.cells)
        if line.fault:
            yield line
        elif not cells:
            continue
        elif len(cells) > width:
            yield Line(line.number, cells, f"has {len(cells)} cells where the header has {width}", "give it a header")
        elif any(len(cell) > LONGEST_CELL for cell in cells if isinstance(cell, str)):
            yield Line(line.number, (), f"a cell is longer than {LONGEST_CELL:,} characters", "shorten it")
        else:
            yield Line(line.number, cells + (None,) * (width - len(cells)))
