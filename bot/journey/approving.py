"""People submit, approve and withdraw what must be approved; what waited for an approval goes out at once (R54, R104).

    draft -> submitted -> approved -> retired -> submitted        submitted -> draft: sent back
    what ships -> approved | retired, as it is

Whoever approves is never who submitted it. What may go out is decided in approvals.py.
"""

from datetime import datetime
from typing import Any

from sqlmodel import Session

from bot.errors import Conflict, InputError, NotFound
from bot.journey import duties, rights
from bot.journey.approvals import JUDGE, SUBMIT, TEMPLATE, contents_of, state_of
from bot.journey.notices import tell
from bot.runtime import Runtime
from bot.shelf import InForce
from bot.store import approvals, programs, staff, trail
from bot.store.tables import StaffRow
from flows.approval import Content
from flows.program import Program
from flows.promises import ping_time
from flows.resurvey import FLOW as RESURVEY
from flows.states import ApprovalState

SLICE = 5_000
"""Follow-ups that one transaction lets go: whoever else writes waits no longer than that takes."""


def submit(runtime: Runtime, program_id: str, name: str, staff_id: int) -> None:
    """Say that a survey or a template is ready; its approvers are told. Said twice, it changes nothing.

    InputError: nothing of that name must be approved. Conflict: it is approved, or not theirs to submit.
    """
    _judge(runtime, program_id, name, staff_id, ApprovalState.SUBMITTED)


def approve(runtime: Runtime, program_id: str, name: str, staff_id: int) -> int:
    """Approve what somebody else submitted; how many follow-ups that had waited for it are due now.

    1 the program is locked, so that no claim holds back what is let go here  2 whose is it, and who wrote it?
    3 its row, by compare-and-set  4 what waited is due now, in slices. Said twice, the second looks whether anything
    still waits. InputError and Conflict as for `submit`; Conflict: its author may not approve it.
    """
    _judge(runtime, program_id, name, staff_id, ApprovalState.APPROVED)
    released = 0
    while True:
        with runtime.db.write() as session:
            count = _release(session, runtime.shelf.program(program_id), runtime.clock.now())
        released += count
        if count < SLICE:
            return released


def withdraw(runtime: Runtime, program_id: str, name: str, staff_id: int) -> None:
    """Send back what was submitted, or have what is approved not sent any more; until it is approved again.

    InputError: nothing of that name must be approved. Conflict: it is a draft, or not theirs to withdraw.
    """
    _judge(runtime, program_id, name, staff_id, ApprovalState.RETIRED)


def _release(session: Session, in_force: InForce, now: datetime) -> int:
    """What other contents still hold back is held again by its claim."""
    flows = [flow.id for flow in in_force.program.flows if flow.message] + [RESURVEY]
    return approvals.release(session, in_force.program.id, in_force.version_id, flows, now, SLICE)


# ----- one judgement


def _judge(runtime: Runtime, program_id: str, name: str, staff_id: int, wanted: ApprovalState) -> None:
    runtime.shelf.refresh()
    now = runtime.clock.now()
    in_force = _program(runtime, program_id)
    rights.must_take_part(runtime, in_force.program, staff_id, f"having {name} {wanted}")
    contents = [content for content in contents_of(runtime, in_force.program) if content.name == name]
    if not contents:
        known = sorted({content.name for content in contents_of(runtime, in_force.program)})
        remedy = f"one of {', '.join(known)}" if known else "the program has nothing that must be approved"
        raise InputError([{"field": "name", "reason": f"{name!r} needs no approval", "remedy": remedy}])
    with runtime.db.write() as session:
        programs.lock(session, program_id)
        member = staff.get(session, staff_id)
        if member is None or not member.active:
            raise NotFound(f"there is no member of staff {staff_id}")
        for content in contents:
            _judge_one(session, runtime, in_force.program, content, member, wanted, now)
        if wanted is ApprovalState.APPROVED:
            duties.finish_prepared(session, runtime, in_force, member, now)


def _program(runtime: Runtime, program_id: str) -> InForce:
    try:
        return runtime.shelf.program(program_id)
    except KeyError:
        known = ", ".join(each.program.id for each in runtime.shelf.in_force)
        fault = {"field": "program", "reason": f"{program_id!r} does not run here", "remedy": f"one of {known}"}
        raise InputError([fault]) from None


def _judge_one(
    session: Session,
    runtime: Runtime,
    program: Program,
    content: Content,
    member: StaffRow,
    wanted: ApprovalState,
    now: datetime,
) -> None:
    row = approvals.rows_of(session, [content]).get(content.key)
    state, author_id = state_of(content, row), row.author_id if row else 0
    sent_back = wanted is ApprovalState.RETIRED and state is ApprovalState.SUBMITTED
    target = ApprovalState.DRAFT if sent_back else wanted
    if state is target:
        return
    _check_who(content, author_id, member, target)
    who = {"author_id": member.id} if target is ApprovalState.SUBMITTED else {"approver_id": member.id}
    if state is None:
        if target is ApprovalState.SUBMITTED:
            raise Conflict(f"{content.name} is as it ships: it needs no author, and may be approved or withdrawn")
        approvals.add(session, content, target, now, **who)
    else:
        row_id = row.id if row else approvals.add(session, content, state, now)
        if not approvals.judge(session, row_id, target, now, **who):
            first = "; submit it first" if target is ApprovalState.APPROVED else ""
            raise Conflict(f"{content.name} is {state}: it cannot be {target}{first}")
    because = f"{content.name} is {target}, by {member.name}"
    data = {"content": content.name, "state": str(target), "staff": member.name}
    trail.write(session, [trail.line(now, "approval", because, program_id=program.id, data=data)])
    _tell(session, runtime, program, content, author_id, target, now)


def _check_who(content: Content, author_id: int, member: StaffRow, target: ApprovalState) -> None:
    """Conflict: it is not for them to do this; the author approves nothing of their own (R104)."""
    approval = content.approval
    roles = {
        ApprovalState.SUBMITTED: (approval.author,),
        ApprovalState.APPROVED: (approval.approver,),
    }.get(target, (approval.author, approval.approver))
    if not any({role, f"{content.program_id}:{role}"} & set(member.roles) for role in roles):
        raise Conflict(f"that is for the {' or the '.join(roles)}, and {member.name} is none")
    if target is ApprovalState.APPROVED and member.id == author_id:
        raise Conflict(f"{member.name} submitted it: another person approves it")


def _tell(
    session: Session,
    runtime: Runtime,
    program: Program,
    content: Content,
    author_id: int,
    target: ApprovalState,
    now: datetime,
) -> None:
    """The approvers hear of what was submitted, its author of what was sent back."""
    if target is ApprovalState.SUBMITTED:
        members, words = staff.with_role(session, program.id, content.approval.approver), JUDGE
    elif target is ApprovalState.DRAFT:
        members, words = [member for member in staff.everybody(session) if member.id == author_id], SUBMIT
    else:
        return
    variables: dict[str, Any] = {"item": content.name, "event_on": None, "reason": words}
    key = f"approval:{content.key}:{target}:{now.isoformat()}"
    tell(session, runtime, program, members, TEMPLATE, key, variables, ping_time(now, program.time_zone))
