"""What makes a content another one, so that an approval of the old one is none of the new one."""

import pytest

from flows.approval import digest_of_survey, digest_of_texts
from flows.load import load_program, override_text, shipped_program_text

SOLAR = shipped_program_text("solar")


def digest(**overrides: object) -> str:
    """The digest of the half-year's survey, with something of the program changed."""
    text = override_text(SOLAR, "solar.yaml", overrides)
    return digest_of_survey(load_program(text, "solar.yaml").surveys["satisfaction"])


@pytest.mark.parametrize(
    "edited",
    [
        {"surveys.satisfaction.questions.overall.text.zh": "您满意吗？请回复1-5"},
        {"surveys.satisfaction.questions.opinion.scale": "yesno"},
        {"surveys.satisfaction.ask": 2},
        {"surveys.satisfaction.closes_after": "21d"},
    ],
)
def test_whoever_edits_a_survey_has_another_one(edited: dict[str, object]) -> None:
    assert digest(**edited) != digest()


@pytest.mark.parametrize(
    "elsewhere",
    [
        {"surveys.satisfaction.approval.approver": "auditor"},  # who approves is no part of what is asked
        {"surveys.satisfaction.complaints": "ticket"},  # the default, now written out
        {"surveys.handled.ask": 2},
        {"cap.messages": 2},
    ],
)
def test_what_is_edited_elsewhere_leaves_it_approved(elsewhere: dict[str, object]) -> None:
    assert digest(**elsewhere) == digest()


def test_a_template_is_one_content_in_all_its_languages() -> None:
    assert digest_of_texts(["zh1", "en1"]) == digest_of_texts(["en1", "zh1"]) != digest_of_texts(["zh1", "en2"])
