"""Reads one reply: the single entrance to this package.

Order of reading: fold the text; a command (STOP, 退订); the rating in numbers, words and faces (`ratings.py`); what the
customer wants (`intents.py`); what is praised or complained about (`feelings.py`). Then precedence decides: opt-out,
call me, wrong person, help, score, comment, unclear. Nothing here raises on any text, and nothing guesses a score.
"""

import re
from dataclasses import dataclass

from messages.keywords import bare_of_folded, command_of_bare
from messages.reading import alerts, faces, feelings, intents, numbers, ratings, scales
from messages.reading.feelings import NOTHING_FELT, Felt
from messages.reading.intents import Wants
from messages.reading.normalise import Message, message
from messages.reading.ratings import NO_RATING, Rating
from messages.reading.sentiment import Feeling, feeling_of
from messages.reading.values import Category, Intent, Question, Reading, Scale

NEEDS_PERSON_BELOW = 0.5
LIKELY_FEELING, SURE_FEELING = 0.25, 0.7  # how far the model must lean to tell a category; to call chatter a comment
SHORTEST_COMMENT = 4
_KINDS = frozenset({"busy", "thanks", "greeting"})
_ONE_LETTER = frozenset("nyrt")


@dataclass(frozen=True, slots=True)
class _Decision:
    """What was decided, before it is laid out as a Reading."""

    intent: Intent
    confidence: float
    because: tuple[str, ...]
    rating: Rating = NO_RATING
    categories: tuple[Category, ...] = ()
    kind: str | None = None
    urgent: bool = False
    level: float | None = None


def read(text: str, question: Question, *, with_model: bool = True) -> Reading:
    """What this reply to this question means. Deterministic; never raises.

    Without the model only words and rules speak: faster, and mute about free text they do not know.
    """
    said = message(text)
    if not said.text:
        return Reading(Intent.UNCLEAR, confidence=1.0, because=("nothing is said",))
    command = _command(said, question)
    if command is not None:
        return Reading(
            command,
            confidence=1.0,
            needs_person=command is Intent.CALLBACK,
            because=(f"keyword {said.text[:40]}",),
        )
    rating = ratings.find(said, question)
    if rating.whole and rating.confidence >= NEEDS_PERSON_BELOW:
        decision = _Decision(Intent.SCORE, rating.confidence, (rating.because,), rating=rating)
        return _laid_out(decision, said, question, NOTHING_FELT, None)
    wants = intents.wants(said)
    felt = _felt(said, wants, rating)
    feeling = _feeling(said, felt) if with_model and not rating.is_given else None
    decision = _decide(said, question, rating, wants, felt, feeling)
    return _laid_out(decision, said, question, felt, feeling)


def _feeling(said: Message, felt: Felt) -> Feeling | None:
    """How the model of the reply's language feels about it."""
    return feeling_of(said.han, "zh", felt) if said.han else feeling_of(said.latin, "en", felt)


def _command(said: Message, question: Question) -> Intent | None:
    """The keyword that the whole message is; on an open yes/no question N and Y are answers."""
    if question.scale is Scale.YESNO and question.survey_open and said.text in _ONE_LETTER:
        return None
    command = command_of_bare(
        bare_of_folded(said.text),
        language=question.language,
        country=question.country,
        opted_out=question.opted_out,
        survey_open=question.survey_open,
    )
    return Intent(command.value) if command else None


def _decide(
    said: Message, question: Question, rating: Rating, wants: Wants, felt: Felt, feeling: Feeling | None
) -> _Decision:
    if wants.intent is not None:
        return _wanted(wants, rating, felt)
    if rating.is_given and not (felt.sarcastic and rating.level is not None and rating.level > 3):
        return _scored(rating, felt)
    if question.scale is Scale.TEXT:
        return _open_text(said, felt, feeling)
    if rating.off_scale:
        return _Decision(Intent.UNCLEAR, 0.9, (rating.because,))
    return _answers_nothing(said) or _commented(said, felt, feeling)


def _wanted(wants: Wants, rating: Rating, felt: Felt) -> _Decision:
    """Opt-out, callback, wrong person, help; the score said in the same message is kept."""
    intent = wants.intent or Intent.UNCLEAR
    keeps = rating.is_given and wants.rule != "how_to_answer"
    return _Decision(
        intent,
        0.9,
        (wants.because, rating.because) if keeps else (wants.because,),
        rating=rating if keeps else NO_RATING,
        categories=_beyond(rating, felt) if keeps else (),
        urgent=wants.urgent is not None,
    )


def _scored(rating: Rating, felt: Felt) -> _Decision:
    return _Decision(
        Intent.SCORE,
        rating.confidence,
        (rating.because, *felt.reasons()),
        rating=rating,
        categories=_beyond(rating, felt),
    )


def _beyond(rating: Rating, felt: Felt) -> tuple[Category, ...]:
    """What is said beyond the rating; a bare level word says nothing beyond it."""
    if rating.whole or rating.adds_nothing:
        return ()
    if rating.level is not None and rating.confidence < NEEDS_PERSON_BELOW:
        return (Category.COMPLAINT, Category.PRAISE)
    return felt.categories()


def _answers_nothing(said: Message) -> _Decision | None:
    """Thanks, greetings, busy, refusals: when nothing is left without those words."""
    other = intents.non_answer(said)
    if other is None:
        return None
    kind, words = other
    if _felt(said, Wants(words=words), NO_RATING).is_anything:
        return None
    return _Decision(Intent.UNCLEAR, 0.9, (f"{kind}: {words}",), kind=kind if kind in _KINDS else None)


def _commented(said: Message, felt: Felt, feeling: Feeling | None) -> _Decision:
    question = intents.asks(said)
    if question is not None and not felt.complaint:
        return _Decision(Intent.HELP, 0.7, (f"question: {question}",), kind="question")
    if felt.is_anything:
        return _Decision(Intent.COMMENT, 0.8, felt.reasons(), categories=felt.categories())
    if feeling is not None and abs(feeling.polarity) >= SURE_FEELING and len(said.text) >= SHORTEST_COMMENT:
        return _by_model(feeling, 0.6)
    return _Decision(Intent.UNCLEAR, 0.6, ("nothing that answers the question",))


def _by_model(feeling: Feeling, confidence: float) -> _Decision:
    category = Category.PRAISE if feeling.polarity > 0 else Category.COMPLAINT
    because = f"model {feeling.polarity:+.2f}: {', '.join(feeling.because)}"
    return _Decision(Intent.COMMENT, confidence, (because,), categories=(category,))


def _open_text(said: Message, felt: Felt, feeling: Feeling | None) -> _Decision:
    """An open question takes any words as a comment; level words and faces tell its category."""
    nothing = intents.find(said, "nothing", "non_answers")
    if nothing is not None:
        return _Decision(Intent.COMMENT, 0.9, (f"nothing to add: {nothing}",))
    level = ratings.level_of(said)
    if level is not None and level.whole and not felt.sarcastic:
        return _of_level(level.level, f"level word {level.words}")
    if said.faces and intents.is_empty(said.wordless):
        return _of_level(faces.level_of(said.faces), "face")
    unclear = _answers_nothing(said)
    if unclear is not None:
        return unclear
    if intents.is_empty(said.text) or numbers.is_alone(said.latin):
        return _Decision(Intent.UNCLEAR, 0.9, ("no words",))
    question = intents.asks(said)
    if question is not None and not felt.is_anything:
        return _Decision(Intent.HELP, 0.7, (f"question: {question}",), kind="question")
    if felt.is_anything:
        return _Decision(Intent.COMMENT, 0.8, felt.reasons(), categories=felt.categories())
    if feeling is not None and abs(feeling.polarity) >= LIKELY_FEELING:
        return _by_model(feeling, 0.6)
    return _Decision(Intent.COMMENT, 0.5, ("no feeling in it",))


def _of_level(level: float, because: str) -> _Decision:
    category = Category.PRAISE if level > 3 else Category.COMPLAINT if level < 3 else None
    return _Decision(Intent.COMMENT, 0.85, (because,), categories=(category,) if category else (), level=level)


_SATISFIED = re.compile(r"不?满意|不满(?!\d)|\b(?:dis|un)?satisfied\b|\b(?:un)?happy\b")
_SAID_SORRY = re.compile(
    r"(?:不好意思|对不起|抱歉)?[,， ]*(?:打|写|按|点|选|回|发|输|说|弄|搞|看)错了?(?=[,，。 :!]|应该|是|$|\d)"
    r"|不对|手误|手滑"
    r"|\b(?:sorry|oops|mistake|mistyped|wrong (?:button|number|one)|typo|i meant)\b"
)


def _felt(said: Message, wants: Wants, rating: Rating) -> Felt:
    """What is praised or complained about, the words of the rating, the wish and the correction left aside."""
    chinese = english = NOTHING_FELT
    if said.han:
        chinese = feelings.of_chinese(_rest(said.han, wants, rating))
    if said.words:
        english = feelings.of_english(_rest(said.latin, wants, rating))
    return feelings.together(chinese, english)


def _rest(text: str, wants: Wants, rating: Rating) -> str:
    if wants.words:
        text = text.replace(wants.words, ",")
    if rating.words and not rating.whole:
        text = text.replace(rating.words, ",", 1)
        text = _SAID_SORRY.sub(",", text) if rating.level is None else _SATISFIED.sub(",", text)
    return text


def _laid_out(decision: _Decision, said: Message, question: Question, felt: Felt, feeling: Feeling | None) -> Reading:
    rating = decision.rating
    points = scales.points_of(question.scale, rating.score)
    flags = alerts.flags(said.han or said.latin, question)
    urgent = decision.urgent or "emergency" in flags
    intent = Intent.CALLBACK if urgent and decision.intent is not Intent.OPT_OUT else decision.intent
    doubtful = intent is not Intent.UNCLEAR and decision.confidence < NEEDS_PERSON_BELOW
    return Reading(
        intent=intent,
        kind=decision.kind,
        score=rating.score,
        answers=rating.answers,
        points=points,
        level=scales.level_of(points),
        polarity=_polarity(decision, question, felt, feeling),
        category=decision.categories[0] if decision.categories else None,
        categories=decision.categories,
        confidence=decision.confidence,
        needs_person=urgent or intent is Intent.CALLBACK or doubtful,
        urgent=urgent,
        flags=flags,
        because=decision.because,
    )


def _polarity(decision: _Decision, question: Question, felt: Felt, feeling: Feeling | None) -> float:
    """How the text as a whole feels: by its rating, else by its level word, else by the model, else by its words."""
    level = decision.level if decision.level is not None else decision.rating.level
    if decision.rating.score is not None:
        stated = scales.polarity_of(question.scale, decision.rating.score)
        return round((felt.balance + 2 * stated) / 3 if felt.is_anything else stated, 3)
    if level is not None:
        return (level - 3) / 2
    return feeling.polarity if feeling is not None else round(felt.balance, 3)
