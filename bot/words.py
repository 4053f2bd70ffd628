"""Our own words in English and Chinese: `bot/text/<language>.json`, times, spans, and reasons of the trail.

Pages are said in them, and the reasons in notices to staff; what customers read stands in `messages/text`.

Keys are `section.name`. A key with `.one` and `.many` is chosen by number. Reasons are written in English by the
journey; a catalogue may hold patterns (`"by {name}": "由{name}"`) that say them in its own language.
"""

import json
import re
from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta
from functools import cache
from importlib import resources
from zoneinfo import ZoneInfo

from markupsafe import Markup

LANGUAGES = ("en", "zh")
Naming = Callable[[str, str], str]
"""(`event` or `flow`, its id) -> what people call it."""
_OFFSET = re.compile(r"^-?(\d+)(min|wd|mo|hy|h|d|w|q|y)$")
_HOUR = 3600


@cache
def catalogue(language: str) -> Mapping[str, str]:
    """Key -> words, without the patterns of reasons."""
    return {key: value for key, value in _read(language).items() if not _is_reason(key)}


@cache
def _read(language: str) -> Mapping[str, str]:
    text = resources.files("bot").joinpath("text", f"{language}.json").read_text(encoding="utf-8")
    return {
        f"{section}.{name}": words for section, entries in json.loads(text).items() for name, words in entries.items()
    }


@cache
def _reasons(language: str) -> tuple[tuple[re.Pattern[str], str], ...]:
    """Patterns of reasons beside what they say in this language; those with most words of their own come first."""
    patterns = {key.removeprefix("because."): words for key, words in _read(language).items() if _is_reason(key)}
    own_words = {pattern: len(re.sub(r"{\w+}", "", pattern)) for pattern in patterns}
    return tuple(
        (re.compile(_PLACEHOLDER.sub(_group, re.escape(pattern)), re.DOTALL), patterns[pattern])
        for pattern in sorted(patterns, key=lambda pattern: -own_words[pattern])
    )


def _is_reason(key: str) -> bool:
    return key.startswith("because.")


_PLACEHOLDER = re.compile(r"\\\{(\w+)\\\}")
_ID = r"[a-z_0-9]+"
_STANDS_FOR: Mapping[str, str] = {
    "n": r"\d+%?",
    "score": r"[\d.]+",
    "offset": r"-?\d+[a-z]+",
    "scale": r"\S+",
    "w": r"[^,]+",
    "x": r"(?:(?!; ).)+?",
    **dict.fromkeys(("event", "flow", "role", "role2", "class", "topic"), _ID),
}
"""What may stand for a placeholder of a reason: ids, numbers and offsets have no blanks; all others are free."""


def _group(match: re.Match[str]) -> str:
    return f"(?P<{match[1]}>{_STANDS_FOR.get(match[1], '.+?')})"


class Words:
    """Everything that is said on one page, or in one notice, in one language."""

    def __init__(self, language: str) -> None:
        self.language = language if language in LANGUAGES else LANGUAGES[0]
        self._words = catalogue(self.language)

    def __call__(self, key: str, **values: object) -> str:
        """The words of a key; KeyError when the catalogue lacks it."""
        text = self._words[key]
        return text.format(**values) if values else text

    def count(self, key: str, number: int, **values: object) -> str:
        """The words of a key for so many."""
        return self(f"{key}.{'one' if number == 1 else 'many'}", n=number, **values)

    def html(self, key: str, **values: object) -> Markup:
        """The words of a key with pieces of markup in them; everything else is escaped."""
        return Markup(self._words[key]).format(**values)  # noqa: S704 - the catalogue is ours, values are escaped

    def name(self, section: str, word: str) -> str:
        """What a code word of programs is called (roles, classes, kinds); unknown ones speak for themselves."""
        return self._words.get(f"{section}.{word}", word.replace("_", " "))

    # ----- times

    def moment(self, instant: datetime, zone: str) -> str:
        """Mon 28 Sep, 14:05"""
        local = instant.astimezone(ZoneInfo(zone))
        return f"{self.day(local.date())} {local:%H:%M}"

    def clock(self, instant: datetime, zone: str) -> str:
        """14:05"""
        return f"{instant.astimezone(ZoneInfo(zone)):%H:%M}"

    def day(self, day: date) -> str:
        """Mon 28 Sep"""
        weekday = self(f"weekday.{day.weekday()}")
        month = self(f"month.{day.month}")
        return self("time.day", weekday=weekday, month=month, day=day.day)

    def full_day(self, day: date) -> str:
        """Mon 28 Sep 2026"""
        weekday, month = self(f"weekday.{day.weekday()}"), self(f"month.{day.month}")
        return self("time.full_day", weekday=weekday, month=month, day=day.day, year=day.year)

    def span(self, span: timedelta) -> str:
        """3 h 20 min: the two largest units of a length of time."""
        seconds = int(abs(span).total_seconds())
        if seconds < 60:
            return self("time.moment")
        if seconds < _HOUR:
            return self("time.minutes", n=seconds // 60)
        if seconds < 48 * _HOUR:
            hours, minutes = seconds // _HOUR, seconds % _HOUR // 60
            parts = [self("time.hours", n=hours)] + ([self("time.minutes", n=minutes)] if minutes else [])
        else:
            days, hours = seconds // (24 * _HOUR), seconds % (24 * _HOUR) // _HOUR
            parts = [self.count("time.days", days)] + ([self("time.hours", n=hours)] if hours else [])
        return " ".join(parts)

    def offset(self, text: str) -> str:
        """An offset of a program (7d, 1mo) in words."""
        match = _OFFSET.match(text)
        return self.count(f"offset.{match[2]}", int(match[1])) if match else text

    # ----- reasons

    def because(self, text: str, naming: Naming | None = None) -> str:
        """A reason of the trail in this language; what no pattern knows stays as it is. `naming`: events and flows."""
        whole = self._reason(text, naming)
        if whole is not None:
            return whole
        parts = [self._reason(part, naming) or self._listed(part, naming) for part in text.split("; ")]
        return self("time.and_so").join(parts)

    def _listed(self, text: str, naming: Naming | None) -> str:
        """Reasons with commas between, as a reading gives them; those that no pattern knows stay as they are."""
        parts = [(part, self._reason(part, naming)) for part in text.split(", ")]
        if all(found is None for _, found in parts):
            return text
        return self("time.list").join(found or part for part, found in parts)

    def _reason(self, text: str, naming: Naming | None) -> str | None:
        for pattern, words in _reasons(self.language):
            match = pattern.fullmatch(text)
            if match:
                values = {name: self._piece(name, value, naming) for name, value in match.groupdict().items()}
                return words.format(**values)
        return None

    def _piece(self, name: str, value: str, naming: Naming | None) -> str:
        match name.rstrip("2"):
            case "reason":
                return self.because(value, naming)
            case "offset":
                return self.offset(value)
            case "festivals":
                return self("time.list").join(self.name("festival", each) for each in value.split(", "))
            case "kinds":
                return self("time.list").join(self.name("task_kind", each) for each in value.split(", "))
            case "event" | "flow" as kind if naming is not None:
                return naming(kind, value)
            case "role" | "class" | "flow" | "topic" as kind:
                return self.name(kind, value)
        return value


@cache
def words_in(language: str) -> Words:
    return Words(language)
