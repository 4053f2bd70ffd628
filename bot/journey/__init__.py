"""The story of one customer, to be read in this order: enrolment, intake, occasions, outreach,
sending, replies, callbacks, apply.

Every step has one form: load facts, ask one pure function of `flows`, write the answer in one transaction.

enrolment.py  0 customers told to us
intake.py     1 event accepted once    2 its follow-ups planned
occasions.py  2 what the calendar calls for planned, as sets
outreach.py   3 due ones claimed, consent asked again, rendered
sending.py    4 sent, one effect each; receipts noted, doubt resolved
replies.py    5 reply stored once    6 read    7 scored
callbacks.py  8 ticket opened, claimed    9 resolved    10 re-survey planned
apply.py      one `match` from decision to row
"""
