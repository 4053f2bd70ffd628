"""What never got its last receipt is asked for it: some are always lost on the way."""

import asyncio

import pytest

from bot.channels.contract import Accepted, Receipt, Refused
from bot.journey import receipts
from bot.store.tables import FollowUpRow, MessageRow
from tests.journey.provider import Exchange
from tests.journey.story import Story


class Told(Exchange):
    """A provider that is asked about its messages."""

    says: str = "delivered"
    asked = 0

    async def look_up(self, provider_id: str, attempt_id: str) -> Receipt | None:
        self.asked += 1
        if self.says == "silent":
            raise ConnectionError
        if self.says == "unknown":
            return None
        refused = Refused("30005 unknown number", suppress=True) if self.says == "undelivered" else None
        return Receipt(attempt_id, provider_id, self.says, refused)  # type: ignore[arg-type]


@pytest.fixture
def provider(story: Story) -> Told:
    """A survey was accepted at nine, and no receipt has come."""
    provider = Told(story, answer=lambda _: Accepted("SM1"))
    story.customer()
    story.at("2026-11-02 12:00")
    story.purchase()
    story.at("2026-11-09 09:00")
    story.work()
    assert story.states() == ["accepted"]
    return provider


def chase(story: Story) -> int:
    return asyncio.run(receipts.chase_receipts(story.runtime))


def test_nobody_is_asked_within_the_first_hour(story: Story, provider: Told) -> None:
    story.later(minutes=59)
    assert chase(story) == 0
    assert provider.asked == 0


def test_the_last_word_is_asked_for_and_believed(story: Story, provider: Told) -> None:
    story.later(minutes=61)
    assert chase(story) == 1
    assert story.states() == ["delivered"]
    assert chase(story) == 0
    assert provider.asked == 1


def test_a_failure_that_nobody_told_is_followed_up(story: Story, provider: Told) -> None:
    provider.says = "undelivered"
    story.later(minutes=61)
    assert chase(story) == 1
    assert story.states(MessageRow) == ["undelivered"]
    assert story.states(FollowUpRow, flow="purchase") == ["unreachable"]


@pytest.mark.parametrize("says", ["silent", "unknown", "accepted"])
def test_without_news_it_is_asked_again_in_an_hour_and_not_for_ever(story: Story, provider: Told, says: str) -> None:
    provider.says = says
    story.later(minutes=61)
    assert chase(story) == 0
    assert chase(story) == 0
    assert provider.asked == 1
    story.later(minutes=61)
    assert chase(story) == 0
    assert provider.asked == 2
    story.later(days=4)
    assert chase(story) == 0
    assert provider.asked == 2
    assert story.states() == ["accepted"]
