"""Arithmetic of scales: ends of a scale, a level word on it, points, levels.

No words here; `levels.py` and `numbers.py` find what is put on the scale.
"""

from messages.reading.values import Question, Scale

Number = float | int

ENDS: dict[Scale, tuple[int, int]] = {
    Scale.FIVE: (1, 5),
    Scale.LEVEL5: (1, 5),
    Scale.ZERO_TO_TEN: (0, 10),
    Scale.ONE_TO_TEN: (1, 10),
    Scale.HUNDRED: (0, 100),
    Scale.YESNO: (0, 1),
    Scale.TEXT: (0, 0),
}

_POINTS_PER_STEP = {
    Scale.FIVE: 20,
    Scale.LEVEL5: 20,
    Scale.ZERO_TO_TEN: 10,
    Scale.ONE_TO_TEN: 10,
    Scale.HUNDRED: 1,
    Scale.YESNO: 100,
}


def tidy(value: float) -> Number:
    """4.0 is told as 4; halves stay."""
    rounded = round(value, 2)
    return int(rounded) if rounded == int(rounded) else rounded


def is_on(scale: Scale, value: float) -> bool:
    """Is this number a possible answer?"""
    low, high = ENDS[scale]
    return low <= value <= high and scale is not Scale.TEXT


def of_level(scale: Scale, level: float) -> Number:
    """A level 1..5 on the asked scale: lo + (L-1)/4 * (hi-lo)."""
    low, high = ENDS[scale]
    if scale is Scale.YESNO:
        return 1 if level > 3 else 0
    return tidy(low + (level - 1) / 4 * (high - low))


def of_fraction(scale: Scale, part: float, whole: float) -> Number:
    """`8/10` on the asked scale; more than the whole is the top, nothing is the bottom."""
    low, high = ENDS[scale]
    return tidy(min(high, max(low, part / whole * high)))


def of_place(question: Question, place: int) -> Number:
    """The score of the place-th offered word (0 is the best) on the asked scale."""
    last = max(1, len(question.levels) - 1)
    return of_level(question.scale, 5 - 4 * place / last)


def points_of(scale: Scale, score: float | None) -> int | None:
    """0-100: five-step scales 20 x score, 0-10 and 1-10 10 x score, 0-100 the score, yes/no 100 or 0."""
    if score is None or scale not in _POINTS_PER_STEP:
        return None
    return int(min(100, max(0, score * _POINTS_PER_STEP[scale])))


def level_of(points: int | None) -> int | None:
    """1-5 of the points; 满意 to 非常不满意 are 5 to 1."""
    return None if points is None else max(1, points // 20)


def polarity_of(scale: Scale, score: float) -> float:
    """-1 at the bottom of the scale, 0 in its middle, 1 at the top."""
    low, high = ENDS[scale]
    return 0.0 if high == low else (score - low) / (high - low) * 2 - 1
