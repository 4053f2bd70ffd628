"""The small world in which the journey is told."""

import pytest

from bot.clock import SimulatedClock
from bot.runtime import Runtime
from tests.journey.story import Story


@pytest.fixture
def story(runtime: Runtime, clock: SimulatedClock) -> Story:
    return Story(runtime, clock)
