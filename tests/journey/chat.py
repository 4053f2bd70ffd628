"""Words in which tests tell of chats: somebody opens the bot, taps a button, shares a number, leaves.

Not a test itself; phones speak in story.py.
"""

from itertools import count

from bot.channels.contract import Flag, Received
from bot.journey import inbox, linking
from bot.store.tables import ContactPointRow, MessageRow
from tests.journey.story import Story

CHAT, OTHER = "4711", "4712"
_numbers = count()


def hear(
    story: Story,
    body: str = "",
    chat: str = CHAT,
    *,
    flag: Flag = Flag.NONE,
    tapped: str = "",
    media: int = 0,
    channel: str = "telegram",
    read: bool = True,
) -> None:
    """Something comes from a chat, or another channel, as its provider understood it."""
    received = Received(
        provider=channel,
        provider_message_id=f"u{next(_numbers)}",
        channel=channel,
        from_address=chat,
        body=body,
        flag=flag,
        tapped=tapped,
        media=media,
    )
    assert inbox.receive(story.runtime, received)
    if read:
        story.work()


def start(story: Story, token: str = "", chat: str = CHAT, *, read: bool = True) -> None:
    hear(story, token, chat, flag=Flag.START, read=read)


def customer_link(story: Story, customer_id: int = 1) -> str:
    return linking.make_link(story.runtime, channel="telegram", customer_id=customer_id)


def staff_link(story: Story, staff_id: int = 1) -> str:
    return linking.make_link(story.runtime, channel="telegram", staff_id=staff_id)


def chats(story: Story, customer_id: int = 1) -> list[str]:
    """The chats of a customer that are in use."""
    points = story.rows(ContactPointRow, customer_id=customer_id, channel="telegram")
    return [point.address for point in points if point.suppressed_at is None]


def last_message(story: Story, chat: str = CHAT) -> MessageRow:
    row: MessageRow = story.rows(MessageRow, channel="telegram", address=chat)[-1]
    return row
