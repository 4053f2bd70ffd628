"""What a reply to an announced appointment means: it stands, another time is proposed, or somebody must call (R89).

A proposal is never taken by itself: staff agree to it (bot/journey/appointments.py). A time for a call, which
somebody asks for: appointment.py. Which words name a day and a time: messages/reading/moments.py.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, time
from typing import Literal
from zoneinfo import ZoneInfo

from flows.calendar import Calendar
from flows.offsets import resolve_local
from flows.program import Program
from flows.windows import is_open
from messages.reading import Category, Intent, Question, Reading, Scale, read
from messages.reading.moments import Moment, moment_in, shift_in

Doubt = Literal["past", "off_day", "outside_hours"]
"""Why staff should look twice at a proposed time."""


@dataclass(frozen=True)
class Confirmed:
    """The appointment stands."""


@dataclass(frozen=True)
class Proposed:
    """The customer would rather have it at another time."""

    at: datetime
    doubt: Doubt | None = None


@dataclass(frozen=True)
class Declined:
    """It does not suit the customer, who names no other time."""


Answer = Confirmed | Proposed | Declined

_CLAUSES = re.compile(r"[，,。;；!！?？、\n]|\.(?!\d)|但是?|不过|\bbut\b", re.IGNORECASE)
_REFUSES = re.compile(
    r"(?<!行)不行|(?<!方便)不方便|(?<!可)不可以|(?<!能)不能(?![改换推])|没空|没有?时间|不在|出差|开会|有事|来不了|去不了|赶不上"
    r"|不用来|不必来|别来"
    r"|\b(?:can'?t|cannot|won'?t|(?:does|do|is|am|are)(?:n'?t| not)|not (?:possible|available|free)|unable|busy|away)\b"
    r"(?: (?:work|suit|make it|do|possible|available|free)\b)?",
    re.IGNORECASE,
)
"""What makes the day of its clause one that does not suit."""
_MOVES = re.compile(
    r"改期|改天|改时间|改个时间|改到|换个?时间|换一?天|另约|推迟|延后|提前"
    r"|\b(?:reschedule|postpone|another (?:day|time)|different (?:day|time)|move it|change the (?:day|time|date))\b",
    re.IGNORECASE,
)
"""What asks for another time, named or not."""
SURE = 0.7
"""A complaint that is less certain than this is guessed from single letters: a time such as 八点半 looks like one."""
_SOFT_ENDING = "的吧啊呀哦呢了 。！!.~"
_LEAVE_TO_THE_READER = (Intent.OPT_OUT, Intent.OPT_IN, Intent.WRONG_PERSON, Intent.CALLBACK)


def answer_to(
    text: str,
    question: Question,
    planned: datetime,
    since: datetime,
    program: Program,
    zone: ZoneInfo,
    calendar: Calendar,
) -> Answer | None:
    """What a text of `since` says of an appointment; None: it is about something else, or complains of more than a day.

    `question`: how texts of this customer are read; what waits for an answer is whether the time suits.
    """
    question = replace(question, scale=Scale.YESNO, n_questions=1, levels=(), survey_open=True)
    reading = read(text, question)
    beside = read(_REFUSES.sub(" ", _MOVES.sub(" ", text)), question)
    complains = beside.category is Category.COMPLAINT and beside.confidence >= SURE
    if reading.intent in _LEAVE_TO_THE_READER or complains or reading.flags:
        return None
    moment = _moment(text, since.astimezone(zone))
    if moment is not None:
        return _proposal(moment, text, reading, planned, since, program, zone, calendar)
    shift = shift_in(text)
    if shift is not None:  # on the wall: a day later is the same hour of the next day
        local = planned.astimezone(zone).replace(tzinfo=None) + shift
        at = resolve_local(local.date(), local.time(), zone)
        return Proposed(at, next(_doubts(at, since, program, zone, calendar), None))
    if _REFUSES.search(text) or _MOVES.search(text) or reading.kind == "busy":
        return Declined()
    if any(char.isdecimal() for char in text):  # nobody was asked to reply with a number
        return None
    if reading.score == 0:  # "no" is no complaint, 不满意 is one
        said = read(text, replace(question, scale=Scale.TEXT, survey_open=False))
        return None if said.category is Category.COMPLAINT else Declined()
    agrees = reading.score == 1 or read(text.rstrip(_SOFT_ENDING), question).score == 1
    return Confirmed() if agrees else None


def _moment(text: str, now: datetime) -> Moment | None:
    """The first moment of a clause that does not say that it does not suit; one of today that has passed, too."""
    suits = " ".join(clause for clause in _CLAUSES.split(text) if not _REFUSES.search(clause))
    return moment_in(suits, now) or moment_in(suits, now.replace(hour=0, minute=0))


def _proposal(
    moment: Moment,
    text: str,
    reading: Reading,
    planned: datetime,
    since: datetime,
    program: Program,
    zone: ZoneInfo,
    calendar: Calendar,
) -> Answer | None:
    """Another time than the planned one; the planned one named again confirms it, unless it is asked about."""
    at = _instant(moment, planned.astimezone(zone), since.astimezone(zone), program, zone)
    if at == planned:
        return None if reading.kind == "question" else Confirmed()
    return Proposed(at, next(_doubts(at, since, program, zone, calendar), None))


def _instant(moment: Moment, planned: datetime, now: datetime, program: Program, zone: ZoneInfo) -> datetime:
    """The instant that is meant: without a day, on the planned one; without a time, at the planned hour if it fits."""
    day = moment.day if _names_day(moment.words, now) else planned.date()
    hour, start, end = planned.time(), moment.start, moment.end
    if start is not None and start == end:
        return resolve_local(day, start, zone)
    if (start is None or start <= hour) and (end is None or hour < end):
        return resolve_local(day, hour, zone)
    earliest = start or program.hard_hours.start
    opens = (max(window.start, earliest) for window in program.permits().openings(day) if window.end > earliest)
    return resolve_local(day, next(opens, earliest), zone)


def _names_day(words: str, now: datetime) -> bool:
    """Whether the clock decides on which day a moment falls: without a day, what has passed today means tomorrow."""
    early, late = (moment_in(words, now.replace(hour=hour, minute=minute)) for hour, minute in ((0, 0), (23, 59)))
    return early is None or late is None or early.day == late.day


def _doubts(at: datetime, since: datetime, program: Program, zone: ZoneInfo, calendar: Calendar) -> Iterator[Doubt]:
    permits = program.permits()
    if at <= since:
        yield "past"
    if not permits.day_allowed(calendar, at.astimezone(zone).date()):
        yield "off_day"
    elif not is_open(at, permits=permits, calendar=calendar, zone=zone):
        yield "outside_hours"


def time_of_day(words: object, otherwise: time) -> time:
    """The time of day that an attribute says, as 14:00 or 下午两点."""
    moment = moment_in(str(words or ""), datetime(2000, 1, 1))  # noqa: DTZ001 - any day: only the wall clock is read
    return moment.start if moment is not None and moment.start is not None else otherwise
