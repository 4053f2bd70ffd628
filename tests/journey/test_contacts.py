"""Logged contacts, agreed dates and chains as they live: rule 8, R26, R27, R35, R36, and the dates of PROGRAMS 3.2."""

from collections import Counter

import pytest

from bot.bootstrap import simulated_runtime
from bot.clock import SimulatedClock
from bot.config import Settings
from bot.errors import InputError, NotFound
from bot.journey import contacts, replies, tasks
from bot.journey.belongings import PersonIn
from bot.journey.contacts import ByHand, ContactIn
from bot.journey.enrolment import Result
from bot.shelf import stock_texts
from bot.store import customers
from bot.store.db import Database
from bot.store.tables import (
    ContactPersonRow,
    ContactRow,
    EnrolmentRow,
    EventRow,
    FollowUpRow,
    RestartRow,
    SurveyRow,
    TaskRow,
)
from tests.journey.story import ON_SQLITE, PHONE, Story, local, shanghai

pytestmark = ON_SQLITE

PROGRAM = """
id: house
name: {zh: 回访}
company: {zh: 青禾}
active_from: 2026-01-01
attributes: {warranty_until: date}
persons: [technician, user]
matters:
  contract: {name: {zh: 合同}, dates: [ends]}
classes: {names: [b2, weekly, cement, province, watched, other], default: other}
events:
  call_in: {name: {zh: 来电}}
  site_visit: {name: {zh: 来访}}
  deal: {name: {zh: 成交}}
  go_live: {name: {zh: 上线}}
  installed: {name: {zh: 安装}}
  accepted: {name: {zh: 验收}}
  signed: {name: {zh: 签约}}
  leaflet: {name: {zh: 宣传}}
  opened: {name: {zh: 开通}}
contacts:
  call: {name: {zh: 电话}, fields: {note: text, minutes: number}}
  visit:
    name: {zh: 拜访}
    fields: {signed_by: text, business: flag, on_day: date}
    required: [signed_by]
    counts: not business == true
surveys:
  opinion: {questions: [{id: overall, scale: 1-5, weight: 100, text: {zh: 满意吗}}]}
flows:
  - id: invite
    on: {event: call_in, every: 1w, contacts: [call]}
    after: 2d
    deadline: 3d
    stops_on: [site_visit]
    off_days: {weekend: send, holiday: defer}
    message: {template: handled}
  - id: half_month
    on: {event: deal, every: 15d}
    after: 15d
    off_days: {weekend: send, holiday: defer}
    message: {template: handled}
  - id: half_year
    on: {event: go_live, every: 1hy}
    after: 1mo
    message: {template: handled}
  - id: quarter
    on: {event: installed, every: 1q, contacts: [call]}
    after: 1mo
    message: {template: handled, to: [technician, user]}
  - id: opinion
    on: {event: opened}
    after: 1d
    message: {template: survey_reminder, purpose: survey, survey: opinion, to: [technician, user]}
  - id: opinion_reminder
    on: {unanswered: opinion}
    after: 7d
    message: {template: survey_reminder, purpose: survey, survey: opinion, to: [technician, user]}
  - id: warranty
    on: {event: accepted, every: 1hy, until: warranty_until}
    after: 1mo
    off_days: {weekend: defer, holiday: defer, advance: true}
    message: {template: handled}
  - id: contract
    on: {event: signed, every: 1mo, until: contract.ends}
    after: 1mo
    message: {template: handled}
  - id: some
    on: {event: leaflet, share: 30%}
    after: 1d
    message: {template: handled}
  - id: call_b2
    on: {every: 2w, contacts: [call]}
    audience: class == 'b2'
    task: {kind: call, name: {zh: 打电话}, role: seller, counts_as: call}
  - id: weekly
    on: {every: 1w, contacts: [call]}
    audience: class == 'weekly'
    task: {kind: call, name: {zh: 打电话}, role: seller, counts_as: call}
  - id: phone
    on: {every: 15d, contacts: [call], seasons: [{from: 04-01, to: 10-31, every: 7d}]}
    audience: class == 'cement'
    message: {template: handled}
  - id: visit
    on: {every: 1mo, contacts: [visit], seasons: [{from: 04-01, to: 10-31, every: 15d}]}
    audience: class == 'cement'
    task:
      {kind: visit, name: {zh: 拜访}, role: seller, counts_as: visit, fields: {signed_by: text}, required: [signed_by]}
  - id: monthly_least
    on: {at_least: 2, of: [call], per: month}
    audience: class == 'watched'
    task: {kind: call, name: {zh: 补打电话}, role: seller, counts_as: call}
  - id: province
    on: {every: 1q, contacts: [visit]}
    before: 7d
    audience: class == 'province'
    task:
      {kind: visit, name: {zh: 拜访}, role: seller, counts_as: visit, fields: {signed_by: text}, required: [signed_by]}
callback:
  owner: seller
  ladder: [{at: 0%, role: seller}]
  resurvey: {template: resurvey, survey: opinion}
"""
SIGNED = {"signed_by": "王工"}


@pytest.fixture
def clock() -> SimulatedClock:
    """Monday 2026-06-01, 08:00 in Shanghai."""
    return SimulatedClock(shanghai("2026-06-01 08:00"))


@pytest.fixture
def story(db: Database, clock: SimulatedClock, settings: Settings) -> Story:
    """A house with chains and cadences, and a seller called 李."""
    ids = stock_texts(db, {"house.yaml": PROGRAM}, clock.now())
    made = simulated_runtime(settings, db, clock, ids, seed=1)
    made.shelf.refresh()
    told = Story(made, clock)
    told.hire("李", "seller")
    return told


def enrolled(story: Story, class_: str = "other", at: str = "", **known: object) -> int:
    if at:
        story.at(at)
    return story.customer(programs=("house",), class_=class_, **known)


def log(story: Story, kind: str = "call", at: str = "", **known: object) -> Result:
    """One contact with c1, now unless said otherwise."""
    story.contacts = getattr(story, "contacts", 0) + 1  # type: ignore[attr-defined]
    instant = shanghai(at) if at else story.clock.now()
    row = {"id": f"k{story.contacts}", "kind": kind, "customer": "c1", "at": instant, **known}  # type: ignore[attr-defined]
    (result,) = contacts.log_contact(story.runtime, "test", [ContactIn(**row)])  # type: ignore[arg-type]
    return result


def steps(story: Story, flow: str) -> list[str]:
    """Every step of a flow: nominal day, due time, state."""
    rows = story.rows(FollowUpRow, flow=flow)
    return [f"{row.nominal_on:%m-%d} {local(row.due_at)} {row.state}" for row in rows]


# ----- chains after events


def test_6_2_weekly_invitations_stop_when_the_customer_comes(story: Story) -> None:
    # given a call-in on a Friday
    enrolled(story, at="2026-11-20 16:40")
    story.event("call_in")

    # when the customer visits on 1 December
    story.live_until("2026-12-01 15:00")
    story.event("site_visit")
    story.live_until("2026-12-20 12:00")

    # then two invitations have come, and the third was taken back
    assert story.times() == ["2026-11-22 09:00", "2026-11-29 09:00"]
    assert steps(story, "invite")[-1] == "12-06 2026-12-06 09:00 cancelled"
    assert story.told("cancelled") == ["cancelled: site_visit came"]


def test_a_stop_event_that_was_told_before_its_chain_stops_it_at_the_claim(story: Story) -> None:
    enrolled(story, at="2026-11-22 08:00")
    story.event("site_visit", at="2026-11-21 10:00")
    story.event("call_in", at="2026-11-20 16:40")
    story.live_until("2026-12-20 12:00")
    assert story.times() == []
    assert story.told("cancelled") == ["cancelled: site_visit came on 2026-11-21"]


def test_6_4_a_buyer_hears_every_half_month(story: Story) -> None:
    enrolled(story, at="2026-12-31 14:00")
    story.event("deal")
    story.live_until("2027-01-31 12:00")
    assert story.times() == ["2027-01-15 09:00", "2027-01-30 09:00"]
    assert steps(story, "half_month")[-1].endswith("planned"), "exactly one step is to come"


def test_10_2_the_half_year_counts_from_the_clipped_month(story: Story) -> None:
    enrolled(story, at="2026-08-31 10:00")
    story.event("go_live")
    story.live_until("2027-04-01 12:00")
    assert story.times() == ["2026-09-30 09:00", "2027-03-30 09:00"]


def test_12_1_quarters_reach_every_role_by_name(story: Story) -> None:
    # given a mine with a technician and a user, each with a phone
    people = (PersonIn("陈工", "technician", phone="13900000011"), PersonIn("周", "user", "女士", phone="13900000012"))
    enrolled(story, at="2026-09-07 10:00", contacts=people)

    # when the software was installed
    story.event("installed")
    story.live_until("2027-04-08 12:00")

    # then both hear it, each under their own name, and the customer's own number stays silent
    for phone, name in (("+8613900000011", "陈工"), ("+8613900000012", "周女士")):
        assert story.times(phone) == ["2026-10-08 09:00", "2027-01-07 09:00", "2027-04-07 09:00"]
        assert story.texts(phone)[0].startswith(f"{name}您好")
    assert story.texts() == []


def test_12_2_each_person_answers_their_own_survey_and_only_the_silent_one_is_reminded(story: Story) -> None:
    # given a technician and a user who are both asked
    people = (PersonIn("陈工", "technician", phone="13900000011"), PersonIn("周", "user", phone="13900000012"))
    enrolled(story, at="2026-11-02 10:00", contacts=people)
    story.event("opened")
    story.live_until("2026-11-03 10:00")

    # when the one who was asked first answers, and then the other stays silent
    story.reply("5", "+8613900000011")
    story.live_until("2026-11-11 12:00")

    # then the answer stands in that person's survey, and the reminder went to the other
    asked = {row.id: row.person_id for row in story.rows(FollowUpRow, flow="opinion")}
    by_person = {asked[row.follow_up_id]: row.state for row in story.rows(SurveyRow)}
    names = {row.id: row.name for row in story.rows(ContactPersonRow)}
    assert {names[person]: state for person, state in by_person.items()} == {"陈工": "answered", "周": "open"}
    assert story.times("+8613900000012") == ["2026-11-03 09:00", "2026-11-10 09:00"]
    assert len([at for at in story.times("+8613900000011") if at.startswith("2026-11-10")]) == 0


def test_12_2_who_answers_on_her_survey_page_is_answered_by_her_own_phone(story: Story) -> None:
    # given a technician and a user who are both asked
    people = (PersonIn("陈工", "technician", phone="13900000011"), PersonIn("周", "user", "女士", phone="13900000012"))
    enrolled(story, at="2026-11-02 10:00", contacts=people)
    story.event("opened")
    story.live_until("2026-11-03 10:00")

    # when the user is dissatisfied, and says so on the page
    asked = {row.person_id: row.id for row in story.rows(FollowUpRow, flow="opinion")}
    (user,) = story.rows(ContactPersonRow, role="user")
    (survey,) = story.rows(SurveyRow, follow_up_id=asked[user.id])
    replies.answer_on_page(story.runtime, survey.token, {"overall": 1}, "")
    story.work()

    # then the apology is on her phone and on nobody else's, and the ticket is hers
    assert story.texts("+8613900000012")[-1].startswith("周女士")
    assert (len(story.texts("+8613900000011")), story.texts()) == (1, [])
    assert story.trail("ticket")[-1].data["person"] == "周"


def test_a_role_that_nobody_has_is_told_and_the_others_hear_it(story: Story) -> None:
    enrolled(story, at="2026-09-07 10:00", contacts=(PersonIn("陈工", "technician", phone="13900000011"),))
    story.event("installed")
    assert len(story.rows(FollowUpRow, flow="quarter")) == 1
    assert story.told("skipped") == ["skipped: nobody is user"]


def test_where_nobody_has_any_of_the_roles_the_customer_hears_it(story: Story) -> None:
    enrolled(story, at="2026-09-07 10:00")
    story.event("installed")
    story.live_until("2026-10-08 12:00")
    assert story.times() == ["2026-10-08 09:00"]


def test_17_1_in_the_warranty_and_never_after_it(story: Story) -> None:
    enrolled(story, at="2026-09-03 10:00", attributes={"warranty_until": "2027-09-03"})
    story.event("accepted")
    story.live_until("2027-11-01 12:00")
    assert story.times() == ["2026-09-30 09:00", "2027-04-02 09:00"]
    assert story.told("notice") == ["notice: nothing comes after warranty_until on 2027-09-03"]


def test_a_warranty_that_ends_earlier_takes_the_planned_step_back(story: Story) -> None:
    enrolled(story, at="2026-09-03 10:00", attributes={"warranty_until": "2027-09-03"})
    story.event("accepted")
    story.live_until("2026-12-01 12:00")
    story.customer(programs=("house",), attributes={"warranty_until": "2027-03-01"})
    story.live_until("2027-06-01 12:00")
    assert story.times() == ["2026-09-30 09:00"]
    assert story.told("cancelled") == ["cancelled: nothing comes after warranty_until on 2027-03-01"]


def test_each_contract_has_a_chain_that_ends_with_it(story: Story) -> None:
    from bot.journey.belongings import MatterIn

    # given two contracts of one customer, of which one ends soon
    matters = (MatterIn("contract", "C1", {"ends": "2026-12-01"}), MatterIn("contract", "C2", {"ends": "2027-06-01"}))
    enrolled(story, at="2026-10-10 10:00", matters=matters)
    story.event("signed", matter="contract:C1")
    story.event("signed", matter="contract:C2")
    story.live_until("2027-01-31 12:00")

    # then each goes on as long as its contract
    nominal = {row.matter_id: [] for row in story.rows(FollowUpRow, flow="contract")}
    for row in story.rows(FollowUpRow, flow="contract"):
        nominal[row.matter_id].append(f"{row.nominal_on:%m-%d}")
    assert sorted(nominal.values(), key=len) == [["11-10"], ["11-10", "12-10", "01-10", "02-10"]]


def test_an_event_that_came_months_late_begins_its_chain_at_the_next_date(story: Story) -> None:
    enrolled(story, at="2026-11-02 10:00")
    story.event("go_live", at="2026-03-15 10:00")
    assert steps(story, "half_year") == ["04-15 2027-04-15 09:00 planned"]
    assert story.told("missed") == []


def test_cancelling_the_event_ends_its_chain(story: Story) -> None:
    from bot.journey import intake

    enrolled(story, at="2026-12-31 14:00")
    story.event("deal", id_="d1")
    story.live_until("2027-01-20 12:00")
    intake.cancel_event(story.runtime, "test", "d1", "the deal was called off")
    story.live_until("2027-03-01 12:00")
    assert story.times() == ["2027-01-15 09:00"]


def test_a_step_that_expired_while_the_house_stood_still_is_listed_and_the_chain_goes_on(story: Story) -> None:
    enrolled(story, at="2026-12-31 14:00")
    story.event("deal")
    story.at("2027-02-03 10:00")
    story.live_until("2027-02-20 12:00")
    assert [step.rpartition(" ")[2] for step in steps(story, "half_month")] == ["expired", "sent", "planned"]
    assert story.times() == ["2027-02-14 09:00"]


def test_of_the_events_of_a_month_a_share_is_drawn_rounded_up(story: Story) -> None:
    """30 % of 10 are 3, of 7 are 3, and of 1 is 1 (rule 11)."""
    enrolled(story, at="2026-11-02 10:00")
    for month, count in (("2026-11", 10), ("2026-12", 7), ("2027-01", 1)):
        story.at(f"{month}-05 10:00")
        for number in range(count):
            story.event("leaflet", id_=f"{month}:{number}")
    months = {row.id: f"{row.occurred_at:%m}" for row in story.rows(EventRow)}
    drawn = Counter(months[row.event_id] for row in story.rows(FollowUpRow, flow="some"))
    assert drawn == {"11": 3, "12": 3, "01": 1}
    assert len(story.trail("skipped")) == 18 - 7


# ----- cadences and contacts


def test_15_4_a_call_before_its_date_moves_the_next_one(story: Story) -> None:
    # given a B2 customer whose last call was on 16 November
    enrolled(story, "b2", at="2026-11-16 10:00")
    log(story)

    # when another call is logged on the 24th
    story.live_until("2026-11-24 11:00")
    log(story)
    story.live_until("2026-12-09 12:00")

    # then 30 November stays free, and the task opens on 8 December
    assert [local(task.opened_at) for task in story.rows(TaskRow)] == ["2026-12-08 09:00"]
    assert story.told("restarted") == ["restarted: call on 2026-11-16", "restarted: call on 2026-11-24"]
    assert story.trail("restarted")[-1].data["next"] == "2026-12-08"


def test_a_call_that_comes_when_the_next_one_is_planned_takes_that_back(story: Story) -> None:
    enrolled(story, "b2", at="2026-11-16 10:00")
    log(story)
    story.live_until("2026-11-29 12:00")
    assert steps(story, "call_b2") == ["11-30 2026-11-30 09:00 planned"]
    log(story)
    story.live_until("2026-12-14 12:00")
    assert steps(story, "call_b2") == ["11-30 2026-11-30 09:00 cancelled", "12-13 2026-12-14 09:00 sent"]


def test_13_2_the_peak_begins_and_seven_days_have_passed(story: Story) -> None:
    enrolled(story, "cement", at="2027-03-25 10:00")
    log(story)
    story.live_until("2027-04-02 12:00")
    assert story.times() == ["2027-04-01 09:00"]


def test_13_3_the_chain_keeps_its_nominal_dates_through_dragon_boat(story: Story) -> None:
    # given the last call on Friday 12 June
    enrolled(story, "cement", at="2026-06-12 10:00")
    log(story)

    # when nobody calls
    story.live_until("2026-06-27 12:00")

    # then the holiday moves the message and not the chain
    assert story.times() == ["2026-06-22 09:00", "2026-06-26 09:00"]


def test_13_3_a_visit_in_december_is_followed_by_a_task_a_month_later(story: Story) -> None:
    enrolled(story, "cement", at="2026-12-03 10:00")
    log(story, "visit", data=SIGNED)
    story.live_until("2027-01-05 12:00")
    task = story.one(TaskRow, kind="visit")
    assert local(task.opened_at) == "2027-01-04 09:00"


def test_25_2_an_imported_visit_counts_and_the_task_opens_a_week_ahead(story: Story) -> None:
    # given a customer of the province who was last visited in September
    enrolled(story, "province", at="2026-12-01 10:00")
    log(story, "visit", at="2026-09-15 10:00", data=SIGNED)

    # when nobody visits
    story.live_until("2026-12-16 12:00")

    # then somebody is told a week before the visit is due
    row = story.follow_up("province")
    assert (f"{row.nominal_on}", local(row.due_at)) == ("2026-12-15", "2026-12-08 09:00")
    task = story.one(TaskRow)
    assert (local(task.opened_at), local(task.due_at)) == ("2026-12-08 09:00", "2026-12-15 18:00")


def test_a_contact_on_the_day_fulfils_the_open_task_and_the_chain_keeps_its_dates(story: Story) -> None:
    # given a weekly call whose task has been open since Monday
    enrolled(story, "weekly", at="2026-11-02 10:00")
    log(story)
    story.live_until("2026-11-10 11:00")
    assert story.states(TaskRow) == ["open"]

    # when the call is logged on Tuesday by another system
    log(story)

    # then the task is done, the step is fulfilled, and the next one counts from Monday
    assert story.states(TaskRow) == ["done"]
    assert story.follow_up("weekly").state == "fulfilled"
    assert story.told("fulfilled") == ["fulfilled: call on 2026-11-10"]
    story.live_until("2026-11-17 12:00")
    assert steps(story, "weekly")[-1] == "11-16 2026-11-16 09:00 sent"


def test_a_done_task_counts_as_the_contact_that_it_was(story: Story) -> None:
    enrolled(story, "weekly", at="2026-11-02 10:00")
    log(story)
    story.live_until("2026-11-10 11:00")
    tasks.finish(story.runtime, story.one(TaskRow).id, tasks.Done(1, result="聊过了"))
    made = story.rows(ContactRow)[-1]
    assert (made.source, made.kind, made.counts, made.task_id) == ("task", "call", True, story.one(TaskRow).id)
    assert story.follow_up("weekly").state == "fulfilled"
    story.live_until("2026-11-17 12:00")
    assert steps(story, "weekly")[-1] == "11-16 2026-11-16 09:00 sent"


@pytest.mark.parametrize(("kind", "noted"), [("call", {}), ("visit", SIGNED)])
def test_a_call_or_a_visit_does_a_task_that_takes_either(story: Story, kind: str, noted: dict[str, object]) -> None:
    enrolled(story)
    story.task(kind="contact", counts_as=["call", "visit"])
    log(story, kind, data=noted)
    assert story.states(TaskRow) == ["done"]


def test_whoever_records_a_task_that_takes_either_says_which_it_was(story: Story) -> None:
    enrolled(story)
    task_id = story.task(kind="contact", counts_as=["call", "visit"], required=["signed_by"])
    for made, field in (("", "made"), ("letter", "made"), ("visit", "data.signed_by")):
        with pytest.raises(InputError) as refused:
            tasks.finish(story.runtime, task_id, tasks.Done(1, made=made))
        assert [fault["field"] for fault in refused.value.faults] == [field]
    tasks.finish(story.runtime, task_id, tasks.Done(1, made="call"))
    assert story.one(ContactRow).kind == "call"


def test_a_task_that_is_let_go_settles_its_step_and_the_cadence_goes_on(story: Story) -> None:
    enrolled(story, "weekly", at="2026-11-02 10:00")
    log(story)
    story.live_until("2026-11-10 11:00")
    tasks.cancel(story.runtime, story.one(TaskRow).id, "closed for rebuilding")
    assert story.follow_up("weekly").state == "cancelled"
    story.live_until("2026-11-23 12:00")
    assert steps(story, "weekly") == [
        "11-09 2026-11-09 09:00 cancelled",
        "11-16 2026-11-16 09:00 sent",
        "11-23 2026-11-23 09:00 sent",
    ]


def test_a_visit_before_it_is_due_settles_the_task_and_restarts_the_interval(story: Story) -> None:
    enrolled(story, "province", at="2026-12-01 10:00")
    log(story, "visit", at="2026-09-15 10:00", data=SIGNED)
    story.live_until("2026-12-10 12:00")
    log(story, "visit", data=SIGNED)
    assert (story.states(TaskRow), story.states(FollowUpRow, flow="province")) == (["done"], ["fulfilled"])
    assert f"{story.one(RestartRow, flow='province').on}" == "2026-12-10"
    story.live_until("2027-03-10 12:00")
    assert steps(story, "province")[-1] == "03-10 2027-03-03 09:00 sent"


def test_a_call_restarts_a_chain_after_an_event_and_an_older_one_does_not(story: Story) -> None:
    enrolled(story, at="2026-11-02 10:00")
    story.event("call_in")
    story.live_until("2026-11-07 12:00")

    # when a call of 3 November is told late, and one is made on the 7th
    log(story, at="2026-11-03 10:00")
    assert steps(story, "invite")[-1] == "11-11 2026-11-11 09:00 planned"
    log(story)

    # then the week begins anew on the 7th
    assert steps(story, "invite")[1:] == ["11-11 2026-11-11 09:00 cancelled", "11-14 2026-11-14 09:00 planned"]
    story.live_until("2026-11-22 12:00")
    assert story.times() == ["2026-11-04 09:00", "2026-11-14 09:00", "2026-11-21 09:00"]


def test_a_call_on_the_day_before_the_message_goes_out_stands_for_it(story: Story) -> None:
    enrolled(story, at="2026-11-02 10:00")
    story.event("call_in")
    story.live_until("2026-11-11 08:00")
    log(story)
    story.live_until("2026-11-19 12:00")
    assert story.times() == ["2026-11-04 09:00", "2026-11-18 09:00"]
    assert steps(story, "invite")[1] == "11-11 2026-11-11 09:00 fulfilled"


def test_a_call_to_one_person_leaves_the_chain_of_the_other(story: Story) -> None:
    people = (PersonIn("陈工", "technician", phone="13900000011"), PersonIn("周", "user", phone="13900000012"))
    enrolled(story, at="2026-09-07 10:00", contacts=people)
    story.event("installed")
    story.live_until("2026-11-02 10:00")
    assert log(story, person="user").verdict == "new"
    nominal = {row.person_id: f"{row.nominal_on}" for row in story.rows(FollowUpRow, state="planned")}
    assert sorted(nominal.values()) == ["2027-01-07", "2027-02-02"]


def test_r26_a_reminder_of_too_few_calls_is_done_once_there_are_enough(story: Story) -> None:
    # given one call in November, and the seller who is reminded on the 25th
    enrolled(story, "watched", at="2026-11-02 10:00")
    log(story)
    story.live_until("2026-11-25 10:00")
    assert (local(story.one(TaskRow).opened_at), story.states(TaskRow)) == ("2026-11-25 09:00", ["open"])

    # when the second call is logged
    log(story)

    # then the reminder is done, and the month was kept
    assert story.states(TaskRow) == ["done"]
    story.live_until("2026-12-02 10:00")
    assert story.trail("breach") == []
    assert [row.state for row in story.rows(FollowUpRow, flow="monthly_least")][-1] == "fulfilled"


# ----- annoyance


def test_r83_who_is_annoyed_hears_half_as_often_from_then_on(story: Story) -> None:
    # given weekly invitations, of which two have come
    customer = enrolled(story, at="2026-11-20 16:40")
    story.event("call_in")
    story.live_until("2026-11-30 12:00")

    # when the customer is annoyed
    annoy(story, customer)
    story.live_until("2026-12-31 12:00")

    # then the next one comes two weeks after the last, and so on
    assert story.times() == ["2026-11-22 09:00", "2026-11-29 09:00", "2026-12-13 09:00", "2026-12-27 09:00"]
    assert story.told("cancelled") == ["cancelled: annoyed: half as often"]


def test_r83_who_is_annoyed_gets_no_calls(story: Story) -> None:
    customer = enrolled(story, "weekly", at="2026-11-02 10:00")
    log(story)
    annoy(story, customer)
    story.live_until("2026-11-20 12:00")
    assert story.rows(TaskRow) == []
    assert story.told("skipped") == ["skipped: annoyed: no calls"]


def annoy(story: Story, customer_id: int) -> None:
    with story.runtime.db.write() as session:
        enrolment = customers.enrolment(session, customer_id, "house")
        assert enrolment is not None
        enrolment.flags = {**enrolment.flags, "annoyed_since": story.clock.now().isoformat()}
        session.add(enrolment)


# ----- what is agreed and what is planned by hand


def test_r36_an_agreed_date_wins_over_the_computed_one_and_the_chain_counts_from_it(story: Story) -> None:
    enrolled(story, at="2026-11-02 10:00")
    story.event("call_in")
    story.live_until("2026-11-05 10:00")
    log(story, next_on=shanghai("2026-11-25 00:00").date())
    story.live_until("2026-12-03 12:00")
    assert story.times() == ["2026-11-04 09:00", "2026-11-25 09:00", "2026-12-02 09:00"]
    assert any(line.because.startswith("agreed at the call on 2026-11-05") for line in story.trail("planned"))


def test_r36_an_agreed_date_of_a_cadence(story: Story) -> None:
    enrolled(story, "b2", at="2026-11-16 10:00")
    log(story, next_on=shanghai("2026-11-19 00:00").date())
    story.live_until("2026-12-04 12:00")
    assert [local(task.opened_at) for task in story.rows(TaskRow)] == ["2026-11-19 09:00", "2026-12-03 09:00"]


def test_r36_what_is_agreed_is_not_moved_by_a_call_in_between(story: Story) -> None:
    enrolled(story, at="2026-11-02 10:00")
    story.event("call_in")
    story.live_until("2026-11-05 10:00")
    log(story, next_on=shanghai("2026-11-25 00:00").date())
    story.live_until("2026-11-10 10:00")
    log(story)
    story.live_until("2026-11-26 12:00")
    assert story.times() == ["2026-11-04 09:00", "2026-11-25 09:00"]


def test_r36_a_member_of_staff_may_agree_a_date(story: Story) -> None:
    customer = enrolled(story, at="2026-11-02 10:00")
    story.event("call_in")
    wanted = ByHand("house", "invite", "he is abroad until then", on=shanghai("2026-12-01 00:00").date())
    with pytest.raises(InputError, match="no step of this customer to come"):
        contacts.agree_next(story.runtime, customer, ByHand("house", "half_month", "why not", on=wanted.on))
    contacts.agree_next(story.runtime, customer, wanted)
    story.live_until("2026-12-02 12:00")
    assert story.times() == ["2026-12-01 09:00"]


def test_r35_an_extra_follow_up_goes_out_at_its_time_and_moves_no_chain(story: Story) -> None:
    customer = enrolled(story, at="2026-11-02 10:00")
    story.event("call_in")
    wanted = ByHand("house", "invite", "his wound", at=shanghai("2026-11-06 15:30"))
    assert local(contacts.plan_extra(story.runtime, customer, wanted)) == "2026-11-06 15:30"
    contacts.plan_extra(story.runtime, customer, wanted)
    story.live_until("2026-11-12 12:00")
    assert story.times() == ["2026-11-04 09:00", "2026-11-06 15:30", "2026-11-11 09:00"]


def test_r35_an_extra_follow_up_reaches_also_who_is_not_in_the_audience(story: Story) -> None:
    customer = enrolled(story, "other", at="2026-11-02 10:00")
    wanted = ByHand("house", "phone", "asked for it", on=shanghai("2026-11-07 00:00").date())
    assert local(contacts.plan_extra(story.runtime, customer, wanted)) == "2026-11-09 09:00"
    story.live_until("2026-11-10 12:00")
    assert story.times() == ["2026-11-09 09:00"]


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"program": "nowhere"}, "program"),
        ({"flow": "nothing"}, "flow"),
        ({"because": " "}, "reason"),
        ({"on": None}, "on"),
        ({"on": shanghai("2026-11-01 00:00").date()}, "on"),
    ],
)
def test_what_cannot_be_planned_by_hand_is_named(story: Story, changed: dict[str, object], field: str) -> None:
    customer = enrolled(story, at="2026-11-02 10:00")
    wanted = {"program": "house", "flow": "invite", "because": "why", "on": shanghai("2026-11-06 00:00").date()}
    with pytest.raises(InputError) as refused:
        contacts.plan_extra(story.runtime, customer, ByHand(**(wanted | changed)))  # type: ignore[arg-type]
    assert [fault["field"] for fault in refused.value.faults] == [field]
    with pytest.raises(NotFound):
        contacts.plan_extra(story.runtime, 99, ByHand(**wanted))  # type: ignore[arg-type]


# ----- what is kept


def test_a_contact_that_is_told_twice_counts_once(story: Story) -> None:
    enrolled(story, "b2", at="2026-11-16 10:00")
    row = ContactIn("k1", "call", "c1", story.clock.now(), staff="李", data={"minutes": 5})
    first = contacts.log_contact(story.runtime, "test", [row, row])
    again = contacts.log_contact(story.runtime, "test", [row])
    assert [each.verdict for each in (*first, *again)] == ["new", "known", "known"]
    assert again[0].row_id == first[0].row_id
    made = story.one(ContactRow)
    assert (made.kind, f"{made.on}", made.counts, made.data) == ("call", "2026-11-16", True, {"minutes": 5})
    assert story.told("contact") == ["contact: call on 2026-11-16"]
    assert story.trail("contact")[0].data["staff"] == "李"


def test_16_3_a_visit_without_its_required_field_is_kept_and_does_not_count(story: Story) -> None:
    enrolled(story, "province", at="2026-12-01 10:00")
    result = log(story, "visit")
    assert result.verdict == "new"
    assert result.faults == (
        {"field": "data.signed_by", "reason": "field missing", "remedy": "it is kept, and counts with this field"},
    )
    assert not story.one(ContactRow).counts
    assert story.rows(RestartRow) == []
    assert story.told("contact") == ["contact: visit on 2026-12-01: kept, does not count: field missing: signed_by"]


def test_r27_a_visit_on_ordinary_business_does_not_count(story: Story) -> None:
    enrolled(story, "province", at="2026-12-01 10:00")
    result = log(story, "visit", data={"signed_by": "王工", "business": True})
    assert (result.verdict, result.faults) == ("new", ())
    assert not story.one(ContactRow).counts
    assert story.rows(RestartRow) == []


BAD: list[tuple[dict[str, object], str, str]] = [
    ({"id": ""}, "id", "is missing"),
    ({"id": "x" * 129}, "id", "longer"),
    ({"kind": "dance"}, "kind", "unknown kind of contact 'dance'"),
    ({"customer": "nobody"}, "customer", "'nobody' is not known"),
    ({"program": "nowhere"}, "program", "does not run here"),
    ({"at": shanghai("2026-11-18 10:00")}, "at", "no day on which it was made"),
    ({"at": shanghai("2026-11-16 10:00").replace(tzinfo=None)}, "at", "no time zone"),
    ({"person": "technician"}, "person", "nobody is called 'technician'"),
    ({"staff": "赵"}, "staff", "nobody is called '赵'"),
    ({"data": {"colour": "red"}}, "data.colour", "unknown field"),
    ({"data": {"minutes": "many"}}, "data.minutes", "is no number"),
    ({"data": {"minutes": float("inf")}}, "data.minutes", "is no number"),
    ({"kind": "visit", "data": {**SIGNED, "on_day": "soon"}}, "data.on_day", "is no date"),
    ({"next_on": shanghai("2026-11-16 00:00").date()}, "next_on", "is not to come"),
]


@pytest.mark.parametrize(("changed", "field", "reason"), BAD, ids=[f"{field}: {why}" for _, field, why in BAD])
def test_a_contact_that_cannot_be_is_refused_by_field(
    story: Story, changed: dict[str, object], field: str, reason: str
) -> None:
    enrolled(story, "b2", at="2026-11-16 10:00")
    row = {"id": "k1", "kind": "call", "customer": "c1", "at": story.clock.now(), **changed}
    good = ContactIn("k2", "call", PHONE, story.clock.now())
    refused, kept = contacts.log_contact(story.runtime, "test", [ContactIn(**row), good])  # type: ignore[arg-type]
    assert (refused.verdict, kept.verdict) == ("refused", "new")
    (fault,) = refused.faults
    assert fault["field"] == field
    assert reason in fault["reason"]
    assert story.one(EnrolmentRow).class_ == "b2"
