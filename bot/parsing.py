"""One line of `huifang parse`: a JSON object -> the Reading as JSON (DESIGN 9)."""

import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bot.errors import InputError
from messages.reading import Question, Scale, read


class ParseLine(BaseModel):
    """What is asked: the reply and the question it answers. Fields that only label the line are ignored."""

    model_config = ConfigDict(extra="ignore")

    text: str
    scale: Scale = Scale.FIVE
    lang: str | None = None
    country: str | None = None
    opted_out: bool = False
    n_questions: int = Field(1, ge=1, le=100)
    levels: tuple[str, ...] = ()


def parse_line(value: Any, number: int = 1) -> dict[str, object]:
    """The reading of one line; InputError names the line and field."""
    try:
        line = ParseLine.model_validate(value)
    except ValidationError as error:
        raise InputError(
            [
                {
                    "field": f"line {number}, {'.'.join(str(part) for part in item['loc'])}",
                    "reason": item["msg"],
                    "remedy": "",
                }
                for item in error.errors()
            ]
        ) from error
    question = Question(
        scale=line.scale,
        language=line.lang,
        country=line.country,
        opted_out=line.opted_out,
        n_questions=line.n_questions,
        levels=line.levels,
    )
    return read(line.text, question).as_dict()


def labelled_rows(path: Path) -> list[dict[str, Any]]:
    """The rows of a file of labelled replies; InputError names the line and what is missing."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise _fault(str(path), "cannot be read as UTF-8", "check the path") from error
    rows = []
    for number, line in enumerate(lines, start=1):
        try:
            row = json.loads(line)
            missing = {"text", "lang", "question_scale", "expect", "tag"} - set(row)
        except (ValueError, TypeError) as error:
            raise _fault(f"line {number}", "is no JSON object", "mend it") from error
        if missing:
            raise _fault(f"line {number}", f"has no {', '.join(sorted(missing))}", "add it")
        rows.append(row)
    return rows


def _fault(field: str, reason: str, remedy: str) -> InputError:
    return InputError([{"field": field, "reason": reason, "remedy": remedy}])
