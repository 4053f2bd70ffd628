"""`huifang town` as a newcomer starts it: a real process, a real port."""

import re
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bot.errors import SettingError
from bot.store.db import Database
from bot.town.start import FILE, _alone_in, _listen, town_settings
from bot.town.town import remembered

COMMAND = [sys.executable, "-m", "bot", "town", "--port", "0"]


@contextmanager
def served(folder: Path, *options: str) -> Iterator[tuple[subprocess.Popen[str], str, str]]:
    """A town in a process of its own, its address, and what it says of itself."""
    command = [*COMMAND, "--data", str(folder), *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout
        first, second = process.stdout.readline(), process.stdout.readline()
        found = re.search(r"http://\S+", first)
        assert found, (first, process.stderr.read() if process.stderr and process.poll() is not None else "")
        yield process, found[0], second
    finally:
        process.kill()
        process.wait()


def test_a_town_is_served_stopped_and_goes_on(tmp_path: Path) -> None:
    # given a town that has been opened for the first time
    with served(tmp_path / "var") as (process, address, said):
        assert "300 customers" in said
        with urllib.request.urlopen(address, timeout=10) as page:
            assert page.status == 200
        # when it is stopped while somebody is watching
        watching = socket.create_connection(("127.0.0.1", int(address.rpartition(":")[2])))
        watching.sendall(b"GET /live HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        process.send_signal(signal.SIGINT)
        process.wait(timeout=20)
        watching.close()
        assert "Traceback" not in (process.stderr.read() if process.stderr else "")
    database = Database(f"sqlite:///{tmp_path / 'var' / FILE}")
    stopped = remembered(database)
    database.close()
    assert stopped is not None
    # then it goes on from there, and with --fresh it begins anew
    with served(tmp_path / "var") as (_, _, said):
        assert f"{stopped:%Y-%m-%d %H:%M}" in said
    with served(tmp_path / "var", "--fresh") as (_, _, said):
        assert "300 customers" in said


def test_a_taken_port_is_a_clear_error() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(SettingError, match="is not free"):
            _listen("127.0.0.1", taken.getsockname()[1])


def test_a_folder_that_cannot_be_used_is_a_clear_error(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(SettingError, match="cannot be used"), _alone_in(file):
        pass


def test_two_towns_do_not_live_in_one_folder(tmp_path: Path) -> None:
    with _alone_in(tmp_path), pytest.raises(SettingError, match="another town is open"), _alone_in(tmp_path):
        pass
    with _alone_in(tmp_path):
        pass  # the first one was closed


def test_the_town_never_touches_the_configured_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUIFANG_DATABASE_URL", "postgresql://production/customers")
    monkeypatch.setenv("HUIFANG_CHANNELS", "null")
    settings = town_settings(tmp_path, "http://127.0.0.1:1")
    assert settings.database_url == f"sqlite:///{tmp_path / FILE}"
    assert settings.channels == "simulator"
