"""Habits of the code that no linter knows: where the environment is read, who speaks, what is explained."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_no_module_but_the_settings_reads_the_environment() -> None:
    asks = re.compile(r"os\.(environ|getenv)|dotenv")
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for package in ("bot", "flows", "messages")
        for path in sorted((ROOT / package).rglob("*.py"))
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if asks.search(line)
    ]
    assert found == [], "take it from bot/config.py"


def test_nothing_is_printed_but_by_the_command_line() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for package in ("bot", "flows", "messages")
        for path in sorted((ROOT / package).rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    ]
    assert found == [], "log it, or write it to the trail; bot/cli.py speaks with typer.echo"


LONG = 12
"""A function of more lines says what it is for; shorter ones are their own explanation."""


def functions_of(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """The functions of a module and the methods of its classes, not what they define inside."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for place in (tree, *(node for node in tree.body if isinstance(node, ast.ClassDef))):
        yield from (node for node in place.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def test_long_public_functions_say_what_they_are_for() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno} {node.name}"
        for package in ("bot", "flows", "messages")
        for path in sorted((ROOT / package).rglob("*.py"))
        if "versions" not in path.parts
        for node in functions_of(path)
        if not node.name.startswith("_")
        and (node.end_lineno or 0) - node.lineno >= LONG
        and ast.get_docstring(node) is None
    ]
    assert found == [], "one sentence for the caller"


def test_every_module_says_what_it_holds() -> None:
    found = [
        str(path.relative_to(ROOT))
        for package in ("bot", "flows", "messages")
        for path in sorted((ROOT / package).rglob("*.py"))
        if path.read_text(encoding="utf-8").strip()
        and ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) is None
    ]
    assert found == [], "one sentence at the top of the file"
