"""Time comes from bot/clock.py and nowhere else: a rehearsed year, an accelerated town and the tests hang on it."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("messages", "flows", "bot")
CLOCK = Path("bot/clock.py")
BENCHMARKS = Path("bot/bench")
REMEDY = "take the clock from the Runtime (runtime.clock), or let the caller pass the instant"

READS_THE_CLOCK = {
    "datetime": {"now", "utcnow", "today"},
    "date": {"today"},
    "time": {"time", "time_ns", "monotonic", "monotonic_ns", "localtime", "gmtime", "ctime", "sleep"}
    | {"perf_counter", "perf_counter_ns"},
}
SQL_CLOCKS = ("now", "current_timestamp", "current_date", "localtimestamp")
MEASURES = {"time.perf_counter", "time.perf_counter_ns", "time.sleep"}
"""What only benchmarks may use."""


def clocks_in(source: str) -> Iterator[tuple[int, str]]:
    """(line, name) of each call that reads the wall clock, under whatever name it was imported."""
    tree = ast.parse(source)
    names = dict(_imported(tree))
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        match node.func:
            case ast.Attribute(value=ast.Name(id=owner), attr=name):
                meant = f"{names.get(owner, owner)}.{name}"
            case ast.Attribute(value=ast.Attribute(attr=owner), attr=name):
                meant = f"{owner}.{name}"
            case ast.Name(id=name):
                meant = names.get(name, name)
            case _:
                continue
        owner, _, called = meant.rpartition(".")
        owner = owner.rpartition(".")[2]
        if called in READS_THE_CLOCK.get(owner, set()) or (owner == "func" and called in SQL_CLOCKS):
            yield node.lineno, f"{owner}.{called}"


def _imported(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """Local name -> what it is; `from time import time as t` makes `t` time.time."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.asname or alias.name, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module in ("time", "datetime"):
            for alias in node.names:
                inner = alias.name if node.module == "datetime" else f"time.{alias.name}"
                yield alias.asname or alias.name, inner


def modules() -> list[Path]:
    found = (path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
    return sorted(path.relative_to(ROOT) for path in found)


@pytest.mark.parametrize("module", [path for path in modules() if path != CLOCK], ids=str)
def test_no_module_but_the_clock_reads_the_time(module: Path) -> None:
    measured = MEASURES if module.is_relative_to(BENCHMARKS) else set()
    found = [
        f"{module}:{line}: {name}()"
        for line, name in clocks_in((ROOT / module).read_text(encoding="utf-8"))
        if name not in measured
    ]
    assert not found, "\n".join([*found, REMEDY])


@pytest.mark.parametrize(
    "source",
    [
        "from datetime import datetime\ndatetime.now()",
        "from datetime import datetime as dt, UTC\ndt.now(UTC)",
        "import datetime\ndatetime.datetime.utcnow()",
        "import datetime as d\nd.date.today()",
        "from datetime import date\ndate.today()",
        "import time\ntime.time()",
        "import time as clock\nclock.monotonic()",
        "from time import time\ntime()",
        "from time import monotonic as beat\nbeat()",
        "from sqlalchemy import func\nfunc.now()",
    ],
)
def test_the_rule_sees_every_spelling(source: str) -> None:
    assert list(clocks_in(source))


@pytest.mark.parametrize(
    "source",
    [
        "runtime.clock.now()",
        "clock.now()",
        "from datetime import datetime\ndatetime.fromisoformat('2026-01-01')",
        "from datetime import time\ntime(10)",
        "import asyncio\nasyncio.sleep(1)",
        "today()",
    ],
)
def test_the_rule_lets_other_things_be(source: str) -> None:
    assert not list(clocks_in(source))
