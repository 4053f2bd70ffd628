"""Imports run bot -> flows -> messages, never back; the contracts stand in pyproject.toml."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
REMEDY = "Move the code to the package that its imports belong to: messages knows words, flows decides, bot acts."


def test_the_contracts_of_imports_are_kept() -> None:
    checked = subprocess.run(
        [sys.executable, "-c", "from importlinter.cli import lint_imports_command; lint_imports_command()"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert checked.returncode == 0, f"{checked.stdout}{checked.stderr}\n{REMEDY}"
    assert "0 broken" in checked.stdout
