"""Holds requests and answers against Telegram's own table of methods and types, where that file is at hand."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from bot.channels.fakes.serving import Exchange

SHARED = os.environ.get("HUIFANG_SHARED_DATA", "")
needs_description = pytest.mark.skipif(
    not SHARED, reason="HUIFANG_SHARED_DATA names no folder with the shared data (telegram_bot_api.json)"
)
PLAIN: dict[str, Any] = {"Integer": int, "String": str, "Boolean": bool, "True": bool, "Float": (int, float)}


class Official:
    """Collects what does not fit the description; `inspect` is handed to the fake."""

    def __init__(self) -> None:
        api = json.loads((Path(SHARED) / "telegram_bot_api.json").read_text(encoding="utf-8"))
        self._methods, self._types = api["methods"], api["types"]
        self.called: list[str] = []
        self.wrong: list[str] = []

    def inspect(self, exchange: Exchange) -> None:
        name = unquote(exchange.request.path).rpartition("/")[2]
        method = self._methods.get(name)
        if method is None:
            self.wrong.append(f"no method {name}")
            return
        self.called.append(name)
        given = dict(exchange.request.query + exchange.request.form)
        self.wrong += self._of_fields(given, method.get("fields", []), name, decode=True)
        answer = json.loads(exchange.answer.body)
        if answer["ok"]:
            self.wrong += self.misfits(answer["result"], method["returns"], f"{name}()")
        else:
            self.wrong += self.misfits(answer.get("parameters", {}), ["ResponseParameters"], f"{name}()")

    def misfits(self, value: Any, types: Sequence[str], at: str) -> list[str]:
        """What speaks against `value` being one of `types`; empty: it fits one of them."""
        found = [self._of_type(value, each, at) for each in types]
        return min(found, key=len)

    def _of_type(self, value: Any, name: str, at: str) -> list[str]:
        if name.startswith("Array of "):
            inner = name.removeprefix("Array of ")
            if not isinstance(value, list):
                return [f"{at} is no list"]
            return [line for i, each in enumerate(value) for line in self._of_type(each, inner, f"{at}[{i}]")]
        if name in PLAIN:
            truth = isinstance(value, bool) and name not in ("Boolean", "True")
            return [] if isinstance(value, PLAIN[name]) and not truth else [f"{at} is no {name}"]
        described = self._types[name]
        if "subtypes" in described:
            return self.misfits(value, described["subtypes"], at)
        if not isinstance(value, dict):
            return [f"{at} is no {name}"]
        return self._of_fields(value, described.get("fields", []), at, decode=False)

    def _of_fields(self, given: dict[str, Any], fields: list[dict[str, Any]], at: str, decode: bool) -> list[str]:
        known = {each["name"]: each for each in fields}
        wrong = [f"{at}.{name} is unknown" for name in given if name not in known]
        wrong += [f"{at}.{name} is missing" for name, each in known.items() if each["required"] and name not in given]
        for name in given.keys() & known.keys():
            types = known[name]["types"]
            value = _decoded(given[name]) if decode and "String" not in types else given[name]
            wrong += self.misfits(value, types, f"{at}.{name}")
        return wrong


def _decoded(text: str) -> Any:
    """Fields of a form that are no text are JSON."""
    try:
        return json.loads(text)
    except ValueError:
        return text
