"""Reads the tables of cases: `text | scale | what is expected`, in the words explained at their top."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from messages.reading import Question, Reading, Scale

HERE = Path(__file__).parent
CATEGORIES = {"praise", "suggestion", "complaint"}


@dataclass(frozen=True)
class Case:
    text: str
    question: Question
    intent: str
    low: float | None
    high: float | None
    answers: tuple[float | None, ...] | None
    category: str | None
    urgent: bool

    def miss(self, reading: Reading) -> str:
        """What is wrong with this reading, in words; empty when all is right."""
        wrong = []
        if reading.intent != self.intent:
            wrong.append(f"intent {reading.intent.value}")
        if reading.answers != self.answers:
            wrong.append(f"answers {reading.answers}")
        if (reading.score is None) != (self.low is None) or not self._holds(reading.score):
            wrong.append(f"score {reading.score}")
        if reading.category != self.category:
            wrong.append(f"category {reading.category}")
        if reading.urgent != self.urgent:
            wrong.append(f"urgent {reading.urgent}")
        return ", ".join(wrong)

    def _holds(self, score: float | None) -> bool:
        if score is None or self.low is None or self.high is None:
            return True
        return self.low <= score <= self.high


def cases(language: str) -> Iterator[Case]:
    for line in (HERE / f"cases_{language}.txt").read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            yield parse_case(line, language)


def parse_case(line: str, language: str) -> Case:
    text, scale, expected = line.rsplit(" | ", 2)
    intent, low, high, answers, category, urgent, questions = "", None, None, None, None, False, 1
    for word in expected.split():
        if word == "!":
            urgent = True
        elif word.startswith("n="):
            questions = int(word[2:])
        elif word.startswith("["):
            answers = tuple(float(value) for value in word.strip("[]").split(","))
        elif word in CATEGORIES:
            category = word
        elif re.fullmatch(r"[\d.]+", word):
            ends = word.split("..")
            low, high = float(ends[0]), float(ends[-1])
        else:
            intent = word
    question = Question(Scale(scale), language=language, n_questions=questions)
    return Case(text.replace("\\n", "\n"), question, intent, low, high, answers, category, urgent)
