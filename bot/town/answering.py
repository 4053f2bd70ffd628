"""The town's customers answer by themselves, after minutes or hours, with texts from `data/replies.jsonl`.

What they answer is dealt from a deck of twenty moods, so that the shares hold in every small town; text and delay are
rolled from the seed and the survey, so that the same town tells the same story. Where somebody else has typed on a
phone, its owner says nothing more about that survey. Nothing is kept: who still owes an answer stands in the tables.
"""

import json
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from functools import cache
from importlib import resources
from typing import Any, Literal
from zoneinfo import ZoneInfo

from bot.channels.contract import Received
from bot.channels.simulator import Simulator, Text
from bot.jobs.work import Work
from bot.journey import inbox
from bot.runtime import Runtime
from bot.store import waiting
from bot.store.agenda import Agenda
from bot.store.waiting import Asked
from bot.town.history import roll
from flows.program import Program

Mood = Literal["satisfied", "neutral", "low", "upset", "complaint", "praise", "stop", "callback", "unclear", "silent"]

Card = Mood | Literal["rare"]
DECK: tuple[Card, ...] = (
    *("satisfied",) * 7, "neutral", "low", "complaint", "praise", "rare", *("silent",) * 8,
)  # fmt: skip
"""Twelve of twenty answer; `rare` is something else in each deck."""
RARE: tuple[Mood, ...] = ("callback", "stop", "unclear", "low", "stop", "praise")
OPENING: tuple[Mood, ...] = ("satisfied", "upset")
"""The first turns of all: somebody is pleased, somebody is not and says why, soon after the town has woken up."""
SOON = timedelta(minutes=4)
MINUTES = (3, 6, 9, 14, 22, 35, 50, 75, 110, 160, 230)
"""How long people take."""
AWAKE = (time(7, 30), time(22, 30))
TOWN = {"by": "town"}
"""What the raw data of an inbound row say where nobody typed but the town itself."""


class Answering:
    """Who will answer what, and when. Looks at the tables again only for phones that have rung."""

    def __init__(self, runtime: Runtime, seed: int = 1) -> None:
        self._seed = seed
        self._rang: set[str] | None = None  # nobody has looked yet: all of them
        self._expected: dict[str, list[_Expected]] = {}
        for channel in phones(runtime).values():
            channel.listen(self._listen)

    def work(self) -> Work:
        """The row of the table of repeated work."""
        return Work("customers answer", 1, self.run, self.due)

    def due(self, runtime: Runtime, _: Agenda) -> datetime | None:
        """When the next answer will be typed."""
        self._look(runtime)
        return min((one.at for expected in self._expected.values() for one in expected), default=None)

    def run(self, runtime: Runtime) -> int:
        """Type the answers whose time has come; how many."""
        now = runtime.clock.now()
        ripe = {address for address, expected in self._expected.items() if any(one.at <= now for one in expected)}
        if self._rang is not None:
            self._rang |= ripe  # the page may have been faster
        self._look(runtime)
        due = sorted((one for address in ripe for one in self._expected.get(address, ()) if one.at <= now), key=_turn)
        for one in due:
            type_on_phone(runtime, one.asked.message.channel, one.asked.message.address, one.text)
        return len(due)

    def _listen(self, text: Text) -> None:
        if self._rang is not None:
            self._rang.add(text.address)

    def _look(self, runtime: Runtime) -> None:
        addresses, self._rang = self._rang, set()
        if addresses is not None and not addresses:
            return
        with runtime.db.read() as session:
            asked = waiting.unanswered(session, addresses)
        for address in addresses or ():
            self._expected.pop(address, None)
        for one in asked:
            answer = answer_to(one, runtime.shelf.version(one.survey.program_version_id), self._seed)
            if answer:
                expected = _Expected(one.sent_at + answer.after, one, answer.text)
                self._expected.setdefault(one.message.address, []).append(expected)


@dataclass(frozen=True)
class _Expected:
    """An answer that will be typed."""

    at: datetime
    asked: Asked
    text: str


def _turn(one: _Expected) -> tuple[datetime, int]:
    return one.at, one.asked.survey.id


def phones(runtime: Runtime) -> dict[str, Simulator]:
    """The channels that are built-in phones, by name."""
    return {name: channel for name, channel in runtime.channels.items() if isinstance(channel, Simulator)}


def type_on_phone(runtime: Runtime, channel: str, address: str, body: str, raw: Mapping[str, Any] = TOWN) -> None:
    """Somebody of the town types: on the phone, and from there to the house as any reply comes."""
    phone = phones(runtime)[channel]
    text = phone.type(address, body)
    inbox.receive(
        runtime,
        Received(
            provider=phone.name,
            provider_message_id=text.id,
            channel=channel,
            from_address=address,
            body=body,
            raw=raw,
        ),
    )


# ----- what somebody answers: the same each time


@dataclass(frozen=True)
class Answer:
    """A text, so long after the question."""

    after: timedelta
    text: str


def answer_to(asked: Asked, program: Program, seed: int) -> Answer | None:
    """What the town's customer answers; None: nothing, or somebody else has taken over this phone."""
    if any(reply.raw != TOWN for reply in asked.replies):
        return None
    mood = mood_of(asked, seed)
    survey, language = asked.survey, asked.customer.language
    scale = str(program.surveys[survey.survey].question(survey.asked).scale)
    texts = _texts(mood, "zh" if language == "zh" else "en", scale)
    if not texts:
        return None
    text = texts[roll(seed, "text", survey.id, asked.message.id) % len(texts)]
    return Answer(_delay(asked, seed), text)


def mood_of(asked: Asked, seed: int) -> Mood:
    """How this customer feels about this question."""
    survey, message = asked.survey, asked.message
    chance = roll(seed, "mood", survey.id, message.id) % 100
    if survey.ticket_id:  # asked again: mostly satisfied now
        if survey.round > 1:
            return "satisfied"
        return "satisfied" if chance < 78 else "low" if chance < 90 else "silent"
    if not message.follow_up_id:  # asked what they meant
        return "satisfied" if chance < 90 else "silent"
    if message.follow_up_id != survey.follow_up_id:  # reminded
        return "satisfied" if chance < 35 else "silent"
    return deal(survey.id - 1, seed)


def deal(turn: int, seed: int) -> Mood:
    """The mood on this turn: the opening, then one shuffled deck after the other."""
    number, place = divmod(turn, len(DECK))
    if turn < len(OPENING):
        return OPENING[turn]
    deck: list[Card] = list(DECK)
    random.Random(f"{seed}:{number}").shuffle(deck)  # noqa: S311 - a story, no secret
    card = deck[place]
    return RARE[number % len(RARE)] if card == "rare" else card


def _delay(asked: Asked, seed: int) -> timedelta:
    """Minutes or hours; at night people sleep."""
    if asked.survey.id <= len(OPENING) and not asked.survey.ticket_id:
        return SOON * asked.survey.id
    rolled = roll(seed, "delay", asked.survey.id, asked.message.id)
    at = asked.sent_at + timedelta(minutes=MINUTES[rolled % len(MINUTES)], seconds=rolled // 100 % 60)
    zone = ZoneInfo(asked.customer.zone)
    local = at.astimezone(zone)
    if not AWAKE[0] <= local.time() <= AWAKE[1]:
        day = local.date() + timedelta(days=1 if local.time() > AWAKE[1] else 0)
        local = datetime.combine(day, AWAKE[0], tzinfo=zone) + timedelta(minutes=rolled // 10_000 % 90)
    return local.astimezone(UTC) - asked.sent_at


# ----- texts


@cache
def _rows() -> tuple[Mapping[str, Any], ...]:
    text = resources.files("bot.town").joinpath("data/replies.jsonl").read_text(encoding="utf-8")
    return tuple(json.loads(line) for line in text.splitlines())


@cache
def _texts(mood: Mood, language: str, scale: str) -> tuple[str, ...]:
    """Texts of this mood that fit language and scale; none where the file has none."""
    fitting = [row for row in _rows() if row["lang"] == language and _is_plain(row)]
    return tuple(dict.fromkeys(row["text"] for row in fitting if _fits(row, mood, scale)))


def _is_plain(row: Mapping[str, Any]) -> bool:
    """One answer to one question, as people of any shop would give it, that calls no fire brigade."""
    odd = row.get("script") or row.get("n_questions") or row["expect"].get("urgent")
    return not odd and row["tag"] != "opt_out_trap"


def _fits(row: Mapping[str, Any], mood: Mood, scale: str) -> bool:
    expect, asked = row["expect"], row["question_scale"]
    intent: str = expect["intent"]
    score: float | None = expect.get("score")
    category: str | None = expect.get("category")
    match mood:
        case "satisfied" | "neutral" | "low" | "upset":
            if intent != "score" or score is None or (asked != scale and {asked, scale} != STEPS):
                return False
            low, high = _ENDS.get(scale, (1, 5))
            share = (score - low) / (high - low)
            if mood == "satisfied":
                return share >= 0.75 and category != "complaint"
            if mood == "neutral":
                return 0.4 <= share <= 0.6
            return share <= 0.25 and (mood == "low" or category == "complaint")
        case "complaint" | "praise":
            return intent == "comment" and category == mood
        case "stop":
            return intent == "opt_out" and score is None
        case "callback":
            return intent == "callback"
        case "unclear":
            return intent == "unclear"
        case "silent":
            return False


STEPS = {"1-5", "level5"}
"""Whoever is asked for a number from 1 to 5 may as well answer in words."""
_ENDS = {"1-5": (1, 5), "level5": (1, 5), "0-10": (0, 10), "1-10": (1, 10), "0-100": (0, 100), "yesno": (0, 1)}


def moods(turns: Iterable[int], seed: int) -> Sequence[Mood]:
    """The moods of many turns, for those who want to count."""
    return [deal(turn, seed) for turn in turns]
