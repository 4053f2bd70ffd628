"""Versions of programs and templates: added, never changed."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import bindparam, func
from sqlalchemy import select as core_select
from sqlmodel import Session, col, select

from bot.store.rows import core, for_update, insert_many_once, table_of
from bot.store.tables import ProgramVersionRow, TemplateVersionRow
from messages.catalog import Template


def add_program(
    session: Session, program_id: str, digest: str, source: str, now: datetime, author: str = "shipped"
) -> int:
    """The id of this content's version; a new one when the content is new."""
    found = session.exec(
        select(ProgramVersionRow.id).where(
            ProgramVersionRow.program_id == program_id, ProgramVersionRow.digest == digest
        )
    ).first()
    if found is not None:
        return found
    last = session.exec(
        select(func.max(ProgramVersionRow.number)).where(ProgramVersionRow.program_id == program_id)
    ).first()
    row = ProgramVersionRow(
        program_id=program_id, number=(last or 0) + 1, digest=digest, source=source, author=author, created_at=now
    )
    session.add(row)
    session.flush()
    return row.id


def versions_in_force(session: Session, only: Sequence[str] | None = None) -> Sequence[ProgramVersionRow]:
    """The newest enabled version of each program."""
    newest = (
        select(func.max(ProgramVersionRow.id))
        .where(col(ProgramVersionRow.enabled))
        .group_by(col(ProgramVersionRow.program_id))
    )
    statement = (
        select(ProgramVersionRow)
        .where(col(ProgramVersionRow.id).in_(newest))
        .order_by(col(ProgramVersionRow.program_id))
    )
    rows = session.exec(statement).all()
    return [row for row in rows if only is None or row.program_id in only]


def version(session: Session, version_id: int) -> ProgramVersionRow | None:
    return session.get(ProgramVersionRow, version_id)


def begun_at(session: Session, program_id: str) -> datetime:
    """When the first version of a program was added here."""
    begun: datetime = core(session).execute(_begun_at(), {"program": program_id}).scalar_one()
    return begun


@cache
def _begun_at() -> Any:
    version = table_of(ProgramVersionRow)
    return core_select(func.min(version.c.created_at)).where(version.c.program_id == bindparam("program"))


def lock(session: Session, program_id: str) -> None:
    """One planner at a time: whoever else asks waits until this transaction ends."""
    session.execute(for_update(session, select(ProgramVersionRow.id).where(ProgramVersionRow.program_id == program_id)))


def newest_versions(session: Session) -> tuple[int, int]:
    """Ids of the newest program and template version: they grow whenever somebody edits."""
    programs, templates = core(session).execute(_newest()).one()
    return programs or 0, templates or 0


@cache
def _newest() -> Any:
    programs = core_select(func.max(table_of(ProgramVersionRow).c.id)).scalar_subquery()
    templates = core_select(func.max(table_of(TemplateVersionRow).c.id)).scalar_subquery()
    return core_select(programs, templates)


def add_templates(session: Session, templates: Iterable[Template], now: datetime, author: str = "shipped") -> None:
    """Keep the contents of templates, approved, unless they are kept already; never replaces what a user edited."""
    rows = [
        {
            "key": template.key,
            "language": template.language,
            "digest": template.digest,
            "title": template.title,
            "purpose": str(template.purpose),
            "body": template.body,
            "state": "approved",
            "author": author,
            "created_at": now,
        }
        for template in templates
    ]
    insert_many_once(session, TemplateVersionRow, rows, "id")


def templates_in_force(session: Session) -> Sequence[Any]:
    """The newest approved version of each template, as rows; an edited one wins over any shipped one (R103)."""
    chosen: dict[tuple[str, str], Any] = {}
    for row in core(session).execute(_approved()):
        held = chosen.get((row.key, row.language))
        if held is None or row.author != "shipped" or held.author == "shipped":
            chosen[row.key, row.language] = row
    return list(chosen.values())


@cache
def _approved() -> Any:
    template = table_of(TemplateVersionRow)
    return core_select(template).where(template.c.state == "approved").order_by(template.c.id)
