"""What a careful person would ask about a program that is right: a flow that can never fire, a survey without an
open question, a ladder out of order. Faults stand in `flows/checks.py`; nothing here stops a program.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import date, timedelta
from itertools import combinations, pairwise, product
from typing import Any

from flows.audience import (
    FLAGS,
    MEASURES,
    All,
    AnyOf,
    Day,
    Literal,
    Not,
    Predicate,
    fields_of,
    holds,
    kind_of,
    values_of,
)
from flows.calendar import Calendar
from flows.checks import Draft, one_of
from flows.errors import Fault
from flows.fields import WEEKDAYS
from flows.offsets import DAY, Offset, add
from flows.program import Flow, Program, Rung
from flows.promises import STAFF_HOURS, Period
from flows.source import Path
from flows.triggers import AfterEvent, AtLeast, OnFestival, OnMilestone, Sample, Trigger, Unanswered, Wave
from flows.windows import seek_day
from messages.catalog import Purpose
from messages.reading import Scale

ONE_WAY = frozenset({"email"})
"""Channels from which an answer never comes back; a survey there needs its link."""

SPAN = 366
"""Days of the calendar in which a flow must find one to go out."""

MOST_WORLDS = 20_000
"""So many combinations of facts are tried to make an audience true; a larger one is believed."""


def cautions_of(draft: Draft, calendar: Calendar, today: date, channels: Collection[str]) -> tuple[Fault, ...]:
    """Everything that is legal and doubtful, in the order of the file.

    `calendar` is that of the program's region; a year of it from `today` on is looked at. `channels`: those that exist.
    """
    found = [*_assumptions(draft), *_surveys(draft), *_ladder(draft), *_classes(draft), *_greetings(draft)]
    found += [*_quotas(draft), *_duties(draft, calendar), *_unused(draft)]
    for index, flow in enumerate(draft.program.flows):
        found += _flow(draft, ("flows", index), flow, calendar, today)
        found += _channels(draft, ("flows", index, "message", "channels"), flow, channels)
    return tuple(sorted(found, key=lambda fault: fault.line or 0))


# ----- the program


def _assumptions(draft: Draft) -> Iterator[Fault]:
    if not draft.program.assumptions:
        remedy = "write in `assumptions` which numbers are yours, so that the next reader knows"
        yield draft.fault(("assumptions",), "no assumption is named", remedy)


def _surveys(draft: Draft) -> Iterator[Fault]:
    for survey_id, survey in draft.program.surveys.items():
        if all(question.scale is not Scale.TEXT for question in survey.questions):
            said = "nobody can say an opinion in their own words"
            yield draft.fault(("surveys", survey_id, "questions"), said, "add a question with `scale: text`")


def _ladder(draft: Draft) -> Iterator[Fault]:
    ladder = draft.program.callback.ladder
    for index in range(1, len(ladder)):
        if _height(ladder[index]) < _height(ladder[index - 1]):
            said = f"{ladder[index].at} comes before {ladder[index - 1].at}"
            yield draft.fault(("callback", "ladder", index, "at"), said, "let the ladder ascend")
    owner = draft.program.callback.owner
    if owner not in {rung.role for rung in ladder}:
        said = f"{owner} owns the tickets and stands on no rung of the ladder"
        yield draft.fault(("callback", "owner"), said, "write a rung for that role, or mend the spelling")


def _height(rung: Rung) -> tuple[float, timedelta]:
    return rung.share, _length(rung.extra) if rung.extra else timedelta()


def _length(offset: Offset) -> timedelta:
    """Roughly how long an offset is; months from a January on, workdays without a day off."""
    if offset.is_workdays:
        return offset.amount * DAY
    return offset.delta if offset.is_time else add(_JANUARY, offset) - _JANUARY


_JANUARY = date(2026, 1, 1)


def _greetings(draft: Draft) -> Iterator[Fault]:
    """Two greetings of one festival that the same customer is meant by: only one of them goes out (R43)."""
    greetings = [
        (index, flow, flow.on)
        for index, flow in enumerate(draft.program.flows)
        if isinstance(flow.on, OnFestival) and flow.purpose is Purpose.GREETING and flow.message
    ]
    for (_, first, one), (index, second, other) in combinations(greetings, 2):
        shared = [name for name in other.festivals if name in one.festivals]
        if shared and can_hold(All((first.audience, second.audience)), draft.program):
            said = f"{first.id} greets some of the same customers at {', '.join(shared)}; each gets one greeting"
            yield draft.fault(("flows", index, "audience"), said, "let the audiences exclude each other")


def _classes(draft: Draft) -> Iterator[Fault]:
    """Rules that nobody can satisfy, or whose customers all belong to the rules before."""
    before: list[Predicate] = []
    for index, rule in enumerate(draft.program.classes.rules):
        path: Path = ("classes", "rules", index, "where")
        if not can_hold(rule.where, draft.program):
            yield draft.fault(path, "nobody can satisfy this rule", "mend it, or name an `activity` to measure")
        elif not can_hold(All((rule.where, Not(AnyOf(tuple(before))))), draft.program):
            yield draft.fault(
                path, "the rules before take everybody whom this one means", "put the narrower rule first"
            )
        before.append(rule.where)


def _quotas(draft: Draft) -> Iterator[Fault]:
    """Surveys that come back, counted of flows that send none."""
    for index, quota in enumerate(draft.program.quotas):
        flows = [flow for flow in draft.program.flows if flow.id in quota.of or not quota.of]
        if quota.rate == "collection" and not any(flow.message and flow.message.survey for flow in flows):
            path: Path = ("quotas", index, "rate")
            yield draft.fault(path, "none of its flows sends a survey", "name flows whose message has one")


def _duties(draft: Draft, calendar: Calendar) -> Iterator[Fault]:
    """Days that are never worked, and hours at which nobody is told."""
    for index, duty in enumerate(draft.program.duties):
        path: Path = ("duties", index)
        off = [day for day in getattr(duty.on, "weekly", ()) if WEEKDAYS.index(day) not in calendar.workweek]
        if off:
            said = f"{', '.join(off)} is off as a rule, so it comes on the next workday"
            yield draft.fault((*path, "on", "weekly"), said, "choose days of the working week")
        if not STAFF_HOURS.holds(duty.opens_at):
            said = f"staff are told from {STAFF_HOURS} only, so they hear of it later than it opens"
            yield draft.fault((*path, "opens_at"), said, "open it within these hours")


def _unused(draft: Draft) -> Iterator[Fault]:
    """What is declared, and nothing in the program asks for."""
    program = draft.program
    triggers = [flow.on for flow in program.flows]
    surveys = {flow.message.survey for flow in program.flows if flow.message} | {program.callback.resurvey.survey}
    milestones = {name for each in triggers if isinstance(each, OnMilestone) for name in each.milestones}
    comes_on = (*triggers, *(duty.on for duty in program.duties))
    festivals = {name for each in comes_on if isinstance(each, OnFestival) for name in each.festivals}
    for where, declared, named in (
        ("events", program.events, set(_events_named(program, triggers))),
        ("surveys", program.surveys, surveys),
        ("milestones", program.milestones, milestones),
        ("days", program.days, festivals),
    ):
        for name in declared:
            if name not in named:
                yield draft.fault((where, name), "nothing in the program follows from it", "use it, or remove it")


def _events_named(program: Program, triggers: Iterable[Trigger]) -> Iterator[str]:
    """Events that start or stop something, count as activity, or write something."""
    yield from (each.event for each in triggers if isinstance(each, AfterEvent | Wave))
    yield from (name for flow in program.flows for name in flow.stops_on)
    yield from (task.done_by for task in program.tasks() if task.done_by)
    yield from (name for name, event in program.events.items() if event.sets)
    yield from (violation.on.event for violation in program.violations.values() if violation.on.event)
    if program.activity:
        yield program.activity.event


# ----- one flow


def _flow(draft: Draft, path: Path, flow: Flow, calendar: Calendar, today: date) -> Iterator[Fault]:
    where = flow.on.where if isinstance(flow.on, AfterEvent | Wave) else All(())
    fields = draft.program.events[flow.on.event].fields if isinstance(flow.on, AfterEvent | Wave) else {}
    if not can_hold(All((flow.audience, where)), draft.program, fields):
        yield draft.fault((*path, "audience"), "it can never fire: nobody is meant by this", "mend the predicates")
    yield from _days(draft, flow, path, calendar, today)
    yield from _lengths(draft, flow, path)
    yield from _message(draft, flow, path)


def _days(draft: Draft, flow: Flow, path: Path, calendar: Calendar, today: date) -> Iterator[Fault]:
    """A year without a day, or a day without an hour, on which this flow may go out."""
    program = draft.program
    match flow.on:
        case Wave(waves=waves) if not {WEEKDAYS.index(day) for day in waves} & calendar.workweek:
            said = "its days are never workdays, but for make-up days"
            yield draft.fault((*path, "on", "waves"), said, "choose days of the working week")
        case OnFestival() if not program.hard_hours.start <= program.greeting_at <= program.hard_hours.end:
            said = f"greeting_at {program.greeting_at:%H:%M} is outside the hard hours {program.hard_hours}"
            yield draft.fault(("greeting_at",), said, "greet within the hard hours")
        case _ if seek_day(today, today + SPAN * DAY, program.permits(flow), calendar) is None:
            said = "it can never fire: its windows are closed on all its days"
            yield draft.fault(path, said, "open a window, or send on off days")


def _lengths(draft: Draft, flow: Flow, path: Path) -> Iterator[Fault]:
    """Offsets that lie behind what should come after them."""
    after = _length(flow.after)
    if flow.deadline is not None and not (flow.same_day or flow.after_field) and after > _length(flow.deadline):
        said = f"{flow.after} after is later than the deadline of {flow.deadline}, so it never keeps its date"
        yield draft.fault((*path, "deadline"), said, "send earlier, or allow more time")
    if flow.valid_for.amount < 1 and flow.deadline is None:
        yield draft.fault((*path, "valid_for"), "it expires as soon as it is late by a second", "allow a day or more")
    match flow.on:
        case Unanswered(unanswered=other):
            asked = draft.program.flow(other).message
            survey = draft.program.surveys[asked.survey] if asked and asked.survey else None
            if survey and after >= _length(survey.closes_after):
                said = f"it can never fire: the survey closes {survey.closes_after} after it was sent"
                yield draft.fault((*path, "after"), said, "remind earlier, or close later")
        case Sample(every=every) if after >= _length(every):
            said = f"{flow.after} after its first day, the period of {every} is over"
            yield draft.fault((*path, "after"), said, "draw earlier in the period")
        case AtLeast(per=per) as trigger:
            own = {"day": "", "week": "remind_on", "month": "remind_day"}.get(per, "remind_before")
            remedy = f"write {own}, or leave it out" if own else "leave it out"
            others = {"remind_on", "remind_day", "remind_before", "closes_on"} - {own}
            others -= {"closes_on"} if per is Period.WEEK else set()
            for name in sorted(others & trigger.model_fields_set):
                yield draft.fault((*path, "on", name), f"a {per} does not look at it", remedy)
            if trigger.remind_at and not STAFF_HOURS.holds(trigger.remind_at):
                said = f"staff are told from {STAFF_HOURS} only, so they hear of it the next morning"
                yield draft.fault((*path, "on", "remind_at"), said, "remind within these hours")
        case _:
            pass


def _message(draft: Draft, flow: Flow, path: Path) -> Iterator[Fault]:
    message = flow.message
    if message is None:
        return
    if message.purpose is Purpose.SURVEY and not message.survey:
        said = "its purpose is a survey, and it has none: answers are not scored"
        yield draft.fault((*path, "message", "purpose"), said, "name a survey, or use the purpose service")
    if message.survey and all(name in ONE_WAY for name in message.channels):
        said = f"a survey by {' and '.join(message.channels)} alone, from which no answer comes back but by the link"
        yield draft.fault((*path, "message", "channels"), said, "add sms or a chat")


def _channels(draft: Draft, path: Path, flow: Flow, channels: Collection[str]) -> Iterator[Fault]:
    """A channel that does not exist is passed over, whoever is meant."""
    for name in flow.message.channels if flow.message else ():
        if name not in channels:
            yield draft.fault(path, f"there is no channel {name!r}, so it is passed over", one_of(channels))


# ----- can it hold at all


def can_hold(predicate: Predicate, program: Program, data: Mapping[str, str] | None = None) -> bool:
    """Whether any customer could satisfy it: every combination of facts that makes a difference is tried.

    `data`: fields of the event, with their kinds. True where there are too many combinations to try.
    """
    kinds = {**dict.fromkeys(FLAGS, "flag"), **program.attributes, **(data or {})}
    names = sorted(fields_of(predicate))
    choices = [_choices(name, kinds.get(name), values_of(predicate, name), program) for name in names]
    worlds = 1
    for each in choices:
        worlds *= len(each)
    return worlds > MOST_WORLDS or any(
        holds(predicate, {Day.TODAY: str(Day.TODAY), **dict(zip(names, world, strict=True))})
        for world in product(*choices)
    )


def _choices(name: str, kind: str | None, values: Iterable[Literal], program: Program) -> list[Any]:
    """The facts of one field that a predicate can tell apart: absent, each value, and what lies beside them."""
    if name == "class":
        return [*program.classes.names, *([] if program.classes.default else [None])]
    if name in MEASURES:
        if program.activity is None:
            return [None if name == "days_since_activity" else 0]
        signed = name == "activity_total"
        return [None, *(n for n in _numbers(values) if signed or n >= 0)]
    if kind == "flag":
        return [None, True, False]
    if kind == "number":
        return [None, *_numbers(values)]
    texts = [text for value in values if kind_of(value) == "text" for text in (str(value), f"{value}\0")]
    return [None, "", *texts]


def _numbers(values: Iterable[Literal]) -> list[float]:
    """Each number, one below and one above them all, and one between each two."""
    own = sorted({0.0, *(float(value) for value in values if kind_of(value) == "number")})
    between = [(low + high) / 2 for low, high in pairwise(own)]
    return [own[0] - 1, *own, *between, own[-1] + 1]
