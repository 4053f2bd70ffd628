"""What goes into reading a reply and what comes out: scales, the question asked, the Reading.

Only shapes live here. How words become values: `reader.py`; what each field means to staff: docs/reading.md.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Scale(StrEnum):
    """The scale that was asked; a greater number is always better."""

    FIVE = "1-5"
    ZERO_TO_TEN = "0-10"
    ONE_TO_TEN = "1-10"
    HUNDRED = "0-100"
    LEVEL5 = "level5"
    YESNO = "yesno"
    TEXT = "text"


class Intent(StrEnum):
    """What the customer wants; the order is that of precedence when several apply."""

    OPT_OUT = "opt_out"
    CALLBACK = "callback"
    WRONG_PERSON = "wrong_person"
    HELP = "help"
    SCORE = "score"
    COMMENT = "comment"
    UNCLEAR = "unclear"
    OPT_IN = "opt_in"


class Category(StrEnum):
    """What is said beyond the rating; a complaint decides over a suggestion, a suggestion over praise."""

    PRAISE = "praise"
    SUGGESTION = "suggestion"
    COMPLAINT = "complaint"


@dataclass(frozen=True, slots=True)
class Question:
    """The question that is open with this customer.

    `levels` are the words that were offered, best first. `alert_words` maps the name of a flag to the words of the
    program that raise it (R121: medical words in a hospital's replies); a flag named `emergency` makes a reply urgent.
    """

    scale: Scale
    language: str | None = None
    country: str | None = None
    opted_out: bool = False
    n_questions: int = 1
    levels: tuple[str, ...] = ()
    alert_words: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    survey_open: bool = True


@dataclass(frozen=True, slots=True)
class Reading:
    """What one reply was understood as, and why.

    `score` is on the asked scale (yes/no: 1/0), `answers` holds one score or None for each of several questions,
    `points` are 0-100, `level` 1-5, `polarity` is how the text as a whole feels from -1 to 1. `category` is the
    decisive one of `categories`. `needs_person`: a person should look before anything is booked on it.
    """

    intent: Intent
    kind: str | None = None
    score: float | int | None = None
    answers: tuple[float | int | None, ...] | None = None
    points: int | None = None
    level: int | None = None
    polarity: float = 0.0
    category: Category | None = None
    categories: tuple[Category, ...] = ()
    confidence: float = 0.0
    needs_person: bool = False
    urgent: bool = False
    flags: tuple[str, ...] = ()
    because: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, object]:
        """The JSON of `huifang parse`: `answers` and `flags` only where there are any."""
        out: dict[str, object] = {"intent": self.intent.value, "kind": self.kind, "score": self.score}
        if self.answers is not None:
            out["answers"] = list(self.answers)
        out |= {
            "points": self.points,
            "level": self.level,
            "polarity": self.polarity,
            "category": self.category.value if self.category else None,
            "categories": [category.value for category in self.categories],
            "confidence": self.confidence,
            "needs_person": self.needs_person,
            "urgent": self.urgent,
        }
        if self.flags:
            out["flags"] = list(self.flags)
        out["because"] = list(self.because)
        return out
