"""Steps 3 and 4: what is due goes out once, and only while it may; every doubt ends where DESIGN section 4 says."""

import asyncio
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from bot.channels.contract import Accepted, Need, NotSent, Outcome, Outgoing, Plain, Receipt, Refused, Trace, Unknown
from bot.clock import SimulatedClock
from bot.jobs.simulated import advance
from bot.journey import enrolment, intake, occasions, receipts, replies, sending
from bot.journey.outreach import prepare_due
from bot.runtime import Runtime
from bot.store import customers, messages, settings
from bot.store.agenda import STOPPED
from bot.store.tables import (
    AttemptRow,
    ConsentRow,
    ContactPointRow,
    FollowUpRow,
    MessageRow,
    SurveyRow,
    TemplateVersionRow,
)
from flows.states import MessageState
from tests.journey.story import PHONE, Story, local, raised, side_by_side


class Provider(Plain):
    """A provider that answers as it is told, call by call, and counts what it got."""

    at_once = 64

    def __init__(self, *answers: Outcome | Exception, found: Sequence[Trace] | None = ()) -> None:
        self.name = "sms"
        self.answers = list(answers)
        self.found = found
        self.got: list[Outgoing] = []
        self._lock = threading.Lock()

    async def send(self, message: Outgoing) -> Outcome:
        with self._lock:
            self.got.append(message)
            answer = self.answers.pop(0) if self.answers else Accepted(f"p{len(self.got)}", delivered=True)
        await asyncio.sleep(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def find(self, address: str, since: datetime) -> Sequence[Trace] | None:
        return self.found


def with_provider(story: Story, provider: Provider) -> Provider:
    story.runtime.channels = {"sms": provider, "telegram": provider}
    return provider


def survey_due(story: Story) -> None:
    """A purchase a week ago: its survey is due now, Monday 9 November at nine."""
    story.customer()
    story.at("2026-11-02 12:00")
    story.purchase()
    story.at("2026-11-09 09:00")


def greeting_due(story: Story, at: str = "2027-01-01 10:00") -> None:
    """New Year's Day at ten: the greeting is due now."""
    story.customer()
    story.at("2026-12-31 12:00")
    occasions.plan_occasions(story.runtime)
    story.at(at)


def attempts(story: Story) -> list[AttemptRow]:
    """The calls in the order in which they were made; their ids are random."""
    return sorted(story.rows(AttemptRow), key=lambda row: row.number)


def told(story: Story, attempt_id: str, state: MessageState, error: str = "") -> bool:
    """A receipt comes; did it change anything?"""
    refused = Refused(error) if error else None
    return bool(receipts.note_receipts(story.runtime, [Receipt(attempt_id, "SM1", str(state), refused)]))  # type: ignore[arg-type]


# ----- the happy way


def test_a_survey_goes_out_once_with_its_link(story: Story) -> None:
    # given a survey that is due
    survey_due(story)

    # when the house works, again and again
    for _ in range(3):
        story.work()

    # then one text arrived, with the customer's name, the thing bought and the survey's own link
    (text,) = story.texts()
    assert "李女士" in text
    assert "电饭煲" in text
    assert f"/s/{story.survey().token}" in text
    assert story.states() == ["delivered"]
    assert story.follow_up("purchase").state == "sent"
    assert story.follow_up("purchase").sent_at == story.clock.now()


def test_where_nobody_reads_answers_a_survey_asks_for_none(story: Story) -> None:
    # given a channel that brings links, and nothing back
    class OneWay(Provider):
        def objection(self, address: str, needs: frozenset[Need]) -> str | None:
            return "nobody reads it" if Need.REPLY in needs and Need.LINK not in needs else None

    survey_due(story)
    provider = with_provider(story, OneWay())

    # when the survey is sent
    story.work()

    # then it names the question and the link, and neither a score to reply nor a word to reply
    (message,) = provider.got
    assert "您对这次购物满意吗\n" in message.body.replace("？", "")
    assert f"/s/{story.survey().token}" in message.body
    assert "不再接收" in message.body
    assert "回复" not in message.body
    assert "回T" not in message.body


def test_every_call_leaves_an_attempt_before_it_is_made(story: Story) -> None:
    # given a provider that looks into the house's books while it is called
    survey_due(story)
    seen: list[tuple[str, str]] = []

    class Curious(Provider):
        async def send(self, message: Outgoing) -> Outcome:
            seen.append((story.one(AttemptRow).id, story.one(MessageRow).state))
            return await super().send(message)

    provider = with_provider(story, Curious())

    # when the survey is sent
    story.work()

    # then the attempt was there, and the message was on its way
    assert seen == [(provider.got[0].attempt_id, "sending")]
    assert len(provider.got[0].attempt_id) == 32


# ----- what forbids


def test_the_weekly_cap_counts_over_all_programs(story: Story) -> None:
    # given a customer of two programs, with four surveys due within a few days
    story.customer(programs=("retail_aftersales", "auto_repair"))
    story.at("2026-11-02 12:00")
    story.purchase()
    story.event("repair_paid", at="2026-11-02 12:00", vehicle="蓝色轿车")
    story.at("2026-11-03 12:00")
    story.event("repair_warranty", vehicle="蓝色轿车")
    story.at("2026-11-04 12:00")
    story.event("registration", vehicle="蓝色轿车")

    # when the week goes by
    story.live_until("2026-11-20 00:00")

    # then three went out in seven days, and the fourth a week after the first
    surveys = story.times()[:4]
    assert surveys == ["2026-11-05 09:00", "2026-11-06 09:00", "2026-11-09 09:00", "2026-11-12 09:00"]
    assert "moved: weekly cap -> moved" in story.told()


def test_two_due_at_once_count_for_the_cap_one_after_the_other(story: Story) -> None:
    # given five purchases of one customer on one day
    story.customer()
    story.at("2026-11-02 12:00")
    for _ in range(5):
        story.purchase()
    # when all their surveys are due in one batch
    story.live_until("2026-11-09 23:00")

    # then three of them went out, and the others, which may not wait a week, are listed with the reason
    assert len(story.texts()) == 3
    assert Counter(story.states(FollowUpRow, flow="purchase")) == {"sent": 3, "suppressed": 2}
    assert set(story.told("skipped")) == {"skipped: weekly cap: not allowed before its deadline"}


def test_who_opted_out_before_it_was_due_gets_nothing(story: Story) -> None:
    survey_due(story)
    story.reply("退订")
    story.work()
    assert not any("电饭煲" in text for text in story.texts())
    assert story.follow_up("purchase").state == "suppressed"
    assert "skipped: opted out" in story.told()


def test_an_opt_out_between_rendering_and_the_call_is_honoured(story: Story) -> None:
    # given a survey in the outbox
    survey_due(story)
    prepare_due(story.runtime)
    assert story.states() == ["ready"]

    # when consent is withdrawn by another door just before the call
    with story.runtime.db.write() as session:
        customers.note_consent(session, story.person().id, "withdrawn", "all", "desk", story.clock.now())
    story.work()

    # then nothing is sent, and the survey asks nobody
    assert story.texts() == []
    assert story.states() == ["suppressed"]
    assert story.follow_up("purchase").state == "suppressed"
    assert story.survey().state == "withdrawn"
    assert story.told("skipped") == ["skipped: opted out"]


def test_a_stop_empties_the_outbox(story: Story) -> None:
    # given a survey in the outbox
    survey_due(story)
    prepare_due(story.runtime)

    # when the customer's STOP is read before the sender comes
    story.reply("退订", read=False)
    replies.read_waiting(story.runtime)

    # then the text is withdrawn, and the trail tells it
    assert story.one(MessageRow, purpose="survey").state == "suppressed"
    assert story.follow_up("purchase").state == "suppressed"
    assert story.follow_up("purchase").reason == "opted out"
    assert story.survey().state == "withdrawn"
    assert [line.follow_up_id for line in story.trail("skipped")] == [story.follow_up("purchase").id]


def test_a_window_that_closed_since_rendering_makes_the_text_wait(story: Story) -> None:
    # given a survey rendered in the last minute of the morning
    survey_due(story)
    story.at("2026-11-09 11:59")
    prepare_due(story.runtime)

    # when the sender comes in the noon rest
    story.at("2026-11-09 12:00")
    story.work()
    assert story.texts() == []

    # then it goes out when the afternoon opens
    story.live_until("2026-11-09 18:00")
    assert story.times() == ["2026-11-09 14:00"]


def test_a_survey_that_waits_in_the_outbox_is_not_what_a_reply_answers(story: Story) -> None:
    # given a survey on the phone, and another one in the outbox behind the kill switch
    story.customer()
    story.asked()
    first = story.survey()
    story.at("2026-11-09 12:30")
    story.purchase()
    with story.runtime.db.write() as session:
        settings.write(session, STOPPED, {"stopped": True})
    story.live_until("2026-11-16 10:00")
    assert len(story.rows(SurveyRow)) == 2

    # when the customer answers what is on the phone
    story.reply("5")

    # then it counts for the first survey
    assert story.one(SurveyRow, id=first.id).state == "answered"
    assert story.rows(SurveyRow)[1].state == "open"


def test_promotion_that_waited_overnight_stays_in_when_a_complaint_came(story: Story) -> None:
    # given a win-back in the outbox, whose window has closed
    story.customer(marketing_consent=True)
    story.purchase()
    story.at("2027-03-29 17:59")
    occasions.plan_occasions(story.runtime)
    prepare_due(story.runtime)
    assert story.one(MessageRow, purpose="marketing").state == "ready"

    # when the customer complains in the evening
    story.at("2027-03-29 19:00")
    story.reply("你们的东西质量太差了，我要投诉")
    assert story.ticket().state == "open"
    story.live_until("2027-03-31 18:00")

    # then no promotion goes out
    assert story.one(MessageRow, purpose="marketing").state == "suppressed"
    assert story.follow_up("lost").reason == "open complaint: no promotion"


def test_promotion_needs_consent_until_the_last_moment(story: Story) -> None:
    story.customer(marketing_consent=True)
    story.purchase()
    story.at("2027-03-29 09:00")
    occasions.plan_occasions(story.runtime)
    prepare_due(story.runtime)
    with story.runtime.db.write() as session:
        customers.note_consent(session, story.person().id, "withdrawn", "marketing", "desk", story.clock.now())
    story.work()
    assert story.one(MessageRow, purpose="marketing").state == "suppressed"


def test_what_expired_in_the_outbox_is_listed_and_not_sent(story: Story) -> None:
    # given a greeting that a stopped house did not send on its day
    greeting_due(story)
    prepare_due(story.runtime)

    # when the house wakes up late in the evening
    story.at("2027-01-01 20:00")
    story.work()

    # then it is missed
    assert story.texts() == []
    assert story.states() == ["expired"]
    assert story.told("missed") == ["missed: expired"]


def test_the_kill_switch_stops_every_text_and_loses_none(story: Story) -> None:
    # given a stopped house
    survey_due(story)
    with story.runtime.db.write() as session:
        settings.write(session, STOPPED, {"stopped": True})

    # when it works, nothing leaves
    story.work()
    assert story.texts() == []

    # then it goes out once the switch is released
    with story.runtime.db.write() as session:
        settings.write(session, STOPPED, {"stopped": False})
    story.work()
    assert len(story.texts()) == 1


def test_nobody_can_be_reached_without_a_usable_address(story: Story) -> None:
    survey_due(story)
    with story.runtime.db.write() as session:
        customers.suppress_address(session, "sms", PHONE, story.clock.now(), "dead number")
    story.work()
    assert story.follow_up("purchase").state == "unreachable"
    assert story.told("unreachable") == ["unreachable: no usable channel"]


def test_the_second_channel_is_taken_where_the_first_is_dead(story: Story) -> None:
    story.customer(telegram="4711")
    story.at("2026-11-02 12:00")
    story.purchase()
    with story.runtime.db.write() as session:
        customers.suppress_address(session, "sms", PHONE, story.clock.now(), "dead number")
    story.live_until("2026-11-09 09:00")
    assert len(story.texts("4711")) == 1


def test_a_paused_customer_is_left_alone_until_then(story: Story) -> None:
    survey_due(story)
    with story.runtime.db.write() as session:
        enrolment = customers.enrolment(session, story.person().id, "retail_aftersales")
        assert enrolment is not None
        enrolment.paused_until = story.clock.now().replace(day=11)
        session.add(enrolment)
    story.live_until("2026-11-12 00:00")
    assert story.times() == ["2026-11-11 09:00"]


def test_a_class_that_is_set_comes_before_what_it_ends(story: Story) -> None:
    # given half a year of silence: on one morning the quarterly contact is due, and the customer counts as lost
    story.customer(marketing_consent=True)
    story.purchase()
    story.live_until("2027-03-29 18:00")

    # then only the win-back went out that day, and what was cancelled was not sent
    assert [time for time in story.times() if time.startswith("2027-03-29")] == ["2027-03-29 09:00"]
    care = story.rows(FollowUpRow, flow="care_ordinary")[-1]
    assert care.state == "cancelled"
    assert story.rows(MessageRow, follow_up_id=care.id) == []


# ----- one text that cannot be made


def test_a_text_that_cannot_be_made_stops_nobody_elses(story: Story) -> None:
    # given a broken version of one template, and a customer whose text needs another one
    survey_due(story)
    story.customer("c2", "+8613900000002", programs=("auto_repair",))
    story.at("2026-11-09 10:00")
    story.event("repair_paid", "c2", at="2026-11-06 09:00", vehicle="蓝色轿车")
    with story.runtime.db.write() as session:
        bad = next(
            row for row in story.rows(TemplateVersionRow, language="zh") if row.key == "retail_aftersales/purchase"
        )
        session.add(
            TemplateVersionRow(
                key=bad.key,
                language=bad.language,
                digest="broken",
                title="broken",
                purpose=bad.purpose,
                body="{{ no_such_variable }}",
                author="somebody",
                created_at=story.clock.now(),
            )
        )

    # when both are due
    story.work()

    # then the other one went out, and the first waits for a person
    assert len(story.texts("+8613900000002")) == 1
    assert story.follow_up("purchase").state == "held"
    assert "no_such_variable" in story.told("held")[0]
    assert story.rows(SurveyRow, follow_up_id=story.follow_up("purchase").id)[0].state == "withdrawn"


# ----- the provider's answers


def test_a_refusal_ends_as_failed_and_unreachable(story: Story) -> None:
    survey_due(story)
    story.fail("refuse")
    story.work()
    assert story.texts() == []
    assert story.states() == ["failed"]
    assert story.follow_up("purchase").state == "unreachable"
    assert story.survey().state == "withdrawn"
    assert story.told("unreachable") == ["unreachable: the simulated phone refuses"]


def test_a_lost_survey_gets_one_new_attempt_and_never_more(story: Story) -> None:
    # given a network that loses everything
    survey_due(story)
    story.fail("lose")

    # when hours go by
    story.live_until("2026-11-09 18:00")

    # then it was tried twice with the same link, and a person decides
    assert [row.outcome for row in attempts(story)] == ["unknown", "unknown"]
    assert story.states() == ["held"]
    assert story.follow_up("purchase").state == "held"
    assert [line.what for line in story.trail("retry", "held")] == ["retry", "held"]


def test_a_survey_lost_once_arrives_with_the_second_attempt(story: Story) -> None:
    survey_due(story)
    story.fail("lose")
    story.work()
    story.fail(None)
    story.live_until("2026-11-09 12:00")
    assert len(story.texts()) == 1
    assert story.states() == ["delivered"]
    assert story.follow_up("purchase").state == "sent"


def test_a_lost_greeting_is_never_sent_again(story: Story) -> None:
    greeting_due(story)
    story.fail("lose")
    story.live_until("2027-01-01 19:00")
    assert len(story.rows(AttemptRow)) == 1
    assert story.states() == ["held"]
    assert story.follow_up("greeting").state == "held"
    assert story.told("held") == ["held: in doubt: a person decides"]


@pytest.mark.parametrize("due", [survey_due, greeting_due])
def test_a_lost_answer_is_found_at_the_provider_and_one_copy_stays(story: Story, due: Callable[[Story], None]) -> None:
    due(story)
    story.fail("lose_after")
    asyncio.run(advance(story.runtime, story.clock, story.clock.now() + timedelta(hours=3)))
    assert len(story.texts()) == 1
    assert story.states() == ["delivered"]
    message = story.one(MessageRow)
    assert message.sent_at is not None
    assert story.one(FollowUpRow, id=message.follow_up_id).state == "sent"


def test_a_reply_before_the_proof_is_proof_enough(story: Story) -> None:
    # given a survey that arrived, of which we do not know it
    survey_due(story)
    story.fail("lose_after")
    story.work()
    assert story.states() == ["unknown"]

    # when the customer answers at once
    story.fail(None)
    story.reply("5")
    story.live_until("2026-11-09 12:00")

    # then the survey is answered, and nothing was sent twice
    assert story.survey().state == "answered"
    assert story.follow_up("purchase").state == "answered"
    assert len([text for text in story.texts() if "电饭煲" in text]) == 1


def test_a_busy_provider_is_asked_again_after_a_while(story: Story) -> None:
    survey_due(story)
    provider = with_provider(story, Provider(NotSent("429", retry_after=90), NotSent("429", retry_after=90)))
    story.live_until("2026-11-09 09:10")
    assert len(provider.got) == 3
    assert story.states() == ["delivered"]
    assert [row.outcome for row in attempts(story)] == ["not_sent", "not_sent", "accepted"]


def test_calls_that_surely_sent_nothing_leave_the_one_new_attempt(story: Story) -> None:
    # given a survey that was refused by the network twice, then lost once
    survey_due(story)
    provider = with_provider(story, Provider(NotSent("429"), NotSent("429"), Unknown("timeout")))
    # when an hour goes by
    story.live_until("2026-11-09 10:00")
    # then it was tried once more
    assert len(provider.got) == 4
    assert story.states() == ["delivered"]


def test_a_channel_that_breaks_leaves_doubt_and_never_certainty(story: Story) -> None:
    survey_due(story)
    with_provider(story, Provider(RuntimeError("broken")))
    asyncio.run(sending.dispatch(story.runtime)) if prepare_due(story.runtime) else None
    assert story.states() == ["unknown"]
    assert story.one(AttemptRow).outcome == "unknown"


def test_a_provider_that_cannot_be_asked_is_asked_later_and_not_trusted(story: Story) -> None:
    # given a provider that loses a greeting, and whose list cannot be read for a while
    greeting_due(story)

    class Silent(Provider):
        async def find(self, address: str, since: datetime) -> Sequence[Trace] | None:
            self.asked = getattr(self, "asked", 0) + 1
            if self.asked < 30:
                raise OSError("no route")
            return [Trace("late", self.got[0].body, since, delivered=True)]

    with_provider(story, Silent(Unknown("timeout")))

    # when it answers after half an hour
    story.live_until("2027-01-01 12:00")

    # then its word is proof
    assert story.states() == ["delivered"]


def test_a_channel_that_cannot_be_listed_leaves_the_greeting_to_a_person(story: Story) -> None:
    greeting_due(story)
    with_provider(story, Provider(Unknown("timeout"), found=None))
    story.live_until("2027-01-01 12:00")
    assert story.states() == ["held"]


def test_another_message_with_the_same_words_is_no_proof(story: Story) -> None:
    # given two customers with one phone each, and a provider that knows only the other's text
    greeting_due(story)
    prepare_due(story.runtime)
    body = story.one(MessageRow).body
    provider = with_provider(
        story, Provider(Accepted("first", delivered=True), found=[Trace("first", body, story.clock.now())])
    )
    with story.runtime.db.write() as session:
        values = {"dedupe_key": "other", "purpose": "greeting", "channel": "sms", "address": "+1", "body": body}
        now = story.clock.now()
        messages.put(session, {**values, "created_at": now, "due_at": now, "expires_at": None})
    provider.answers.append(Unknown("timeout"))

    # when the doubt is resolved
    story.live_until("2027-01-01 12:00")

    # then the text that we know already proves nothing
    assert sorted(story.states()) == ["delivered", "held"]


def test_a_number_that_is_dead_is_not_called_again(story: Story) -> None:
    survey_due(story)
    with_provider(story, Provider(Refused("unknown number", suppress=True)))
    story.work()
    point = story.one(ContactPointRow)
    assert (point.suppressed_at, point.suppressed_because) == (story.clock.now(), "unknown number")


def test_who_told_the_provider_to_stop_is_opted_out_with_us(story: Story) -> None:
    # given two planned surveys, and a provider that says STOP for the customer
    survey_due(story)
    story.purchase()
    with_provider(story, Provider(Refused("21610", opted_out=True)))
    story.work()

    # then the ledger says so, and the rest is stopped with a reason
    assert story.person().opted_out_at is not None
    assert [(row.action, row.source) for row in story.rows(ConsentRow)] == [("withdrawn", "provider")]
    assert story.states(FollowUpRow, flow="purchase") == ["unreachable", "suppressed"]
    assert "skipped: opted out" in story.told()


# ----- receipts


def sent_at_provider(story: Story) -> str:
    """A survey that the provider took without telling more; the attempt's id."""
    survey_due(story)
    with_provider(story, Provider(Accepted("SM1")))
    story.work()
    assert story.states() == ["accepted"]
    attempt: str = story.one(AttemptRow).id
    return attempt


def test_receipts_out_of_order_never_move_a_state_back(story: Story) -> None:
    attempt = sent_at_provider(story)

    def receipt(state: MessageState) -> bool:
        return told(story, attempt, state)

    assert receipt(MessageState.SENT)
    assert receipt(MessageState.DELIVERED)
    for late in (MessageState.SENT, MessageState.ACCEPTED, MessageState.DELIVERED, MessageState.FAILED):
        assert not receipt(late)
    assert story.states() == ["delivered"]


@pytest.mark.parametrize("state", ["suppressed", "expired", "cancelled", "failed"])
def test_a_receipt_for_what_is_over_changes_nothing(story: Story, state: str) -> None:
    attempt = sent_at_provider(story)
    with story.runtime.db.write() as session:
        row = session.get(MessageRow, 1)
        assert row is not None
        row.state = state
    assert not told(story, attempt, MessageState.DELIVERED)
    assert story.states() == [state]


def test_a_receipt_of_an_attempt_that_nobody_made_is_ignored(story: Story) -> None:
    assert not told(story, "0" * 32, MessageState.DELIVERED)


def test_a_receipt_resolves_a_doubt(story: Story) -> None:
    survey_due(story)
    with_provider(story, Provider(Unknown("timeout")))
    story.work()
    assert told(story, story.one(AttemptRow).id, MessageState.DELIVERED)
    assert story.states() == ["delivered"]
    assert story.follow_up("purchase").state == "sent"
    assert story.follow_up("purchase_reminder").state == "planned"
    assert story.one(MessageRow).sent_at is not None


def test_a_receipt_between_two_attempts_saves_the_second_copy(story: Story) -> None:
    # given a lost survey for which the new attempt is allowed, just as the window closes
    survey_due(story)
    story.at("2026-11-09 11:55")
    provider = with_provider(story, Provider(Unknown("timeout")))
    story.live_until("2026-11-09 13:00")
    assert story.states() == ["ready"]

    # when the receipt of the first attempt comes in after all
    assert told(story, story.one(AttemptRow).id, MessageState.DELIVERED)
    story.live_until("2026-11-09 18:00")

    # then there was one call
    assert len(provider.got) == 1
    assert story.states() == ["delivered"]
    assert story.follow_up("purchase").state == "sent"


def test_a_receipt_of_failure_makes_the_follow_up_unreachable(story: Story) -> None:
    attempt = sent_at_provider(story)
    assert told(story, attempt, MessageState.UNDELIVERED, "30003")
    assert story.follow_up("purchase").state == "unreachable"
    assert story.told("unreachable") == ["unreachable: 30003"]


# ----- many at once


def test_two_dispatchers_at_once_never_send_one_message_twice(story: Story) -> None:
    # given forty surveys that are due
    rows = [
        enrolment.CustomerIn(f"c{n}", "李敏", f"+86139000002{n:02}", programs=("retail_aftersales",)) for n in range(40)
    ]
    enrolment.accept_customers(story.runtime, "test", rows)
    story.at("2026-11-02 12:00")
    events = [intake.EventIn(f"p{n}", "purchase", f"c{n}", story.clock.now(), {}) for n in range(40)]
    intake.accept_events(story.runtime, "test", events)
    story.at("2026-11-09 09:00")
    provider = with_provider(story, Provider())

    # when four processes prepare and send, in small batches, each until nothing is left
    def live(runtime: Runtime) -> None:
        for _ in range(60):
            looked = prepare_due(runtime, limit=7) + asyncio.run(sending.dispatch(runtime, limit=5))
            if not looked and all(state == "delivered" for state in story.states()) and len(story.states()) == 40:
                return

    outcomes = side_by_side(*[lambda: live(replace(story.runtime))] * 4)

    # then everybody got one text
    assert not raised(outcomes)
    assert Counter(Counter(message.address for message in provider.got).values()) == {1: 40}
    assert story.states() == ["delivered"] * 40
    assert len(story.rows(AttemptRow)) == 40


@pytest.mark.parametrize("step", ["prepare", "dispatch"])
def test_a_stop_and_a_claim_of_one_customer_never_wait_for_each_other(
    story: Story, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given a survey that is due (or in the outbox), and a STOP that is being read
    survey_due(story)
    if step == "dispatch":
        prepare_due(story.runtime)
    story.reply("退订", read=False)
    locked, go_on = threading.Event(), threading.Event()
    lock = customers.lock

    def slow_lock(session: Any, ids: Any) -> Any:
        found = lock(session, ids)
        if threading.current_thread().name == "reader":
            locked.set()
            go_on.wait(5)
        return found

    monkeypatch.setattr(customers, "lock", slow_lock)
    problems: list[Exception] = []

    def run(work: Callable[[], object]) -> None:
        try:
            work()
        except Exception as error:
            problems.append(error)

    reader = threading.Thread(target=run, args=(lambda: replies.read_waiting(story.runtime),), name="reader")
    claim: Callable[[], object] = (
        (lambda: prepare_due(story.runtime))
        if step == "prepare"
        else (lambda: asyncio.run(sending.dispatch(story.runtime)))
    )
    sender = threading.Thread(target=run, args=(claim,), name="sender")

    # when the sender comes while the reader holds the customer
    reader.start()
    assert locked.wait(5)
    sender.start()
    sender.join(0.3)
    go_on.set()
    reader.join(10)
    sender.join(10)

    # then both come to an end, and the STOP is honoured
    assert not problems
    story.work()
    assert not any("电饭煲" in text for text in story.texts())


def test_replies_go_first_then_staff_then_the_rest(story: Story) -> None:
    survey_due(story)
    prepare_due(story.runtime)
    now = story.clock.now()
    with story.runtime.db.write() as session:
        for purpose in ("staff", "reply"):
            values = {"dedupe_key": purpose, "purpose": purpose, "channel": "sms", "address": "+1", "body": purpose}
            messages.put(session, {**values, "created_at": now, "due_at": now, "expires_at": None})
    provider = with_provider(story, Provider())
    asyncio.run(sending.dispatch(story.runtime))
    assert [message.purpose for message in provider.got] == ["reply", "staff", "survey"]


def test_a_call_whose_turn_comes_too_late_is_given_back(story: Story) -> None:
    # given a slow line: while the first call is made, the second one's deadline passes
    story.customer()
    story.customer("c2", "+8613900000002")
    story.at("2026-11-02 12:00")
    story.purchase()
    story.purchase("c2")
    story.at("2026-11-09 09:00")
    clock: SimulatedClock = story.clock

    class Slow(Provider):
        at_once = 1

        async def send(self, message: Outgoing) -> Outcome:
            story.later(seconds=6)
            return await super().send(message)

    provider = with_provider(story, Slow())
    prepare_due(story.runtime)
    asyncio.run(sending.dispatch(story.runtime))

    # then it is back in the outbox, and goes out with the next claim
    assert len(provider.got) == 1
    assert sorted(story.states()) == ["delivered", "ready"]
    asyncio.run(advance(story.runtime, clock, clock.now()))
    assert len(provider.got) == 2
    assert local(clock.now()).startswith("2026-11-09 09:00")
