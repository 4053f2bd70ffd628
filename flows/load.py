"""YAML text -> a checked, frozen Program. Every fault names file, line, field and remedy; all are told at once.

Here is what the shape of the models shows; what only the whole program shows stands in `flows/checks.py`, and what a
careful person would ask about a program that is right in `flows/cautions.py`.
"""

import hashlib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from datetime import date
from functools import lru_cache
from importlib import resources
from typing import Any

import yaml
from pydantic import ValidationError

from flows.cautions import cautions_of
from flows.checks import Draft, KnowsTemplate, check_program
from flows.errors import Fault, ProgramError
from flows.program import Program
from flows.source import Path, Source, read_yaml


def digest_of(text: str) -> str:
    """What makes one content of a program one version: SHA-256 of its text, hexadecimal."""
    return hashlib.sha256(text.encode()).hexdigest()


def load_program(
    text: str, file: str, overrides: Mapping[str, Any] | None = None, knows: KnowsTemplate | None = None
) -> Program:
    """Read and check one program; `overrides` are dotted paths -> values ("callback.sla": "24h")."""
    source = read_yaml(text, file)
    if not isinstance(source.data, dict):
        raise ProgramError((Fault(file, 1, "", "a program is a mapping of fields", "begin with `id: my_program`"),))
    if "programs" in source.data and "flows" not in source.data:
        remedy = f"run `huifang rehearse {file}`"
        raise ProgramError((Fault(file, None, "", "this looks like a scenario, not a program", remedy),))
    data = source.data
    for dotted, value in (overrides or {}).items():
        data = _override(data, dotted.split("."), value, file, dotted)
    try:
        program = Program.model_validate(data)
    except ValidationError as error:
        raise ProgramError(tuple(_faults_of(error, replace(source, data=data)))) from error
    if faults := sorted(check_program(Draft(program, source), knows), key=lambda fault: fault.line or 0):
        raise ProgramError(tuple(faults))
    return program


def warnings_of(text: str, file: str, today: date, channels: Collection[str]) -> tuple[Fault, ...]:
    """What a careful person would ask about a program that has no faults, each with its line; `channels` exist."""
    program = load_program(text, file)
    return cautions_of(Draft(program, read_yaml(text, file)), program.calendar(), today, channels)


def override_text(text: str, file: str, overrides: Mapping[str, Any]) -> str:
    """The YAML of a program with some values replaced: a version of its own, for a rehearsal."""
    if not overrides:
        return text
    data = read_yaml(text, file).data
    for dotted, value in overrides.items():
        data = _override(data, dotted.split("."), value, file, dotted)
    return yaml.safe_dump(data, allow_unicode=True, sort_keys=False)


def shipped_program_ids() -> tuple[str, ...]:
    """Ids of the programs in the package, in alphabetical order."""
    folder = resources.files("flows").joinpath("programs")
    return tuple(sorted(item.name.removesuffix(".yaml") for item in folder.iterdir() if item.name.endswith(".yaml")))


@lru_cache
def shipped_program_text(program_id: str) -> str:
    """The YAML of a shipped program; ProgramError names the shipped ones."""
    if program_id not in shipped_program_ids():
        raise ProgramError(
            (
                Fault(
                    program_id,
                    None,
                    "program",
                    "no such program",
                    f"one of {', '.join(shipped_program_ids())}, or a path",
                ),
            )
        )
    return resources.files("flows").joinpath("programs", f"{program_id}.yaml").read_text(encoding="utf-8")


_REMEDIES = {
    "extra_forbidden": "remove it, or check the spelling",
    "missing": "add it",
    "string_type": "write a text, in quotes if it looks like a number",
    "bool_type": "write true or false",
    "bool_parsing": "write true or false",
    "int_parsing": "write a whole number",
    "float_parsing": "write a number",
    "tuple_type": "write a list, as in [one, two]",
    "list_type": "write a list, as in [one, two]",
    "dict_type": "write fields below it, as in {zh: ..., en: ...}",
    "mapping_type": "write fields below it, as in {zh: ..., en: ...}",
    "literal_error": "choose one of them",
    "enum": "choose one of them",
    "string_pattern_mismatch": "write it as the examples of docs/programs.md",
    "greater_than_equal": "stay within the limit",
    "less_than_equal": "stay within the limit",
    "too_short": "write at least one",
    "model_type": "write fields below it, indented",
}


_MESSAGES = {
    "extra_forbidden": "unknown field",
    "dict_type": "is no mapping of names to values",
    "mapping_type": "is no mapping of names to values",
    "tuple_type": "is no list",
    "list_type": "is no list",
    "missing": "is missing",
    "string_type": "is no text",
    "string_pattern_mismatch": "is not written as it must be",
}
"""What is wrong, where the words of the library are not for people."""


def _faults_of(error: ValidationError, source: Source) -> Iterator[Fault]:
    seen: set[tuple[int | None, str]] = set()
    for item in error.errors():
        # a union reports its member's class name in the path: it is no field of the file
        path = tuple(part for part in item["loc"] if not (isinstance(part, str) and part[:1].isupper()))
        while path and not _exists(source.data, path[:-1]):
            path = path[:-1]
        field = ".".join(str(part) for part in path)
        remedy = _REMEDIES.get(item["type"], "")
        message = _MESSAGES.get(item["type"]) or item["msg"].removeprefix("Value error, ")
        if item["loc"][0] == "flows" and item["loc"][2:3] == ("on",) and len(item["loc"]) > 3:
            meant = _trigger_at(source.data, item["loc"][:3])
            if meant and item["loc"][3] != meant:
                continue  # what the other triggers would have wanted
            if not meant:
                path = item["loc"][:3]
                field = ".".join(str(part) for part in path)
                message, remedy = "unknown trigger", f"one of {', '.join(_TRIGGERS)}, every + sample"
        line = source.line_of(path)
        if (line, field) not in seen:
            seen.add((line, field))
            yield Fault(source.file, line, field, message, remedy)


_TRIGGERS = {
    "waves": "Wave",
    "round": "Round",
    "event": "AfterEvent",
    "silence": "OnSilence",
    "every": "Every",
    "date": "OnDate",
    "festivals": "OnFestival",
    "milestones": "OnMilestone",
    "first_workdays": "FirstWorkdays",
    "at_least": "AtLeast",
    "unanswered": "Unanswered",
}
"""The field that names a trigger -> its model. What names a wave and a chain may hold others, too: the first wins."""


def _trigger_at(data: Any, path: Path) -> str | None:
    """Which trigger was meant: the model that has the field which names it."""
    for part in path:
        data = data[part]
    if not isinstance(data, dict):
        return None
    named = next((model for name, model in _TRIGGERS.items() if name in data), None)
    return "Sample" if named == "Every" and {"sample", "share", "not_again_within"} & set(data) else named


def _exists(data: Any, path: Path) -> bool:
    for part in path:
        try:
            data = data[part]
        except (KeyError, IndexError, TypeError):
            return False
    return True


def _override(data: Any, path: list[str], value: Any, file: str, dotted: str) -> Any:
    """A copy of `data` with one value replaced; list items are named by their id or index."""
    if not path:
        return value
    head, rest = path[0], path[1:]
    if isinstance(data, list):
        for index, item in enumerate(data):
            if str(index) == head or (isinstance(item, dict) and item.get("id") == head):
                return [*data[:index], _override(item, rest, value, file, dotted), *data[index + 1 :]]
        raise ProgramError((Fault(file, None, f"overrides.{dotted}", f"no item {head!r}", "name an id that exists"),))
    if data is None:
        data = {}
    if not isinstance(data, dict):
        raise ProgramError(
            (Fault(file, None, f"overrides.{dotted}", f"{head!r} stands below a plain value", "check the path"),)
        )
    return {**data, head: _override(data.get(head), rest, value, file, dotted)}
