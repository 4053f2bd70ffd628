"""The trail in human words: what one line says, about whom, why, and which text it is about.

`tell` turns rows into Lines for one language. On the town's page a line names its customer; on a customer's own page
it does not, and the time is the customer's. Nothing is left out on a customer's page but a score that stands with the
words it was read from.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from bot.store.tables import FollowUpRow, MessageRow, TrailRow
from bot.store.views import Story
from bot.web.site import Site
from bot.words import Words

_LOOKS: Mapping[str, tuple[str, str]] = {
    "planned": ("calendar", "calm"),
    "message": ("send", "info"),
    "resurvey": ("again", "info"),
    "skipped": ("skip", "calm"),
    "moved": ("clock", "calm"),
    "missed": ("skip", "warn"),
    "cancelled": ("cross", "calm"),
    "done": ("check", "calm"),
    "unreachable": ("nophone", "warn"),
    "retry": ("again", "calm"),
    "held": ("hand", "warn"),
    "lapsed": ("clock", "calm"),
    "event": ("bolt", "calm"),
    "reply": ("reply", "info"),
    "answer": ("star", "calm"),
    "comment": ("reply", "calm"),
    "survey": ("check", "calm"),
    "opted_out": ("bell-off", "warn"),
    "opted_in": ("bell", "calm"),
    "suppressed": ("nophone", "warn"),
    "ticket": ("flag", "bad"),
    "ticket_note": ("flag", "bad"),
    "alert": ("bell", "bad"),
    "concentrated": ("bell", "bad"),
    "round": ("again", "bad"),
    "closed": ("check", "good"),
    "ping": ("bell", "warn"),
    "passed_on": ("bell", "warn"),
    "claimed": ("hand", "info"),
    "acknowledged": ("check", "info"),
    "given_back": ("hand", "calm"),
    "resolved": ("phone", "good"),
    "class": ("tag", "calm"),
    "ignored": ("dots", "calm"),
    "notice": ("dots", "calm"),
    "late": ("clock", "calm"),
    "annoyed": ("bell-off", "warn"),
    "task": ("check", "info"),
    "contact": ("phone", "info"),
    "fulfilled": ("check", "calm"),
    "restarted": ("again", "calm"),
    "appointment": ("calendar", "info"),
    "breach": ("flag", "bad"),
    "approval": ("check", "info"),
    "deletion": ("cross", "info"),
    "denied": ("hand", "warn"),
    "viewed": ("dots", "calm"),
    "violation": ("flag", "bad"),
    "quota": ("check", "info"),
    "appraisal": ("star", "info"),
    "milestone": ("calendar", "info"),
    "stopped": ("pause", "warn"),
    "resumed": ("play", "good"),
    "paused": ("pause", "warn"),
    "silence": ("bell-off", "bad"),
    "sound": ("play", "good"),
    "fallback": ("again", "warn"),
    "link": ("tag", "calm"),
    "linked": ("check", "good"),
    "left": ("bell-off", "warn"),
    "came_back": ("bell", "good"),
}
"""Kind of line -> (icon, tone)."""
_QUIET = frozenset({"survey", "comment", "cancelled", "done", "retry", "ignored", "viewed"})
_FESTIVAL = "festival ("
"""A reason that the title of a greeting says better."""
_NOTICES = frozenset({"ping", "passed_on", "alert"})
LIVELY = tuple(what for what in _LOOKS if what not in _QUIET)
"""Kinds of lines that the town's stream shows."""


@dataclass(frozen=True)
class Line:
    """One line as a page shows it. `level` is a score that was read or booked; `said` the text it is about."""

    id: int
    at: datetime
    what: str
    icon: str
    tone: str
    text: str
    why: str = ""
    said: str = ""
    mine: bool = False
    who: str = ""
    customer_id: int = 0
    address: str = ""
    ticket_id: int = 0
    level: int | None = None
    score: str = ""
    due: datetime | None = None
    flow: str = ""
    program_id: str = ""


class Teller:
    """Tells lines in one language."""

    def __init__(self, site: Site, words: Words, story: Story) -> None:
        self._site, self._words, self._story = site, words, story

    def tell(self, row: TrailRow) -> Line:
        """One row in words."""
        what = row.what
        person = self._story.people.get(row.customer_id)
        message = self._story.texts.get(row.message_id)
        icon, tone = _LOOKS.get(what, ("dots", "calm"))
        line = Line(
            id=row.id,
            at=row.at,
            what=what,
            icon=icon,
            tone=tone,
            text=self._text(row, message),
            why=self._why(row),
            said=message.body if message is not None else "",
            who=person.name if person else "",
            customer_id=row.customer_id,
            address=self._story.addresses.get(row.customer_id, ""),
            ticket_id=row.ticket_id,
            due=_instant(row.data.get("due")) or _instant(row.data.get("at")),
            flow=self._site.flow_title(row.program_id, row.flow, self._words) if row.flow else "",
            program_id=row.program_id,
        )
        return self._with_score(self._with_reply(line, row), row)

    def _with_reply(self, line: Line, row: TrailRow) -> Line:
        heard = self._story.replies.get(int(row.data.get("inbound") or 0))
        if heard is None:
            return line
        text = self._words("trail.on_page") if heard.provider == "page" else line.text
        return replace(line, said=heard.body, mine=True, text=text)

    def _with_score(self, line: Line, row: TrailRow) -> Line:
        level, score = row.data.get("level"), row.data.get("score")
        if level is None and score is None:
            return line
        tone = line.tone if level is None else "bad" if level <= 2 else "good" if level >= 4 else "calm"
        return replace(line, level=level, score="" if score is None else f"{score:g}", tone=tone)

    def _text(self, row: TrailRow, message: MessageRow | None) -> str:
        words, data = self._words, row.data
        match row.what:
            case "message" | "resurvey" if message is not None:
                title = self._site.template_title(self._story.templates.get(message.id, ""), words)
                return words(f"trail.sent.{message.purpose}", title=title or words.name("purpose", message.purpose))
            case "planned" if "count" in data:
                flow = self._site.flow_title(row.program_id, row.flow, words, str(data.get("occasion", "")))
                return words.count("trail.planned_set", int(data["count"]), flow=flow)
            case "planned":
                return words("trail.planned", flow=self._site.flow_title(row.program_id, row.flow, words))
            case "event":
                return words("trail.event", event=self._site.event_name(row.because, words))
            case "skipped" | "missed" | "moved" | "cancelled" | "done" | "unreachable" if row.flow:
                flow = self._site.flow_title(row.program_id, row.flow, words)
                return words(f"trail.{row.what}_flow", flow=flow)
            case "ping" if not row.ticket_id:
                return words("trail.behind")
            case "ping":
                names = [str(name) for name in data.get("staff", [])]
                role = words.name("role", str(data.get("role", "")))
                if not names:
                    return words("trail.ping_nobody", ticket=row.ticket_id, role=role)
                return words("trail.ping", ticket=row.ticket_id, role=role, names=words("time.list").join(names))
            case "ticket":
                kind = words.name("kind", str(data.get("kind", "low_score")))
                return words("trail.ticket", ticket=row.ticket_id, kind=kind)
            case "class":
                return words("trail.class", after=words.name("class", str(data.get("after", ""))))
            case "alert":
                roles = [words.name("role", str(role)) for role in data.get("roles", [])]
                return words("trail.alert", roles=words("time.list").join(roles))
            case "claimed" | "acknowledged" | "given_back" | "resolved":
                return words(f"trail.{row.what}", ticket=row.ticket_id, name=str(data.get("staff", "")))
            case "round":
                return words("trail.round", ticket=row.ticket_id, round=data.get("round", 2))
            case "closed" | "ticket_note" | "passed_on":
                return words(f"trail.{row.what}", ticket=row.ticket_id)
            case _:
                return words.name("trail", row.what)

    def _why(self, row: TrailRow) -> str:
        if row.what in ("event", "claimed", "acknowledged", "resolved", "ping"):
            return ""
        if row.because.startswith(_FESTIVAL):
            return ""
        why = self._site.because(self._words, row.because, row.program_id)
        occasion = str(row.data.get("occasion", "")) if row.what == "message" else ""
        return "; ".join(filter(None, (why, occasion and self._words.name("occasion", occasion))))


def tell(site: Site, words: Words, story: Story) -> list[Line]:
    """Lines in the order of the rows, without what another one repeats."""
    teller = Teller(site, words, story)
    return _joined([teller.tell(row) for row in story.lines])


def _joined(lines: Sequence[Line]) -> list[Line]:
    """A score stands with the words that it was read from, and needs no line of its own."""
    read_as = {(line.customer_id, line.at, line.score) for line in lines if line.what == "reply" and line.level}
    kept = [line for line in lines if line.what != "answer" or (line.customer_id, line.at, line.score) not in read_as]
    return in_order(kept)


def in_order(lines: Iterable[Line]) -> list[Line]:
    """By time; what the customer got stands before the notices to staff that were written in the same instant."""
    ordered: list[Line] = []
    for line in sorted(lines, key=lambda line: (line.at, line.id)):
        place = len(ordered)
        if line.what == "message":
            while place and ordered[place - 1].what in _NOTICES and ordered[place - 1].at == line.at:
                place -= 1
        ordered.insert(place, line)
    return ordered


def stream_lines(lines: Iterable[Line]) -> list[Line]:
    """What the town's stream shows of them: no plan of one customer's alone, no notice to staff beside its ping."""
    return [line for line in lines if line.what in LIVELY and not _is_quiet(line)]


def _is_quiet(line: Line) -> bool:
    match line.what:
        case "planned":
            return bool(line.customer_id)
        case "message":
            return not line.customer_id
        case "reply":
            return not line.said and line.level is None
    return False


def planned_lines(site: Site, words: Words, rows: Iterable[FollowUpRow]) -> list[Line]:
    """Follow-ups that were planned for many at once, as lines of this customer's own trail."""
    return [
        Line(
            id=0,
            at=row.planned_at,
            what="planned",
            icon="calendar",
            tone="calm",
            text=words("trail.planned", flow=site.flow_title(row.program_id, row.flow, words, row.occasion)),
            why="" if row.reason.startswith(_FESTIVAL) else site.because(words, row.reason, row.program_id),
            customer_id=row.customer_id,
            due=row.due_at,
            flow=site.flow_title(row.program_id, row.flow, words, row.occasion),
            program_id=row.program_id,
        )
        for row in rows
    ]


def _instant(value: Any) -> datetime | None:
    if not isinstance(value, str):
        return None
    try:
        found = datetime.fromisoformat(value)
    except ValueError:
        return None
    return found if found.tzinfo else None
