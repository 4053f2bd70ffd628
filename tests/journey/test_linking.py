"""A chat is joined to a customer or to staff by a link that may be opened once, or by the writer's own number."""

import re
from datetime import timedelta

import pytest

from bot.channels.contract import SHARE_CONTACT, Flag
from bot.errors import NotFound
from bot.journey import linking, replies, sending
from bot.store import customers, links
from bot.store.tables import (
    ConsentRow,
    ContactPointRow,
    InboundRow,
    LinkRow,
    MessageRow,
    StaffRow,
    TicketRow,
)
from tests.journey.chat import CHAT, OTHER, chats, customer_link, hear, last_message, staff_link, start
from tests.journey.story import ON_SQLITE, PHONE, Story, in_session, raised, side_by_side

pytestmark = ON_SQLITE


@pytest.fixture
def shop(story: Story) -> Story:
    """A customer and a member of staff; nobody has a chat."""
    story.customer()
    story.hire("孙丽", "service", phone="+8613800001001")
    return story


# ----- links


def test_a_token_can_be_sent_in_a_link_and_is_kept_as_a_hash_alone(shop: Story) -> None:
    token = customer_link(shop)
    assert re.fullmatch(r"[A-Za-z0-9_-]{16}", token)
    row = shop.one(LinkRow)
    assert token not in (row.token_hash, row.address)
    assert row.expires_at - row.created_at == timedelta(hours=24)


def test_two_tokens_are_never_the_same(shop: Story) -> None:
    assert customer_link(shop) != customer_link(shop)


def test_nobody_gets_a_link_who_is_not_there(shop: Story) -> None:
    with pytest.raises(NotFound):
        customer_link(shop, 99)
    with pytest.raises(NotFound):
        staff_link(shop, 99)


def test_a_customer_opens_their_link_and_is_told_so(shop: Story) -> None:
    start(shop, customer_link(shop))
    assert chats(shop) == [CHAT]
    (text,) = shop.texts(CHAT)
    assert "已经与青禾商贸关联" in text
    assert "李" not in text, "the answer tells nothing about the customer"
    assert "linked: telegram by a link" in shop.told()


def test_a_linked_customer_is_asked_in_the_chat_and_answers_there(shop: Story) -> None:
    start(shop, customer_link(shop))
    hear(shop, "你们太差了，我要投诉")
    assert len(shop.rows(TicketRow)) == 1
    assert "抱歉" in shop.texts(CHAT)[-1]


def test_a_second_opener_cannot_take_the_link_over(shop: Story) -> None:
    token = customer_link(shop)
    start(shop, token)
    start(shop, token, OTHER)
    assert chats(shop) == [CHAT]
    assert "不能用了" in shop.texts(OTHER)[-1]
    assert "ignored: a link was not opened: another chat had opened it" in shop.told()


def test_who_tries_a_used_link_again_and_again_is_answered_once(shop: Story) -> None:
    token = customer_link(shop)
    start(shop, token)
    for _ in range(3):
        start(shop, token, OTHER)
    assert len(shop.texts(OTHER)) == 1


def test_the_same_chat_may_open_its_link_again(shop: Story) -> None:
    token = customer_link(shop)
    start(shop, token)
    shop.later(days=2)
    start(shop, token)
    assert chats(shop) == [CHAT]
    assert len(shop.rows(ContactPointRow, channel="telegram")) == 1
    assert "已经与" in shop.texts(CHAT)[-1]


def test_a_link_expires_after_a_day(shop: Story) -> None:
    token = customer_link(shop)
    shop.later(hours=24)
    start(shop, token)
    assert chats(shop) == []
    assert "ignored: a link was not opened: it had expired" in shop.told()
    assert last_message(shop).buttons[0][0][1] == SHARE_CONTACT


def test_a_chat_of_one_customer_is_not_moved_to_another(shop: Story) -> None:
    second = shop.customer("c2", "+8613900000002")
    start(shop, customer_link(shop))
    token = customer_link(shop, second)
    start(shop, token)
    assert (chats(shop), chats(shop, second)) == ([CHAT], [])
    # and the link still waits for the one it was made for
    start(shop, token, OTHER)
    assert chats(shop, second) == [OTHER]


def test_a_link_for_another_channel_opens_nothing_here(shop: Story) -> None:
    token = linking.make_link(shop.runtime, channel="whatsapp", customer_id=1)
    start(shop, token)
    assert chats(shop) == []


def test_two_chats_that_open_one_link_at_once_have_one_winner(shop: Story) -> None:
    # given eight chats whose taps wait to be read
    token = customer_link(shop)
    openers = [str(5000 + number) for number in range(8)]
    for chat in openers:
        start(shop, token, chat, read=False)
    waiting = [row.id for row in shop.rows(InboundRow)]

    # when eight readers take one each
    outcomes = side_by_side(*[lambda row_id=each: replies._read_one(shop.runtime, row_id) for each in waiting])

    # then one has the chat, and the others are told that the link is gone
    assert not raised(outcomes)
    (winner,) = chats(shop)
    shop.work()
    assert sum("不能用了" in text for chat in openers for text in shop.texts(chat)) == 7
    assert "已经与" in shop.texts(winner)[0]


def test_a_link_is_used_by_one_of_many_at_once(shop: Story) -> None:
    staff_link(shop)

    def use(chat: str) -> bool:
        won: bool = in_session(shop.runtime, links.use, 1, chat, shop.clock.now())
        return won

    outcomes = side_by_side(*[lambda chat=str(number): use(chat) for number in range(8)])
    assert not raised(outcomes)
    assert outcomes.count(True) == 1
    assert shop.one(LinkRow).address == str(outcomes.index(True))


# ----- staff


def test_a_member_of_staff_opens_their_link(shop: Story) -> None:
    start(shop, staff_link(shop))
    assert shop.one(StaffRow).chat == CHAT
    assert "提醒会发到这里" in shop.texts(CHAT)[0]


def test_a_second_opener_does_not_become_staff(shop: Story) -> None:
    token = staff_link(shop)
    start(shop, token)
    start(shop, token, OTHER)
    assert shop.one(StaffRow).chat == CHAT
    shop.unhappy()
    hear(shop, "claim 1", OTHER)
    assert shop.ticket().state == "open"


def test_who_has_left_the_house_opens_nothing(shop: Story) -> None:
    token = staff_link(shop)
    with shop.runtime.db.write() as session:
        row = session.get(StaffRow, 1)
        assert row is not None
        row.active = False
    start(shop, token)
    assert shop.one(StaffRow).chat is None


def test_the_chat_of_one_member_is_not_moved_to_another(shop: Story) -> None:
    second = shop.hire("周强", "supervisor", phone="+8613800001002")
    start(shop, staff_link(shop))
    start(shop, staff_link(shop, second))
    assert [row.chat for row in shop.rows(StaffRow)] == [CHAT, None]


def test_a_chat_that_was_replaced_does_not_come_back_by_its_old_link(shop: Story) -> None:
    old = staff_link(shop)
    start(shop, old)
    start(shop, staff_link(shop), OTHER)
    start(shop, old)
    assert shop.one(StaffRow).chat == OTHER


def test_one_person_may_be_staff_and_customer_in_one_chat(shop: Story) -> None:
    start(shop, staff_link(shop))
    start(shop, customer_link(shop))
    assert shop.one(StaffRow).chat == CHAT
    assert chats(shop) == [CHAT]


# ----- a shared number


def share(story: Story, number: str, chat: str = CHAT) -> None:
    hear(story, number, chat, flag=Flag.CONTACT)


def test_a_shared_number_links_its_customer(shop: Story) -> None:
    share(shop, PHONE)
    assert chats(shop) == [CHAT]
    assert "linked: telegram by their number" in shop.told()


def test_a_shared_number_links_its_member_of_staff(shop: Story) -> None:
    share(shop, "+8613800001001")
    assert shop.one(StaffRow).chat == CHAT


def test_a_shared_number_links_both_that_one_person_is(shop: Story) -> None:
    shop.hire("李敏", "manager", phone=PHONE)
    share(shop, PHONE)
    assert chats(shop) == [CHAT]
    assert shop.one(StaffRow, name="李敏").chat == CHAT


def test_an_unknown_number_is_answered_once_and_told_nothing(shop: Story) -> None:
    share(shop, "+8613911111111")
    share(shop, "+8613911111111")
    (text,) = shop.texts(CHAT)
    assert "没能关联" in text
    assert shop.rows(ContactPointRow, channel="telegram") == []


def test_a_number_that_was_said_to_be_somebody_elses_links_nobody(shop: Story) -> None:
    with shop.runtime.db.write() as session:
        customers.suppress_address(session, "sms", PHONE, shop.clock.now(), "says that the number is not theirs")
    share(shop, PHONE)
    assert chats(shop) == []


def test_a_chat_of_another_customer_shares_a_number_in_vain(shop: Story) -> None:
    second = shop.customer("c2", "+8613900000002")
    start(shop, customer_link(shop, second))
    share(shop, PHONE)
    assert (chats(shop), chats(shop, second)) == ([], [CHAT])


# ----- strangers


def test_a_stranger_gets_one_hint_a_day_with_the_button_to_share(shop: Story) -> None:
    start(shop)
    start(shop, "no-such-token-00")
    hear(shop, "你好")
    (text,) = shop.texts(CHAT)
    assert "关联这个聊天" in text
    assert last_message(shop).buttons == [[["分享我的号码", SHARE_CONTACT]]]
    shop.later(hours=23, minutes=59)
    hear(shop, "在吗")
    assert len(shop.texts(CHAT)) == 1
    shop.later(minutes=1)
    hear(shop, "在吗")
    assert len(shop.texts(CHAT)) == 2


def test_what_a_stranger_writes_is_kept_for_a_person(shop: Story) -> None:
    start(shop)
    hear(shop, "你好，我是谁？")
    assert shop.states(InboundRow) == ["read", "person"]
    assert "held: a message from an unknown address" in shop.told()


def test_readers_at_once_give_a_stranger_one_hint(shop: Story) -> None:
    for _ in range(4):
        hear(shop, "你好", read=False)
    waiting = [row.id for row in shop.rows(InboundRow)]
    outcomes = side_by_side(*[lambda row_id=each: replies._read_one(shop.runtime, row_id) for each in waiting])
    assert not raised(outcomes)
    assert len(shop.rows(MessageRow, address=CHAT)) == 1


def test_a_stranger_hears_the_same_whoever_is_known_here(shop: Story) -> None:
    second = shop.customer("c2", "+8613900000002", telegram="9001")
    assert second
    start(shop)
    start(shop, chat=OTHER)
    assert shop.texts(CHAT) == shop.texts(OTHER)


# ----- leaving and coming back


@pytest.fixture
def linked(shop: Story) -> Story:
    """The customer's chat is linked, and was told so."""
    start(shop, customer_link(shop))
    return shop


def test_stop_in_the_chat_ends_this_channel_alone_and_is_answered_once(linked: Story) -> None:
    hear(linked, "/stop", flag=Flag.LEFT)
    assert chats(linked) == []
    assert "不再往这个聊天发消息" in linked.texts(CHAT)[-1]
    person = linked.person()
    assert person.opted_out_at is None
    row = linked.rows(ConsentRow)[-1]
    assert (row.action, row.scope, row.source, row.note) == ("withdrawn", "channel", "reply", "left telegram")

    # when they say it again, nothing is said twice
    before = len(linked.texts(CHAT))
    hear(linked, "/stop", flag=Flag.LEFT)
    assert len(linked.texts(CHAT)) == before
    assert len(linked.rows(ConsentRow)) == 1


def test_who_blocked_the_bot_is_not_answered(linked: Story) -> None:
    before = len(linked.texts(CHAT))
    hear(linked, flag=Flag.LEFT)
    assert chats(linked) == []
    assert len(linked.texts(CHAT)) == before
    assert linked.rows(ConsentRow)[-1].source == "provider"


def test_what_waits_for_a_chat_that_is_left_is_taken_back_and_listed(story: Story) -> None:
    # given a customer without a phone, whose survey waits in the outbox
    story.customer(phone="", telegram=CHAT)
    story.at("2026-11-02 12:00")
    story.purchase()
    story.at("2026-11-09 09:00")
    sending.set_stopped(story.runtime, "郑总", stopped=True)
    story.work()
    assert story.states(MessageRow) == ["ready"]

    # when they leave
    hear(story, flag=Flag.LEFT)

    # then it is not sent, and a person sees that they cannot be reached
    assert story.states(MessageRow) == ["suppressed"]
    assert story.follow_up("purchase").state == "unreachable"
    assert story.survey().state == "withdrawn"
    assert "unreachable: left this channel" in story.told()


def test_a_notice_for_a_chat_that_is_left_goes_by_phone(shop: Story) -> None:
    start(shop, staff_link(shop))
    shop.asked()
    shop.reply("2 等太久了", read=False)
    sending.set_stopped(shop.runtime, "郑总", stopped=True)
    shop.work()
    hear(shop, flag=Flag.LEFT)
    sending.set_stopped(shop.runtime, "郑总", stopped=False)
    shop.work()
    assert len(shop.texts(CHAT)) == 1, "only the word that the chat was linked"
    assert "请回电" in shop.texts("+8613800001001")[0]


@pytest.mark.parametrize("flag", [Flag.START, Flag.CAME_BACK])
def test_who_comes_back_is_reached_there_again(linked: Story, flag: Flag) -> None:
    hear(linked, "/stop", flag=Flag.LEFT)
    hear(linked, flag=flag)
    assert chats(linked) == [CHAT]
    row = linked.rows(ConsentRow)[-1]
    assert (row.action, row.scope, row.note) == ("given", "channel", "came back to telegram")
    assert linked.person().marketing_consent_at is None


def test_coming_back_ends_no_other_opt_out(linked: Story) -> None:
    hear(linked, "退订")
    hear(linked, "/stop", flag=Flag.LEFT)
    start(linked)
    assert chats(linked) == [CHAT]
    assert linked.person().opted_out_at is not None


def test_who_said_that_it_is_not_theirs_stays_left_alone(linked: Story) -> None:
    hear(linked, "打错了，我不是李敏，没买过东西")
    assert chats(linked) == []
    start(linked)
    assert chats(linked) == []


def test_staff_who_leave_are_reached_by_phone_again(shop: Story) -> None:
    start(shop, staff_link(shop))
    hear(shop, "/stop", flag=Flag.LEFT)
    assert shop.one(StaffRow).chat is None
    assert "短信" in shop.texts(CHAT)[-1]
    shop.unhappy()
    assert len(shop.texts("+8613800001001")) == 1


@pytest.mark.parametrize("flag", [Flag.LEFT, Flag.CAME_BACK])
def test_a_stranger_who_comes_and_goes_changes_nothing(shop: Story, flag: Flag) -> None:
    hear(shop, flag=flag)
    assert shop.states(InboundRow) == ["read"]
    assert shop.texts(CHAT) == []
    assert shop.rows(ConsentRow) == []
