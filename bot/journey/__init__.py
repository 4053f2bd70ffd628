"""The story of one customer, to be read in this order: enrolment, intake, occasions, outreach, sending, inbox,
replies, callbacks, apply. Every step has one form: load facts, ask one pure function of `flows`, write the answer in
one transaction.

enrolment.py  0 customers told to us, with what belongs to them (belongings.py); linking.py joins their chats,
              consents.py stops what they no longer want, classes.py computes their classes anew
intake.py     1 event accepted once    2 its follow-ups planned; said.py: what an event says of the customer;
              milestones.py: a date for many, entered once
occasions.py  2 what the calendar calls for planned, as sets; chains.py: what comes again after an event,
              takeovers.py: another class takes over
outreach.py   3 due ones claimed, consent asked again, rendered (wording.py); pauses.py: what waits while a complaint
              is open; approvals.py: what waits until it is approved, approving.py: by whom
tasks.py      3 or a person is to do it; duties.py: work that is about no customer; contacts.py: what people did
              otherwise, and what it fulfils; appointments.py: a visit that the customer moves
violations.py a rule that staff may have broken: one case, and a manager's word on it
quotas.py     3 was it enough? asked when a period is over, and before; appraisals.py: satisfaction with each of the
              staff, in bands
sending.py    4 sent, one effect each: by a sender that is free (senders.py), within the limits (limits.py)
refusals.py   4 a definite no: later, another channel, or listed
doubt.py      4 an outcome that nobody knows; scheduled.py: what the provider keeps; receipts.py: what it says later
inbox.py      5 text stored once, by way of the spool (spool.py) while the database is away
replies.py    6 read    7 scored; conversations.py: which survey a reply belongs to; lapses.py: nobody answered
callbacks.py  8 ticket claimed    9 resolved    10 re-survey planned; ticket_tasks.py: by a call or a visit
apply.py      one `match` from decision to row: follow-ups, answers, what the bot says at once; queue.py: 8 ticket
              opened, its rounds; concentrations.py: many about one thing; news.py: what the customer hears of what
              staff settled
notices.py    what staff must know of the house itself
subject.py    whom a step is about
"""
