"""Reads one reply: the single entrance to this package.

Order of reading: fold the text, look for a command, for ratings in numbers, words and faces, for what the customer
wants, for what is praised or complained about; then decide by precedence (opt-out, call me, wrong person, help, score,
comment, unclear). Nothing here raises on any text, and nothing guesses a score.
"""

import re
from dataclasses import dataclass
from functools import cache

from messages.keywords import bare, command_of_bare
from messages.reading import faces, feelings, levels, multi, numbers, scales
from messages.reading.feelings import Felt
from messages.reading.lexicon import Rule, load, rules, words_of
from messages.reading.normalise import Message, message
from messages.reading.values import Category, Intent, Question, Reading, Scale

NEEDS_PERSON_BELOW = 0.5

_INTENTS = ("opt_out", "callback", "wrong_person", "how_to_answer", "help")
_EMPTY_FELT = Felt()


@dataclass(frozen=True, slots=True)
class _Rating:
    score: scales.Number | None = None
    answers: multi.Answers | None = None
    off_scale: bool = False
    confidence: float = 0.0
    because: str = ""
    level: float | None = None
    whole: bool = False
    words: str = ""


def read(text: str, question: Question) -> Reading:
    """What this reply to this question means. Deterministic; never raises."""
    said = _prepared(message(text))
    if not said.text:
        return Reading(Intent.UNCLEAR, confidence=1.0, because=("nothing is said",))
    command = command_of_bare(
        bare(said.text),
        language=question.language,
        country=question.country,
        opted_out=question.opted_out,
        survey_open=question.survey_open,
    )
    if command is not None and not (
        question.scale is Scale.YESNO and question.survey_open and said.text in _ONE_LETTER
    ):
        return Reading(Intent(command.value), confidence=1.0, because=(f"keyword {said.text}",))
    wordless, shown = faces.split(said.text)
    rating = _rating(said, wordless, shown, question)
    wants = _wants(said)
    felt = _felt(said, wants, rating)
    return _decide(said, wordless, question, rating, wants, felt, shown)


_ONE_LETTER = frozenset("nyrt")


def _prepared(said: Message) -> Message:
    """Spoken variants and SMS spellings replaced by the words the rules know."""
    han = said.han
    if han:
        for variant in _variant_signs().intersection(han):
            for old, new in _variants()[variant]:
                han = han.replace(old, new)
    latin = said.latin
    words = said.words
    spellings = load("en")["spellings"]
    if not spellings.keys().isdisjoint(words):
        latin = _WORD.sub(lambda m: spellings.get(m.group(), m.group()), latin)
        words = tuple(_WORD.findall(latin))
    text = han or said.text
    return Message(said.raw, text, han, latin if not han else text.replace("'", ""), words)


_WORD = re.compile(r"(?<![\w])[a-z]+[0-9]*(?![\w])|(?<![\w])[a-z]+[0-9][a-z]*(?![\w])|(?<![\w])[a-z]+")


@cache
def _variants() -> dict[str, tuple[tuple[str, str], ...]]:
    table: dict[str, list[tuple[str, str]]] = {}
    for old, new in sorted(load("zh")["variants"].items(), key=lambda item: -len(item[0])):
        table.setdefault(old[0], []).append((old, str(new)))
    return {sign: tuple(pairs) for sign, pairs in table.items()}


@cache
def _variant_signs() -> frozenset[str]:
    return frozenset(_variants())


def _clauses(text: str) -> tuple[str, ...]:
    return tuple(clause for clause in re.split(r"[,.。!;?，、\n:~]+|\.\.\.| - ", text) if clause.strip())


def _rating(said: Message, wordless: str, shown: list[float], question: Question) -> _Rating:
    if question.scale is Scale.TEXT:
        return _Rating()
    answers = multi.find(said.text, said.latin, question)
    if answers is not None:
        return _Rating(answers=answers, confidence=0.95, because=f"{question.n_questions} answers: {said.text[:40]}")
    offered = _offered(wordless, question)
    if offered is not None:
        return offered
    if question.scale is Scale.YESNO:
        return _yes_or_no(wordless, question)
    given = numbers.find(said.latin, question)
    if given is not None and given.off_scale:
        return _Rating(off_scale=True, because=f"{given.words.strip()} is not on the scale {question.scale}")
    level = _level(said, wordless)
    if level is not None and level.whole and level.family in {"good", "average"} and _first(said, "ack", "non_answers"):
        level = None
    if given is not None:
        agrees = level is None or not level.whole or given.score is None or _agree(level.level, given.score, question)
        return _Rating(
            given.score,
            None,
            False,
            0.97 if given.sure and agrees else 0.45,
            f"number {given.words.strip()}",
            words=given.words.strip(),
        )
    if level is not None:
        return _from_level(level, question)
    if shown and not wordless.strip(" .,!。~?-"):
        face = faces.level_of(shown)
        return _Rating(scales.of_level(question.scale, face), None, False, 0.75, f"face {said.text[:20]}", face, True)
    return _Rating()


def _agree(level: float, score: float, question: Question) -> bool:
    return abs(scales.of_level(question.scale, level) - score) <= (scales.ENDS[question.scale][1]) * 0.55


def _offered(text: str, question: Question) -> _Rating | None:
    """A reply that is one of the words that were offered gets its place."""
    if not question.levels:
        return None
    said = bare(text)
    for place, word in enumerate(question.levels):
        if said == bare(word):
            score = scales.of_place(question, place)
            return _Rating(score, None, False, 0.99, f"offered word {word}", None, True)
    return None


def _yes_or_no(text: str, question: Question) -> _Rating:
    said = bare(text)
    first = bare(_clauses(text)[0]) if _clauses(text) else ""
    for candidate in (said, first):
        for language in ("zh", "en"):
            spec = load(language)["yesno"]
            if candidate in words_of(spec["no"]):
                return _Rating(0, None, False, 0.97, f"no: {candidate}", None, True)
            if candidate in words_of(spec["yes"]):
                return _Rating(1, None, False, 0.97, f"yes: {candidate}", None, True)
    return _Rating()


def _level(said: Message, wordless: str) -> levels.Level | None:
    clauses = _clauses(wordless)
    found = levels.find(clauses, "zh") if said.han else None
    if found is None and said.words:
        found = levels.find(_clauses(said.latin if wordless == said.text else wordless), "en")
    return found


def _from_level(level: levels.Level, question: Question) -> _Rating:
    if level.words and not level.whole and level.family not in levels.SATISFIED_FAMILY:
        return _Rating(level=level.level)
    if question.levels and level.words in question.levels:
        score = scales.of_place(question, question.levels.index(level.words))
    else:
        score = scales.of_level(question.scale, level.level)
    confidence = (0.95 if level.family in levels.SATISFIED_FAMILY else 0.85) if level.sure else 0.4
    return _Rating(
        score,
        None,
        False,
        confidence,
        f"level word {level.words.strip()}",
        level.level,
        level.whole,
        level.words.strip(),
    )


@dataclass(frozen=True, slots=True)
class _Wants:
    intent: Intent | None = None
    words: str = ""
    because: str = ""
    urgent: str | None = None


def _wants(said: Message) -> _Wants:
    urgent = _first(said, "urgent")
    for name in _INTENTS:
        found = _first(said, name)
        if found is not None:
            intent = Intent.HELP if name == "how_to_answer" else Intent(name)
            return _Wants(intent, found, f"{name}: {found}", urgent)
        if name == "callback" and urgent is not None:
            return _Wants(Intent.CALLBACK, urgent, f"emergency: {urgent}", urgent)
    found = _first(said, "opt_in")
    if found is not None:
        return _Wants(Intent.OPT_IN, found, f"opt_in: {found}", urgent)
    return _Wants(urgent=urgent)


def _first(said: Message, name: str, section: str = "intents") -> str | None:
    if said.han:
        found = _rule("zh", section, name).find(said.han, said.han)
        if found is not None:
            return found
    if said.words:
        rule = _rule("en", section, name)
        found = rule.find(said.latin, said.words)
        if found is not None:
            return found
    return None


@cache
def _rule(language: str, section: str, name: str) -> Rule:
    return rules(language, section)[name]


def _felt(said: Message, wants: _Wants, rating: _Rating) -> Felt:
    """What is praised or complained about, the words of the wish and of the correction left aside."""
    chinese, english = _EMPTY_FELT, _EMPTY_FELT
    if said.han:
        chinese = feelings.of_chinese(_without(said.han, wants, rating))
    if said.words:
        text = _without(said.latin, wants, rating)
        words = said.words if text == said.latin else tuple(re.findall("[a-z]+", text))
        english = feelings.of_english(text, words)
    return feelings.together(chinese, english)


_SAID_SORRY = re.compile(
    r"(?:不好意思|对不起|抱歉)?[,， ]*(?:打|写|按|点|选|回|发|输|说|弄|搞|看)?错了?(?=[,，。 :：!]|应该|是|$|\d)|不对|手误|手滑"
    r"|\b(?:sorry|oops|mistake|mistyped|wrong (?:button|number|one)|typo|i meant)\b"
)


def _without(text: str, wants: _Wants, rating: _Rating) -> str:
    if wants.words:
        text = text.replace(wants.words, ",")
    if rating.score is not None and rating.level is None:
        text = _SAID_SORRY.sub(",", text)
    return text


_NON_ANSWERS = ("auto_reply", "thanks", "greeting", "ack", "who", "refusal", "busy")


def _non_answer(said: Message) -> tuple[str, str] | None:
    for kind in _NON_ANSWERS:
        found = _first(said, kind, "non_answers")
        if found is not None:
            return kind, found
    return None


_KINDS = {"busy": "busy", "thanks": "thanks", "greeting": "greeting"}


def _decide(
    said: Message,
    wordless: str,
    question: Question,
    rating: _Rating,
    wants: _Wants,
    felt: Felt,
    shown: list[float],
) -> Reading:
    because: list[str] = []
    has_rating = rating.score is not None or rating.answers is not None
    if has_rating:
        because.append(rating.because)
    categories = _categories(felt, rating, has_rating)
    if wants.intent is not None:
        because.insert(0, wants.because)
        keeps = has_rating and not wants.because.startswith("how_to_answer")
        if not keeps:
            because = because[:1]
        return _reading(
            wants.intent,
            question,
            rating if keeps else _Rating(),
            categories if keeps or _complains(categories, wants) else (),
            felt,
            because,
            0.9,
            urgent=wants.urgent is not None,
            said=said,
        )
    if has_rating:
        return _reading(Intent.SCORE, question, rating, categories, felt, because, rating.confidence, said=said)
    other = _non_answer(said)
    if question.scale is Scale.TEXT:
        return _open_text(said, wordless, question, felt, shown, other)
    if rating.off_scale:
        return _reading(Intent.UNCLEAR, question, _Rating(), (), felt, [rating.because], 0.9, said=said)
    if other is not None and (
        not felt.is_anything or other[0] in {"thanks", "greeting", "ack", "auto_reply", "who", "refusal"}
    ):
        return _reading(
            Intent.UNCLEAR,
            question,
            _Rating(),
            (),
            felt,
            [f"{other[0]}: {other[1]}"],
            0.9,
            kind=_KINDS.get(other[0]),
            said=said,
        )
    if felt.is_anything:
        return _reading(Intent.COMMENT, question, _Rating(), categories, felt, _reasons(felt), 0.8, said=said)
    return _reading(
        Intent.UNCLEAR, question, _Rating(), (), felt, ["nothing that answers the question"], 0.6, said=said
    )


def _complains(categories: tuple[Category, ...], wants: _Wants) -> bool:
    return False


def _open_text(
    said: Message, wordless: str, question: Question, felt: Felt, shown: list[float], other: tuple[str, str] | None
) -> Reading:
    nothing = _first(said, "nothing", "non_answers")
    if nothing is not None:
        return _reading(Intent.COMMENT, question, _Rating(), (), felt, [f"nothing to add: {nothing}"], 0.9, said=said)
    level = _level(said, wordless)
    if level is not None and level.whole:
        category = Category.PRAISE if level.level > 3 else Category.COMPLAINT if level.level < 3 else None
        return _reading(
            Intent.COMMENT,
            question,
            _Rating(level=level.level),
            (category,) if category else (),
            felt,
            [f"level word {level.words}"],
            0.85,
            said=said,
        )
    if shown and not wordless.strip(" .,!。~?-"):
        face = faces.level_of(shown)
        category = Category.PRAISE if face > 3 else Category.COMPLAINT if face < 3 else None
        return _reading(
            Intent.COMMENT,
            question,
            _Rating(level=face),
            (category,) if category else (),
            felt,
            ["face"],
            0.7,
            said=said,
        )
    if other is not None and (
        not felt.is_anything or other[0] in {"thanks", "greeting", "ack", "auto_reply", "who", "refusal"}
    ):
        return _reading(
            Intent.UNCLEAR,
            question,
            _Rating(),
            (),
            felt,
            [f"{other[0]}: {other[1]}"],
            0.9,
            kind=_KINDS.get(other[0]),
            said=said,
        )
    if not re.search(r"[a-z一-鿿]{2}", said.text):
        return _reading(Intent.UNCLEAR, question, _Rating(), (), felt, ["no words"], 0.9, said=said)
    return _reading(
        Intent.COMMENT,
        question,
        _Rating(),
        felt.categories(),
        felt,
        _reasons(felt),
        0.8 if felt.is_anything else 0.5,
        said=said,
    )


def _categories(felt: Felt, rating: _Rating, has_rating: bool) -> tuple[Category, ...]:
    """What is said beyond the rating; a bare level word says nothing beyond it."""
    if has_rating and rating.whole:
        return ()
    if has_rating and rating.level is not None:
        felt = _beyond(felt, rating.because)
    return felt.categories()


def _beyond(felt: Felt, because: str) -> Felt:
    """Feelings without the level word itself."""
    praise = tuple(word for word in felt.praise if word not in because)
    complaint = tuple(word for word in felt.complaint if word not in because)
    return Felt(praise, complaint, felt.wish)


def _reasons(felt: Felt) -> list[str]:
    reasons = [f"complaint: {word}" for word in felt.complaint[:3]] + [f"praise: {word}" for word in felt.praise[:3]]
    return reasons + ([f"wish: {felt.wish}"] if felt.wish else [])


def _reading(
    intent: Intent,
    question: Question,
    rating: _Rating,
    categories: tuple[Category, ...],
    felt: Felt,
    because: list[str],
    confidence: float,
    *,
    said: Message,
    kind: str | None = None,
    urgent: bool = False,
) -> Reading:
    points = scales.points_of(question.scale, rating.score)
    flags = _flags(said, question)
    polarity = felt.balance
    if rating.score is not None:
        polarity = (polarity + 2 * scales.polarity_of(question.scale, rating.score)) / 3
    elif rating.level is not None:
        polarity = (rating.level - 3) / 2
    urgent = urgent or "emergency" in flags
    return Reading(
        intent=Intent.CALLBACK if urgent and intent is not Intent.OPT_OUT else intent,
        kind=kind,
        score=rating.score,
        answers=rating.answers,
        points=points,
        level=scales.level_of(points),
        polarity=round(polarity, 3),
        category=categories[0] if categories else None,
        categories=categories,
        confidence=round(confidence, 2),
        needs_person=urgent
        or intent is Intent.CALLBACK
        or (intent is not Intent.UNCLEAR and confidence < NEEDS_PERSON_BELOW),
        urgent=urgent,
        flags=flags,
        because=tuple(because),
    )


def _flags(said: Message, question: Question) -> tuple[str, ...]:
    """Names of the program's alert words that stand in the reply and are not denied."""
    if not question.alert_words:
        return ()
    return tuple(name for name, words in question.alert_words.items() if any(_is_said(w, said.text) for w in words))


def _is_said(word: str, text: str) -> bool:
    folded = message(word).text
    at = text.find(folded) if folded else -1
    while at >= 0:
        before, after = text[max(0, at - 3) : at], text[at + len(folded) : at + len(folded) + 2]
        denied = re.search(r"(?:不|没|没有|无|未)(?:再|会|怎么|太|那么)?$|\b(?:no|not)\s$", before)
        if not denied or re.search(r"(?:不是不|没有不)$", before) or after.startswith("得"):
            return True
        at = text.find(folded, at + 1)
    return False
