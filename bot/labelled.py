"""Files that `huifang evaluate` measures the reader on: JSON lines of four kinds, and lists of phrases.

Says what is wrong with a file in words: which line, which field. How the rows are judged: `messages/reading/evaluate/`.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, Field, ValidationError

from bot.errors import InputError
from messages.reading import Category, Intent, Scale
from messages.reading.evaluate import Phrase, parse_phrases


class Kind(StrEnum):
    """What the lines of a file are."""

    REPLIES = "replies"  # survey replies with what each should be read as
    REVIEWS = "reviews"  # texts that are positive or negative
    MESSAGES = "messages"  # ordinary messages that are neither a score nor an opt-out
    PHRASES = "phrases"  # `where | what is said | meaning`


@dataclass(frozen=True, slots=True)
class Labelled:
    """One file: its kind and its rows, checked."""

    kind: Kind
    rows: tuple[dict[str, Any], ...] = ()
    phrases: tuple[Phrase, ...] = ()

    def __len__(self) -> int:
        return len(self.rows) + len(self.phrases)


class _Expect(BaseModel):
    intent: Intent
    score: float | None = None
    category: Category | None = None
    urgent: bool = False
    range: tuple[float, float] | None = None
    answers: list[float | None] | None = None


class _Reply(BaseModel):
    text: str
    lang: str
    question_scale: Scale
    n_questions: int = Field(1, ge=1, le=100)
    expect: _Expect
    tag: str


class _Review(BaseModel):
    text: str
    label: Literal["positive", "negative", "neutral"]
    lang: str = ""
    source: str = ""
    script: str = ""


class _Message(BaseModel):
    text: str
    lang: str = ""
    source: str = ""


_SHAPES: dict[Kind, type[BaseModel]] = {Kind.REPLIES: _Reply, Kind.REVIEWS: _Review, Kind.MESSAGES: _Message}


def read_labelled(path: Path, kind: Kind | None = None) -> Labelled:
    """The rows of a file; without a kind its first line tells it. InputError names file, line and field."""
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except OSError as error:
        raise _unreadable(path, f"cannot be read: {error.strerror}", "check the path") from error
    except UnicodeDecodeError as error:
        raise _unreadable(path, "is not UTF-8", "save it as UTF-8") from error
    numbered = [(number, line) for number, line in enumerate(lines, start=1) if line.strip()]
    kind = kind or _kind_of(numbered)
    if kind is Kind.PHRASES:
        return Labelled(kind, phrases=tuple(_phrases(path, numbered)))
    return Labelled(kind, rows=tuple(_row(path, number, line, kind) for number, line in numbered))


def _kind_of(numbered: Sequence[tuple[int, str]]) -> Kind:
    """Told by the first line: no JSON is a list of phrases; replies have `expect`, reviews a `label`."""
    if not numbered or not numbered[0][1].lstrip().startswith("{"):
        return Kind.PHRASES
    first = numbered[0][1]
    return Kind.REPLIES if '"expect"' in first else Kind.REVIEWS if '"label"' in first else Kind.MESSAGES


def _row(path: Path, number: int, line: str, kind: Kind) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except ValueError as error:
        raise _fault(path, number, "is no JSON", "one object per line") from error
    try:
        _SHAPES[kind].model_validate(row)
    except ValidationError as error:
        raise InputError(
            [
                {
                    "file": str(path),
                    "field": ", ".join([f"line {number}", *(str(part) for part in item["loc"])]),
                    "reason": item["msg"],
                    "remedy": f"if these are no {kind}, say what they are with --kind",
                }
                for item in error.errors()
            ]
        ) from error
    assert isinstance(row, dict)
    return row


def _phrases(path: Path, numbered: Sequence[tuple[int, str]]) -> Iterator[Phrase]:
    for number, line in numbered:
        if not line.startswith("#"):
            try:
                yield from parse_phrases(line)
            except ValueError as error:
                raise _fault(path, number, str(error), "see docs/extend-words.md") from error


def _fault(path: Path, line: int, reason: str, remedy: str) -> InputError:
    return InputError([{"file": str(path), "field": f"line {line}", "reason": reason, "remedy": remedy}])


def _unreadable(path: Path, reason: str, remedy: str) -> InputError:
    return InputError([{"field": str(path), "reason": reason, "remedy": remedy}])
