"""Step 2 for many: what the calendar calls for - festivals, dates, cadences - is planned as sets, or drawn by lot.

The planner inserts what `selection_of` finds; the forecast counts the same. Next: outreach.py.
"""

import secrets
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

from sqlmodel import Session

from bot.journey import quotas, takeovers
from bot.journey.apply import apply
from bot.journey.subject import Subject
from bot.runtime import Runtime
from bot.shelf import InForce
from bot.store import (
    agenda,
    chains,
    customers,
    events,
    follow_ups,
    milestones,
    outlook,
    programs,
    selections,
    settings,
    trail,
)
from bot.store.outlook import Way
from bot.store.rows import chunks
from bot.store.selections import Happened, Span
from flows import rounds, sampling
from flows.calendar import Calendar
from flows.chains import is_chain, until_of
from flows.decisions import Group, PlanFollowUp, Selection
from flows.offsets import add, end_of_day, resolve_local
from flows.program import Flow, Program
from flows.rounds import Draw
from flows.selections import Anchor, Milestone, anchors_between, counts_from, is_drawn, may_fire, select
from flows.triggers import OnMilestone, Round, Sample, Wave
from messages.catalog import Purpose

SLICE = 5_000
"""Enrolments that one transaction looks at on SQLite: whoever else writes waits no longer than that takes."""
SHORT_SLICE = 1_000
"""The same while others write, too."""
LARGE_SLICE = 100_000
"""On PostgreSQL nobody waits for a planner."""
DRAWN_AT_ONCE = 5_000
"""Follow-ups of a draw that are written together."""
RESURVEY_CHANNELS = ("sms", "telegram", "whatsapp", "email")


def plan_occasions(runtime: Runtime) -> int:
    """Plan what the calendar calls for, up to each program's horizon; again, it changes nothing."""
    runtime.shelf.refresh()
    with runtime.db.read() as session:
        stands = agenda.read(session)
    if (at := next_planning(stands)) is not None and at > runtime.clock.now():
        return 0
    mine = {"planning": secrets.token_hex(8)}
    with runtime.db.write() as session:
        settings.write(session, agenda.PLANNED, mine)
    planned = 0
    for in_force in runtime.shelf.in_force:
        if "until" not in stands.planned:  # a date may have moved
            planned += sum(_go_on(runtime, in_force, flow) for flow in in_force.program.flows)
        for flow, selection in _selections(runtime, in_force):
            planned += _insert(runtime, in_force, flow, selection)
        for flow in in_force.program.flows:
            planned += sum(_draw(runtime, in_force, flow, draw) for draw in _draws(runtime, in_force, flow))
            _tell_exempt(runtime, in_force, flow)
        with runtime.db.write() as session:
            quotas.plan_checks(session, runtime, in_force, runtime.today(in_force.program.zone))
    until = _next_call(runtime).isoformat()
    with runtime.db.write() as session:
        if settings.read(session, agenda.PLANNED) == mine:  # else a date moved meanwhile: once more
            noted = {"until": until, "enrolment": stands.enrolment, "version": stands.version}
            settings.write(session, agenda.PLANNED, noted)
    return planned


def next_planning(stands: agenda.Agenda) -> datetime | None:
    """When the calendar may call for something again: at midnight or at a draw, or at once if somebody was enrolled."""
    planned = stands.planned
    if planned.get("enrolment") != stands.enrolment or planned.get("version") != stands.version:
        return datetime.min.replace(tzinfo=UTC)
    return datetime.fromisoformat(planned["until"])


def _next_call(runtime: Runtime) -> datetime:
    """The next midnight in the zone of any program (the horizon covers the customers' own), or an earlier draw."""
    now = runtime.clock.now()
    zones = {each.program.zone for each in runtime.shelf.in_force} or {"UTC"}
    midnights = [end_of_day(runtime.today(zone), ZoneInfo(zone)) for zone in zones]
    draws = [
        draw.slot.due_at
        for in_force in runtime.shelf.in_force
        for flow in in_force.program.flows
        for draw in draws_of(runtime, in_force, flow, runtime.today(in_force.program.zone))
    ]
    return min([*midnights, *(at for at in draws if at > now)])


# ----- Selections: everybody who is meant


def selection_of(
    runtime: Runtime,
    session: Session,
    in_force: InForce,
    flow: Flow,
    today: date,
    everywhere: Sequence[Anchor] | None = None,
) -> Selection | None:
    """Who is meant by a set-based flow as seen on `today`: the planner inserts it, the forecast counts it.

    `everywhere`: the zones of all customers, where they are known already.
    """
    program, calendar = in_force.program, runtime.calendar(in_force.program)
    counted = counts_from(flow)
    assert counted is not None
    if not may_fire(program, flow, today, calendar):
        return None
    named = _milestones(session, in_force, flow, today, calendar)
    if isinstance(flow.on, OnMilestone) and not named:
        return None
    if counted.kind == "none":
        anchors = selections.zones(session) if everywhere is None else everywhere
    else:
        between = anchors_between(program, flow, today, calendar)
        anchors = selections.anchors(session, program.id, flow.id, counted, flow.audience, today, between)
    return select(program, flow, anchors, today, calendar, named)


def _milestones(session: Session, in_force: InForce, flow: Flow, today: date, calendar: Calendar) -> list[Milestone]:
    """The milestones of this flow that may be near."""
    if not isinstance(flow.on, OnMilestone):
        return []
    first, last = anchors_between(in_force.program, flow, today, calendar)
    assert first is not None
    assert last is not None
    rows = milestones.between(session, in_force.program.id, flow.on.milestones, first, last)
    return [Milestone(row.kind, row.on) for row in rows]


def _selections(runtime: Runtime, in_force: InForce) -> list[tuple[Flow, Selection]]:
    """Whom the set-based flows of a program mean today, all read at once."""
    today = runtime.today(in_force.program.zone)
    flows = [flow for flow in in_force.program.flows if counts_from(flow) is not None]
    with runtime.db.read() as session:
        everywhere = selections.zones(session) if flows else []
        found = [(flow, selection_of(runtime, session, in_force, flow, today, everywhere)) for flow in flows]
    return [(flow, selection) for flow, selection in found if selection is not None]


def _insert(runtime: Runtime, in_force: InForce, flow: Flow, selection: Selection) -> int:
    """INSERTs in slices that give way, and a line of the trail for each group; what is there is passed over."""
    now, program = runtime.clock.now(), in_force.program
    today = runtime.today(program.zone)
    owner = follow_ups.Owner(program.id, in_force.version_id, now)
    newest = _newest_of_many(runtime, selection)
    planning = selections.Planning(runtime.db.dialect, owner, selection, today, sliced=newest > 0)
    planned: Counter[Group] = Counter()
    if not newest:
        with runtime.db.write() as session:
            planned.update(planning.insert(session, None))
            _tell_planned(session, now, program.id, flow, selection, planned)
        return planned.total()
    fresh = False
    for span in _spans(runtime, newest):
        with runtime.db.write_repeatable() as session:
            new = planning.insert(session, span, fresh=fresh)
        planned.update(new)
        fresh = bool(new)  # as the slice before, so most likely this one
    with runtime.db.write() as session:
        _tell_planned(session, now, program.id, flow, selection, planned)
    return planned.total()


def _newest_of_many(runtime: Runtime, selection: Selection) -> int:
    """The newest enrolment, where too many are looked at for one transaction; else 0."""
    with runtime.db.read() as session:
        newest = selections.newest_enrolment(session)
    counts = [group.count for group in selection.groups]
    most = newest if 0 in counts else sum(counts)
    return newest if most > _slice(runtime) else 0


def _slice(runtime: Runtime) -> int:
    return SLICE if runtime.db.is_sqlite else LARGE_SLICE


def _spans(runtime: Runtime, newest: int) -> Iterator[Span]:
    """Slices of the enrolments, shorter while others write, too."""
    after = 0
    while after < newest:
        upto = after + (SHORT_SLICE if runtime.db.busy else _slice(runtime))
        yield after, upto
        after = upto


def _tell_planned(
    session: Session, now: datetime, program_id: str, flow: Flow, selection: Selection, planned: Mapping[Group, int]
) -> None:
    lines = [
        trail.line(
            now,
            "planned",
            "; ".join((selection.because, *group.slot.reasons)),
            program_id=program_id,
            flow=flow.id,
            data={
                "count": count,
                "due": group.slot.due_at.isoformat(),
                "zone": group.zone,
                "occasion": group.occasion,
            },
        )
        for group, count in planned.items()
    ]
    trail.write(session, lines)


# ----- chains whose end has moved


def _go_on(runtime: Runtime, in_force: InForce, flow: Flow) -> int:
    """Plan the next step of each chain of a flow that was over, and is not any more since the date that ends it moved.

    Asked again once the customers are locked: a chain may have gone on meanwhile.
    """
    if not (is_chain(flow) and until_of(flow)):
        return 0
    program, now = in_force.program, runtime.clock.now()
    today = runtime.today(program.zone)
    with runtime.db.read() as session:
        wanted = sorted({customer_id for customer_id, _ in chains.ended(session, program.id, flow, today)})
    planned = 0
    for ids in chunks(wanted):
        with runtime.db.write() as session:
            people = customers.lock(session, ids)
            enrolments = customers.enrolments_by_customer(session, ids)
            found = chains.ended(session, program.id, flow, today, ids)
            about = events.by_ids(session, (event_id for _, event_id in found))
            for customer_id, event_id in found:
                enrolment = enrolments.get((customer_id, program.id))
                subject = Subject(runtime, in_force, people[customer_id], enrolment, now)
                step = takeovers.gone_on(session, subject, flow, about[event_id])
                if step is not None:
                    apply(session, step[0], [step[1]])
                    planned += 1
    return planned


# ----- random draws: samples, waves, rounds


def way_of(runtime: Runtime, flow: Flow | None) -> Way:
    """How a flow reaches people; None: what asks again after a complaint was handled."""
    if flow is None:
        return Way(Purpose.SURVEY, tuple(name for name in RESURVEY_CHANNELS if name in runtime.channels))
    if flow.message is None:
        return Way(flow.purpose, ())
    channels = tuple(name for name in flow.message.channels if name in runtime.channels)
    return Way(flow.purpose, channels or ("",), flow.message.to, isinstance(flow.on, OnMilestone))


def draws_of(runtime: Runtime, in_force: InForce, flow: Flow, today: date) -> tuple[Draw, ...]:
    """The draws of a flow that are near on `today`, the earliest first."""
    if not is_drawn(flow.on):
        return ()
    program = in_force.program
    return rounds.draws(program, flow, today, runtime.calendar(program))


def _draws(runtime: Runtime, in_force: InForce, flow: Flow) -> list[Draw]:
    """Those whose time has come and has not passed."""
    now = runtime.clock.now()
    found = draws_of(runtime, in_force, flow, runtime.today(in_force.program.zone))
    return [
        draw
        for draw in found
        if draw.slot.due_at <= now and (draw.slot.expires_at is None or draw.slot.expires_at > now)
    ]


def happened_for(flow: Flow, draw: Draw, zone: ZoneInfo) -> Happened | None:
    """What must have happened to those who are drawn; None: nothing."""
    if not isinstance(flow.on, Wave):
        return None
    since = resolve_local(add(draw.slot.intended_on, -flow.on.within), time(0), zone)
    return Happened(flow.on.event, flow.on.where, since)


@dataclass(frozen=True)
class Drawn:
    """What a draw found: of `eligible` of `everybody` it takes `ids`, where it wanted `size`."""

    ids: tuple[int, ...]
    size: int
    eligible: int
    everybody: int
    seed: str


def draw_lots(
    runtime: Runtime, session: Session, program: Program, flow: Flow, draw: Draw, barred: AbstractSet[int] = frozenset()
) -> Drawn:
    """Whom the lot takes: the same seed, list and size give the same people (R65, R68). Nobody twice too soon (R69).

    Whom the message could not reach or must not is not drawn (R66, R84); `everybody` are all who are meant.
    `barred`: who must not be drawn beside those whom the rows tell of.
    """
    assert isinstance(flow.on, Sample | Wave | Round)
    day = draw.slot.intended_on
    happened = happened_for(flow, draw, program.time_zone)
    barred = barred | selections.drawn_since(session, program.id, flow.id, add(day, -flow.on.not_again_within))
    everybody = selections.members(session, program.id, flow.audience, day, happened)
    if flow.task is None:  # staff have their work whether or not the message may go
        barred = barred | outlook.kept_back(session, program.id, way_of(runtime, flow))
    eligible = [each for each in everybody if each not in barred]
    size = flow.on.sample or sampling.sample_size(flow.on.share or Fraction(1), len(eligible))
    seed = f"{runtime.dice.seed}:{program.id}:{flow.id}:{draw.occasion}"
    return Drawn(sampling.draw(eligible, size, seed), size, len(eligible), len(everybody), seed)


def is_too_small(flow: Flow, drawn: Drawn) -> bool:
    """Whether a partial survey reaches too few to be worth sending (R67); compared exactly."""
    smallest = flow.on.smallest_share if isinstance(flow.on, Round) else None
    return smallest is not None and Fraction(len(drawn.ids), max(drawn.everybody, 1)) < smallest


def _draw(runtime: Runtime, in_force: InForce, flow: Flow, draw: Draw) -> int:
    """Draw once: a lock keeps a second planner out, the seed is stored with it (R66)."""
    now, program = runtime.clock.now(), in_force.program
    with runtime.db.write() as session:
        programs.lock(session, program.id)  # two planners would draw two samples
        if selections.occasion_exists(session, program.id, flow.id, draw.occasion):
            return 0
        drawn = draw_lots(runtime, session, program, flow, draw)
        count = len(drawn.ids)
        data = {"count": count, "seed": drawn.seed, "occasion": draw.occasion, "due": draw.slot.due_at.isoformat()}
        if is_too_small(flow, drawn):
            because = f"{draw.occasion} refused: {count} of {drawn.everybody} are too few"
            _tell_once(session, now, program.id, flow, because, {**data, "of": drawn.everybody})
            return 0
        if not count:
            return 0
        _plan_drawn(session, in_force, flow, draw, drawn.ids, now)
        because = f"{count} of {drawn.eligible} drawn"
        lines = [trail.line(now, "planned", because, program_id=program.id, flow=flow.id, data=data)]
        if count < drawn.size:
            because, few = f"fewer than {drawn.size}: all {count} are sampled", {"count": count}
            lines.append(trail.line(now, "notice", because, program_id=program.id, flow=flow.id, data=few))
        trail.write(session, lines)
    return count


def _plan_drawn(
    session: Session, in_force: InForce, flow: Flow, draw: Draw, drawn: Sequence[int], now: datetime
) -> None:
    """One follow-up for each, or for each contact person whom the message goes to."""
    owner = follow_ups.Owner(in_force.program.id, in_force.version_id, now)
    to = flow.message.to if flow.message else ()
    because = "; ".join((f"drawn for {draw.occasion}", *draw.slot.reasons))
    for start in range(0, len(drawn), DRAWN_AT_ONCE):
        chunk = drawn[start : start + DRAWN_AT_ONCE]
        persons = selections.persons_with_roles(session, chunk, to) if to else {each: [0] for each in chunk}
        rows = [
            (owner, customer_id, PlanFollowUp(flow.id, draw.occasion, draw.slot, flow.purpose, because, person_id), 0)
            for customer_id in chunk
            for person_id in persons.get(customer_id, ())
        ]
        follow_ups.plan_many(session, rows)


def _tell_exempt(runtime: Runtime, in_force: InForce, flow: Flow) -> None:
    """A week without a workday has no wave: that is said once."""
    program = in_force.program
    today = runtime.today(program.zone)
    monday = rounds.exempt_week(flow, today, runtime.calendar(program))
    if monday is None:
        return
    with runtime.db.write() as session:
        because = f"exempt: no workday from {monday} to {monday + timedelta(days=6)}, no wave"
        _tell_once(session, runtime.clock.now(), program.id, flow, because, {"occasion": f"week:{monday}"})


def _tell_once(
    session: Session, now: datetime, program_id: str, flow: Flow, because: str, data: dict[str, Any]
) -> None:
    if not trail.is_told(session, program_id, flow.id, because):
        trail.write(session, [trail.line(now, "notice", because, program_id=program_id, flow=flow.id, data=data)])
