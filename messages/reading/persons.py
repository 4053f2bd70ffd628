"""Does a complaint blame somebody who works for the business (R134)? "投诉你们客服", "your driver was rude".

Its words: `words/staff.yaml`. Whether the reply complains at all is for the reader to say.
"""

import re
from functools import cache

from messages.reading.lexicon import load, words_of

ABOUT_STAFF = "about_staff"
"""The flag of a reply that complains about somebody who works for the business."""


def are_blamed(text: str) -> bool:
    """Do these words, folded and of a reply that complains, blame a person?"""
    return _blame().search(text) is not None


@cache
def _blame() -> re.Pattern[str]:
    chinese, english = load("staff")["zh"], load("staff")["en"]
    who, manners, towards = (_any_of(chinese[name]) for name in ("who", "manners", "towards"))
    patterns = (
        rf"(?<!向)(?:投诉|举报)(?:{towards}){{0,4}}[^,。!?给到]{{0,4}}?(?:{who})",
        rf"(?:{who})[^,。!?]{{0,6}}?(?<![不没])(?:{manners})",
        rf"(?<![不没])(?:{_any_of(chinese['outrages'])})",
        rf"\bcomplain(?:ing|t|ed)? (?:about|against) (?:[a-z]+ ){{0,3}}?(?:{_any_of(english['who'])})\b",
        rf"\b(?:{_any_of(english['who'])}) (?:who [a-z]+ [a-z]+ )?(?:was|were|is|are|has been|have been|got) "
        rf"(?:[a-z]+ ){{0,2}}?(?<!not )(?:{_any_of(english['manners'])})\b",
        rf"\b(?:{_any_of(english['manners'])}) (?:[a-z]+ )?(?:{_any_of(english['who'])})\b",
        rf"\b(?:he|she|they) (?:was|were|is|are) (?:[a-z]+ )?(?<!not )(?:{_any_of(english['manners'])})\b",
        rf"\b(?:{_any_of(english['outrages'])}) (?:me|us|my)\b",
    )
    return re.compile("|".join(patterns))


def _any_of(words: str) -> str:
    return "|".join(sorted(words_of(words), key=len, reverse=True))
