"""What we do when Twilio says no: error code -> outcome, from the table `twilio_reactions.json`.

Twilio splits its codes now and then, so no code stands in the program: a code that is not in the table is judged by
its family (HTTP status, or "not delivered"). Who asks: twilio.py.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cache
from importlib.resources import files
from typing import Any

from bot.channels.contract import NotSent, Outcome, Refused, Sign, Unknown

_FILE = "twilio_reactions.json"
_NEEDED = ("4xx", "other", "callback")


class Deed(StrEnum):
    """What is done; the words of the table."""

    REFUSE = "refuse"
    SUPPRESS = "suppress"
    OPT_OUT = "opt_out"
    STOP = "stop"
    STOP_COUNTRY = "stop_country"
    REST = "rest"
    AGAIN = "again"
    TROUBLE = "trouble"
    DOUBT = "doubt"


_SIGNS = {
    Deed.STOP: Sign.STOP,
    Deed.STOP_COUNTRY: Sign.STOP_COUNTRY,
    Deed.REST: Sign.REST,
    Deed.TROUBLE: Sign.TROUBLE,
}
_NOTHING_WAS_SENT = frozenset({Deed.STOP, Deed.STOP_COUNTRY, Deed.REST, Deed.AGAIN})
_NEED_TIMES = frozenset({Deed.REST, Deed.AGAIN})
_ONCE_MENDED = (60.0,)
"""What failed by our own set-up waits for the paused sender, and is tried once more when a person has mended it."""


@dataclass(frozen=True)
class Reaction:
    """What to do about one code. `after`: seconds until the first, second ... new try."""

    deed: Deed
    because: str
    after: tuple[float, ...] = ()
    suppress_at_last: bool = False

    def as_answer(self) -> Outcome:
        """The outcome of a call that was answered so."""
        sign = _SIGNS.get(self.deed, Sign.FINE)
        if self.deed is Deed.DOUBT:
            return Unknown(self.because)
        if self.deed not in _NOTHING_WAS_SENT:
            return self.as_refusal()
        if not self.after:
            return NotSent(self.because, sign=sign)
        return NotSent(self.because, self.after[0], sign)

    def as_refusal(self) -> Refused:
        """What a later receipt with this code means: it has not arrived."""
        stops = self.deed in (Deed.STOP, Deed.STOP_COUNTRY)
        return Refused(
            self.because,
            suppress=self.deed is Deed.SUPPRESS,
            opted_out=self.deed is Deed.OPT_OUT,
            again_after=_ONCE_MENDED if stops else self.after,
            suppress_at_last=self.suppress_at_last,
            sign=_SIGNS.get(self.deed, Sign.FINE),
        )


@dataclass(frozen=True)
class Reactions:
    """The whole table. With a Messaging Service a code of `answers` may come by receipt, hence one asks the other."""

    answers: Mapping[int, Reaction]
    receipts: Mapping[int, Reaction]
    families: Mapping[str, Reaction]

    def to_answer(self, status: int, code: int) -> Reaction:
        """To a call answered with this HTTP status and error code; only a 4xx is ever sure that nothing was sent."""
        known = self.answers.get(code) or self.receipts.get(code) or self.families.get(str(status))
        if 400 <= status < 500:
            return _told(known or self.families["4xx"], code)
        return _told(known if known and known.deed is Deed.DOUBT else self.families["other"], code)

    def to_receipt(self, code: int) -> Reaction:
        """To a receipt that says failed or undelivered; code 0: it did not say why."""
        known = self.receipts.get(code) or self.answers.get(code)
        return _told(known or self.families["callback"], code)


def _told(reaction: Reaction, code: int) -> Reaction:
    """With the code in its words, for whoever looks it up."""
    return replace(reaction, because=f"{reaction.because} ({code})") if code else reaction


def parse_reactions(content: str) -> Reactions:
    """The table from JSON; ValueError names the entry and what is wrong with it."""
    table = json.loads(content)
    try:
        answers = {_code("answers", key): _reaction(f"answers {key}", row) for key, row in table["answers"].items()}
        receipts = {_code("receipts", key): _reaction(f"receipts {key}", row) for key, row in table["receipts"].items()}
        families = {key: _reaction(f"families {key}", row) for key, row in table["families"].items()}
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{_FILE}: answers, receipts and families are needed, each a table: {error}") from error
    if missing := [name for name in _NEEDED if name not in families]:
        raise ValueError(f"{_FILE}: families: {', '.join(missing)} is missing")
    return Reactions(answers, receipts, families)


@cache
def shipped_reactions() -> Reactions:
    """The table that comes with the package, read once."""
    return parse_reactions(files("bot.channels").joinpath(_FILE).read_text(encoding="utf-8"))


def _code(part: str, key: str) -> int:
    if not key.isdecimal():
        raise ValueError(f"{_FILE}: {part}: {key!r} is no error code")
    return int(key)


def _reaction(place: str, row: Mapping[str, Any]) -> Reaction:
    deed, means, after, then = row.get("do"), row.get("means"), row.get("after", []), row.get("then")
    unknown = set(row) - {"do", "means", "after", "then"}
    if unknown:
        raise ValueError(f"{_FILE}: {place}: {', '.join(sorted(unknown))} is not known here")
    if deed not in list(Deed):
        raise ValueError(f"{_FILE}: {place}: do is one of {', '.join(Deed)}, not {deed!r}")
    if not isinstance(means, str) or not means:
        raise ValueError(f"{_FILE}: {place}: means says in words what happened")
    if not isinstance(after, list) or not all(isinstance(each, int | float) and each > 0 for each in after):
        raise ValueError(f"{_FILE}: {place}: after is a list of seconds")
    if deed in _NEED_TIMES and not after:
        raise ValueError(f"{_FILE}: {place}: {deed} needs after")
    if then not in (None, "suppress"):
        raise ValueError(f"{_FILE}: {place}: then can only be suppress")
    return Reaction(Deed(deed), means, tuple(float(each) for each in after), then is not None)
