"""Houses with a real server, for every test of the web."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.web.club import PROGRAM, found_club
from tests.web.house import House, Serve, empty_database, serving


@pytest.fixture(scope="session")
def empty_house(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated database with the programs in it, copied for each house."""
    return empty_database(tmp_path_factory.mktemp("houses") / "empty.sqlite")


@pytest.fixture
def serve(tmp_path: Path, empty_house: Path) -> Iterator[Serve]:
    """Start houses; all are closed at the end. Settings by name; `town=False`: no clock to push."""
    with serving(tmp_path, empty_house) as start:
        yield start


@pytest.fixture
def house(serve: Serve) -> House:
    """A house with two customers, two members of staff, and a purchase of this morning."""
    return serve()


@pytest.fixture
def club(serve: Serve) -> House:
    """A house with two open tasks, and a customer whom staff visit."""
    return found_club(serve(program=PROGRAM))


@pytest.fixture(scope="module")
def shared_house(tmp_path_factory: pytest.TempPathFactory, empty_house: Path) -> Iterator[House]:
    """One house for a whole file: for tests that leave it as it was."""
    with serving(tmp_path_factory.mktemp("shared"), empty_house) as start:
        yield start()
