"""The spool: a file that keeps what comes in while the database cannot be reached, until it can.

One line for each thing: `CRC JSON`, appended under a lock that all processes of the machine share, and on the disk
before `append` returns. While it holds anything, new texts are appended as well, so that the order of each customer is
kept. It knows no tables and decides nothing; inbox.py fills and drains it.

    huifang.spool            what is appended
    huifang.spool.draining   what is being put into the database; removed once all of it is there
    huifang.spool.broken     lines that nobody can read, or that the database refuses: for a person
    huifang.spool.lock       held while one of these grows or changes its name
    huifang.spool.drainer    held by whoever drains
"""

import fcntl
import json
import os
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

Line = Mapping[str, Any]


class Spool:
    """The files of one spool. Every method may be called from any thread and any process of the machine."""

    def __init__(self, file: str | Path) -> None:
        self._file = Path(file)
        self._draining = self._beside("draining")
        self._broken = self._beside("broken")

    def _beside(self, ending: str) -> Path:
        return self._file.with_name(f"{self._file.name}.{ending}")

    def is_empty(self) -> bool:
        """Nothing waits there; a folder that nobody may look into counts as empty, too."""
        try:
            return not self._file.exists() and not self._draining.exists()
        except OSError:
            return True

    def append(self, lines: Sequence[Line]) -> None:
        """Keep these lines, in order: on the disk when this returns. OSError: none of them is kept."""
        with self._growing():
            _append(self._file, b"".join(map(_written, lines)))

    def set_aside(self, line: bytes) -> None:
        """Keep a line that is of no use, for a person to look at."""
        with self._growing():
            _append(self._broken, line.rstrip(b"\n") + b"\n")

    @contextmanager
    def drained(self) -> Iterator[Iterator[bytes]]:
        """The lines that are there, oldest first, as they were written: `read_line` reads them.

        1 what an earlier drain left behind comes first; else all that was appended so far gets its other name.
        2 the caller puts it away.  3 it is removed, unless the caller raised: then all of it comes again.
        One at a time drains; whoever else tries meanwhile finds nothing.
        """
        with _held(self._beside("drainer"), wait=False) as alone:
            if not alone or not self._begin():
                yield iter(())
                return
            with self._draining.open("rb") as lines:
                yield iter(lines)
            self._draining.unlink()

    def _begin(self) -> bool:
        """Is there anything to drain? What is appended from now on is for the next time."""
        with self._growing():
            if not self._draining.exists() and self._file.exists():
                self._file.rename(self._draining)
        return self._draining.exists()

    def _growing(self) -> AbstractContextManager[bool]:
        return _held(self._beside("lock"), wait=True)


@contextmanager
def _held(file: Path, *, wait: bool) -> Iterator[bool]:
    """Hold a lock, which ends with its holder's life; False: somebody else has it, and we do not wait."""
    lock = os.open(file, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        yield _taken(lock, wait)
    finally:
        os.close(lock)


def _taken(lock: int, wait: bool) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _append(file: Path, data: bytes) -> None:
    """Write to the end of a file and on to the disk, all or nothing.

    Where somebody died in the middle of a line, that piece is ended first: it must not spoil ours.
    """
    is_new = not file.exists()
    target = os.open(file, os.O_CREAT | os.O_RDWR | os.O_APPEND, 0o600)
    try:
        size = os.fstat(target).st_size
        if size and os.pread(target, 1, size - 1) != b"\n":
            data = b"\n" + data
        try:
            while data:
                data = data[os.write(target, data) :]
            os.fsync(target)
        except OSError:
            os.ftruncate(target, size)
            raise
    finally:
        os.close(target)
    if is_new:
        _sync_folder(file.parent)


def _sync_folder(folder: Path) -> None:
    """A new file outlives a power cut only when its folder is on the disk as well."""
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def _written(line: Line) -> bytes:
    said = json.dumps(line, separators=(",", ":")).encode()
    return b"%08x %s\n" % (zlib.crc32(said), said)


def read_line(line: bytes) -> Line:
    """What a line of the spool says. ValueError: it was torn or changed."""
    crc, _, said = line.rstrip(b"\n").partition(b" ")
    if crc != b"%08x" % zlib.crc32(said):
        raise ValueError("a broken line")
    read: Line = json.loads(said)
    return read
