"""What would be sent to whom, when, and who is left out by which rule; it writes nothing.

Rows that are planned are counted; festivals, cadences and silences are counted through the same Selections that the
planner inserts, so the two cannot disagree.
"""

from collections import defaultdict
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from sqlmodel import Session

from bot.journey.occasions import selection_of
from bot.journey.wording import ask
from bot.runtime import Runtime
from bot.shelf import InForce
from bot.store import follow_ups
from flows import plan
from flows.decisions import Group
from flows.offsets import add
from flows.program import Every, Flow, OnFestival, Program, Sample
from flows.resurvey import FLOW as RESURVEY
from messages.catalog import sample_values
from messages.render import render
from messages.sms import measure


@dataclass(frozen=True)
class ForecastLine:
    """So many messages of one flow on one day; `due_at` is the earliest instant, `segments` and `cost` are totals."""

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

    def as_dict(self) -> dict[str, Any]:
        """One line of `huifang forecast --json`."""
        return {
            "day": self.day.isoformat(),
            "program": self.program_id,
            "flow": self.flow,
            "template": self.template,
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
class Forecast:
    """The span from `start` on, `days` long."""

    start: date
    days: int
    lines: tuple[ForecastLine, ...]
    left_out: tuple[LeftOut, ...]


def forecast(runtime: Runtime, days: int = 30) -> Forecast:
    """Count what is planned and what the planner will plan, day by day."""
    runtime.shelf.refresh()
    counts: dict[tuple[str, str, date], tuple[int, datetime]] = defaultdict(
        lambda: (0, datetime.max.replace(tzinfo=UTC))
    )
    start = runtime.today(runtime.shelf.in_force[0].program.zone) if runtime.shelf.in_force else runtime.today("UTC")
    left_out: list[LeftOut] = []
    with runtime.db.read() as session:
        now = runtime.clock.now()
        until = now + timedelta(days=days)
        for day, program_id, flow_id, count, due_at in follow_ups.planned_by_day(session, now, until):
            _count(counts, program_id, flow_id, day, count, due_at)
        for in_force in runtime.shelf.in_force:
            for flow in in_force.program.flows:
                if plan.needs_anchor(flow) and not isinstance(flow.on, Sample):
                    _count_selections(runtime, session, in_force, flow, start, days, counts)
                left_out.extend(_left_out(session, in_force.program, flow, start))
    lines = [
        _line(runtime, program_id, flow, day, count, due_at)
        for (program_id, flow, day), (count, due_at) in counts.items()
        if count and start <= day < start + timedelta(days=days)
    ]
    return Forecast(
        start, days, tuple(sorted(lines, key=lambda line: (line.day, line.program_id, line.flow))), tuple(left_out)
    )


def _count(
    counts: dict[tuple[str, str, date], tuple[int, datetime]],
    program_id: str,
    flow: str,
    day: date,
    count: int,
    due_at: datetime,
) -> None:
    before, earliest = counts[program_id, flow, day]
    counts[program_id, flow, day] = (before + count, min(earliest, due_at))


def _count_selections(
    runtime: Runtime,
    session: Session,
    in_force: InForce,
    flow: Flow,
    start: date,
    days: int,
    counts: dict[tuple[str, str, date], tuple[int, datetime]],
) -> None:
    """Count what the planner would insert on each day of the span; a chain goes on from its own nominal dates."""
    program = in_force.program
    seen: set[tuple[str, date | None, str]] = set()
    step = max(1, (add(start, program.horizon) - start).days)
    for offset in range(0, days, step):
        today = start + timedelta(days=offset)
        selection = selection_of(runtime, session, in_force, flow, today)
        if selection is None:
            continue
        fresh = tuple(group for group in selection.groups if _key(flow, group) not in seen)
        seen.update(_key(flow, group) for group in fresh)
        for group, count in follow_ups.count_selection(session, program.id, replace(selection, groups=fresh), today):
            _count(counts, program.id, flow.id, group.slot.intended_on, count, group.slot.due_at)
            if isinstance(flow.on, Every) and count:
                _go_on(
                    runtime,
                    program,
                    flow,
                    group.slot.nominal_on,
                    group.zone,
                    count,
                    start + timedelta(days=days),
                    counts,
                )


def _key(flow: Flow, group: Group) -> tuple[str, date | None, str]:
    """What is counted once: an occasion; of a chain its first link, since `_go_on` counts the later ones."""
    return group.zone, group.anchor, "" if isinstance(flow.on, Every) else group.occasion


def _go_on(
    runtime: Runtime,
    program: Program,
    flow: Flow,
    nominal: date,
    zone: str,
    count: int,
    end: date,
    counts: dict[tuple[str, str, date], tuple[int, datetime]],
) -> None:
    """The later links of a chain, from the nominal date before (R25)."""
    assert isinstance(flow.on, Every)
    nominal = add(nominal, flow.on.every)
    while nominal < end:
        slot = plan.day_slot(program, flow, None, ZoneInfo(zone), nominal, runtime.calendar(program.region))
        _count(counts, program.id, flow.id, slot.intended_on, count, slot.due_at)
        nominal = add(nominal, flow.on.every)


def _line(runtime: Runtime, program_id: str, flow_id: str, day: date, count: int, due_at: datetime) -> ForecastLine:
    program = runtime.shelf.program(program_id).program
    flow = None if flow_id == RESURVEY else program.flow(flow_id)
    names = _templates_on(runtime, program, flow, day) if flow else (program.callback.resurvey.template,)
    segments = count * _segments(runtime, program, names[0], flow) if names else 0
    return ForecastLine(
        day=day,
        program_id=program_id,
        flow=flow_id,
        template=names[0] if names else "",
        channel=flow.message.channels[0] if flow and flow.message else "sms",
        count=count,
        segments=segments,
        cost=Decimal(str(runtime.settings.price_per_segment)) * segments,
        due_at=due_at,
        provisional=runtime.calendar(program.region).is_provisional(day.year),
    )


def _templates_on(runtime: Runtime, program: Program, flow: Flow, day: date) -> tuple[str, ...]:
    """What the flow sends on this day: a greeting in the words of that day's festival."""
    if isinstance(flow.on, OnFestival) and flow.message:
        for name, _ in runtime.calendar(program.region).festivals(day, day):
            if name in flow.on.festivals:
                return (flow.message.template.replace("{festival}", name),)
    return flow.template_names()


def _segments(runtime: Runtime, program: Program, name: str, flow: Flow | None) -> int:
    """Segments of one such message, with sample values."""
    _, template = runtime.shelf.template(program, name, program.language)
    values: dict[str, Any] = {**sample_values(template.language, program=program.id)}
    values["company"] = program.text(program.company, template.language)
    survey_id = flow.message.survey if flow and flow.message else program.callback.resurvey.survey
    if survey_id:
        values["question"] = ask(program, program.surveys[survey_id].asked[0], template.language)
        values["survey_link"] = runtime.survey_link("x" * 12)
    return measure(render(template.body, values, template.language, program.time_zone)).segments


def _left_out(session: Session, program: Program, flow: Flow, today: date) -> list[LeftOut]:
    if flow.message is None:
        return []
    marketing = str(flow.purpose) == "marketing"
    found = follow_ups.left_out(session, program.id, flow.audience, today, marketing=marketing)
    return [LeftOut(program.id, flow.id, because, count) for because, count in found.items() if count]
