"""SQL and nothing else: `db.py` opens it, `tables.py` shapes it, one file of named queries for each noun."""
