"""When does the customer want it? "at 5", "after 6pm", "tomorrow morning", "明天下午三点", "半小时后".

`moment_in` finds one day and time in words that ask for a call or for peace until later; `shift_in` finds by how much
they move what is planned. Neither decides that somebody asks for anything (`reader.py`), nor whether anybody may call
then (flows/appointment.py). The words for days and parts of a day are data: words/moments.yaml.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import cache
from typing import Any

from messages.reading.lexicon import load, words_of
from messages.reading.normalise import message
from messages.reading.numerals import worth

DAY = timedelta(days=1)
FIRST_HOUR = 8
"""A bare "at 5" is five in the afternoon: hours before this one are meant for after noon."""
FURTHEST = timedelta(days=60)
"""A date further away is no wish for a call."""


@dataclass(frozen=True, slots=True)
class Moment:
    """A day, and the local times between which it should be; `words` are the customer's own."""

    day: date
    start: time | None
    end: time | None
    words: str


@dataclass(frozen=True, slots=True)
class _Language:
    """The words of one language, as patterns."""

    days: Mapping[str, int]
    parts: Mapping[str, tuple[time, time]]
    weekdays: Mapping[str, int]
    day: re.Pattern[str]
    part: re.Pattern[str]


def moment_in(text: str, now: datetime) -> Moment | None:
    """The first moment that a text names, counted from the customer's local `now`; None: it names none.

    A time that has passed today means tomorrow; a day that has passed, or lies too far ahead, is none. Never raises.
    """
    said = message(text)
    found = _in_chinese(said.han, now) if said.han else None
    return found or _in_english(said.latin, now)


def shift_in(text: str) -> timedelta | None:
    """By how much a text moves what is planned: "推迟一天", "two hours earlier"; None: it names no such time."""
    said = message(text)
    shifts = (_ZH_SHIFT.search(said.han), *_EN_SHIFT.finditer(said.latin))
    found = next((each for each in shifts if each and (each["move"] or each["so"])), None)
    if found is None:
        return None
    count = 0.5 if found["count"] == "半" else _COUNTS.get(found["count"]) or worth(found["count"])
    sign = -1 if _EARLIER.search(found.group()) else 1
    return None if count is None else sign * count * _UNITS[found["unit"].rstrip("s")]


# ----- Chinese

_HAN = "一二两三四五六七八九十"
_ZH_CLOCK = re.compile(
    rf"(?<![\d.])(?P<hour>\d{{1,2}}|[{_HAN}]{{1,3}})"
    rf"(?:[点时](?:钟|整)?(?P<minute>半|[一三13]刻|\d{{1,2}}分?|[{_HAN}]{{1,3}}分?)?(?!钟头|间)|:(?P<exact>[0-5]\d))"
)
_ZH_AFTER = re.compile(r"(?:钟|整)?(?:以后|之后|过后|后|起|开始)")
_ZH_BEFORE = re.compile(r"(?:钟|整)?(?:以前|之前|前)")
_ZH_IN = re.compile(
    rf"(?P<count>半|\d{{1,3}}|[{_HAN}]{{1,3}}|几)(?P<half>个半)?个?(?P<unit>小时|钟头|分钟|天)(?P<too>半)?(?:以后|之后|后|再)"
    rf"|(?:过|等我?|再等)(?P<count2>半|\d{{1,3}}|[{_HAN}]{{1,3}}|几)个?(?P<unit2>小时|钟头|分钟|天)"
)
_ZH_WEEKDAY = re.compile(r"(?P<next>下)?个?(?:这|本)?个?(?:周|星期|礼拜)(?P<day>[一二三四五六日天末])(?!五)")
_ZH_NEXT_WEEK = re.compile(r"下个?(?:周|星期|礼拜)")
_ZH_DATE = re.compile(r"(?:(?P<month>\d{1,2})月)?(?P<day>\d{1,2})[号日](?!楼|店|房|线|床|桌|门|院|机)")
_ZH_SHIFT = re.compile(
    r"(?P<move>推迟|延迟|延后|推后|往后(?:推|延|挪|移|顺延)?|顺延|晚|提前|提早|往前(?:挪|移|提)?)个?"
    rf"(?P<count>半|\d{{1,2}}|[{_HAN}]{{1,2}})个?(?P<unit>小时|钟头|分钟|天|日|周|星期|礼拜)"
    r"(?!以?后|之后|了|[^,。!?]{0,2}(?:通知|告诉|说|打|联系|提醒|约))(?P<so>)"
)
_MINUTES = {"半": 30, "一刻": 15, "1刻": 15, "三刻": 45, "3刻": 45}


def _in_chinese(text: str, now: datetime) -> Moment | None:
    words = _language("zh")
    later = _ZH_IN.search(text)
    if later:
        count, unit = later["count"] or later["count2"], later["unit"] or later["unit2"]
        amount = 0.5 if count == "半" else 3 if count == "几" else worth(count)
        if amount is not None:
            return _after(now, amount + 0.5 * bool(later["half"] or later["too"]), unit, later.group())
    day, said = _zh_day(text, now, words)
    part = words.part.search(text)
    clock = _ZH_CLOCK.search(text)
    at = _zh_clock(clock, words.parts[part.group()] if part else None) if clock else None
    if at is not None and clock is not None:
        said += (part.group() if part and part.group() not in said else "") + clock.group()
        after, before = _ZH_AFTER.match(text, clock.end()), _ZH_BEFORE.match(text, clock.end())
        return _named(now, day, at, said, after=bool(after), before=bool(before))
    until = part is not None and _ZH_BEFORE.match(text, part.end()) is not None
    return _part_of_day(now, day, part, words, said, before=until)


def _zh_clock(clock: re.Match[str], part: tuple[time, time] | None) -> time | None:
    hour, minute = worth(clock["hour"]), clock["minute"]
    minutes: float | None = int(clock["exact"]) if clock["exact"] else 0
    if minute:
        minutes = _MINUTES.get(minute) or worth(minute.rstrip("分"))
    return _clock(hour, minutes, part, exact=bool(clock["exact"]))


def _zh_day(text: str, now: datetime, words: _Language) -> tuple[date | None, str]:
    today = now.date()
    named = words.day.search(text)
    if named:
        return today + words.days[named.group()] * DAY, named.group()
    weekday = _ZH_WEEKDAY.search(text)
    if weekday:
        return _weekday(today, words.weekdays[weekday["day"]], next_week=bool(weekday["next"])), weekday.group()
    week = _ZH_NEXT_WEEK.search(text)
    if week:
        return _weekday(today, 0, next_week=True), week.group()
    dated = _ZH_DATE.search(text)
    if dated:
        return _date(today, dated["month"], dated["day"]), dated.group()
    return None, ""


# ----- English

_EN_HOUR = (
    r"(?:(?P<half_past>half past|half|quarter past|quarter to) )?"
    r"(?P<hour>\d{1,2}|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve)"
    r"(?:[:.](?P<minute>[0-5]\d))?(?P<ish>ish)? ?(?P<noon>am|pm|a\.m|p\.m|oclock)?"
)
_EN_CLOCK = re.compile(
    rf"\b(?P<cue>any ?time after|after|from|past|before|by|until|till|til|between|at|around|about|@) ?{_EN_HOUR}"
    r"(?![a-z\d]|[:.]\d| (?:min|minute|hour|day|week|month|year|time|star|people|pm|am))"
)
_EN_BARE = re.compile(
    r"(?<![\d:.])(?P<cue>)(?P<half_past>)(?P<hour>\d{1,2})(?:[:.](?P<minute>[0-5]\d))?(?P<ish>) ?"
    r"(?P<noon>am|pm|a\.m|p\.m|oclock)(?![a-z])|(?<![\d:.])(?P<hour24>[01]?\d|2[0-3]):(?P<minute24>[0-5]\d)(?![\d:])"
)
_EN_BEFORE = re.compile(r"\b(?:before|by) (?:the )?$")
_EN_IN = re.compile(
    r"\b(?:in|after|give me|for another|for) (?:about |another )?(?P<half>half )?"
    r"(?P<count>an?|\d{1,3}|one|two|three|four|five|six|ten|twenty|thirty|a couple of|a few)? ?"
    r"(?P<unit>min|mins|minute|minutes|hour|hours|hr|hrs|day|days)\b"
)
_EN_WEEKDAY = re.compile(
    r"\b(?P<next>next )?(?P<day>mon(?:day)?|tues?(?:day)?|wed(?:nesday)?|thu(?:rs?)?(?:day)?|fri(?:day)?"
    r"|satur(?:day)|sat|sunday|weekend)\b"
)
_EN_NEXT_WEEK = re.compile(r"\bnext week\b")
_EN_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH = rf"(?P<month>{'|'.join(_EN_MONTHS)})[a-z]*"
_EN_DATE = re.compile(rf"\b(?:on )?(?:the )?(?P<day>\d{{1,2}})(?:st|nd|rd|th)?(?: of)? {_MONTH}\b")
_EN_DATE_US = re.compile(rf"\b{_MONTH} (?P<day>\d{{1,2}})(?:st|nd|rd|th)?\b(?! ?(?:am|pm|oclock)|:)")
_EN_THE_DAY = re.compile(r"\b(?:on )?the (?P<day>\d{1,2})(?:st|nd|rd|th)\b")
_EN_SHIFT = re.compile(
    r"(?:\b(?P<move>(?:postpone|delay|push|move|bring)(?: (?:it|this|that|the (?:visit|appointment|meeting)))?"
    r"(?: (?:back|forward|on))?(?: by)?) )?"
    r"\b(?P<count>an?|one|two|three|four|five|six|a couple of|half an|\d{1,2}) (?P<unit>minutes?|hours?|days?|weeks?)"
    r"(?P<so> later| earlier)?\b"
)
_EARLIER = re.compile(r"提前|提早|往前|\bearlier|\bbring|\bforward")
_HOUR = timedelta(hours=1)
_UNITS = {"分钟": _HOUR / 60, "minute": _HOUR / 60, "hour": _HOUR, "day": DAY, "week": 7 * DAY}
_UNITS |= dict.fromkeys(("小时", "钟头"), _HOUR) | dict.fromkeys(("天", "日"), DAY)
_UNITS |= dict.fromkeys(("周", "星期", "礼拜"), 7 * DAY)
_COUNTS = {"half an": 0.5, "a": 1.0, "an": 1.0, "a couple of": 2.0, "a few": 3.0, "twenty": 20.0, "thirty": 30.0}
_HOURS = {"eleven": 11.0, "twelve": 12.0}
_FROM, _UNTIL = ("after", "from", "past"), ("before", "by", "until", "till", "til")


def _in_english(text: str, now: datetime) -> Moment | None:
    words = _language("en")
    later = _EN_IN.search(text)
    if later and (later["count"] or later["half"]):
        count = later["count"]
        amount = 1.0 if count is None else _COUNTS.get(count) or worth(count)
        if amount is not None:
            return _after(now, 0.5 if later["half"] else amount, later["unit"], later.group())
    day, said = _en_day(text, now, words)
    part = words.part.search(text)
    clock = _EN_CLOCK.search(text) or _EN_BARE.search(text)
    at = _en_clock(clock, words.parts[_spaced(part.group())] if part else None) if clock else None
    if at is not None and clock is not None:
        cue = clock["cue"] or ""
        said = f"{said} {clock.group()}".strip()
        return _named(now, day, at, said, after=cue.endswith(_FROM), before=cue in _UNTIL)
    before = part is not None and _EN_BEFORE.search(text, 0, part.start()) is not None
    return _part_of_day(now, day, part, words, said, before=before)


def _en_clock(clock: re.Match[str], part: tuple[time, time] | None) -> time | None:
    groups = clock.groupdict()
    if groups.get("hour24"):
        return _clock(float(groups["hour24"]), float(groups["minute24"]), part, exact=True)
    hour = _HOURS.get(clock["hour"]) or worth(clock["hour"])
    minutes = float(clock["minute"] or 0)
    match clock["half_past"]:
        case "half past" | "half":
            minutes = 30
        case "quarter past":
            minutes = 15
        case "quarter to" if hour is not None:
            hour, minutes = hour - 1, 45
        case _:
            pass
    noon = (clock["noon"] or "")[:1]
    if hour is not None and noon in ("a", "p"):
        if not 1 <= hour <= 12:
            return None
        return time(int(hour) % 12 + (12 if noon == "p" else 0), int(minutes))
    return _clock(hour, minutes, part)


def _en_day(text: str, now: datetime, words: _Language) -> tuple[date | None, str]:
    today = now.date()
    named = words.day.search(text)
    if named:
        return today + words.days[_spaced(named.group())] * DAY, named.group()
    weekday = _EN_WEEKDAY.search(text)
    if weekday:
        return _weekday(today, words.weekdays[weekday["day"]], next_week=bool(weekday["next"])), weekday.group()
    week = _EN_NEXT_WEEK.search(text)
    if week:
        return _weekday(today, 0, next_week=True), week.group()
    dated = _EN_DATE.search(text) or _EN_DATE_US.search(text)
    if dated:
        return _date(today, str(_EN_MONTHS.index(dated["month"]) + 1), dated["day"]), dated.group()
    of_month = _EN_THE_DAY.search(text)
    if of_month:
        return _date(today, None, of_month["day"]), of_month.group()
    return None, ""


# ----- what both share


@cache
def _language(language: str) -> _Language:
    known: Mapping[str, Any] = load("moments")[language]
    days = {_spaced(word.replace("_", " ")): int(count) for word, count in known["days"].items()}
    parts = {word: _span(span) for words, span in known["parts"].items() for word in words_of(words)}
    return _Language(days, parts, known["weekdays"], _any_of(days, language), _any_of(parts, language))


def _span(text: str) -> tuple[time, time]:
    start, _, end = text.partition("-")
    return time.fromisoformat(start), time.fromisoformat(end)


def _any_of(words: Mapping[str, object], language: str) -> re.Pattern[str]:
    """Any of these words, the longest first."""
    found = "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True))
    return re.compile(found if language == "zh" else rf"\b(?:{found})\b")


def _spaced(words: str) -> str:
    return " ".join(words.split())


def _clock(
    hour: float | None, minutes: float | None, part: tuple[time, time] | None, *, exact: bool = False
) -> time | None:
    """A time of day; a bare hour is taken as people mean it when they speak of a call."""
    if hour is None or minutes is None or not (0 <= hour <= 24 and 0 <= minutes <= 59):
        return None
    after_noon = part[0].hour >= 12 if part is not None else not exact and 1 <= hour < FIRST_HOUR
    if after_noon and hour < 12:
        hour += 12
    return time(int(hour) % 24, int(minutes))


def _named(now: datetime, day: date | None, at: time, words: str, *, after: bool, before: bool) -> Moment | None:
    """A time of day on a day; without a day, the next time that the clock shows it."""
    chosen = day or (now.date() if at > now.time() else now.date() + DAY)
    if before:
        return _if_ahead(now, Moment(chosen, None, at, words))
    return _if_ahead(now, Moment(chosen, at, None if after else at, words))


def _part_of_day(
    now: datetime, day: date | None, part: re.Match[str] | None, words: _Language, said: str, *, before: bool
) -> Moment | None:
    """A part of a day, a whole day, or nothing."""
    if part is None:
        return None if day is None else _if_ahead(now, Moment(day, None, None, said))
    start, end = words.parts[_spaced(part.group())]
    said = said if part.group() in said else f"{said} {part.group()}".strip()
    latest = start if before else end
    chosen = day or (now.date() if now.time() < latest else now.date() + DAY)
    return _if_ahead(now, Moment(chosen, None if before else start, latest, said))


def _after(now: datetime, amount: float, unit: str, words: str) -> Moment | None:
    """So long from now; days keep no time."""
    if unit in ("天", "day", "days"):
        return _if_ahead(now, Moment(now.date() + timedelta(days=round(amount)), None, None, words))
    hours = unit in ("小时", "钟头", "hour", "hours", "hr", "hrs")
    at = now + (timedelta(hours=amount) if hours else timedelta(minutes=amount))
    clock = at.time().replace(second=0, microsecond=0)
    return _if_ahead(now, Moment(at.date(), clock, None, words))


def _weekday(today: date, weekday: int, *, next_week: bool) -> date:
    """The next such day; of next week, the one of the week that begins next Monday."""
    if next_week:
        return today + (7 - today.weekday() + weekday) * DAY
    return today + ((weekday - today.weekday()) % 7 or 7) * DAY


def _date(today: date, month: str | None, day: str) -> date | None:
    """The next such date; None where the calendar has none."""
    for ahead in range(13):
        index = today.year * 12 + today.month - 1 + ahead
        year, number = index // 12, index % 12 + 1
        if month is not None and number != int(month):
            continue
        try:
            found = date(year, number, int(day))
        except ValueError:
            continue
        if found >= today:
            return found
    return None


def _if_ahead(now: datetime, moment: Moment) -> Moment | None:
    """The moment, unless it has passed or lies too far ahead."""
    today = now.date()
    if not today <= moment.day <= today + FURTHEST:
        return None
    latest = moment.end if moment.end is not None and moment.start != moment.end else moment.start
    if moment.day == today and latest is not None and latest < now.time().replace(second=0, microsecond=0):
        return None if moment.end is not None or moment.start is None else moment
    return moment
