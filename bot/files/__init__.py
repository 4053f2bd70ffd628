"""Customers and events from CSV and XLSX files: `huifang import`.

`tables.py` reads any file as lines, `rows.py` makes customers and events of them, intake keeps them; here they are
brought together, batch by batch, so that a file of any length needs the same memory. What is refused stands in a file
beside the input; the same file twice changes nothing.
"""

from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from bot.clock import SystemClock
from bot.files import headings
from bot.files.mapping import Mapping, NewCustomer, read_mapping
from bot.files.rejects import Rejects
from bot.files.rows import Columns, CustomerRows, EventRows, Refused
from bot.files.tables import Line, Table, open_table
from bot.journey import enrolment, intake
from bot.journey.enrolment import CustomerIn, Result
from bot.journey.intake import EventIn
from bot.runtime import Runtime

Row = TypeVar("Row", CustomerIn, EventIn)
Progress = Callable[[int, int], None]
SAME_SHOWN = 5
KEYS_REMEMBERED = 200_000
"""Customers of a file of events that are not asked about again."""


@dataclass
class ImportReport:
    """What became of a file. `place` says what was read and how, `unused` which columns served nothing."""

    file: str
    place: str
    unused: tuple[str, ...] = ()
    new: int = 0
    changed: int = 0
    known: int = 0
    refused: int = 0
    customers_new: int = 0
    in_no_program: int = 0
    same_customer: int = 0
    same_lines: tuple[int, ...] = ()
    """The first lines whose customer an earlier line had brought."""
    rejects_file: Path | None = None
    seconds: float = 0.0

    @property
    def rows(self) -> int:
        return self.new + self.changed + self.known + self.refused

    def count(self, result: Result) -> None:
        setattr(self, result.verdict, getattr(self, result.verdict) + 1)

    def note_same(self, line: int) -> None:
        self.same_customer += 1
        self.same_lines = (*self.same_lines, line)[:SAME_SHOWN]

    def summary(self) -> str:
        """What a user wants to read afterwards."""
        lines = [f"{self.file} ({self.place}): {self.rows:,} rows in {self.seconds:.1f} s"]
        lines.append(f"  new {self.new:,}, changed {self.changed:,}, known {self.known:,}, refused {self.refused:,}")
        if self.customers_new:
            lines.append(f"  customers made: {self.customers_new:,}")
        if self.same_customer:
            lines.append(
                f"  {self.same_customer:,} of a customer of an earlier line (same phone or id), and won: {self._same()}"
            )
        if self.in_no_program:
            remedy = "add a column `program`, or `program:` in a mapping file"
            lines.append(f"  in no program, until an event of one comes: {self.in_no_program:,} -> {remedy}")
        if not self.rows:
            lines.append("  there are no rows below the header")
        if self.unused:
            lines.append(f"  columns not used: {', '.join(self.unused)}")
        if self.rejects_file:
            lines.append(f"  refused rows, with the reason of each: {self.rejects_file}")
        return "\n".join(lines)

    def _same(self) -> str:
        more = ", ..." if self.same_customer > len(self.same_lines) else ""
        return f"lines {', '.join(map(str, self.same_lines))}{more}"


class _Met:
    """Which customers a file has brought: a bit for each id."""

    def __init__(self) -> None:
        self._bits = bytearray()

    def again(self, customer_id: int) -> bool:
        """Whether this one was there before."""
        place, bit = customer_id >> 3, 1 << (customer_id & 7)
        if place >= len(self._bits):
            self._bits.extend(bytes(place + 1 - len(self._bits) + 1024))
        there = bool(self._bits[place] & bit)
        self._bits[place] |= bit
        return there


def import_customers(
    runtime: Runtime,
    path: Path,
    *,
    mapping: Path | None = None,
    source: str | None = None,
    rejects: Path | None = None,
    progress: Progress | None = None,
) -> ImportReport:
    """Import a file of customers; the same phone is the same customer, whatever the file calls them.

    `source`: under which name the ids are unique (default: the mapping's, else the file's name). `progress`: called
    with (done, total). InputError: the file, or its header, is of no use.
    """
    told = read_mapping(mapping)
    name = source or told.source or path.stem
    with _open(path, told) as table:
        if told.create_customers:
            made = _Made(EventRows(table, told, runtime.shelf.in_force), told.create_customers)
            columns, read = made.columns, made.read
        else:
            rows = CustomerRows(table, told, runtime.shelf.in_force)
            columns, read = rows.columns, rows.read

        met = _Met()

        def keep(batch: Sequence[tuple[Line, CustomerIn]], report: ImportReport) -> list[Result]:
            results = enrolment.accept_customers(runtime, name, [row for _, row in batch])
            for (line, row), result in zip(batch, results, strict=True):
                report.in_no_program += result.verdict == "new" and not enrolment.programs_of(runtime, row)
                if result.verdict != "refused" and met.again(result.row_id):
                    report.note_same(line.number)
            return results

        return _take(table, columns, read, keep, rejects or _beside(path), progress)


def import_events(
    runtime: Runtime,
    path: Path,
    *,
    mapping: Path | None = None,
    source: str | None = None,
    rejects: Path | None = None,
    progress: Progress | None = None,
) -> ImportReport:
    """Import a file of events and plan what they call for; arguments and errors as in `import_customers`.

    Rows without an id get one made of their content. `create_customers` in the mapping makes the customers, too.
    """
    told = read_mapping(mapping)
    name = source or told.source or path.stem
    asked: set[str] = set()
    with _open(path, told) as table:
        rows = EventRows(table, told, runtime.shelf.in_force)

        def keep(batch: Sequence[tuple[Line, EventIn]], report: ImportReport) -> list[Result]:
            refused: dict[str, Result] = {}
            if told.create_customers:
                made = _customers_of(rows, batch, told.create_customers, asked, refused)
                for result in enrolment.accept_customers(runtime, name, made):
                    report.customers_new += result.verdict == "new"
                    if result.verdict == "refused":
                        refused[result.id] = result
            good = iter(intake.accept_events(runtime, name, [row for _, row in batch if row.customer not in refused]))
            return [refused[row.customer] if row.customer in refused else next(good) for _, row in batch]

        return _take(table, rows.columns, rows.read, keep, rejects or _beside(path), progress)


def _customers_of(
    rows: EventRows,
    batch: Sequence[tuple[Line, EventIn]],
    pattern: NewCustomer,
    asked: set[str],
    refused: dict[str, Result],
) -> list[CustomerIn]:
    """The customers of a batch who were not brought by an earlier one."""
    made: dict[str, CustomerIn] = {}
    for line, row in batch:
        if row.customer in asked or row.customer in made:
            continue
        try:
            made[row.customer] = rows.customer_of(line, row, pattern)
        except Refused as error:
            refused[row.customer] = Result(row.customer, "refused", faults=error.faults)
    if len(asked) > KEYS_REMEMBERED:
        asked.clear()
    asked.update(made)
    return list(made.values())


class _Made:
    """A file of events read for its customers only."""

    def __init__(self, rows: EventRows, pattern: NewCustomer) -> None:
        self._rows, self._pattern = rows, pattern
        self.columns: Columns = rows.columns

    def read(self, line: Line) -> CustomerIn:
        return self._rows.customer_of(line, self._rows.read(line), self._pattern)


def _open(path: Path, told: Mapping) -> Any:
    mapped = {headings.plain(column.column) for column in told.fields.values() if column.column}

    def is_header(cells: Sequence[str]) -> bool:
        return headings.is_known(cells) or any(headings.plain(cell) in mapped for cell in cells)

    return open_table(path, is_header, encoding=told.encoding, delimiter=told.delimiter, sheet=told.sheet)


def _beside(path: Path) -> Path:
    return path.with_name(f"{path.name}.rejects.csv")


def _take(
    table: Table,
    columns: Columns,
    read: Callable[[Line], Row],
    keep: Callable[[Sequence[tuple[Line, Row]], ImportReport], list[Result]],
    rejects_file: Path,
    progress: Progress | None,
) -> ImportReport:
    """Read, keep and count, one batch after the other."""
    clock = SystemClock()
    began = clock.monotonic()
    report = ImportReport(table.file, table.place, columns.unused())
    with closing(_batches(table.lines)) as batches, Rejects(rejects_file, table.header) as rejects:
        for lines in batches:
            good: list[tuple[Line, Row]] = []
            bad: dict[int, tuple[Line, Sequence[Any]]] = {}
            for line in lines:
                try:
                    good.append((line, read(_readable(line))))
                except Refused as error:
                    bad[line.number] = (line, error.faults)
            for (line, _), result in zip(good, keep(good, report), strict=True):
                if result.verdict == "refused":
                    bad[line.number] = (line, [_in_their_words(fault, columns) for fault in result.faults])
                else:
                    report.count(result)
            for number in sorted(bad):
                line, faults = bad[number]
                rejects.add(number, line.cells, faults)
            if progress:
                progress(table.done(), table.total)
        report.refused, report.rejects_file = rejects.count, rejects.written
    report.seconds = clock.monotonic() - began
    return report


def _batches(lines: Iterable[Line]) -> Generator[list[Line]]:
    iterator = iter(lines)
    while batch := list(islice(iterator, enrolment.BATCH)):
        yield batch


def _readable(line: Line) -> Line:
    if line.fault:
        raise Refused([{"field": "", "reason": line.fault, "remedy": line.remedy}])
    return line


def _in_their_words(fault: Any, columns: Columns) -> dict[str, str]:
    return {**fault, "field": columns.header_of(fault.get("field", ""))}
