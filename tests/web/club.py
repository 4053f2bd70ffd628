"""A club whose staff visit and write letters, for tests of tasks and contacts. Not a test itself."""

from bot.journey.belongings import MatterIn, PersonIn
from bot.journey.enrolment import CustomerIn, accept_customers
from bot.journey.intake import EventIn, accept_events
from bot.store import staff
from bot.store.tables import StaffRow
from tests.web.house import House

PROGRAM = """
id: club
name: {zh: 会所, en: Club}
company: {zh: 青禾}
active_from: 2026-01-01
attributes: {address: text, box: text, tasting: date, tasting_time: text}
persons: [buyer, user]
matters:
  contract: {name: {zh: 合同, en: Contract}, dates: [ends]}
events:
  joined: {name: {zh: 入会, en: Joined}}
  left: {name: {zh: 退会, en: Left}}
  praised: {name: {zh: 表扬, en: Praised us}}
contacts:
  visit:
    name: {zh: 拜访, en: Visit}
    fields: {signed_by: text, minutes: number}
    required: [signed_by]
  talk: {name: {zh: 面谈, en: Talk}}
surveys:
  opinion: {questions: [{id: overall, scale: 1-5, weight: 100, text: {zh: 满意吗}}]}
flows:
  - id: visit
    on: {event: joined, every: 1mo, contacts: [visit]}
    after: 1d
    task:
      kind: visit
      name: {zh: 登门拜访, en: Visit them}
      role: seller
      counts_as: visit
      within: 2d
      fields: {content: flag, next_on: date}
      required: [signed_by, content]
  - id: letter
    on: {event: left}
    after: 1d
    task: {kind: letter, name: {zh: 寄信, en: Write a letter}, role: clerk, within: 1w, shows: [address, box]}
  - id: thanks
    on: {event: praised}
    task: {kind: contact, name: {zh: 致谢}, role: clerk, counts_as: [talk, visit], required: [signed_by]}
  - id: tasting
    on: {date: tasting}
    before: 1d
    message: {template: appointment_agreed}
    task:
      {kind: tasting, name: {zh: 上门品鉴, en: Tasting}, role: seller, appointment: {time: tasting_time}}
duties:
  - id: report
    on: {monthly: 28}
    task: {kind: report, name: {zh: 提交月报, en: Monthly report}, role: clerk, fields: {text: text}, required: [text]}
callback:
  owner: service
  ladder: [{at: 0%, role: service}]
  resurvey: {template: resurvey, survey: opinion}
"""


def found_club(house: House) -> House:
    """A customer with two persons and a contract, who joined and left; a day later both tasks are open."""
    with house.runtime.db.write() as session:
        staff.add(session, StaffRow(name="Lin", roles=["club:seller"], language="en", address="+8613900000092"))
    people = (PersonIn("何工", "buyer"), PersonIn("Ms Guo", "user"))
    contract = MatterIn("contract", "C-7", {"ends": "2027-03-31"})
    where = {"address": "松岭路9号"}
    told = CustomerIn(
        "9", "松岭", "+8613900000009", programs=("club",), attributes=where, contacts=people, matters=(contract,)
    )
    accept_customers(house.runtime, "shop", [told])
    now = house.clock.now()
    accept_events(house.runtime, "shop", [EventIn(f"e-{kind}", kind, "9", now) for kind in ("joined", "left")])
    house.push(days=1, hours=1)
    return house
