"""The examples on the page "how a reply is read" are read as the page says."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from messages.reading import read
from tests.messages.reading.cases import Case, parse_case

PAGE = Path(__file__).parents[3] / "docs" / "reading.md"


def examples() -> Iterator[Case]:
    """The rows of the table of examples: `reply`, `another` | scale | what is expected | why."""
    table = PAGE.read_text(encoding="utf-8").partition("## Examples")[2].partition("\n## ")[0]
    for replies, scale, expected in re.findall(r"^\| (`.+`) \| (\S+) \| (.+?) \| .+ \|$", table, re.MULTILINE):
        for reply in re.findall(r"`([^`]+)`", replies):
            yield parse_case(f"{reply} | {scale} | {expected}", "en" if reply.isascii() else "zh")


@pytest.mark.parametrize("case", list(examples()), ids=lambda case: case.text)
def test_an_example_is_read_as_the_page_says(case: Case) -> None:
    reading = read(case.text, case.question)

    assert not case.miss(reading), reading.because


def test_the_page_has_examples() -> None:
    assert len(list(examples())) >= 40
