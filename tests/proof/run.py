"""One trial from end to end: messages into the outbox, everything started, killed and frozen; then the verdict."""

import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from multiprocessing.connection import Connection

from sqlalchemy import func
from sqlmodel import select

from bot.bootstrap import open_runtime
from bot.channels.fakes.ledger import Ledger
from bot.journey.enrolment import CustomerIn, accept_customers
from bot.journey.sending import LEASE, set_stopped
from bot.runtime import Runtime
from bot.store import messages
from bot.store.db import Database
from bot.store.tables import AttemptRow, MessageRow
from flows.states import MessageState
from tests.proof import processes
from tests.proof.processes import Victim
from tests.proof.trial import PER_CUSTOMER, Trial
from tests.proof.verdict import Verdict, compare

PURPOSES = ("survey", "survey", "survey", "service", "marketing")
UNSETTLED = (MessageState.READY, MessageState.SENDING, MessageState.UNKNOWN)
LOOK = 0.03
"""Real seconds between two looks at how far it has got."""
QUIET = timedelta(seconds=30)
"""How long after the last message has gone out the last receipts may come."""
Tell = Callable[[str], None]


@dataclass
class Deaths:
    """What was done to the processes."""

    senders: int = 0
    reconcilers: int = 0
    freezes: int = 0


@dataclass
class Result:
    """The verdict, and what it took."""

    verdict: Verdict
    faults: Mapping[str, int]
    deaths: Deaths
    seconds: float
    troubles: list[str] = field(default_factory=list)

    @property
    def calls(self) -> int:
        return sum(self.faults.values())

    def facts(self) -> list[tuple[str, object]]:
        """Figures that the verdict does not know."""
        kinds = ", ".join(f"{kind} {count}" for kind, count in sorted(self.faults.items()) if kind != "none")
        return [
            ("calls to the provider", self.calls),
            ("calls that failed", f"{self.calls - self.faults.get('none', 0):,} ({kinds})"),
            ("senders killed", self.deaths.senders),
            ("reconcilers killed", self.deaths.reconcilers),
            ("frozen beyond the lease", self.deaths.freezes),
            ("seconds", f"{self.seconds:.0f}"),
        ]


def now() -> datetime:
    """The real time, at which the accelerated clock of a trial starts."""
    return datetime.now(UTC)


def prove(trial: Trial, tell: Tell = print) -> Result:
    """Run it to its end, and judge it."""
    began = time.monotonic()
    runtime = open_runtime(trial.settings("http://127.0.0.1:1"))
    fill_outbox(runtime, trial)
    tell(f"{trial.messages} messages wait in the outbox after {time.monotonic() - began:.0f} s")
    deaths = Deaths()
    with started(trial) as (senders, reconcilers, provider):
        killer = Killer(trial, senders, reconcilers, deaths)
        troubles = watch(trial, runtime, killer, tell)
        faults = processes.thrown(provider)
    with runtime.db.read() as session:
        verdict = compare(session, Ledger(trial.ledger))
    runtime.db.close()
    return Result(verdict, faults, deaths, time.monotonic() - began, troubles)


# ----- before


def fill_outbox(runtime: Runtime, trial: Trial) -> None:
    """Messages with words of their own: a code, as a survey has its link. Two for each customer."""
    people = _people(runtime, -(-trial.messages // PER_CUSTOMER))
    due = runtime.clock.now()
    rows = []
    for number in range(trial.messages):
        customer_id, phone = people[number // PER_CUSTOMER]
        purpose = PURPOSES[number % len(PURPOSES)]
        rows.append(
            {
                "dedupe_key": f"proof:{number}",
                "customer_id": customer_id,
                "purpose": purpose,
                "channel": "sms",
                "address": phone,
                "body": f"您对这次的服务满意吗？请点 {runtime.survey_link(f'{purpose}{number}')}",
                "segments": 1,
                "created_at": due,
                "due_at": due,
                "expires_at": due + timedelta(days=30),
            }
        )
    for start in range(0, len(rows), 1000):
        with runtime.db.write() as session:
            messages.put_many(session, rows[start : start + 1000])


def _people(runtime: Runtime, count: int) -> Sequence[tuple[int, str]]:
    """(id, phone) of new customers who agree to everything."""
    phones = [f"+1415{number:07d}" for number in range(2_000_000, 2_000_000 + count)]
    results = accept_customers(
        runtime, "proof", [CustomerIn(each, "李敏", each, marketing_consent=True) for each in phones]
    )
    return [(result.row_id, phone) for result, phone in zip(results, phones, strict=True)]


@contextmanager
def started(trial: Trial) -> Iterator[tuple[list[Victim], list[Victim], Connection]]:
    """Two senders, two reconcilers, and the line to the provider; all of them end afterwards."""
    provider, theirs = processes.pipe()
    web, webs = processes.pipe()
    standing = [processes.start(processes.be_provider, trial, theirs), processes.start(processes.be_web, trial, webs)]
    victims: list[Victim] = []
    try:
        given = (trial, processes.asked(provider), processes.asked(web))
        victims += [Victim(processes.be_sender, given) for _ in range(2)]
        victims += [Victim(processes.be_reconciler, given) for _ in range(2)]
        yield victims[:2], victims[2:], provider
    finally:
        for victim in victims:
            victim.end()
        for process in standing:
            process.kill()
            process.join()


# ----- meanwhile


class Killer:
    """Kills senders at random points of the work, each somewhere in a batch; now and then a reconciler, too."""

    def __init__(self, trial: Trial, senders: list[Victim], reconcilers: list[Victim], deaths: Deaths) -> None:
        self._trial, self._senders, self._reconcilers, self.deaths = trial, senders, reconcilers, deaths
        self._dice = random.Random(trial.seed)
        self._kills = sorted(self._dice.uniform(0, trial.messages) for _ in range(trial.kills))
        self._freezes = sorted(self._dice.uniform(0, trial.messages) for _ in range(trial.freezes))
        self._frozen: tuple[Victim, float] | None = None

    @property
    def is_done(self) -> bool:
        return not self._kills and not self._freezes and self._frozen is None

    def strike(self, attempts: int) -> None:
        """Do what is due after so many attempts."""
        if self._frozen and time.monotonic() >= self._frozen[1]:
            self._frozen[0].freeze(False)
            self._frozen = None
        if self._frozen is None and self._freezes and self._freezes[0] <= attempts:
            self._freezes.pop(0)
            self._freeze()
        if self._kills and self._kills[0] <= attempts:
            self._kills.pop(0)
            self._kill()

    def _kill(self) -> None:
        time.sleep(self._dice.uniform(0, self._trial.call_seconds))
        self._one(self._senders).kill()
        self.deaths.senders += 1
        if self._dice.random() < 0.25:
            self._one(self._reconcilers).kill()
            self.deaths.reconcilers += 1

    def _freeze(self) -> None:
        """Longer than the lease, so that somebody else takes over what it holds."""
        victim = self._one(self._senders + self._reconcilers)
        victim.freeze(True)
        span = LEASE.total_seconds() * self._dice.uniform(1.1, 2) / self._trial.rate
        self._frozen = victim, time.monotonic() + span
        self.deaths.freezes += 1

    def _one(self, victims: list[Victim]) -> Victim:
        return self._dice.choice([each for each in victims if self._frozen is None or each is not self._frozen[0]])

    def died_alone(self) -> bool:
        return any(victim.has_died for victim in self._senders + self._reconcilers)


class Switch:
    """The kill switch, pulled once in the middle: what the provider keeps is taken back, and goes out later."""

    def __init__(self, trial: Trial, runtime: Runtime) -> None:
        self._runtime, self._pulled_at, self._span = runtime, trial.messages * 0.6, timedelta(seconds=90)
        self._until: datetime | None = None
        self.is_done = False

    def pull(self, attempts: int) -> None:
        if self.is_done:
            return
        if self._until is None and attempts >= self._pulled_at:
            self._until = self._runtime.clock.now() + self._span
            set_stopped(self._runtime, "proof", True)
        elif self._until is not None and self._runtime.clock.now() >= self._until:
            set_stopped(self._runtime, "proof", False)
            self.is_done = True


def watch(trial: Trial, runtime: Runtime, killer: Killer, tell: Tell) -> list[str]:
    """Kill, and wait until every message is settled and the provider has let the last one go."""
    db, switch = runtime.db, Switch(trial, runtime)
    end, told_at = time.monotonic() + trial.patience, 0.0
    while not (killer.is_done and switch.is_done and _is_over(runtime)):
        if time.monotonic() > end:
            return ["it did not end in time"]
        if killer.died_alone():
            return ["a process died by itself"]
        if time.monotonic() > told_at:
            told_at = time.monotonic() + 5
            tell(_progress(db, killer))
        attempts = _attempts(db)
        switch.pull(attempts)
        killer.strike(attempts)
        time.sleep(LOOK)
    tell(_progress(db, killer))
    return []


def _is_over(runtime: Runtime) -> bool:
    with runtime.db.read() as session:
        states = messages.counts_by_state(session)
        if any(states.get(str(state)) for state in UNSETTLED):
            return False
        last = session.exec(select(func.max(MessageRow.leaves_at), func.max(MessageRow.sent_at))).one()
    return runtime.clock.now() > max(instant for instant in last if instant is not None) + QUIET


def _attempts(db: Database) -> int:
    with db.read() as session:
        return session.exec(select(func.count()).select_from(AttemptRow)).one()


def _progress(db: Database, killer: Killer) -> str:
    with db.read() as session:
        states = messages.counts_by_state(session)
    deaths = killer.deaths
    shown = ", ".join(f"{state} {count}" for state, count in sorted(states.items()))
    return f"{shown}; killed {deaths.senders} + {deaths.reconcilers}, frozen {deaths.freezes}"
