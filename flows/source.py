"""YAML text -> its data, and the line on which each field stands. What it means is not known here.

Read by programs (`flows/load.py`), scenarios and mappings alike.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import yaml

from flows.errors import Fault, ProgramError

Path = tuple[str | int, ...]


@dataclass(frozen=True)
class Source:
    """A YAML document beside the line on which each of its fields stands."""

    file: str
    data: Any
    lines: Mapping[Path, int]

    def line_of(self, path: Path) -> int | None:
        """The line of a field, or of the nearest one around it."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path)


@lru_cache(maxsize=64)
def read_yaml(text: str, file: str) -> Source:
    """Parse YAML and remember lines; ProgramError on broken YAML, doubled keys or aliases.

    The same text is parsed once; nobody changes the data of a Source.
    """
    try:
        # an alias can name what holds it, or grow to gigabytes when it is written out
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            if isinstance(event, yaml.AliasEvent):
                line = event.start_mark.line + 1 if event.start_mark else None
                raise ProgramError((Fault(file, line, "", f"an alias: *{event.anchor}", "write its value out"),))
        root = yaml.compose(text, Loader=_Base)
        data = yaml.load(text, Loader=_Loader)  # noqa: S506 - a SafeLoader
    except RecursionError as error:
        raise ProgramError((Fault(file, None, "", "nested too deeply", "write the program flatter"),)) from error
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else None
        raise ProgramError(
            (Fault(file, line, "", f"not YAML: {error.problem}", "mend the indentation or quotes"),)
        ) from error
    except (yaml.YAMLError, ValueError) as error:
        raise ProgramError((Fault(file, None, "", f"not YAML: {error}", "save the file as UTF-8 text"),)) from error
    lines: dict[Path, int] = {}
    faults: list[Fault] = []
    if root is not None:
        _note_lines(root, (), lines, file, faults)
    if faults:
        raise ProgramError(tuple(faults))
    return Source(file, data, lines)


_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The C parser where PyYAML has it: six times as fast."""


class _Loader(_Base):  # type: ignore[misc]
    """YAML as a person means it: `on` is a word, not true; times stay texts; dates are dates."""


_Loader.yaml_implicit_resolvers = {
    first: [
        (tag, pattern)
        for tag, pattern in resolvers
        if tag not in ("tag:yaml.org,2002:bool", "tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:int")
    ]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def _resolve(tag: str, pattern: str, first: str) -> None:

    _Loader.add_implicit_resolver(tag, re.compile(pattern), list(first))


_resolve("tag:yaml.org,2002:bool", r"^(true|false|True|False)$", "tTfF")
# YAML 1.1 reads 18:30 as 1110 and 0700 as 448: one is a time, the other the beginning of a phone number
_resolve("tag:yaml.org,2002:int", r"^[-+]?(0|[1-9][0-9]*)$", "-+0123456789")


def _note_lines(node: yaml.Node, path: Path, lines: dict[Path, int], file: str, faults: list[Fault]) -> None:
    lines[path] = node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            name = str(key.value)
            if name in seen:
                field = ".".join(str(part) for part in (*path, name))
                faults.append(Fault(file, key.start_mark.line + 1, field, "stands twice", "keep one of them"))
            seen.add(name)
            _note_lines(value, (*path, name), lines, file, faults)
            lines[(*path, name)] = key.start_mark.line + 1
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            _note_lines(value, (*path, index), lines, file, faults)
