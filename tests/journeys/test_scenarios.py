"""Every dated scenario under scenarios/ is lived through by the product's own code, on both databases."""

from pathlib import Path

import pytest

from bot.config import Settings
from bot.rehearsal import read_scenario, rehearse

FILES = sorted((Path(__file__).parent / "scenarios").glob("*.yaml"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_the_scenario_comes_out_as_expected(file: Path, database_url: str, settings: Settings) -> None:
    scenario, texts = read_scenario(file)
    outcome = rehearse(scenario, texts, settings, url=database_url)
    assert not outcome.unmet, "\n".join(outcome.unmet)
    assert scenario.expect, "a scenario without expectations proves nothing"
