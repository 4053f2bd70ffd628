"""What is done again and again: `work.py` is the table, the other files are engines that go through it."""
