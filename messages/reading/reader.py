"""Reads one reply: the single entrance to this package.

Order of reading: fold the text; a command (STOP, 退订); the rating in numbers, words and faces (`ratings.py`); what the
customer wants (`intents.py`); what is praised or complained about (`feelings.py`). Then precedence decides: opt-out,
call me, wrong person, help, score, comment, unclear. Nothing here raises on any text, and nothing guesses a score.
"""

import re
from functools import cache
from typing import NamedTuple

from messages.keywords import bare_of_folded, command_of_bare
from messages.reading import alerts, faces, feelings, intents, levels, mentions, numbers, persons, ratings, scales
from messages.reading.feelings import NOTHING_FELT, Felt
from messages.reading.firsts import compile_any
from messages.reading.intents import NOTHING_WANTED, Wants
from messages.reading.lexicon import load
from messages.reading.normalise import MOST_READ, Message, clauses_of, fold, laid_out
from messages.reading.ratings import NO_RATING, Rating
from messages.reading.sentiment import Feeling, feeling_of
from messages.reading.values import Category, Intent, Question, Reading, Scale

NEEDS_PERSON_BELOW = 0.5
UNREAD = 0.45
LIKELY_FEELING, SURE_FEELING = 0.25, 0.7  # how far the model must lean to tell a category; to call chatter a comment
NEUTRAL_TOLD = -0.2  # what is told without a word of feeling leans that far to the negative
NEUTRAL_TOLD_IN_ENGLISH = 0.1
SARCASTIC_ABOVE, DOUBTED = 60, 0.45  # "top marks for losing my luggage": a person looks before it is booked
SHORTEST_COMMENT = 4
_KINDS = frozenset({"busy", "thanks", "greeting", "refusal"})
_DIGIT = re.compile(r"\d")
_ONE_LETTER = frozenset("nyrt")


class _Decision(NamedTuple):
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
    folded = fold(text)
    if not folded:
        return Reading(Intent.UNCLEAR, confidence=1.0, because=("nothing is said",))
    command = _command(folded, question)
    number = ratings.bare_number(folded, question) if command is None else None
    if number is not None:  # as most replies are: no word needs to be looked for
        decision = _Decision(Intent.SCORE, number.confidence, (number.because,), rating=number)
        return _reading(decision, folded, question, NOTHING_FELT, None)
    said = laid_out(folded)
    if command is not None and not (said.faces and intents.is_empty(said.wordless)):  # "T_T" cries
        return Reading(
            command,
            confidence=1.0,
            needs_person=command is Intent.CALLBACK,
            because=(f"keyword {folded[:40]}",),
        )
    rating = ratings.find(said, question)
    if len(text) > MOST_READ:  # the middle was not read, and may say the opposite
        rating = rating._replace(confidence=min(rating.confidence, UNREAD))
    if rating.whole and rating.confidence >= NEEDS_PERSON_BELOW and not _is_mocking(said, rating):
        decision = _Decision(Intent.SCORE, rating.confidence, (rating.because,), rating=rating)
        return _reading(decision, said.han or said.latin, question, NOTHING_FELT, None)
    wants = intents.wants(said)
    felt = _felt(said, wants, rating)
    told = wants.intent is None or question.scale is Scale.TEXT
    feeling = _feeling(said, felt) if with_model and told and not rating.is_given else None
    decision = _decide(said, question, rating, wants, felt, feeling)
    return _reading(decision, said.han or said.latin, question, felt, feeling)


def _is_mocking(said: Message, rating: Rating) -> bool:
    """Is a happy word, and nothing else, said with a marker of sarcasm? ("呵呵，真好")"""
    return rating.level is not None and rating.level > 3 and bool(said.han) and feelings.is_sarcastic(said.han)


def _feeling(said: Message, felt: Felt) -> Feeling | None:
    """How the model of the reply's language feels about it."""
    return feeling_of(said.han, "zh", felt) if said.han else feeling_of(said.latin, "en", felt)


def _command(folded: str, question: Question) -> Intent | None:
    """The keyword that the whole message is; on an open yes/no question N and Y are answers."""
    words = bare_of_folded(folded)
    if words in _ONE_LETTER and question.scale is Scale.YESNO and question.survey_open:
        return None
    command = command_of_bare(
        words,
        language=question.language,
        country=question.country,
        opted_out=question.opted_out,
        survey_open=question.survey_open,
    )
    return Intent(command.value) if command else None


_ROOM = re.compile(r"(?!10+$)\d{3,4}")
"""What a number beside a complaint is that is far off the scale: "308房间没热水" tells where it happened."""


def _decide(
    said: Message, question: Question, rating: Rating, wants: Wants, felt: Felt, feeling: Feeling | None
) -> _Decision:
    if wants.intent is not None:
        return _wanted(said, wants, rating, felt)
    if rating.is_given and not (felt.sarcastic and rating.level is not None and rating.level > 3):
        return _scored(said, question, rating, felt)
    if question.scale is Scale.TEXT:
        return _open_text(said, felt, feeling)
    if rating.off_scale and not (felt.complaint and _ROOM.fullmatch(rating.words)):
        return _Decision(Intent.UNCLEAR, 0.9, (rating.because,))
    return _answers_nothing(said) or _commented(said, felt, feeling)


def _wanted(said: Message, wants: Wants, rating: Rating, felt: Felt) -> _Decision:
    """Opt-out, callback, wrong person, help; the score said in the same message is kept."""
    intent = wants.intent or Intent.UNCLEAR
    by_word = rating.level is not None and intent is Intent.WRONG_PERSON  # "不是你们客户，满意什么呀"
    keeps = rating.is_given and wants.rule != "how_to_answer" and not by_word
    categories = _beyond(rating, felt) if keeps else _beside(said, wants, felt)
    if intent is Intent.CALLBACK:
        categories = tuple(category for category in categories if category is not Category.PRAISE)
    return _Decision(
        intent,
        0.9,
        (wants.because, rating.because) if keeps else (wants.because,),
        rating=rating if keeps else NO_RATING,
        categories=categories,
        kind="question" if wants.rule == "help" else None,
        urgent=wants.urgent is not None,
    )


def _beside(said: Message, wants: Wants, felt: Felt) -> tuple[Category, ...]:
    """What is said beside a refusal or a wish to be called; an emergency speaks for itself."""
    if wants.intent not in {Intent.OPT_OUT, Intent.CALLBACK} or wants.urgent is not None:
        return ()
    if wants.intent is Intent.OPT_OUT and wants.words.isascii():
        return _beside_a_refusal(said.latin, wants.words)
    return feelings.beside_a_wish(felt).categories()


def _beside_a_refusal(text: str, refusal: str) -> tuple[Category, ...]:
    """What is said in a sentence of its own, and not of the messages: anger at those is the refusal itself."""
    told = [part for part in _PARTS.split(text.replace(refusal, _REFUSED)) if not _OF_MESSAGES.search(part)]
    return feelings.of_english(",".join(told)).categories() if told else ()


def _scored(said: Message, question: Question, rating: Rating, felt: Felt) -> _Decision:
    points = scales.points_of(question.scale, rating.score)
    mocks = felt.sarcastic and points is not None and points > SARCASTIC_ABOVE
    return _Decision(
        Intent.SCORE,
        DOUBTED if mocks else rating.confidence,
        (rating.because, *felt.reasons()),
        rating=rating,
        categories=_mocked(said, question, rating, felt) or _beyond(rating, felt) or _by_score(said, question, rating),
    )


def _mocked(said: Message, question: Question, rating: Rating, felt: Felt) -> tuple[Category, ...]:
    """Praise with a marker of mockery beside a low score is blame: "真优秀啊，一个密码重置搞一礼拜，给0分"."""
    level = scales.level_of(scales.points_of(question.scale, rating.score))
    if level is None or level > 2 or not felt.praise or not said.han or not feelings.may_mock(said.han):
        return ()
    return (Category.COMPLAINT,)


def _by_score(said: Message, question: Question, rating: Rating) -> tuple[Category, ...]:
    """What no rule knows but speaks of staff or goods beside a number is praise or blame as the number is."""
    level = scales.level_of(scales.points_of(question.scale, rating.score))
    if level is None or rating.whole or rating.adds_nothing:
        return ()
    if not said.han:
        if rating.level is not None:
            return ()
        rest = _rest(said.latin, NOTHING_WANTED, rating)
        told = level != 3 and not _DIGIT.search(rest) and feelings.tells_something_in_english(rest, shortest=3)
        return (Category.PRAISE if level > 3 else Category.COMPLAINT,) if told else ()
    counts = _DIGIT.search(_rest(said.han, NOTHING_WANTED, rating)) is not None
    if not any(_tells_a_fact(clause, rating, counts=counts) for clause in clauses_of(said.han)):
        return ()
    return (Category.PRAISE if level >= 4 else Category.COMPLAINT,)


def _tells_a_fact(clause: str, rating: Rating, *, counts: bool) -> bool:
    """Does a clause tell what happened ("挂号3小时看病3分钟")? Beside the number itself it must speak of us."""
    if rating.words not in clause:
        told = _asides().sub("", _SAID_SORRY.sub(",", clause))
        return feelings.tells_a_fact(told) and not mentions.is_courtesy(told) and not mentions.find(told)
    if rating.level is not None or counts:
        return False
    rest = _rest(clause, NOTHING_WANTED, rating)
    return feelings.tells_something(rest, shortest=4) and feelings.speaks_of_us(rest, "zh")


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
    if said.faces and said.han and not felt.is_anything and feelings.speaks_of_us(said.han, "zh"):
        return _of_level(faces.level_of(said.faces), "face")
    question = intents.asks(said)
    if question is not None and not felt.complaint and not (felt.wish and said.words):
        return _Decision(Intent.HELP, 0.7, (f"question: {question}",), kind="question")
    if felt.is_anything:
        return _Decision(Intent.COMMENT, 0.8, felt.reasons(), categories=felt.categories())
    if feeling is not None and abs(feeling.polarity) >= SURE_FEELING and len(said.text) >= SHORTEST_COMMENT:
        return _by_model(feeling, 0.6)
    if feeling is not None and said.han and feelings.tells_something(said.han):
        return _by_model(feeling, 0.55, neutral=NEUTRAL_TOLD)
    if feeling is not None and not said.han and feelings.tells_something_in_english(said.latin):
        return _by_model(feeling, 0.55, neutral=NEUTRAL_TOLD_IN_ENGLISH)
    return _Decision(Intent.UNCLEAR, 0.6, ("nothing that answers the question",))


def _by_model(feeling: Feeling, confidence: float, neutral: float = 0.0) -> _Decision:
    category = Category.PRAISE if feeling.polarity > neutral else Category.COMPLAINT
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


_REFUSED = " stop "
_PARTS = compile_any([r"[.!?;\n]+", r",? but "])
_OF_MESSAGES = compile_any(
    [
        r"\b(?:stop|texts?|texting|messag\w+|sms|surveys?|e-?mails?|spam\w*|calls?|calling|number|list|consent|data|phone)\b",
        r"\b(?:annoy|harass|bother|pester|report|block|unsub|remov|delet|nuisance|sick of|fed up|enough|ridiculous)\w*",
        r"\b(?:please|thanks?|kindly|sorry)\b",
    ]
)
_SATISFIED = compile_any([r"不?满意|不满(?!\d)", r"\b(?:dis|un)?satisfied\b", r"\b(?:un)?happy\b"])
_SAID_SORRY = compile_any(
    [
        r"(?:不好意思|对不起|抱歉)?[,， ]*(?:打|写|按|点|选|回|发|输|说|弄|搞|看)错了?(?=[,，。 :!]|应该|是|$|\d)",
        r"(?:先说好|说好|讲明|丑话说前头)?[,， ]?\d{1,3}分?(?:是|就|可|那|肯定)*"
        r"(?:没有|没|给不了|不可能|别想|不存在)的?(?:哈|啊|了|呀|吧)?(?=[,。!]|$)",
        r"(?<=,)(?:是|就|肯定|绝对|妥妥)?没跑了?|不对|手误|手滑|\d分?(?:还|都)?不够(?=,)",
        r"(?:没到|不到|够不上|不止|不值|不给|没给) ?\d{1,3}分?(?=[,。!?]|$)",
        r"\d{1,3}分?(?:又|有点|太|偏|嫌|觉得)+(?:高|低|多|少)了?",
        r"(?:少|差|低)(?:一|半)(?:颗|分|点|星)都?(?:不行|不干|不给|不答应|不够)",
        r"\b(?:sorry|oops|mistake|mistyped|(?:pressed |hit )?(?:the )?wrong (?:button|number|one|key)|typo|i meant)\b",
        r"\b(?:finger slipped|fat fingers?)\b",
    ]
)
_ABOUT_THE_NUMBER = compile_any(
    [
        r"\b(?:if |with |where |when )?(?:\d{1,3}|one|five|ten) (?:is|being|as|=|means?|meaning|was) (?:the )?"
        r"(?:best|worst|top|bottom|highest|lowest|good|bad|excellent|terrible|perfect|poor|great|max|min)\w*",
        r"\d (?:is|seems|feels|sounds|was|would be) (?:(?:a bit|a little|far|way|too|a tad) )+"
        r"(?:harsh|generous|kind|mean|unfair)\b",
        r"\ba (?:very |really )?(?:generous|good|strong|solid|poor|kind|fair|weak|great) (?=\d)",
        r"\b\d+ (?:no,? )?(?:wait|hang on|hold on)\b|\bwait,? sorry\b",
        r"\b(?:if|assuming|where|with) \d{1,3} (?:is|being|as|=|means?) (?:very |the )?"
        r"(?:happy|satisfied|pleased|love|like|super|fine)\w*",
        r"\b(?:used to be|was|were|would be|normally|usually|instead of|from) (?:a |an )?(?:\d|five|ten) stars?\b",
        r"(?:\d|,|^|\bta|thanks|thank you|cheers|please) ?(?:love|dear|darling|pet|duck|sweetheart|honey|babe)[.! x]*$",
        r"\bbe fair\b|\bto be (?:fair|kind|generous|nice)\b",
    ]
)
_LATIN_LETTER = re.compile(r"[a-z]")  # all that is said about a number is English
_GIVING = compile_any([r"(?:才|只|就|没|最多|顶多|也就|勉强)?能?(?:给|打|值)(?:了|到|个|你们)?$"])


@cache
def _asides() -> re.Pattern[str]:
    """Chinese talk about the rating itself and how it was typed."""
    return compile_any(load("zh")["feelings"]["asides"])


def _felt(said: Message, wants: Wants, rating: Rating) -> Felt:
    """What is praised or complained about, the words of the rating, the wish and the correction left aside."""
    chinese = english = NOTHING_FELT
    rest = _rest(said.han or said.latin, wants, rating)
    if said.han:
        chinese = feelings.of_chinese(rest)
    if said.words:
        same = said.latin == (said.han or said.latin)
        english = feelings.of_english(rest if same else _rest(said.latin, wants, rating))
    return feelings.together(chinese, english)


def _rest(text: str, wants: Wants, rating: Rating) -> str:
    if wants.words:
        text = text.replace(wants.words, ",")
    if rating.answers is not None:
        text = _SATISFIED.sub(",", text)
    if rating.is_given and _LATIN_LETTER.search(text):
        text = _ABOUT_THE_NUMBER.sub(",", text)
    if rating.words and not rating.whole:
        head, _, tail = text.partition(rating.words)
        text = f"{_GIVING.sub('', head) if head else ''},{tail}"
        if rating.level is None:
            text = _SAID_SORRY.sub(",", text)
        elif not rating.words.startswith(levels.OVERALL):
            text = _SATISFIED.sub(",", text)
        text = text if text.isascii() else _asides().sub(",", text)
    return text


def _reading(decision: _Decision, text: str, question: Question, felt: Felt, feeling: Feeling | None) -> Reading:
    rating = decision.rating
    points = scales.points_of(question.scale, rating.score)
    flags = alerts.flags(text, question)
    if Category.COMPLAINT in decision.categories and persons.are_blamed(text):
        flags = (*flags, persons.ABOUT_STAFF)
    urgent = decision.urgent or "emergency" in flags
    intent = Intent.CALLBACK if urgent and decision.intent is not Intent.OPT_OUT else decision.intent
    doubtful = decision.confidence < NEEDS_PERSON_BELOW and intent is not Intent.UNCLEAR
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
