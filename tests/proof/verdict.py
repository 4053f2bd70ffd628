"""The books against the witness: what the tables say of each message, and how often its words reached the phone.

lost        it reached no phone, and no person is told: neither HELD nor listed
twice       it reached the phone more than once; and with a doubt that nobody flagged: unflagged
false       it reached the phone, and the books say that it never left
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from sqlalchemy import func
from sqlmodel import Session, col, select

from bot.channels.fakes.ledger import Ledger
from bot.store.tables import AttemptRow, MessageRow, TrailRow
from flows.states import MessageState

DOUBTFUL = ("", "unknown", "absent")
"""Outcomes of an attempt that may have left a copy, or was thought to."""
AT_THE_PROVIDER = frozenset(
    {MessageState.ACCEPTED, MessageState.SENT, MessageState.DELIVERED, MessageState.UNDELIVERED}
)
MAY_BE_TWICE = frozenset({"survey", "service"})
"""Purposes that get a new attempt after a doubt."""


@dataclass
class Verdict:
    """What became of the texts, each one message or several in turn; `lost`, `twice` ... hold their first ids."""

    messages: int = 0
    stopped: int = 0
    once: int = 0
    held: int = 0
    held_but_arrived: int = 0
    attempts: int = 0
    doubts: int = 0
    taken_back: int = 0
    lost: list[int] = field(default_factory=list)
    twice: list[int] = field(default_factory=list)
    unflagged: list[int] = field(default_factory=list)
    false: list[int] = field(default_factory=list)
    states: Counter[str] = field(default_factory=Counter)

    def broken(self, mode: str) -> list[str]:
        """The promises that do not hold, in words."""
        said = []
        if self.lost:
            said.append(f"{len(self.lost)} messages are lost: {self.lost[:10]}")
        if self.twice and mode == "scheduled":
            said.append(f"{len(self.twice)} messages arrived twice: {self.twice[:10]}")
        if self.unflagged:
            said.append(f"{len(self.unflagged)} messages were in doubt, and nothing says so: {self.unflagged[:10]}")
        if self.false:
            said.append(f"{len(self.false)} messages arrived, and the books deny it: {self.false[:10]}")
        return said


def compare(session: Session, ledger: Ledger) -> Verdict:
    """Every text of the trial against the ledger: it is known by its words, which hold a code of its own."""
    arrived = Counter(entry.body for entry in ledger.reached())
    attempts, told = _attempts(session), _told(session)
    verdict = Verdict(taken_back=_taken_back(session))
    for body, rows in _texts(session).items():
        _judge(verdict, rows, arrived[body], told)
        for row in rows:
            _judge_attempts(verdict, row, arrived[body], attempts.get(row.id, []), told)
    return verdict


@dataclass(frozen=True)
class Row:
    """What the books say of one message."""

    id: int
    purpose: str
    state: MessageState


def _texts(session: Session) -> dict[str, list[Row]]:
    """words -> its messages: what was withdrawn and put back has one more."""
    found: dict[str, list[Row]] = {}
    table = (MessageRow.body, MessageRow.id, MessageRow.purpose, MessageRow.state)
    for body, row_id, purpose, state in session.execute(select(*table).order_by(col(MessageRow.id))):
        found.setdefault(body, []).append(Row(row_id, purpose, MessageState(state)))
    return found


def _judge(verdict: Verdict, rows: list[Row], copies: int, told: dict[str, set[int]]) -> None:
    """One text: where it is, and where the books say it is."""
    states, first = {row.state for row in rows}, rows[0].id
    held = MessageState.HELD in states
    verdict.messages += 1
    verdict.stopped += len(rows) > 1
    verdict.states[str(rows[-1].state)] += 1
    verdict.once += copies == 1
    verdict.held += held
    verdict.held_but_arrived += held and copies > 0
    if copies == 0 and not any(row.state is MessageState.HELD and row.id in told["held"] for row in rows):
        verdict.lost.append(first)
    if copies > 0 and not states & AT_THE_PROVIDER and not held:
        verdict.false.append(first)
    if copies > 1:
        verdict.twice.append(first)


def _judge_attempts(verdict: Verdict, row: Row, copies: int, attempts: list[str], told: dict[str, set[int]]) -> None:
    """An attempt after one in doubt, or a second copy: somebody must be able to see that it may have come twice."""
    verdict.attempts += len(attempts)
    verdict.doubts += sum(outcome in DOUBTFUL for outcome in attempts)
    tried_again = any(outcome in DOUBTFUL for outcome in attempts[:-1])
    if (tried_again or copies > 1) and not (row.id in told["retry"] and row.purpose in MAY_BE_TWICE):
        verdict.unflagged.append(row.id)


def _attempts(session: Session) -> dict[int, list[str]]:
    """message id -> the outcomes of its attempts, oldest first."""
    found: dict[int, list[str]] = {}
    statement = select(AttemptRow.message_id, AttemptRow.outcome).order_by(col(AttemptRow.number))
    for message_id, outcome in session.execute(statement):
        found.setdefault(message_id, []).append(outcome)
    return found


def _told(session: Session) -> dict[str, set[int]]:
    """What the trail says -> of which messages."""
    found: dict[str, set[int]] = {"retry": set(), "held": set()}
    statement = select(TrailRow.what, TrailRow.message_id).where(col(TrailRow.what).in_(found))
    for what, message_id in session.execute(statement):
        found[what].add(message_id)
    return found


def _taken_back(session: Session) -> int:
    """How many messages had a second copy taken back before it went out."""
    statement = select(func.count()).where(col(TrailRow.because).startswith("second copies taken back"))
    return session.exec(statement).one()


def lines_of(verdict: Verdict, mode: str, facts: Iterable[tuple[str, object]]) -> list[str]:
    """The figures, one a line."""
    figures = [
        ("messages", verdict.messages),
        *facts,
        ("withdrawn and put back", verdict.stopped),
        ("attempts", verdict.attempts),
        ("attempts in doubt", verdict.doubts),
        ("arrived once", verdict.once),
        ("lost", len(verdict.lost)),
        ("twice", len(verdict.twice)),
        ("doubts that nobody sees", len(verdict.unflagged)),
        ("arrived, but denied", len(verdict.false)),
        ("held for a person", f"{verdict.held}, of them arrived: {verdict.held_but_arrived}"),
        ("second copies taken back", verdict.taken_back),
        ("states", ", ".join(f"{state} {count}" for state, count in sorted(verdict.states.items()))),
    ]
    width = max(len(name) for name, _ in figures)
    shown = [f"  {name:<{width}}  {f'{value:,}' if isinstance(value, int) else value}" for name, value in figures]
    broken = verdict.broken(mode)
    return [*shown, *(f"BROKEN: {each}" for each in broken), *([] if broken else ["every promise holds"])]
