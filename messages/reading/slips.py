"""Slips of the thumb in the words that rate: "satsified", "exellent", "avergae" are read as what was meant.

Each word under `mistyped` of words/en.yaml is written in all the ways one slip makes of it, once, when the words are
loaded; so a reply costs one look-up for each of its words. Words that are short, or one slip away from another word,
stay out of that list.
"""

from collections.abc import Iterator, Mapping
from functools import cache

from messages.reading.lexicon import load, words_of

_VOWELS = "aeiou"
_LONG = 7  # "apt" is no slip of "appt"


@cache
def spellings() -> Mapping[str, str]:
    """What is read instead: the spellings of the word file, and the slips of its mistyped words."""
    words = load("en")
    listed: dict[str, str] = words["spellings"]
    meant = dict.fromkeys(words_of(words["mistyped"]))
    table = {slip: word for word in meant for slip in _slips(word)}
    table |= {
        slip: word for known, word in listed.items() if word in meant and len(known) >= _LONG for slip in _slips(known)
    }
    return {**{slip: word for slip, word in table.items() if slip not in meant}, **listed}


def _slips(word: str) -> Iterator[str]:
    """A letter left out, doubled or not doubled, two swapped, one vowel for another; the first letter stands."""
    for at in range(1, len(word)):
        before, letter, after = word[:at], word[at], word[at + 1 :]
        yield before + letter + letter + after
        if after:
            yield before + after
            yield before + after[0] + letter + after[1:]
        if letter in _VOWELS:
            yield from (before + vowel + after for vowel in _VOWELS if vowel != letter)
