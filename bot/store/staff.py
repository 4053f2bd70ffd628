"""Members of staff and their roles."""

from collections.abc import Sequence

from sqlmodel import Session, col, select

from bot.store.tables import StaffRow


def everybody(session: Session) -> Sequence[StaffRow]:
    return session.exec(select(StaffRow).where(StaffRow.active).order_by(col(StaffRow.id))).all()


def get(session: Session, staff_id: int) -> StaffRow | None:
    return session.get(StaffRow, staff_id)


def by_address(session: Session, address: str) -> StaffRow | None:
    """Whoever has this address, on duty or not."""
    return session.exec(select(StaffRow).where(StaffRow.address == address)).first()


def add(session: Session, row: StaffRow) -> StaffRow:
    session.add(row)
    session.flush()
    return row


def with_role(session: Session, program_id: str, role: str) -> list[StaffRow]:
    """Who has this role, in this program (`auto_repair:leader`) or in all (`leader`)."""
    return [member for member in everybody(session) if role in member.roles or f"{program_id}:{role}" in member.roles]
