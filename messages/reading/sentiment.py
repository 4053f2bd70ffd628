"""How a free text feels, where words and rules do not decide: a small linear model over pieces of the text.

The weights are package data (`words/sentiment.<language>.gz`, made by tools/train_sentiment.py, described in
words/sentiment.md). The sum of the weights of all pieces, rare ones counting more, is the answer; the pieces that
weighed most are its reasons. The model never overrules a stated rating.
"""

import gzip
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import pairwise
from math import log1p, sqrt, tanh

from messages.reading.feelings import Felt

LANGUAGES = ("zh", "en")
_MOST_READ = 1_200
_TOKENS = re.compile(r"[a-z]+|[0-9]+|[!?]|[^\x00-\x7f]")
_DIGITS = re.compile(r"\d+")
_BLANKS = re.compile(r"\s+")
_STOPS = re.compile(r"[,.。!;?，、:~()]+")
_GAPS = (2, 3, 4)
_MOST_PAIRED = 300  # pairs cost most, and few replies are longer


@dataclass(frozen=True, slots=True)
class Feeling:
    """-1 very negative .. 1 very positive, and the pieces of text that weighed most."""

    polarity: float
    because: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Model:
    """For each piece its weight (in units of `scale`) and how rare it is, packed in one whole number to save memory;
    `#...` are weights of what the rules found."""

    bias: float
    scale: float
    packed: Mapping[str, int]


_RARITY_BITS = 8
_RARITY = (1 << _RARITY_BITS) - 1


def pieces(text: str, language: str) -> set[str]:
    """What the model looks at.

    Chinese: runs of 1 to 4 characters, and pairs a little apart in one clause (不…好).
    English: runs of 1 to 3 words, and parts of words.
    """
    text = text[:_MOST_READ]
    return _runs_and_pairs(text) if language == "zh" else _words_and_parts(text)


def _runs_and_pairs(text: str) -> set[str]:
    text = _DIGITS.sub("0", _BLANKS.sub("", text))
    size = len(text)
    found = set(text)
    for length in (2, 3, 4):
        found.update([text[at : at + length] for at in range(size - length + 1)])
    for clause in _STOPS.split(text[:_MOST_PAIRED]):
        for gap in _GAPS:
            found.update(map("…".join, zip(clause, clause[gap:], strict=False)))
    return found


def _words_and_parts(text: str) -> set[str]:
    words = _TOKENS.findall(_DIGITS.sub("0", text))
    found = set(words)
    found.update([f"{a} {b}" for a, b in pairwise(words)])
    found.update([f"{a} {b} {c}" for a, b, c in zip(words, words[1:], words[2:], strict=False)])
    for word in set(words):
        part = f"_{word}_"
        size = len(part)
        for length in (3, 4, 5):
            found.update([part[at : at + length] for at in range(size - length + 1)])
    return found


def marks(felt: Felt) -> dict[str, float]:
    """What words and rules found, as numbers for the model."""
    praise, complaint = len(felt.praise), len(felt.complaint)
    values = {
        "#praise": log1p(praise),
        "#complaint": log1p(complaint),
        "#balance": tanh(praise - complaint),
        "#share": (praise - complaint) / (praise + complaint + 1),
        "#only praise": float(praise > 0 and not complaint),
        "#only complaint": float(complaint > 0 and not praise),
        "#wish": float(felt.wish is not None),
        "#sarcasm": float(felt.sarcastic),
    }
    return {name: value for name, value in values.items() if value}


@cache
def model(language: str) -> Model | None:
    """The shipped weights of a language, or None where there are none."""
    path = files("messages.reading") / "words" / f"sentiment.{language}.gz"
    if not path.is_file():
        return None
    return read_model(gzip.decompress(path.read_bytes()).decode("utf-8").splitlines())


def read_model(lines: Sequence[str]) -> Model:
    """A line with scale and bias, then weight, rarity and piece on each line."""
    scale, bias = (float(value) for value in lines[0].split("\t"))
    packed = {}
    for line in lines[1:]:
        weight, rarity, piece = line.split("\t", 2)
        packed[piece] = int(weight) << _RARITY_BITS | int(rarity)
    return Model(bias, scale, packed)


def weigh(trained: Model, found: set[str], found_marks: Mapping[str, float]) -> tuple[float, list[tuple[int, str]]]:
    """The sum for and against, and what each known piece adds to it before scaling."""
    packed = trained.packed
    known = [(packed[piece], piece) for piece in found if piece in packed]
    length = sqrt(sum((both & _RARITY) ** 2 for both, _ in known)) or 1.0
    parts = [((both >> _RARITY_BITS) * (both & _RARITY), piece) for both, piece in known]
    total = trained.bias + trained.scale * sum(part for part, _ in parts) / length
    for name, value in found_marks.items():
        total += trained.scale * (packed.get(name, 0) >> _RARITY_BITS) * value
    return total, parts


def feeling_of(text: str, language: str, felt: Felt) -> Feeling | None:
    """How the text feels by the model of its language; None without a model or without a piece it knows."""
    trained = model(language)
    if trained is None or not text:
        return None
    total, parts = weigh(trained, pieces(text, language), marks(felt))
    if not parts:
        return None
    value = tanh(total)
    return Feeling(round(value, 3), _heaviest(sorted(parts), value))


def _heaviest(known: list[tuple[int, str]], value: float) -> tuple[str, ...]:
    """Up to three pieces that pulled the way it went, none inside another."""
    ranked = reversed(known) if value > 0 else iter(known)
    chosen: list[str] = []
    for weight, piece in ranked:
        if len(chosen) == 3 or (weight > 0) != (value > 0):
            break
        if not any(piece in other or other in piece for other in chosen):
            chosen.append(piece)
    return tuple(chosen)
