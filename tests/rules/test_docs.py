"""What the documentation says is true: generated pages, settings, commands, links, and the examples to type along."""

import importlib.util
import re
import shlex
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import typer.main
from jsonschema import Draft202012Validator
from pydantic import SecretStr, create_model

from bot import cli, shelf
from bot.config import Settings
from bot.files.mapping import read_mapping
from bot.rehearsal import read_scenario, rehearse
from flows import actions, appraisals, shifts, triggers, violations
from flows import program as language
from flows.errors import ProgramError
from flows.fields import Part
from flows.load import load_program, shipped_program_ids, shipped_program_text, warnings_of
from flows.schema import program_schema, schema_text
from flows.source import read_yaml
from messages.catalog import check_template, parse_template, shipped
from messages.render import VARIABLES

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")])
each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


def _generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_generate", DOCS / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


GENERATE = _generator()
SCHEMA = Draft202012Validator(program_schema())


def blocks(page: Path, kind: str) -> list[str]:
    """The fenced blocks of a page; `kind` is the word after the fence, or nothing."""
    return re.findall(rf"^```{kind}\n(.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


# ----- generated pages


def test_the_reference_of_programs_is_up_to_date() -> None:
    written = (DOCS / "programs.md").read_text(encoding="utf-8")
    assert written == GENERATE.programs_page(), "run python docs/generate.py"


def test_the_table_of_variables_is_up_to_date() -> None:
    written = (DOCS / "marketers.md").read_text(encoding="utf-8")
    assert written == GENERATE.with_variables(written), "run python docs/generate.py"
    assert set(GENERATE.KNOWN) == set(VARIABLES)


def test_the_schema_for_editors_is_up_to_date() -> None:
    assert GENERATE.SCHEMA.read_text(encoding="utf-8") == schema_text(), "run python docs/generate.py"


@pytest.mark.parametrize("program", shipped_program_ids())
def test_every_shipped_program_fits_the_schema(program: str) -> None:
    data = read_yaml(shipped_program_text(program), program).data
    assert [error.message for error in SCHEMA.iter_errors(data)] == []


@pytest.mark.parametrize("model", [model for model, _, _ in GENERATE.SECTIONS], ids=lambda model: model.__name__)
def test_every_example_of_the_reference_fits_the_schema(model: type[Part]) -> None:
    of_model = SCHEMA if model is language.Program else SCHEMA.evolve(schema=_schema_of(model))
    told = {name: f"{name}: {text}" for name, text in GENERATE.EXAMPLES[model.__name__].items()}
    written = {name: read_yaml(text, "example").data[name] for name, text in told.items()}
    assert [error.message for error in of_model.iter_errors(written)] == []


def _schema_of(model: type[Part]) -> dict[str, Any]:
    """One part of a program; the whole schema stands beside it, since parts refer to each other."""
    whole = program_schema()
    return {"$ref": f"#/$defs/{model.__name__}", "$defs": whole["$defs"]}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("ladder:", "leader:"),
        ("closes_after: 14d", "closes_after: 14"),
        ("scale: 1-5", "scale: 1-6"),
        ("on: {event: purchase", "on: {evnt: purchase"),
        ("off_days: {weekend: defer", "off_days: {weekend: wait"),
    ],
)
def test_the_schema_sees_a_slip(before: str, after: str) -> None:
    text = shipped_program_text("retail_aftersales")
    assert before in text
    assert not SCHEMA.is_valid(read_yaml(text.replace(before, after, 1), "slip").data)


def test_every_part_of_a_program_has_its_section() -> None:
    modules = (language, triggers, actions, shifts, violations, appraisals)
    named = [each for module in modules for each in vars(module).values()]
    parts = {each for each in named if isinstance(each, type) and issubclass(each, Part)}
    kinds = {Part, triggers.Again, triggers.Drawn}  # they only hold what several triggers share
    assert parts - kinds == {model for model, _, _ in GENERATE.SECTIONS}


@pytest.mark.parametrize("model", [model for model, _, _ in GENERATE.SECTIONS], ids=lambda model: model.__name__)
def test_every_example_of_the_reference_can_be_written_so(model: type[Part]) -> None:
    examples = GENERATE.EXAMPLES[model.__name__]
    assert set(examples) == {name for name, _, _ in GENERATE.fields_of(model)}
    for name, field, hint in GENERATE.fields_of(model):
        value = read_yaml(f"{name}: {examples[name]}", "example").data[name]
        create_model("One", field=(hint, field)).model_validate({field.alias or "field": value})


def test_a_field_is_explained_once() -> None:
    """What the model says itself is not said again in the generator."""
    models = {model.__name__: model for model, _, _ in GENERATE.SECTIONS}
    fields = {(title, name): field for title, model in models.items() for name, field, _ in GENERATE.fields_of(model)}
    said_twice = [key for key in GENERATE.MEANINGS if fields[key].description]
    assert said_twice == []


# ----- settings


def test_the_example_of_settings_lists_every_setting_with_its_default() -> None:
    lines = (ROOT / ".env.example").read_text(encoding="utf-8").splitlines()
    found = {}
    for above, line in zip(["", *lines], lines, strict=False):
        if line and not line.startswith("#"):
            name, _, value = line.partition("=")
            found[name] = (value, above.removeprefix("# "))
    assert found == {
        f"HUIFANG_{name.upper()}": (_shown(field.default), field.description)
        for name, field in Settings.model_fields.items()
    }


def _shown(default: Any) -> str:
    return default.get_secret_value() if isinstance(default, SecretStr) else str(default)


# ----- commands


def commands(page: Path) -> Iterator[tuple[str, bool]]:
    """(what follows `huifang`, is it whole) of every command on a page: code blocks, indented code, and inline code."""
    text = page.read_text(encoding="utf-8")
    for block in re.findall(r"^```(?:sh)?\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        for line in block.splitlines():
            if found := re.match(r"(?:[A-Z_]+=\S+ )*(?:\.venv/bin/)?huifang (.+)", line):
                yield found[1].partition("  #")[0], True
    for line in re.findall(r"^    huifang (.+)$", text, re.MULTILINE):
        yield re.split(r" {2,}", line)[0], True
    prose = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    for said in re.findall(r"`(?:\.venv/bin/)?huifang ([^`]+)`", prose):
        yield said, False


def _check(said: str, *, whole: bool) -> str | None:
    """What is wrong with a command, or None."""
    command: Any = typer.main.get_command(cli.app)
    words = shlex.split(said.partition(" > ")[0].replace("...", ""))
    while hasattr(command, "commands") and words:
        name = words.pop(0)
        if name not in command.commands:
            return f"there is no command {name!r}"
        command = command.commands[name]
    options = {spelling: option for option in command.params for spelling in option.opts if spelling.startswith("--")}
    positional = 0
    while words:
        word = words.pop(0)
        if word == "--help":
            continue
        if not word.startswith("--"):
            positional += 1
        elif word not in options:
            return f"there is no option {word}"
        elif not getattr(options[word], "is_flag", False) and not words:
            return f"{word} needs a value"
        elif not getattr(options[word], "is_flag", False):
            words.pop(0)
    arguments = [each for each in command.params if each.param_type_name == "argument"]
    most = 99 if any(each.nargs == -1 for each in arguments) else len(arguments)
    fewest = sum(each.required for each in arguments) if whole else 0
    return None if fewest <= positional <= most else f"takes {fewest} to {most} arguments, not {positional}"


@each_page
def test_every_command_on_a_page_exists(page: Path) -> None:
    wrong = [f"huifang {said}: {fault}" for said, whole in commands(page) if (fault := _check(said, whole=whole))]
    assert wrong == []


def test_the_readme_names_every_command() -> None:
    readme = " ".join(said for said, _ in commands(ROOT / "README.md"))
    group: Any = typer.main.get_command(cli.app)
    assert [name for name in group.commands if not re.search(rf"\b{name}\b", readme)] == []


def test_a_wrong_command_is_seen() -> None:
    assert _check("dance", whole=True) == "there is no command 'dance'"
    assert _check("forecast --weeks 3", whole=True) == "there is no option --weeks"
    assert _check("rehearse", whole=True) == "takes 1 to 1 arguments, not 0"
    assert _check("import customers a.csv --source shop", whole=True) is None


@each_page
def test_every_target_of_make_exists(page: Path) -> None:
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    text = page.read_text(encoding="utf-8")
    named = {*re.findall(r"`make ([\w-]+)", text), *re.findall(r"^make ([\w-]+)", text, re.MULTILINE)}
    assert named - targets == set()


# ----- links


def links(page: Path) -> Iterator[str]:
    """Where a page leads to inside the project."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", re.sub(r"`[^`\n]*`", "", text)):
        if not re.match(r"\w+:", target):
            yield target


def anchors(page: Path) -> set[str]:
    """The anchors that headings make."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    heads = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).strip().replace(" ", "-") for head in heads}


@each_page
def test_every_link_leads_somewhere(page: Path) -> None:
    for link in links(page):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{link} is not there"
        assert not anchor or anchor in anchors(target), f"{link}: there is no such heading"


@each_page
def test_every_file_of_ours_that_is_named_exists(page: Path) -> None:
    """Paths in inline code: bot/..., flows/..., messages/..., docs/..., tests/... without a placeholder."""
    named = re.findall(r"`((?:bot|flows|messages|docs|tests)/[\w./-]+)`", page.read_text(encoding="utf-8"))
    theirs = {name for name in named if "coffee_club" in name}
    assert [name for name in named if name not in theirs and not (ROOT / name).exists()] == []


# ----- examples to type along


def test_the_first_program_works_as_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = DOCS / "your-first-program.md"
    template = parse_template("coffee_club/visit", "en", blocks(page, "")[0])
    assert check_template(template) == []
    monkeypatch.setattr(shelf, "shipped", lambda: (*shipped(), template))
    monkeypatch.setattr(shelf, "knows_template", lambda program, name: True)
    program, scenario = blocks(page, "yaml")
    (tmp_path / "coffee_club.yaml").write_text(program, encoding="utf-8")
    (tmp_path / "coffee_club.scenario.yaml").write_text(scenario, encoding="utf-8")
    outcome = rehearse(*read_scenario(tmp_path / "coffee_club.scenario.yaml"), Settings(_env_file=None))
    assert outcome.unmet == ()


def test_the_faults_of_the_first_program_read_as_told() -> None:
    page = DOCS / "your-first-program.md"
    text = blocks(page, "yaml")[0]
    told = blocks(page, "")
    with pytest.raises(ProgramError) as caught:
        load_program(text.replace("after: 1d\n", "after: one day\n"), "coffee_club.yaml")
    assert f"{caught.value}\n" in told
    low, high = "    - {at: 0%, role: host}\n", "    - {at: 100%, role: manager}\n"
    (doubt,) = warnings_of(text.replace(low + high, high + low), "coffee_club.yaml", date(2026, 1, 1), ["sms"])
    assert f"warning {doubt}\n" in told
    assert warnings_of(text, "coffee_club.yaml", date(2026, 1, 1), ["sms"]) == ()


def test_the_example_of_a_rehearsal_works(tmp_path: Path) -> None:
    file = tmp_path / "scenario.yaml"
    file.write_text(blocks(DOCS / "rehearse.md", "yaml")[0], encoding="utf-8")
    assert rehearse(*read_scenario(file), Settings(_env_file=None)).unmet == ()


def test_the_example_of_a_mapping_can_be_read(tmp_path: Path) -> None:
    file = tmp_path / "mapping.yaml"
    file.write_text(blocks(DOCS / "import.md", "yaml")[0], encoding="utf-8")
    assert read_mapping(file).create_customers is not None


def test_the_example_of_a_template_is_a_good_one() -> None:
    assert check_template(parse_template("common/example", "en", blocks(DOCS / "marketers.md", "")[0])) == []
