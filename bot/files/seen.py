"""How often a row of the same content was there before: exact, in eight bytes a row, however large the file."""

import hashlib
from array import array

START = 1 << 12


class Seen:
    """Counts digests. An open hash table of 64-bit numbers; only what comes twice costs more."""

    def __init__(self) -> None:
        self._slots = array("Q", bytes(8 * START))
        self._used = 0
        self._again: dict[int, int] = {}

    def ordinal(self, content: str) -> tuple[str, int]:
        """(digest of the content, 1 when it is there for the first time, 2 for the second ...)."""
        digest = hashlib.sha256(content.encode()).hexdigest()[:24]
        key = int(digest[:16], 16) or 1
        if self._add(key):
            return digest, 1
        count = self._again[key] = self._again.get(key, 1) + 1
        return digest, count

    def _add(self, key: int) -> bool:
        """Whether it is new."""
        if 2 * self._used >= len(self._slots):
            self._grow()
        mask = len(self._slots) - 1
        place = key & mask
        while held := self._slots[place]:
            if held == key:
                return False
            place = (place + 1) & mask
        self._slots[place] = key
        self._used += 1
        return True

    def _grow(self) -> None:
        old, self._slots, self._used = self._slots, array("Q", bytes(16 * len(self._slots))), 0
        for key in old:
            if key:
                self._add(key)
