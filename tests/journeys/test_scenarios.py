"""Every dated scenario under scenarios/ is lived through by the product's own code, on SQLite.

Of each pack the shortest is lived through on PostgreSQL, too.
"""

import re
from datetime import datetime, timedelta
from itertools import groupby
from pathlib import Path

import pytest

from bot.config import Settings
from bot.rehearsal import read_scenario, rehearse

FILES = sorted((Path(__file__).parent / "scenarios").glob("*.yaml"))
SPAN = re.compile(r"^(?:start|until): ([-\dT:]+)", re.MULTILINE)


def length(file: Path) -> timedelta:
    """How long a scenario lasts."""
    start, until = map(datetime.fromisoformat, SPAN.findall(file.read_text(encoding="utf-8")))
    return until - start


PACKS = groupby(FILES, lambda file: file.stem.partition("_")[0])
CASES = [
    *(pytest.param(file, "sqlite", id=f"{file.stem}-sqlite") for file in FILES),
    *(
        pytest.param(file, "postgres", id=f"{file.stem}-postgres", marks=pytest.mark.postgres)
        for _, files in PACKS
        for file in [min(files, key=length)]
    ),
]


@pytest.mark.parametrize(("file", "database_url"), CASES, indirect=["database_url"])
def test_the_scenario_comes_out_as_expected(file: Path, database_url: str, settings: Settings) -> None:
    scenario, texts = read_scenario(file)
    outcome = rehearse(scenario, texts, settings, url=database_url)
    assert not outcome.unmet, "\n".join(outcome.unmet)
    assert scenario.expect, "a scenario without expectations proves nothing"
