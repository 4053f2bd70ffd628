"""A customer who is annoyed by us (R83), and one who wants no more messages (R84): which of the two is it?

"Stop calling all day" refuses calls: messages go on, half as often. "Stop calling, unsubscribe me" ends them.
What follows: survey.py.
"""

import re
from collections.abc import Mapping
from dataclasses import replace

from flows.program import Program
from flows.score import topic_of
from messages.reading import Category, Intent, Question, Reading, read
from messages.reading.normalise import clauses_of, fold

ANNOYED = "annoyed"
"""The flag of a reply with the program's words of annoyance, and the kind of one that says nothing else."""
_BY_THEMSELVES = frozenset({Intent.SCORE, Intent.CALLBACK, Intent.WRONG_PERSON})


def words_of_annoyance(program: Program) -> tuple[str, ...]:
    """In every language."""
    replies = program.replies
    return (*_all(replies.annoyed_by_calls), *_all(replies.annoyed))


def apart_from_annoyance(program: Program, reading: Reading, text: str, question: Question) -> Reading:
    """What a reply says that has words of annoyance: an opt-out, something else beside them, or nothing but annoyance.

    An opt-out stays one unless it refuses nothing but calls. A complaint or a question counts where it names a topic of
    the program: "fed up" is no other complaint, and nobody is called for it.
    """
    if ANNOYED not in reading.flags:
        return reading
    rest_of_it = _without(text, words_of_annoyance(program))
    rest = read(rest_of_it, question)
    asks_more = rest.category is Category.COMPLAINT or rest.kind == "question"
    more = asks_more and topic_of(program, rest_of_it) is not None
    if reading.intent is Intent.OPT_OUT and _opts_out(_without(text, _all(program.replies.annoyed_by_calls)), question):
        return reading if more else replace(reading, category=None, categories=())
    if rest.intent in _BY_THEMSELVES or more:
        return replace(rest, flags=reading.flags, because=("words of annoyance", *rest.because))
    return Reading(
        intent=Intent.COMMENT,
        kind=ANNOYED,
        polarity=reading.polarity,
        category=Category.COMPLAINT,
        categories=(Category.COMPLAINT,),
        confidence=reading.confidence,
        flags=reading.flags,
        because=("words of annoyance", *reading.because),
    )


def _opts_out(text: str, question: Question) -> bool:
    """As a whole, or in a word that stands apart: "..., T"."""
    apart = (word for clause in clauses_of(fold(text)) for word in clause.split())
    return any(read(part, question).intent is Intent.OPT_OUT for part in (text, *apart))


def _all(words: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(word for known in words.values() for word in known)


def _without(text: str, words: tuple[str, ...]) -> str:
    """The text with a blank in place of these words."""
    longest_first = sorted(words, key=len, reverse=True)
    return re.sub("|".join(map(re.escape, longest_first)), " ", text, flags=re.IGNORECASE) if words else text
