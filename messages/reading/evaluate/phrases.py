"""Lists of phrases that all mean one thing or must not: keywords of each country, refusals, what only looks like one.

A line is `where | what is said | meaning`, or with a fourth column the state that the customer is in:

    en | lose my number | opt_out
    fr-FR fr-CA | OUI | opt_in | opted out
    zh | 停车很方便 | not opt_out

`where` is a language, or a language and a country; there may be several. The meaning is an intent, or `not` an intent.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from messages.reading.evaluate.tables import Reader, aligned, grouped, share, told
from messages.reading.reader import read
from messages.reading.values import Intent, Question, Reading, Scale


class State(StrEnum):
    """How things stand when the phrase comes in."""

    SURVEY = "survey"  # a 1-5 survey is open
    YESNO = "yes/no"  # a yes/no question is open
    NOTHING = "nothing open"
    OPTED_OUT = "opted out"  # and nothing is open
    OPTED_OUT_SURVEY = "opted out, survey"


@dataclass(frozen=True, slots=True)
class Want:
    """What a phrase must be read as, or must not."""

    intent: Intent
    denied: bool = False

    def __str__(self) -> str:
        return f"not {self.intent}" if self.denied else str(self.intent)

    def holds(self, reading: Reading) -> bool:
        return (reading.intent is self.intent) is not self.denied


@dataclass(frozen=True, slots=True)
class Phrase:
    """One line of a list."""

    where: str
    text: str
    want: Want
    state: State = State.SURVEY

    @property
    def question(self) -> Question:
        """What is open when it comes in."""
        language, _, country = self.where.partition("-")
        return Question(
            Scale.YESNO if self.state is State.YESNO else Scale.FIVE,
            language=language,
            country=country or None,
            opted_out=self.state in (State.OPTED_OUT, State.OPTED_OUT_SURVEY),
            survey_open=self.state in (State.SURVEY, State.YESNO, State.OPTED_OUT_SURVEY),
        )


def parse_phrases(line: str) -> tuple[Phrase, ...]:
    """One line of a list, a phrase for each place it names; ValueError says what is wrong with it."""
    cells = [cell.strip() for cell in line.split(" | ")]
    if len(cells) not in (3, 4) or not all(cells):
        raise ValueError("is not `where | what is said | meaning`")
    places, text, meaning = cells[:3]
    want = Want(Intent(meaning.removeprefix("not ")), denied=meaning.startswith("not "))
    state = State(cells[3]) if len(cells) == 4 else State.SURVEY
    return tuple(Phrase(where, text, want, state) for where in places.split())


def read_phrases(phrases: Iterable[Phrase], reader: Reader = read) -> "Phrases":
    """Read each phrase in the state that it comes in."""
    return Phrases(tuple((phrase, reader(phrase.text, phrase.question)) for phrase in phrases))


@dataclass(frozen=True, slots=True)
class Phrases:
    """Figures of a list of phrases."""

    read: tuple[tuple[Phrase, Reading], ...]

    @property
    def right(self) -> float:
        """The share that is read as it must be."""
        return share(phrase.want.holds(reading) for phrase, reading in self.read)

    def table(self) -> str:
        """A line for each meaning and place, and one for all."""
        groups = grouped(self.read, lambda pair: f"{pair[0].want} {pair[0].where}")
        lines = [_line(name, Phrases(tuple(group))) for name, group in sorted(groups.items())]
        return aligned(("meaning, where", "phrases", "right"), [*lines, _line("all", self)])

    def misses(self) -> str:
        return "\n".join(
            f"{phrase.where}: {phrase.text!r}: want {phrase.want}; got {told(reading)}"
            for phrase, reading in self.read
            if not phrase.want.holds(reading)
        )


def _line(name: str, part: Phrases) -> tuple[str, str, str]:
    return name, str(len(part.read)), f"{part.right:.1%}"
