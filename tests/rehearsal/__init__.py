"""Rehearsals: what a scenario may say, and what comes of it."""
