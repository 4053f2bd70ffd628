"""The town: a demonstration that lives. Customers, their past, what they answer, and a clock one can push.

`history.py` what really happened, `people.py` who lives here, `answering.py` what they answer, `helping.py` staff who
step in, `town.py` the clock, `start.py` all of it behind one address. Everything else is the product's own code.
"""
