"""The rating a reply gives: several answers, an offered word, yes or no, a number, a level word, a face. In this order.

A stated number wins over a level word beside it; where both are said and disagree, a person should look.
"""

from typing import NamedTuple

from messages.keywords import bare
from messages.reading import faces, intents, levels, mentions, multi, numbers, scales
from messages.reading.lexicon import load, words_of
from messages.reading.normalise import Message, clauses_of
from messages.reading.values import Question, Scale


class Rating(NamedTuple):
    """A rating with the words that gave it; `level` when words or faces gave it, `whole` when nothing else is said.

    `adds_nothing`: what stands beside the number only says it again ("5分，满意", "4 good").
    """

    score: scales.Number | None = None
    answers: multi.Answers | None = None
    off_scale: bool = False
    confidence: float = 0.0
    because: str = ""
    words: str = ""
    level: float | None = None
    whole: bool = False
    adds_nothing: bool = False

    @property
    def is_given(self) -> bool:
        return self.score is not None or self.answers is not None


NO_RATING = Rating()


def find(said: Message, question: Question) -> Rating:
    """The rating of a reply on the asked scale; NO_RATING for open questions."""
    if question.scale is Scale.TEXT:
        return NO_RATING
    if question.n_questions == 1:
        return _one(said, question)
    several = multi.find(said.text, said.latin, question)
    if several is not None:
        answers, whole = several
        return Rating(
            answers=answers, confidence=0.95, because=f"{len(answers)} answers: {said.text[:40]}", whole=whole
        )
    one = _one(said, question)
    if one.score is None:
        return one
    answers = multi.spread(one.score, said.text, question)
    return one._replace(score=None, answers=answers, confidence=0.8 if None not in answers else 0.4)


def bare_number(folded: str, question: Question) -> Rating | None:
    """The rating of a folded reply that is a number on the scale and nothing else, told by one look at it.

    The same as `find` finds; None where an offered word, yes or no, or several answers may be meant.
    """
    if question.n_questions != 1 or question.levels or question.scale is Scale.YESNO:
        return None
    given = numbers.bare(folded, question)
    return None if given is None else _of_bare_number(given)


def _of_bare_number(given: numbers.Given) -> Rating:
    return Rating(given.score, confidence=0.99, because=f"number {given.words}", words=given.words, whole=True)


def _one(said: Message, question: Question) -> Rating:
    """The rating of a reply to a single question."""
    offered = _offered(said, question)
    if offered is not None:
        return offered
    if question.scale is Scale.YESNO:
        return _yes_or_no(said)
    given = numbers.find(said.latin, question)
    if given is not None and given.alone:
        return _of_bare_number(given)
    if given is not None and given.off_scale and not _says_how_much(said):
        return Rating(off_scale=True, because=f"{given.words} is not on the scale {question.scale}", words=given.words)
    level = level_of(said)
    if given is not None and given.score is not None:
        rates = level is not None and (level.whole or level.rates)
        agrees = level is None or not rates or _agree(level.level, given.score, question)
        again = _adds_nothing(said, given.words)
        sure = 0.97 if (given.sure or again) and agrees else 0.45
        return Rating(
            given.score,
            confidence=sure,
            because=f"number {given.words}",
            words=given.words,
            whole=question.n_questions == 1 and said.latin.strip(" ,.。!~") == given.words,
            adds_nothing=again,
        )
    if level is not None:
        return _of_level(_beside_faces(level, said), question)
    if said.faces and intents.is_empty(said.wordless):
        face = faces.level_of(said.faces)
        score = scales.of_level(question.scale, face)
        return Rating(score, confidence=0.75, because=f"face {said.text[:20]}", level=face, whole=True)
    return NO_RATING


def _adds_nothing(said: Message, words: str) -> bool:
    rest = (said.han or said.latin).replace(words, ",", 1)
    if mentions.is_courtesy(rest):
        return True
    level = levels.find(clauses_of(rest), "zh" if said.han else "en", whole_only=True)
    return level is not None and " " not in level.core


def _beside_faces(level: levels.Level, said: Message) -> levels.Level:
    """A happy word beside an angry face, or the other way round, is not to be trusted."""
    if not said.faces:
        return level
    face = faces.level_of(said.faces)
    opposite = (level.level > 3 and face < 2.5) or (level.level < 3 and face >= 4)
    return level._replace(sure=False) if opposite else level


def _agree(level: float, score: float, question: Question) -> bool:
    """Do a level word and a number say about the same?"""
    return abs(scales.of_level(question.scale, level) - score) <= scales.ENDS[question.scale][1] * 0.55


def _offered(said: Message, question: Question) -> Rating | None:
    """A reply that is one of the words that were offered gets its place."""
    if not question.levels:
        return None
    words = bare(said.wordless)
    for place, word in enumerate(question.levels):
        if words == bare(word):
            score = scales.of_place(question, place)
            return Rating(score, confidence=0.99, because=f"offered word {word}", words=word, whole=True)
    return None


def _yes_or_no(said: Message) -> Rating:
    first = next(iter(clauses_of(said.wordless)), "")
    for candidate in (bare(said.wordless), bare(first)):
        for language in ("zh", "en"):
            spec = load(language)["yesno"]
            if candidate in words_of(spec["no"]):
                return Rating(0, confidence=0.97, because=f"no: {candidate}", words=candidate)
            if candidate in words_of(spec["yes"]):
                return Rating(1, confidence=0.97, because=f"yes: {candidate}", words=candidate)
    return NO_RATING


def level_of(said: Message) -> levels.Level | None:
    """The level word of a reply; an "ok" that only acknowledges is none."""
    clauses = clauses_of(said.wordless)
    found = levels.find(clauses, "zh") if said.han else None
    if found is None and said.han and " " in said.text:
        found = _headed(said)
    if found is None and said.words:
        found = levels.find(clauses, "en")
    if found is None and not said.han and levels.knows(said.latin, "zh"):
        found = levels.find(clauses, "zh")
    if found is not None and found.whole and _only_acknowledges(said, found):
        return None
    return found


def _says_how_much(said: Message) -> bool:
    """ "一百个满意": the number belongs to the level word."""
    level = level_of(said) if said.han else None
    return level is not None and level.whole


def _headed(said: Message) -> levels.Level | None:
    """ "一般 等位太久": what stands before the first blank is a clause of its own when it rates."""
    head = said.text.split(" ", 1)[0]
    may_rate = len(head) <= _LONGEST_HEAD and not head.isdigit()
    found = levels.find((head,), "zh", whole_only=True) if may_rate else None
    return found._replace(whole=False) if found is not None and found.rates else None


_LONGEST_HEAD = 6


def _only_acknowledges(said: Message, level: levels.Level) -> bool:
    if level.family in {"good", "average", "bad"}:
        return any(intents.find(said, kind, "non_answers") for kind in ("ack", "refusal"))
    return level.family == "awful" and intents.find(said, "who", "non_answers") is not None


def _of_level(level: levels.Level, question: Question) -> Rating:
    if not level.whole and not level.rates:
        return NO_RATING
    words = level.words.strip()
    if words in question.levels:
        score = scales.of_place(question, question.levels.index(words))
    else:
        score = scales.of_level(question.scale, level.level)
    sure = 0.95 if level.family in levels.SATISFIED_FAMILY else 0.85
    return Rating(
        score,
        confidence=sure if level.sure else 0.4,
        because=f"level word {words}",
        words=words,
        level=level.level,
        whole=level.whole,
    )
