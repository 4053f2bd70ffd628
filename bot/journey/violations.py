"""A violation of the house's rules is suspected: one case. A manager confirms it, or dismisses it (R167, R170).

    suspected -> confirmed: it gets its number, and the sanction of that number is proposed
    suspected -> dismissed: with the reason

Whoever must hear of it does so by the program's alerts, ladders and tasks; nothing is told from here. A case keeps what
it rests on by number, never the words. What makes us suspect one is decided in `flows/suspicions.py`.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlmodel import Session

from bot.errors import Conflict, InputError, NotFound
from bot.journey import queue
from bot.journey.subject import Subject
from bot.runtime import Runtime
from bot.shelf import InForce
from bot.store import events, programs, staff, trail, violations
from bot.store.storable import storable_text
from bot.store.tables import EventRow, StaffRow, TaskRow, ViolationRow
from flows import suspicions
from flows.archive import has_role
from flows.decisions import Decision
from flows.events import Event
from flows.program import Program
from flows.states import ViolationState
from flows.survey import Conversation
from flows.suspicions import Suspicion
from flows.violations import Violation
from messages.reading import Reading

LONGEST_NAME = 100
LONGEST_REASON = 500


# ----- suspected


def suspect_by_reply(
    session: Session, subject: Subject, talk: Conversation, reading: Reading, text: str, decided: Sequence[Decision]
) -> None:
    """Open a case for each violation that a reply makes us suspect; a visit, or a complaint, is one case of a kind."""
    if talk.program.violations:
        found = suspicions.in_reply(talk, reading, text, decided)
        _suspect(session, subject, found, {"inbound_id": subject.inbound.id if subject.inbound else 0})


def suspect_by_event(session: Session, subject: Subject, event: Event) -> None:
    """Open a case for each violation that a new event tells of."""
    program = subject.in_force.program
    if program.violations:
        _suspect(session, subject, suspicions.in_event(program, event.type), {}, event)


def suspect_by_breach(session: Session, runtime: Runtime, task: TaskRow) -> None:
    """Open a case for each violation that it is to leave this task undone; it concerns whoever was to do it."""
    program = runtime.shelf.version(task.program_version_id)
    doer = staff.get(session, task.staff_id) if task.staff_id else None
    for each in suspicions.in_breach(program, task.flow, task.kind):
        evidence = {"task_id": task.id, "ticket_id": task.ticket_id, "customer_id": task.customer_id}
        key, in_force = f"{each.kind}:task:{task.id}", InForce(task.program_version_id, program)
        _open(session, runtime, in_force, key, each, doer.name if doer else "", evidence)


def _suspect(
    session: Session,
    subject: Subject,
    found: Iterable[Suspicion],
    evidence: Mapping[str, int],
    told: Event | None = None,
) -> None:
    """Cases that a customer's words open, or an event that was `told`; whatever they are about lies before."""
    for each in found:
        event = _happened_at(session, subject)
        rests_on = {
            **evidence,
            "customer_id": subject.customer.id,
            "event_id": event.id if event else told.id if told else 0,
            "ticket_id": subject.ticket.id if subject.ticket else 0,
        }
        field = subject.in_force.program.violations[each.kind].about or ""
        about = _named(field, told.data if told else {}, event.data if event else {}, subject.customer.attributes)
        key = f"{each.kind}:{_occasion(rests_on)}"
        _open(session, subject.runtime, subject.in_force, key, each, about, rests_on)


def _happened_at(session: Session, subject: Subject) -> EventRow | None:
    """The event that the customer was asked about, now or when the ticket was opened: the visit that is in question."""
    event, ticket = queue.asked_about(session, subject), subject.ticket
    if event is None and ticket is not None and ticket.event_id:
        return events.get(session, ticket.event_id)
    return event


def _occasion(rests_on: Mapping[str, int]) -> str:
    """What a violation happened at, of which there is one case: the event, else the complaint, else the reply."""
    for name in ("event_id", "ticket_id", "inbound_id"):
        if rests_on.get(name):
            return f"{name}:{rests_on[name]}"
    raise AssertionError("a case rests on something")


def _named(field: str, *known: Mapping[str, Any]) -> str:
    """Whom it concerns, as the first says that knows it; empty: nobody has said so."""
    said = next((facts[field] for facts in known if facts.get(field)), "")
    return storable_text(str(said)).strip()[:LONGEST_NAME]


def _open(
    session: Session,
    runtime: Runtime,
    in_force: InForce,
    key: str,
    suspicion: Suspicion,
    about: str,
    evidence: Mapping[str, int],
) -> None:
    """One case, with what would be proposed if it were confirmed now; the same key opens one."""
    program, now = in_force.program, runtime.clock.now()
    number = violations.confirmed(session, program.id, suspicion.kind, about) + 1
    violation = program.violations[suspicion.kind]
    values: dict[str, Any] = {
        **dict.fromkeys(("customer_id", "event_id", "inbound_id", "ticket_id", "task_id"), 0),
        **evidence,
        "dedupe_key": f"{program.id}:{key}",
        "program_id": program.id,
        "program_version_id": in_force.version_id,
        "kind": suspicion.kind,
        "about": about,
        "because": suspicion.because,
        "number": number,
        "sanction": dict(violation.sanction(number)),
        "opened_at": now,
    }
    case_id = violations.open_(session, values)
    if case_id is not None:
        case = violations.take(session, case_id)
        assert case is not None
        _note(session, runtime, case, suspicion.because, inbound=case.inbound_id)


# ----- confirmed or dismissed


def confirm(runtime: Runtime, case_id: int, staff_id: int, about: str = "") -> None:
    """Confirm a case: it gets its number among those of its kind and person, and the sanction of that is proposed.

    1 its program is locked: two confirmed at once would get one number  2 is it theirs to decide, and whom does it
    concern? `about` says so, or puts right what the case says  3 how many were confirmed before  4 by compare-and-set.
    NotFound. InputError: nobody is named. Conflict: it is decided already, or not theirs to decide.
    """
    with runtime.db.write() as session:
        case, member = _take(session, runtime, case_id, staff_id)
        name = storable_text(about).strip()[:LONGEST_NAME] or case.about
        if not name:
            fault = {"field": "about", "reason": "nobody is named", "remedy": "say whom it concerns"}
            raise InputError([fault])
        _check_who(runtime, case, member, name)
        number = violations.confirmed(session, case.program_id, case.kind, name) + 1
        sanction = dict(_rule_of(runtime, case).sanction(number))
        _decide(session, runtime, case, member, ViolationState.CONFIRMED, about=name, number=number, sanction=sanction)
        _note(session, runtime, case, f"confirmed by {member.name}", staff=member.name)


def dismiss(runtime: Runtime, case_id: int, staff_id: int, reason: str) -> None:
    """Dismiss a case, with the reason: it counts nowhere. NotFound, InputError and Conflict as for `confirm`."""
    reason = storable_text(reason).strip()[:LONGEST_REASON]
    if not reason:
        raise InputError([{"field": "reason", "reason": "is empty", "remedy": "say why it is no violation"}])
    with runtime.db.write() as session:
        case, member = _take(session, runtime, case_id, staff_id)
        _check_who(runtime, case, member, case.about)
        _decide(session, runtime, case, member, ViolationState.DISMISSED, reason=reason)
        _note(session, runtime, case, f"dismissed by {member.name}: {reason}", staff=member.name)


def may_decide(runtime: Runtime, case: ViolationRow, member: StaffRow) -> bool:
    """Is it for this member to confirm or dismiss the case? Nobody judges their own."""
    may = has_role(member.roles, case.program_id, _rule_of(runtime, case).confirm)
    return may and member.name != case.about


def _take(session: Session, runtime: Runtime, case_id: int, staff_id: int) -> tuple[ViolationRow, StaffRow]:
    """The case, with its program locked, and whoever decides."""
    case = violations.take(session, case_id)
    if case is None:
        raise NotFound(f"there is no violation {case_id}")
    programs.lock(session, case.program_id)
    member = staff.get(session, staff_id)
    if member is None or not member.active:
        raise NotFound(f"there is no member of staff {staff_id}")
    return case, member


def _check_who(runtime: Runtime, case: ViolationRow, member: StaffRow, about: str) -> None:
    """Conflict: it is not for them to decide, or it concerns themselves."""
    rule = _rule_of(runtime, case)
    if not has_role(member.roles, case.program_id, rule.confirm):
        raise Conflict(f"that is for the {' or the '.join(rule.confirm)}, and {member.name} is none")
    if member.name == about:
        raise Conflict(f"it concerns {member.name}: another person decides it")


def _rule_of(runtime: Runtime, case: ViolationRow) -> Violation:
    """The rule that was in force when the case was opened."""
    return runtime.shelf.version(case.program_version_id).violations[case.kind]


def _decide(
    session: Session,
    runtime: Runtime,
    case: ViolationRow,
    member: StaffRow,
    target: ViolationState,
    **known: Any,
) -> None:
    if not violations.decide(session, case.id, target, member.id, runtime.clock.now(), **known):
        raise Conflict(f"violation {case.id} is {case.state} already")
    session.refresh(case)


# ----- told in the trail


def _note(session: Session, runtime: Runtime, case: ViolationRow, because: str, **known: Any) -> None:
    """One line: which case, whom it concerns, how far it has come, what is proposed."""
    program = runtime.shelf.version(case.program_version_id)
    data = {
        "violation": case.id,
        "kind": case.kind,
        "name": program.text(program.violations[case.kind].name, program.language),
        "about": case.about,
        "state": str(case.state),
        "number": None if case.state == ViolationState.DISMISSED else case.number,
        "sanction": _proposed(program, case),
        **{name: value for name, value in known.items() if value},
    }
    about = {"customer_id": case.customer_id, "program_id": case.program_id, "ticket_id": case.ticket_id}
    trail.write(session, [trail.line(runtime.clock.now(), "violation", because, **about, data=data)])


def _proposed(program: Program, case: ViolationRow) -> str | None:
    """What is proposed, in the language of the program; None: nothing, or not any more."""
    if case.state == ViolationState.DISMISSED or not case.sanction:
        return None
    return program.text(case.sanction, program.language)
