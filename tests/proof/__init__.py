"""The proof that nothing is lost and nothing is sent twice, however often the sender dies: `make prove`.

Read `trial.py` first, then `processes.py`, `run.py` and `verdict.py`.
"""
