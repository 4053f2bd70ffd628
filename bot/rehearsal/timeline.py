"""What a rehearsal prints: the trail as lines of the contract, and lines that were expected (DESIGN 9)."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlmodel import Session

from bot.rehearsal.lines import INSTANTS
from bot.rehearsal.scenario import customers_in
from bot.rehearsal.stage import Stage
from bot.store import customers, follow_ups, inbound, messages, staff, tickets, trail
from bot.store.tables import TrailRow

INNER = frozenset({"inbound", "event", "zone"})
"""Data of a line that only our own tables understand."""
NUMBERS = frozenset({"staff", "round"})
"""Data that count from 1: 0 stands for none."""
HIDDEN = frozenset({"event", "survey", "ignored", "comment"})
"""Lines of the trail that a timeline leaves out."""


def timeline_of(stage: Stage) -> list[dict[str, Any]]:
    """The trail as lines of the contract, oldest first (DESIGN 9)."""
    lines: list[dict[str, Any]] = []
    seen = 0
    with stage.runtime.db.read() as session:
        people = _People.of(stage, session)
        while batch := trail.after(session, seen, limit=2000):
            seen = batch[-1].id
            lines.extend(_lines(stage, session, people, [row for row in batch if row.what not in HIDDEN]))
    return sorted([*lines, *stage.refused], key=lambda line: datetime.fromisoformat(line["at"]))


@dataclass(frozen=True)
class _People:
    """The contact persons of customers who have several, by id and by address; and the members of staff."""

    customers: frozenset[int]
    by_id: Mapping[int, str]
    by_address: Mapping[str, str]
    staff: Mapping[int, str]

    @staticmethod
    def of(stage: Stage, session: Session) -> "_People":
        told = stage.scenario.customers if isinstance(stage.scenario.customers, list) else []
        ids = frozenset(stage.ids[person.id] for person in told if person.contacts)
        names = {row.id: row.name for each in ids for row in customers.people_of(session, each)}
        points = [point for each in ids for point in customers.all_points_of(session, each)]
        by_address = {point.address: names[point.person_id] for point in points}
        return _People(ids, names, by_address, {row.id: row.name for row in staff.everybody(session)})

    def of_row(self, session: Session, row: TrailRow) -> str:
        """Whom a line about a follow-up means; nothing where that is the customer's first person."""
        follow_up = follow_ups.get(session, row.follow_up_id) if row.customer_id in self.customers else None
        return self.by_id.get(follow_up.person_id, "") if follow_up else ""


def _lines(stage: Stage, session: Session, people: _People, rows: Sequence[TrailRow]) -> Iterator[dict[str, Any]]:
    texts = messages.by_ids(session, [row.message_id for row in rows if row.message_id])
    said = inbound.by_ids(session, [row.data["inbound"] for row in rows if "inbound" in row.data])
    for row in rows:
        line: dict[str, Any] = {"at": row.at.astimezone(stage.zone).isoformat(), "what": row.what}
        if row.customer_id:
            line["customer"] = stage.names.get(row.customer_id, str(row.customer_id))
        for name, value in (("program", row.program_id), ("flow", row.flow), ("ticket", row.ticket_id)):
            if value:
                line[name] = value
        if person := people.of_row(session, row):
            line["person"] = person
        for name, value in row.data.items():
            if name in INNER or value in (None, "", []) or (name in NUMBERS and value == 0):
                continue
            if name == "staff" and isinstance(value, int):
                value = people.staff.get(value, "")
            line[name] = _local(stage, value) if name in INSTANTS else value
        if "at" in row.data:
            line["ping_at"] = _local(stage, row.data["at"])
            line["at"] = row.at.astimezone(stage.zone).isoformat()
        if row.message_id in texts:
            line["channel"] = texts[row.message_id].channel
            line["text"] = texts[row.message_id].body
        if row.data.get("inbound") in said:
            heard = said[row.data["inbound"]]
            line["text"] = heard.body
            if heard.from_address in people.by_address:
                line["person"] = people.by_address[heard.from_address]
        line["because"] = row.because
        yield line


def _local(stage: Stage, value: Any) -> Any:
    try:
        return datetime.fromisoformat(value).astimezone(stage.zone).isoformat()
    except (TypeError, ValueError):
        return value


def counts(stage: Stage) -> dict[str, int]:
    """How many messages by state, replies, tickets by state."""
    with stage.runtime.db.read() as session:
        states = messages.counts_by_state(session)
        return {
            "messages": sum(states.get(state, 0) for state in ("accepted", "sent", "delivered")),
            "replies": inbound.count(session),
            "tickets": sum(tickets.counts_by_state(session).values()),
            "follow-ups": follow_ups.count(session),
        }


def unmet(
    expect: Sequence[Mapping[str, Any]],
    lines: Sequence[Mapping[str, Any]],
    zone: ZoneInfo,
    names: Callable[[Sequence[str]], Sequence[str]] = tuple,
) -> Iterator[str]:
    """Expectations that no line fulfils. Each names fields of a line; `text` and `because` may be parts of it.

    `not: true` means that no such line may be there, `times: 3` that exactly three are. `names`: the names of members
    of staff who are meant by id, name or role; left out: they are meant by name.
    """
    for number, wanted in enumerate(expect, start=1):
        fields = {name: value for name, value in wanted.items() if name not in ("not", "times")}
        if "staff" in fields:
            given = fields["staff"]
            fields["staff"] = list(names(given)) if isinstance(given, list) else names([given])[0]
        found = [line for line in lines if all(_matches(line, name, value, zone) for name, value in fields.items())]
        if wanted.get("not"):
            if found:
                yield f"expect[{number}] {fields}: came at {found[0]['at']}"
        elif "times" in wanted:
            if len(found) != wanted["times"]:
                yield f"expect[{number}] {fields}: {len(found)} lines instead of {wanted['times']}"
        elif not found:
            near = [
                line for line in lines if all(line.get(n) == fields[n] for n in ("what", "customer") if n in fields)
            ]
            hint = "; ".join(f"{line['at']} {line.get('flow', '')} {line['because']}" for line in near[:5])
            yield f"expect[{number}] {fields}: no such line{f' (there are: {hint})' if hint else ''}"


def _matches(line: Mapping[str, Any], name: str, wanted: Any, zone: ZoneInfo) -> bool:
    value = line.get(name)
    if name in ("text", "because"):
        return str(wanted) in str(value or "")
    if name in INSTANTS:
        return value is not None and _same_time(str(value), str(wanted), zone)
    if name == "customer":
        return value in customers_in(str(wanted)).values()
    if isinstance(wanted, list):
        return isinstance(value, list) and sorted(map(str, value)) == sorted(map(str, wanted))
    return bool(value == wanted)


def _same_time(value: str, wanted: str, zone: ZoneInfo) -> bool:
    """To the minute; a date alone means that day, a time without an offset is local."""
    at = datetime.fromisoformat(value).astimezone(zone)
    if len(wanted) == 10:
        return at.date() == date.fromisoformat(wanted)
    other = datetime.fromisoformat(wanted)
    other = other if other.tzinfo else other.replace(tzinfo=zone)
    return at.replace(second=0, microsecond=0) == other.astimezone(zone).replace(second=0, microsecond=0)
