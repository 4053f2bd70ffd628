"""Approvals: one row for each content that somebody has judged, moved by compare-and-set; and what waits for one.

A follow-up that waits is planned still, and due at the moment when it expires: nobody looks at it before, unless its
content is approved.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from sqlalchemy import select as core_select
from sqlalchemy import update
from sqlmodel import Session, col, select

from bot.store.rows import chunks, core, for_update, insert_once, move, stands, table_of
from bot.store.tables import ApprovalRow, FollowUpRow
from flows.approval import Content
from flows.states import ApprovalState, FollowUpState


def rows_of(session: Session, contents: Iterable[Content]) -> Mapping[tuple[str, str, str], ApprovalRow]:
    """What is known of some contents, by their keys; nothing of those that nobody has judged."""
    programs = sorted({content.program_id for content in contents})
    if not programs:
        return {}
    statement = select(ApprovalRow).where(col(ApprovalRow.program_id).in_(programs))
    found = session.exec(statement.execution_options(populate_existing=True))
    return {(row.program_id, row.name, row.digest): row for row in found}


def add(session: Session, content: Content, state: ApprovalState, now: datetime, **who: int) -> int:
    """The id of the first row about a content; whoever adds it has locked its program."""
    known = {"program_id": content.program_id, "name": content.name, "digest": content.digest}
    values = {**known, "state": str(state), "author_id": 0, "approver_id": 0, "at": now, **who}
    row_id = insert_once(session, ApprovalRow, values)
    assert row_id is not None
    return row_id


def judge(session: Session, row_id: int, target: ApprovalState, now: datetime, **who: int) -> bool:
    """Move it to a state, by whom; False: somebody was faster."""
    return move(session, ApprovalRow, row_id, target, at=now, **who)


def release(session: Session, program_id: str, version_id: int, flows: Sequence[str], now: datetime, limit: int) -> int:
    """What waits in these flows is due now, in the words of this version; how many, at most `limit`."""
    table = table_of(FollowUpRow)
    held = (
        core_select(table.c.id)
        .where(table.c.program_id == program_id, table.c.flow.in_(flows), stands(table, FollowUpState.PLANNED))
        .where(table.c.due_at == table.c.expires_at, table.c.due_at > now)
        .order_by(table.c.id)
        .limit(limit)
    )
    ids = list(core(session).execute(for_update(session, held)).scalars())
    for chunk in chunks(ids):
        released = update(table).where(table.c.id.in_(chunk))
        core(session).execute(released.values(due_at=now, program_version_id=version_id))
    return len(ids)
