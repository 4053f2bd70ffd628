"""When a violation is suspected: words that a program watches for, a complaint about a topic, an event, a breach
(R167, R170). What a violation is stands in `flows/violations.py`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from flows import score
from flows.decisions import BookAnswer, Decision
from flows.program import Program
from flows.survey import Conversation
from messages.reading import Category, Reading


@dataclass(frozen=True)
class Suspicion:
    """A violation of this kind is suspected, and why."""

    kind: str
    because: str


def in_reply(talk: Conversation, reading: Reading, text: str, decisions: Sequence[Decision]) -> Iterator[Suspicion]:
    """The violations that one reply makes us suspect, each once; `decisions`: what else follows from it."""
    topics = set(_blamed(talk, reading, text, decisions))
    for kind, violation in talk.program.violations.items():
        on = violation.on
        if on.alert in reading.flags:
            yield Suspicion(kind, f"{on.alert} words in the reply")
        elif on.topic in topics:
            yield Suspicion(kind, f"a complaint about {on.topic}")


def in_event(program: Program, event_type: str) -> Iterator[Suspicion]:
    """The violations that an event of this type makes us suspect."""
    kinds = (kind for kind, violation in program.violations.items() if violation.on.event == event_type)
    yield from (Suspicion(kind, f"{event_type} was told") for kind in kinds)


def in_breach(program: Program, flow: str, task_kind: str) -> Iterator[Suspicion]:
    """The violations that it is to leave a task undone, of this flow or duty, and of this kind."""
    for kind, violation in program.violations.items():
        if violation.on.breach in (flow, task_kind):
            yield Suspicion(kind, f"{violation.on.breach} was not done in time")


def _blamed(talk: Conversation, reading: Reading, text: str, decisions: Sequence[Decision]) -> Iterator[str]:
    """The topics of a complaint in words, and of each question that got a low answer."""
    program = talk.program
    low = [
        question
        for answer in decisions
        if isinstance(answer, BookAnswer) and talk.survey is not None
        for question in [program.surveys[talk.survey].question(answer.question)]
        if score.is_low(program.replies.low, answer.points, answer.level, question)
    ]
    yield from (question.topic for question in low if question.topic)
    topic = score.topic_of(program, text)
    if topic is not None and (low or Category.COMPLAINT in reading.categories):
        yield topic
