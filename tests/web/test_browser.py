"""A real browser walks the whole story, on a phone's screen with touch and on a desk's: nothing speaks HTTP itself.

`HUIFANG_SHOTS=folder` keeps a picture of every stop.
"""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from bot.web import site
from tests.web.house import LI, SUN, House

pytestmark = pytest.mark.browser
playwright = pytest.importorskip("playwright.sync_api", reason="no browser tests: playwright is not installed")

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
ARGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
NARROW = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True, "device_scale_factor": 2}
WIDE = {"viewport": {"width": 1440, "height": 900}}
SHOTS = os.environ.get("HUIFANG_SHOTS", "")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if CHROMIUM is None:
        pytest.skip("no browser tests: Chromium is not installed (apt-get install chromium)")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, headless=True, args=ARGS)
        yield browser
        browser.close()


class Walk:
    """One visitor with a browser: goes by links and buttons, and looks that every page fits its screen."""

    def __init__(self, browser: Any, house: House, screen: dict[str, Any], name: str) -> None:
        self.context = browser.new_context(
            **screen, base_url=house.address, locale="zh-CN", timezone_id="Asia/Shanghai"
        )
        self.page = self.context.new_page()
        self.page.set_default_timeout(30_000)
        self.touch = bool(screen.get("has_touch"))
        self.width = screen["viewport"]["width"]
        self.name, self.stops = name, 0
        self.errors: list[str] = []
        self.page.on("console", lambda said: self.errors.append(said.text) if said.type == "error" else None)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))

    def open(self, path: str) -> None:
        self.page.goto(path)

    def tap(self, selector: str) -> None:
        place = self.page.locator(selector).first
        if self.touch:
            place.tap()
        else:
            place.click()

    def write(self, selector: str, text: str) -> None:
        self.page.locator(selector).first.fill(text)

    def sees(self, text: str, inside: str = "main") -> None:
        playwright.expect(self.page.locator(inside).first).to_contain_text(text, timeout=30_000)

    def look(self, what: str) -> None:
        """The page fits; keep a picture where they are asked for."""
        wide = self.page.evaluate("document.documentElement.scrollWidth")
        assert wide <= self.width, f"{what}: {wide} px on a screen of {self.width}"
        self.stops += 1
        if SHOTS:
            Path(SHOTS).mkdir(parents=True, exist_ok=True)
            self.page.screenshot(path=f"{SHOTS}/{self.name}-{self.stops:02d}-{what}.png")

    def close(self) -> None:
        self.context.close()
        assert self.errors == []


@pytest.fixture(params=[("narrow", NARROW), ("wide", WIDE)], ids=["390", "1440"])
def walk(request: pytest.FixtureRequest, browser: Any, house: House) -> Iterator[Walk]:
    """A visitor a week after the purchases, on each kind of screen."""
    house.push(days=7)
    name, screen = request.param
    walk = Walk(browser, house, screen, name)
    yield walk
    walk.close()


def phone(address: str) -> str:
    return f"/phone/{quote(address, safe='')}"


def test_the_whole_story_from_an_unhappy_answer_to_a_closed_ticket(walk: Walk) -> None:
    # a survey has reached a phone of the town
    walk.open("/")
    walk.sees("A small town, followed up")
    walk.look("town")
    walk.tap(f'.mini[href="{phone(LI)}"]')
    walk.sees("您对这次购物满意吗", ".thread")
    walk.look("phone")

    # its owner is unhappy, and is answered at once
    walk.write(".typing input", "2 等太久了")
    walk.tap(".typing button")
    walk.sees("让您失望了", ".bubble:last-child")
    walk.sees("ticket #1 opened", ".behind")
    walk.look("apology")

    # the ticket waits in the queue, and the staff's phone has rung
    walk.tap('.tabs a[href="/queue"]')
    walk.sees("2 等太久了", ".call")
    walk.sees("Call before Wed 30 Sep 18:00", ".call")
    walk.open(phone(SUN))
    walk.sees("工单1：请回电李明", ".thread")
    walk.look("ping")

    # she takes it, calls, and writes down what was done
    walk.tap('.tabs a[href="/queue"]')
    walk.tap('.me button:has-text("孙丽")')
    walk.sees("孙丽", '.me button[aria-pressed="true"]')
    walk.look("queue")
    walk.tap('.call button:has-text("I take it")')
    walk.sees("孙丽 has it", ".call")
    walk.tap('.call a:has-text("Record the call")')
    walk.write('textarea[name="result"]', "已致电道歉，补发新壶")
    walk.look("ticket")
    walk.tap('.acts button:has-text("Record and ask again")')
    walk.sees("asked again", ".about")

    # a day later the customer is asked again, and is content
    walk.tap(".clockmenu summary")
    walk.tap('.clockmenu button:has-text("+1 day")')
    walk.sees("Tue 29 Sep 09:30", ".clockmenu:not([open])")
    walk.open(phone(LI))
    walk.sees("补发新壶", ".bubble:last-child")
    walk.tap('.quick button:has-text("5")')
    walk.sees("谢谢您的肯定", ".bubble:last-child")
    walk.look("content")

    # the ticket is closed, with both answers side by side
    walk.open("/ticket/1")
    walk.sees("closed", ".about .state")
    walk.sees("+60 points: 40 before, 100 after", ".gain")
    walk.look("closed")

    # and the customer's trail tells it all, in order
    walk.open("/customer/1?order=oldest")
    told = [" ".join(line.split()) for line in walk.page.locator(".trail .line .what").all_inner_texts()]
    chapters = [
        "planned: after a purchase",
        "was asked: after a purchase",
        "replied 2 dissatisfied",
        "ticket #1 opened",
        "was answered: apology",
        "ticket #1: 孙丽 pinged",
        "ticket #1 claimed by 孙丽",
        "ticket #1 handled by 孙丽",
        "was asked: asking again",
        "replied 5 very satisfied",
        "ticket #1 closed",
    ]
    places = [next((at for at, line in enumerate(told) if chapter in line.lower()), -1) for chapter in chapters]
    assert -1 not in places, (chapters[places.index(-1)], told)
    assert places == sorted(places), told
    walk.look("trail")


def test_a_survey_is_answered_by_taps(walk: Walk, house: House) -> None:
    walk.open(phone(LI))
    walk.tap('.bubble a[href^="/s/"]')
    walk.sees("您对这次购物满意吗")
    walk.look("survey")
    walk.tap('button[value="4"]')
    walk.sees("谢谢您")
    walk.tap('input[name="q.quality"][value="5"]')
    walk.tap('input[name="q.price"][value="3"]')
    walk.write("textarea", "壶嘴很好用")
    walk.look("survey-more")
    walk.tap('button:has-text("提交")')
    walk.sees("都记下了")
    walk.look("survey-done")
    walk.open("/customer/1")
    walk.sees("壶嘴很好用")


@pytest.mark.parametrize(("name", "screen"), [("narrow", NARROW), ("wide", WIDE)], ids=["390", "1440"])
def test_a_task_is_recorded_by_taps(browser: Any, club: House, name: str, screen: dict[str, Any]) -> None:
    walk = Walk(browser, club, screen, f"task-{name}")

    # whoever opens the list sees both tasks, and that the menu fits
    walk.open("/")
    walk.tap('.tabs a[href="/tasks"]')
    walk.sees("Visit them", ".call")
    menu = walk.page.locator(".tabs").bounding_box()
    for box in (tab.bounding_box() for tab in walk.page.locator(".tabs a").all()):
        assert menu["x"] <= box["x"]
        assert box["x"] + box["width"] <= min(menu["x"] + menu["width"], walk.width) + 0.5
    walk.tap('.me button:has-text("Lin")')
    walk.sees("Lin", '.me button[aria-pressed="true"]')
    walk.look("tasks")

    # she opens hers, is asked for what it needs, and records it
    walk.tap('.call a:has-text("Record it")')
    walk.write('textarea[name="data.signed_by"]', "何工")
    walk.page.locator('select[name="data.content"]').select_option("yes")
    walk.look("task")
    walk.tap('.acts button:has-text("It is done")')
    walk.sees("Write a letter", ".call:only-child")
    walk.look("tasks-left")

    # the other one is let go, which only a manager or the task's superior may do
    walk.tap('.me button:has-text("Zhou Wei")')
    walk.sees("Zhou Wei", '.me button[aria-pressed="true"]')
    walk.tap('.call a:has-text("Record it")')
    walk.tap('.acts summary:has-text("Let it go")')
    walk.write('input[name="reason"]', "they came back")
    walk.tap('.acts button:has-text("Let it go")')
    walk.sees("Nothing is left to do.")
    walk.tap('.choices a:has-text("Let go")')
    walk.sees("they came back", ".call")

    # and the visit stands among the customer's contacts, where the next is agreed
    walk.tap('.call a[href="/customer/3"]')
    walk.sees("Visit", "#contacts")
    walk.tap('#contacts summary:has-text("Agree the next date")')
    walk.write('input[name="on"]', "2026-11-02")
    walk.write('#contacts input[name="reason"]', "they are away")
    walk.look("contacts")
    walk.tap('#contacts button:has-text("Agree the next date")')
    walk.sees("they are away (Zhou Wei)", ".trail")
    walk.close()


def answers_five(walk: Walk) -> None:
    """Li taps 5 in another window."""
    other = walk.context.new_page()
    other.goto(phone(LI))
    other.locator(".quick button", has_text="5").first.click()
    other.close()


def test_the_town_shows_what_happens_while_one_watches(
    walk: Walk, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(site, "SLOW", 60.0)  # the machine of the test may be busy
    walk.open("/")
    playwright.expect(walk.page.locator("body.alive")).to_be_attached()
    answers_five(walk)
    walk.sees("李明 replied 5 very satisfied", "#stream")
    walk.sees("very satisfied 1", ".levels")
    playwright.expect(walk.page.locator(f'.mini[href="{phone(LI)}"]')).to_have_class("mini l5 lit-in")


def test_figures_that_were_counted_a_moment_ago_catch_up_by_themselves(
    walk: Walk, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(site, "SLOW", 0.0)
    monkeypatch.setattr(site, "RESTS", 100)
    walk.open("/")
    playwright.expect(walk.page.locator("body.alive")).to_be_attached()
    answers_five(walk)
    walk.sees("李明 replied 5 very satisfied", "#stream")
    walk.sees("very satisfied 1", ".levels")


def test_the_page_speaks_chinese_and_goes_dark(browser: Any, house: House) -> None:
    house.push(days=7)
    for name, screen in (("narrow", NARROW), ("wide", WIDE)):
        walk = Walk(browser, house, screen | {"color_scheme": "dark"}, f"dark-{name}")
        walk.open("/language/zh?back=/")
        walk.sees("李明 收到询问：购后回访", "#stream")
        for path, what in (
            ("/", "town"),
            (phone(LI), "phone"),
            ("/phones", "phones"),
            ("/queue", "queue"),
            ("/tasks", "tasks"),
            ("/customers", "customers"),
            ("/customer/1", "customer"),
            ("/forecast", "forecast"),
        ):
            walk.open(path)
            walk.look(what)
        walk.close()
