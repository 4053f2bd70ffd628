"""How figures are told: tables with aligned columns, shares as percent, a list of named figures. No reading here."""

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from messages.reading.values import Question, Reading

Row = Mapping[str, Any]
Reader = Callable[[str, Question], Reading]
Item = TypeVar("Item")
Key = TypeVar("Key", bound=Hashable)


class Report(Protocol):
    """What each kind of rows ends in."""

    def table(self) -> str:
        """The figures of each group, and of all."""
        ...

    def misses(self) -> str:
        """Every miss with its reasons, a line each; empty when all is right."""
        ...


def aligned(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table: the first column to the left, the others to the right."""
    lines = [heads, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(heads))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if not column else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in lines
    )


def named(figures: Mapping[str, float | int]) -> str:
    """A line for each figure: shares as percent, counts as they are."""
    width = max(len(name) for name in figures)
    return "\n".join(
        f"{name:{width}}  {figure:.1%}" if isinstance(figure, float) else f"{name:{width}}  {figure}"
        for name, figure in figures.items()
    )


def grouped(items: Iterable[Item], key: Callable[[Item], Key]) -> dict[Key, list[Item]]:
    """The items by their key, keys in order of appearance."""
    groups: dict[Key, list[Item]] = {}
    for item in items:
        groups.setdefault(key(item), []).append(item)
    return groups


def share(values: Iterable[bool]) -> float:
    """How many are true, 0 to 1; of nothing, all."""
    listed = list(values)
    return sum(listed) / len(listed) if listed else 1.0


def told(reading: Reading) -> str:
    """What was read and why, for the line of a miss."""
    score = "" if reading.score is None else f" {reading.score}"
    answers = "" if reading.answers is None else f" {list(reading.answers)}"
    category = f" {reading.category}" if reading.category else ""
    return f"{reading.intent}{score}{answers}{category} ({'; '.join(reading.because)})"
