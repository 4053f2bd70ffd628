"""What every page is made with: the runtime, the town's clock, templates, words, and who is looking.

Endpoints are plain functions in the server's thread pool; `at_once` runs a coroutine of the event loop from there.
"""

import hashlib
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from datetime import datetime
from importlib import resources
from typing import Any, cast
from urllib.parse import quote
from zoneinfo import ZoneInfo

import anyio.from_thread
from fastapi import Request
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from starlette.responses import HTMLResponse

from bot.channels.simulator import Simulator
from bot.clock import Clock
from bot.journey.wording import masked
from bot.runtime import Runtime
from bot.shelf import InForce
from bot.store import staff, trail, views
from bot.store.tables import StaffRow, TaskRow
from bot.web.access import Gate
from bot.web.controls import TownControls
from bot.words import LANGUAGES, Words, words_in
from flows.program import Program
from flows.triggers import OnFestival
from messages.catalog import TemplateError

SLOW = 0.05
"""Seconds; what takes longer to count is not counted again at once."""
RESTS = 20
"""How many times as long as the counting took its result is shown."""
LANGUAGE_COOKIE = "huifang_language"
ME_COOKIE = "huifang_me"


@dataclass
class Site:
    """One server: everything that is the same for all its requests."""

    runtime: Runtime
    gate: Gate
    real: Clock
    town: TownControls | None = None
    env: Environment = field(init=False)
    _kept: dict[str, tuple[float, Any]] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        self.env = Environment(
            loader=PackageLoader("bot.web", "pages"),
            autoescape=select_autoescape(default=True, default_for_string=True),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self.env.filters["path"] = lambda value: quote(str(value), safe="")
        self.env.filters["masked"] = masked
        self.env.filters["initial"] = initial
        self.env.globals["static"] = static

    def now(self) -> datetime:
        return self.town.now() if self.town else self.runtime.clock.now()

    @property
    def zone(self) -> str:
        """The zone of the house: that of the first program."""
        in_force = self.runtime.shelf.in_force
        return in_force[0].program.zone if in_force else "Asia/Shanghai"

    def kept(self, name: str, count: Callable[[], Any]) -> Any:
        """What `count` gives; where counting is slow, what it gave a moment ago."""
        began = self.real.monotonic()
        until, value = self._kept.get(name, (began, None))
        if began < until:
            return value
        value = count()
        took = self.real.monotonic() - began
        if took > SLOW:
            self._kept[name] = (began + took * RESTS, value)
        return value

    def simulator(self, channel: str = "sms") -> Simulator | None:
        """The built-in phones of a channel, where the settings picked them."""
        found = self.runtime.channels.get(channel)
        return found if isinstance(found, Simulator) else None

    @property
    def shows_phones(self) -> bool:
        """Are there built-in phones to take? Real ones cannot be shown."""
        return any(isinstance(channel, Simulator) for channel in self.runtime.channels.values())

    @property
    def has_violations(self) -> bool:
        """Does a program name violations? Else there is no page of them to find."""
        return any(each.program.violations for each in self.runtime.shelf.in_force)

    def at_once(self, job: Callable[..., Coroutine[Any, Any, None]], *args: Any) -> None:
        """Run a coroutine function on the server's event loop and wait for it."""
        anyio.from_thread.run(job, *args)

    def nudge(self) -> None:
        """Have what is due done now, where the town's clock is at hand."""
        if self.town:
            self.at_once(self.town.nudge)

    # ----- names of things, in the visitor's language

    def program(self, program_id: str) -> Program | None:
        """A program that runs here."""
        found: list[InForce] = [each for each in self.runtime.shelf.in_force if each.program.id == program_id]
        return found[0].program if found else None

    def program_name(self, program_id: str, words: Words) -> str:
        program = self.program(program_id)
        return program.text(program.name, words.language) if program else program_id

    def event_name(self, event_type: str, words: Words) -> str:
        """What staff call this kind of event."""
        for each in self.runtime.shelf.in_force:
            event = each.program.events.get(event_type)
            if event is not None:
                return each.program.text(event.name, words.language)
        return event_type.replace("_", " ")

    def because(self, words: Words, text: str, program_id: str = "") -> str:
        """A reason of the trail in the visitor's language, with the names that the programs give."""

        def naming(kind: str, word: str) -> str:
            return self.event_name(word, words) if kind == "event" else self.flow_title(program_id, word, words)

        return words.because(text, naming)

    def template_title(self, key: str, words: Words) -> str:
        """The title of a template (`common/apology`) in the visitor's language."""
        group, _, name = key.partition("/")
        return self._title(group, name, words) or name.replace("_", " ")

    def flow_title(self, program_id: str, flow_id: str, words: Words, occasion: str = "") -> str:
        """What a flow sends, by the title of its template; or the task that it opens."""
        program = self.program(program_id)
        if program is None or not flow_id:
            return flow_id.replace("_", " ")
        if flow_id == "resurvey":
            name = program.callback.resurvey.template
        else:
            flow = next((flow for flow in program.flows if flow.id == flow_id), None)
            if flow is None or flow.message is None:
                called_for = program.duty(flow_id) or flow
                named = called_for.task.name if called_for and called_for.task else {}
                return program.text(named, words.language) if named else words.name("flow", flow_id)
            name = flow.message.template
            if isinstance(flow.on, OnFestival):
                festival = occasion.split(":")[1] if occasion.startswith("festival:") else ""
                if not festival:
                    return words("flow.greeting")
                name = name.replace("{festival}", festival)
        return self._title(program_id, name, words) or words.name("flow", flow_id)

    def task_name(self, task: TaskRow, words: Words) -> str:
        """What is to be done, in the visitor's language where its program still has it."""
        program = self.program(task.program_id)
        names = [each.name for each in program.tasks() if task.name in each.name.values()] if program else []
        return program.text(names[0], words.language) if program and names else task.name

    def matter_name(self, kind: str, words: Words) -> str:
        """What staff call this kind of matter."""
        for each in self.runtime.shelf.in_force:
            matter = each.program.matters.get(kind)
            if matter is not None:
                return each.program.text(matter.name, words.language)
        return kind.replace("_", " ")

    def _title(self, program_id: str, name: str, words: Words) -> str:
        try:
            return self.runtime.shelf.catalog.find(name, program=program_id, language=words.language).title
        except TemplateError:
            return ""

    # ----- pages

    def page(self, request: Request, name: str, status: int = 200, **values: Any) -> HTMLResponse:
        """A whole page, with the visit's cookie."""
        visit = self.gate.visit_of(request) or self.gate.new_visit()
        values.setdefault("trouble", "")
        response = HTMLResponse(self.fragment(request, name, visit=visit, **values), status)
        self.gate.keep(response, visit)
        response.headers["Cache-Control"] = "no-store"
        return response

    def fragment(self, request: Request, name: str, **values: Any) -> str:
        """A piece of a page as text."""
        words = words_for(request)
        visit = values.get("visit") or self.gate.visit_of(request)
        shared: dict[str, Any] = {
            "w": words,
            "site": self,
            "path": request.url.path,
            "languages": LANGUAGES,
            "now": self.now(),
            "zone": self.zone,
            "tz": ZoneInfo(self.zone),
            "town": self.town,
            "form_token": self.gate.form_token(visit) if visit else "",
            "signed_in": bool(visit and visit.inside),
        }
        return self.env.get_template(name).render(shared | values)

    def piece(self, request: Request, name: str, **values: Any) -> HTMLResponse:
        """A piece of a page that its script fetches again."""
        return HTMLResponse(self.fragment(request, name, **values), headers={"Cache-Control": "no-store"})

    def frame(self) -> dict[str, Any]:
        """What the frame around every console page shows: calls that wait, is sending stopped, where the trail ends."""
        with self.runtime.db.read() as session:
            return {
                "to_call": views.to_call(session),
                "stopped": views.stopped(session),
                "paused": views.paused_senders(session),
                "trail_end": trail.newest_id(session),
            }

    def me(self, request: Request) -> StaffRow | None:
        """The member of staff whom the visitor chose to be."""
        chosen = request.cookies.get(ME_COOKIE, "")
        if not chosen.isdecimal() or len(chosen) > 12:
            return None
        with self.runtime.db.read() as session:
            member = staff.get(session, int(chosen))
        return member if member and member.active else None

    def console_page(self, request: Request, name: str, status: int = 200, **values: Any) -> HTMLResponse:
        """A page of the console inside its frame."""
        return self.page(request, name, status, **(self.frame() | values))


def site_of(request: Request) -> Site:
    return cast(Site, request.app.state.site)


def words_for(request: Request) -> Words:
    """The visitor's language: their choice, else the setting."""
    chosen = request.cookies.get(LANGUAGE_COOKIE, "")
    return words_in(chosen if chosen in LANGUAGES else site_of(request).runtime.settings.language)


def initial(name: str) -> str:
    """What stands on a small portrait: the first sign of a Chinese name, two letters of another."""
    name = name.strip()
    if not name or not name[0].isascii():
        return name[:1]
    parts = name.split()
    return (parts[0][0] + (parts[-1][0] if len(parts) > 1 else "")).upper()


_STAMPS: dict[str, str] = {}


def static(name: str) -> str:
    """The address of a static file, new whenever its content is."""
    if name not in _STAMPS:
        content = resources.files("bot.web").joinpath("static", name).read_bytes()
        _STAMPS[name] = hashlib.sha256(content).hexdigest()[:10]
    return f"/static/{name}?v={_STAMPS[name]}"


def local_day_start(now: datetime, zone: str) -> datetime:
    """Midnight at which the present day began there."""
    local = now.astimezone(ZoneInfo(zone))
    return local.replace(hour=0, minute=0, second=0, microsecond=0)
