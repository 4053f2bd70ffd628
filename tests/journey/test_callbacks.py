"""Steps 8 to 10: the ladder pings until somebody acts, one has the ticket, and it closes only when it is right."""

import os
from datetime import datetime
from pathlib import Path

import pytest

from bot.errors import Conflict, InputError, NotFound
from bot.journey import callbacks
from bot.shelf import stock_texts
from bot.store.tables import InboundRow, MessageRow, PingRow, SurveyRow, TicketRow
from flows.load import override_text, shipped_program_text
from tests.journey.story import PHONE, Story, local, raised, side_by_side

OWNER, SUPERVISOR, MANAGER, TOP = "+8613800001001", "+8613800001002", "+8613800001003", "+8613800001004"


@pytest.fixture
def staffed(story: Story) -> Story:
    """A shop with one person in each role of the ladder, and a customer."""
    story.hire("孙丽", "service", phone=OWNER)
    story.hire("周强", "supervisor", phone=SUPERVISOR)
    story.hire("吴总", "manager", phone=MANAGER)
    story.hire("郑总", "top_manager", phone=TOP)
    story.customer()
    return story


# ----- the ladder


def test_the_ladder_climbs_until_somebody_acts(staffed: Story) -> None:
    # given an unhappy customer on Monday at ten past nine, with 72 hours promised
    staffed.unhappy()

    # when nobody does anything for five days
    staffed.live_until("2026-11-14 12:00")

    # then each rung was told at its time, in staff hours
    rungs = [
        (at, step, role) for at, step, role, state in staffed.pings() if step != "passed on" and state != "planned"
    ]
    assert rungs == [
        ("11-09 09:10", "0%", "service"),
        ("11-10 21:10", "50%", "service"),
        ("11-11 18:46", "80%", "supervisor"),
        ("11-12 09:10", "100%", "manager"),
        ("11-13 09:10", "100%+24h", "top_manager"),
    ]


def test_what_nobody_acknowledges_goes_to_the_next_after_a_quarter_of_an_hour(staffed: Story) -> None:
    staffed.unhappy()
    staffed.live_until("2026-11-09 09:24")
    assert staffed.texts(SUPERVISOR) == []
    staffed.live_until("2026-11-09 10:00")
    assert staffed.times(SUPERVISOR) == ["2026-11-09 09:25"]
    assert staffed.times(MANAGER) == ["2026-11-09 09:40"]
    assert staffed.times(TOP) == ["2026-11-09 09:55"]


def test_an_acknowledged_ping_is_not_passed_on_and_the_ladder_goes_on(staffed: Story) -> None:
    ticket = staffed.unhappy()
    callbacks.acknowledge(staffed.runtime, ticket.id, 1)
    staffed.live_until("2026-11-10 21:10")
    assert staffed.texts(SUPERVISOR) == []
    assert staffed.times(OWNER) == ["2026-11-09 09:10", "2026-11-10 21:10"]


@pytest.mark.parametrize("word", ["ok", "收到"])
def test_everybody_who_has_the_role_may_acknowledge_by_text(staffed: Story, word: str) -> None:
    # given a second person in the owner's role
    second = "+8613800001009"
    staffed.hire("何静", "retail_aftersales:service", phone=second)
    staffed.unhappy()
    assert len(staffed.texts(second)) == 1

    # when that one answers
    staffed.later(minutes=5)
    staffed.reply(word, second)
    staffed.live_until("2026-11-09 12:00")

    # then nothing is passed on
    assert staffed.texts(SUPERVISOR) == []
    assert staffed.trail("acknowledged")[0].because == "by 何静"


def test_who_has_nothing_to_do_with_it_acknowledges_nothing(staffed: Story) -> None:
    staffed.hire("他人", "auto_repair:service", phone="+8613800001010")
    staffed.unhappy()
    staffed.reply("ok", "+8613800001010")
    staffed.live_until("2026-11-09 09:30")
    assert len(staffed.texts(SUPERVISOR)) == 1


def test_at_night_nobody_is_pinged(staffed: Story) -> None:
    staffed.asked()
    staffed.live_until("2026-11-09 23:00")
    staffed.reply("1 太差了")
    staffed.live_until("2026-11-10 07:59")
    assert staffed.texts(OWNER) == []
    staffed.live_until("2026-11-10 08:00")
    assert staffed.times(OWNER) == ["2026-11-10 08:00"]


def test_a_role_that_nobody_has_is_told_in_the_trail(story: Story) -> None:
    story.customer()
    story.unhappy()
    assert "ping: 0%: nobody has the role service" in story.told("ping")


# ----- one has it


def test_a_claim_silences_the_ladder_for_the_moment(staffed: Story) -> None:
    ticket = staffed.unhappy()
    staffed.claim(1)
    staffed.live_until("2026-11-09 12:00")
    assert staffed.one(TicketRow, id=ticket.id).claimed_by == 1
    assert staffed.texts(SUPERVISOR) == []


def test_of_eight_who_claim_at_once_one_has_it_and_the_others_are_told_who(staffed: Story) -> None:
    ticket = staffed.unhappy()
    members = [1, 2, 3, 4] * 2
    outcomes = side_by_side(
        *[lambda member=member: callbacks.claim(staffed.runtime, ticket.id, member) for member in members]  # type: ignore[misc]
    )
    losers = raised(outcomes)
    assert len(losers) == 7
    assert all(isinstance(each, Conflict) for each in losers)
    holder = {1: "孙丽", 2: "周强", 3: "吴总", 4: "郑总"}[staffed.ticket().claimed_by]
    assert all(f"{holder} has it" in str(each) for each in losers)
    assert len(staffed.trail("claimed")) == 1


def test_only_the_holder_resolves(staffed: Story) -> None:
    staffed.unhappy()
    with pytest.raises(Conflict, match="claim it first"):
        staffed.resolve(1)
    staffed.claim(1)
    with pytest.raises(Conflict, match="孙丽"):
        staffed.resolve(2)
    with pytest.raises(InputError):
        staffed.resolve(1, "  ")
    staffed.resolve(1)
    with pytest.raises(Conflict):
        staffed.resolve(1)
    assert staffed.ticket().state == "resolved"


def test_a_ticket_given_back_is_open_to_others(staffed: Story) -> None:
    ticket = staffed.unhappy()
    staffed.claim(1)
    callbacks.give_back(staffed.runtime, ticket.id, 1, "休假")
    with pytest.raises(Conflict):
        callbacks.give_back(staffed.runtime, ticket.id, 1, "again")
    staffed.claim(2)
    assert staffed.ticket().claimed_by == 2
    assert local(staffed.ticket().due_at) == "2026-11-12 09:10", "its clock runs on"


def test_nobody_touches_what_is_not_there(staffed: Story) -> None:
    ticket = staffed.unhappy()
    for step in (callbacks.claim, callbacks.acknowledge):
        with pytest.raises(NotFound):
            step(staffed.runtime, 4711, 1)
        with pytest.raises(NotFound):
            step(staffed.runtime, ticket.id, 4711)


# ----- asked again until it is right


def handled(story: Story) -> None:
    """Claimed and handled on Monday afternoon; the customer was asked again on Tuesday at nine."""
    story.unhappy()
    story.claim(1)
    story.at("2026-11-09 15:00")
    story.resolve(1, "换了一台新的")
    story.live_until("2026-11-10 09:00")


def test_the_customer_is_told_the_result_and_asked_again_in_their_window(staffed: Story) -> None:
    handled(staffed)
    assert staffed.times()[-1] == "2026-11-10 09:00"
    assert "换了一台新的" in staffed.texts()[-1]
    assert staffed.states(PingRow).count("planned") == 0
    assert staffed.survey().round == 1


def test_a_ticket_handled_on_friday_is_asked_about_on_monday(staffed: Story) -> None:
    staffed.unhappy()
    staffed.claim(1)
    staffed.at("2026-11-13 16:00")
    staffed.resolve(1)
    staffed.live_until("2026-11-16 12:00")
    assert staffed.times()[-1] == "2026-11-16 09:00"


@pytest.mark.parametrize("answer", ["5", "4", "3", "满意"])
def test_a_good_second_answer_closes_the_ticket(staffed: Story, answer: str) -> None:
    handled(staffed)
    staffed.reply(answer)
    assert staffed.ticket().state == "closed"
    assert staffed.trail("closed")[0].data == {"round": 1}


def test_a_low_second_answer_opens_round_two_with_a_new_clock(staffed: Story) -> None:
    # given a customer who was asked again
    handled(staffed)

    # when it is still not right
    staffed.reply("2 还是不行")

    # then the same ticket is open again, nobody's, with a new clock and a new ladder
    ticket = staffed.one(TicketRow)
    assert (ticket.state, ticket.round, ticket.claimed_by) == ("open", 2, 0)
    assert local(ticket.due_at) == "2026-11-13 09:00"
    assert ticket.words.endswith("2 还是不行")
    assert {row.step for row in staffed.rows(PingRow, round=2)} == {"0%", "50%", "80%", "100%", "100%+24h"}
    assert "抱歉" in staffed.texts()[-1]

    # and the second handling is asked about again, under its own link
    staffed.claim(2)
    staffed.resolve(2, "退款了")
    staffed.live_until("2026-11-11 09:00")
    staffed.reply("5")
    assert staffed.ticket().state == "closed"
    tokens = [row.token for row in staffed.rows(SurveyRow)]
    assert len(set(tokens)) == 3
    assert [row.round for row in staffed.rows(SurveyRow)] == [0, 1, 2]


def test_a_silent_second_survey_leaves_the_ticket_to_a_manager(staffed: Story) -> None:
    handled(staffed)
    staffed.live_until("2026-11-25 00:00")
    assert staffed.survey().state == "lapsed"
    assert staffed.ticket().state == "resolved"


def test_only_a_manager_closes_without_the_customers_word_and_says_why(staffed: Story) -> None:
    ticket = staffed.unhappy()
    with pytest.raises(Conflict, match="no manager"):
        callbacks.override_close(staffed.runtime, ticket.id, 1, "开心了")
    with pytest.raises(InputError):
        callbacks.override_close(staffed.runtime, ticket.id, 3, " ")
    callbacks.override_close(staffed.runtime, ticket.id, 3, "客户搬走了")
    with pytest.raises(Conflict):
        callbacks.override_close(staffed.runtime, ticket.id, 3, "again")
    assert staffed.one(TicketRow).reason == "closed by 吴总: 客户搬走了"
    staffed.live_until("2026-11-14 00:00")
    assert staffed.texts(TOP) == [], "a closed ticket pings nobody"


def test_a_ticket_closed_by_hand_is_not_asked_about(staffed: Story) -> None:
    ticket = staffed.unhappy()
    staffed.claim(1)
    staffed.resolve(1)
    callbacks.override_close(staffed.runtime, ticket.id, 3, "电话里说好了")
    staffed.live_until("2026-11-12 00:00")
    assert staffed.follow_up("resurvey").state == "cancelled"
    assert len(staffed.texts()) == 2


def test_who_opted_out_is_not_asked_again(staffed: Story) -> None:
    staffed.unhappy()
    staffed.reply("退订")
    staffed.claim(1)
    staffed.resolve(1)
    staffed.live_until("2026-11-12 00:00")
    assert staffed.follow_up("resurvey").state == "suppressed"


# ----- several pings at once


def _with_ladder(story: Story, *rungs: str) -> None:
    """The shop's program with other rungs, owner and supervisor both told at once."""
    ladder = [dict(zip(("at", "role"), rung.split(), strict=True)) for rung in rungs]
    text = override_text(
        shipped_program_text("retail_aftersales"), "retail_aftersales.yaml", {"callback.ladder": ladder}
    )
    stock_texts(story.runtime.db, {"retail_aftersales.yaml": text}, story.clock.now())


def test_rungs_of_the_same_moment_pass_on_once(staffed: Story) -> None:
    _with_ladder(staffed, "0% service", "0% supervisor", "80% manager", "100% top_manager")
    staffed.unhappy()
    staffed.live_until("2026-11-09 10:00")
    assert (staffed.times(OWNER), staffed.times(SUPERVISOR)) == (["2026-11-09 09:10"], ["2026-11-09 09:10"])
    assert staffed.times(MANAGER) == ["2026-11-09 09:25"]
    assert staffed.times(TOP) == ["2026-11-09 09:40"]


def test_who_has_both_roles_is_told_once(story: Story) -> None:
    _with_ladder(story, "0% service", "0% supervisor", "100% manager")
    story.hire("孙丽", "service", "supervisor", phone=OWNER)
    story.customer()
    story.unhappy()
    assert len(story.texts(OWNER)) == 1
    assert [line.data["role"] for line in story.trail("ping")] == ["service", "supervisor"]


def test_an_alert_says_it_all_to_whoever_is_meant_by_the_ladder_too(story: Story) -> None:
    story.hire("林医生", "attending_doctor", "service", "manager", phone=OWNER)
    story.customer(programs=("hospital",), class_="inpatient")
    story.event("discharge", department="骨科")
    story.live_until("2026-10-08 10:00")
    story.reply("2，伤口疼得厉害")
    assert len(story.trail("ping")) > 1
    (text,) = (each for each in story.texts(OWNER) if "疼得厉害" in each)
    assert text.startswith("病情提醒")


# ----- words that cannot wait


@pytest.fixture
def patient(story: Story) -> Story:
    """A patient whose survey has arrived after the holiday, Thursday 8 October at ten; a doctor, a manager."""
    story.hire("林医生", "attending_doctor", phone=OWNER)
    story.hire("吴经理", "manager", phone=MANAGER)
    story.hire("院长", "top_manager", phone=TOP)
    story.customer(programs=("hospital",), class_="inpatient")
    story.event("discharge", department="骨科")
    story.live_until("2026-10-08 10:00")
    assert len(story.texts()) == 1
    return story


def test_a_medical_word_reaches_the_doctor_at_once_whatever_the_score(patient: Story) -> None:
    patient.reply("5分，就是伤口还有点疼")
    assert patient.times(OWNER) == ["2026-10-08 10:00"]
    assert "伤口还有点疼" in patient.texts(OWNER)[0]
    assert len(patient.rows(TicketRow)) == 1


def test_every_medical_word_is_another_reason_to_tell_the_doctor(patient: Story) -> None:
    patient.reply("4，伤口有点疼")
    patient.later(hours=2)
    patient.reply("现在伤口流血了")
    assert patient.times(OWNER) == ["2026-10-08 10:00", "2026-10-08 12:00"]


def test_a_medical_word_is_heard_also_while_the_ticket_waits_for_the_second_answer(patient: Story) -> None:
    # given a ticket that is handled and not yet asked about
    patient.reply("2 态度不好")
    patient.claim(2)
    patient.resolve(2, "道过歉了")
    assert patient.texts(OWNER) == []

    # when the patient writes that it bleeds
    patient.later(minutes=30)
    patient.reply("伤口大出血了")

    # then the doctor and the leaders hear of it at once
    assert len([text for text in patient.texts(TOP) if "伤口大出血了" in text]) == 1
    assert len(patient.texts(OWNER)) == 1


def test_a_night_alert_survives_the_closing_of_the_ticket(patient: Story) -> None:
    patient.live_until("2026-10-08 22:30")
    patient.reply("2，伤口疼得厉害")
    callbacks.override_close(patient.runtime, patient.ticket().id, 2, "电话里说好了")
    patient.live_until("2026-10-09 08:00")
    assert len(patient.texts(OWNER)) == 1


# ----- staff answer by text


def test_staff_claim_and_resolve_by_text(staffed: Story) -> None:
    ticket = staffed.unhappy()
    staffed.reply(f"claim {ticket.id}", OWNER)
    assert staffed.ticket().claimed_by == 1
    assert staffed.texts(OWNER)[-1] == f"#{ticket.id} ✓"
    staffed.reply(f"完成 {ticket.id} 换了一台新的", OWNER)
    assert (staffed.ticket().state, staffed.ticket().result) == ("resolved", "换了一台新的")
    assert staffed.states(InboundRow)[-2:] == ["read", "read"]


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("接单 1", "孙丽 has it"),
        ("完成 1 好了", "claim it first"),
        ("claim 99", "no ticket 99"),
        ("claim 99999999999999999999", None),
        ("完成 1", None),
    ],
)
def test_staff_are_told_why_not(staffed: Story, text: str, answer: str | None) -> None:
    staffed.unhappy()
    staffed.claim(1)
    before = len(staffed.texts(SUPERVISOR))
    staffed.reply(text, SUPERVISOR)
    said = staffed.texts(SUPERVISOR)[before:]
    assert staffed.ticket().claimed_by == 1
    assert staffed.states(InboundRow)[-1] == "read"
    if answer is None:
        assert said == []
    else:
        assert answer in said[0]


def test_a_customers_words_never_do_what_staff_may_do(staffed: Story) -> None:
    ticket = staffed.unhappy()
    staffed.reply(f"claim {ticket.id}")
    staffed.reply(f"完成 {ticket.id} 好了")
    assert staffed.ticket().state == "open"


# ----- the whole story


TOLD = ("planned", "ticket", "ping", "passed_on", "claimed", "resolved", "round", "closed")


def told(story: Story) -> str:
    """What reached and left each phone, between what the house decided; one line each, in order of time."""
    names = {PHONE: "李敏", OWNER: "孙丽", SUPERVISOR: "周强", MANAGER: "吴总", TOP: "郑总"}
    tokens = {row.token: f"link{number}" for number, row in enumerate(story.rows(SurveyRow), start=1)}
    lines = []
    for phone, name in names.items():
        for text in story.simulator.phone(phone):
            way = "reads" if text.direction == "in" else "types"
            body = text.body.replace("\n", " / ")
            for token, link in tokens.items():
                body = body.replace(token, link)
            lines.append((datetime.fromisoformat(text.at), 1 if way == "reads" else -1, f"{name} {way}: {body}"))
    for line in story.trail(*TOLD):
        because = "" if line.what in ("ticket", "round", "closed") else f": {line.because}"
        due = f", due {local(datetime.fromisoformat(line.data['due']))}" if "due" in line.data else ""
        if line.customer_id:
            lines.append((line.at, 0, f"    {line.what}{because}{due}"))
    told = [f"{local(at)} {text}" for at, _, text in sorted(lines, key=lambda each: each[:2])]
    return "\n".join(told) + "\n"


def test_the_whole_story_reads_like_this(staffed: Story) -> None:
    # given an unhappy customer, whom the owner calls and who is asked again
    staffed.unhappy()
    staffed.later(minutes=5)
    staffed.reply("claim 1", OWNER)
    staffed.at("2026-11-09 15:00")
    staffed.reply("完成 1 换了一台新的", OWNER)
    staffed.live_until("2026-11-10 09:05")

    # when it is still not right, and the supervisor puts it right
    staffed.reply("2 还是不行")
    staffed.later(minutes=20)
    staffed.work()
    staffed.reply("claim 1", SUPERVISOR)
    staffed.at("2026-11-10 16:00")
    staffed.reply("done 1 退款了", SUPERVISOR)
    staffed.live_until("2026-11-11 09:30")
    staffed.reply("5 谢谢")
    staffed.live_until("2026-11-12 00:00")

    # then it reads as in the file beside this test
    page = Path(__file__).parent / "stories" / "low_until_it_is_right.txt"
    if os.environ.get("UPDATE_STORIES"):
        page.parent.mkdir(exist_ok=True)
        page.write_text(told(staffed), encoding="utf-8")
    assert told(staffed) == page.read_text(encoding="utf-8"), "UPDATE_STORIES=1 writes it anew"
    assert staffed.one(TicketRow).state == "closed"
    assert PHONE not in "".join(row.body for row in staffed.rows(MessageRow, purpose="staff"))
