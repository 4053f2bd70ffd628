"""What would be sent to whom, when and by which channel, and who is left out by which rule; it writes nothing.

How many come due is counted in `projection.py`, through the same Selections and draws that the planner makes, so the
two cannot disagree. Not foreseen: what people answer, what the weekly cap moves to another day, and whose date is over
between the plan and its day (`not contract_ends < today`).
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlmodel import Session

from bot.journey import approvals, duties, occasions
from bot.journey.wording import ask
from bot.projection import Key, Projection
from bot.runtime import Runtime
from bot.store import outlook
from flows.approval import Content
from flows.program import Flow, Program
from flows.resurvey import FLOW as RESURVEY
from flows.triggers import AtLeast
from messages.catalog import sample_values
from messages.render import render
from messages.sms import measure

LONG = timedelta(minutes=30)
"""From how long on it is worth saying how long a sender takes."""
TASK, CHECK = "task", "check"
"""Channels of what is sent to nobody: work for a person, and a look whether a minimum was reached."""


@dataclass(frozen=True)
class ForecastLine:
    """So many messages of one flow on one day; `due_at` is the earliest instant, `segments` and `cost` are totals.

    `channel`: also `task` (somebody's work), `check` (is a minimum reached?) and nothing (only the class changes).
    """

    day: date
    program_id: str
    flow: str
    template: str
    channel: str
    count: int
    segments: int
    cost: Decimal
    due_at: datetime
    provisional: bool
    festival: str = ""
    occasion: str = ""
    """What it is sent for, where its flow says so (R87)."""

    @property
    def is_message(self) -> bool:
        return bool(self.template)

    def as_dict(self) -> dict[str, Any]:
        """One line of `huifang forecast --json`."""
        return {
            "day": self.day.isoformat(),
            "program": self.program_id,
            "flow": self.flow,
            "template": self.template,
            "occasion": self.occasion,
            "channel": self.channel,
            "count": self.count,
            "segments": self.segments,
            "cost": str(self.cost),
            "due": self.due_at.isoformat(),
            "provisional": self.provisional,
        }


@dataclass(frozen=True)
class LeftOut:
    """So many enrolled customers whom a flow means but a rule leaves out."""

    program_id: str
    flow: str
    because: str
    count: int


@dataclass(frozen=True)
class Load:
    """What one channel has to carry on one day, where its senders take long for it.

    `units` are segments or messages, whatever the rate counts; `takes` by all `senders` together; `open_for`: how long
    the windows of that day are open.
    """

    day: date
    channel: str
    units: int
    senders: int
    takes: timedelta
    open_for: timedelta

    @property
    def is_too_much(self) -> bool:
        return self.takes > self.open_for

    def as_dict(self) -> dict[str, Any]:
        """One line of `huifang forecast --json`."""
        return {
            "load": self.units,
            "day": self.day.isoformat(),
            "channel": self.channel,
            "senders": self.senders,
            "minutes": minutes(self.takes),
            "open_minutes": minutes(self.open_for),
            "too_much": self.is_too_much,
        }


@dataclass(frozen=True)
class Forecast:
    """The span from `start` on, `days` long."""

    start: date
    days: int
    lines: tuple[ForecastLine, ...]
    left_out: tuple[LeftOut, ...]
    loads: tuple[Load, ...] = ()

    def per_day(self) -> dict[date, int]:
        """Messages of each day of the span, also of those that have none."""
        counts = {self.start + timedelta(days=n): 0 for n in range(self.days)}
        for line in self.lines:
            counts[line.day] += line.count if line.is_message else 0
        return counts


def forecast(runtime: Runtime, days: int = 30, start: date | None = None) -> Forecast:
    """Count what is planned and what the planner will plan, day by day (R37), from `start` on; none, or past: today."""
    runtime.shelf.refresh()
    in_force = runtime.shelf.in_force
    today = runtime.today(in_force[0].program.zone if in_force else "UTC")
    start = max(today, start or today)
    with runtime.db.read() as session:
        ahead = Projection(runtime, session, runtime.clock.now(), today, start + timedelta(days=days))
        ahead.run()
        left_out = [
            out
            for each in in_force
            for flow in each.program.flows
            for out in _left_out(runtime, session, each.program, flow, today)
        ]
    shown = [key for key in ahead.counts if key.day >= start and _goes_out(key)]
    lines = [_line(runtime, key, ahead.counts[key], ahead.due_at[key]) for key in shown]
    with runtime.db.read() as session:
        lines += [
            line
            for each in in_force
            for line in _duties(runtime, session, each.program, start, start + timedelta(days))
        ]
        lines, waiting = _approved(runtime, session, lines)
        left_out += waiting
    lines.sort(key=lambda line: (line.day, line.program_id, line.flow, line.channel, line.festival))
    return Forecast(start, days, tuple(lines), tuple(left_out), tuple(_loads(runtime, lines)))


def _duties(runtime: Runtime, session: Session, program: Program, start: date, end: date) -> Iterator[ForecastLine]:
    """Work of staff that comes round and is about no customer; what has opened already is not foreseen."""
    for name, _, nominal_on, _, at in duties.looks(runtime, program, start, end - timedelta(days=1)):
        duty, day = program.duty(name), at.astimezone(program.time_zone).date()
        assert duty is not None
        time = duties.occurrence(runtime, program, duty, nominal_on, day, day)
        if at > runtime.clock.now() and time and not duties.is_prepared(session, runtime, program, duty, time):
            yield ForecastLine(
                day=day,
                program_id=program.id,
                flow=name,
                template="",
                channel=TASK,
                count=len(duties.doers(session, program, duty, time.due_on)),
                segments=0,
                cost=Decimal(0),
                due_at=at.astimezone(program.time_zone),
                provisional=runtime.calendar(program).is_provisional(day.year),
            )


def minutes(span: timedelta) -> int:
    """Whole minutes, the last one begun counts."""
    return -(-span // timedelta(minutes=1))


def _goes_out(key: Key) -> bool:
    """Not what a rule keeps back: rules are texts of several words."""
    return " " not in key.sort


def _line(runtime: Runtime, key: Key, count: int, due_at: datetime) -> ForecastLine:
    program = runtime.shelf.program(key.program_id).program
    flow = next((each for each in program.flows if each.id == key.flow), None)
    template = _template(program, flow, key)
    segments = count * _segments(runtime, program, template, flow) if template else 0
    return ForecastLine(
        day=key.day,
        program_id=program.id,
        flow=key.flow,
        template=template,
        channel=key.sort or _of_nobody(flow),
        count=count,
        segments=segments,
        cost=Decimal(str(runtime.settings.price_per_segment)) * segments,
        due_at=due_at.astimezone(program.time_zone),
        provisional=runtime.calendar(program).is_provisional(key.day.year),
        festival=key.festival,
        occasion=flow.occasion or "" if flow else "",
    )


def _of_nobody(flow: Flow | None) -> str:
    """The channel of what is sent to nobody."""
    if flow is not None and isinstance(flow.on, AtLeast):
        return CHECK
    return TASK if flow is not None and flow.task else ""


def _template(program: Program, flow: Flow | None, key: Key) -> str:
    """What is sent: a greeting in the words of its festival; nothing for a task or a new class."""
    if key.flow == RESURVEY:
        return program.callback.resurvey.template
    if flow is None or flow.message is None:
        return ""
    return flow.message.template.replace("{festival}", key.festival)


def _segments(runtime: Runtime, program: Program, name: str, flow: Flow | None) -> int:
    """Segments of one such message, with sample values."""
    _, template = runtime.shelf.template(program, name, program.language)
    own = program.variables()
    values: dict[str, Any] = {**sample_values(template.language, program=program.id, extra_variables=own)}
    values["company"] = program.text(program.company, template.language)
    survey_id = flow.message.survey if flow and flow.message else program.callback.resurvey.survey
    if survey_id:
        values["question"] = ask(program, program.surveys[survey_id].asked[0], template.language)
        values["survey_link"] = runtime.survey_link("x" * 12)
    return measure(render(template.body, values, template.language, program.time_zone)).segments


# ----- who is left out, and what no sender can carry


def _left_out(runtime: Runtime, session: Session, program: Program, flow: Flow, today: date) -> list[LeftOut]:
    if flow.message is None:
        return []
    found = outlook.left_out(session, program.id, flow.audience, today, occasions.way_of(runtime, flow))
    return [LeftOut(program.id, flow.id, because, count) for because, count in found.items() if count]


def _approved(
    runtime: Runtime, session: Session, lines: Sequence[ForecastLine]
) -> tuple[list[ForecastLine], list[LeftOut]]:
    """The lines that go out as things stand, and who is left out since what they would get is not approved."""
    needs = {(line.program_id, line.flow, line.template): _needed(runtime, line) for line in lines if line.template}
    waiting = approvals.waiting(session, needs)
    out: dict[tuple[str, str, str], int] = defaultdict(int)
    go = []
    for line in lines:
        if waits := waiting.get((line.program_id, line.flow, line.template)):
            out[line.program_id, line.flow, waits.because] += line.count
        else:
            go.append(line)
    return go, [LeftOut(*about, count) for about, count in out.items()]


def _needed(runtime: Runtime, line: ForecastLine) -> tuple[Content, ...]:
    """What must be approved before a line's messages go out."""
    program = runtime.shelf.program(line.program_id).program
    flow = next((each for each in program.flows if each.id == line.flow), None)
    survey = flow.message.survey if flow and flow.message else program.callback.resurvey.survey
    return tuple(approvals.needed(runtime, program, flow, survey, line.template))


def _loads(runtime: Runtime, lines: Sequence[ForecastLine]) -> Iterator[Load]:
    """The days on which the senders of a channel take long for what they have to carry."""
    by_day: dict[tuple[date, str], list[ForecastLine]] = defaultdict(list)
    for line in lines:
        if line.channel in runtime.channels:
            by_day[line.day, line.channel].append(line)
    for (day, channel), theirs in sorted(by_day.items()):
        senders = runtime.channels[channel].senders
        rates = [sender.per_second for sender in senders]
        if None in rates:
            continue
        by_segments = senders[0].by_segments
        units = sum(line.segments if by_segments else line.count for line in theirs)
        takes = timedelta(seconds=units / sum(rate or 0 for rate in rates))
        open_for = max(_open_for(runtime.shelf.program(line.program_id).program, line) for line in theirs)
        if takes >= LONG or takes > open_for:
            yield Load(day, channel, units, len(senders), takes, open_for)


def _open_for(program: Program, line: ForecastLine) -> timedelta:
    """How long messages of a line may go out that day: in the windows from when they are due on."""
    at = line.due_at.astimezone(program.time_zone)
    windows = (program.hard_hours,) if line.festival else program.windows
    day = at.replace(hour=0, minute=0, second=0, microsecond=0)
    total = timedelta()
    for window in windows:
        opens = day.replace(hour=window.start.hour, minute=window.start.minute)
        closes = day.replace(hour=window.end.hour, minute=window.end.minute)
        total += max(timedelta(), closes - max(opens, at))
    return total
