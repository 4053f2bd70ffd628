"""What need not be kept any longer is deleted: by itself, or once several people approved it in order (R190, R193).

    asked -> approved by each role in order -> approved -> done          asked -> refused

1 somebody asks, or the house itself where nobody has to approve: what may go today is counted, and nothing else is
ever meant  2 each role approves after the one before, each another person, and is told when it is its turn
3 `purge` deletes in slices, and says how many. Which forms those are stands in `bot/store/forms.py`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any

from sqlmodel import Session

from bot.errors import Conflict, InputError, NotFound
from bot.journey import rights
from bot.journey.notices import tell
from bot.runtime import Runtime
from bot.store import forms, programs, staff, trail
from bot.store.tables import DeletionRow, QuotaCheckRow, StaffRow
from flows.archive import Archive, deletable_through, has_role, kept_through
from flows.offsets import DAY, add, end_of_day, resolve_local
from flows.program import Program
from flows.promises import ping_time
from flows.states import DeletionState

ARCHIVE = "archive"
"""The kind of look, among those of quotas.py, that finds what may be deleted by itself; it has no other name."""
TEMPLATE = "staff/deletion"
SLICE = 500
"""Forms that one transaction deletes: whoever else writes waits no longer than that takes."""


# ----- what stands


@dataclass(frozen=True)
class Standing:
    """The archive of one program: how many forms may be deleted today, and until when the oldest must be kept."""

    program: Program
    archive: Archive
    through: date
    forms: int
    oldest_through: date | None
    waiting: DeletionRow | None

    @property
    def next_role(self) -> str | None:
        """Whose approval is missing next."""
        row = self.waiting
        return row.roles[row.step] if row and row.state == DeletionState.ASKED else None


def standings(runtime: Runtime) -> list[Standing]:
    """The archives of the programs that keep one."""
    runtime.shelf.refresh()
    with runtime.db.read() as session:
        return [
            _standing(session, runtime, each.program, each.program.archive)
            for each in runtime.shelf.in_force
            if each.program.archive
        ]


def _standing(session: Session, runtime: Runtime, program: Program, archive: Archive) -> Standing:
    through = deletable_through(runtime.today(program.zone), archive.keep)
    oldest_at = forms.oldest_at(session, program.id)
    oldest_on = oldest_at.astimezone(program.time_zone).date() if oldest_at else None
    return Standing(
        program,
        archive,
        through,
        forms.count_before(session, program.id, end_of_day(through, program.time_zone)),
        kept_through(oldest_on, archive.keep) if oldest_on else None,
        forms.live(session, program.id),
    )


# ----- people ask, approve and refuse


def ask(runtime: Runtime, program_id: str, staff_id: int) -> int:
    """Ask that what need not be kept today is deleted; how many forms that are. The first who approves it is told.

    InputError: the program keeps no archive. Conflict: every form must still be kept, or a deletion waits already.
    """
    program, archive = _archive(runtime, program_id)
    member = rights.must_take_part(runtime, program, staff_id, "asking for a deletion")
    now = runtime.clock.now()
    with runtime.db.write() as session:
        programs.lock(session, program_id)
        standing = _standing(session, runtime, program, archive)
        if standing.waiting is not None:
            next_ = f": {standing.next_role} is next" if standing.next_role else ""
            raise Conflict(f"a deletion of {program_id} waits already{next_}")
        if not standing.forms:
            until = f", the oldest through {standing.oldest_through}" if standing.oldest_through else ""
            raise Conflict(f"nothing may be deleted: forms are kept for {archive.keep}{until}")
        _ask(session, runtime, standing, member, now)
    return standing.forms


def _ask(session: Session, runtime: Runtime, standing: Standing, member: StaffRow | None, now: datetime) -> None:
    """Keep the wish; where nobody has to approve it, it is approved."""
    program, roles = standing.program, standing.archive.deletion
    state = DeletionState.ASKED if roles else DeletionState.APPROVED
    known = {
        "program_id": program.id,
        "state": str(state),
        "through": standing.through,
        "sent_before": end_of_day(standing.through, program.time_zone),
        "forms": standing.forms,
        "asked_by": member.id if member else 0,
        "roles": list(roles),
        "asked_at": now,
        "at": now,
    }
    if forms.ask(session, known) is None:
        return
    by = f"by {member.name}" if member else "by itself"
    because = f"{standing.forms} forms through {standing.through}, {by}"
    _note(session, program, because, state, now, member, count=standing.forms)
    if roles:
        _tell(session, runtime, program, standing.forms, standing.through, roles[0], now)


def approve(runtime: Runtime, program_id: str, staff_id: int) -> str | None:
    """Approve the deletion that waits, in one's turn; whose turn is next, None: everybody has, and it is done soon.

    1 the row is locked  2 is it their turn, and are they another person than all before?  3 the step is taken by
    compare-and-set; the last one lets the deletion go. NotFound: none waits. Conflict: it is not for them, or not yet.
    """
    program, _ = _archive(runtime, program_id)
    member = rights.must_take_part(runtime, program, staff_id, "approving a deletion")
    now = runtime.clock.now()
    with runtime.db.write() as session:
        row = _waiting(session, program_id)
        _check_turn(row, member)
        if not forms.note_approval(session, row, member.id, now):
            raise Conflict("somebody was faster: look again")
        done, rest = row.roles[row.step], row.roles[row.step + 1 :]
        if not rest:
            forms.judge(session, row.id, DeletionState.APPROVED, now)
        state = DeletionState.ASKED if rest else DeletionState.APPROVED
        because = f"approved by {member.name}, the {done}; {rest[0] if rest else 'nobody'} is next"
        _note(session, program, because, state, now, member, role=done)
        if rest:
            _tell(session, runtime, program, row.forms, row.through, rest[0], now)
    return rest[0] if rest else None


def refuse(runtime: Runtime, program_id: str, staff_id: int, reason: str) -> None:
    """Refuse the deletion that waits: the forms stay. NotFound: none waits. Conflict: it is not for them to say."""
    program, _ = _archive(runtime, program_id)
    member = rights.must_take_part(runtime, program, staff_id, "refusing a deletion")
    if not reason.strip():
        raise InputError([{"field": "reason", "reason": "is empty", "remedy": "say why the forms stay"}])
    now = runtime.clock.now()
    with runtime.db.write() as session:
        row = _waiting(session, program_id)
        if not has_role(member.roles, program_id, row.roles):
            raise Conflict(f"that is for the {' or the '.join(row.roles)}, and {member.name} is none")
        if not forms.judge(session, row.id, DeletionState.REFUSED, now):
            raise Conflict("everybody has approved it: it is being done")
        because = f"refused by {member.name}: {reason.strip()}"
        _note(session, program, because, DeletionState.REFUSED, now, member)


def _archive(runtime: Runtime, program_id: str) -> tuple[Program, Archive]:
    runtime.shelf.refresh()
    keeping = {each.program.id: each.program for each in runtime.shelf.in_force if each.program.archive}
    program = keeping.get(program_id)
    if program is None or program.archive is None:
        known = f"one of {', '.join(keeping)}" if keeping else "give a program `archive: {keep: 3y}`"
        raise InputError([{"field": "program", "reason": f"{program_id!r} keeps no archive here", "remedy": known}])
    return program, program.archive


def _waiting(session: Session, program_id: str) -> DeletionRow:
    row = forms.live(session, program_id)
    if row is None or row.state != DeletionState.ASKED:
        raise NotFound(f"no deletion of {program_id} waits for an approval")
    return row


def _check_turn(row: DeletionRow, member: StaffRow) -> None:
    """Conflict: somebody else is next, or they have had their say (R193: three people)."""
    role = row.roles[row.step]
    if not has_role(member.roles, row.program_id, [role]):
        raise Conflict(f"the {role} is next, and {member.name} is none")
    if member.id == row.asked_by:
        raise Conflict(f"{member.name} asked for it: another person approves it")
    if member.id in row.approvers:
        raise Conflict(f"{member.name} has approved it already: another person is next, as {role}")


def _note(
    session: Session,
    program: Program,
    because: str,
    state: DeletionState,
    now: datetime,
    member: StaffRow | None = None,
    **known: Any,
) -> None:
    data = {"state": str(state), "staff": member.name if member else None, **known}
    trail.write(session, [trail.line(now, "deletion", because, program_id=program.id, data=data)])


def _tell(
    session: Session, runtime: Runtime, program: Program, count: int, through: date, role: str, now: datetime
) -> None:
    """Whoever is next hears that a deletion waits for them."""
    variables = {"item": program.name, "count": count, "event_on": through}
    key = f"deletion:{program.id}:{through}:{role}:{now.isoformat()}"
    members = staff.with_role(session, program.id, role)
    tell(session, runtime, program, members, TEMPLATE, key, variables, ping_time(now, program.time_zone))


# ----- deleted


def looks(session: Session, program: Program, today: date) -> Iterator[tuple[str, str, date, date, datetime]]:
    """When a program whose forms nobody has to approve the deletion of looks for some, as quotas.py plans it:
    on each day from the first on which one need not be kept.
    """
    archive = program.archive
    oldest_at = forms.oldest_at(session, program.id) if archive and not archive.deletion else None
    if archive is None or oldest_at is None:
        return
    free_on = kept_through(oldest_at.astimezone(program.time_zone).date(), archive.keep) + DAY
    day, until = max(today, free_on), add(today, program.horizon)
    while day <= until:
        yield ARCHIVE, ARCHIVE, day, day, resolve_local(day, time(0), program.time_zone)
        day += DAY


def find_deletable(session: Session, runtime: Runtime, check: QuotaCheckRow, now: datetime) -> Mapping[str, Any]:
    """Have what need not be kept today deleted by itself; how many forms that are."""
    program = runtime.shelf.version(check.program_version_id)
    if program.archive is None:
        return {}
    standing = _standing(session, runtime, program, program.archive)
    if standing.forms and standing.waiting is None:
        _ask(session, runtime, standing, None, now)
    return {"forms": standing.forms}


def purge(runtime: Runtime, limit: int = SLICE) -> int:
    """Delete a slice of what has been approved; 0: there is nothing. Nothing that must be kept by now is touched,
    also where the program has come to keep forms longer since somebody asked.
    """
    runtime.shelf.refresh()
    now = runtime.clock.now()
    with runtime.db.write() as session:
        row = forms.approved(session)
        if row is None:
            return 0
        program = next((each.program for each in runtime.shelf.in_force if each.program.id == row.program_id), None)
        before = _before(runtime, program, row)
        count = forms.delete_before(session, row.program_id, before, limit)
        forms.note_deleted(session, row.id, count)
        if count < limit and forms.judge(session, row.id, DeletionState.DONE, now):
            data = {"state": str(DeletionState.DONE), "count": row.deleted + count}
            because = f"{row.deleted + count} forms deleted that were sent through {row.through}"
            trail.write(session, [trail.line(now, "deletion", because, program_id=row.program_id, data=data)])
    return max(count, 1)


def _before(runtime: Runtime, program: Program | None, row: DeletionRow) -> datetime:
    """Until when what was sent may go now. A program that is not run any more has nothing more to say."""
    if program is None:
        return row.sent_before
    if program.archive is None:
        return datetime.min.replace(tzinfo=UTC)
    through = deletable_through(runtime.today(program.zone), program.archive.keep)
    return min(row.sent_before, end_of_day(through, program.time_zone))
