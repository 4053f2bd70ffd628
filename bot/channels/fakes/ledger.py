"""What reached a phone, and what was typed on one: the witness that both fakes share.

Lines are only ever added, and are on disk before anybody is told of them, so that a fake that was killed remembers.
Holds no state of messages on their way: each fake keeps its own, by the same `JsonLines`.
"""

import json
import os
import threading
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

Direction = Literal["in", "out"]
"""in: to the phone; out: typed on it."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One text on a phone. `id` is the provider's; `at` an instant of the fake's clock, ISO 8601."""

    id: str
    to: str
    sender: str
    body: str
    at: str
    direction: Direction = "in"

    @property
    def phone(self) -> str:
        """Whose phone this text is on."""
        return self.to if self.direction == "in" else self.sender


class JsonLines:
    """A file of JSON objects, one a line, which survives a process killed in the middle of writing."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._mend()
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def read(self) -> Iterator[dict[str, Any]]:
        with self._path.open("rb") as lines:
            for line in lines:
                try:
                    yield json.loads(line)
                except ValueError:
                    continue  # what a killed process left of its last line

    def append(self, records: Sequence[Mapping[str, Any]], *, sync: bool) -> None:
        """Add lines; `sync`: they are on the disk itself when this returns."""
        text = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
        os.write(self._file, text.encode("utf-8", "replace"))
        if sync:
            os.fsync(self._file)

    def _mend(self) -> None:
        """End a broken last line, or the next one would be lost in it."""
        if self._path.exists() and (content := self._path.read_bytes()) and not content.endswith(b"\n"):
            with self._path.open("ab") as file:
                file.write(b"\n")


class Ledger:
    """Every text that is on a phone, in the order it came there."""

    def __init__(self, path: Path | None = None) -> None:
        """`path`: a file of JSON lines, read first where it is there already; None: in memory only."""
        self.path = path
        self._lines = JsonLines(path) if path else None
        self._entries: list[Entry] = []
        self._phones: dict[str, list[Entry]] = defaultdict(list)
        self._ids: set[str] = set()
        self._lock = threading.Lock()
        if self._lines:
            self._remember([_entry(record) for record in self._lines.read()])

    def __contains__(self, provider_id: object) -> bool:
        return provider_id in self._ids

    def add(self, *entries: Entry) -> None:
        """Texts come to their phones: on disk when this returns. One call for many is one wait for the disk."""
        with self._lock:
            if self._lines:
                self._lines.append([_record(entry) for entry in entries], sync=True)
            self._remember(entries)

    def all(self) -> tuple[Entry, ...]:
        with self._lock:
            return tuple(self._entries)

    def reached(self) -> tuple[Entry, ...]:
        """Texts that came to a phone, without those typed on one."""
        return tuple(entry for entry in self.all() if entry.direction == "in")

    def phone(self, address: str) -> tuple[Entry, ...]:
        """Everything on this phone, oldest first."""
        return tuple(self._phones.get(address, ()))

    def with_body(self, body: str) -> tuple[Entry, ...]:
        """Texts with exactly these words that came to a phone."""
        return tuple(entry for entry in self.reached() if entry.body == body)

    def counts(self) -> Counter[tuple[str, str]]:
        """How often each text came to each phone, by (address, body)."""
        return Counter((entry.to, entry.body) for entry in self.reached())

    def duplicates(self) -> dict[tuple[str, str], int]:
        """Texts that came to the same phone more than once, and how often."""
        return {text: times for text, times in self.counts().items() if times > 1}

    def _remember(self, entries: Sequence[Entry]) -> None:
        self._entries.extend(entries)
        for entry in entries:
            self._phones[entry.phone].append(entry)
            self._ids.add(entry.id)


def _record(entry: Entry) -> dict[str, str]:
    return {
        "id": entry.id,
        "to": entry.to,
        "from": entry.sender,
        "body": entry.body,
        "at": entry.at,
        "direction": entry.direction,
    }


def _entry(record: Mapping[str, Any]) -> Entry:
    return Entry(record["id"], record["to"], record["from"], record["body"], record["at"], record["direction"])
