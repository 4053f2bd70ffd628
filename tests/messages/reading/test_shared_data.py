"""Figures on real messages and reviews that may not be copied into the project.

They are read from the folder named by HUIFANG_SHARED_DATA; without it these tests are skipped and say so.
"""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from messages.reading.evaluate import read_strangers, sentiment_f1

SHARED = os.environ.get("HUIFANG_SHARED_DATA", "")
pytestmark = pytest.mark.skipif(not SHARED, reason="HUIFANG_SHARED_DATA names no folder with the shared data")


def rows(name: str) -> list[dict[str, Any]]:
    lines = (Path(SHARED) / name).read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


@pytest.mark.parametrize("language", ["zh", "en"])
def test_real_messages_are_hardly_ever_taken_for_opt_outs_or_scores(language: str) -> None:
    told = read_strangers([row["text"] for row in rows(f"sms_neg_{language}.jsonl")], language)

    assert len(told.false_opt_outs) <= told.messages / 2_000, told.false_opt_outs
    assert len(told.false_scores) <= told.messages / 100, told.false_scores


@pytest.mark.parametrize("language", ["zh", "en"])
def test_reviews_are_felt_as_their_writers_felt(language: str) -> None:
    assert sentiment_f1(rows(f"reviews_{language}.jsonl")) >= 0.88
