"""When a person must call, who owns the ticket, and who is pinged when (R119, R128-R138, rule 6)."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from flows.audience import holds
from flows.calendar import Calendar
from flows.decisions import NextRound, OpenTicket, PlannedPing
from flows.offsets import DAY, add_to_instant, resolve_local
from flows.program import Program
from flows.promises import STAFF_HOURS, call_before, ping_time, sla_due
from flows.windows import ANY_TIME, OwnTimes
from messages.reading import Reading

TICKET = ("topic", "category", "urgent")
"""What rules may ask of every ticket; beside it stand the alerts it raised and the data of the event it is about."""
ALERT = "alert:"
"""How the steps begin that no ladder plans: words that reach somebody at once, whatever becomes of the ticket."""
STAND_IN, BACK = "stand-in", "back"
"""The steps that hand a ticket to whoever is on duty while its owner is off, and back."""


def promise(
    program: Program, since: datetime, zone: ZoneInfo, calendar: Calendar, own: OwnTimes = ANY_TIME
) -> tuple[datetime, datetime]:
    """(due, call before): the end of the SLA, and the last moment to call that the customer's windows allow."""
    rule = program.callback
    due = sla_due(since, rule.sla, rule.clock, zone, calendar)
    permits = program.permits(off_days=rule.off_days).of_customer(own)
    before = call_before(since, due, permits=permits, calendar=calendar, zone=zone)
    return due, before or _by_the_staff_on_duty(program, since, due, zone)


def _by_the_staff_on_duty(program: Program, since: datetime, due: datetime, zone: ZoneInfo) -> datetime:
    """The due time; nobody is told to expect a call at 00:00, but by the end of the hard hours of the day before."""
    local = due.astimezone(zone)
    if local.time() != time.min:
        return due
    evening = resolve_local(local.date() - DAY, program.hard_hours.end, zone)
    return evening if evening > since else due - timedelta(minutes=1)


def ladder(program: Program, since: datetime, due: datetime, zone: ZoneInfo) -> tuple[PlannedPing, ...]:
    """One ping for each rung, in staff hours (R133)."""
    span = due - since
    pings = []
    for rung in program.callback.ladder:
        at = since + span * rung.share
        if rung.extra:
            at = add_to_instant(at, rung.extra, zone)
        pings.append(PlannedPing(rung.at.replace(" ", ""), rung.role, ping_time(at, zone)))
    return tuple(pings)


def next_role(program: Program, role: str, owner: str) -> str | None:
    """Who gets a ping of the owner's ticket that `role` did not acknowledge; None: nobody is left above (R144)."""
    replaced, rule = _replaced_by(program, owner), program.callback.stand_in
    roles = list(dict.fromkeys(owner if rung.role in replaced else rung.role for rung in program.callback.ladder))
    stood_in = away(program) if rule and role == rule.role else (role,)
    index = max((roles.index(each) + 1 for each in stood_in if each in roles), default=0)
    return roles[index] if index < len(roles) else None


# ----- who answers while the owner is off


def away(program: Program) -> tuple[str, ...]:
    """The roles that somebody stands in for on off days."""
    rule = program.callback.stand_in
    return (rule.instead_of or (program.callback.owner,)) if rule else ()


def answers_for(program: Program, role: str, at: datetime, calendar: Calendar) -> str:
    """Who gets what is meant for a role at an instant: the role itself, or on its off days who stands in for it."""
    rule = program.callback.stand_in
    if rule is None or role not in away(program):
        return role
    return rule.role if calendar.kind(at.astimezone(program.time_zone).date()) in rule.on else role


def handovers(
    program: Program, owner: str, since: datetime, due: datetime, calendar: Calendar
) -> tuple[PlannedPing, ...]:
    """A ticket of this owner goes to the stand-in as off days begin that its promise runs into, and back after them."""
    rule = program.callback.stand_in
    if rule is None or owner not in away(program):
        return ()
    zone = program.time_zone
    first, last = since.astimezone(zone).date(), due.astimezone(zone).date()
    pings, was_off = [], calendar.kind(first) in rule.on  # on an off day it is the stand-in's from the beginning
    day = first + DAY
    while day <= last or was_off:
        is_off = calendar.kind(day) in rule.on
        if is_off != was_off:
            step, role = (STAND_IN, rule.role) if is_off else (BACK, owner)
            at = resolve_local(day, STAFF_HOURS.start, zone)
            pings.append(PlannedPing(f"{step} {day:%m-%d}", role, at))
        day, was_off = day + DAY, is_off
    return tuple(pings)


# ----- whose it is


def facts_of_ticket(
    known: Mapping[str, Any], topic: str | None, category: str | None, urgent: bool, alerts: tuple[str, ...] = ()
) -> dict[str, Any]:
    """What the rules of owners and of asking again may ask for; `known`: what an audience may ask, of the customer and
    of the event that was asked about.
    """
    return {**known, "topic": topic, "category": category, "urgent": urgent, **dict.fromkeys(alerts, True)}


def for_its_owner(opened: OpenTicket, program: Program, known: Mapping[str, Any]) -> OpenTicket:
    """The ticket in the hands of whoever owns one of its kind: by what it is about, how grave it is, or whose complaint
    it is (R119, R130, R162).
    """
    facts = facts_of_ticket(known, opened.topic, opened.category, opened.urgent, opened.flags)
    owner = next((rule.role for rule in program.callback.owners if holds(rule.where, facts)), opened.owner_role)
    return replace(opened, owner_role=owner, pings=pings_of_owner(program, owner, opened.pings))


def pings_of_owner(program: Program, owner: str, pings: tuple[PlannedPing, ...]) -> tuple[PlannedPing, ...]:
    """The ladder of a ticket of this owner, who is told in place of the usual owner and of everybody below."""
    replaced = _replaced_by(program, owner)
    mine = (replace(ping, role=owner) if ping.role in replaced else ping for ping in pings)
    return tuple({(ping.step, ping.role): ping for ping in mine}.values())


def _replaced_by(program: Program, owner: str) -> tuple[str, ...]:
    """The roles whose rungs an owner takes: those below on the ladder, or the usual owner's where it stands on none."""
    roles = list(dict.fromkeys(rung.role for rung in program.callback.ladder))
    return tuple(roles[: roles.index(owner)]) if owner in roles else (program.callback.owner,)


def open_ticket(
    program: Program,
    reading: Reading,
    since: datetime,
    zone: ZoneInfo,
    calendar: Calendar,
    *,
    kind: str,
    topic: str | None,
    because: str,
    own: OwnTimes = ANY_TIME,
) -> OpenTicket:
    """The entry of the queue that one unhappy reply opens."""
    due, before = promise(program, since, zone, calendar, own)
    return OpenTicket(
        kind=kind,
        owner_role=program.callback.owner,
        due_at=due,
        call_before=before,
        pings=ladder(program, since, due, zone),
        because=because,
        category=str(reading.category) if reading.category else None,
        topic=topic,
        urgent=reading.urgent,
        flags=reading.flags,
    )


def next_round(
    program: Program, since: datetime, zone: ZoneInfo, calendar: Calendar, because: str, own: OwnTimes = ANY_TIME
) -> NextRound:
    """A low second answer: each round starts a new clock and a new ladder."""
    due, before = promise(program, since, zone, calendar, own)
    return NextRound(due, before, ladder(program, since, due, zone), because)
