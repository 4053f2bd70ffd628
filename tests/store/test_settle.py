"""What calls came to, written into many messages at once, and for which of them that was news."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from bot.store import messages
from bot.store.db import Database
from bot.store.messages import Result
from bot.store.tables import MessageRow
from flows.states import MessageState
from tests.store.conftest import NOW, stored

LATER = NOW + timedelta(seconds=30)


@pytest.fixture
def sent(add: Callable[..., Any]) -> Callable[..., int]:
    """The id of a message whose first attempt is under way, unless something else is said of it."""
    count = 0

    def put(**known: Any) -> int:
        nonlocal count
        count += 1
        values = {"state": "sending", "attempts": 1, "retry_at": LATER, "dedupe_key": f"k{count}", **known}
        return int(add(MessageRow, **values).id)

    return put


def settle(db: Database, *results: Result) -> set[int]:
    with db.write() as session:
        return messages.settle(session, results)


def accepted(message_id: int, number: int = 1, state: MessageState = MessageState.ACCEPTED) -> Result:
    return Result(message_id, f"attempt {number}", number, state, "accepted", f"SM{message_id}", sent_at=NOW)


def test_each_message_gets_what_its_own_call_came_to(db: Database, sent: Callable[..., int]) -> None:
    # given four calls that came to four different things
    taken, refused, unsent, doubtful = (sent() for _ in range(4))

    # when they are settled together
    news = settle(
        db,
        accepted(taken),
        Result(refused, "b", 1, MessageState.FAILED, "refused", error="no 'such' number\x00\ud83d"),
        Result(unsent, "c", 1, MessageState.READY, "not_sent", error="busy", retry_at=LATER),
        Result(doubtful, "d", 1, MessageState.UNKNOWN, "unknown", error="timeout", retry_at=LATER),
    )

    # then all of it is news, and each row says its own
    assert news == {taken, refused, unsent, doubtful}
    rows = [stored(db, MessageRow, each) for each in (taken, refused, unsent, doubtful)]
    assert [(row.state, row.provider_id, row.retry_at, row.sent_at) for row in rows] == [
        ("accepted", f"SM{taken}", None, NOW),
        ("failed", None, None, None),
        ("ready", None, LATER, None),
        ("unknown", None, LATER, None),
    ]
    assert rows[0].reason == ""
    assert rows[1].reason.startswith("no 'such' number")
    assert [row.reason for row in rows[2:]] == ["busy", "timeout"]


def test_what_one_call_does_not_say_stays_as_it_is(db: Database, sent: Callable[..., int]) -> None:
    # given two that are tried again, of which one gives no reason
    silent, telling = sent(reason="every 1q", provider_id="SM9"), sent()
    settle(
        db,
        Result(silent, "a", 1, MessageState.READY, "not_sent", retry_at=LATER),
        Result(telling, "b", 1, MessageState.READY, "not_sent", error="busy", retry_at=LATER),
    )
    row = stored(db, MessageRow, silent)
    assert (row.reason, row.provider_id) == ("every 1q", "SM9")


@pytest.mark.parametrize("state", ["ready", "sending", "unknown", "held"])
def test_proof_is_news_wherever_there_was_none(db: Database, sent: Callable[..., int], state: str) -> None:
    # whatever number its attempt has: a sender may have stood still until a new one was under way
    message = sent(state=state, attempts=2)
    assert settle(db, accepted(message, number=1)) == {message}
    assert stored(db, MessageRow, message).state == "accepted"


def test_proof_of_what_is_proven_is_no_news_but_may_raise_the_state(db: Database, sent: Callable[..., int]) -> None:
    # given what a receipt or a look-up has settled before its call came back
    risen, arrived = sent(state="accepted", provider_id="SM9"), sent(state="delivered", sent_at=LATER)

    # when the calls say that they were taken, and one of them that it arrived
    news = settle(db, accepted(risen, state=MessageState.DELIVERED), accepted(arrived))

    # then nobody acts on it again: one row rises, the other stays as it is
    assert news == set()
    assert stored(db, MessageRow, risen).state == "delivered"
    row = stored(db, MessageRow, arrived)
    assert (row.state, row.provider_id, row.sent_at) == ("delivered", None, LATER)


@pytest.mark.parametrize(
    "known",
    [
        {"state": "accepted"},
        {"state": "held"},
        {"state": "ready"},
        {"attempts": 2},
        {"state": "unknown", "attempts": 2},
    ],
    ids=["proven since", "held since", "given back since", "a new attempt", "a new attempt in doubt"],
)
@pytest.mark.parametrize("target", [MessageState.READY, MessageState.FAILED, MessageState.UNKNOWN])
def test_old_news_changes_nothing(
    db: Database, sent: Callable[..., int], known: dict[str, Any], target: MessageState
) -> None:
    # given a sender that stood still beyond its lease, while others took over
    message = sent(**known)
    before = stored(db, MessageRow, message)

    # when it says at last that its own attempt sent nothing, was refused, or came to nobody knows what
    late = Result(message, "a", 1, target, "late", error="too late", retry_at=NOW)

    # then its message is as it was
    assert settle(db, late) == set()
    assert stored(db, MessageRow, message) == before
