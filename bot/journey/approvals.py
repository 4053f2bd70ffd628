"""Which surveys and texts are approved, and what waits for that: nothing unapproved is sent (R54, R103).

What ships may go out until somebody edits or withdraws it; what somebody wrote is a draft until another person approves
it. Asked once for each kind of step of a batch, never for each customer. Next: approving.py, where people
submit, approve and withdraw; outreach.py, which holds back what waits.
"""

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from typing import TypeVar

from sqlmodel import Session

from bot.journey.notices import tell
from bot.runtime import Runtime
from bot.store import approvals, programs, staff, trail
from bot.store.tables import ApprovalRow
from flows.approval import Content, digest_of_survey, digest_of_texts
from flows.fields import Words
from flows.load import load_program, shipped_program_ids, shipped_program_text
from flows.program import Flow, Program
from flows.promises import ping_time
from flows.states import ApprovalState
from messages.catalog import Template, shipped

K = TypeVar("K", bound=Hashable)
TEMPLATE = "staff/approval"
SUBMIT: Words = {"zh": "请提交审定。", "en": "Please submit it."}
JUDGE: Words = {"zh": "请审定或退回。", "en": "Please approve it or send it back."}


# ----- contents: what must be approved


def contents_of(runtime: Runtime, program: Program) -> tuple[Content, ...]:
    """Everything of a program that must be approved, each once."""
    surveys = (content for name in program.surveys for content in needed(runtime, program, None, name, None))
    texts = (
        content
        for flow in program.flows
        for template in flow.template_names()
        for content in needed(runtime, program, flow, None, template)
    )
    return tuple(dict.fromkeys((*surveys, *texts)))


def needed(
    runtime: Runtime, program: Program, flow: Flow | None, survey: str | None, template: str | None
) -> Iterator[Content]:
    """What must be approved before a step sends this survey and this template."""
    if survey is not None and (approval := program.surveys[survey].approval):
        yield Content(program.id, survey, digest_of_survey(program.surveys[survey]), approval)
    if template is not None and flow is not None and flow.message and (approval := flow.message.approval):
        texts = runtime.shelf.catalog.templates.values()
        yield Content(program.id, template, _digest_of(texts, program.id, template), approval)


def _digest_of(texts: Iterable[Template], program_id: str, name: str) -> str:
    keys = (f"{program_id}/{name}", f"common/{name}")
    return digest_of_texts(text.digest for text in texts if text.key in keys)


@cache
def _as_shipped(program_id: str, name: str) -> frozenset[str]:
    """The digests of what ships under a name of a program: a template, a survey."""
    digests = {_digest_of(shipped(), program_id, name)}
    if program_id in shipped_program_ids():
        surveys = load_program(shipped_program_text(program_id), f"{program_id}.yaml").surveys
        digests |= {digest_of_survey(surveys[name])} if name in surveys else set()
    return frozenset(digests)


# ----- states: what is approved


State = ApprovalState | None
"""How far a content has come; None: it ships, and nobody of this house has judged it, so it may go out."""


def states(session: Session, contents: Sequence[Content]) -> dict[Content, State]:
    """How far each of some contents has come."""
    rows = approvals.rows_of(session, contents)
    return {content: state_of(content, rows.get(content.key)) for content in contents}


def state_of(content: Content, row: ApprovalRow | None) -> State:
    """How far one content has come that has this row, or none."""
    if row is not None:
        return ApprovalState(row.state)
    return None if content.digest in _as_shipped(content.program_id, content.name) else ApprovalState.DRAFT


def are_approved(session: Session, contents: Sequence[Content]) -> bool:
    """Has a person of this house approved each of them? That something ships is not enough."""
    return all(state is ApprovalState.APPROVED for state in states(session, contents).values())


# ----- what waits


@dataclass(frozen=True)
class Waiting:
    """A content that is not approved, and so keeps back what needs it."""

    content: Content
    state: ApprovalState

    @property
    def because(self) -> str:
        """What the trail says of whatever waits for it."""
        return f"not approved: {self.content.name} is {self.state}"

    @property
    def role(self) -> str:
        """Who is to do something about it."""
        approval = self.content.approval
        return approval.approver if self.state is ApprovalState.SUBMITTED else approval.author


def waiting(session: Session, needs: Mapping[K, Sequence[Content]]) -> dict[K, Waiting]:
    """Of some steps with what they need: what the ones that may not go wait for."""
    known = states(session, [content for contents in needs.values() for content in contents])
    barred = {content: state for content, state in known.items() if state not in (None, ApprovalState.APPROVED)}
    found = {key: next((each for each in contents if each in barred), None) for key, contents in needs.items()}
    return {key: Waiting(content, barred[content]) for key, content in found.items() if content is not None}


def waiting_for_claim(session: Session, needs: Mapping[K, Sequence[Content]]) -> dict[K, Waiting]:
    """As `waiting`, in step with whoever approves at this moment.

    1 asked without a lock: nearly always all is approved  2 the programs are locked, as approving.py locks them
    3 asked again: what is held back now, the approval that comes next will find.
    """
    found = waiting(session, needs)
    if not found:
        return {}
    for program_id in sorted({waits.content.program_id for waits in found.values()}):
        programs.lock(session, program_id)
    return waiting(session, needs)


def tell_waiting(
    session: Session, runtime: Runtime, program: Program, flow: str, waits: Waiting, on: date, now: datetime
) -> None:
    """Tell whoever is to act that something was due on a day and waits; once for each flow, day and state."""
    because = f"{waits.content.name} is {waits.state}, and {flow} was due on {on}: {waits.role} told"
    if trail.is_told(session, program.id, flow, because):
        return
    members = staff.with_role(session, program.id, waits.role)
    words = JUDGE if waits.state is ApprovalState.SUBMITTED else SUBMIT
    variables = {"item": waits.content.name, "event_on": on, "reason": words}
    key, at = f"{program.id}:{because}", ping_time(now, program.time_zone)
    tell(session, runtime, program, members, TEMPLATE, key, variables, at)
    data = {"role": waits.role, "staff": [member.name for member in members]}
    trail.write(session, [trail.line(now, "ping", because, program_id=program.id, flow=flow, data=data)])
