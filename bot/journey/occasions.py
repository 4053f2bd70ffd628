"""Step 2 for many: what the calendar calls for - festivals, cadences, silences, samples - is planned as sets.

The planner inserts what `selection_of` finds; the forecast counts the same. Next: outreach.py.
"""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

from sqlmodel import Session

from bot.runtime import Runtime
from bot.shelf import InForce
from bot.store import agenda, follow_ups, programs, settings, trail
from flows import plan, sampling
from flows.decisions import PlanFollowUp, Selection
from flows.offsets import add, end_of_day
from flows.program import Flow, Sample


def plan_occasions(runtime: Runtime) -> int:
    """Plan what the calendar calls for, up to each program's horizon; again, it changes nothing."""
    runtime.shelf.refresh()
    with runtime.db.read() as session:
        stands = agenda.read(session)
    if (at := next_planning(stands)) is not None and at > runtime.clock.now():
        return 0
    planned = 0
    for in_force in runtime.shelf.in_force:
        for flow, selection in _selections(runtime, in_force):
            planned += _insert(runtime, in_force, flow, selection)
        for flow in in_force.program.flows:
            if isinstance(flow.on, Sample):
                planned += _plan_sample(runtime, in_force, flow, flow.on)
    with runtime.db.write() as session:
        noted = {"until": _next_midnight(runtime).isoformat(), "enrolment": stands.enrolment, "version": stands.version}
        settings.write(session, agenda.PLANNED, noted)
    return planned


def next_planning(stands: agenda.Agenda) -> datetime | None:
    """When the calendar may call for something again: the next midnight, or at once if somebody was enrolled."""
    planned = stands.planned
    if planned.get("enrolment") != stands.enrolment or planned.get("version") != stands.version:
        return datetime.min.replace(tzinfo=UTC)
    return datetime.fromisoformat(planned["until"])


def _next_midnight(runtime: Runtime) -> datetime:
    """The next midnight in the zone of any program: the horizon covers the customers' own."""
    zones = {each.program.zone for each in runtime.shelf.in_force} or {"UTC"}
    return min(end_of_day(runtime.today(zone), ZoneInfo(zone)) for zone in zones)


def selection_of(runtime: Runtime, session: Session, in_force: InForce, flow: Flow, today: date) -> Selection | None:
    """Who is meant by a set-based flow as seen on `today`: the planner inserts it, the forecast counts it."""
    kind = plan.needs_anchor(flow)
    assert kind is not None
    program = in_force.program
    if not plan.may_fire(program, flow, today, runtime.calendar(program.region)):
        return None
    anchors = follow_ups.anchors(session, program.id, kind, flow.id, flow.audience, today)
    return plan.select(program, flow, anchors, today, runtime.calendar(program.region))


def _selections(runtime: Runtime, in_force: InForce) -> list[tuple[Flow, Selection]]:
    """Whom the set-based flows of a program mean today, all read at once."""
    today = runtime.today(in_force.program.zone)
    flows = [flow for flow in in_force.program.flows if plan.needs_anchor(flow) and not isinstance(flow.on, Sample)]
    with runtime.db.read() as session:
        found = [(flow, selection_of(runtime, session, in_force, flow, today)) for flow in flows]
    return [(flow, selection) for flow, selection in found if selection is not None]


def _insert(runtime: Runtime, in_force: InForce, flow: Flow, selection: Selection) -> int:
    """One INSERT for each group, and a line of the trail; those planned already are passed over."""
    now, program = runtime.clock.now(), in_force.program
    today = runtime.today(program.zone)
    owner = follow_ups.Owner(program.id, in_force.version_id, now)
    with runtime.db.write() as session:
        planned = follow_ups.plan_selection(session, owner, selection, today)
        trail.write(
            session,
            [
                trail.line(
                    now,
                    "planned",
                    "; ".join((selection.because, *group.slot.reasons)),
                    program_id=program.id,
                    flow=flow.id,
                    data={
                        "count": count,
                        "due": group.slot.due_at.isoformat(),
                        "zone": group.zone,
                        "occasion": group.occasion,
                    },
                )
                for group, count in planned
            ],
        )
    return sum(count for _, count in planned)


def _plan_sample(runtime: Runtime, in_force: InForce, flow: Flow, trigger: Sample) -> int:
    """Draw the period's sample once its day is near; the seed is stored with it (R66, R68, R69)."""
    now, program = runtime.clock.now(), in_force.program
    today = runtime.today(program.zone)
    occasion, slot = plan.sample_slot(program, flow, trigger, today, runtime.calendar(program.region))
    if not today <= slot.intended_on <= add(today, program.horizon):
        return 0
    slot = plan.with_expiry(slot, flow.valid_for, program.time_zone)
    seed = f"{runtime.dice.seed}:{program.id}:{flow.id}:{occasion}"
    owner = follow_ups.Owner(program.id, in_force.version_id, now)
    with runtime.db.write() as session:
        programs.lock(session, program.id)  # two planners would draw two samples
        if follow_ups.occasion_exists(session, program.id, flow.id, occasion):
            return 0
        since = add(today, -trigger.not_again_within)
        barred = follow_ups.sampled_since(session, program.id, flow.id, since)
        eligible = [
            each for each in follow_ups.members(session, program.id, flow.audience, today) if each not in barred
        ]
        drawn = sampling.draw(eligible, trigger.sample, seed)
        planned = PlanFollowUp(flow.id, occasion, slot, flow.purpose, f"drawn for {occasion}")
        for customer_id in drawn:
            follow_ups.plan(session, owner, customer_id, planned)
        lines = [
            trail.line(
                now,
                "planned",
                f"{len(drawn)} of {len(eligible)} drawn",
                program_id=program.id,
                flow=flow.id,
                data={"count": len(drawn), "seed": seed, "occasion": occasion, "due": slot.due_at.isoformat()},
            )
        ]
        if len(drawn) < trigger.sample:
            lines.append(
                trail.line(
                    now,
                    "notice",
                    f"fewer than {trigger.sample}: all {len(drawn)} are sampled",
                    program_id=program.id,
                    flow=flow.id,
                    data={"count": len(drawn)},
                )
            )
        trail.write(session, lines if drawn or eligible else [])
    return len(drawn)
