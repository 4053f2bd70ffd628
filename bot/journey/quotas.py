"""What a period must have reached: looked at when it is over, and before that where somebody is behind (R63-R75).

    quotas of a program        follow-up, collection, issue and handling rates; what is missing is drawn into tasks
    contacts of each customer  `AtLeast`: a follow-up per customer, settled here when outreach claims it
    customers of each member   `AtLeast`, each: staff
    satisfaction with staff    put into bands, in appraisals.py
    duties of staff            open at their time, in duties.py
    forms                      deleted once they need not be kept, in archive.py

Each look is planned once and kept with what it found. Next: classes.py, whose recount is planned here too.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any

from sqlmodel import Session

from bot.journey import appraisals, archive, classes, duties, tasks
from bot.journey.notices import tell_missing
from bot.journey.subject import Subject
from bot.runtime import Runtime
from bot.shelf import InForce
from bot.store import customers, follow_ups, programs, quotas, staff, trail
from bot.store.tables import EnrolmentRow, FollowUpRow, QuotaCheckRow, StaffRow
from flows import sampling
from flows.offsets import add, resolve_local
from flows.program import Flow, Program, Quota
from flows.promises import period_of, ping_time
from flows.quotas import Reached, closings, recounts
from flows.rounds import counted_days, counts_until, least_of, look_slot, looks, task_due
from flows.states import FollowUpState
from flows.triggers import AtLeast, OnFestival, Unanswered

BATCH = 50
CLASSES = "classes"
REMIND, CLOSE = "remind", "close"


# ----- planned


def plan_checks(session: Session, runtime: Runtime, in_force: InForce, today: date) -> int:
    """Plan the looks between today and the program's horizon; those planned already are passed over."""
    program = in_force.program
    until, begun_at = add(today, program.horizon), programs.begun_at(session, program.id)
    checks = (*_checks(runtime, program, begun_at, today, until), *archive.looks(session, program, today))
    return sum(
        quotas.plan(
            session,
            {
                "program_id": program.id,
                "program_version_id": in_force.version_id,
                "name": name,
                "kind": kind,
                "first": first,
                "last": last,
                "due_at": at,
            },
        )
        for name, kind, first, last, at in checks
    )


def _checks(
    runtime: Runtime, program: Program, begun_at: datetime, today: date, until: date
) -> Iterator[tuple[str, str, date, date, datetime]]:
    """(name, kind, first and last day of the period, when) of each look between two days.

    Nobody of the staff is judged by a period that was over before the program began here.
    """
    calendar, zone = runtime.calendar(program), program.time_zone
    begun_on = begun_at.astimezone(zone).date()
    for quota in program.quotas:
        for closing in closings(quota.period, today, until, calendar, zone):
            if not program.active_from or closing.last >= program.active_from:
                yield quota.id, CLOSE, closing.first, closing.last, closing.at
    for flow in program.flows:
        if isinstance(flow.on, AtLeast) and flow.on.each == "staff":
            for look in looks(flow.on, today, until, program.permits(flow), calendar):
                if look.last < max(begun_on, program.active_from or begun_on):
                    continue
                kind = CLOSE if look.closes else REMIND
                yield flow.id, kind, look.first, look.last, look_slot(flow.on, look, zone).due_at
    if program.classes.rules:
        for closing in recounts(program.classes.every, today, until, calendar, zone):
            yield CLASSES, CLASSES, closing.first, closing.last, closing.at
    yield from duties.looks(runtime, program, today, until)
    yield from appraisals.looks(runtime, program, today, until)


# ----- looked at


def check_due(runtime: Runtime, limit: int = BATCH) -> int:
    """Look at every period whose time has come, and keep what was found; how many."""
    runtime.shelf.refresh()
    now = runtime.clock.now()
    with runtime.db.write() as session:
        rows = quotas.due(session, now, limit)
        for row in rows:
            found = _look(session, runtime, row, now)
            if found is not None:
                quotas.note(session, row.id, now, found)
    return len(rows)


def _look(session: Session, runtime: Runtime, check: QuotaCheckRow, now: datetime) -> Mapping[str, Any] | None:
    """What was found; None: there is more to do, so look again."""
    program = runtime.shelf.version(check.program_version_id)
    if check.kind == duties.DUTY:
        return duties.open_tasks(session, runtime, check, now)
    if check.kind == appraisals.APPRAISAL:
        return appraisals.appraise(session, runtime, check, now)
    if check.kind == archive.ARCHIVE:
        return archive.find_deletable(session, runtime, check, now)
    if check.kind == CLASSES:
        return {} if classes.recount(session, runtime, InForce(check.program_version_id, program), now) else None
    quota = next((quota for quota in program.quotas if quota.id == check.name), None)
    if quota is not None:
        groups = _groups(session, program, quota, check)
        return {"groups": [_close(session, runtime, check, program, quota, *group, now) for group in groups]}
    return {"staff": _count_staff(session, runtime, check, program, program.flow(check.name), now)}


def _groups(session: Session, program: Program, quota: Quota, check: QuotaCheckRow) -> list[tuple[str, Reached]]:
    """What each class has reached, or all together (class: empty)."""
    flows, by_class = quota.of or _counted_flows(program), quota.by == "class"
    span = (check.first, check.last)
    match quota.rate:
        case "follow_up" if quota.among:
            counted = (flows, *span, _reach(program, quota), quota.among)
            found = quotas.members_contacted(session, program.id, *counted, by_class)
        case "follow_up":
            found = quotas.contacted(session, program.id, flows, *span, _reach(program, quota), by_class)
        case "collection":
            found = quotas.returned(session, program.id, flows, *span, by_class)
        case "issue":
            found = quotas.issued(session, program.id, flows, *span, by_class)
        case "handling":
            zone = program.time_zone
            since, until = (resolve_local(day, time(0), zone) for day in (check.first, _after(check.last)))
            found = quotas.handled(session, program.id, since, until)
    return [(class_, Reached(*counts)) for class_, counts in sorted(found.items())]


def _reach(program: Program, quota: Quota) -> quotas.Reach:
    """What counts as contacted; paperwork reaches nobody."""
    return quotas.Reach(quota.reached, tuple(name for name, kind in program.contacts.items() if kind.reaches))


def _after(day: date) -> date:
    return date.fromordinal(day.toordinal() + 1)


def _counted_flows(program: Program) -> tuple[str, ...]:
    """Every flow that contacts somebody for an answer: no greeting and no reminder."""
    return tuple(
        flow.id
        for flow in program.flows
        if not isinstance(flow.on, OnFestival | Unanswered | AtLeast) and (flow.message or flow.task)
    )


def _close(
    session: Session,
    runtime: Runtime,
    check: QuotaCheckRow,
    program: Program,
    quota: Quota,
    class_: str,
    reached: Reached,
    now: datetime,
) -> Mapping[str, Any]:
    """One line of the trail for what a period has reached; what is missing is drawn into tasks (R70)."""
    met, missing = reached.meets(quota.target), reached.missing(quota.target)
    found: dict[str, Any] = {
        "quota": quota.id,
        "class": class_,
        "numerator": reached.numerator,
        "denominator": reached.denominator,
        "share": str(reached),
        "target": f"{quota.target * 100}%",
        "met": met,
        "missing": missing,
        "period": check.first.isoformat(),
    }
    if quota.penalty_per is not None:
        found["penalty"] = reached.penalty(quota.target, quota.penalty_per)
    if quota.rate != "handling" and missing:
        found |= _missing(session, runtime, check, program, quota, class_ if quota.by else None, missing, now)
    name = program.text(quota.name, program.language) if quota.name else quota.id
    because = f"{name}: {reached}, target {found['target']}: {'met' if met else f'not met, {missing} missing'}"
    trail.write(session, [trail.line(now, "quota", because, program_id=program.id, data=found)])
    return found


def _missing(
    session: Session,
    runtime: Runtime,
    check: QuotaCheckRow,
    program: Program,
    quota: Quota,
    class_: str | None,
    missing: int,
    now: datetime,
) -> Mapping[str, Any]:
    """Who is missing, by name where they are few; with a task, as many as are missing are drawn into one each."""
    left = _left(session, program, quota, check, class_)
    seed = f"{runtime.dice.seed}:{program.id}:{quota.id}:{check.first}"
    drawn = sampling.draw(left, missing, seed) if quota.task else ()
    people = customers.by_ids(session, drawn or left[:_NAMED])
    in_force = InForce(check.program_version_id, program)
    for customer_id in drawn:
        enrolment = customers.enrolment(session, customer_id, program.id)
        subject = Subject(runtime, in_force, people[customer_id], enrolment, now)
        about = tasks.For(
            key=f"quota:{check.id}:{customer_id}",
            because=f"{quota.id}: {missing} missing in {check.first} to {check.last}",
            on=now.astimezone(program.time_zone).date(),
        )
        assert quota.task is not None
        tasks.open_for(session, subject, about, quota.task)
    named = [people[each].name for each in drawn or left[:_NAMED] if each in people]
    return {"names": named, "seed": seed} if drawn else {"names": named}


def _left(session: Session, program: Program, quota: Quota, check: QuotaCheckRow, class_: str | None) -> Sequence[int]:
    """Ids of the customers who could still make up for what is missing."""
    flows = quota.of or _counted_flows(program)
    match quota.rate:
        case "collection":
            return quotas.silent(session, program.id, flows, check.first, check.last, class_)
        case "follow_up" if quota.among:
            classes = (class_,) if class_ is not None else quota.among
            span = (check.first, check.last)
            return quotas.members_not_contacted(session, program.id, flows, *span, _reach(program, quota), classes)
        case "issue":
            return quotas.not_issued(session, program.id, flows, check.first, check.last, class_)
        case _:
            return quotas.not_contacted(
                session, program.id, flows, check.first, check.last, _reach(program, quota), class_
            )


_NAMED = 20
"""So many missing customers are named in the trail; the others are counted."""


# ----- contacts of each customer


@dataclass(frozen=True)
class Outcome:
    """What became of a follow-up that looks whether a customer was contacted enough; `what`: None is told already."""

    state: FollowUpState
    what: str | None
    because: str
    data: Mapping[str, Any]


def settle_least(session: Session, subject: Subject, flow: Flow, row: FollowUpRow) -> Outcome:
    """Count the contacts of the period: enough, or whoever is responsible is told, or it is a breach (rule 12)."""
    trigger = flow.on
    assert isinstance(trigger, AtLeast)
    program, customer = subject.in_force.program, subject.customer
    first, closes = date.fromisoformat(row.occasion.split(":")[1]), row.occasion.endswith(f":{CLOSE}")
    last = counted_days(trigger, first, program.permits(flow), subject.calendar)[1]
    until = counts_until(trigger, last, program.time_zone)
    count = quotas.made_with(session, program.id, trigger.of, customer.id, first, last, until)
    found: dict[str, Any] = {"count": count, "target": trigger.at_least, "period": first.isoformat()}
    told = f"{count} of {trigger.at_least} ({', '.join(trigger.of)}) in {first} to {last}"
    if count >= trigger.at_least:
        known = follow_ups.is_fulfilled(session, program.id, flow.id, customer.id, f"least:{first}:")
        return Outcome(FollowUpState.FULFILLED, None if known else "fulfilled", f"enough: {told}", found)
    if closes:
        found |= {"met": False, **_tell_superior(session, subject, flow, row, trigger.at_least - count, last)}
        return Outcome(FollowUpState.SENT, "breach", f"too few: {told}", found)
    role = flow.task.role if flow.task else program.callback.owner
    members = tasks.who_does(session, program, role, subject.enrolment.staff if subject.enrolment else ())
    if flow.task is not None:
        about = tasks.For(
            key=f"least:{program.id}:{flow.id}:{customer.id}:{first}",
            because=f"behind: {told}",
            on=row.nominal_on,
            flow=flow.id,
            follow_up_id=row.id,
            at=task_due(trigger, last, flow.task.at, subject.now, program.time_zone),
            is_judged=True,
        )
        tasks.open_for(session, subject, about, flow.task)
    else:
        missing, at = trigger.at_least - count, ping_time(subject.now, program.time_zone)
        key, lacks = f"behind:{row.id}", (missing, trigger.of, last, at)
        tell_missing(session, subject.runtime, program, members, "staff/behind", key, *lacks, customer=customer.name)
    return Outcome(
        FollowUpState.SENT, "ping", f"behind: {told}", {**found, "staff": [each.name for each in members], "role": role}
    )


def _tell_superior(
    session: Session, subject: Subject, flow: Flow, row: FollowUpRow, missing: int, last: date
) -> Mapping[str, Any]:
    """Whoever is above the one who was to see to it hears what a period lacks; where nobody was, it is only noted."""
    if flow.task is None:
        return {}
    assert isinstance(flow.on, AtLeast)
    program = subject.in_force.program
    role = tasks.superior_of(program, flow.task)
    members = staff.with_role(session, program.id, role)
    key, lacks = f"too_few:{row.id}", (missing, flow.on.of, last, ping_time(subject.now, program.time_zone))
    name = subject.customer.name
    tell_missing(session, subject.runtime, program, members, "staff/too_few", key, *lacks, customer=name)
    return {"role": role, "staff": [each.name for each in members]}


def ended_before_the_class(trigger: AtLeast, row: FollowUpRow, enrolment: EnrolmentRow | None) -> bool:
    """Whether a close is about a period that was over when the customer came into its class: the old one is judged.

    Classes are computed anew on the same first workday on which periods close.
    """
    if enrolment is None or enrolment.class_since is None or not row.occasion.endswith(f":{CLOSE}"):
        return False
    first = date.fromisoformat(row.occasion.split(":")[1])
    return enrolment.class_since > period_of(trigger.per, first)[1]


# ----- customers of each member of staff


@dataclass(frozen=True)
class _Asked:
    """What a period asks of one member of staff, and the day from which their contacts count."""

    member: StaffRow
    least: int
    first: date


def _asked(
    session: Session, runtime: Runtime, check: QuotaCheckRow, program: Program, flow: Flow, trigger: AtLeast
) -> Sequence[_Asked]:
    """Whoever was here in the period; who began in it is asked for its share, of contacts from that day on."""
    role = flow.task.role if flow.task else program.callback.owner
    permits, calendar = program.permits(flow), runtime.calendar(program)
    found = [
        _Asked(
            member,
            least_of(trigger, member.since, check.first, check.last, permits, calendar),
            max(check.first, member.since or check.first),
        )
        for member in staff.with_role(session, program.id, role)
    ]
    return [asked for asked in found if asked.least]


def _count_staff(
    session: Session, runtime: Runtime, check: QuotaCheckRow, program: Program, flow: Flow, now: datetime
) -> Sequence[Mapping[str, Any]]:
    """How many different customers each member has contacted; who is behind is told, at the end it is a breach."""
    trigger = flow.on
    assert isinstance(trigger, AtLeast)
    until = counts_until(trigger, check.last, program.time_zone)
    members = _asked(session, runtime, check, program, flow, trigger)
    met = {
        first: quotas.customers_met(session, program.id, trigger.of, first, check.last, until)
        for first in {asked.first for asked in members}
    }
    found = []
    for asked in members:
        member = asked.member
        count = met[asked.first].get(member.id, 0)
        missing = asked.least - count
        data = {
            "staff": member.name,
            "count": count,
            "target": asked.least,
            "met": missing <= 0,
            "period": check.first.isoformat(),
        }
        found.append(data)
        told = f"{member.name}: {count} of {asked.least} customers in {asked.first} to {check.last}"
        if check.kind == CLOSE:
            what = "quota" if data["met"] else "breach"
            trail.write(session, [trail.line(now, what, told, program_id=program.id, flow=flow.id, data=data)])
        elif not data["met"]:
            lacks = missing, trigger.of, check.last, ping_time(now, program.time_zone)
            key = f"behind:check:{check.id}"  # a follow-up may have the same number
            tell_missing(session, runtime, program, [member], "staff/behind", key, *lacks)
            told_to = {**data, "staff": [member.name]}
            trail.write(session, [trail.line(now, "ping", told, program_id=program.id, flow=flow.id, data=told_to)])
    return found
