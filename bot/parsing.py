"""One line of `huifang parse`: a JSON object -> the Reading as JSON (DESIGN 9)."""

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
