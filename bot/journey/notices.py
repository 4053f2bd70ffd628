"""Staff are told of what the house cannot mend by itself: a paused sender, a limit, messages that wait and none leaves.

Each notice is told once: its key makes one message for each member, like every other message.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any, Literal

import structlog
from sqlmodel import Session

from bot.journey import wording
from bot.runtime import Runtime
from bot.staffing import OPERATOR, reach
from bot.store import follow_ups, messages, settings, staff, trail
from bot.store.agenda import STOPPED
from bot.store.tables import StaffRow
from bot.words import words_in
from flows.program import Program
from messages.catalog import Purpose

log = structlog.get_logger()
SILENCE = "silence"
"""Name of the setting that says since when nothing has left."""


def tell_staff(
    session: Session,
    runtime: Runtime,
    template: str,
    key: str,
    variables: Mapping[str, Any],
    now: datetime,
    *,
    not_by: str = "",
) -> None:
    """Tell those who keep the house running: everybody with the role OPERATOR, else everybody. The same key: once.

    `not_by`: the channel that the trouble is about; who can be reached another way hears of it that way.
    """
    members = [member for member in staff.everybody(session) if OPERATOR in member.roles] or staff.everybody(session)
    program = runtime.shelf.in_force[0].program
    tell(session, runtime, program, members, template, key, variables, now, not_by=not_by)


def tell(
    session: Session,
    runtime: Runtime,
    program: Program,
    members: Iterable[StaffRow],
    template: str,
    key: str,
    variables: Mapping[str, Any],
    at: datetime,
    *,
    not_by: str = "",
) -> None:
    """Tell some members of staff of a program something at an instant, each in their language. The same key: once.

    A variable may be given in several languages (language -> text), as programs name things; a `reason` of the trail is
    said in each member's.
    """
    channels = [name for name in runtime.channels if name != not_by]
    digest = hashlib.sha256(key.encode()).hexdigest()[:32]  # a key may be longer than its column
    for member in members:
        channel, address = reach(member, channels)
        said = {name: _said(program, member.language, name, value) for name, value in variables.items()}
        columns = wording.compose(runtime, program, template, member.language, program.zone, said)
        messages.put(
            session,
            {
                **columns,
                "reason": template,
                "dedupe_key": f"notice:{member.id}:{digest}",
                "staff_id": member.id,
                "purpose": str(Purpose.STAFF),
                "channel": channel,
                "address": address,
                "created_at": runtime.clock.now(),
                "due_at": at,
                "expires_at": None,
            },
        )


def _said(program: Program, language: str, name: str, value: Any) -> Any:
    """A variable as a member of staff reads it."""
    if isinstance(value, Mapping):
        return program.text(value, language)
    if name != "reason" or not isinstance(value, str):
        return value
    words = words_in(language)

    def naming(kind: str, word: str) -> str:
        event = program.events.get(word) if kind == "event" else None
        return program.text(event.name, language) if event else words.name(kind, word)

    return words.because(value, naming)


def tell_missing(
    session: Session,
    runtime: Runtime,
    program: Program,
    members: Iterable[StaffRow],
    template: Literal["staff/behind", "staff/too_few"],
    key: str,
    missing: int,
    kinds: Sequence[str],
    last: date,
    at: datetime,
    *,
    customer: str | None = None,
) -> None:
    """Tell how many contacts of these kinds a period lacks that ends on `last`: with one customer, or with different
    customers (None).
    """
    variables = {"customer_name": customer, "item": _named(program, kinds), "count": missing, "closes_on": last}
    tell(session, runtime, program, members, template, key, variables, at)


def _named(program: Program, kinds: Sequence[str]) -> Mapping[str, str]:
    return {
        language: mark.join(program.text(program.contacts[kind].name, language) for kind in kinds)
        for language, mark in _LISTED.items()
    }


_LISTED = {"zh": "、", "en": ", "}


def watch_silence(runtime: Runtime) -> int:
    """The silence alarm: messages have waited for long and none has left. Told once, until something leaves again."""
    minutes = runtime.settings.alarm_after_minutes
    if not minutes:
        return 0
    now = runtime.clock.now()
    before = now - timedelta(minutes=minutes)
    with runtime.db.write() as session:
        alarmed = settings.read(session, SILENCE)
        waiting = messages.overdue(session, before) + follow_ups.overdue(session, before)
        silent = bool(waiting) and not messages.left_since(session, before)
        stopped = bool(settings.read(session, STOPPED).get("stopped"))
        if silent and not stopped and not alarmed:
            settings.write(session, SILENCE, {"since": now.isoformat(), "waiting": waiting})
            trail.write(session, [trail.line(now, "silence", f"{waiting} due, none sent in {minutes} minutes")])
            tell_staff(session, runtime, "staff/silence", f"silence:{now.isoformat()}", {"count": waiting}, now)
            log.error("nothing leaves", waiting=waiting, minutes=minutes)
        elif alarmed and not silent:
            settings.write(session, SILENCE, {})
            trail.write(session, [trail.line(now, "sound", "messages leave again")])
    return 0
