"""`.env.example` is what a newcomer copies: every setting stands there with default and reason, and nothing else."""

from pathlib import Path

import pytest
from pydantic import SecretStr

from bot.config import Settings, read_settings

ROOT = Path(__file__).parents[2]
REMEDY = "bring .env.example and bot/config.py together"


def example() -> dict[str, tuple[str, str]]:
    """Name -> (value, the comment right above it)."""
    found: dict[str, tuple[str, str]] = {}
    comment = ""
    for line in (ROOT / ".env.example").read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            comment = line.removeprefix("#").strip()
        elif line.strip():
            name, _, value = line.partition("=")
            assert name not in found, f"{name} stands there twice"
            found[name] = (value, comment)
            comment = ""
        else:
            comment = ""
    return found


def written(value: object) -> str:
    """A default as a line of .env says it."""
    return value.get_secret_value() if isinstance(value, SecretStr) else str(value)


def test_every_setting_stands_there_with_its_default_and_its_description() -> None:
    wanted = {
        f"HUIFANG_{name.upper()}": (written(field.default), field.description or "")
        for name, field in Settings.model_fields.items()
    }
    assert example() == wanted, REMEDY


def test_every_setting_has_a_description() -> None:
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []


def test_the_example_may_be_used_as_it_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in example():
        monkeypatch.delenv(name, raising=False)
    assert read_settings(_env_file=ROOT / ".env.example") == read_settings(_env_file=None)
