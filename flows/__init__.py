"""Decisions: (program, facts, now) -> decisions. Pure: no SQL, no clock, no network."""
