"""The shipped programs and the Chinese calendar, as the tests of decisions use them."""

import pytest

from flows.calendar import Calendar
from flows.load import load_program, shipped_program_text
from flows.program import Program


@pytest.fixture(scope="session")
def china() -> Calendar:
    return Calendar()


@pytest.fixture(scope="session")
def retail() -> Program:
    return load_program(shipped_program_text("retail_aftersales"), "retail_aftersales.yaml")


@pytest.fixture(scope="session")
def auto_repair() -> Program:
    return load_program(shipped_program_text("auto_repair"), "auto_repair.yaml")


@pytest.fixture(scope="session")
def hospital() -> Program:
    return load_program(shipped_program_text("hospital"), "hospital.yaml")
