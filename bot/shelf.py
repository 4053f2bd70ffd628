"""The programs and templates in force, read from their version rows. Files only feed the rows (`stock`)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from difflib import get_close_matches
from functools import cache
from pathlib import Path

from bot.store import programs as store
from bot.store.db import Database
from flows.checks import wording_faults
from flows.errors import Fault, ProgramError
from flows.load import digest_of, load_program, shipped_program_ids, shipped_program_text
from flows.program import Program
from messages.catalog import Catalog, Purpose, Template, TemplateError, shipped


@dataclass(frozen=True)
class InForce:
    """One program beside the id of the version row that it was read from."""

    version_id: int
    program: Program


class Shelf:
    """Programs and templates, read once and again when a newer row appears."""

    def __init__(self, db: Database, only: Sequence[str] | None = None) -> None:
        """`only`: ids of the programs that run here; None: all that have rows."""
        self._db = db
        self._only = only
        self._versions: dict[int, Program] = {}
        self._in_force: tuple[InForce, ...] = ()
        self._catalog = Catalog.of(())
        self._template_ids: dict[tuple[str, str], int] = {}
        self._seen = (-1, -1)

    def refresh(self) -> None:
        """Read what is new; cheap when nothing is."""
        with self._db.read() as session:
            seen = store.newest_versions(session)
            if seen == self._seen:
                return
            rows = store.versions_in_force(session, self._only)
            templates = store.templates_in_force(session)
        self._catalog = Catalog.of(
            Template(row.key, row.language, Purpose(row.purpose), row.title, row.body) for row in templates
        )
        self._template_ids = {(row.key, row.language): row.id for row in templates}
        for row in rows:
            if row.id not in self._versions:
                self._versions[row.id] = load_program(row.source, row.program_id)
        self._in_force = tuple(InForce(row.id, self._versions[row.id]) for row in rows)
        self._seen = seen

    @property
    def in_force(self) -> tuple[InForce, ...]:
        """The newest version of each program."""
        return self._in_force

    def program(self, program_id: str) -> InForce:
        """The newest version of this program; KeyError when it does not run here."""
        for each in self._in_force:
            if each.program.id == program_id:
                return each
        raise KeyError(program_id)

    def version(self, version_id: int) -> Program:
        """What a row was planned by: also versions that are no longer in force."""
        if version_id not in self._versions:
            with self._db.read() as session:
                row = store.version(session, version_id)
            if row is None:
                raise KeyError(version_id)
            self._versions[version_id] = load_program(row.source, row.program_id)
        return self._versions[version_id]

    @property
    def catalog(self) -> Catalog:
        return self._catalog

    def template(self, program: Program, name: str, language: str) -> tuple[int, Template]:
        """(version row id, template) in the customer's language or the nearest one."""
        template = self._catalog.find(name, program=program.id, language=language, default_language=program.language)
        return self._template_ids.get((template.key, template.language), 0), template

    def event_types(self) -> dict[str, list[str]]:
        """Event type -> the programs that know it."""
        known: dict[str, list[str]] = {}
        for each in self._in_force:
            for event_type in each.program.events:
                known.setdefault(event_type, []).append(each.program.id)
        return known


def stock(db: Database, names: Sequence[str], now: datetime) -> tuple[str, ...]:
    """Put shipped programs, or YAML files by path, and the shipped templates into their version rows.

    A content that is there already changes nothing. Ids of the programs; ProgramError names file and line.
    """
    return stock_texts(db, dict(read_program(name) for name in names), now)


def stock_texts(db: Database, texts: Mapping[str, str], now: datetime) -> tuple[str, ...]:
    """As `stock`, from file name -> YAML text."""
    templates = shipped()
    programs = [(admit(text, file), text) for file, text in texts.items()]
    with db.write() as session:
        store.add_templates(session, templates, now)
        for program, text in programs:
            store.add_program(session, program.id, digest_of(text), text, now)
    return tuple(program.id for program, _ in programs)


def admit(text: str, file: str) -> Program:
    """Read a program that is handed in; ProgramError tells its faults, and those of its templates' wording (R102)."""
    program = load_program(text, file, knows=knows_template)
    if faults := tuple(wording_faults(program, _shipped_catalog())):
        raise ProgramError(faults)
    return program


def knows_template(program_id: str, name: str) -> bool:
    """Is there a shipped template of this name for this program? TemplateError: a shipped one cannot be read."""
    catalog = _shipped_catalog()
    try:
        catalog.find(name, program=program_id, language="zh")
    except TemplateError:
        return False
    return True


@cache
def _shipped_catalog() -> Catalog:
    return Catalog.of(shipped())


def read_program(name: str) -> tuple[str, str]:
    """(file name, YAML text) of a shipped program or of a file."""
    if name in shipped_program_ids():
        return f"{name}.yaml", shipped_program_text(name)
    path = Path(name)
    if not path.is_file():
        raise ProgramError((Fault(name, None, "program", "no such program or file", _which_was_meant(name)),))
    if path.suffix not in (".yaml", ".yml"):
        raise ProgramError((Fault(name, None, "program", "no YAML file", "name it .yaml, or give the file that is"),))
    try:
        return str(path), path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ProgramError((Fault(name, None, "", "not UTF-8 text", "save the file as UTF-8"),)) from error


def _which_was_meant(name: str) -> str:
    if Path(name).suffix:
        return "look at the path: it is read from the folder you are in"
    near = get_close_matches(name, shipped_program_ids(), n=3) or shipped_program_ids()
    return f"use {', '.join(near)}, or the path of a YAML file"
