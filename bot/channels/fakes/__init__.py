"""Stand-ins for the providers: real HTTP servers on loopback, with a memory of their own and faults on request.

They ship with the product, so that anyone can try it without an account; the proof and the tests run against them.
Read `serving.py` first, then `twilio.py` or `telegram.py`.
"""
