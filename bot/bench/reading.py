"""How many replies are read in a second, by words and rules alone and with the model, on one core."""

import json
from collections.abc import Iterator
from importlib import resources

from bot.bench.measure import peak_megabytes, seconds
from messages.reading import Question, Scale, read


def bench_reading(size: int = 0) -> Iterator[str]:
    """Lines of figures for `size` readings (default 10,000) of the demonstration's labelled replies, by turns."""
    size = size or 10_000
    text = resources.files("bot.town").joinpath("data", "replies.jsonl").read_text(encoding="utf-8")
    rows = [json.loads(line) for line in text.splitlines()]
    asked = [
        (
            row["text"],
            Question(Scale(row["question_scale"]), language=row["lang"], n_questions=row.get("n_questions", 1)),
        )
        for row in rows
    ]
    yield f"reading: {len(asked)} different replies, {size:,} readings"
    for name, with_model in (("words and rules", False), ("with the model", True)):
        for reply, question in asked:
            read(reply, question, with_model=with_model)
        begun = seconds()
        for number in range(size):
            reply, question = asked[number % len(asked)]
            read(reply, question, with_model=with_model)
        took = seconds() - begun
        yield f"  {name}: {size / took:,.0f}/s"
    yield f"  peak {peak_megabytes():.0f} MB; promise: 20,000/s by words and rules, 4,000/s with the model"
