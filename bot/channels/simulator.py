"""The built-in phone: a provider of our own, with a memory apart from the database, as a real one has.

What reached a phone stands in its ledger (a file of JSON lines, or memory), so that reconciliation has somebody to
ask after a crash, and tests have a witness that cannot be wrong in our favour. Not a mock: the town runs on it.
"""

import json
import os
import secrets
import threading
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

from bot.channels.contract import Accepted, Outcome, Outgoing, Plain, Refused, Trace, Unknown
from bot.clock import Clock

Fault = Literal["refuse", "lose", "lose_after"]
"""refuse: a definite no. lose: no answer, nothing arrived. lose_after: no answer, but it arrived."""


@dataclass(frozen=True)
class Text:
    """One text on a phone. `direction` is `in` (to the phone) or `out` (typed on it)."""

    id: str
    address: str
    body: str
    at: str
    direction: str
    attempt_id: str = ""


class Simulator(Plain):
    """Phones by address. Texts arrive at once, unless a fault was set for that address."""

    at_once = 64

    def __init__(self, clock: Clock, ledger: Path | None = None, name: str = "sms") -> None:
        """`ledger`: where texts are kept across restarts; None: in memory only."""
        self.name = name
        self._clock = clock
        self._ledger = ledger
        self._texts: dict[str, list[Text]] = defaultdict(list)
        self._faults: dict[str, Fault] = {}
        self._lock = threading.Lock()
        self._listeners: list[Callable[[Text], None]] = []
        self._count = 0
        if ledger and ledger.exists():
            self._load(ledger)

    async def send(self, message: Outgoing) -> Outcome:
        fault = self._faults.get(message.address)
        if fault == "refuse":
            return Refused("the simulated phone refuses", suppress=False)
        if fault == "lose":
            return Unknown("the simulated network lost the request")
        text = self._keep(message.address, message.body, "in", message.attempt_id)
        if fault == "lose_after":
            return Unknown("the simulated network lost the answer")
        return Accepted(text.id, delivered=True)

    async def find(self, address: str, since: datetime) -> Sequence[Trace] | None:
        return [
            Trace(text.id, text.body, datetime.fromisoformat(text.at), delivered=True)
            for text in self._texts[address]
            if text.direction == "in" and datetime.fromisoformat(text.at) >= since
        ]

    def type(self, address: str, body: str) -> Text:
        """Somebody types on the phone; the caller hands the text to `inbox.receive`."""
        return self._keep(address, body, "out", "")

    def phone(self, address: str) -> tuple[Text, ...]:
        """Everything on this phone, oldest first."""
        return tuple(self._texts[address])

    def phones(self) -> tuple[str, ...]:
        """Addresses that have texts."""
        return tuple(address for address, texts in self._texts.items() if texts)

    def fail(self, address: str, fault: Fault | None) -> None:
        """From now on this phone fails so; None: it works again."""
        if fault is None:
            self._faults.pop(address, None)
        else:
            self._faults[address] = fault

    def listen(self, listener: Callable[[Text], None]) -> None:
        """Call `listener` for each text that reaches or leaves a phone."""
        self._listeners.append(listener)

    def _keep(self, address: str, body: str, direction: str, attempt_id: str) -> Text:
        with self._lock:
            self._count += 1
            unique = secrets.token_hex(6) if self._ledger else f"{self._count:06d}"
            text = Text(f"sim-{unique}", address, body, self._clock.now().isoformat(), direction, attempt_id)
            if self._ledger:
                self._write(self._ledger, text)
            self._texts[address].append(text)
        for listener in self._listeners:
            listener(text)
        return text

    def _write(self, ledger: Path, text: Text) -> None:
        ledger.parent.mkdir(parents=True, exist_ok=True)
        with ledger.open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(text), ensure_ascii=False) + "\n")
            file.flush()
            os.fsync(file.fileno())

    def _load(self, ledger: Path) -> None:
        content = ledger.read_bytes()
        for line in content.split(b"\n"):
            try:
                text = Text(**json.loads(line))
            except (ValueError, TypeError):
                continue  # the last line of a process that was killed while writing
            self._texts[text.address].append(text)
        if content and not content.endswith(b"\n"):
            with ledger.open("ab") as file:
                file.write(b"\n")  # or the next text would be lost in the broken line
