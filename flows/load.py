"""YAML text -> a checked, frozen Program. Every fault names file, line, field and remedy; all are told at once.

A program is checked as a whole: ids exist, templates exist, the survey is complete, and no flow points at nothing.
"""

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib import resources
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import yaml
from pydantic import ValidationError

from flows.audience import MEASURES, Predicate, fields_of, values_of
from flows.calendar import Calendar, Festival
from flows.errors import Fault, ProgramError
from flows.program import AfterEvent, Flow, OnFestival, Program, Unanswered
from flows.resurvey import FLOW as RESURVEY
from messages.catalog import Purpose
from messages.reading import Scale

KnowsTemplate = Callable[[str, str], bool]
"""(program id, template name) -> is there such a template?"""

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


def digest_of(text: str) -> str:
    """What makes one content of a program one version: SHA-256 of its text, hexadecimal."""
    return hashlib.sha256(text.encode()).hexdigest()


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


def load_program(
    text: str, file: str, overrides: Mapping[str, Any] | None = None, knows: KnowsTemplate | None = None
) -> Program:
    """Read and check one program; `overrides` are dotted paths -> values ("callback.sla": "24h")."""
    source = read_yaml(text, file)
    if not isinstance(source.data, dict):
        raise ProgramError((Fault(file, 1, "", "a program is a mapping of fields", "begin with `id: my_program`"),))
    data = source.data
    for dotted, value in (overrides or {}).items():
        data = _override(data, dotted.split("."), value, file, dotted)
    try:
        program = Program.model_validate(data)
    except ValidationError as error:
        raise ProgramError(tuple(_faults_of(error, replace(source, data=data)))) from error
    faults = tuple(check_program(program, source, knows))
    if faults:
        raise ProgramError(faults)
    return program


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


def check_program(program: Program, source: Source, knows: KnowsTemplate | None = None) -> Iterator[Fault]:
    """Every fault of a program that its shape alone does not show."""

    def fault(path: Path, message: str, remedy: str) -> Fault:
        return Fault(source.file, source.line_of(path), ".".join(str(part) for part in path), message, remedy)

    seen: set[str] = set()
    for index, flow in enumerate(program.flows):
        path: Path = ("flows", index)
        if flow.id in seen:
            yield fault((*path, "id"), f"two flows are called {flow.id!r}", "rename one")
        seen.add(flow.id)
        yield from _check_flow(program, flow, path, fault)
    yield from _check_times(program, fault)
    for survey_id, survey in program.surveys.items():
        path = ("surveys", survey_id, "questions")
        weights = sum(question.weight for question in survey.questions)
        if len(survey.questions) > 1 and weights not in (0, 100):
            yield fault(path, f"weights sum to {weights:g}", "make them sum to 100, or leave all out")
        if survey.ask > len(survey.questions):
            yield fault(
                ("surveys", survey_id, "ask"), f"asks {survey.ask} of {len(survey.questions)} questions", "ask fewer"
            )
        if all(question.scale is Scale.TEXT for question in survey.questions):
            yield fault(path, "no question has a scale", "add one that measures satisfaction")
    if program.activity and program.activity.event not in program.events:
        yield fault(("activity", "event"), f"unknown event {program.activity.event!r}", _one_of(program.events))
    if program.callback.resurvey.survey not in program.surveys:
        yield fault(("callback", "resurvey", "survey"), "unknown survey", _one_of(program.surveys))
    if program.classes.default and program.classes.default not in program.classes.names:
        yield fault(
            ("classes", "default"), f"unknown class {program.classes.default!r}", _one_of(program.classes.names)
        )
    for event_id, event in program.events.items():
        if event.item and event.item not in event.fields:
            yield fault(("events", event_id, "item"), f"unknown field {event.item!r}", _one_of(event.fields))
    if knows:
        for name in program.template_names():
            if not knows(program.id, name):
                yield fault(_place_of(program, name), f"no template {name!r}", "write it, or name one that exists")


def _check_times(program: Program, fault: Callable[[Path, str, str], Fault]) -> Iterator[Fault]:
    """What would fail only when the first message is due: zone, region, windows, ladder."""
    for field, read in (("zone", ZoneInfo), ("region", Calendar)):
        try:
            read(getattr(program, field))
        except (ValueError, OSError, ZoneInfoNotFoundError):
            yield fault((field,), f"unknown {field} {getattr(program, field)!r}", _EXAMPLES[field])
    try:
        program.permits()
    except ValueError as error:
        yield fault(("windows",), str(error), "keep windows inside hard_hours")
    for index, rung in enumerate(program.callback.ladder):
        try:
            _ = rung.extra
        except ValueError as error:
            yield fault(("callback", "ladder", index, "at"), str(error), "write it as 50% or 100%+24h")


_EXAMPLES = {
    "zone": "an IANA name such as Asia/Shanghai",
    "region": "an ISO code such as CN or DE-BY",
}


def _check_flow(program: Program, flow: Flow, path: Path, fault: Callable[[Path, str, str], Fault]) -> Iterator[Fault]:
    if flow.id == RESURVEY:
        yield fault((*path, "id"), f"{RESURVEY!r} is the name of what asks again", "choose another")
    if flow.after_field:
        fields = (
            program.events[flow.on.event].fields
            if isinstance(flow.on, AfterEvent) and flow.on.event in program.events
            else {}
        )
        if fields.get(flow.after_field) != "number":
            yield fault(
                (*path, "after_field"), f"{flow.after_field!r} is no number field of the event", _one_of(fields)
            )
    if flow.after.is_time and not isinstance(flow.on, AfterEvent):
        yield fault((*path, "after"), f"{flow.after} is a time; this trigger counts days", "write days, such as 1d")
    if flow.deadline and flow.deadline.is_time and not (flow.after.is_time or flow.same_day):
        yield fault(
            (*path, "deadline"), f"{flow.deadline} is a time, and `after` counts days", "write both in hours or in days"
        )
    predicates: dict[Path, Predicate] = {("audience",): flow.audience}
    if isinstance(flow.on, AfterEvent):
        predicates["on", "where"] = flow.on.where
    for place, predicate in predicates.items():
        for name in sorted(map(str, values_of(predicate, "class") - set(program.classes.names))):
            yield fault((*path, *place), f"unknown class {name!r}", _one_of(program.classes.names))
    match flow.on:
        case AfterEvent(event=event, where=where):
            if event not in program.events:
                yield fault((*path, "on", "event"), f"unknown event {event!r}", _one_of(program.events))
            else:
                known = {*program.events[event].fields, *program.attributes, *MEASURES}
                for name in sorted(fields_of(where) - known):
                    yield fault((*path, "on", "where"), f"unknown field {name!r}", _one_of(sorted(known)))
        case Unanswered(unanswered=other):
            if not any(flow.id == other and flow.message and flow.message.survey for flow in program.flows):
                yield fault(
                    (*path, "on", "unanswered"),
                    f"no flow {other!r} with a survey",
                    _one_of([f.id for f in program.flows]),
                )
        case OnFestival(festivals=festivals):
            for name in festivals:
                if name not in set(Festival):
                    yield fault((*path, "on", "festivals"), f"unknown festival {name!r}", _one_of(Festival))
        case _:
            pass
    for name in sorted(fields_of(flow.audience) - {*program.attributes, *MEASURES}):
        yield fault((*path, "audience"), f"unknown field {name!r}", _one_of(sorted({*program.attributes, *MEASURES})))
    for event in flow.stops_on:
        if event not in program.events:
            yield fault((*path, "stops_on"), f"unknown event {event!r}", _one_of(program.events))
    if flow.set_class and flow.set_class not in program.classes.names:
        yield fault((*path, "set_class"), f"unknown class {flow.set_class!r}", _one_of(program.classes.names))
    if flow.message is None and flow.set_class is None:
        yield fault(path, "the flow does nothing", "give it a message or a set_class")
    if flow.message and flow.message.survey and flow.message.survey not in program.surveys:
        yield fault((*path, "message", "survey"), f"unknown survey {flow.message.survey!r}", _one_of(program.surveys))
    if flow.message and flow.message.purpose in (Purpose.REPLY, Purpose.STAFF):
        yield fault(
            (*path, "message", "purpose"),
            f"a flow does not send {flow.message.purpose}",
            "survey, service, greeting or marketing",
        )
    if flow.message and flow.message.purpose is Purpose.GREETING and flow.message.survey:
        yield fault(
            (*path, "message", "survey"), "a greeting carries no survey (R44)", "leave it out, or use another purpose"
        )


def _place_of(program: Program, template: str) -> Path:
    for index, flow in enumerate(program.flows):
        if template in flow.template_names():
            return ("flows", index, "message", "template")
    return ("replies",) if template != program.callback.resurvey.template else ("callback", "resurvey", "template")


def _one_of(names: Any) -> str:
    known = list(names)
    return f"one of {', '.join(known)}" if known else "define it first"


_REMEDIES = {
    "extra_forbidden": "remove it, or check the spelling",
    "missing": "add it",
    "string_type": "write a text, in quotes if it looks like a number",
    "bool_type": "write true or false",
    "bool_parsing": "write true or false",
    "int_parsing": "write a whole number",
    "float_parsing": "write a number",
    "tuple_type": "write a list, as in [one, two]",
    "mapping_type": "write fields below it, as in {zh: ..., en: ...}",
    "literal_error": "choose one of them",
    "enum": "choose one of them",
    "string_pattern_mismatch": "write it as the pattern says",
    "greater_than_equal": "stay within the limit",
    "less_than_equal": "stay within the limit",
    "too_short": "write at least one",
    "model_type": "write fields below it, indented",
}


def _faults_of(error: ValidationError, source: Source) -> Iterator[Fault]:
    seen: set[tuple[int | None, str]] = set()
    for item in error.errors():
        # a union reports its member's class name in the path: it is no field of the file
        path = tuple(part for part in item["loc"] if not (isinstance(part, str) and part[:1].isupper()))
        while path and not _exists(source.data, path[:-1]):
            path = path[:-1]
        field = ".".join(str(part) for part in path)
        remedy = _REMEDIES.get(item["type"], "")
        message = "unknown field" if item["type"] == "extra_forbidden" else item["msg"].removeprefix("Value error, ")
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
    "event": "AfterEvent",
    "silence": "OnSilence",
    "every": "Every",
    "festivals": "OnFestival",
    "unanswered": "Unanswered",
}


def _trigger_at(data: Any, path: Path) -> str | None:
    """Which trigger was meant: the model that has the field which names it."""
    for part in path:
        data = data[part]
    if not isinstance(data, dict):
        return None
    named = next((model for name, model in _TRIGGERS.items() if name in data), None)
    return "Sample" if named == "Every" and "sample" in data else named


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
