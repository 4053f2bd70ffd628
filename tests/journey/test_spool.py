"""The spool keeps what it has acknowledged, whoever dies, and hands it back in order."""

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from bot.journey.spool import Line, Spool, read_line


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "spool"


def lines(*numbers: int) -> list[Line]:
    return [{"number": number, "text": "很好\n第二行"} for number in numbers]


def drain(spool: Spool) -> list[int]:
    with spool.drained() as found:
        return [read_line(line)["number"] for line in found]


def test_what_is_kept_comes_back_once_and_in_order(file: Path) -> None:
    spool = Spool(file)
    assert spool.is_empty()
    spool.append(lines(1, 2))
    spool.append(lines(3))
    assert not spool.is_empty()
    assert drain(spool) == [1, 2, 3]
    assert spool.is_empty()
    assert drain(spool) == []


def test_nobody_else_on_the_machine_may_read_it(file: Path) -> None:
    Spool(file).append(lines(1))
    assert file.stat().st_mode & 0o077 == 0


def test_a_drain_that_fails_gives_everything_again_before_anything_newer(file: Path) -> None:
    spool = Spool(file)
    spool.append(lines(1, 2))
    with pytest.raises(ZeroDivisionError), spool.drained() as found:
        next(found)
        raise ZeroDivisionError
    spool.append(lines(3))
    assert not spool.is_empty()
    assert drain(spool) == [1, 2]
    assert drain(spool) == [3]


def test_what_comes_during_a_drain_waits_for_the_next(file: Path) -> None:
    spool = Spool(file)
    spool.append(lines(1))
    with spool.drained() as found:
        spool.append(lines(2))
        assert [read_line(line)["number"] for line in found] == [1]
    assert not spool.is_empty()
    assert drain(spool) == [2]


def test_two_never_drain_at_the_same_time(file: Path) -> None:
    spool = Spool(file)
    spool.append(lines(1))
    with spool.drained() as found:
        assert drain(Spool(file)) == []
        assert len(list(found)) == 1


def test_a_line_torn_by_a_death_spoils_no_other(file: Path) -> None:
    spool = Spool(file)
    spool.append(lines(1, 2))
    whole = file.read_bytes()
    file.write_bytes(whole[:-9])
    spool.append(lines(3))
    with spool.drained() as found:
        one, torn, three = found
    assert [read_line(one)["number"], read_line(three)["number"]] == [1, 3]
    with pytest.raises(ValueError, match="broken"):
        read_line(torn)


@pytest.mark.parametrize(
    "damage",
    [
        lambda line: line.replace(b'"number":1', b'"number":7'),
        lambda line: line[1:],
        lambda line: b"\n",
        lambda line: b"\xff\xfe\n",
        lambda line: b"00000000 \n",
        lambda line: line.partition(b" ")[2],
    ],
    ids=["changed", "first byte lost", "empty", "no text", "nothing said", "no CRC"],
)
def test_a_damaged_line_is_never_believed(file: Path, damage: Callable[[bytes], bytes]) -> None:
    Spool(file).append(lines(1))
    with pytest.raises(ValueError):
        read_line(damage(file.read_bytes()))


def test_lines_set_aside_are_kept_for_a_person(file: Path) -> None:
    spool = Spool(file)
    spool.set_aside(b"torn")
    spool.set_aside(b"broken\n")
    assert file.with_name("spool.broken").read_bytes() == b"torn\nbroken\n"
    assert spool.is_empty()


def test_a_full_disk_keeps_all_or_nothing(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spool = Spool(file)
    spool.append(lines(1))
    write: Callable[..., int] = os.write

    def half(target: int, data: bytes) -> int:
        if len(data) < 20:
            raise OSError(28, "No space left on device")
        return write(target, data[: len(data) // 2])

    monkeypatch.setattr(os, "write", half)
    with pytest.raises(OSError, match="No space"):
        spool.append(lines(2))
    monkeypatch.undo()
    spool.append(lines(3))
    assert drain(spool) == [1, 3]


def test_several_who_write_at_once_never_mix_their_lines(file: Path) -> None:
    def some(start: int) -> None:
        for number in range(start, start + 50):
            Spool(file).append(lines(number))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(some, (0, 100, 200, 300)))
    found = drain(Spool(file))
    assert len(found) == 200
    for start in (0, 100, 200, 300):
        assert [number for number in found if start <= number < start + 100] == list(range(start, start + 50))


def test_killed_while_it_writes_it_keeps_all_that_it_acknowledged(file: Path) -> None:
    # given a process that says what it has kept
    script = """
        import sys
        from bot.journey.spool import Spool
        number = 0
        while True:
            Spool(sys.argv[1]).append([{"number": number, "text": "x" * 3000}])
            print(number, flush=True)
            number += 1
    """
    arguments: list[Any] = [sys.executable, "-c", textwrap.dedent(script), file]
    root = Path(__file__).parents[2]
    with subprocess.Popen(arguments, cwd=root, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for said in process.stdout:
            if int(said) == 150:
                break
        # when it is killed
        process.send_signal(signal.SIGKILL)
        acknowledged = 150 + len(process.stdout.readlines())

    # then all of that is there, in order, and the next process goes on
    Spool(file).append(lines(-1))
    with Spool(file).drained() as found:
        kept = list(found)
    numbers = [read_line(line)["number"] for line in kept[: acknowledged + 1]]
    assert numbers == list(range(acknowledged + 1))
    assert read_line(kept[-1])["number"] == -1
