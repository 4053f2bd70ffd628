"""Databases that go away and come back, for tests. Not a test itself."""

import contextlib
import shutil
import socket
import threading
from pathlib import Path
from typing import Protocol
from urllib.parse import parse_qs, urlsplit


class Outage(Protocol):
    """Nobody reaches the database between `begin` and `end`."""

    url: str

    def begin(self) -> None: ...

    def end(self) -> None: ...


class FileGone:
    """A SQLite file whose place is taken by a folder. Connections must be closed before."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.url = f"sqlite:///{file}"

    def begin(self) -> None:
        for each in self._all():
            each.rename(each.with_suffix(f"{each.suffix}.away"))
        self._file.mkdir()

    def end(self) -> None:
        shutil.rmtree(self._file)
        for each in self._file.parent.glob(f"{self._file.stem}*.away"):
            each.rename(each.with_suffix(""))

    def _all(self) -> list[Path]:
        return [each for ending in ("", "-wal", "-shm") if (each := Path(f"{self._file}{ending}")).exists()]


class LineCut:
    """A PostgreSQL server behind a line of TCP that can be cut: the server itself is for everybody."""

    def __init__(self, server_url: str) -> None:
        parts = urlsplit(server_url)
        folder = parse_qs(parts.query)["host"][0]
        self._server = next(str(each) for each in Path(folder).glob(".s.PGSQL.*") if not each.name.endswith(".lock"))
        self._listening = self._listen(0)
        self._port: int = self._listening.getsockname()[1]
        self._open: list[socket.socket] = []
        self.url = f"postgresql://{parts.username}@127.0.0.1:{self._port}{parts.path}"

    def begin(self) -> None:
        _hang_up(self._listening)
        while self._open:
            _hang_up(self._open.pop())

    def end(self) -> None:
        self._listening = self._listen(self._port)

    def _listen(self, port: int) -> socket.socket:
        listening = socket.create_server(("127.0.0.1", port))
        threading.Thread(target=self._accept, args=(listening,), daemon=True).start()
        return listening

    def _accept(self, listening: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = listening.accept()
                server = socket.socket(socket.AF_UNIX)
                server.connect(self._server)
                self._open += [client, server]
                for one, other in ((client, server), (server, client)):
                    threading.Thread(target=_pump, args=(one, other), daemon=True).start()


def _pump(one: socket.socket, other: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := one.recv(65536):
            other.sendall(data)
    _hang_up(one)
    _hang_up(other)


def _hang_up(line: socket.socket) -> None:
    with contextlib.suppress(OSError):
        line.shutdown(socket.SHUT_RDWR)
    line.close()
